//! Reads a side's changes to their end; the cursor moves only over rows whose consequences are settled.
//!
//! The rows of a scan are counted before anything is written: when so many linked records changed at once that the
//! guard holds them back, nothing of the scan is written, and the cursor stays where it was.

use std::collections::BTreeSet;
use std::time::Duration;

use super::guard;
use super::intake::sort;
use super::origination::resolve;
use super::processing::{Work, process, read};
use super::session::{CycleError, OnSide, Progress, Session};
use super::{invariants, regression};
use crate::core::compile::created_field;
use crate::core::definition::{ExitPolicy, History};
use crate::core::failure::Problem;
use crate::core::guard::{GuardKind, PlanSummary, exceeds};
use crate::core::header::{Cursor, HeldPlan};
use crate::core::ident::{LinkId, RecordId};
use crate::core::planted::{Bug, planted};
use crate::core::record::{Observation, Record};
use crate::core::rules::created_from;
use crate::core::scan::{Start, advance, start};
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{ChangePage, ChangeQuery};

/// Rows that wait in memory to be counted; a scan with more is written in parts, each of which is counted with those
/// before it.
const MOST_WAITING: usize = 10_000;

/// How old rows may be when something follows from them. A bulk job's are up to an hour old: what was deleted or edited
/// since would get a counterpart, or be written over with what it held then.
const ACTED_ON_WITHIN: Duration = Duration::from_mins(1);

/// How far a scan came.
#[must_use]
pub(super) enum Scanned {
    /// To its end.
    Whole,
    /// The service, or the share of its calls that is ours, lets us read later. What was read and not processed is read
    /// again then; memory and store agree, so the other side can go on.
    PutOff(CycleError),
}

impl Scanned {
    /// For whoever needs the whole of it.
    pub(super) fn whole(self) -> Result<(), CycleError> {
        match self {
            Self::Whole => Ok(()),
            Self::PutOff(error) => Err(error),
        }
    }
}

/// Reads a side's changes to their end.
pub(super) async fn scan_side(
    session: &mut Session<'_>,
    side: Side,
    (deep, max_age): (bool, Duration),
    progress: Progress<'_>,
) -> Result<Scanned, CycleError> {
    let overlap = if deep {
        session.tuning.deep_overlap
    } else {
        session.tuning.overlap
    };
    // Records are taken up for the first time: nobody's edits are overwritten by surprise, so nothing is counted.
    let first_time = session.header.cursors[side].floor.is_none() || !session.header.initial_sync_done[side];
    let mut cursor = session.header.cursors[side].clone();
    let mut began_at = None;
    let mut waiting = Waiting::default();
    loop {
        session.go_on()?;
        if !session.header.initial_sync_done[side] {
            // Taking up years of records may last for hours: tell how far it has come.
            progress(session);
        }
        let page = match read_page(session, side, &cursor, overlap, max_age).await {
            Err(error) if error.is_throttled() => return Ok(Scanned::PutOff(error)),
            other => other?,
        };
        if regression::check_clock(session, side, page.server_time) {
            cursor = session.header.cursors[side].clone();
            (began_at, waiting) = (None, Waiting::default());
            continue;
        }
        let began = *began_at.get_or_insert(page.server_time);
        cursor = advance(&cursor, page.records.last(), page.complete, began);
        let as_of = session.parts.clock.monotonic().saturating_sub(page.age);
        waiting.add(session, side, page.records, as_of);
        if first_time || page.complete || waiting.rows >= MOST_WAITING {
            if !first_time {
                permit_changes(session, side, &waiting, began, page.complete).await?;
            }
            if planted(Bug::CursorBeforeCommit) {
                session.header.cursors[side] = cursor.clone();
                session.commit_header().await?;
            }
            waiting.flush(session, side).await?;
            invariants::check_cursor(&session.header.cursors[side], &cursor)?;
            session.header.cursors[side] = cursor.clone();
            if page.complete {
                session.header.initial_sync_done[side] = true;
            }
            session.commit_header().await?;
        }
        if page.complete {
            return Ok(Scanned::Whole);
        }
    }
}

async fn read_page(
    session: &mut Session<'_>,
    side: Side,
    cursor: &Cursor,
    overlap: Duration,
    max_age: Duration,
) -> Result<ChangePage, CycleError> {
    let query = ChangeQuery {
        schema: session.schemas[side].clone(),
        fields: session.fields[side].clone(),
        after: start(cursor, overlap).or_else(|| first_start(session, side)),
        created_from: earliest_creation(session, side, cursor),
        limit: session.parts.remotes[side].limits().page,
        max_age,
    };
    let page = session.parts.remotes[side].read_changes(&query).await.on(side)?;
    session.note_server_time(side, page.server_time.later(page.age));
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
    Ok(page)
}

/// Rows that were read and counted, and from which nothing has followed yet.
#[derive(Default)]
struct Waiting {
    /// With the moment, by our monotonic clock, that the rows show.
    pages: Vec<(Duration, Vec<Record>)>,
    rows: usize,
    /// Linked records that changed, with when: of the whole scan.
    changed: Vec<(LinkId, RecordId, Instant)>,
}

impl Waiting {
    fn add(&mut self, session: &mut Session<'_>, side: Side, records: Vec<Record>, as_of: Duration) {
        let intake = sort(session, side, records);
        // Most rows are seen again only because scans overlap: they are not kept.
        let mut kept = Vec::new();
        for id in intake.touched.iter().chain(&intake.alone) {
            let record = session.book.get(id).and_then(|link| link.ids[side].clone());
            if let Some(row) = record.and_then(|id| intake.fresh.get(&id)) {
                if intake.touched.contains(id) {
                    self.changed
                        .push((id.clone(), row.id.clone(), row.version.modified));
                }
                kept.push(row.clone());
            }
        }
        kept.extend(intake.stamped.into_iter().map(|(record, _)| record));
        kept.extend(intake.candidates);
        kept.extend(intake.older);
        self.rows += kept.len();
        self.pages.push((as_of, kept));
    }

    async fn flush(&mut self, session: &mut Session<'_>, side: Side) -> Result<(), CycleError> {
        self.rows = 0;
        for (as_of, mut records) in std::mem::take(&mut self.pages) {
            session.go_on()?;
            let age = session.parts.clock.monotonic().saturating_sub(as_of);
            let mut work = Work::default();
            if age > ACTED_ON_WITHIN {
                (records, work.links) = as_they_stand(session, side, &records).await?;
            }
            // Sorted again: a row of an earlier page may have got its link meanwhile, and a write of it may be at work.
            let mut intake = sort(session, side, records);
            resolve(session, side, &mut intake, &mut work).await?;
            work.links.extend(intake.touched);
            work.fresh[side].extend(intake.fresh);
            process(session, work).await?;
        }
        Ok(())
    }
}

/// These records as they stand now, those that are there; and the links of those that are not, which are looked at one
/// by one: their look tells what is gone from what is hidden. Without a link, there is nothing to do for either.
async fn as_they_stand(
    session: &Session<'_>,
    side: Side,
    records: &[Record],
) -> Result<(Vec<Record>, BTreeSet<LinkId>), CycleError> {
    let ids: Vec<RecordId> = records.iter().map(|record| record.id.clone()).collect();
    let mut observed = read(session, side, &ids).await?;
    let (mut present, mut absent) = (Vec::new(), BTreeSet::new());
    for id in &ids {
        match observed.remove(id) {
            Some(Observation::Present(record)) => present.push(record),
            Some(Observation::Gone(_) | Observation::NotVisible | Observation::Unread) | None => {
                absent.extend(session.book.of_record(side, id).map(|link| link.id.clone()));
            }
        }
    }
    Ok((present, absent))
}

/// Lets the changes of a scan pass, or stops the flow with what a person has to approve.
///
/// On a table that people work in, the next edit is a minute away. So the plan is *what had changed until then*: later
/// edits leave the token valid, unless they are too many by themselves.
async fn permit_changes(
    session: &mut Session<'_>,
    side: Side,
    waiting: &Waiting,
    began: Instant,
    complete: bool,
) -> Result<(), CycleError> {
    let of = guard::pairs(session);
    let too_many = |rows: usize| {
        let count = u64::try_from(rows).unwrap_or(u64::MAX);
        exceeds(session.flow.guards.changes, GuardKind::Changes, count, of)
    };
    if !too_many(waiting.changed.len()) {
        if complete {
            guard::forget(session, GuardKind::Changes, side).await?;
        }
        return Ok(());
    }
    let held = session.header.held_plan.clone().filter(|plan| {
        let until = plan.until.unwrap_or(Instant::EPOCH);
        let later = waiting.changed.iter().filter(|(_, _, at)| *at > until).count();
        let earlier = u64::try_from(waiting.changed.len() - later).unwrap_or(u64::MAX);
        plan.summary.kind == GuardKind::Changes
            && plan.summary.side == side
            && earlier <= plan.summary.count
            && !too_many(later)
    });
    let plan = held.unwrap_or_else(|| {
        let records = waiting.changed.iter().map(|(_, id, _)| id.clone()).collect();
        let basis = format!("{:?}|{began}", session.header.cursors[side].floor);
        HeldPlan {
            summary: PlanSummary::new(GuardKind::Changes, side, records, of, &basis),
            until: Some(began),
        }
    });
    if guard::is_approved(session, &plan.summary) {
        return Ok(());
    }
    Err(guard::hold(session, plan).await)
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
fn earliest_creation(session: &Session<'_>, side: Side, cursor: &Cursor) -> Option<Instant> {
    if cursor.floor.is_some() || !session.flow.direction.originates(side) {
        return None;
    }
    let by_rules = created_from(&session.flow.sides[side].rules, created_field(side));
    let by_history = match session.flow.history {
        History::All => None,
        History::New => session.header.activated_at[side],
    };
    by_rules.max(by_history)
}
