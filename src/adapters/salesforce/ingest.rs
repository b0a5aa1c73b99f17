//! Making many records at once by a job of Bulk API 2.0.
//!
//! Collections needs one call for 200 records and says at once what became of each. A job needs about nine calls
//! whatever its size and is worked off when Salesforce likes, so it pays only from
//! [`super::BulkRules::ingest_from`] records on. It is used where it is safe:
//!
//! - Only for making records. What became of a row is found by its stamp, which stands in every row of the results
//!   (they come in no order); and should a job be worked off hours later, the stamp's unique field keeps it from making
//!   a second record. An update has no such guard: worked off late it would put an old value over a newer one, and
//!   `If-Unmodified-Since` is not for jobs. Updates never travel by a job.
//! - Only where assignment rules cannot matter: Collections runs the active one for a new Case or Lead, a job runs none.
//! - A job that is not done within the time of a write is aborted. What the job's lists then do not name is *unknown*,
//!   as after a lost answer, and settled in the same way: by looking for the stamp. A job whose state cannot be read
//!   leaves all of its rows unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bulk::{self, Job, Results, State};
use super::client::{Client, Possible};
use super::convert;
use super::csv::{self, Table};
use super::errors::ApiError;
use super::rejection::{self, Deed};
use super::write::{self, unknown};
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, RecordId};
use crate::core::schema::{FieldKind, ObjectSchema};
use crate::core::side::Side;
use crate::core::value::Value;
use crate::ports::{CreateItem, Rejection, RemoteError, RemoteErrorKind, WriteOutcome};

/// Empties a field in a job's data; a cell that is empty itself leaves the field alone.
const NULL: &str = "#N/A";

/// Characters of a job's data (Salesforce docs: Bulk API 2.0 limits: 150 MB, 100 MB before encoding).
const LARGEST: usize = 90_000_000;

/// What was made of the wish to use a job.
pub(super) enum Ingested {
    /// One outcome per item, in their order.
    Done(Vec<WriteOutcome>),
    /// Nothing was sent that has an effect: another way must be taken.
    NotThisWay,
}

/// Whether a job may make these records.
pub(super) fn suits(schema: &ObjectSchema, items: &[CreateItem]) -> bool {
    let assigned = ["Case", "Lead"].contains(&schema.object.as_str())
        && items
            .iter()
            .any(|item| item.fields.keys().all(|field| field.as_str() != "OwnerId"));
    let stamps: BTreeSet<&str> = items.iter().map(|item| item.stamp.1.as_str()).collect();
    let one_field = items.windows(2).all(|pair| pair[0].stamp.0 == pair[1].stamp.0);
    !assigned && one_field && stamps.len() == items.len()
}

/// Makes the records. `began` is when the write began. An error means that nothing was sent that has an effect.
pub(super) async fn create(
    client: &Client,
    schema: &ObjectSchema,
    items: &[CreateItem],
    began: Duration,
) -> Result<Ingested, RemoteError> {
    let Some(stamp) = items.first().map(|item| &item.stamp.0) else {
        return Ok(Ingested::Done(Vec::new()));
    };
    let (csv, refused) = rows(schema, items, stamp);
    if csv.len() > LARGEST || refused.len() == items.len() {
        return Ok(Ingested::NotThisWay);
    }
    let job = match Job::insert(client, schema).await {
        Ok(job) => job,
        // The org, the object or the user has no bulk jobs.
        Err(error) if error.kind == RemoteErrorKind::Misconfigured => return Ok(Ingested::NotThisWay),
        Err(error) => return Err(error),
    };
    if let Err(error) = job.upload(client, csv, began).await {
        give_up(client, &job).await;
        return Err(error);
    }
    if let Err(failure) = job.close(client, began).await
        && (failure.effect == Possible::No || matches!(job.state(client).await, Ok(State::Open)))
        && give_up(client, &job).await
    {
        return Err(failure.error);
    }
    let state = wait(client, &job, began).await;
    let results = match state {
        Some(state) => read_results(client, &job, state).await,
        None => BTreeMap::new(),
    };
    Ok(Ingested::Done(
        items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                refused
                    .get(&index)
                    .cloned()
                    .map_or_else(|| outcome(schema, item, &results), WriteOutcome::Rejected)
            })
            .collect(),
    ))
}

/// The data of a job, and the items that cannot be in it.
fn rows(
    schema: &ObjectSchema,
    items: &[CreateItem],
    stamp: &FieldName,
) -> (String, BTreeMap<usize, Rejection>) {
    let fields: BTreeSet<&FieldName> = items
        .iter()
        .flat_map(|item| item.fields.keys())
        .filter(|field| *field != stamp)
        .collect();
    let mut csv = String::new();
    let columns = std::iter::once(stamp.as_str()).chain(fields.iter().map(|field| field.as_str()));
    csv::write_line(&mut csv, columns);
    let mut refused = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let cells: Result<Vec<String>, Rejection> = fields
            .iter()
            .map(|field| match item.fields.get(*field) {
                None => Ok(String::new()),
                Some(Value::Text(text)) if text == NULL => Err(write::unsuitable(schema, field)),
                Some(value) => schema
                    .fields
                    .get(*field)
                    .and_then(|field| cell(&field.kind, value))
                    .ok_or_else(|| write::unsuitable(schema, field)),
            })
            .collect();
        match cells {
            Ok(cells) => {
                let line = std::iter::once(item.stamp.1.as_str()).chain(cells.iter().map(String::as_str));
                csv::write_line(&mut csv, line);
            }
            Err(rejection) => {
                refused.insert(index, rejection);
            }
        }
    }
    (csv, refused)
}

/// The cell of a value. A checkbox cannot be emptied: cleared means unchecked, as in every other way of writing.
fn cell(kind: &FieldKind, value: &Value) -> Option<String> {
    let cell = convert::write_cell(kind, value)?;
    Some(match (kind, value) {
        (FieldKind::Boolean, _) => cell,
        (_, Value::Null) => NULL.to_owned(),
        _ => cell,
    })
}

/// Tells Salesforce to stop; true when it said that it did.
async fn give_up(client: &Client, job: &Job) -> bool {
    job.abort(client).await.is_ok()
}

/// Waits for the job as long as a write may take, then has it stopped. `None` where it cannot be known that the job
/// is over.
async fn wait(client: &Client, job: &Job, began: Duration) -> Option<State> {
    const LONGEST: Duration = Duration::from_secs(10);
    // Leaves time for stopping it and for reading what became of it.
    let until = began.saturating_add(client.write_timeout() / 2);
    let mut pause = Duration::from_secs(1);
    loop {
        if let Ok(state @ (State::Complete | State::Failed | State::Aborted)) = job.state(client).await {
            return Some(state);
        }
        if client.monotonic().saturating_add(pause) > until {
            break;
        }
        client.sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST);
    }
    // Whether it stopped is what its state says; it may also have ended just now.
    let _stopped = give_up(client, job).await;
    match job.state(client).await {
        Ok(state @ (State::Complete | State::Failed | State::Aborted)) => Some(state),
        Ok(State::Open | State::Working) | Err(_) => None,
    }
}

/// What a job's lists say of one row.
enum Said {
    Made(Option<RecordId>),
    Refused(Vec<ApiError>),
    NotTried,
}

/// The lists, by the stamp of each row. A list that cannot be read leaves its rows unknown.
async fn read_results(client: &Client, job: &Job, state: State) -> BTreeMap<String, Said> {
    let mut said = BTreeMap::new();
    if let Ok(table) = job.results(client, Results::Successful).await {
        collect(&mut said, &table, |cells| {
            let id = cells.get("sf__Id").copied().unwrap_or_default();
            Said::Made(RecordId::parse(Side::Salesforce, id).ok())
        });
    }
    if let Ok(table) = job.results(client, Results::Failed).await {
        collect(&mut said, &table, |cells| {
            Said::Refused(ApiError::of_bulk(
                cells.get("sf__Error").copied().unwrap_or_default(),
            ))
        });
    }
    // Of an aborted job, a row may still be at work.
    if state != State::Aborted
        && let Ok(table) = job.results(client, Results::Unprocessed).await
    {
        collect(&mut said, &table, |_| Said::NotTried);
    }
    said
}

fn collect(
    said: &mut BTreeMap<String, Said>,
    table: &Table,
    meaning: impl Fn(&BTreeMap<&str, &str>) -> Said,
) {
    // The job's own columns come first, then those of the data: the stamp is the first of them.
    let own = table
        .columns
        .iter()
        .take_while(|name| name.starts_with("sf__"))
        .count();
    for row in &table.rows {
        if let Some(stamp) = row.get(own) {
            said.insert(stamp.clone(), meaning(&bulk::cells(table, row)));
        }
    }
}

fn outcome(schema: &ObjectSchema, item: &CreateItem, results: &BTreeMap<String, Said>) -> WriteOutcome {
    match results.get(&item.stamp.1) {
        Some(Said::Made(Some(id))) => WriteOutcome::Applied {
            id: id.clone(),
            read_back: None,
        },
        Some(Said::Made(None)) => unknown("Salesforce states success and no id"),
        Some(Said::Refused(errors)) => {
            let (field, _) = &item.stamp;
            rejection::twin(errors, field).unwrap_or_else(|| {
                WriteOutcome::Rejected(rejection::rejection(Deed::Create, schema.object.as_str(), errors))
            })
        }
        Some(Said::NotTried) => WriteOutcome::Rejected(Rejection {
            problem: Problem::transient(
                "ServiceUnavailable",
                format!(
                    "Salesforce gave up a bulk job before it came to this {}",
                    schema.object
                ),
            ),
            gone: false,
        }),
        None => unknown("the results of the bulk job do not name this record, or cannot be read"),
    }
}
