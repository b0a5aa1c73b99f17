//! Long scans by Bulk API 2.0: thousands of rows a call instead of two thousand.
//!
//! The port's contract stays that of the pages: rows in the order `(SystemModstamp, Id)`, from wherever the caller
//! stands, so that a crash costs nothing but the job. How that is kept:
//!
//! - A scan begins with plain pages. After [`PAGES_BEFORE`] of them Salesforce is asked how many rows are left, and a
//!   job is begun where a job needs fewer calls ([`super::BulkRules::query_from`]).
//! - Nobody waits for the job: plain pages go on until it is complete. Its rows that were read meanwhile are left out.
//! - A job's rows are a state of the past. So its pages never claim to be the last ones, and carry the clock of before
//!   the job was made: what changed since is read by the plain pages that follow, and the overlap of the next poll is
//!   counted from there (late commits). After [`GROWS_OLD`] a job's rows are not used any more.
//! - Order and filter of its rows are proven like a page's. A job that fails, or whose answers cannot be used, is
//!   forgotten: the plain pages have everything it had.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::bulk::{Job, State};
use super::client::Client;
use super::query::{self, Scope};
use super::{BulkRules, bulk, changes, convert};
use crate::adapters::http::{call, failure};
use crate::core::ident::RecordId;
use crate::core::record::{Record, Version};
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{ChangePage, ChangeQuery, RemoteError};

/// Plain pages before it is asked how many more there are: most scans are over by then.
const PAGES_BEFORE: u32 = 3;

/// Rows of one answer. They are held in memory until they are asked for.
const PART: usize = 10_000;

/// The smallest part worth asking for: an answer that is too large at that is left to the plain pages.
const SMALLEST_PART: usize = 500;

/// Parts in a row with nothing new in them. Plain pages read far fewer rows than these have while a job is at work.
const MOST_STALE_PARTS: usize = 100;

/// How old the rows of a job may be when they are given out.
const GROWS_OLD: Duration = Duration::from_hours(1);

/// The first and the longest wait between two questions how far a job is.
const LOOK_AFTER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// Scans that are remembered at the same time. The engine has few; more than these go on by plain pages.
const MOST_SCANS: usize = 32;

type Key = (Instant, RecordId);

/// The long scans of a connection.
pub(super) struct Backfills {
    rules: BulkRules,
    scans: Mutex<BTreeMap<String, Scan>>,
}

/// One scan, as far as it has come.
#[derive(Default)]
struct Scan {
    /// The last row given out: who asks on from there goes on with this scan.
    last: Option<Key>,
    /// Plain pages since the scan, or its last job, began.
    pages: u32,
    job: Option<Running>,
}

/// A job and how much of it was read.
struct Running {
    job: Job,
    /// Our clock when it was made.
    since: Duration,
    progress: Progress,
}

enum Progress {
    /// Asked after again at this moment of our clock, and after that with this wait.
    Working { look_at: Duration, wait: Duration },
    /// Rows that were read and not given out, and where the next ones are.
    Reading {
        rows: VecDeque<Record>,
        next: Option<String>,
        /// Whether there is another part.
        more: bool,
        part: usize,
    },
}

impl Backfills {
    pub(super) fn new(rules: BulkRules) -> Self {
        Self {
            rules,
            scans: Mutex::default(),
        }
    }

    /// One page of changes, by whichever way needs fewer calls.
    pub(super) async fn read(&self, client: &Client, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        let name = name_of(query);
        // Taken out while it is worked on: another flow at the same place goes on by plain pages meanwhile.
        let mut scan = self.take(&name, query);
        if let Some(page) = scan.page_of_job(client, query).await? {
            scan.last = page.records.last().map(key).or(scan.last);
            self.put(name, scan);
            return Ok(page);
        }
        let page = changes::read(client, query).await?;
        if page.complete {
            return Ok(page);
        }
        scan.last = page.records.last().map(key);
        scan.pages += 1;
        if scan.job.is_none() && scan.pages == PAGES_BEFORE {
            scan.job = self.begin(client, query, scan.last.as_ref()).await;
        }
        self.put(name, scan);
        Ok(page)
    }

    fn take(&self, name: &str, query: &ChangeQuery) -> Scan {
        let taken = self
            .scans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        let from = match &query.after {
            Some((at, Some(id))) => Some((*at, id.clone())),
            Some((_, None)) | None => None,
        };
        taken
            .filter(|scan| from.is_some() && scan.last == from)
            .unwrap_or_default()
    }

    fn put(&self, name: String, scan: Scan) {
        let mut scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        if scans.len() < MOST_SCANS {
            scans.insert(name, scan);
        }
    }

    /// Begins a job where it pays. The page that was read stands whatever comes of it, so a failure here is none: the
    /// next plain page meets whatever the trouble is.
    async fn begin(&self, client: &Client, query: &ChangeQuery, last: Option<&Key>) -> Option<Running> {
        let rest = ChangeQuery {
            after: last.map(|(at, id)| (*at, Some(id.clone()))),
            ..query.clone()
        };
        if count(client, &rest).await.ok()? < self.rules.query_from {
            return None;
        }
        let job = Job::query(client, &rest.schema, &changes::rest_soql(&rest))
            .await
            .ok()?;
        let now = client.monotonic();
        Some(Running {
            job,
            since: now,
            progress: Progress::Working {
                look_at: now.saturating_add(LOOK_AFTER.0),
                wait: LOOK_AFTER.0,
            },
        })
    }
}

impl Scan {
    /// The next page out of the job, where there is one that is complete. Without one, a plain page is due.
    async fn page_of_job(
        &mut self,
        client: &Client,
        query: &ChangeQuery,
    ) -> Result<Option<ChangePage>, RemoteError> {
        let Some(mut running) = self.job.take() else {
            return Ok(None);
        };
        match running.page(client, query).await {
            Ok(Step::Page(page)) => {
                self.job = Some(running);
                Ok(Some(page))
            }
            Ok(Step::NotYet) => {
                self.job = Some(running);
                Ok(None)
            }
            // Read to its end, or too old by now. Should many rows follow, they may be worth another job.
            Ok(Step::Over) => {
                self.pages = 0;
                Ok(None)
            }
            // Of no use. The plain pages have everything that it had, and meet whatever the trouble is.
            Ok(Step::Useless) | Err(_) => Ok(None),
        }
    }
}

/// What a job has for a page.
enum Step {
    Page(ChangePage),
    NotYet,
    Over,
    Useless,
}

impl Running {
    async fn page(&mut self, client: &Client, query: &ChangeQuery) -> Result<Step, RemoteError> {
        let age = client.monotonic().saturating_sub(self.since);
        if age > GROWS_OLD {
            return Ok(Step::Over);
        }
        if let Progress::Working { look_at, wait } = &mut self.progress {
            if client.monotonic() < *look_at {
                return Ok(Step::NotYet);
            }
            *wait = wait.saturating_mul(2).min(LOOK_AFTER.1);
            *look_at = client.monotonic().saturating_add(*wait);
            match self.job.state(client).await? {
                State::Open | State::Working => return Ok(Step::NotYet),
                State::Failed | State::Aborted => return Ok(Step::Useless),
                State::Complete => {
                    self.progress = Progress::Reading {
                        rows: VecDeque::new(),
                        next: None,
                        more: true,
                        part: PART,
                    };
                }
            }
        }
        self.read_on(client, query).await?;
        let Progress::Reading { rows, .. } = &mut self.progress else {
            return Ok(Step::NotYet);
        };
        if rows.is_empty() {
            return Ok(Step::Over);
        }
        let limit = query.limit.clamp(1, changes::PAGE).min(rows.len());
        let records: Vec<Record> = rows.drain(..limit).collect();
        changes::prove_order_and_filter(query, limit, &records)?;
        Ok(Step::Page(ChangePage {
            records,
            complete: false,
            server_time: self.job.made_at,
            hidden_rows: 0,
            age: client.monotonic().saturating_sub(self.since),
        }))
    }

    /// Reads parts until there are rows to give out that were not given out yet, or nothing is left. Part after part
    /// with nothing new in it is an error: the plain pages are further on then.
    async fn read_on(&mut self, client: &Client, query: &ChangeQuery) -> Result<(), RemoteError> {
        let Progress::Reading {
            rows,
            next,
            more,
            part,
        } = &mut self.progress
        else {
            return Ok(());
        };
        let mut read_in_vain = 0;
        while rows.is_empty() && *more {
            if read_in_vain == MOST_STALE_PARTS {
                return Err(super::query::endless("the question for the rows of a bulk job"));
            }
            read_in_vain += 1;
            let read = match self.job.part(client, next.as_deref(), *part).await {
                Err(error) if error.problem.reason.as_str() == "AnswerTooLarge" && *part > SMALLEST_PART => {
                    *part /= 2;
                    continue;
                }
                other => other?,
            };
            *more = read.next.is_some();
            *next = read.next;
            let records = read
                .table
                .rows
                .iter()
                .map(|row| record(query, &bulk::cells(&read.table, row)))
                .collect::<Result<Vec<_>, _>>()?;
            rows.extend(records.into_iter().filter(|record| is_after(query, record)));
        }
        Ok(())
    }
}

/// Which scan a query belongs to: everything of it but where it stands.
fn name_of(query: &ChangeQuery) -> String {
    changes::rest_soql(&ChangeQuery {
        after: None,
        ..query.clone()
    })
}

fn key(record: &Record) -> Key {
    (record.version.modified, record.id.clone())
}

fn is_after(query: &ChangeQuery, record: &Record) -> bool {
    match &query.after {
        None => true,
        Some((at, None)) => record.version.modified >= *at,
        Some((at, Some(id))) => (record.version.modified, &record.id) > (*at, id),
    }
}

/// How many rows a scan still has.
async fn count(client: &Client, query: &ChangeQuery) -> Result<u64, RemoteError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count {
        total_size: u64,
    }
    let what = format!("the question how many {} records there are", query.schema.object);
    let ask = query::ask(client, "count", what, Scope::Present, &changes::count_soql(query));
    let response = client.read(&ask, query.schema.object.as_str()).await?;
    let count: Count = call::json(response.body())
        .map_err(|fault| failure::body(Side::Salesforce, &ask.what, response.status(), fault))?;
    Ok(count.total_size)
}

/// A row of a job as a record.
fn record(query: &ChangeQuery, cells: &BTreeMap<&str, &str>) -> Result<Record, RemoteError> {
    let unusable = || {
        failure::transient(
            "UnexpectedAnswer",
            format!(
                "Salesforce answered a bulk query with a row of {} that cannot be read",
                query.schema.object
            ),
        )
    };
    let instant = |name: &str| {
        cells
            .get(name)
            .and_then(|text| convert::instant_text(text))
            .ok_or_else(unusable)
    };
    Ok(Record {
        id: cells
            .get("Id")
            .and_then(|text| RecordId::parse(Side::Salesforce, text).ok())
            .ok_or_else(unusable)?,
        version: Version {
            modified: instant("SystemModstamp")?,
            mod_count: 0,
        },
        changed_at: instant("LastModifiedDate")?,
        created_at: instant("CreatedDate")?,
        fields: query
            .fields
            .iter()
            .filter_map(|field| {
                let kind = &query.schema.fields.get(field)?.kind;
                Some((
                    field.clone(),
                    convert::read_cell(kind, cells.get(field.as_str())?),
                ))
            })
            .collect(),
    })
}
