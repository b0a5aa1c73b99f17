//! Scans of a table that know where they end.
//!
//! The limit of a list counts rows *before* access controls take some away, so a short page, even an empty one, is not
//! the end (ServiceNow docs: Table API): only `X-Total-Count` tells. And offsets skip rows when a row leaves the part
//! already read, so a scan goes by key; an offset is used only to get past rows that we may not see.

use super::client::{Client, locked};
use super::errors;
use super::hidden::Place;
use super::query::{Condition, Filter, Order};
use super::row::{self, Row};
use super::table::{Listed, Listing};
use crate::core::ident::RecordId;
use crate::core::planted::{Bug, planted};
use crate::core::time::Instant;
use crate::ports::RemoteError;

/// Pages grow up to this size while every row of them is hidden: the platform's own default limit.
const WIDEST_PAGE: usize = 10_000;

/// So many lists in a row may show nothing before a page is given up: ten million rows, where they are as wide as they
/// get. The count of rows is a server's word, and nobody follows it for ever.
pub(super) const MOST_LISTS: usize = 1000;

/// Where a scan stands. Rows are read strictly after it.
#[derive(Clone)]
pub(super) enum Position {
    /// By `sys_id`.
    Id(Option<RecordId>),
    /// By `(column, sys_id)`; without an id, from that second on.
    Time(&'static TimeKey, Instant, Option<RecordId>),
}

/// A time that a table can be read in the order of, with the `sys_id` behind it.
pub(super) struct TimeKey {
    /// The column.
    pub(super) column: &'static str,
    order: [Order; 2],
}

/// By the last change.
pub(super) const UPDATED: &TimeKey = &TimeKey {
    column: "sys_updated_on",
    order: [Order::Ascending("sys_updated_on"), Order::Ascending("sys_id")],
};

/// By creation.
pub(super) const CREATED: &TimeKey = &TimeKey {
    column: "sys_created_on",
    order: [Order::Ascending("sys_created_on"), Order::Ascending("sys_id")],
};

impl Position {
    /// The rows of `common` after this position.
    pub(super) fn rest(&self, common: &Filter) -> Filter {
        match self {
            Self::Id(None) => common.clone(),
            Self::Id(Some(id)) => common.clone().and(&Condition::id_after(id)),
            Self::Time(key, from, None) => common.clone().and(&Condition::not_before(key.column, *from)),
            Self::Time(key, at, Some(id)) => {
                let later = common.clone().and(&Condition::after(key.column, *at));
                let same_second = common.clone().and(&Condition::at(key.column, *at));
                later.or(same_second.and(&Condition::id_after(id)))
            }
        }
    }

    pub(super) fn order(&self) -> &'static [Order] {
        match self {
            Self::Id(_) => &[Order::Ascending("sys_id")],
            Self::Time(key, ..) if planted(Bug::OrderWithoutTieBreak) => &key.order[..1],
            Self::Time(key, ..) => &key.order,
        }
    }
}

/// What to scan.
pub(super) struct Scan<'a> {
    /// A stable name for metrics and messages.
    pub(super) action: &'static str,
    /// The table.
    pub(super) table: &'a str,
    /// Which rows.
    pub(super) filter: Filter,
    /// Which columns; `sys_id` must be among them.
    pub(super) fields: &'a [&'a str],
}

/// A part of a scan.
pub(super) struct Page {
    /// At least one row, unless it is complete.
    pub(super) rows: Vec<Row>,
    /// True when nothing is after it now.
    pub(super) complete: bool,
    /// Rows in this part that were counted and not shown. Those between this page and the next may count in both.
    pub(super) hidden: usize,
    /// The instance's clock.
    pub(super) server_time: Instant,
}

/// All of a scan.
pub(super) struct Everything {
    /// In the order of `sys_id`.
    pub(super) rows: Vec<Row>,
    /// Rows that were counted and not shown.
    pub(super) hidden: usize,
}

impl Client {
    /// The next part of a scan: whole, and never empty unless nothing follows.
    pub(super) async fn page(
        &self,
        scan: &Scan<'_>,
        position: &Position,
        limit: usize,
    ) -> Result<Page, RemoteError> {
        let mut position = position.clone();
        let mut passed = 0;
        let mut lists = Lists(0);
        let question = scan.filter.encoded(&[]);
        if let Some((settled, rows)) = self.known_hidden(scan.table, &question, &position) {
            position = Position::Time(UPDATED, settled, None);
            passed = rows;
        }
        loop {
            let listing = Listing {
                action: scan.action,
                table: scan.table,
                filter: position.rest(&scan.filter),
                order: position.order(),
                fields: scan.fields,
            };
            let mut step = limit;
            let blind = loop {
                lists.one_more(scan.table, self.sign_in.secret())?;
                let found = self.list(&listing, step, 0).await?;
                let last = found.total <= found.asked || planted(Bug::ShortPageTakenAsLast);
                if !found.rows.is_empty() || last {
                    if found.rows.is_empty() {
                        self.note_hidden(scan.table, &question, &position, found.server_time, found.total);
                    }
                    return Ok(shown(found, 0, passed, limit));
                }
                // Not one row is shown. A wider page is one consistent answer, which two pages are not.
                if found.asked < step || step >= WIDEST_PAGE {
                    break found;
                }
                step = step.saturating_mul(2).min(WIDEST_PAGE);
            };
            match self
                .pass_hidden(scan, &position, &blind, limit, &mut lists)
                .await?
            {
                Passed::Shown(mut page) => {
                    page.hidden += passed;
                    return Ok(page);
                }
                Passed::AllHidden { until, hidden } => {
                    passed += hidden;
                    self.note_hidden(scan.table, &question, &position, until, hidden);
                    let next = Instant::from_seconds(until.seconds() + 1);
                    position = Position::Time(UPDATED, next, None);
                }
            }
        }
    }

    /// Where a scan of changes may go on, past rows that were found to be all hidden a moment ago.
    fn known_hidden(&self, table: &str, question: &str, position: &Position) -> Option<(Instant, usize)> {
        let place = place(position)?;
        locked(&self.hidden).get(table)?.past(question, &place)
    }

    fn note_hidden(&self, table: &str, question: &str, position: &Position, until: Instant, rows: usize) {
        if let Some(place) = place(position)
            && rows > 0
        {
            let mut hidden = locked(&self.hidden);
            hidden
                .entry(table.to_owned())
                .or_default()
                .note(question, place, until, rows);
        }
    }

    /// Goes on by offset past rows that are all hidden. Rows can only leave the part that is walked through, since it
    /// ends at the instant of the first answer; each that leaves moves the rest one place up, and shows in the total,
    /// so that the offset goes back as far and no row is skipped.
    async fn pass_hidden(
        &self,
        scan: &Scan<'_>,
        position: &Position,
        blind: &Listed,
        limit: usize,
        lists: &mut Lists,
    ) -> Result<Passed, RemoteError> {
        let rest = position.rest(&scan.filter);
        let filter = match position {
            Position::Id(_) => rest,
            Position::Time(key, ..) => rest.and(&Condition::until(key.column, blind.server_time)),
        };
        let listing = Listing {
            action: scan.action,
            table: scan.table,
            filter,
            order: position.order(),
            fields: scan.fields,
        };
        let mut offset: usize = 0;
        let mut known_total: Option<usize> = None;
        loop {
            lists.one_more(scan.table, self.sign_in.secret())?;
            let found = self.list(&listing, blind.asked, offset).await?;
            let left = known_total.map_or(0, |known| known.saturating_sub(found.total));
            known_total = Some(found.total);
            if left > 0 {
                offset = offset.saturating_sub(left);
                continue;
            }
            let complete = found.total <= offset + found.asked;
            if !found.rows.is_empty() || (complete && matches!(position, Position::Id(_))) {
                let mut page = shown(found, offset, offset, limit);
                page.complete &= matches!(position, Position::Id(_));
                return Ok(Passed::Shown(page));
            }
            if complete {
                return Ok(Passed::AllHidden {
                    until: blind.server_time,
                    hidden: found.total,
                });
            }
            offset += found.asked;
        }
    }

    /// Every row of a scan, by `sys_id`. Fails on more than `most`: where it is known how many rows can answer, more of
    /// them show that the condition was dropped, and a whole table would not fit into memory.
    pub(super) async fn everything(
        &self,
        scan: &Scan<'_>,
        limit: usize,
        most: usize,
    ) -> Result<Everything, RemoteError> {
        let mut rows = Vec::new();
        let hidden = self.each_page(scan, limit, |page| {
            rows.extend(page.rows);
            if rows.len() > most {
                let what = format!("its condition: more than {most} rows came");
                return Err(errors::filter_ignored(scan.table, &what));
            }
            Ok(())
        });
        let hidden = hidden.await?;
        Ok(Everything { rows, hidden })
    }

    /// Every page of a scan by `sys_id`, each given to `take` as it comes, so that what should not be there ends the
    /// reading and is not read to the end first. The order of the pages is checked: without it, rows could be missing.
    /// Returns how many rows were hidden.
    pub(super) async fn each_page(
        &self,
        scan: &Scan<'_>,
        limit: usize,
        mut take: impl FnMut(Page) -> Result<(), RemoteError>,
    ) -> Result<usize, RemoteError> {
        let secret = self.sign_in.secret();
        let mut hidden = 0;
        let mut last: Option<RecordId> = None;
        loop {
            let page = self.page(scan, &Position::Id(last.clone()), limit).await?;
            for row in &page.rows {
                let id = row::id(row)
                    .map_err(|missing| errors::missing_system_field(scan.table, secret, missing))?;
                if last.as_ref().is_some_and(|last| id <= *last) {
                    return Err(errors::filter_ignored(scan.table, "the order by sys_id"));
                }
                last = Some(id);
            }
            hidden += page.hidden;
            let complete = page.complete;
            take(page)?;
            if complete {
                return Ok(hidden);
            }
        }
    }
}

/// How many lists one page has taken.
struct Lists(usize);

impl Lists {
    fn one_more(&mut self, table: &str, secret: &str) -> Result<(), RemoteError> {
        if self.0 == MOST_LISTS {
            return Err(errors::nothing_shown(table, secret, self.0));
        }
        self.0 += 1;
        Ok(())
    }
}

/// The place of a scan of changes.
fn place(position: &Position) -> Option<Place> {
    match position {
        Position::Time(key, at, id) if key.column == UPDATED.column => Some((*at, id.clone())),
        Position::Id(_) | Position::Time(..) => None,
    }
}

/// A page of what a list showed, at most `limit` rows of it. `before` rows were passed as hidden.
fn shown(found: Listed, offset: usize, before: usize, limit: usize) -> Page {
    let in_reach = found.total.saturating_sub(offset).min(found.asked);
    let hidden = before + in_reach.saturating_sub(found.rows.len());
    let cut = found.rows.len() > limit;
    let short = found.rows.len() < found.asked && planted(Bug::ShortPageTakenAsLast);
    let mut rows = found.rows;
    rows.truncate(limit);
    Page {
        rows,
        complete: !cut && (found.total <= offset + found.asked || short),
        hidden,
        server_time: found.server_time,
    }
}

enum Passed {
    /// There is something to show, or nothing at all to the end.
    Shown(Page),
    /// Everything up to this instant is hidden.
    AllHidden { until: Instant, hidden: usize },
}
