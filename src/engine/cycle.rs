//! One pass of a flow: settle what is unknown, read what changed page by page, process it, look at a slice of the
//! rest.

use std::collections::BTreeSet;
use std::time::Duration;

use super::intake::{Fresh, sort};
use super::origination::{reconsider, resolve};
use super::processing::{Work, process, read};
use super::session::{CycleError, OnSide, Progress, Session};
use super::settling::settle;
use crate::core::compile::created_field;
use crate::core::definition::{ExitPolicy, History};
use crate::core::failure::Problem;
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{Link, Phase, Sweep};
use crate::core::planted::{Bug, planted};
use crate::core::record::{Observation, Record};
use crate::core::rules::created_from;
use crate::core::scan::{Start, advance, start};
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::ports::ChangeQuery;

/// How long a warning stands after it was last given.
const WARNINGS_STAND_FOR: Duration = Duration::from_hours(1);
/// How many are shown.
const MOST_WARNINGS: usize = 20;

/// When the slower looks were last taken; lives as long as the worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Warnings, and when each was last given: most are noticed on a row that is not read in every cycle.
    noticed: Vec<(Problem, Duration)>,
    deep_at: Option<Duration>,
    sweep_at: Option<Duration>,
    sweep_after: Option<LinkId>,
    /// The last sync-now request.
    sync_now: Option<String>,
    /// When each side was last scanned: an answer older than that tells nothing new.
    scanned_at: PerSide<Option<Duration>>,
}

/// Runs one cycle; `asked_now` when somebody waits for it.
pub(super) async fn run(
    session: &mut Session<'_>,
    pace: &mut Pace,
    asked_now: bool,
    progress: Progress<'_>,
) -> Result<(), CycleError> {
    session.warnings.clear();
    session.writes = 0;
    settle_and_process(session).await?;
    take_up_again(session).await?;

    let now = session.parts.clock.monotonic();
    let deep = pace
        .deep_at
        .is_none_or(|at| now.saturating_sub(at) >= session.tuning.deep_every);
    for side in Side::BOTH {
        let max_age = if asked_now {
            // Who asks for a sync now has just changed something.
            Duration::ZERO
        } else {
            let now = session.parts.clock.monotonic();
            let since = pace.scanned_at[side].map_or(Duration::MAX, |at| now.saturating_sub(at));
            since.min(session.tuning.shared_for)
        };
        let scanned = scan_side(session, side, (deep, max_age), progress).await;
        // Taken when the answer is there, and also of a scan that failed: whatever this flow has read is then older
        // than the next scan allows. A moment taken before the call would let a flow's own last poll serve it again.
        pace.scanned_at[side] = Some(session.parts.clock.monotonic());
        scanned?;
    }
    if deep {
        pace.deep_at = Some(now);
    }
    sweep(session, pace).await?;
    if session.unsettled {
        // Most lost answers can be settled by looking at once; the rest waits for its time.
        settle_and_process(session).await?;
    }
    pace.remember_warnings(session, now);
    session.commit_header().await
}

impl Pace {
    /// Notes a sync-now request; true when it is a new one.
    pub(super) fn handles(&mut self, token: &str) -> bool {
        let new = self.sync_now.as_deref() != Some(token);
        self.sync_now = Some(token.to_owned());
        new
    }

    /// A warning stands until it has not been given for an hour, so that it does not come and go with the rows that
    /// happen to be read.
    fn remember_warnings(&mut self, session: &mut Session<'_>, now: Duration) {
        for warning in session.warnings.drain(..) {
            self.noticed.retain(|(known, _)| *known != warning);
            self.noticed.push((warning, now));
        }
        self.noticed
            .retain(|(_, at)| now.saturating_sub(*at) < WARNINGS_STAND_FOR);
        session
            .warnings
            .extend(self.noticed.iter().map(|(warning, _)| warning.clone()));
        session
            .warnings
            .sort_by(|a, b| (&a.reason, &a.message).cmp(&(&b.reason, &b.message)));
        session.warnings.truncate(MOST_WARNINGS);
    }
}

async fn settle_and_process(session: &mut Session<'_>) -> Result<(), CycleError> {
    session.unsettled = false;
    let work = settle(session).await?;
    process(session, work).await
}

/// Changes that were put off, and quarantined records whose time has come.
async fn take_up_again(session: &mut Session<'_>) -> Result<(), CycleError> {
    let mut due = session
        .book
        .due(session.parts.clock.now(), session.tuning.retries_per_cycle);
    due.extend(session.book.deferred());
    look_at(session, due).await
}

/// Brings links up to date that no page of changes named. Those without a counterpart are looked for first.
async fn look_at(session: &mut Session<'_>, links: BTreeSet<LinkId>) -> Result<(), CycleError> {
    let is_alone = |id: &&LinkId| session.book.get(id).is_some_and(Link::is_alone);
    let alone: BTreeSet<LinkId> = links.iter().filter(is_alone).cloned().collect();
    let mut fresh = Fresh::default();
    let may_create = reconsider(session, &alone, &mut fresh).await?;
    let links = links.difference(&alone).chain(&may_create).cloned().collect();
    let work = Work {
        links,
        may_create,
        fresh,
        ..Work::default()
    };
    process(session, work).await
}

/// Reads a side's changes to their end, whole page by whole page; the cursor moves after each page is settled.
async fn scan_side(
    session: &mut Session<'_>,
    side: Side,
    (deep, max_age): (bool, Duration),
    progress: Progress<'_>,
) -> Result<(), CycleError> {
    let overlap = if deep {
        session.tuning.deep_overlap
    } else {
        session.tuning.overlap
    };
    let mut began_at = None;
    loop {
        session.go_on()?;
        if !session.header.initial_sync_done[side] {
            // Taking up years of records may last for hours: tell how far it has come.
            progress(session);
        }
        let limit = session.parts.remotes[side].limits().page;
        let after = start(&session.header.cursors[side], overlap).or_else(|| first_start(session, side));
        let query = ChangeQuery {
            schema: session.schemas[side].clone(),
            fields: session.fields[side].clone(),
            after,
            created_from: earliest_creation(session, side),
            limit,
            max_age,
        };
        let page = session.parts.remotes[side].read_changes(&query).await.on(side)?;
        session.note_server_time(side, page.server_time.later(page.age));
        let began = *began_at.get_or_insert(page.server_time);
        if page.hidden_rows > 0 {
            session.warn(Problem::human(
                "RowsHidden",
                format!(
                    "{side} counts more changed {} records than it shows; give the integration user read access to all \
                     of them, or narrow its access on purpose",
                    session.flow.sides[side].object
                ),
            ));
        }
        let last = page.records.last().cloned();
        if planted(Bug::CursorBeforeCommit) {
            session.header.cursors[side] =
                advance(&session.header.cursors[side], last.as_ref(), page.complete, began);
            session.commit_header().await?;
        }
        process_page(session, side, page.records).await?;
        session.header.cursors[side] =
            advance(&session.header.cursors[side], last.as_ref(), page.complete, began);
        if page.complete {
            session.header.initial_sync_done[side] = true;
            return session.commit_header().await;
        }
        session.commit_header().await?;
    }
}

async fn process_page(session: &mut Session<'_>, side: Side, records: Vec<Record>) -> Result<(), CycleError> {
    let mut intake = sort(session, side, records);
    let mut work = Work::default();
    resolve(session, side, &mut intake, &mut work).await?;
    work.links.extend(intake.touched);
    work.fresh[side].extend(intake.fresh);
    process(session, work).await
}

/// Where the first scan of a side begins: with everything, where its hand-made records originate. On the other side
/// only counterparts count, and those are found through the stamps of their origins; so it begins now. A flow that
/// keeps syncing what left the rules must find links whose origins no rule lets in, and reads everything.
fn first_start(session: &Session<'_>, side: Side) -> Start {
    let reads_all =
        session.flow.direction.originates(side) || session.flow.on_exit == ExitPolicy::KeepSyncing;
    (!reads_all).then(|| {
        let server_now = session.parts.clock.now().seconds() + session.clock_offsets[side];
        (
            Instant::from_seconds(server_now).earlier(session.tuning.deep_overlap),
            None,
        )
    })
}

/// The first scan of a side is narrowed by creation date, which both services index and which never changes, so that
/// years of old records are not read. Later scans are narrowed by the cursor alone: a linked record may be older than
/// the rules (matched, or restored by its stamp).
fn earliest_creation(session: &Session<'_>, side: Side) -> Option<Instant> {
    if session.header.cursors[side].floor.is_some() || !session.flow.direction.originates(side) {
        return None;
    }
    let by_rules = created_from(&session.flow.sides[side].rules, created_field(side));
    let by_history = match session.flow.history {
        History::All => None,
        History::New => session.header.activated_at[side],
    };
    by_rules.max(by_history)
}

/// Looks at a slice of the linked ids on both sides: what change queries never show (deleted, hidden, missed) shows
/// here. After a change of the definition every link is looked at once, without delay.
async fn sweep(session: &mut Session<'_>, pace: &mut Pace) -> Result<(), CycleError> {
    while let Some(progress) = session.header.sweep.clone() {
        let ids = session
            .book
            .after(progress.after.as_ref(), session.tuning.sweep_slice);
        session.header.sweep = ids.last().map(|last| Sweep {
            after: Some(last.clone()),
        });
        look_at(session, ids.into_iter().collect()).await?;
        session.commit_header().await?;
    }
    let now = session.parts.clock.monotonic();
    if pace
        .sweep_at
        .is_some_and(|at| now.saturating_sub(at) < session.tuning.sweep_every)
    {
        return Ok(());
    }
    pace.sweep_at = Some(now);
    if pace.sweep_after.is_none() {
        // Somewhere, so that a worker that never lives long enough for a whole round does not leave the same tail out.
        let start_at =
            usize::try_from(session.parts.entropy.next_u64()).unwrap_or(0) % session.book.count().max(1);
        pace.sweep_after = session.book.after(None, start_at).pop();
    }
    let mut ids = session
        .book
        .after(pace.sweep_after.as_ref(), session.tuning.sweep_slice);
    if ids.is_empty() {
        // Around once: the next round begins at once, or a small flow would be looked at every other time only.
        ids = session.book.after(None, session.tuning.sweep_slice);
    }
    pace.sweep_after = ids.last().cloned();
    let mut touched = BTreeSet::new();
    for side in Side::BOTH {
        let records: Vec<RecordId> = ids
            .iter()
            .filter_map(|id| session.book.get(id))
            .filter(|link| link.phase != Phase::Tombstone)
            .filter_map(|link| link.ids[side].clone())
            .collect();
        let mut present = Vec::new();
        for (id, observation) in read(session, side, &records).await? {
            match observation {
                Observation::Present(record) => present.push(record),
                Observation::Gone(_) | Observation::NotVisible => {
                    touched.extend(session.book.of_record(side, &id).map(|link| link.id.clone()));
                }
                Observation::Unread => {}
            }
        }
        touched.extend(sort(session, side, present).touched);
    }
    look_at(session, touched).await
}
