//! Bulk API 2.0: jobs that write many rows, and jobs that find many (Salesforce docs: Bulk API 2.0 Developer Guide).
//!
//! A job runs by the service's clock: whatever of it is due is done before the next request is answered and before people
//! edit, each chunk of rows at its own moment, however often the client looks. Rows go through the same door as every
//! other write.
//!
//! | file | what lives there |
//! |---|---|
//! | here | the jobs there are, and who answers what below `jobs/` |
//! | `address` | what a path asks for, and the kind of call it counts as |
//! | `ingest`, `search` | jobs that write and jobs that find, as a client handles them |
//! | `run` | what a job does when its time comes |
//! | `row` | one uploaded row as a record |
//! | `job`, `csv` | how a job looks from outside, and its rows as text |
//! | `switches` | what is configurable, and what goes wrong |
//!
//! Not modelled: the older Bulk API, primary-key chunking, jobs in several parts.

pub(crate) mod address;
mod csv;
mod ingest;
mod job;
mod row;
mod run;
mod search;
mod switches;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::address::{Address, Family};
use self::job::{Job, State};
pub use self::switches::BulkSwitches;
use super::dispatch::{Call, json_in};
use super::error::{ApiError, no_content, respond};
use super::routes::method;
use super::{Salesforce, ids, not_allowed};
use crate::calls::CallKind;
use crate::model::Response;

/// The first three characters of a job's id.
const KEY_PREFIX: &str = "750";

/// The kind under which the writes of jobs count, and during which they meet locks.
pub(crate) const RUN: CallKind = CallKind::new("salesforce.bulk.run");

/// Every job of one org, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jobs {
    all: BTreeMap<String, Job>,
    made: u64,
    /// Those on which something will still happen by itself.
    active: BTreeSet<String>,
    /// Until when everything due has been done: nothing is done at an earlier moment any more.
    settled: Option<Timestamp>,
}

impl Jobs {
    fn next_id(&mut self) -> String {
        self.made += 1;
        ids::make(KEY_PREFIX, self.made)
    }

    /// Puts a job in its place, and among those to be run if it is.
    fn put(&mut self, job: Job) {
        if matches!(job.state, State::UploadComplete | State::InProgress) {
            self.active.insert(job.id.clone());
        } else {
            self.active.remove(&job.id);
        }
        self.all.insert(job.id.clone(), job);
    }

    fn get(&self, family: Family, id: &str) -> Result<&Job, ApiError> {
        let id = ids::canonical(id).ok_or_else(ApiError::not_found)?;
        let job = self.all.get(&id).filter(|job| job.family() == family);
        job.ok_or_else(ApiError::not_found)
    }

    fn remove(&mut self, id: &str) {
        self.active.remove(id);
        self.all.remove(id);
    }

    /// How many jobs of a family were made since.
    fn made_since(&self, family: Family, since: Timestamp) -> usize {
        let jobs = self.all.values();
        jobs.filter(|job| job.family() == family && job.created > since)
            .count()
    }

    /// Forgets jobs that ended before.
    fn forget(&mut self, before: Timestamp) {
        self.all
            .retain(|_, job| !job.state.is_final() || job.modified >= before);
    }
}

/// `PATCH` of a job.
#[derive(Deserialize)]
struct StateBody {
    state: State,
}

impl Salesforce {
    /// Answers what lies below `jobs/`.
    pub(crate) fn dispatch_bulk(&mut self, address: &Address, call: &Call<'_>) -> Result<Response, ApiError> {
        let ok = |body: &Value| Ok(respond(StatusCode::OK, body));
        match (address, method(call.request)) {
            (Address::Jobs(Family::Ingest), Method::POST) => ok(&self.create_ingest(call)?),
            (Address::Jobs(Family::Query), Method::POST) => ok(&self.create_search(call)?),
            (Address::Jobs(family), Method::GET) => {
                let jobs = self.jobs.all.values().filter(|job| job.family() == *family);
                let jobs: Vec<Value> = jobs.map(|job| job.to_json(false)).collect();
                ok(&json!({"done": true, "records": jobs, "nextRecordsUrl": null}))
            }
            (Address::Job(family, id), Method::GET) => ok(&self.jobs.get(*family, id)?.to_json(true)),
            (Address::Job(family, id), Method::PATCH) => {
                let body: StateBody = read(&json_in(call.request)?)?;
                ok(&self.set_job_state(*family, id, body.state, call.now)?)
            }
            (Address::Job(family, id), Method::DELETE) => {
                let job = self.jobs.get(*family, id)?;
                if matches!(job.state, State::Open | State::InProgress) {
                    return Err(invalid_state(format!(
                        "Deleting {} Job not allowed",
                        job.state.adjective()
                    )));
                }
                let id = job.id.clone();
                self.jobs.remove(&id);
                Ok(no_content())
            }
            (Address::Batches(id), Method::PUT) => self.upload(id, call),
            (Address::Outcome(id, rows), Method::GET) => self.outcome(id, *rows),
            (Address::Found(id), Method::GET) => self.found(id, call),
            (_, method) => Err(not_allowed(&method)),
        }
    }

    /// Closes or aborts a job: the two changes of state that are a client's to make.
    fn set_job_state(
        &mut self,
        family: Family,
        id: &str,
        state: State,
        now: Timestamp,
    ) -> Result<Value, ApiError> {
        let mut job = self.jobs.get(family, id)?.clone();
        let allowed = match state {
            State::UploadComplete => job.state == State::Open,
            State::Aborted => !job.state.is_final(),
            _ => {
                let message = format!("A job cannot be set to state {state:?}");
                return Err(ApiError::bad_request("INVALIDJOB", message));
            }
        };
        if !allowed {
            let act = if state == State::Aborted {
                "Aborting"
            } else {
                "Closing"
            };
            let message = format!("{act} already {} Job not allowed", job.state.adjective());
            return Err(invalid_state(message));
        }
        job.enter(state, now);
        let shown = job.to_json(false);
        self.jobs.put(job);
        Ok(shown)
    }
}

/// What a job is in no state for.
fn invalid_state(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("INVALIDJOBSTATE", message)
}

/// A body as the job it describes.
fn read<T: DeserializeOwned>(body: &Value) -> Result<T, ApiError> {
    serde_json::from_value(body.clone()).map_err(|error| ApiError::json_parser(error.to_string()))
}

/// Rows as a response.
fn csv_response(text: String) -> Response {
    let mut response = Response::new(Bytes::from(text));
    let csv = HeaderValue::from_static("text/csv");
    response.headers_mut().insert(CONTENT_TYPE, csv);
    response
}

/// So many days before a moment.
fn days_before(now: Timestamp, days: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * days))
        .unwrap_or(Timestamp::MIN)
}
