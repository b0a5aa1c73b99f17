//! Lists of the Table API.
//!
//! A list that takes too long is HTTP 200 with JSON that breaks off: it is asked for again at half the size. How many
//! rows there are is told by `X-Total-Count` only, and counts those that access controls hide.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::action;
use super::client::{CallError, Client, locked};
use super::errors::{self, VendorError};
use super::page_size::Reduced;
use super::query::{Filter, Order};
use super::row::Row;
use super::web_page;
use crate::adapters::http::call::{self, BodyFault};
use crate::adapters::http::failure;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::RemoteError;

/// A broken list is asked for again down to this size.
const SMALLEST_PAGE: usize = 16;

/// What to list.
pub(super) struct Listing<'a> {
    /// A stable name for metrics and messages.
    pub(super) action: &'static str,
    /// The table.
    pub(super) table: &'a str,
    /// Which rows.
    pub(super) filter: Filter,
    /// In which order.
    pub(super) order: &'a [Order],
    /// Which columns.
    pub(super) fields: &'a [&'a str],
}

/// One answer to a list.
pub(super) struct Listed {
    /// The rows that our user may see.
    pub(super) rows: Vec<Row>,
    /// How many rows the filter selects, hidden ones included.
    pub(super) total: usize,
    /// The limit that was asked for in the end.
    pub(super) asked: usize,
    /// The instance's clock.
    pub(super) server_time: Instant,
}

impl Client {
    /// One list call, made smaller while the platform breaks it off.
    pub(super) async fn list(
        &self,
        listing: &Listing<'_>,
        limit: usize,
        offset: usize,
    ) -> Result<Listed, RemoteError> {
        let path = format!("/api/now/table/{}", listing.table);
        let query = listing.filter.encoded(listing.order);
        let fields = listing.fields.join(",");
        let offset = offset.to_string();
        let kept = locked(&self.reduced).get(listing.table).copied();
        let mut asked = kept.map_or(limit, |reduced| reduced.size().min(limit));
        let start = asked;
        let wanted = limit;
        loop {
            let limit = asked.to_string();
            let parameters = [
                ("sysparm_query", query.as_str()),
                ("sysparm_fields", fields.as_str()),
                ("sysparm_limit", limit.as_str()),
                ("sysparm_offset", offset.as_str()),
                ("sysparm_display_value", "false"),
                ("sysparm_exclude_reference_link", "true"),
            ];
            let answer = self.get(listing.action, &path, &parameters).await;
            match self.judge_list(listing, answer)? {
                Judged::Rows {
                    rows,
                    total,
                    server_time,
                } => {
                    let full = total >= asked;
                    self.note_page(listing.table, kept, wanted, (start, asked), full);
                    return Ok(Listed {
                        rows,
                        total,
                        asked,
                        server_time,
                    });
                }
                Judged::Broken(error) if asked <= SMALLEST_PAGE => {
                    locked(&self.reduced).insert(listing.table.to_owned(), Reduced::to(SMALLEST_PAGE));
                    return Err(error);
                }
                Judged::Broken(_) => asked = (asked / 2).max(SMALLEST_PAGE),
            }
        }
    }

    /// Keeps what size went through, after one did not, and forgets it again step by step.
    fn note_page(
        &self,
        table: &str,
        kept: Option<Reduced>,
        wanted: usize,
        (start, asked): (usize, usize),
        full: bool,
    ) {
        let next = if asked < start {
            Some(Reduced::to(asked))
        } else {
            match kept {
                Some(reduced) if reduced.size() == asked && asked < wanted && full => {
                    reduced.after_full_page(wanted)
                }
                _ => return,
            }
        };
        let mut reduced = locked(&self.reduced);
        match next {
            Some(size) => reduced.insert(table.to_owned(), size),
            None => reduced.remove(table),
        };
    }

    fn judge_list(
        &self,
        listing: &Listing<'_>,
        answer: Result<http::Response<Bytes>, CallError>,
    ) -> Result<Judged, RemoteError> {
        let table = listing.table;
        let what = action::of_table(listing.action, table);
        let what = what.as_str();
        let response = match answer {
            Ok(response) => response,
            Err(CallError::Before(error)) => return Err(error),
            Err(CallError::After(error)) => {
                let told = failure::transport(Side::ServiceNow, what, &error);
                return match error {
                    crate::ports::TransportError::TooLarge { .. } => Ok(Judged::Broken(told)),
                    _ => Err(told),
                };
            }
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::ACCEPTED => return Err(errors::not_executed(what)),
            _ => {
                if let Some(error) = web_page::of_the_instance(self.host(), response.body()) {
                    return Err(error);
                }
                return Err(errors::refused_read(
                    what,
                    table,
                    self.sign_in.secret(),
                    &response,
                ));
            }
        }
        let body = match call::json::<ListBody>(response.body()) {
            Ok(body) => body,
            // The error stands where a row was expected, so that the shape is wrong as often as the syntax.
            Err(fault @ (BodyFault::Truncated | BodyFault::NotJson | BodyFault::UnexpectedShape)) => {
                return Ok(Judged::Broken(errors::broken_list(what, table, Some(fault))));
            }
            Err(fault) => {
                return Err(web_page::of_the_instance(self.host(), response.body())
                    .unwrap_or_else(|| errors::broken_list(what, table, Some(fault))));
            }
        };
        let (Some(rows), None) = (body.result, body.error) else {
            return Ok(Judged::Broken(errors::broken_list(what, table, None)));
        };
        let total = response
            .headers()
            .get("x-total-count")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .ok_or_else(|| errors::missing_header("X-Total-Count"))?;
        let server_time = server_time(&response)?;
        Ok(Judged::Rows {
            rows,
            total,
            server_time,
        })
    }
}

/// The instance's clock, from an answer.
pub(super) fn server_time(response: &http::Response<Bytes>) -> Result<Instant, RemoteError> {
    call::server_time(response.headers()).ok_or_else(|| errors::missing_header("Date"))
}

enum Judged {
    Rows {
        rows: Vec<Row>,
        total: usize,
        server_time: Instant,
    },
    /// May succeed with fewer rows.
    Broken(RemoteError),
}

#[derive(Deserialize)]
struct ListBody {
    result: Option<Vec<Row>>,
    error: Option<VendorError>,
}
