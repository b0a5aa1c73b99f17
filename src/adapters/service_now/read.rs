//! Reading changes, records by id and records by value.
//!
//! Whatever the instance was asked, its rows are checked against the question: a condition or an order that it dropped
//! shows in a row that should not be there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::client::Client;
use super::convert;
use super::errors;
use super::query::{Condition, Filter, Question, questions};
use super::row::{self, Row, SYSTEM_FIELDS};
use super::scan::{Position, Scan, UPDATED};
use crate::adapters::http::failure;
use crate::core::ident::{FieldName, RecordId};
use crate::core::planted::{Bug, planted};
use crate::core::record::{DeletionProof, Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{ChangePage, ChangeQuery, RemoteError};

/// Rows of a page of a look-up.
const PAGE: usize = 1000;

/// More records than this are no answer to a look-up by value, as on the Salesforce side.
const MOST_MATCHES: usize = 10_000;

/// The columns to ask for: ours, and those that every reading needs.
fn columns(fields: &[FieldName]) -> Vec<&str> {
    let asked = fields.iter().map(FieldName::as_str);
    let all: BTreeSet<&str> = asked.chain(SYSTEM_FIELDS).collect();
    all.into_iter().collect()
}

impl Client {
    /// One page of changes, checked for filter and order.
    pub(super) async fn changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        let table = query.schema.object.as_str();
        let created = query
            .created_from
            .map(|from| Condition::not_before("sys_created_on", from));
        let filter = created.map_or_else(Filter::everything, Filter::of);
        let position = match &query.after {
            Some((at, id)) => Position::Time(UPDATED, *at, id.clone()),
            // Also leaves out rows without a time, which no later query could reach either.
            None => Position::Time(UPDATED, Instant::EPOCH, None),
        };
        let fields = columns(&query.fields);
        let scan = Scan {
            action: "read_changes",
            table,
            filter,
            fields: &fields,
        };
        let page = self.page(&scan, &position, query.limit).await?;
        let records = self.records(&query.schema, &page.rows)?;
        if !planted(Bug::FilterTrusted) {
            Self::check_changes(table, query, &records)?;
            self.prove_readable(&query.schema, &query.fields, &page.rows)
                .await?;
        }
        Ok(ChangePage {
            records,
            complete: page.complete,
            server_time: page.server_time,
            hidden_rows: page.hidden as u64,
            age: Duration::ZERO,
        })
    }

    fn records(&self, schema: &ObjectSchema, rows: &[Row]) -> Result<Vec<Record>, RemoteError> {
        let table = schema.object.as_str();
        rows.iter()
            .map(|row| {
                row::record(schema, row)
                    .map_err(|missing| errors::missing_system_field(table, self.sign_in.secret(), missing))
            })
            .collect()
    }

    fn check_changes(table: &str, query: &ChangeQuery, records: &[Record]) -> Result<(), RemoteError> {
        let from = match &query.after {
            Some((at, None)) => *at,
            _ => Instant::EPOCH,
        };
        let mut last = match &query.after {
            Some((at, Some(id))) => Some((*at, id)),
            _ => None,
        };
        for record in records {
            let place = (record.version.modified, &record.id);
            if place.0 < from || last.as_ref().is_some_and(|last| place <= *last) {
                let what = "the condition on sys_updated_on, or the order by sys_updated_on and sys_id";
                return Err(errors::filter_ignored(table, what));
            }
            if query.created_from.is_some_and(|from| record.created_at < from) {
                return Err(errors::filter_ignored(table, "the condition on sys_created_on"));
            }
            last = Some(place);
        }
        Ok(())
    }

    /// What is known of these records now. Where the deletion log may not be read, a record that is not found is
    /// never called gone.
    pub(super) async fn by_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        let mut known: BTreeMap<RecordId, Observation> = ids
            .iter()
            .map(|id| (id.clone(), Observation::NotVisible))
            .collect();
        if known.is_empty() {
            return Ok(known);
        }
        let table = schema.object.as_str();
        let fields = columns(fields);
        let filter = Filter::of(Condition::one_of("sys_id", ids.iter().map(RecordId::as_str)));
        let scan = Scan {
            action: "read_ids",
            table,
            filter,
            fields: &fields,
        };
        let found = self.everything(&scan, PAGE, known.len()).await?;
        for record in self.records(schema, &found.rows)? {
            let Some(place) = known.get_mut(&record.id) else {
                return Err(errors::filter_ignored(table, "the condition on sys_id"));
            };
            *place = Observation::Present(record);
        }
        let missing: Vec<RecordId> = known
            .iter()
            .filter(|(_, observation)| matches!(observation, Observation::NotVisible))
            .map(|(id, _)| id.clone())
            .collect();
        for id in self.deleted(table, &missing).await? {
            // A record that was restored and hidden has a row in the log too.
            if found.hidden == 0 || self.is_absent(table, &id).await? {
                known.insert(id, Observation::Gone(DeletionProof::AuditRow));
            }
        }
        Ok(known)
    }

    /// Every record whose field may hold one of the values. Fails rather than leave one out.
    pub(super) async fn by_values(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        let table = schema.object.as_str();
        let secret = self.sign_in.secret();
        // An empty field is not equal to anything.
        let values: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        let texts: Vec<String> = values.iter().map(|value| asked_as(value)).collect();
        let questions = questions(field, texts.iter().map(String::as_str)).map_err(|_| {
            failure::misconfigured(
                "ValueNotSearchable",
                format!(
                    "records of {table} cannot be looked up by {field}: a value consists only of characters that a \
                     ServiceNow query cannot hold. Match by another field."
                ),
            )
        })?;
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        self.probe_look_up(table, field.as_str()).await?;
        let mut asked = fields.to_vec();
        asked.push(field.clone());
        let asked = columns(&asked);
        let mut records: BTreeMap<RecordId, Record> = BTreeMap::new();
        for Question { filter, wider } in questions {
            let scan = Scan {
                action: "find",
                table,
                filter,
                fields: &asked,
            };
            let pages = self.each_page(&scan, PAGE, |page| {
                if page.hidden > 0 {
                    let why = format!("may match a look-up by {field}");
                    return Err(errors::hidden_rows(table, secret, &why, page.hidden as u64));
                }
                for record in self.records(schema, &page.rows)? {
                    if self.matches(table, &record, field, &values, wider)? {
                        records.insert(record.id.clone(), record);
                    }
                }
                if records.len() > MOST_MATCHES {
                    return Err(too_many_matches(table, field));
                }
                Ok(())
            });
            pages.await?;
        }
        Ok(records.into_values().collect())
    }

    /// Whether a record that came may hold one of the values. One that does not, and was not asked for by a `wider`
    /// question, shows that the condition was dropped.
    fn matches(
        &self,
        table: &str,
        record: &Record,
        field: &FieldName,
        values: &[&Value],
        wider: bool,
    ) -> Result<bool, RemoteError> {
        let Some(value) = record.value(field) else {
            return Err(failure::misconfigured(
                "MissingRight",
                format!(
                    "the account in {} cannot read {field} of {table}, by which records are looked up. Give it read \
                     access to that field.",
                    self.sign_in.secret()
                ),
            ));
        };
        match likeness(value, values) {
            Likeness::Same | Likeness::CannotTell => Ok(true),
            Likeness::Other if wider => Ok(false),
            Likeness::Other => Err(errors::filter_ignored(
                table,
                &format!("the condition on {field}"),
            )),
        }
    }
}

fn too_many_matches(table: &str, field: &FieldName) -> RemoteError {
    failure::misconfigured(
        "TooManyMatches",
        format!(
            "more than {MOST_MATCHES} records of {table} answer one look-up by {field}; match by a more selective field"
        ),
    )
}

/// How a value is spelled in a query. A set is asked for by its longest member, since the order of a list is not known.
fn asked_as(value: &Value) -> String {
    match value {
        Value::Choices(choices) => choices
            .iter()
            .max_by_key(|choice| choice.len())
            // The comma keeps it from being taken for the whole list.
            .map_or_else(String::new, |choice| format!("{choice}^")),
        _ => convert::to_text(value),
    }
}

enum Likeness {
    Same,
    /// Other, by any collation.
    Other,
    /// Collations differ beyond ASCII (accents, width); the caller compares again.
    CannotTell,
}

fn likeness(found: &Value, asked: &[&Value]) -> Likeness {
    let folded = |value: &Value| value.canonical().plain().to_lowercase();
    let found_text = folded(found);
    if asked.iter().any(|asked| folded(asked) == found_text) {
        Likeness::Same
    } else if found_text.is_ascii() && asked.iter().all(|asked| asked.plain().is_ascii()) {
        Likeness::Other
    } else {
        Likeness::CannotTell
    }
}
