//! Creating and changing records: one by the Table API, several by the Batch API.
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
use serde_json::{Map, Value as Json};

use super::batch::{Answer, Batch};
use super::client::{CallError, Client};
use super::convert;
use super::errors;
use super::query::{Condition, Filter, Question, questions};
use super::refusal::{self, Refusal, Verb};
use super::row::{self, Row};
use super::table::Scan;
use crate::adapters::http::{call, failure};
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, RecordId};
use crate::core::planted::{Bug, planted};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::value::Value;
use crate::ports::{CreateItem, Rejection, RemoteError, RemoteErrorKind, UpdateItem, WriteOutcome};

/// The answer shows the whole record as it stands after the write and its rules, references as plain ids.
const PARAMETERS: &str =
    "sysparm_display_value=false&sysparm_exclude_reference_link=true&sysparm_input_display_value=false";

/// One write, ready to be sent.
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// The record that is changed; `None` for a new one.
    target: Option<RecordId>,
}

/// What became of one write, before anything is looked up.
enum Verdict {
    Settled(WriteOutcome),
    PerhapsExists,
}

fn unknown(detail: impl Into<String>) -> Verdict {
    Verdict::Settled(WriteOutcome::Unknown {
        detail: detail.into(),
    })
}

fn body<'a>(pairs: impl Iterator<Item = (&'a FieldName, &'a Value)>) -> Map<String, Json> {
    pairs
        .map(|(field, value)| (field.as_str().to_owned(), Json::String(convert::to_text(value))))
        .collect()
}

fn bytes_of(body: Map<String, Json>) -> Vec<u8> {
    Json::Object(body).to_string().into_bytes()
}

impl Client {
    /// Makes records. A `sys_id` of our choice goes into the body, where the platform honours it unless
    /// `glide.rest.table_api.admin_only_sys_fields` is set; the outcome's id tells.
    pub(super) async fn create_records(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        let table = schema.object.as_str();
        let requests = items.iter().map(|item| {
            let mut body = body(item.fields.iter());
            let (stamp_field, stamp) = &item.stamp;
            body.insert(stamp_field.as_str().to_owned(), Json::String(stamp.clone()));
            if let Some(chosen) = &item.chosen {
                body.insert("sys_id".to_owned(), Json::String(chosen.as_str().to_owned()));
            }
            Request {
                method: Method::POST,
                path: format!("/api/now/table/{table}?{PARAMETERS}"),
                body: bytes_of(body),
                target: None,
            }
        });
        let verdicts = self.send(Verb::Create, schema, requests.collect()).await?;
        let mut outcomes = Vec::with_capacity(items.len());
        for (item, verdict) in items.iter().zip(verdicts) {
            outcomes.push(match verdict {
                Verdict::Settled(outcome) => outcome,
                Verdict::PerhapsExists => self.existing(schema, item).await,
            });
        }
        Ok(outcomes)
    }

    /// Changes records.
    pub(super) async fn update_records(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        let table = schema.object.as_str();
        let requests = items.iter().map(|item| Request {
            method: Method::PATCH,
            path: format!("/api/now/table/{table}/{}?{PARAMETERS}", item.id),
            body: bytes_of(body(item.fields.iter())),
            target: Some(item.id.clone()),
        });
        let verdicts = self.send(Verb::Update, schema, requests.collect()).await?;
        let settled = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Settled(outcome) => outcome,
            Verdict::PerhapsExists => WriteOutcome::Rejected(Rejection {
                problem: refusal::database_refused(Verb::Update, table),
                gone: false,
            }),
        });
        Ok(settled.collect())
    }

    async fn send(
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
        match standing(&response) {
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
        match standing(&response) {
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
            return match request
                .target
                .clone()
                .filter(|_| planted(Bug::UnservicedTakenAsDone))
            {
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
        if !settled(status) {
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
                Refusal::Rejected(rejection) => Verdict::Settled(WriteOutcome::Rejected(rejection)),
                Refusal::PerhapsExists => Verdict::PerhapsExists,
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

    /// Who has the `sys_id` or the stamp of a record that the database refused.
    async fn existing(&self, schema: &ObjectSchema, item: &CreateItem) -> WriteOutcome {
        let table = schema.object.as_str();
        let (stamp_field, stamp) = &item.stamp;
        let mut filter: Option<Filter> = item
            .chosen
            .as_ref()
            .map(|chosen| Filter::of(Condition::is("sys_id", chosen.as_str())));
        let asked = questions(stamp_field, [stamp.as_str()]).unwrap_or_default();
        for Question { filter: by_stamp, .. } in asked {
            filter = Some(match filter {
                Some(filter) => filter.or(by_stamp),
                None => by_stamp,
            });
        }
        let Some(filter) = filter else {
            return WriteOutcome::Unknown {
                detail: "the database refused the record".to_owned(),
            };
        };
        let fields = ["sys_id", stamp_field.as_str()];
        let scan = Scan {
            action: "find",
            table,
            filter,
            fields: &fields,
        };
        let Ok(found) = self.everything(&scan, 100).await else {
            return WriteOutcome::Unknown {
                detail: "the database refused the record, and who has its id or stamp could not be read"
                    .to_owned(),
            };
        };
        let ids = || {
            found
                .rows
                .iter()
                .filter_map(|row| Some((row::id(row).ok()?, row)))
        };
        let chosen = ids().find(|(id, _)| Some(id) == item.chosen.as_ref());
        let stamped = ids().find(|(_, row)| row::text(row, stamp_field.as_str()).as_deref() == Some(stamp));
        match chosen.or(stamped) {
            Some((id, _)) => WriteOutcome::Exists { id: Some(id) },
            None if found.hidden > 0 => WriteOutcome::Exists { id: None },
            None => WriteOutcome::Rejected(Rejection {
                problem: refusal::database_refused(Verb::Create, table),
                gone: false,
            }),
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

fn standing(response: &http::Response<Bytes>) -> Standing {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_redirection() {
        Standing::NotCarriedOut
    } else if settled(status) {
        Standing::Judge
    } else {
        Standing::Uncertain
    }
}

/// A status after which nothing is still going on: done, or refused.
fn settled(status: StatusCode) -> bool {
    match status {
        StatusCode::OK | StatusCode::CREATED => true,
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
