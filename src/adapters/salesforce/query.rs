//! SOQL: building it so that no value can change its meaning, and reading rows without trusting them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::client::{Ask, Client, Reply};
use super::describe::SYSTEM_FIELDS;
use super::{convert, errors};
use crate::adapters::http::{call, failure};
use crate::core::ident::{FieldName, RecordId};
use crate::core::record::{FieldContent, Record, Version};
use crate::core::schema::{FieldKind, ObjectSchema};
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::RemoteError;

/// Salesforce answers a longer request line with 414 (16 KiB); what the instance's name and the path take is left.
pub(super) const LONGEST_QUERY: usize = 15_000;

/// `query` sees what is there; `queryAll` also what lies in the recycle bin, and archived activities.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    Present,
    WithDeleted,
}

/// A field list: the system fields and these, each once.
pub(super) fn field_list(fields: &[FieldName], more: &[&str]) -> String {
    let mut list: Vec<&str> = SYSTEM_FIELDS.to_vec();
    for field in more.iter().copied().chain(fields.iter().map(FieldName::as_str)) {
        if !list.contains(&field) {
            list.push(field);
        }
    }
    list.join(",")
}

/// A string literal (Salesforce docs: SOQL, Quoted String Escape Sequences).
pub(super) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("\\'"),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            '\u{8}' => literal.push_str("\\b"),
            '\u{c}' => literal.push_str("\\f"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

/// The literal of a value for a field of this kind; `None` where no record can have it.
pub(super) fn literal(kind: &FieldKind, value: &Value) -> Option<String> {
    /// Characters in one string literal (Salesforce docs: SOQL, Limits); no field that can be filtered is longer.
    const LONGEST: usize = 4000;
    match (kind, value) {
        (FieldKind::Text { .. } | FieldKind::Choice(_) | FieldKind::Reference, Value::Text(text)) => {
            (text.chars().count() <= LONGEST).then(|| string_literal(text))
        }
        (FieldKind::Number { .. }, Value::Number(number)) => Some(number.normalize().to_string()),
        (FieldKind::Boolean, Value::Boolean(boolean)) => Some(boolean.to_string()),
        (FieldKind::Date, Value::Date(date)) => Some(date.to_string()),
        (FieldKind::DateTime, Value::DateTime(instant)) => Some(instant.to_string()),
        _ => None,
    }
}

/// The length of a text in a query string.
pub(super) fn encoded_length(text: &str) -> usize {
    form_urlencoded::byte_serialize(text.as_bytes())
        .map(str::len)
        .sum()
}

/// The request for the first rows of a query.
pub(super) fn ask(client: &Client, action: &'static str, what: String, scope: Scope, soql: &str) -> Ask {
    let resource = match scope {
        Scope::Present => "query",
        Scope::WithDeleted => "queryAll",
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", soql)
        .finish();
    Ask::read(action, what, client.data_path(&format!("{resource}?{query}")))
}

/// A batch of rows, as Salesforce shows them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch<'a> {
    done: bool,
    next_records_url: Option<String>,
    #[serde(borrow)]
    records: Vec<Row<'a>>,
}

/// A row: fields by name. Borrowed from the answer.
pub(super) type Row<'a> = BTreeMap<String, &'a RawValue>;

/// What one call gave.
pub(super) struct BatchRead<T> {
    pub(super) rows: Vec<T>,
    /// Where the next rows are, if there are more.
    pub(super) next: Option<String>,
    /// By Salesforce's clock.
    pub(super) server_time: Instant,
}

/// Reads one batch; `read` makes something of each row.
pub(super) fn batch<T>(
    what: &str,
    response: &http::Response<Bytes>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, RemoteError>,
) -> Result<BatchRead<T>, RemoteError> {
    let fault = |fault| failure::body(Side::Salesforce, what, response.status(), fault);
    let batch: Batch<'_> = call::json(response.body()).map_err(fault)?;
    let next = match (batch.done, batch.next_records_url) {
        (true, _) => None,
        (false, Some(next)) => Some(next),
        (false, None) => return Err(fault(call::BodyFault::UnexpectedShape)),
    };
    let server_time = call::server_time(response.headers()).ok_or_else(|| no_server_time(what))?;
    let rows = batch.records.iter().map(&mut read).collect::<Result<_, _>>()?;
    Ok(BatchRead {
        rows,
        next,
        server_time,
    })
}

/// Part after part, and no end in sight.
pub(super) fn endless(what: &str) -> RemoteError {
    failure::transient(
        "EndlessAnswer",
        format!(
            "Salesforce answered {what} with one part after another and no end in sight; nothing is concluded from \
             them, and it is tried again by itself"
        ),
    )
}

/// The answer does not say when it was given, and no other clock counts.
pub(super) fn no_server_time(what: &str) -> RemoteError {
    failure::transient(
        "NoServerTime",
        format!("Salesforce answered {what} without a Date header, and no other clock than its own counts"),
    )
}

/// Calls of one look-up. Salesforce makes batches of 200 rows at least where all are shown, so the most rows that a
/// look-up may have need a fifth of it.
const MOST_CALLS: usize = 250;

/// Every row of a query, however many batches Salesforce makes of it, at most `most`. A locator that Salesforce
/// forgot in between begins the query anew, once. Batches that go on and on are an error (`EndlessAnswer`).
pub(super) async fn every<T>(
    client: &Client,
    first: &Ask,
    about: &str,
    most: usize,
    mut read: impl FnMut(&Row<'_>) -> Result<T, RemoteError>,
) -> Result<Vec<T>, RemoteError> {
    let mut restarts = 1;
    let mut calls = 0;
    'query: loop {
        let mut rows = Vec::new();
        let mut next: Option<String> = None;
        loop {
            if calls == MOST_CALLS {
                return Err(endless(&first.what));
            }
            calls += 1;
            let following = next
                .take()
                .map(|path| Ask::read(first.policy.action, first.what.as_str(), path));
            let reply = client
                .send(following.as_ref().unwrap_or(first))
                .await
                .map_err(|failure| failure.error)?;
            let response = match reply {
                Reply::Success(response) => response,
                Reply::Errors { errors, .. }
                    if restarts > 0 && errors::has_code(&errors, "INVALID_QUERY_LOCATOR") =>
                {
                    restarts -= 1;
                    continue 'query;
                }
                Reply::Errors { status, errors } => {
                    return Err(errors::whole_call(&first.what, about, status, &errors));
                }
            };
            let batch = batch(&first.what, &response, &mut read)?;
            rows.extend(batch.rows);
            if rows.len() > most {
                return Err(failure::misconfigured(
                    "TooManyMatches",
                    format!(
                        "more than {most} records of {about} answer one look-up; match by a more selective field"
                    ),
                ));
            }
            match batch.next {
                None => return Ok(rows),
                Some(path) => next = Some(path),
            }
        }
    }
}

/// A row as a record. Only the fields asked for are taken, by the kind that the schema says.
pub(super) fn record(
    what: &str,
    schema: &ObjectSchema,
    fields: &[FieldName],
    row: &Row<'_>,
) -> Result<Record, RemoteError> {
    let unusable = |lacking: &str| {
        failure::transient(
            "UnexpectedAnswer",
            format!(
                "Salesforce answered {what} with a row of {} without a usable {lacking}",
                schema.object
            ),
        )
    };
    let instant = |name: &str| {
        row.get(name)
            .and_then(|raw| convert::instant(raw))
            .ok_or_else(|| unusable(name))
    };
    let id = row
        .get("Id")
        .and_then(|raw| convert::text(raw))
        .and_then(|text| RecordId::parse(Side::Salesforce, &text).ok())
        .ok_or_else(|| unusable("Id"))?;
    let content: BTreeMap<FieldName, FieldContent> = fields
        .iter()
        .filter_map(|field| {
            let kind = &schema.fields.get(field)?.kind;
            let raw = row.get(field.as_str())?;
            Some((field.clone(), convert::read(kind, raw)))
        })
        .collect();
    Ok(Record {
        id,
        version: Version {
            modified: instant("SystemModstamp")?,
            mod_count: 0,
        },
        changed_at: instant("LastModifiedDate")?,
        created_at: instant("CreatedDate")?,
        fields: content,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Salesforce makes of a literal.
    fn unescape(literal: &str) -> Option<String> {
        let mut characters = literal.strip_prefix('\'')?.chars();
        let mut text = String::new();
        loop {
            match characters.next()? {
                '\'' => return characters.next().is_none().then_some(text),
                '\\' => text.push(match characters.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    quoted @ ('\'' | '"' | '\\') => quoted,
                    _ => return None,
                }),
                plain => text.push(plain),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_its_literal_or_loses_a_character(text in ".*|['\\\\\n\r\t\u{8}\u{c}a]*") {
            let literal = string_literal(&text);
            prop_assert_eq!(unescape(&literal), Some(text));
        }
    }

    #[test]
    fn literals_are_typed_by_the_field_and_an_impossible_value_has_none() {
        let number = FieldKind::Number { scale: None };
        let text = FieldKind::Text { max_length: None };
        assert_eq!(
            literal(&number, &Value::Number("4.50".parse().unwrap())).unwrap(),
            "4.5"
        );
        assert_eq!(
            literal(&FieldKind::Boolean, &Value::Boolean(true)).unwrap(),
            "true"
        );
        assert_eq!(
            literal(&FieldKind::DateTime, &Value::DateTime(Instant::from_seconds(0))).unwrap(),
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(
            literal(&text, &Value::Text("O'Hara".into())).unwrap(),
            "'O\\'Hara'"
        );
        assert_eq!(literal(&text, &Value::Null), None);
        assert_eq!(literal(&text, &Value::Text("x".repeat(4001))), None);
        assert_eq!(literal(&number, &Value::Text("4".into())), None);
    }

    #[test]
    fn the_system_fields_are_always_read_and_nothing_twice() {
        let fields: Vec<FieldName> = ["Subject", "CreatedDate", "Subject"]
            .iter()
            .map(|field| field.parse().unwrap())
            .collect();
        assert_eq!(
            field_list(&fields, &["IsDeleted"]),
            "Id,CreatedDate,LastModifiedDate,SystemModstamp,IsDeleted,Subject"
        );
    }
}
