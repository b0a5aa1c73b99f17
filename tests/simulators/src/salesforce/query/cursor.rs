//! The rest of a query's result, kept for whoever asks with its locator, and the ways in which it is lost.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Asker;
use crate::model::Response;
use crate::salesforce::Salesforce;
use crate::salesforce::error::{ApiError, respond};
use crate::salesforce::soql::parser::parse;

/// Whether later pages show rows as they stood when the query was asked, or as they stand when the page is. No source
/// settles it; which rows they are was settled by the query either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CursorValues {
    /// As they stood when the query was asked.
    #[default]
    AsOfQuery,
    /// As they stand now: a row may meet the condition no more, and one deleted meanwhile is left out.
    AsOfPage,
}

/// One open cursor.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    pub user: String,
    pub text: String,
    pub with_deleted: bool,
    pub rest: Rest,
    pub page: usize,
    pub expires: Timestamp,
}

/// What a cursor keeps.
#[derive(Debug, Clone)]
pub(super) enum Rest {
    Records(Vec<Value>),
    Ids(Vec<String>),
}

/// Open cursors by locator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursors {
    open: BTreeMap<u64, Cursor>,
    opened: u64,
}

impl Cursors {
    /// Opens a cursor, at the cost of its user's oldest ones when there are more than `most`.
    pub(super) fn open(&mut self, cursor: Cursor, most: usize) -> u64 {
        let locator = self.opened;
        self.opened += 1;
        let user = cursor.user.clone();
        self.open.insert(locator, cursor);
        let of_user = self.open.iter().filter(|(_, cursor)| cursor.user == user);
        let mine: Vec<u64> = of_user.map(|(locator, _)| *locator).collect();
        for evicted in mine.iter().take(mine.len().saturating_sub(most.max(1))) {
            self.open.remove(evicted);
        }
        locator
    }

    /// Closes every cursor. Locators never come back.
    pub(crate) fn drop_all(&mut self) {
        self.open.clear();
    }
}

/// The locator leads nowhere, or no longer.
pub(super) fn invalid() -> ApiError {
    ApiError::bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
}

impl Salesforce {
    /// The page of an open cursor that starts at its `from`th row.
    pub(super) fn page_of(&self, locator: u64, from: usize, asker: &Asker<'_>) -> Result<Response, ApiError> {
        let cursor = self.cursors.open.get(&locator).ok_or_else(invalid)?;
        let total = match &cursor.rest {
            Rest::Records(records) => records.len(),
            Rest::Ids(ids) => ids.len(),
        };
        if cursor.user != asker.user.name || cursor.expires <= asker.now || (from > 0 && from >= total) {
            return Err(invalid());
        }
        let mut page = cursor.page;
        if self.settings.uneven_pages {
            page = uneven(locator, from, page);
        }
        let to = total.min(from + page);
        let records = match &cursor.rest {
            Rest::Records(records) => records[from..to].to_vec(),
            Rest::Ids(ids) => self.records_now(cursor, &ids[from..to], asker)?,
        };
        let mut body = json!({"totalSize": total, "done": to == total});
        if to < total {
            let resource = if cursor.with_deleted { "queryAll" } else { "query" };
            body["nextRecordsUrl"] = json!(format!(
                "/services/data/{}/{resource}/01g5g{locator:010}AAA-{to}",
                asker.version
            ));
        }
        body["records"] = Value::Array(records);
        Ok(respond(StatusCode::OK, &body))
    }

    fn records_now(
        &self,
        cursor: &Cursor,
        ids: &[String],
        asker: &Asker<'_>,
    ) -> Result<Vec<Value>, ApiError> {
        let asker = Asker {
            with_deleted: cursor.with_deleted,
            ..*asker
        };
        let refused = |error: crate::salesforce::soql::SoqlError| error.in_query(&cursor.text);
        let query = parse(&cursor.text).map_err(refused)?;
        let selection = self.select_ids(&query, ids, &asker).map_err(refused)?;
        Ok(self.records(&selection, &asker))
    }
}

/// A page of any size up to `most`, always the same one at the same place.
fn uneven(locator: u64, from: usize, most: usize) -> usize {
    let seed = locator
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::try_from(from).unwrap_or_default())
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let most = u64::try_from(most.max(1)).unwrap_or(1);
    usize::try_from((seed >> 32) % most).unwrap_or_default() + 1
}

/// A locator's number and where its page starts.
pub(super) fn parse_locator(locator: &str) -> Option<(u64, usize)> {
    let (number, from) = locator.strip_prefix("01g5g")?.split_once("AAA-")?;
    Some((number.parse().ok()?, from.parse().ok()?))
}
