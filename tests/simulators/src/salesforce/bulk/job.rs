//! One job: what it is to do, how far it is, and how it looks from outside.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::address::Family;
use super::csv::{Dialect, Table};
use crate::salesforce::value::datetime_text;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    /// Whether nothing more will happen to the job.
    pub fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }

    /// As refusals call it.
    pub fn adjective(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::UploadComplete => "Closed",
            Self::InProgress => "Running",
            Self::JobComplete => "Completed",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }
}

/// What an ingest job does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

/// One job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub id: String,
    /// The name and the id of whoever made it, and whose rights bound it.
    pub user: (String, String),
    pub object: String,
    /// As `v62.0`.
    pub version: String,
    pub dialect: Dialect,
    pub state: State,
    pub created: Timestamp,
    /// When its state last changed.
    pub modified: Timestamp,
    pub error: Option<String>,
    /// When it came to be in progress.
    pub began: Option<Timestamp>,
    pub work: Work,
}

/// What a job is to do.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Ingest(Ingest),
    Query(Search),
}

/// Rows to be written.
#[derive(Debug, Clone)]
pub(super) struct Ingest {
    pub operation: Operation,
    pub external_id: Option<String>,
    pub assignment_rule: Option<String>,
    pub upload: Option<Bytes>,
    /// The header and the rows of the upload, once the job has begun.
    pub columns: Vec<String>,
    pub rows: Table,
    /// What became of the first so many rows.
    pub outcomes: Vec<Outcome>,
}

/// What became of one row.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Written { id: String, created: bool },
    Refused { id: String, error: String },
}

/// Rows to be found.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub text: String,
    pub with_deleted: bool,
    pub columns: Vec<String>,
    pub rows: Table,
}

impl Job {
    pub fn family(&self) -> Family {
        match self.work {
            Work::Ingest(_) => Family::Ingest,
            Work::Query(_) => Family::Query,
        }
    }

    pub fn enter(&mut self, state: State, at: Timestamp) {
        self.state = state;
        self.modified = at;
    }

    pub fn fail(&mut self, message: String, at: Timestamp) {
        self.error = Some(message);
        self.enter(State::Failed, at);
    }

    /// The job as every answer shows it; `in_full` as only a `GET` of it does.
    pub fn to_json(&self, in_full: bool) -> Value {
        let version = self.version.trim_start_matches('v');
        let mut json = json!({
            "id": self.id,
            "object": self.object,
            "createdById": self.user.1,
            "createdDate": datetime_text(self.created),
            "systemModstamp": datetime_text(self.modified),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": version.parse::<f64>().unwrap_or_default(),
            "lineEnding": self.dialect.line_ending,
            "columnDelimiter": self.dialect.delimiter,
        });
        match &self.work {
            Work::Ingest(ingest) => {
                json["operation"] = json!(ingest.operation);
                json["jobType"] = json!("V2Ingest");
                json["contentUrl"] = json!(format!(
                    "services/data/v{version}/jobs/ingest/{}/batches",
                    self.id
                ));
                if let Some(field) = &ingest.external_id {
                    json["externalIdFieldName"] = json!(field);
                }
                if let Some(rule) = &ingest.assignment_rule {
                    json["assignmentRuleId"] = json!(rule);
                }
                if in_full {
                    let refused = ingest
                        .outcomes
                        .iter()
                        .filter(|outcome| matches!(outcome, Outcome::Refused { .. }));
                    json["numberRecordsProcessed"] = json!(ingest.outcomes.len());
                    json["numberRecordsFailed"] = json!(refused.count());
                    json["apiActiveProcessingTime"] = json!(self.millis());
                    json["apexProcessingTime"] = json!(0);
                }
            }
            Work::Query(search) => {
                json["operation"] = json!(if search.with_deleted { "queryAll" } else { "query" });
                if in_full {
                    json["jobType"] = json!("V2Query");
                    json["numberRecordsProcessed"] = json!(search.rows.len());
                    json["isPkChunkingSupported"] = json!(true);
                }
            }
        }
        if in_full {
            json["retries"] = json!(0);
            json["totalProcessingTime"] = json!(self.millis());
            if let Some(error) = &self.error {
                json["errorMessage"] = json!(error);
            }
        }
        json
    }

    /// How long it has been in progress.
    fn millis(&self) -> i64 {
        self.began.map_or(0, |began| {
            let millis = self.modified.duration_since(began).as_millis();
            i64::try_from(millis).unwrap_or_default().max(0)
        })
    }
}
