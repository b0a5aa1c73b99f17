//! Many records in one call: `composite/sobjects`, up to 200 of them, each with its own result.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{ApiError, respond};
use super::query::render;
use super::records::visible_fields;
use super::schema::Object;
use super::screen::Author;
use super::store::is_deleted;
use super::users::User;
use super::{Salesforce, WrongType, ids};
use crate::model::{Fields, Response};

/// How many records a call may carry.
const MOST: usize = 200;

/// One record's outcome: its id, or what is wrong with it.
type Outcome = Result<String, Vec<ApiError>>;

/// Which write a call makes of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
}

impl Salesforce {
    /// `POST` and `PATCH composite/sobjects`.
    pub(crate) fn write_collection(
        &mut self,
        verb: Verb,
        body: &Value,
        user: &Arc<User>,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let records = body.get("records").and_then(Value::as_array);
        let records = records.ok_or_else(|| ApiError::json_parser("The request body requires 'records'"))?;
        too_many(records.len())?;
        let all_or_none = body.get("allOrNone") == Some(&Value::Bool(true));
        let author = Author::api(user);
        let outcomes = self.each(records, all_or_none, |model, record| match verb {
            Verb::Create => model.create_item(record, &author, now),
            Verb::Update => model.update_item(record, &author, now),
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
        Ok(results(&outcomes))
    }

    /// `DELETE composite/sobjects?ids=…&allOrNone=…`.
    pub(crate) fn delete_collection(
        &mut self,
        ids: &str,
        all_or_none: bool,
        user: &Arc<User>,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let given: Vec<Value> = ids
            .split(',')
            .map(|id| Value::String(id.trim().to_owned()))
            .collect();
        too_many(given.len())?;
        let author = Author::api(user);
        let outcomes = self.each(&given, all_or_none, |model, id| {
            let (object, id) = model.located(id)?;
            model.delete(&object, &id, &author, now).map(|()| id)
        });
        Ok(results(&outcomes))
    }

    /// `POST composite/sobjects/{Type}`: records by id, null for each that is not there.
    pub(crate) fn retrieve_collection(
        &self,
        object: &Object,
        body: &Value,
        version: &str,
        user: &User,
        now: Timestamp,
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
        let fields = visible_fields(object, Some(&fields.join(",")), user)?;
        let records: Vec<Value> = ids
            .iter()
            .map(|id| {
                let row = ids::canonical(id).and_then(|id| self.store.row(&object.name, &id));
                row.and_then(|row| row.seen_at(now))
                    .filter(|row| !is_deleted(row))
                    .map_or(Value::Null, |row| render(object, row, &fields, version))
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
        let saved = may_undo.then(|| (self.store.clone(), self.writes.len()));
        let mut outcomes: Vec<Outcome> = items.iter().map(|item| write(self, item)).collect();
        let poisoned = self.settings.wrong_type_fails == WrongType::WholeRequest
            && outcomes.iter().any(|outcome| {
                outcome
                    .as_ref()
                    .is_err_and(|errors| errors.iter().any(|error| error.code == "JSON_PARSER_ERROR"))
            });
        let undo = poisoned || (all_or_none && outcomes.iter().any(Outcome::is_err));
        if let Some((store, writes)) = saved.filter(|_| undo) {
            self.store = store;
            self.writes.truncate(writes);
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
        self.insert(&object, fields, author, now)
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
        self.update(&object, &id, fields, author, now).map(|()| id)
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

/// Always 200: each record's result stands at its own place. The code's key is `statusCode` here.
fn results(outcomes: &[Outcome]) -> Response {
    let results = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(id) => json!({"id": id, "success": true, "errors": []}),
            Err(errors) => {
                let errors: Vec<Value> = errors.iter().map(ApiError::to_item_json).collect();
                json!({"success": false, "errors": errors})
            }
        })
        .collect();
    respond(StatusCode::OK, &Value::Array(results))
}
