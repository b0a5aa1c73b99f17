//! Updates that apply only to a record that nobody changed since it was read: `If-Unmodified-Since` on single-record
//! `PATCH`es (Salesforce docs: REST API, Conditional Request Headers; any sObject row, compared with
//! `LastModifiedDate`, whole seconds). Collections takes no such header, so they travel as subrequests of Composite,
//! which takes for each whatever header its resource takes, at most 25 a call (Salesforce docs: REST API, Composite
//! Subrequest). Two edits in one second are not told apart by it: the engine's comparison after the write does that.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::fmt::rfc2822;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Ask, Client, Possible, Reply};
use super::errors::{self, ApiError};
use super::rejection::{self, Deed};
use super::write::{Fields, names_the_record_itself, not_sent, unknown, values};
use crate::adapters::http::{call, failure};
use crate::core::budget::Purpose;
use crate::core::failure::Problem;
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{CallPolicy, Effect, MOVED_MEANWHILE, Rejection, RemoteError, UpdateItem, WriteOutcome};

/// Subrequests of one call.
const LARGEST: usize = 25;

/// One guarded update, ready to be sent.
struct Guarded<'a> {
    item: &'a UpdateItem,
    since: Instant,
    fields: Fields<'a>,
}

/// Sends the items; all of them have a moment to compare with. One outcome per item, in their order. An error means
/// that nothing was sent; a call that fails after another one was sent leaves its items rejected for that reason.
/// `began` is when the write of which this is a part began.
pub(super) async fn update(
    client: &Client,
    schema: &ObjectSchema,
    items: &[(&UpdateItem, Instant)],
    began: Duration,
    sent_before: bool,
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let mut outcomes = Vec::with_capacity(items.len());
    for chunk in items.chunks(LARGEST) {
        let prepared: Vec<Result<Guarded<'_>, Rejection>> = chunk
            .iter()
            .map(|(item, since)| {
                Ok(Guarded {
                    item,
                    since: *since,
                    fields: values(schema, &item.fields)?,
                })
            })
            .collect();
        let sendable: Vec<&Guarded<'_>> = prepared.iter().flatten().collect();
        let answered = if sendable.is_empty() {
            Vec::new()
        } else {
            match call(client, schema, &sendable, began).await {
                Ok(answered) => answered,
                Err(error) if outcomes.is_empty() && !sent_before => return Err(error),
                Err(error) => sendable.iter().map(|_| not_sent(&error)).collect(),
            }
        };
        let mut answered = answered.into_iter();
        outcomes.extend(prepared.into_iter().map(|prepared| {
            match prepared {
                Err(rejection) => WriteOutcome::Rejected(rejection),
                Ok(_) => answered
                    .next()
                    .unwrap_or_else(|| unknown("Salesforce gave fewer results than records")),
            }
        }));
    }
    Ok(outcomes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    all_or_none: bool,
    composite_request: Vec<Subrequest<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subrequest<'a> {
    method: &'static str,
    url: String,
    reference_id: String,
    http_headers: BTreeMap<&'static str, String>,
    body: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    composite_response: Vec<Subresponse<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subresponse<'a> {
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    http_status_code: u16,
    reference_id: String,
}

/// Names a subrequest by its place.
fn reference(index: usize) -> String {
    format!("update{index}")
}

async fn call(
    client: &Client,
    schema: &ObjectSchema,
    items: &[&Guarded<'_>],
    began: Duration,
) -> Result<Vec<WriteOutcome>, RemoteError> {
    let ask = ask(client, schema, items, began)?;
    let all_unknown = |detail: &str| items.iter().map(|_| unknown(detail)).collect::<Vec<_>>();
    let response = match client.send(&ask).await {
        Ok(Reply::Success(response)) => response,
        Ok(Reply::Errors { status, errors }) => {
            let error = errors::whole_call(&ask.what, schema.object.as_str(), status, &errors);
            return if status.is_client_error() {
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
    let answer: Answer<'_> = match call::json(response.body()) {
        Ok(answer) => answer,
        Err(fault) => {
            let error = failure::body(Side::Salesforce, &ask.what, response.status(), fault);
            return Ok(all_unknown(&error.problem.message));
        }
    };
    let by_reference: BTreeMap<&str, &Subresponse<'_>> = answer
        .composite_response
        .iter()
        .map(|response| (response.reference_id.as_str(), response))
        .collect();
    Ok(items
        .iter()
        .enumerate()
        .map(|(index, guarded)| {
            by_reference.get(reference(index).as_str()).map_or_else(
                || unknown("Salesforce gave no result for this record"),
                |response| outcome(schema, guarded.item, response),
            )
        })
        .collect())
}

fn ask(
    client: &Client,
    schema: &ObjectSchema,
    items: &[&Guarded<'_>],
    began: Duration,
) -> Result<Ask, RemoteError> {
    let what = format!("changing {} records, if unmodified,", schema.object);
    let mut requests = Vec::with_capacity(items.len());
    for (index, guarded) in items.iter().enumerate() {
        let since = rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&guarded.since.timestamp())
            .map_err(|error| refused(&what, &error.to_string()))?;
        requests.push(Subrequest {
            method: "PATCH",
            url: client.data_path(&format!("sobjects/{}/{}", schema.object, guarded.item.id)),
            reference_id: reference(index),
            http_headers: BTreeMap::from([
                ("If-Unmodified-Since", since),
                ("Sforce-Auto-Assign", "FALSE".to_owned()),
            ]),
            body: guarded
                .fields
                .iter()
                .map(|(name, json)| (*name, &**json))
                .collect(),
        });
    }
    let body = serde_json::to_vec(&Body {
        all_or_none: false,
        composite_request: requests,
    })
    .map_err(|error| refused(&what, &error.to_string()))?;
    Ok(Ask {
        policy: CallPolicy {
            action: "composite_update",
            effect: Effect::Write,
            timeout: client.write_timeout(),
        },
        what,
        purpose: Some(Purpose::Write),
        began: Some(began),
        method: Method::POST,
        path: client.data_path("composite"),
        headers: Vec::new(),
        body: Bytes::from(body),
    })
}

fn refused(what: &str, why: &str) -> RemoteError {
    failure::misconfigured(
        "RequestRefused",
        format!("{what} cannot be put into a request: {why}"),
    )
}

/// What became of one record.
fn outcome(schema: &ObjectSchema, item: &UpdateItem, response: &Subresponse<'_>) -> WriteOutcome {
    let errors: Vec<ApiError> = response
        .body
        .and_then(|body| serde_json::from_str(body.get()).ok())
        .unwrap_or_default();
    let about = format!("{} {}", schema.object, item.id);
    match response.http_status_code {
        200..=299 => WriteOutcome::Applied {
            id: item.id.clone(),
            read_back: None,
        },
        412 => WriteOutcome::Rejected(Rejection {
            problem: Problem::transient(
                MOVED_MEANWHILE,
                format!("{about} was changed while its update was on its way; it is read and planned again"),
            ),
            gone: false,
        }),
        status @ 400..=499 => {
            let mut rejection = rejection::rejection(Deed::Update, &about, &errors);
            rejection.gone |= status == 404 || names_the_record_itself(schema, item, &errors);
            WriteOutcome::Rejected(rejection)
        }
        _ if errors::has_code(&errors, "UNABLE_TO_LOCK_ROW") => {
            WriteOutcome::Rejected(rejection::rejection(Deed::Update, &about, &errors))
        }
        status => unknown(&format!(
            "Salesforce answered the change of {about} with HTTP {status}"
        )),
    }
}
