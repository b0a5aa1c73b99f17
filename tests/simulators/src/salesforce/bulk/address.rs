//! What a path below `jobs/` asks for. Clients spell its words in different cases.

use http::Method;

/// Which of the two families of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Ingest,
    Query,
}

/// Which of an ingest job's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    Successful,
    Failed,
    Unprocessed,
}

/// A resource of the Bulk API 2.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Jobs(Family),
    Job(Family, String),
    /// Where an ingest job's rows are uploaded to.
    Batches(String),
    /// What became of an ingest job's rows.
    Outcome(String, Rows),
    /// The rows that a query job found.
    Found(String),
}

impl Address {
    /// Reads the segments after `jobs`.
    pub fn of(segments: &[&str]) -> Option<Self> {
        let words: Vec<String> = segments
            .iter()
            .map(|segment| segment.to_ascii_lowercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let id = || segments.get(1).map(|id| (*id).to_owned());
        match words.as_slice() {
            ["ingest"] => Some(Self::Jobs(Family::Ingest)),
            ["query"] => Some(Self::Jobs(Family::Query)),
            ["ingest", _] => Some(Self::Job(Family::Ingest, id()?)),
            ["query", _] => Some(Self::Job(Family::Query, id()?)),
            ["ingest", _, "batches"] => Some(Self::Batches(id()?)),
            ["ingest", _, "successfulresults"] => Some(Self::Outcome(id()?, Rows::Successful)),
            ["ingest", _, "failedresults"] => Some(Self::Outcome(id()?, Rows::Failed)),
            ["ingest", _, "unprocessedrecords"] => Some(Self::Outcome(id()?, Rows::Unprocessed)),
            ["query", _, "results"] => Some(Self::Found(id()?)),
            _ => None,
        }
    }

    /// The kind of call it is.
    pub fn kind(&self, method: &Method) -> &'static str {
        match (self, method) {
            (Self::Jobs(Family::Ingest), &Method::POST) => "salesforce.bulk.ingest.create",
            (Self::Jobs(Family::Ingest), _) => "salesforce.bulk.ingest.list",
            (Self::Jobs(Family::Query), &Method::POST) => "salesforce.bulk.query.create",
            (Self::Jobs(Family::Query), _) => "salesforce.bulk.query.list",
            (Self::Job(Family::Ingest, _), &Method::PATCH) => "salesforce.bulk.ingest.state",
            (Self::Job(Family::Ingest, _), &Method::DELETE) => "salesforce.bulk.ingest.delete",
            (Self::Job(Family::Ingest, _), _) => "salesforce.bulk.ingest.get",
            (Self::Job(Family::Query, _), &Method::PATCH) => "salesforce.bulk.query.state",
            (Self::Job(Family::Query, _), &Method::DELETE) => "salesforce.bulk.query.delete",
            (Self::Job(Family::Query, _), _) => "salesforce.bulk.query.get",
            (Self::Batches(_), _) => "salesforce.bulk.ingest.upload",
            (Self::Outcome(..), _) => "salesforce.bulk.ingest.results",
            (Self::Found(_), _) => "salesforce.bulk.query.results",
        }
    }
}
