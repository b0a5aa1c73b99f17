//! Bulk API 2.0, call by call: jobs that Salesforce works off in its own time (Salesforce docs: Bulk API 2.0).
//!
//! What a job is good for is decided elsewhere: [`super::backfill`] reads by it, [`super::ingest`] makes records by it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::client::{Ask, CallFailure, Client, Possible, Reply};
use super::csv::Table;
use super::errors;
use crate::adapters::http::{call, failure};
use crate::core::budget::Purpose;
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{CallPolicy, Effect, RemoteError};

const CSV: HeaderValue = HeaderValue::from_static("text/csv");

/// Which of the two kinds of job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Ingest,
}

impl Kind {
    const fn resource(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Ingest => "ingest",
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::Query => Purpose::PollOn,
            Self::Ingest => Purpose::Write,
        }
    }
}

/// How far Salesforce is with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Made, and waiting for its data: nothing happens before it is closed.
    Open,
    /// Queued, or at work.
    Working,
    /// Everything was tried.
    Complete,
    /// Given up by Salesforce.
    Failed,
    /// Given up because we asked for it.
    Aborted,
}

/// A job.
pub(super) struct Job {
    pub(super) kind: Kind,
    /// As it stands in paths: checked, so that it cannot lead elsewhere.
    id: String,
    /// Salesforce's clock when the job was made: before the job did anything.
    pub(super) made_at: Instant,
}

#[derive(Deserialize)]
struct JobAnswer {
    id: String,
    state: String,
}

impl JobAnswer {
    fn state(&self) -> Option<State> {
        Some(match self.state.as_str() {
            "Open" => State::Open,
            "UploadComplete" | "InProgress" => State::Working,
            "JobComplete" => State::Complete,
            "Failed" => State::Failed,
            "Aborted" => State::Aborted,
            _ => return None,
        })
    }
}

/// Part of a query job's result.
pub(super) struct Part {
    pub(super) table: Table,
    /// Where the next part begins, if there is one.
    pub(super) next: Option<String>,
}

/// The lists that an ingest job leaves behind.
#[derive(Clone, Copy)]
pub(super) enum Results {
    Successful,
    Failed,
    Unprocessed,
}

impl Job {
    /// Begins a query.
    pub(super) async fn query(
        client: &Client,
        schema: &ObjectSchema,
        soql: &str,
    ) -> Result<Self, RemoteError> {
        let body = json!({"operation": "query", "query": soql});
        Self::make(client, Kind::Query, schema, &body).await
    }

    /// Prepares the making of records.
    pub(super) async fn insert(client: &Client, schema: &ObjectSchema) -> Result<Self, RemoteError> {
        let body = json!({
            "operation": "insert", "object": schema.object.as_str(), "contentType": "CSV", "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        });
        Self::make(client, Kind::Ingest, schema, &body).await
    }

    async fn make(
        client: &Client,
        kind: Kind,
        schema: &ObjectSchema,
        body: &serde_json::Value,
    ) -> Result<Self, RemoteError> {
        let what = format!("preparing a bulk job for {} records", schema.object);
        let ask = Ask {
            purpose: Some(kind.purpose()),
            method: Method::POST,
            body: Bytes::from(body.to_string()),
            ..write(
                client,
                "bulk_create_job",
                what,
                client.data_path(&format!("jobs/{}", kind.resource())),
            )
        };
        let response = client.read(&ask, schema.object.as_str()).await?;
        let answer: JobAnswer = job_answer(&ask, &response)?;
        let plausible = (15..=18).contains(&answer.id.len())
            && answer.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plausible {
            return Err(unusable(&ask, &response));
        }
        Ok(Self {
            kind,
            id: answer.id,
            made_at: call::server_time(response.headers())
                .ok_or_else(|| super::query::no_server_time(&ask.what))?,
        })
    }

    fn path(&self, client: &Client, rest: &str) -> String {
        client.data_path(&format!("jobs/{}/{}{rest}", self.kind.resource(), self.id))
    }

    /// How far it is.
    pub(super) async fn state(&self, client: &Client) -> Result<State, RemoteError> {
        let ask = Ask {
            purpose: Some(self.kind.purpose()),
            ..Ask::read(
                "bulk_job_state",
                "the question how far a bulk job is",
                self.path(client, ""),
            )
        };
        let response = client.read(&ask, "a bulk job").await?;
        job_answer(&ask, &response)?
            .state()
            .ok_or_else(|| unusable(&ask, &response))
    }

    /// Brings the data. Nothing happens with it before [`Job::close`].
    pub(super) async fn upload(
        &self,
        client: &Client,
        csv: String,
        began: Duration,
    ) -> Result<(), RemoteError> {
        let ask = Ask {
            method: Method::PUT,
            headers: vec![(CONTENT_TYPE, CSV)],
            body: Bytes::from(csv),
            began: Some(began),
            ..write(
                client,
                "bulk_upload",
                "bringing the data of a bulk job".to_owned(),
                self.path(client, "/batches"),
            )
        };
        client.read(&ask, "a bulk job").await.map(drop)
    }

    /// Lets Salesforce begin. The error tells whether it may have.
    pub(super) async fn close(&self, client: &Client, began: Duration) -> Result<(), CallFailure> {
        self.set_state(client, "UploadComplete", Some(began)).await
    }

    /// Tells Salesforce to stop. What it has done stays done.
    pub(super) async fn abort(&self, client: &Client) -> Result<(), CallFailure> {
        self.set_state(client, "Aborted", None).await
    }

    async fn set_state(
        &self,
        client: &Client,
        state: &str,
        began: Option<Duration>,
    ) -> Result<(), CallFailure> {
        let ask = Ask {
            method: Method::PATCH,
            body: Bytes::from(json!({"state": state}).to_string()),
            began,
            ..write(
                client,
                "bulk_set_state",
                "ending or beginning a bulk job".to_owned(),
                self.path(client, ""),
            )
        };
        match client.send(&ask).await? {
            Reply::Success(_) => Ok(()),
            Reply::Errors { status, errors } => Err(CallFailure {
                error: errors::whole_call(&ask.what, "a bulk job", status, &errors),
                effect: if status.is_server_error() {
                    Possible::Yes
                } else {
                    Possible::No
                },
            }),
        }
    }

    /// A part of a query's rows, at most `most`, from `locator` on.
    pub(super) async fn part(
        &self,
        client: &Client,
        locator: Option<&str>,
        most: usize,
    ) -> Result<Part, RemoteError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("maxRecords", &most.to_string())
            .extend_pairs(locator.map(|locator| ("locator", locator)))
            .finish();
        let path = self.path(client, &format!("/results?{query}"));
        let ask = Ask {
            headers: vec![(ACCEPT, CSV)],
            ..Ask::poll_on("bulk_results", "the rows of a bulk query", path)
        };
        let response = client.read(&ask, "a bulk job").await?;
        let table = table(&ask, &response)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let counted = header("sforce-numberofrecords").and_then(|text| text.parse::<usize>().ok());
        if counted.is_some_and(|counted| counted != table.rows.len()) {
            return Err(unusable(&ask, &response));
        }
        let next = header("sforce-locator")
            .filter(|locator| !locator.is_empty() && *locator != "null")
            .map(str::to_owned);
        Ok(Part { table, next })
    }

    /// One of the lists of an ingest job.
    pub(super) async fn results(&self, client: &Client, which: Results) -> Result<Table, RemoteError> {
        let resource = match which {
            Results::Successful => "/successfulResults",
            Results::Failed => "/failedResults",
            Results::Unprocessed => "/unprocessedrecords",
        };
        let ask = Ask {
            purpose: Some(Purpose::LookUp),
            headers: vec![(ACCEPT, CSV)],
            ..Ask::read(
                "bulk_results",
                "the results of a bulk job",
                self.path(client, resource),
            )
        };
        let response = client.read(&ask, "a bulk job").await?;
        table(&ask, &response)
    }
}

/// A call with one attempt.
fn write(client: &Client, action: &'static str, what: String, path: String) -> Ask {
    Ask {
        policy: CallPolicy {
            action,
            effect: Effect::Write,
            timeout: client.write_timeout(),
        },
        what,
        purpose: Some(Purpose::Write),
        began: None,
        method: Method::POST,
        path,
        headers: Vec::new(),
        body: Bytes::new(),
    }
}

fn job_answer(ask: &Ask, response: &http::Response<Bytes>) -> Result<JobAnswer, RemoteError> {
    call::json(response.body())
        .map_err(|fault| failure::body(Side::Salesforce, &ask.what, response.status(), fault))
}

fn table(ask: &Ask, response: &http::Response<Bytes>) -> Result<Table, RemoteError> {
    std::str::from_utf8(response.body())
        .ok()
        .filter(|text| !text.trim_start().starts_with('<'))
        .and_then(Table::parse)
        .ok_or_else(|| unusable(ask, response))
}

fn unusable(ask: &Ask, response: &http::Response<Bytes>) -> RemoteError {
    failure::body(
        Side::Salesforce,
        &ask.what,
        response.status(),
        call::BodyFault::UnexpectedShape,
    )
}

/// The cells of a row by the names of their columns.
pub(super) fn cells<'a>(table: &'a Table, row: &'a [String]) -> BTreeMap<&'a str, &'a str> {
    table
        .columns
        .iter()
        .map(String::as_str)
        .zip(row.iter().map(String::as_str))
        .collect()
}
