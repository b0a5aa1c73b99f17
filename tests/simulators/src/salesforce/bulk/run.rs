//! What a job does when its time comes: begins, writes a chunk of rows, ends.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::job::{Ingest, Job, Operation, Outcome, State, Work};
use super::row::{Column, Record, told};
use super::switches::BulkSwitches;
use super::{RUN, days_before};
use crate::salesforce::Salesforce;
use crate::salesforce::error::ApiError;
use crate::salesforce::external_id::{Key, Upserted};
use crate::salesforce::schema::Object;
use crate::salesforce::screen::Author;
use crate::salesforce::users::User;
use crate::salesforce::value::accept;

/// The next thing that happens to a job by itself.
enum Step {
    Begin,
    /// Rows up to this one are written.
    Write(usize),
    Fail,
    Complete,
}

impl Salesforce {
    /// Does what jobs should have done by `now`, in the order in which it was due. Called before every request and
    /// before everything that people do.
    pub(crate) fn settle_jobs(&mut self, now: Timestamp) {
        while let Some((due, id, step)) = self.next_step(now) {
            let moment = self.jobs.settled.map_or(due, |settled| due.max(settled));
            if let Some(mut job) = self.jobs.all.remove(&id) {
                self.handling = Some(RUN);
                self.take_step(&mut job, &step, moment);
                self.jobs.put(job);
            }
        }
        self.jobs.settled = self.jobs.settled.max(Some(now));
        let before = days_before(now, self.settings.bulk.kept_days);
        self.jobs.forget(before);
    }

    fn next_step(&self, now: Timestamp) -> Option<(Timestamp, String, Step)> {
        let active = self.jobs.active.iter().filter_map(|id| self.jobs.all.get(id));
        active
            .filter_map(|job| {
                let (due, step) = next_step(job, &self.settings.bulk)?;
                Some((due, job.id.clone(), step))
            })
            .filter(|(due, _, _)| *due <= now)
            .min_by_key(|(due, _, _)| *due)
    }

    fn take_step(&mut self, job: &mut Job, step: &Step, moment: Timestamp) {
        match step {
            Step::Begin => {
                job.began = Some(moment);
                job.enter(State::InProgress, moment);
                if let Err(message) = self.begin(job) {
                    job.fail(message, moment);
                }
            }
            Step::Write(to) => {
                if let Err(message) = self.write_rows(job, *to, moment) {
                    job.fail(message, moment);
                }
                job.modified = moment;
            }
            Step::Fail => job.fail(self.settings.bulk.failure.clone(), moment),
            Step::Complete => match self.complete(job, moment) {
                Ok(()) => job.enter(State::JobComplete, moment),
                Err(message) => job.fail(message, moment),
            },
        }
    }

    /// Reads the upload of an ingest job and checks what can be known without looking at a row.
    fn begin(&self, job: &mut Job) -> Result<(), String> {
        let dialect = job.dialect;
        let (object, user) = self.parties(job)?;
        let Work::Ingest(ingest) = &mut job.work else {
            return Ok(());
        };
        let upload = ingest.upload.clone().unwrap_or_default();
        let text = std::str::from_utf8(&upload)
            .map_err(|_| "InvalidBatch : Failed to parse CSV: the data is not UTF-8".to_owned())?;
        let mut table = dialect.read(text)?.into_iter();
        let Some(header) = table.next() else {
            return Ok(());
        };
        ingest.rows = table.collect();
        ingest.columns = header;
        let width = ingest.columns.len();
        if let Some(at) = ingest.rows.iter().position(|row| row.len() != width) {
            // That such a job fails is documented; its wording is not.
            return Err(format!(
                "InvalidBatch : Failed to parse CSV: row {} has not the {width} columns of the header",
                at + 1
            ));
        }
        self.columns(&object, &ingest.columns, ingest.operation, &user)?;
        Ok(())
    }

    /// The object a job is about and the user whose rights bound it, as they are now.
    fn parties(&self, job: &Job) -> Result<(Arc<Object>, Arc<User>), String> {
        let object = self.schema.object(&job.object);
        let user = self.directory.user(&job.user.0);
        match (object, user) {
            (Some(object), Some(user)) => Ok((Arc::clone(object), Arc::clone(user))),
            _ => Err("InvalidJob : The job's object or user is no longer there".into()),
        }
    }

    fn write_rows(&mut self, job: &mut Job, to: usize, moment: Timestamp) -> Result<(), String> {
        let (object, user) = self.parties(job)?;
        let Work::Ingest(ingest) = &mut job.work else {
            return Ok(());
        };
        let author = Author::api(&user);
        for at in ingest.outcomes.len()..to {
            let Some(row) = ingest.rows.get(at) else { break };
            let columns = self.columns(&object, &ingest.columns, ingest.operation, &user)?;
            let place = columns.iter().position(|column| *column == Column::Id);
            let id = place.and_then(|place| row.get(place)).cloned();
            let written = self
                .read_row(&columns, row)
                .and_then(|record| self.write_row(&object, record, ingest, &author, moment));
            ingest.outcomes.push(match written {
                Ok((id, created)) => Outcome::Written { id, created },
                Err(errors) => Outcome::Refused {
                    id: id.unwrap_or_default(),
                    error: told(&errors),
                },
            });
        }
        Ok(())
    }

    /// Writes one row: the record's id, and whether it was made.
    fn write_row(
        &mut self,
        object: &Arc<Object>,
        record: Record,
        ingest: &Ingest,
        author: &Author,
        moment: Timestamp,
    ) -> Result<(String, bool), Vec<ApiError>> {
        match ingest.operation {
            Operation::Insert => {
                let mut fields = record.fields;
                if let Some(id) = record.id {
                    fields.insert("Id".into(), Value::String(id));
                }
                let id = self.insert(object, &fields, author, moment)?;
                Ok((id, true))
            }
            Operation::Update => {
                let id = self.own(object, record.id, "update")?;
                self.update(object, &id, &record.fields, author, moment)?;
                Ok((id, false))
            }
            Operation::Delete => {
                let id = self.own(object, record.id, "delete")?;
                self.delete(object, &id, author, moment)?;
                Ok((id, false))
            }
            Operation::HardDelete => {
                let id = self.own(object, record.id, "delete")?;
                self.hard_delete(object, &id, author, moment)?;
                Ok((id, false))
            }
            Operation::Upsert => self.upsert_row(object, record, ingest, author, moment),
        }
    }

    fn upsert_row(
        &mut self,
        object: &Arc<Object>,
        record: Record,
        ingest: &Ingest,
        author: &Author,
        moment: Timestamp,
    ) -> Result<(String, bool), Vec<ApiError>> {
        let name = ingest.external_id.as_deref().unwrap_or("Id");
        if name == "Id" {
            // A row without an id is a new record's.
            let Some(id) = record.id else {
                return Ok((self.insert(object, &record.fields, author, moment)?, true));
            };
            let id = self.own(object, Some(id), "upsert")?;
            self.update(object, &id, &record.fields, author, moment)?;
            return Ok((id, false));
        }
        let mut fields = record.fields;
        let field = object.field(name).ok_or_else(|| vec![ApiError::not_found()])?;
        let value = fields.remove(&field.name).filter(|value| !value.is_null());
        let Some(value) = value else {
            let message = format!("{name} not specified");
            return Err(vec![ApiError::on_fields("MISSING_ARGUMENT", message, &[name])]);
        };
        let value = accept(field, &value).map_err(|error| vec![error])?;
        let key = Key { field, value: &value };
        match self.upsert(object, key, &fields, false, author, moment)? {
            Upserted::Created(id) => Ok((id, true)),
            Upserted::Updated(id) => Ok((id, false)),
            Upserted::Ambiguous(ids) => {
                let message = format!(
                    "{name}: more than one record found for external id field: [{}]",
                    ids.join(", ")
                );
                Err(vec![ApiError::on_fields(
                    "DUPLICATE_EXTERNAL_ID",
                    message,
                    &[name],
                )])
            }
        }
    }

    /// The 18-character id of a row, which must be one of the job's object.
    fn own(&self, object: &Object, id: Option<String>, call: &str) -> Result<String, Vec<ApiError>> {
        let Some(id) = id else {
            let message = format!("Id not specified in an {call} call");
            return Err(vec![ApiError::on_fields("MISSING_ARGUMENT", message, &["Id"])]);
        };
        let located = self.locate(&id).filter(|(own, _)| own.name == object.name);
        located.map(|(_, id)| id).ok_or_else(|| {
            let message = format!("{}: id value of incorrect type: {id}", object.label);
            vec![ApiError::on_fields("MALFORMED_ID", message, &["Id"])]
        })
    }

    fn complete(&self, job: &mut Job, moment: Timestamp) -> Result<(), String> {
        let (_, user) = self.parties(job)?;
        let version = job.version.clone();
        match &mut job.work {
            Work::Ingest(_) => Ok(()),
            Work::Query(search) => self
                .search(search, &version, &user, moment)
                .map_err(|error| format!("{} : {}", error.code, error.message)),
        }
    }
}

fn next_step(job: &Job, switches: &BulkSwitches) -> Option<(Timestamp, Step)> {
    let after = |start: Timestamp, time: SignedDuration| start.checked_add(time).unwrap_or(start);
    if job.state == State::UploadComplete {
        let queued = SignedDuration::from_secs(switches.queued_seconds);
        return Some((after(job.modified, queued), Step::Begin));
    }
    let began = job.began?;
    let running = SignedDuration::from_secs(switches.running_seconds);
    let end = after(began, running);
    let (rows, done) = match &job.work {
        Work::Ingest(ingest) => (ingest.rows.len(), ingest.outcomes.len()),
        Work::Query(_) => (0, 0),
    };
    let stops = |after: Option<usize>| after.is_some_and(|after| done >= after);
    if stops(switches.stuck_after_rows) {
        return None;
    }
    if stops(switches.fails_after_rows) {
        return Some((share(began, running, done, rows), Step::Fail));
    }
    if done >= rows {
        return Some((end, Step::Complete));
    }
    let mut to = rows.min(done.saturating_add(switches.rows_per_chunk.max(1)));
    for limit in [switches.stuck_after_rows, switches.fails_after_rows]
        .into_iter()
        .flatten()
    {
        to = to.min(limit);
    }
    Some((share(began, running, to, rows), Step::Write(to)))
}

/// When the first `done` of `all` rows are written.
fn share(began: Timestamp, running: SignedDuration, done: usize, all: usize) -> Timestamp {
    let count = |rows: usize| i128::try_from(rows).unwrap_or(i128::MAX);
    let millis = running.as_millis().saturating_mul(count(done)) / count(all.max(1));
    let time = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    began.checked_add(time).unwrap_or(began)
}
