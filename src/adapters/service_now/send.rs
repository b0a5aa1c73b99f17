//! Sending writes: one by the Table API, several by the Batch API.
//!
//! A batch is carried out one after another and is not atomic; what its 30 s quota leaves over is listed as unserviced
//! (ServiceNow docs: Batch API). Nothing is sent twice here. What is not certainly refused is *unknown*: a 202 (queued
//! and dropped, says the vendor, but we have only its word), a 5xx, a page, an answer that breaks off, and unserviced
//! items too, since one of them may have been cut off in its middle.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::header::LOCATION;
use http::{Method, StatusCode};

use super::action;
use super::batch::{Answer, Batch};
use super::client::{CallError, Client, locked};
use super::errors;
use super::judge::{Standing, Verdict, made, seen, standing, standing_of_batch, unknown};
use super::limits;
use super::pace::Lap;
use super::refusal::Verb;
use crate::adapters::http::{call, failure};
use crate::core::failure::{FailureClass, Problem};
use crate::core::ident::RecordId;
use crate::core::planted::{Bug, planted};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::ports::{Rejection, RemoteError, RemoteErrorKind, WriteOutcome};

const BATCH: &str = "/api/now/v1/batch";

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

impl Client {
    /// Sends these writes, once. One verdict each, in their order. An error means that nothing was sent.
    pub(super) async fn send(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        requests: Vec<Request>,
    ) -> Result<Vec<Verdict>, RemoteError> {
        let handed_over = self.monotonic();
        if requests.len() <= 1 || self.batch_refused.load(Ordering::Relaxed) {
            return self.send_singly(verb, schema, &requests, handed_over).await;
        }
        let size = locked(&self.batches).size();
        let mut calls = Vec::new();
        for batch in requests.chunks(size) {
            calls.push(self.send_batch(verb, schema, batch, handed_over));
        }
        let sent: Vec<_> = stream::iter(calls)
            .buffered(self.calls_at_a_time())
            .collect()
            .await;
        if sent.iter().all(|sent| matches!(sent, Err(Unsent::NoBatches))) {
            self.note_no_batches(schema);
            return self.send_singly(verb, schema, &requests, handed_over).await;
        }
        let failed = |unsent: Unsent| match unsent {
            Unsent::Because(error) => error,
            Unsent::NoBatches => batch_refused(self.sign_in.secret(), StatusCode::FORBIDDEN),
        };
        let sent = sent.into_iter().map(|sent| sent.map_err(failed));
        in_order(requests.chunks(size).map(<[Request]>::len).zip(sent))
    }

    /// One call for each write: for a single one, and where the Batch API is refused.
    async fn send_singly(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        requests: &[Request],
        handed_over: Duration,
    ) -> Result<Vec<Verdict>, RemoteError> {
        let began = self.monotonic();
        let mut calls = Vec::new();
        for request in requests {
            calls.push(self.send_one(verb, schema, request, handed_over));
        }
        let sent: Vec<_> = stream::iter(calls)
            .buffered(self.calls_at_a_time())
            .collect()
            .await;
        if requests.len() > 1 {
            let left = sent.iter().filter(|sent| sent.is_err()).count();
            locked(&self.singles).learn(Lap {
                items: requests.len(),
                took: self.monotonic().saturating_sub(began),
                slowest: Duration::ZERO,
                left,
            });
        }
        let sent = sent.into_iter().map(|sent| sent.map(|verdict| vec![verdict]));
        in_order(std::iter::repeat(1).zip(sent))
    }

    /// How many items the engine should hand over for one write.
    pub(super) fn write_batch(&self) -> usize {
        if self.batch_refused.load(Ordering::Relaxed) {
            locked(&self.singles).size()
        } else {
            locked(&self.batches).size() * self.calls_at_a_time()
        }
    }

    fn note_no_batches(&self, schema: &ObjectSchema) {
        if !self.batch_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                table = schema.object.as_str(),
                reason = "BatchRefused",
                "ServiceNow refuses the Batch API to this account: records are written one by one, which is slower. Let \
                 REST API access policies allow /api/now/v1/batch"
            );
        }
    }

    async fn send_one(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        request: &Request,
        handed_over: Duration,
    ) -> Result<Verdict, RemoteError> {
        let action = match verb {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        };
        let what = action::of_table(action, schema.object.as_str());
        let body = Bytes::from(request.body.clone());
        let sent = self
            .write(action, request.method.clone(), &request.path, body, handed_over)
            .await;
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
            Standing::NotCarriedOut => Err(not_carried_out(&what, &response)),
            Standing::Uncertain => Ok(unknown(seen(response.status()))),
            Standing::Judge
                if errors::vendor_error(response.body()).is_none() && !response.status().is_success() =>
            {
                Err(errors::foreign_page(&what, &response))
            }
            Standing::Judge => {
                let location = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|value| value.to_str().ok());
                let known = request.target.clone().or_else(|| made(location?));
                Ok(self.judge_write(verb, schema, response.status(), response.body(), known))
            }
        }
    }

    async fn send_batch(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        requests: &[Request],
        handed_over: Duration,
    ) -> Result<Vec<Verdict>, Unsent> {
        let action = match verb {
            Verb::Create => "batch_create",
            Verb::Update => "batch_update",
            Verb::Delete => "batch_delete",
        };
        let batch = Batch::of(requests);
        let body = serde_json::to_vec(&batch).map_err(|error| {
            let why = format!("a batch could not be written: {error}");
            Unsent::Because(failure::transient("Internal", why))
        })?;
        let what = action::of_table(action, schema.object.as_str());
        let all_unknown = |detail: String| {
            requests
                .iter()
                .map(|_| unknown(detail.clone()))
                .collect::<Vec<_>>()
        };
        let began = self.monotonic();
        let sent = self
            .write(action, Method::POST, BATCH, Bytes::from(body), handed_over)
            .await;
        let took = self.monotonic().saturating_sub(began);
        let response = match sent {
            Ok(response) => response,
            Err(CallError::Before(error)) => return Err(Unsent::Because(error)),
            Err(CallError::After(error)) => return Ok(all_unknown(error.to_string())),
        };
        match standing_of_batch(&response) {
            Standing::NotCarriedOut => {
                if limits::slots_are_taken(&response) {
                    locked(&self.batches).slow_down();
                }
                return Err(Unsent::Because(not_carried_out(&what, &response)));
            }
            Standing::Uncertain => {
                // Perhaps it was cut off because it took too long.
                locked(&self.batches).slow_down();
                return Ok(all_unknown(seen(response.status())));
            }
            Standing::Judge if matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                return Err(Unsent::NoBatches);
            }
            Standing::Judge if !response.status().is_success() => {
                return Err(Unsent::Because(match errors::vendor_error(response.body()) {
                    Some(_) => batch_refused(self.sign_in.secret(), response.status()),
                    None => errors::foreign_page(&what, &response),
                }));
            }
            Standing::Judge => {}
        }
        let answer = match call::json::<Answer>(response.body()) {
            Ok(answer) => answer,
            Err(fault) => return Ok(all_unknown(format!("HTTP 200 and {fault}"))),
        };
        locked(&self.batches).learn(answer.lap(requests.len(), took));
        Ok(requests
            .iter()
            .enumerate()
            .map(|(index, request)| self.judge_inner(verb, schema, request, &index.to_string(), &answer))
            .collect())
    }
}

/// Why nothing of a batch was carried out.
enum Unsent {
    Because(RemoteError),
    /// The Batch API itself is refused to us: there are other ways.
    NoBatches,
}

/// What became of all items, where some calls did not reach the service and others did. An error only where none did.
fn in_order(
    calls: impl IntoIterator<Item = (usize, Result<Vec<Verdict>, RemoteError>)>,
) -> Result<Vec<Verdict>, RemoteError> {
    let mut verdicts = Vec::new();
    let mut first_error = None;
    let mut any_sent = false;
    for (items, sent) in calls {
        match sent {
            Ok(settled) => {
                any_sent = true;
                verdicts.extend(settled);
            }
            Err(error) => {
                verdicts.extend((0..items).map(|_| not_sent(&error)));
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if !any_sent => Err(error),
        _ => Ok(verdicts),
    }
}

/// An item whose call was not carried out, beside others that were. It is sent again later, whoever must act meanwhile:
/// the next call tells that for all.
fn not_sent(error: &RemoteError) -> Verdict {
    let Problem { reason, message, .. } = error.problem.clone();
    Verdict::Settled(WriteOutcome::Rejected(Rejection {
        problem: Problem {
            class: FailureClass::Transient,
            reason,
            message,
        },
        gone: false,
    }))
}

/// A request that was answered before anything was done.
fn not_carried_out(what: &str, response: &http::Response<Bytes>) -> RemoteError {
    limits::throttled(what, response).unwrap_or_else(|| failure::status(Side::ServiceNow, what, response))
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
