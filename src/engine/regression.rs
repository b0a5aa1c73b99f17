//! Time that goes back: a service whose clock was set back, records that were restored from a backup.
//!
//! A reading that is older than one we acted on is dropped, since lagging replicas answer with those. But a replica lags
//! for minutes. What still shows an older state long after we saw a newer one was put back, and dropping it for ever
//! would be silence. Then every link is looked at, and what differs is no edit of anybody: such fields meet as for the
//! first time, and what loses is journalled.

use std::collections::BTreeSet;

use super::cycle::look_at;
use super::guard;
use super::processing::read;
use super::session::{CycleError, Session};
use crate::core::failure::Problem;
use crate::core::guard::{GuardKind, PlanSummary, exceeds};
use crate::core::header::{Cursor, HeldPlan, Sweep};
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{Link, Phase};
use crate::core::plan::print;
use crate::core::record::Record;
use crate::core::side::Side;
use crate::core::time::Instant;

/// Does this reading show a state that was put back, rather than a replica that lags?
pub(super) fn went_back(session: &Session<'_>, link: &Link, side: Side, record: &Record) -> bool {
    let server_now = session.parts.clock.now().seconds() + session.clock_offsets[side];
    let lag_is_over =
        |seen: Instant| Instant::from_seconds(server_now) > seen.later(session.tuning.deep_overlap);
    link.seen[side].is_some_and(|seen| record.version < seen && lag_is_over(seen.modified))
}

/// Notices that a side's clock was set back: its cursor would wait for it to catch up, and see nothing meanwhile.
pub(super) fn check_clock(session: &mut Session<'_>, side: Side, server_time: Instant) -> bool {
    let cursor = &session.header.cursors[side];
    let reached = cursor.floor.max(cursor.scan.as_ref().map(|scan| scan.began_at));
    let ahead = reached.is_some_and(|reached| reached > server_time.later(session.tuning.deep_overlap));
    if ahead {
        session.header.cursors[side] = Cursor {
            floor: Some(server_time.earlier(session.tuning.deep_overlap)),
            scan: None,
        };
        session.header.sweep = Some(Sweep::default());
        session.warn(Problem::human(
            "ClockWentBack",
            format!(
                "{side}'s clock is behind a moment that this flow has already read up to (set back, or restored from a \
                 backup); every linked record is compared anew"
            ),
        ));
    }
    ahead
}

/// Takes what was put back for what stands there, once somebody noticed the first of it.
pub(super) async fn take_up(session: &mut Session<'_>, side: Side) -> Result<(), CycleError> {
    session.went_back[side] = false;
    let found = look_at_all(session, side).await?;
    let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let of = guard::pairs(session);
    if exceeds(session.flow.guards.changes, GuardKind::Restored, count, of) {
        let records = found.iter().map(|(_, record)| record.id.clone()).collect();
        let summary = PlanSummary::new(GuardKind::Restored, side, records, of, "");
        if !guard::is_approved(session, &summary) {
            return Err(guard::hold(session, HeldPlan { summary, until: None }).await);
        }
    }
    let mut touched = BTreeSet::new();
    for (id, record) in found {
        if let Some(link) = session.book.get(&id).cloned() {
            let link = accept(session, link, side, &record);
            session.book.put(link);
            touched.insert(id);
        }
    }
    if !touched.is_empty() {
        session.warn(Problem::human(
            "RecordsWentBack",
            format!(
                "{} {} records show an older state than this flow has seen (restored from a backup, or stamped by hand); \
                 where they differ from their counterparts it is decided as at a first meeting, and what loses is in \
                 the journal",
                touched.len(),
                session.flow.sides[side].object
            ),
        ));
    }
    session.commit(&touched, Vec::new()).await?;
    guard::forget(session, GuardKind::Restored, side).await?;
    look_at(session, touched).await
}

/// The link, ready to meet the record as it stands: what differs from the base was agreed in a time that is no more.
fn accept(session: &Session<'_>, mut link: Link, side: Side, record: &Record) -> Link {
    for pair in &session.flow.fields {
        let Some(value) = record.value(&pair.fields[side]) else {
            continue;
        };
        let stands = print(&session.prints, &link, pair, side, value);
        if link.bases.get(&pair.key).is_some_and(|base| base[side] != stands) {
            link.bases.remove(&pair.key);
        }
    }
    link.seen[side] = Some(record.version);
    link.deferred = false;
    link
}

async fn look_at_all(session: &mut Session<'_>, side: Side) -> Result<Vec<(LinkId, Record)>, CycleError> {
    let known: Vec<(LinkId, RecordId)> = session
        .book
        .links()
        .filter(|link| link.phase != Phase::Tombstone && link.departure.is_none())
        // What is at work at a pair is settled first. A creation is settled by making it, which waits for this.
        .filter(|link| !link.has_intent() || link.pair().is_none())
        .filter_map(|link| Some((link.id.clone(), link.ids[side].clone()?)))
        .collect();
    let mut found = Vec::new();
    for chunk in known.chunks(session.tuning.sweep_slice.max(1)) {
        session.go_on()?;
        let ids: Vec<RecordId> = chunk.iter().map(|(_, id)| id.clone()).collect();
        let observed = read(session, side, &ids).await?;
        for (link, id) in chunk {
            let record = observed.get(id).and_then(|observation| observation.present());
            if let (Some(record), Some(link)) = (record, session.book.get(link))
                && went_back(session, link, side, record)
            {
                found.push((link.id.clone(), record.clone()));
            }
        }
    }
    Ok(found)
}
