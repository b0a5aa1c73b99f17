//! What the answer to a write says: done, refused, or neither for sure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value as Json;

use super::batch::Answer;
use super::client::Client;
use super::errors;
use super::refusal::{self, Refusal, Verb};
use super::row::{self, Row};
use super::send::Request;
use crate::adapters::http::call;
use crate::core::failure::Problem;
use crate::core::ident::RecordId;
use crate::core::planted::{Bug, planted};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::ports::{Rejection, WriteOutcome};

/// What became of one write, before anything is looked up.
pub(super) enum Verdict {
    /// As it stands.
    Settled(WriteOutcome),
    /// The database refused a new record: who has its id or stamp must be looked up.
    PerhapsExists,
    /// The record to delete was not found: whether it was deleted or is hidden must be looked up.
    NotFound(Rejection),
}

pub(super) fn unknown(detail: impl Into<String>) -> Verdict {
    Verdict::Settled(WriteOutcome::Unknown {
        detail: detail.into(),
    })
}

impl Client {
    pub(super) fn judge_inner(
        &self,
        verb: Verb,
        schema: &ObjectSchema,
        request: &Request,
        id: &str,
        answer: &Answer,
    ) -> Verdict {
        let Some(serviced) = answer.serviced_requests.iter().find(|inner| inner.id == id) else {
            let target = request.target.clone();
            return match target.filter(|_| planted(Bug::UnservicedTakenAsDone)) {
                Some(id) => Verdict::Settled(WriteOutcome::Applied { id, read_back: None }),
                None => unknown("the batch ended before this item was answered"),
            };
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
    pub(super) fn judge_write(
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
        let shown = row::id(&row).ok();
        if verb == Verb::Update && shown.is_some() && shown != known {
            return unknown(format!("HTTP {} and another record", status.as_u16()));
        }
        match shown.or(known) {
            Some(id) => Verdict::Settled(WriteOutcome::Applied {
                id,
                read_back: row::record(schema, &row).ok(),
            }),
            None => unknown(format!("HTTP {} and a record without sys_id", status.as_u16())),
        }
    }
}

/// The id of a new record, from the address that the answer gives it.
pub(super) fn made(location: &str) -> Option<RecordId> {
    let path = location.split(['?', '#']).next()?;
    RecordId::parse(Side::ServiceNow, path.rsplit('/').next()?).ok()
}

/// What the status of a whole answer says about whether the request was carried out.
pub(super) enum Standing {
    /// It was not: too many requests, a redirect.
    NotCarriedOut,
    /// It may have been.
    Uncertain,
    /// The body says.
    Judge,
}

pub(super) fn standing(verb: Verb, response: &http::Response<Bytes>) -> Standing {
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
pub(super) fn standing_of_batch(response: &http::Response<Bytes>) -> Standing {
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

pub(super) fn seen(status: StatusCode) -> String {
    format!("HTTP {}", status.as_u16())
}

#[derive(Deserialize)]
struct WriteAnswer {
    #[serde(default)]
    result: Option<Row>,
    #[serde(default)]
    error: Option<Json>,
}
