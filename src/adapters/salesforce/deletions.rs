//! The deletion log (Salesforce docs: REST API, sObject Get Deleted): what was deleted in a window of time, for
//! objects that are `replicateable`. It names only what our user could see, it is purged, and a record on it may have
//! been undeleted since: hints. What proves a deletion is [`super::remote`]'s look with `queryAll`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use url::form_urlencoded;

use super::client::{Ask, Client, Reply};
use super::{convert, errors};
use crate::adapters::http::{call, failure};
use crate::core::failure::Problem;
use crate::core::ident::RecordId;
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{Deletions, RemoteError, RemoteErrorKind};

const ACTION: &str = "read_deletions";

/// How far back the log reaches.
const REACHES_BACK: Duration = Duration::from_hours(15 * 24);

/// Start and end are cut to whole minutes by Salesforce, and must differ after that.
const MINUTE: i64 = 60;

/// What the log says since `since`; `now` is Salesforce's clock.
pub(super) async fn read(
    client: &Client,
    schema: &ObjectSchema,
    since: Instant,
    now: Instant,
) -> Result<Deletions, RemoteError> {
    if now.since(since) > REACHES_BACK {
        return Ok(unavailable(
            schema,
            "reaches back 15 days, and it was not read for longer",
        ));
    }
    let start = whole_minute(since);
    let mut end = whole_minute(now);
    loop {
        if end.seconds() - start.seconds() < MINUTE {
            // A window that is still empty.
            return Ok(Deletions::Log {
                ids: Vec::new(),
                covered_until: since,
            });
        }
        let ask = ask(client, schema, start, end);
        let reply = client.send(&ask).await;
        let response = match reply.map_err(|failure| failure.error)? {
            Reply::Success(response) => response,
            Reply::Errors { errors, .. }
                if errors::has_code(&errors, "EXCEEDED_ID_LIMIT") && end.since(start).as_secs() >= 120 =>
            {
                // More than 600,000: half the window, and the rest with the next question.
                end = whole_minute(start.later(end.since(start) / 2));
                continue;
            }
            Reply::Errors { status, errors } => {
                let error = errors::whole_call(&ask.what, schema.object.as_str(), status, &errors);
                // The log only hints: a user who may not read it still syncs.
                return if error.kind == RemoteErrorKind::Misconfigured {
                    Ok(unavailable(schema, "is refused to the connection's user"))
                } else {
                    Err(error)
                };
            }
        };
        let answer: Answer = call::json(response.body())
            .map_err(|fault| failure::body(Side::Salesforce, &ask.what, response.status(), fault))?;
        return answer.log(schema, since, end);
    }
}

/// The object has no log.
pub(super) fn not_replicated(schema: &ObjectSchema) -> Deletions {
    unavailable(schema, "is not kept by Salesforce for this object")
}

fn unavailable(schema: &ObjectSchema, why: &str) -> Deletions {
    Deletions::Unavailable {
        why: Problem::human(
            "NoDeletionLog",
            format!(
                "the deletion log of {} {why}; deletions are found by the slower walk over the linked records",
                schema.object
            ),
        ),
    }
}

fn whole_minute(at: Instant) -> Instant {
    Instant::from_seconds(at.seconds().div_euclid(MINUTE) * MINUTE)
}

fn ask(client: &Client, schema: &ObjectSchema, start: Instant, end: Instant) -> Ask {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("start", &spelled(start))
        .append_pair("end", &spelled(end))
        .finish();
    Ask::poll_on(
        ACTION,
        format!("the question for deleted {} records", schema.object),
        client.data_path(&format!("sobjects/{}/deleted/?{query}", schema.object)),
    )
}

/// `2026-11-24T12:00:00+00:00`, the form that the documentation asks for.
fn spelled(at: Instant) -> String {
    at.to_string().replace('Z', "+00:00")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    deleted_records: Vec<DeletedRecord>,
    #[serde(default)]
    earliest_date_available: Option<String>,
    #[serde(default)]
    latest_date_covered: Option<String>,
}

#[derive(Deserialize)]
struct DeletedRecord {
    id: String,
}

impl Answer {
    fn log(self, schema: &ObjectSchema, since: Instant, end: Instant) -> Result<Deletions, RemoteError> {
        let unusable = || {
            failure::transient(
                "UnexpectedAnswer",
                format!(
                    "Salesforce answered the question for deleted {} records with a row or a date that cannot be \
                     read; it is tried again by itself",
                    schema.object
                ),
            )
        };
        let date = |text: Option<&String>| {
            text.map(|text| convert::instant_text(text).ok_or_else(unusable))
                .transpose()
        };
        let earliest = date(self.earliest_date_available.as_ref())?;
        if earliest.is_some_and(|earliest| earliest > since) {
            return Ok(unavailable(
                schema,
                "was purged by Salesforce after the moment up to which it was read",
            ));
        }
        let covered = date(self.latest_date_covered.as_ref())?.map_or(end, |covered| covered.min(end));
        let ids: BTreeSet<RecordId> = self
            .deleted_records
            .iter()
            .map(|row| RecordId::parse(Side::Salesforce, &row.id).map_err(|_| unusable()))
            .collect::<Result<_, _>>()?;
        Ok(Deletions::Log {
            ids: ids.into_iter().collect(),
            covered_until: covered,
        })
    }
}
