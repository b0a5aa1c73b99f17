//! `sobjects/X/updated` and `sobjects/X/deleted`: what changed in a window of time.
//!
//! SOAP API Developer Guide: "Data Replication", `getUpdated()`, `getDeleted()`. Seconds are ignored; the window's start
//! belongs to it and its end does not.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Salesforce;
use super::dispatch::Call;
use super::error::{ApiError, respond};
use super::schema::Object;
use super::store::{Row, is_deleted};
use super::value::datetime_text;
use crate::model::{Fields, Response};

/// How far back updates can be asked for, in days.
const UPDATES_DAYS: i64 = 30;
/// How far back deletions can be asked for, in days.
const DELETIONS_DAYS: i64 = 15;

/// A window of time, in whole minutes.
struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl Window {
    fn holds(&self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }
}

impl Salesforce {
    /// `GET sobjects/X/updated/?start=…&end=…`: what was made or changed and is there.
    pub(crate) fn updated(&self, object: &Object, call: &Call<'_>) -> Result<Response, ApiError> {
        let window = window(object, call, UPDATES_DAYS)?;
        let ids: Vec<&str> = self
            .store
            .rows(&object.name)
            .filter_map(|row| row.seen_at(call.now))
            .filter(|row| !is_deleted(row) && stamp(row).is_some_and(|at| window.holds(at)))
            .filter_map(|row| row.get("Id").and_then(Value::as_str))
            .collect();
        self.not_too_many(ids.len())?;
        let body = json!({
            "ids": ids,
            "latestDateCovered": datetime_text(self.covered(object, &window, call.now)),
        });
        Ok(respond(StatusCode::OK, &body))
    }

    /// `GET sobjects/X/deleted/?start=…&end=…`: what was deleted and has not been undeleted.
    pub(crate) fn deleted(&self, object: &Object, call: &Call<'_>) -> Result<Response, ApiError> {
        let window = window(object, call, DELETIONS_DAYS)?;
        let has_committed = |id: &str| {
            let row = self.store.row(&object.name, id);
            row.is_none_or(|row| row.seen_at(call.now).is_some_and(is_deleted))
        };
        let records: Vec<Value> = self
            .store
            .deletions
            .of(&object.name)
            .filter(|(id, at)| window.holds(*at) && has_committed(id))
            .map(|(id, at)| json!({"id": id, "deletedDate": datetime_text(at)}))
            .collect();
        self.not_too_many(records.len())?;
        let oldest = days_before(call.now, DELETIONS_DAYS);
        let purged = self.store.deletions.purged(&object.name);
        let earliest = purged.map_or(oldest, |purged| purged.max(oldest));
        let body = json!({
            "deletedRecords": records,
            "earliestDateAvailable": datetime_text(earliest),
            "latestDateCovered": datetime_text(self.covered(object, &window, call.now)),
        });
        Ok(respond(StatusCode::OK, &body))
    }

    /// Up to when the answer is complete: the window's end, unless a transaction that began before it is still open.
    fn covered(&self, object: &Object, window: &Window, now: Timestamp) -> Timestamp {
        let open = self
            .store
            .rows(&object.name)
            .filter(|row| row.is_in_flight(now))
            .filter_map(|row: &Row| stamp(&row.fields))
            .min();
        let end = window.end.min(minute(now));
        open.map_or(end, |open| open.min(end))
    }

    fn not_too_many(&self, count: usize) -> Result<(), ApiError> {
        if count > self.settings.most_replicated_ids {
            let message = format!(
                "exceeded the limit of {} ids; choose start and end dates that are closer together",
                self.settings.most_replicated_ids
            );
            return Err(ApiError::bad_request("EXCEEDED_ID_LIMIT", message));
        }
        Ok(())
    }
}

fn stamp(row: &Fields) -> Option<Timestamp> {
    row.get("SystemModstamp")?.as_str()?.parse().ok()
}

/// The start of the minute that `moment` lies in.
fn minute(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second().div_euclid(60) * 60).unwrap_or(moment)
}

/// The start of the day so many days before the one that `now` lies in.
fn days_before(now: Timestamp, days: i64) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    let day = Timestamp::from_second(now.as_second().div_euclid(DAY) * DAY).unwrap_or(now);
    day.checked_sub(SignedDuration::from_hours(24 * days))
        .unwrap_or(day)
}

fn window(object: &Object, call: &Call<'_>, days: i64) -> Result<Window, ApiError> {
    let invalid = |message: String| ApiError::bad_request("INVALID_REPLICATION_DATE", message);
    if !object.replicateable {
        let message = format!("Entity type is not replicateable: {}", object.name);
        return Err(ApiError::bad_request("INVALID_TYPE", message));
    }
    let moment = |name: &str| -> Result<Timestamp, ApiError> {
        let given = call
            .parameter(name)
            .ok_or_else(|| ApiError::bad_request("MISSING_ARGUMENT", format!("{name} date is required")))?;
        // A plus that was not encoded has become a blank.
        let parsed = given.replace(' ', "+").parse::<Timestamp>();
        parsed
            .map(minute)
            .map_err(|_| invalid(format!("{name} is not a date and time: {given}")))
    };
    let window = Window {
        start: moment("start")?,
        end: moment("end")?,
    };
    if window.start >= window.end {
        return Err(invalid(
            "startDate must precede endDate by more than one minute".into(),
        ));
    }
    if window.start > call.now {
        return Err(invalid("startDate cannot be in the future".into()));
    }
    if window.start < days_before(call.now, days) {
        return Err(invalid(format!("startDate cannot be more than {days} days ago")));
    }
    Ok(window)
}
