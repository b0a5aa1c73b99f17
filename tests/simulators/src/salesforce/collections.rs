//! Many records in one call: `composite/sobjects`, up to 200 of them, each with its own result.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dispatch::Call;
use super::error::{ApiError, respond};
use super::external_id::{Key, Upserted, key_field, named_twice};
use super::field::{Field, FieldType};
use super::query::render;
use super::records::visible_fields;
use super::schema::Object;
use super::screen::Author;
use super::store::is_deleted;
use super::users::User;
use super::value::accept;
use super::{Salesforce, WrongType, ids};
use crate::model::{Fields, Response};

/// How many records a call may carry.
const MOST: usize = 200;

/// How many runs of records of one type a call may carry (REST API Developer Guide: "Using sObject Collections").
const MOST_RUNS: usize = 10;

/// One record's outcome: what was written, or what is wrong with it.
type Outcome = Result<Written, Vec<ApiError>>;

/// A record that was written.
struct Written {
    id: String,
    /// Whether an upsert made it; `None` for other writes.
    created: Option<bool>,
}

impl From<String> for Written {
    fn from(id: String) -> Self {
        Self { id, created: None }
    }
}

/// Which write a call makes of each record.
#[derive(Debug, Clone)]
pub(crate) enum Verb {
    Create,
    Update,
    /// By the value of a field that records of the object may be named by.
    Upsert {
        object: Arc<Object>,
        field: Box<Field>,
    },
}

impl Verb {
    /// An upsert by the field of that name, if records may be named by it.
    pub fn upsert(object: Arc<Object>, field: &str, user: &User) -> Result<Self, ApiError> {
        let field = Box::new(key_field(&object, field, user)?.clone());
        Ok(Self::Upsert { object, field })
    }
}

impl Salesforce {
    /// `POST` and `PATCH composite/sobjects`, and `PATCH composite/sobjects/{Type}/{field}`.
    pub(crate) fn write_collection(
        &mut self,
        verb: &Verb,
        body: &Value,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let records = body.get("records").and_then(Value::as_array);
        let records = records.ok_or_else(|| ApiError::json_parser("The request body requires 'records'"))?;
        too_many(records.len())?;
        too_mixed(records)?;
        let all_or_none = body.get("allOrNone") == Some(&Value::Bool(true));
        let (author, now) = (call.author(), call.now);
        let outcomes = self.each(records, all_or_none, |model, record| match verb {
            Verb::Create => model.create_item(record, &author, now),
            Verb::Update => model.update_item(record, &author, now),
            Verb::Upsert { object, field } => {
                given_once(field, record, records)?;
                model.upsert_item(object, field, record, &author, now)
            }
        });
        if self.settings.wrong_type_fails == WrongType::WholeRequest {
            let errors = outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().err())
                .flatten();
            if let Some(error) = errors.into_iter().find(|error| error.code == "JSON_PARSER_ERROR") {
                return Err(error.clone());
            }
        }
        Ok(self.results(&outcomes))
    }

    /// `DELETE composite/sobjects?ids=…&allOrNone=…`.
    pub(crate) fn delete_collection(
        &mut self,
        ids: &str,
        all_or_none: bool,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let given: Vec<Value> = ids
            .split(',')
            .map(|id| Value::String(id.trim().to_owned()))
            .collect();
        too_many(given.len())?;
        let (author, now) = (call.author(), call.now);
        let outcomes = self.each(&given, all_or_none, |model, id| {
            let (object, id) = model.located(id)?;
            model.delete(&object, &id, &author, now).map(|()| id.into())
        });
        Ok(self.results(&outcomes))
    }

    /// `GET` and `POST composite/sobjects/{Type}`: records by id, null for each that is not there.
    pub(crate) fn retrieve_collection(
        &self,
        object: &Object,
        body: &Value,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let list = |key: &str| -> Result<Vec<&str>, ApiError> {
            let items = body.get(key).and_then(Value::as_array);
            let items =
                items.ok_or_else(|| ApiError::json_parser(format!("The request body requires '{key}'")))?;
            Ok(items.iter().filter_map(Value::as_str).collect())
        };
        let (ids, fields) = (list("ids")?, list("fields")?);
        if ids.len() > 2000 {
            return Err(limit_exceeded(2000));
        }
        let fields = visible_fields(object, Some(&fields.join(",")), call.user)?;
        let records: Vec<Value> = ids
            .iter()
            .map(|id| {
                let row = ids::canonical(id).and_then(|id| self.store.row(&object.name, &id));
                row.and_then(|row| row.seen_at(call.now))
                    .filter(|row| !is_deleted(row))
                    .map_or(Value::Null, |row| render(object, row, &fields, call.version))
            })
            .collect();
        Ok(respond(StatusCode::OK, &Value::Array(records)))
    }

    /// Runs a write for each item; with all-or-none, a failure undoes all of them and says so of each.
    fn each(
        &mut self,
        items: &[Value],
        all_or_none: bool,
        mut write: impl FnMut(&mut Self, &Value) -> Outcome,
    ) -> Vec<Outcome> {
        // A poisoned body that fails whole is undone like an all-or-none one.
        let may_undo = all_or_none || self.settings.wrong_type_fails == WrongType::WholeRequest;
        let saved = may_undo.then(|| self.savepoint());
        let mut outcomes: Vec<Outcome> = items.iter().map(|item| write(self, item)).collect();
        let poisoned = self.settings.wrong_type_fails == WrongType::WholeRequest
            && outcomes.iter().any(|outcome| {
                outcome
                    .as_ref()
                    .is_err_and(|errors| errors.iter().any(|error| error.code == "JSON_PARSER_ERROR"))
            });
        let undo = poisoned || (all_or_none && outcomes.iter().any(Outcome::is_err));
        if let Some(saved) = saved.filter(|_| undo) {
            self.roll_back(saved);
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                let message = "Record rolled back because not all records were valid and the request was using AllOrNone header";
                *outcome = Err(vec![ApiError::on_fields(
                    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                    message,
                    &[],
                )]);
            }
        }
        outcomes
    }

    fn create_item(&mut self, record: &Value, author: &Author, now: Timestamp) -> Outcome {
        let fields = as_fields(record)?;
        let type_name = record
            .pointer("/attributes/type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let readable = |object: &&Arc<Object>| {
            author
                .user
                .as_ref()
                .is_none_or(|user| user.rights(&object.name).read)
        };
        let object = self
            .schema
            .object(type_name)
            .filter(readable)
            .cloned()
            .ok_or_else(|| {
                let message = format!("sObject type '{type_name}' is not supported.");
                vec![ApiError::on_fields("INVALID_TYPE", message, &[])]
            })?;
        self.insert(&object, fields, author, now).map(Written::from)
    }

    fn update_item(&mut self, record: &Value, author: &Author, now: Timestamp) -> Outcome {
        let fields = as_fields(record)?;
        let id = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("id"))
            .map(|(_, id)| id);
        let Some(id) = id else {
            let message = "Id not specified in an update call";
            return Err(vec![ApiError::on_fields("MISSING_ARGUMENT", message, &["Id"])]);
        };
        let (object, id) = self.located(id)?;
        self.update(&object, &id, fields, author, now).map(|()| id.into())
    }

    fn upsert_item(
        &mut self,
        object: &Arc<Object>,
        field: &Field,
        record: &Value,
        author: &Author,
        now: Timestamp,
    ) -> Outcome {
        let mut fields = as_fields(record)?.clone();
        let type_name = record.pointer("/attributes/type").and_then(Value::as_str);
        if let Some(other) = type_name.filter(|name| !name.eq_ignore_ascii_case(&object.name)) {
            let message = format!(
                "Record type {other} is not the type of the request, {}",
                object.name
            );
            return Err(vec![ApiError::on_fields("INVALID_TYPE", message, &[])]);
        }
        let named = |name: &str| {
            let key = fields.keys().find(|key| key.eq_ignore_ascii_case(name));
            key.cloned()
        };
        if field.field_type == FieldType::Id {
            let Some(id) = named("Id")
                .and_then(|key| fields.remove(&key))
                .filter(|id| !id.is_null())
            else {
                let made = self.insert(object, &fields, author, now)?;
                return Ok(Written {
                    id: made,
                    created: Some(true),
                });
            };
            let (_, id) = self.located(&id)?;
            return self.upsert_by(
                object,
                Key {
                    field,
                    value: &Value::String(id),
                },
                &fields,
                author,
                now,
            );
        }
        if let Some(id) = named("Id") {
            return Err(vec![named_twice(&id)]);
        }
        let value = named(&field.name)
            .and_then(|key| fields.remove(&key))
            .unwrap_or_default();
        let value = accept(field, &value).map_err(|error| vec![error])?;
        if value.is_null() {
            let message = format!("{} not specified", field.name);
            return Err(vec![ApiError::on_fields(
                "MISSING_ARGUMENT",
                message,
                &[&field.name],
            )]);
        }
        self.upsert_by(object, Key { field, value: &value }, &fields, author, now)
    }

    fn upsert_by(
        &mut self,
        object: &Arc<Object>,
        key: Key<'_>,
        fields: &Fields,
        author: &Author,
        now: Timestamp,
    ) -> Outcome {
        let (id, created) = match self.upsert(object, key, fields, false, author, now)? {
            Upserted::Created(id) => (id, true),
            Upserted::Updated(id) => (id, false),
            Upserted::Ambiguous(ids) => {
                let message = format!(
                    "{}: more than one record found for external id field: [{}]",
                    key.field.name,
                    ids.join(", ")
                );
                return Err(vec![ApiError::on_fields("DUPLICATE_EXTERNAL_ID", message, &[])]);
            }
        };
        Ok(Written {
            id,
            created: Some(created),
        })
    }

    /// Always 200: each record's result stands at its own place.
    fn results(&self, outcomes: &[Outcome]) -> Response {
        let key = self.settings.item_error_key;
        let results = outcomes
            .iter()
            .map(|outcome| match outcome {
                Ok(Written { id, created }) => {
                    let mut result = json!({"id": id, "success": true, "errors": []});
                    if let Some(created) = created {
                        result["created"] = json!(created);
                    }
                    result
                }
                Err(errors) => {
                    let errors: Vec<Value> = errors.iter().map(|error| error.to_item_json(key)).collect();
                    json!({"success": false, "errors": errors})
                }
            })
            .collect();
        respond(StatusCode::OK, &Value::Array(results))
    }

    fn located(&self, id: &Value) -> Result<(Arc<Object>, String), Vec<ApiError>> {
        let text = id.as_str().unwrap_or_default();
        self.locate(text).ok_or_else(|| {
            let message = format!("malformed id {text}");
            vec![ApiError::on_fields("MALFORMED_ID", message, &["Id"])]
        })
    }
}

fn as_fields(record: &Value) -> Result<&Fields, Vec<ApiError>> {
    record
        .as_object()
        .ok_or_else(|| vec![ApiError::json_parser("A record must be a JSON object")])
}

fn too_many(count: usize) -> Result<(), ApiError> {
    if count > MOST {
        Err(limit_exceeded(MOST))
    } else {
        Ok(())
    }
}

fn limit_exceeded(most: usize) -> ApiError {
    ApiError::bad_request(
        "LIMIT_EXCEEDED",
        format!("The request cannot have more than {most} records"),
    )
}

/// Records of one type after another are written together, and there may be only so many such runs.
fn too_mixed(records: &[Value]) -> Result<(), ApiError> {
    let mut types: Vec<&str> = records
        .iter()
        .map(|record| {
            let type_name = record.pointer("/attributes/type");
            type_name.and_then(Value::as_str).unwrap_or_default()
        })
        .collect();
    types.dedup();
    if types.len() > MOST_RUNS {
        let message = format!(
            "Cannot have more than {MOST_RUNS} chunks in a single operation. Please rearrange the data to reduce chunking."
        );
        return Err(ApiError::bad_request("LIMIT_EXCEEDED", message));
    }
    Ok(())
}

/// Two items of one upsert that carry the same key are both refused.
fn given_once(field: &Field, record: &Value, records: &[Value]) -> Result<(), Vec<ApiError>> {
    let key = |record: &Value| record.get(&field.name).cloned().unwrap_or_default();
    let mine = key(record);
    let shared = !mine.is_null() && records.iter().filter(|other| key(other) == mine).count() > 1;
    if shared {
        let shown = mine.as_str().map_or_else(|| mine.to_string(), str::to_owned);
        let message = format!("Duplicate external id specified: {shown}");
        return Err(vec![ApiError::on_fields(
            "DUPLICATE_VALUE",
            message,
            &[&field.name],
        )]);
    }
    Ok(())
}
