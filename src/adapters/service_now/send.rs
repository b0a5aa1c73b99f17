//! Sending writes: one by the Table API, several by the Batch API.
//!
//! A batch is carried out one after another and is not atomic; what its 30 s quota leaves over is listed as unserviced
//! (ServiceNow docs: Batch API). Nothing is sent twice here. What is not certainly refused is *unknown*: a 202 (queued
//! and dropped, says the vendor, but we have only its word), a 5xx, a page, an answer that breaks off, and unserviced
//! items too, since one of them may have been cut off in its middle.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value as Json;

use super::batch::{Answer, Batch};
use super::client::{CallError, Client};
use super::errors;
use super::refusal::{self, Refusal, Verb};
use super::row::{self, Row};
use crate::adapters::http::{call, failure};
use crate::core::failure::Problem;
use crate::core::ident::RecordId;
use crate::core::planted::{Bug, planted};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::ports::{Rejection, RemoteError, RemoteErrorKind, WriteOutcome};

/// One write, ready to be sent.
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    /// JSON; empty for a deletion.
    pub(super) body: Vec<u8>,
    /// The record that is changed or deleted; `None` for a new one.
    pub(super) target: Option<RecordId>,
}

/// What became of one write, before anything is looked up.
pub(super) enum Verdict {
    /// As it stands.
    Settled(WriteOutcome),
    /// The database refused a new record: who has its id or stamp must be looked up.
    PerhapsExists,
    /// The record to delete was not found: whether it was deleted or is hidden must be looked up.
    NotFound(Rejection),
}

fn unknown(detail: impl Into<String>) -> Verdict {
    Verdict::Settled(WriteOutcome::Unknown {
        detail: detail.into(),
    })
}

impl Client {
    /// Sends these writes, once. One verdict each, in their order. An error means that nothing was sent.
    pub(super) async fn send(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        requests: Vec<Request>,
    ) -> Result<Vec<Verdict>, RemoteError> {
        match <[Request; 1]>::try_from(requests) {
            Ok([request]) => Ok(vec![self.send_one(verb, schema, request).await?]),
            Err(requests) if requests.is_empty() => Ok(Vec::new()),
            Err(requests) => self.send_batch(verb, schema, &requests).await,
        }
    }

    async fn send_one(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        request: Request,
    ) -> Result<Verdict, RemoteError> {
        let action = match verb {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        };
        let body = Bytes::from(request.body);
        let sent = self.write(action, request.method, &request.path, body).await;
        let response = match sent {
            Ok(response) => response,
            Err(CallError::Before(error)) => return Err(error),
            Err(CallError::After(error)) => return Ok(unknown(error.to_string())),
        };
        if planted(Bug::AcceptedTakenAsDone)
            && response.status() == StatusCode::ACCEPTED
            && let Some(id) = request.target.clone()
        {
            return Ok(Verdict::Settled(WriteOutcome::Applied { id, read_back: None }));
        }
        match standing(verb, &response) {
            Standing::NotCarriedOut => Err(failure::status(Side::ServiceNow, action, &response)),
            Standing::Uncertain => Ok(unknown(seen(response.status()))),
            Standing::Judge
                if errors::vendor_error(response.body()).is_none() && !response.status().is_success() =>
            {
                Err(errors::foreign_page(action, &response))
            }
            Standing::Judge => {
                let location = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|value| value.to_str().ok());
                let known = request.target.or_else(|| made(location?));
                Ok(self.judge_write(verb, schema, response.status(), response.body(), known))
            }
        }
    }

    async fn send_batch(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        requests: &[Request],
    ) -> Result<Vec<Verdict>, RemoteError> {
        let action = match verb {
            Verb::Create => "batch_create",
            Verb::Update => "batch_update",
            Verb::Delete => "batch_delete",
        };
        let batch = Batch::of(requests);
        let body = serde_json::to_vec(&batch).map_err(|error| {
            failure::transient("Internal", format!("a batch could not be written: {error}"))
        })?;
        let all_unknown = |detail: String| {
            requests
                .iter()
                .map(|_| unknown(detail.clone()))
                .collect::<Vec<_>>()
        };
        let sent = self
            .write(action, Method::POST, "/api/now/v1/batch", Bytes::from(body))
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(CallError::Before(error)) => return Err(error),
            Err(CallError::After(error)) => return Ok(all_unknown(error.to_string())),
        };
        match standing_of_batch(&response) {
            Standing::NotCarriedOut => return Err(failure::status(Side::ServiceNow, action, &response)),
            Standing::Uncertain => return Ok(all_unknown(seen(response.status()))),
            Standing::Judge if !response.status().is_success() => {
                return Err(match errors::vendor_error(response.body()) {
                    Some(_) => batch_refused(self.sign_in.secret(), response.status()),
                    None => errors::foreign_page(action, &response),
                });
            }
            Standing::Judge => {}
        }
        let answer = match call::json::<Answer>(response.body()) {
            Ok(answer) => answer,
            Err(fault) => return Ok(all_unknown(format!("HTTP 200 and {fault}"))),
        };
        Ok(requests
            .iter()
            .enumerate()
            .map(|(index, request)| self.judge_inner(verb, schema, request, &index.to_string(), &answer))
            .collect())
    }

    fn judge_inner(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        request: &Request,
        id: &str,
        answer: &Answer,
    ) -> Verdict {
        let Some(serviced) = answer.serviced_requests.iter().find(|inner| inner.id == id) else {
            return unknown("the batch ended before this item was answered");
        };
        let Ok(status) = StatusCode::from_u16(serviced.status_code) else {
            return unknown("an item of the batch without a status");
        };
        let Ok(body) = STANDARD.decode(serviced.body.as_deref().unwrap_or_default()) else {
            return unknown("an item of the batch whose body is not base64");
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Verdict::Settled(WriteOutcome::Rejected(Rejection {
                problem: Problem::transient("Throttled", "ServiceNow refused this item: too many requests"),
                gone: false,
            }));
        }
        if !settled(verb, status) {
            return unknown(seen(status));
        }
        let known = request
            .target
            .clone()
            .or_else(|| made(serviced.header("location")?));
        self.judge_write(verb, schema, status, &body, known)
    }

    /// One write by its status and body: applied, refused, or unknown. The answer shows nothing of a record that our
    /// user may write and not read; then `known` tells which it is.
    fn judge_write(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        status: StatusCode,
        body: &[u8],
        known: Option<RecordId>,
    ) -> Verdict {
        if !status.is_success() {
            let error = errors::vendor_error(body).unwrap_or_default();
            let table = schema.object.as_str();
            return match refusal::refusal(verb, table, self.sign_in.secret(), status, &error) {
                Refusal::Rejected(rejection) if verb == Verb::Delete && status == StatusCode::NOT_FOUND => {
                    Verdict::NotFound(rejection)
                }
                Refusal::Rejected(rejection) => Verdict::Settled(WriteOutcome::Rejected(rejection)),
                Refusal::PerhapsExists => Verdict::PerhapsExists,
            };
        }
        if verb == Verb::Delete {
            return match known {
                Some(id) => Verdict::Settled(WriteOutcome::Applied { id, read_back: None }),
                None => unknown(seen(status)),
            };
        }
        let row = match call::json::<WriteAnswer>(body) {
            Ok(WriteAnswer {
                result: Some(row),
                error: None,
            }) => row,
            Ok(_) => return unknown(format!("HTTP {} and an error", status.as_u16())),
            Err(fault) => return unknown(format!("HTTP {} and {fault}", status.as_u16())),
        };
        match row::id(&row).ok().or(known) {
            Some(id) => Verdict::Settled(WriteOutcome::Applied {
                id,
                read_back: row::record(schema, &row).ok(),
            }),
            None => unknown(format!("HTTP {} and a record without sys_id", status.as_u16())),
        }
    }
}

/// The id of a new record, from the address that the answer gives it.
fn made(location: &str) -> Option<RecordId> {
    let path = location.split(['?', '#']).next()?;
    RecordId::parse(Side::ServiceNow, path.rsplit('/').next()?).ok()
}

/// What the status of a whole answer says about whether the request was carried out.
enum Standing {
    /// It was not: too many requests, a redirect.
    NotCarriedOut,
    /// It may have been.
    Uncertain,
    /// The body says.
    Judge,
}

fn standing(verb: Verb, response: &http::Response<Bytes>) -> Standing {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_redirection() {
        Standing::NotCarriedOut
    } else if settled(verb, status) {
        Standing::Judge
    } else {
        Standing::Uncertain
    }
}

/// The same for a batch, which is answered as a creation is, whatever is in it.
fn standing_of_batch(response: &http::Response<Bytes>) -> Standing {
    standing(Verb::Create, response)
}

/// A status after which nothing is still going on: done, or refused.
fn settled(verb: Verb, status: StatusCode) -> bool {
    match status {
        StatusCode::OK | StatusCode::CREATED => true,
        // Only a deletion has nothing to show.
        StatusCode::NO_CONTENT => verb == Verb::Delete,
        StatusCode::REQUEST_TIMEOUT => false,
        _ => status.is_client_error(),
    }
}

fn seen(status: StatusCode) -> String {
    format!("HTTP {}", status.as_u16())
}

fn batch_refused(secret: &str, status: StatusCode) -> RemoteError {
    RemoteError {
        problem: Problem::human(
            "BatchRefused",
            format!(
                "ServiceNow refuses the Batch API to the account in {secret} (HTTP {}). In ServiceNow, check that the \
                 Batch API is active and that REST API access policies let the account use /api/now/batch.",
                status.as_u16()
            ),
        ),
        kind: RemoteErrorKind::Misconfigured,
        retry_after: None,
    }
}

#[derive(Deserialize)]
struct WriteAnswer {
    #[serde(default)]
    result: Option<Row>,
    #[serde(default)]
    error: Option<Json>,
}
