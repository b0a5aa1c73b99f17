//! Creating, updating and deleting: what each record's result means for the port.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::value::RawValue;

use super::BulkRules;
use super::client::Client;
use super::collections::{self, Batch, Entry, ItemResult};
use super::convert;
use super::errors::{self, ApiError};
use super::guarded;
use super::ingest::{self, Ingested};
use super::rejection::{self, Deed};
use crate::core::failure::{FailureClass, Problem};
use crate::core::ident::{FieldName, RecordId};
use crate::core::schema::{FieldKind, ObjectSchema};
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{CreateItem, Rejection, RemoteError, UpdateItem, WriteOutcome};

/// Makes records: by Collections, or, from so many on that it needs fewer calls, by a bulk job.
pub(super) async fn create(
    client: &Client,
    schema: &ObjectSchema,
    items: &[CreateItem],
    rules: BulkRules,
) -> Result<Vec<WriteOutcome>, RemoteError> {
    // The right to write was checked for one write, whichever ways it tries.
    let began = client.monotonic();
    if items.len() <= collections::LARGEST_BATCH {
        return create_batch(client, schema, items, began).await;
    }
    if items.len() > rules.ingest_most {
        return Err(collections::too_large(items.len()));
    }
    if items.len() >= rules.ingest_from
        && ingest::suits(schema, items)
        && let Ingested::Done(outcomes) = ingest::create(client, schema, items, began).await?
    {
        return Ok(outcomes);
    }
    let mut outcomes: Vec<WriteOutcome> = Vec::with_capacity(items.len());
    for batch in items.chunks(collections::LARGEST_BATCH) {
        match create_batch(client, schema, batch, began).await {
            Ok(made) => outcomes.extend(made),
            Err(error) if outcomes.is_empty() => return Err(error),
            Err(error) => outcomes.extend(batch.iter().map(|_| not_sent(&error))),
        }
    }
    Ok(outcomes)
}

/// Another call of the same write was sent, so this one's failure is told record by record. Nothing is wrong with the
/// records, so they are sent again soon, whoever must act meanwhile: the next call tells that for all.
pub(super) fn not_sent(error: &RemoteError) -> WriteOutcome {
    let Problem { reason, message, .. } = error.problem.clone();
    WriteOutcome::Rejected(Rejection {
        problem: Problem {
            class: FailureClass::Transient,
            reason,
            message,
        },
        gone: false,
    })
}

/// Makes records by one call. The duplicate rules of the org apply as for anybody (`Sforce-Duplicate-Rule-Header` is
/// not sent), and so do its assignment rules: a case that appears should reach the queue that cases reach. Only where
/// the flow itself sets the owner are they told to leave it.
async fn create_batch(
    client: &Client,
    schema: &ObjectSchema,
    items: &[CreateItem],
    began: Duration,
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let batch = Batch {
        action: "collections_create",
        doing: "making",
        began,
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
                rejection::twin(&errors, &item.stamp.0).unwrap_or_else(|| {
                    WriteOutcome::Rejected(rejection::rejection(
                        Deed::Create,
                        schema.object.as_str(),
                        &errors,
                    ))
                })
            }
        })
        .collect())
}

/// Changes records: those that may be overwritten in one call of Collections, the guarded ones by Composite.
pub(super) async fn update(
    client: &Client,
    schema: &ObjectSchema,
    items: &[UpdateItem],
) -> Result<Vec<WriteOutcome>, RemoteError> {
    if items.len() > collections::LARGEST_BATCH {
        return Err(collections::too_large(items.len()));
    }
    let began = client.monotonic();
    let guarded: Vec<(&UpdateItem, Instant)> = items
        .iter()
        .filter_map(|item| Some((item, item.unmodified_since?)))
        .collect();
    let plain: Vec<&UpdateItem> = items
        .iter()
        .filter(|item| item.unmodified_since.is_none())
        .collect();
    let sent_before = !plain.is_empty();
    let mut plain = update_plain(client, schema, &plain).await?.into_iter();
    let mut guarded = guarded::update(client, schema, &guarded, began, sent_before)
        .await?
        .into_iter();
    Ok(items
        .iter()
        .map(|item| {
            let outcome = if item.unmodified_since.is_some() {
                guarded.next()
            } else {
                plain.next()
            };
            outcome.unwrap_or_else(|| unknown("Salesforce gave fewer results than records"))
        })
        .collect())
}

async fn update_plain(
    client: &Client,
    schema: &ObjectSchema,
    items: &[&UpdateItem],
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let batch = Batch {
        action: "collections_update",
        doing: "changing",
        began: client.monotonic(),
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
pub(super) fn names_the_record_itself(schema: &ObjectSchema, item: &UpdateItem, errors: &[ApiError]) -> bool {
    let writes_reference = item.fields.keys().any(|field| {
        schema
            .fields
            .get(field)
            .is_some_and(|field| field.kind == FieldKind::Reference)
    });
    !writes_reference && errors::has_code(errors, "INVALID_CROSS_REFERENCE_KEY")
}

/// A record's fields, ready to be sent.
pub(super) type Fields<'a> = BTreeMap<&'a str, Box<RawValue>>;

/// The values as JSON, by the kinds of the schema.
pub(super) fn values<'a>(
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
pub(super) fn unsuitable(schema: &ObjectSchema, field: &FieldName) -> Rejection {
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

pub(super) fn unknown(detail: &str) -> WriteOutcome {
    WriteOutcome::Unknown {
        detail: detail.to_owned(),
    }
}

/// Deletes records, into the recycle bin: Salesforce keeps them there for 15 days, and undeletes them with the same id.
pub(super) async fn delete(
    client: &Client,
    schema: &ObjectSchema,
    ids: &[RecordId],
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let results = collections::delete(client, schema, ids).await?;
    Ok(ids
        .iter()
        .zip(results)
        .map(|(id, result)| match result {
            ItemResult::Settled(outcome) => outcome,
            ItemResult::Answered { id: done, errors } if errors.is_empty() => {
                if done.as_ref().is_some_and(|done| done != id) {
                    unknown("Salesforce states success for another record")
                } else {
                    WriteOutcome::Applied {
                        id: id.clone(),
                        read_back: None,
                    }
                }
            }
            ItemResult::Answered { errors, .. } => {
                let about = format!("{} {id}", schema.object);
                let mut refused = rejection::rejection(Deed::Delete, &about, &errors);
                // Nothing but the record itself was named.
                refused.gone |= errors::has_code(&errors, "INVALID_CROSS_REFERENCE_KEY");
                WriteOutcome::Rejected(refused)
            }
        })
        .collect())
}
