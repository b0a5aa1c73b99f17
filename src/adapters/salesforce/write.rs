//! Creating and updating by sObject Collections: at most 200 records a call, each with its own outcome
//! (Salesforce docs: REST API, sObject Collections).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Ask, Client, Possible, Reply};
use super::convert;
use super::errors::{self, ApiError};
use super::rejection::{self, Deed};
use crate::adapters::http::{call, failure};
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, RecordId};
use crate::core::schema::{FieldKind, ObjectSchema};
use crate::core::side::Side;
use crate::core::value::Value;
use crate::ports::{CallPolicy, CreateItem, Effect, Rejection, RemoteError, UpdateItem, WriteOutcome};

/// Records of one call.
pub(super) const LARGEST_BATCH: usize = 200;

/// How long a write call may take. Salesforce cuts most transactions off sooner, but a batch of 200 records with
/// triggers may use it.
pub(super) const TIMEOUT: Duration = Duration::from_mins(2);

/// Without it Case and Lead assignment rules run on every update by the API and move the owner.
const AUTO_ASSIGN: HeaderName = HeaderName::from_static("sforce-auto-assign");

/// Makes records. The duplicate rules of the org apply as for anybody (`Sforce-Duplicate-Rule-Header` is not sent), and
/// so do its assignment rules: a case that appears should reach the queue that cases reach. Only where the flow itself
/// sets the owner are they told to leave it.
pub(super) async fn create(
    client: &Client,
    schema: &ObjectSchema,
    items: &[CreateItem],
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let batch = Batch {
        action: "collections_create",
        method: Method::POST,
        keep_owner: items
            .iter()
            .any(|item| item.fields.keys().any(|field| field.as_str() == "OwnerId")),
    };
    let prepared = items
        .iter()
        .map(|item| {
            let mut fields = values(schema, &item.fields)?;
            let (stamp, text) = &item.stamp;
            let text = convert::write(&FieldKind::Text { max_length: None }, &Value::text(text.as_str()));
            fields.insert(stamp.as_str(), text.ok_or_else(|| unsuitable(schema, stamp))?);
            Ok(fields)
        })
        .map(|fields| fields.map(|fields| Entry { id: None, fields }));
    let results = batch.send(client, schema, prepared.collect()).await?;
    Ok(items
        .iter()
        .zip(results)
        .map(|(item, result)| match result {
            ItemResult::Settled(outcome) => outcome,
            ItemResult::Answered { id, errors } if errors.is_empty() => match id {
                Some(id) => WriteOutcome::Applied { id, read_back: None },
                None => unknown("Salesforce states success and no id"),
            },
            ItemResult::Answered { errors, .. } => {
                let twin = rejection::duplicates(&errors).find(|duplicate| {
                    duplicate
                        .field
                        .as_ref()
                        .is_some_and(|field| field.as_str().eq_ignore_ascii_case(item.stamp.0.as_str()))
                });
                match twin {
                    Some(twin) => WriteOutcome::Exists { id: twin.id },
                    None => WriteOutcome::Rejected(rejection::rejection(
                        Deed::Create,
                        schema.object.as_str(),
                        &errors,
                    )),
                }
            }
        })
        .collect())
}

/// Changes records.
pub(super) async fn update(
    client: &Client,
    schema: &ObjectSchema,
    items: &[UpdateItem],
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let batch = Batch {
        action: "collections_update",
        method: Method::PATCH,
        keep_owner: true,
    };
    let prepared = items.iter().map(|item| {
        Ok(Entry {
            id: Some(item.id.as_str()),
            fields: values(schema, &item.fields)?,
        })
    });
    let results = batch.send(client, schema, prepared.collect()).await?;
    Ok(items
        .iter()
        .zip(results)
        .map(|(item, result)| match result {
            ItemResult::Settled(outcome) => outcome,
            ItemResult::Answered { id, errors } if errors.is_empty() => {
                if id.as_ref().is_some_and(|id| *id != item.id) {
                    unknown("Salesforce states success for another record")
                } else {
                    WriteOutcome::Applied {
                        id: item.id.clone(),
                        read_back: None,
                    }
                }
            }
            ItemResult::Answered { errors, .. } => {
                let about = format!("{} {}", schema.object, item.id);
                let mut refused = rejection::rejection(Deed::Update, &about, &errors);
                refused.gone |= names_the_record_itself(schema, item, &errors);
                WriteOutcome::Rejected(refused)
            }
        })
        .collect())
}

/// `INVALID_CROSS_REFERENCE_KEY` is said of the record itself and of a record that it refers to. It is the record
/// itself when no reference was written.
fn names_the_record_itself(schema: &ObjectSchema, item: &UpdateItem, errors: &[ApiError]) -> bool {
    let writes_reference = item.fields.keys().any(|field| {
        schema
            .fields
            .get(field)
            .is_some_and(|field| field.kind == FieldKind::Reference)
    });
    !writes_reference && errors::has_code(errors, "INVALID_CROSS_REFERENCE_KEY")
}

type Fields<'a> = BTreeMap<&'a str, Box<RawValue>>;

/// The values as JSON, by the kinds of the schema.
fn values<'a>(
    schema: &ObjectSchema,
    fields: &'a BTreeMap<FieldName, Value>,
) -> Result<Fields<'a>, Rejection> {
    fields
        .iter()
        .map(|(field, value)| {
            let json = schema
                .fields
                .get(field)
                .and_then(|field| convert::write(&field.kind, value));
            Ok((field.as_str(), json.ok_or_else(|| unsuitable(schema, field))?))
        })
        .collect()
}

/// Not sent: the value is not of the field's kind.
fn unsuitable(schema: &ObjectSchema, field: &FieldName) -> Rejection {
    let kind = schema
        .fields
        .get(field)
        .map_or("a field that is not there", |field| field.kind.word());
    Rejection {
        problem: Problem::human(
            "ValueNotOfKind",
            format!(
                "the value for {}.{field} is not of the field's kind ({kind}); map it to another field, or by a \
                 value table",
                schema.object
            ),
        ),
        gone: false,
    }
}

fn unknown(detail: &str) -> WriteOutcome {
    WriteOutcome::Unknown {
        detail: detail.to_owned(),
    }
}

/// One record of a call.
struct Entry<'a> {
    id: Option<&'a str>,
    fields: Fields<'a>,
}

/// One record of the body.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Attributes { r#type: &'a str },
    Id(&'a str),
    Value(&'a RawValue),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    all_or_none: bool,
    records: Vec<BTreeMap<&'a str, Member<'a>>>,
}

/// What became of one record, before it is known what it means for the deed.
enum ItemResult {
    /// Decided without Salesforce's word on it.
    Settled(WriteOutcome),
    /// Salesforce's word on it; success without errors.
    Answered {
        id: Option<RecordId>,
        errors: Vec<ApiError>,
    },
}

#[derive(Deserialize)]
struct ItemAnswer {
    #[serde(default)]
    id: Option<String>,
    success: bool,
    #[serde(default)]
    errors: Vec<ApiError>,
}

struct Batch {
    action: &'static str,
    method: Method,
    keep_owner: bool,
}

impl Batch {
    /// Sends what can be sent in one call. One result per entry, in their order.
    async fn send(
        &self,
        client: &Client,
        schema: &ObjectSchema,
        prepared: Vec<Result<Entry<'_>, Rejection>>,
    ) -> Result<Vec<ItemResult>, RemoteError> {
        if prepared.len() > LARGEST_BATCH {
            return Err(failure::misconfigured(
                "BatchTooLarge",
                format!(
                    "{} records in one call; Salesforce takes {LARGEST_BATCH}",
                    prepared.len()
                ),
            ));
        }
        let sent: Vec<&Entry<'_>> = prepared.iter().flatten().collect();
        let answers = if sent.is_empty() {
            Vec::new()
        } else {
            self.call(client, schema, &sent).await?
        };
        let mut answers = answers.into_iter();
        Ok(prepared
            .into_iter()
            .map(|entry| match entry {
                Err(rejection) => ItemResult::Settled(WriteOutcome::Rejected(rejection)),
                Ok(_) => answers.next().unwrap_or_else(|| {
                    ItemResult::Settled(unknown("Salesforce gave fewer results than records"))
                }),
            })
            .collect())
    }

    /// The one call. Its error means that nothing happened; a result for each entry otherwise.
    async fn call(
        &self,
        client: &Client,
        schema: &ObjectSchema,
        sent: &[&Entry<'_>],
    ) -> Result<Vec<ItemResult>, RemoteError> {
        let ask = self.ask(client, schema, sent)?;
        let all_unknown = |detail: &str| {
            sent.iter()
                .map(|_| ItemResult::Settled(unknown(detail)))
                .collect::<Vec<_>>()
        };
        let response = match client.send(&ask).await {
            Ok(Reply::Success(response)) => response,
            Ok(Reply::Errors { status, errors }) => {
                let error = errors::whole_call(self.action, schema.object.as_str(), status, &errors);
                return if status.is_client_error() || errors::has_code(&errors, "UNABLE_TO_LOCK_ROW") {
                    Err(error)
                } else {
                    Ok(all_unknown(&error.problem.message))
                };
            }
            Err(failure) => {
                return match failure.effect {
                    Possible::No => Err(failure.error),
                    Possible::Yes => Ok(all_unknown(&failure.error.problem.message)),
                };
            }
        };
        let answers: Vec<ItemAnswer> = match call::json(response.body()) {
            Ok(answers) => answers,
            Err(fault) => {
                let error = failure::body(Side::Salesforce, self.action, response.status(), fault);
                return Ok(all_unknown(&error.problem.message));
            }
        };
        if answers.len() != sent.len() {
            return Ok(all_unknown(
                "Salesforce gave another number of results than of records",
            ));
        }
        Ok(answers.into_iter().map(ItemAnswer::result).collect())
    }

    fn ask(&self, client: &Client, schema: &ObjectSchema, sent: &[&Entry<'_>]) -> Result<Ask, RemoteError> {
        let records = sent
            .iter()
            .map(|entry| {
                let attributes = Member::Attributes {
                    r#type: schema.object.as_str(),
                };
                let mut record = BTreeMap::from([("attributes", attributes)]);
                record.extend(
                    entry
                        .fields
                        .iter()
                        .map(|(name, json)| (*name, Member::Value(json))),
                );
                record.extend(entry.id.map(|id| ("id", Member::Id(id))));
                record
            })
            .collect();
        let body = serde_json::to_vec(&Body {
            all_or_none: false,
            records,
        })
        .map_err(|error| {
            failure::misconfigured("RequestRefused", format!("{} has no JSON: {error}", self.action))
        })?;
        let mut headers = Vec::new();
        if self.keep_owner {
            headers.push((AUTO_ASSIGN, HeaderValue::from_static("FALSE")));
        }
        Ok(Ask {
            policy: CallPolicy {
                action: self.action,
                effect: Effect::Write,
                timeout: TIMEOUT,
            },
            method: self.method.clone(),
            path: client.data_path("composite/sobjects"),
            headers,
            body: Bytes::from(body),
        })
    }
}

impl ItemAnswer {
    fn result(self) -> ItemResult {
        let id = self.id.and_then(|id| RecordId::parse(Side::Salesforce, &id).ok());
        match (self.success, self.errors.is_empty()) {
            (true, _) => ItemResult::Answered {
                id,
                errors: Vec::new(),
            },
            (false, false) => ItemResult::Answered {
                id,
                errors: self.errors,
            },
            (false, true) => ItemResult::Settled(unknown("Salesforce states no success and no error")),
        }
    }
}
