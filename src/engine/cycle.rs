//! One pass of a flow: settle what is unknown, read what changed page by page, process it, look at a slice of the
//! rest.

use std::collections::BTreeSet;
use std::time::Duration;

use super::departures;
use super::intake::{Fresh, sort};
use super::origination::reconsider;
use super::processing::{Work, process, read};
use super::rights::Rights;
use super::scanning::{Scanned, scan_side};
use super::session::{CycleError, Progress, Session};
use super::settling::settle;
use super::{preview, regression, requests};
use crate::core::failure::Problem;
use crate::core::guard::GuardKind;
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{Link, Phase, Sweep};
use crate::core::planted::{Bug, planted};
use crate::core::record::Observation;
use crate::core::settle::WRITE_INTERLEAVED;
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;

/// How long a warning stands after it was last given.
const WARNINGS_STAND_FOR: Duration = Duration::from_hours(1);
/// How long a deletion log that is not there is not asked for.
const LOG_ASKED_AGAIN: Duration = Duration::from_hours(1);
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
    /// What was learnt about what the user may do.
    rights: Rights,
    /// Until when each side's deletion log was read, by that side's clock.
    deletions_until: PerSide<Option<Instant>>,
    /// When a side was last found to have no deletion log.
    log_absent_at: PerSide<Option<Duration>>,
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
    // What was noticed while the session was opened stands for its first cycle.
    session.warnings = std::mem::take(&mut session.noticed_at_open);
    session.writes = 0;
    session.put_off = false;
    session.access_checked = PerSide::default();
    session.rights = std::mem::take(&mut pace.rights);
    session.rights.begin_cycle();
    let outcome = steps(session, pace, asked_now, progress).await;
    pace.rights = session.rights.clone();
    outcome
}

async fn steps(
    session: &mut Session<'_>,
    pace: &mut Pace,
    asked_now: bool,
    progress: Progress<'_>,
) -> Result<(), CycleError> {
    let noted_before = session.book.departing(session.parts.clock.now());
    let work = look_for_outcomes(session).await?;
    // A plan that is held is judged anew before anything is written.
    match session
        .header
        .held_plan
        .as_ref()
        .map(|plan| (plan.summary.kind, plan.summary.side))
    {
        Some((GuardKind::Changes, side)) => {
            let scanned = scan_side(session, side, (false, Duration::ZERO), progress).await?;
            scanned.whole()?;
        }
        Some((GuardKind::Deletions, _)) => ask_the_logs(session, pace).await?,
        Some((GuardKind::Restored, side)) => regression::take_up(session, side).await?,
        // What a changed definition would rewrite is counted anew below.
        Some((GuardKind::Remapped, _)) | None => {}
    }
    preview::permit_sweep(session).await?;
    departures::take_up(session, &noted_before).await?;
    process(session, work).await?;
    requests::carry_out(session).await?;
    look_at_every_link(session).await?;
    take_up_again(session).await?;

    let now = session.parts.clock.monotonic();
    let deep = pace
        .deep_at
        .is_none_or(|at| now.saturating_sub(at) >= session.tuning.deep_every);
    if planted(Bug::CursorRestartsAtNow) && pace.sweep_at.is_none() {
        for side in Side::BOTH {
            session.header.cursors[side].floor = Some(session.parts.clock.now());
        }
    }
    let mut put_off = None;
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
        // A side that lets us read no more for now may still be written to: what changed on the other one goes on.
        if let Scanned::PutOff(error) = scanned? {
            put_off.get_or_insert(error);
        }
    }
    if let Some(error) = put_off {
        // Calls are scarce: the slower looks wait too.
        pace.remember_warnings(session, now);
        session.commit_header().await?;
        session.put_off = true;
        return Err(error);
    }
    if deep {
        pace.deep_at = Some(now);
    }
    if deep || asked_now {
        ask_the_logs(session, pace).await?;
    }
    sweep(session, pace).await?;
    for side in Side::BOTH {
        if session.went_back[side] {
            regression::take_up(session, side).await?;
        }
    }
    if session.unsettled {
        // Most lost answers can be settled by looking at once; the rest waits for its time.
        let work = look_for_outcomes(session).await?;
        process(session, work).await?;
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
            // One of its kind an hour: a business rule that saves again would name every record in turn.
            let told = |(known, at): &(Problem, Duration)| {
                known.reason == warning.reason && now.saturating_sub(*at) < WARNINGS_STAND_FOR
            };
            if warning.reason.as_str() == WRITE_INTERLEAVED && self.noticed.iter().any(told) {
                continue;
            }
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

async fn look_for_outcomes(session: &mut Session<'_>) -> Result<Work, CycleError> {
    session.unsettled = false;
    settle(session).await
}

/// Asks both sides' deletion logs. A log that is not there is asked for again an hour later.
async fn ask_the_logs(session: &mut Session<'_>, pace: &mut Pace) -> Result<(), CycleError> {
    let now = session.parts.clock.monotonic();
    for side in Side::BOTH {
        if pace.log_absent_at[side].is_some_and(|at| now.saturating_sub(at) < LOG_ASKED_AGAIN) {
            continue;
        }
        let server_now = session.parts.clock.now().seconds() + session.clock_offsets[side];
        // After a start: since the last change that was seen, which was before the operator went away.
        let since = pace.deletions_until[side]
            .or(session.header.cursors[side].floor)
            .unwrap_or_else(|| Instant::from_seconds(server_now))
            // Logs lag too, and Salesforce's is not asked about less than a minute.
            .earlier(session.tuning.deep_overlap);
        pace.deletions_until[side] = departures::ask_the_log(session, side, since).await?;
        pace.log_absent_at[side] = pace.deletions_until[side].is_none().then_some(now);
    }
    Ok(())
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
pub(super) async fn look_at(session: &mut Session<'_>, links: BTreeSet<LinkId>) -> Result<(), CycleError> {
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

/// After a change of the definition every link is looked at once, before anything else is read: what differs then is no
/// change of anybody.
async fn look_at_every_link(session: &mut Session<'_>) -> Result<(), CycleError> {
    while let Some(progress) = session.header.sweep.clone() {
        let ids = session
            .book
            .after(progress.after.as_ref(), session.tuning.sweep_slice);
        let next = ids.last().map(|last| Sweep {
            after: Some(last.clone()),
            permitted: true,
        });
        look_at(session, ids.into_iter().collect()).await?;
        session.header.sweep = next;
        session.commit_header().await?;
    }
    Ok(())
}

/// Looks at a slice of the linked ids on both sides: what change queries never show (deleted, hidden, missed) shows
/// here.
async fn sweep(session: &mut Session<'_>, pace: &mut Pace) -> Result<(), CycleError> {
    // What was noticed while this cycle read.
    look_at_every_link(session).await?;
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
    // Around and on: of a small flow, every walk sees everything, wherever it begins.
    let ids = session
        .book
        .round(pace.sweep_after.as_ref(), session.tuning.sweep_slice);
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
