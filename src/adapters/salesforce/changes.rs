//! Changes, page by page in the order of a key: nothing is lost between pages, whatever changes meanwhile.

use std::time::Duration;

use super::client::{Ask, Client};
use super::query::{self, Scope};
use crate::adapters::http::failure;
use crate::core::budget::Purpose;
use crate::core::ident::RecordId;
use crate::core::record::Record;
use crate::core::time::Instant;
use crate::ports::{ChangePage, ChangeQuery, RemoteError};

/// Rows of a page: the most that one query call gives.
pub(super) const PAGE: usize = 2000;

/// One page by the query resource. Where Salesforce splits the page (long text fields make it), its first batch *is*
/// the page, a shorter one that does not claim to be complete: going on by key costs the same calls as following a
/// locator, and cannot expire. A page too large to be accepted is asked for again at half its length.
pub(super) async fn read(client: &Client, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
    let mut limit = query.limit.clamp(1, PAGE);
    loop {
        match page(client, query, limit).await {
            Err(error) if error.problem.reason.as_str() == "AnswerTooLarge" && limit > 1 => limit /= 2,
            other => return other,
        }
    }
}

/// One query call: at most `limit` rows.
async fn page(client: &Client, query: &ChangeQuery, limit: usize) -> Result<ChangePage, RemoteError> {
    const ACTION: &str = "read_changes";
    let soql = change_soql(query, limit);
    if query::encoded_length(&soql) > query::LONGEST_QUERY {
        return Err(failure::misconfigured(
            "TooManyFields",
            format!(
                "the mapped fields of {} do not fit into one query; map fewer",
                query.schema.object
            ),
        ));
    }
    let what = format!("a query for changed {} records", query.schema.object);
    let ask = Ask {
        purpose: Some(purpose(query, limit)),
        ..query::ask(client, ACTION, what, Scope::Present, &soql)
    };
    let object = query.schema.object.as_str();
    let response = client.read(&ask, object).await?;
    let batch = query::batch(&ask.what, &response, |row| {
        query::record(&ask.what, &query.schema, &query.fields, row)
    })?;
    prove_order_and_filter(query, limit, &batch.rows)?;
    Ok(ChangePage {
        complete: batch.next.is_none() && batch.rows.len() < limit,
        records: batch.rows,
        server_time: batch.server_time,
        hidden_rows: 0,
        age: Duration::ZERO,
    })
}

/// Only the call that begins a scan is paced: a later page, or the first one again at a shorter length, goes on with it.
fn purpose(query: &ChangeQuery, limit: usize) -> Purpose {
    let within_a_scan = matches!(query.after, Some((_, Some(_))));
    let again = limit < query.limit.clamp(1, PAGE);
    if within_a_scan || again {
        Purpose::PollOn
    } else {
        Purpose::Poll
    }
}

/// Rows after a key, in the order of the key.
fn change_soql(query: &ChangeQuery, limit: usize) -> String {
    format!(
        "SELECT {} FROM {}{} ORDER BY SystemModstamp, Id LIMIT {limit}",
        query::field_list(&query.fields, &[]),
        query.schema.object,
        filter(query)
    )
}

/// The whole rest of a scan, for a job.
pub(super) fn rest_soql(query: &ChangeQuery) -> String {
    format!(
        "SELECT {} FROM {}{} ORDER BY SystemModstamp, Id",
        query::field_list(&query.fields, &[]),
        query.schema.object,
        filter(query)
    )
}

/// How many rows the rest of a scan has.
pub(super) fn count_soql(query: &ChangeQuery) -> String {
    format!("SELECT COUNT() FROM {}{}", query.schema.object, filter(query))
}

/// ` WHERE …`, or nothing.
fn filter(query: &ChangeQuery) -> String {
    let mut conditions = Vec::new();
    match &query.after {
        None => {}
        Some((at, None)) => conditions.push(format!("SystemModstamp >= {at}")),
        Some((at, Some(id))) => conditions.push(format!(
            "((SystemModstamp = {at} AND Id > {}) OR SystemModstamp > {at})",
            query::string_literal(id.as_str())
        )),
    }
    if let Some(from) = query.created_from {
        conditions.push(format!("CreatedDate >= {from}"));
    }
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    }
}

/// A row out of order or outside the filter means that what we conclude from the page would be wrong.
pub(super) fn prove_order_and_filter(
    query: &ChangeQuery,
    limit: usize,
    rows: &[Record],
) -> Result<(), RemoteError> {
    let ignored = |what: &str| {
        Err(failure::misconfigured(
            "FilterIgnored",
            format!(
                "Salesforce answered a query on {} with rows {what}; nothing is concluded from them",
                query.schema.object
            ),
        ))
    };
    if rows.len() > limit {
        return ignored("beyond its limit");
    }
    let key = |record: &Record| (record.version.modified, record.id.clone());
    let mut last: Option<(Instant, RecordId)> = None;
    for record in rows {
        let after_start = match &query.after {
            None => true,
            Some((at, None)) => record.version.modified >= *at,
            Some((at, Some(id))) => (record.version.modified, &record.id) > (*at, id),
        };
        if !after_start {
            return ignored("before its start");
        }
        if query.created_from.is_some_and(|from| record.created_at < from) {
            return ignored("created before its start");
        }
        let this = key(record);
        if last.is_some_and(|last| last >= this) {
            return ignored("out of order");
        }
        last = Some(this);
    }
    Ok(())
}
