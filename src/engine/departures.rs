//! What follows from a deletion, once it is proven, and proven again.
//!
//! A deletion is believed when the service proves it in two cycles, the access check passes in between, and the guard
//! lets it pass. Until then the pair waits: a record that is undeleted meanwhile goes on as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};

use super::access;
use super::cycle::look_at;
use super::deleting::{Goodbyes, say_goodbye};
use super::guard;
use super::processing::{not_visible, put_quarantined, read};
use super::rights::Verb;
use super::session::{CycleError, OnSide, Session};
use crate::core::deletion::{Ending, end};
use crate::core::guard::most;
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{Departure, Link, Phase};
use crate::core::record::{DeletionProof, Observation};
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::ports::Deletions;

/// From so many deletions on, or from so many as the guard would let pass, every other link is looked at before anything
/// follows from them: a deletion of many is judged as a whole, not slice by slice.
const FULL_LOOK_FROM: u64 = 5;

type Observed = PerSide<BTreeMap<RecordId, Observation>>;

/// Notes that one record of a pair is gone. Nothing follows from it in this cycle.
pub(super) fn note(session: &mut Session<'_>, link: Link, side: Side, proof: DeletionProof) {
    let known = link.departure.as_ref().is_some_and(|known| known.side == side);
    let departure = match link.departure.clone() {
        Some(known) if known.side == side => known,
        _ => Departure {
            side,
            proof,
            at: session.parts.clock.now(),
            approved: false,
        },
    };
    session.book.put(Link {
        departure: Some(departure),
        // What keeps a known departure waiting, such as an edit of the counterpart, goes on waiting: noting it again at
        // every poll would hide it and store it each time.
        quarantine: link.quarantine.clone().filter(|_| known),
        deferred: false,
        ..link
    });
}

/// The link only remembers that the record that stayed never originates again.
pub(super) fn bury(session: &mut Session<'_>, link: Link) {
    session.book.put(Link {
        phase: Phase::Tombstone,
        intents: PerSide::default(),
        quarantine: None,
        deferred: false,
        journalled: BTreeSet::new(),
        ..link
    });
}

/// Looks again at every pair one of whose records was proven to be deleted in an earlier cycle, and does what the
/// flow's `onDelete` says where it still is.
///
/// `noted_before` are the pairs of which that was known before this cycle.
pub(super) async fn take_up(
    session: &mut Session<'_>,
    noted_before: &BTreeSet<LinkId>,
) -> Result<(), CycleError> {
    let observed = observe(session, noted_before).await?;
    let (confirmed, back) = confirm(session, noted_before, &observed).await?;
    for side in Side::BOTH {
        if guard::leaving(session, side).next().is_some() {
            access::check(session, side).await?;
            look_at_all(session, side).await?;
        }
        guard::permit_deletions(session, side).await?;
    }
    let mut goodbyes = Goodbyes::default();
    let mut journal = Vec::new();
    for id in &confirmed {
        let Some(link) = session.book.get(id).cloned() else {
            continue;
        };
        let Some(departure) = link.departure.clone() else {
            continue;
        };
        let target = departure.side.other();
        let counterpart = link.ids[target].as_ref().and_then(|id| observed[target].get(id));
        let Some(record) = counterpart.and_then(Observation::present) else {
            bury(session, link);
            continue;
        };
        match end(&session.context(), &link, &departure, record) {
            Ending::Bury => bury(session, link),
            Ending::Edited(problem) => {
                let mut link = link;
                // Looked at: only a newer edit has it looked at again before its time.
                link.seen[target] = link.seen[target].max(Some(record.version));
                put_quarantined(session, link, problem);
            }
            Ending::Delete(..) if !session.rights.may_try(target, Verb::Delete, id) => {}
            Ending::Delete(link, record, entries) => {
                journal.extend(entries);
                goodbyes.deletions[target].insert(link.id.clone(), record);
                session.book.put(*link);
            }
            Ending::Mark(link, write, entries) => {
                journal.extend(entries);
                goodbyes.marks[target].insert(link.id.clone(), write);
                session.book.put(*link);
            }
        }
    }
    session.commit(&confirmed, journal).await?;
    say_goodbye(session, goodbyes).await?;
    look_at(session, back).await
}

async fn observe(session: &Session<'_>, links: &BTreeSet<LinkId>) -> Result<Observed, CycleError> {
    let mut observed = Observed::default();
    for side in Side::BOTH {
        let ids: Vec<RecordId> = links
            .iter()
            .filter_map(|id| session.book.get(id)?.ids[side].clone())
            .collect();
        observed[side] = read(session, side, &ids).await?;
    }
    Ok(observed)
}

/// Those that are proven again, and those that came back.
async fn confirm(
    session: &mut Session<'_>,
    departing: &BTreeSet<LinkId>,
    observed: &Observed,
) -> Result<(BTreeSet<LinkId>, BTreeSet<LinkId>), CycleError> {
    let (mut confirmed, mut back) = (BTreeSet::new(), BTreeSet::new());
    for id in departing {
        let Some(link) = session.book.get(id).cloned() else {
            continue;
        };
        let (Some(departure), Some(pair)) = (link.departure.clone(), link.pair()) else {
            continue;
        };
        if link.phase == Phase::Tombstone || link.has_intent() {
            continue;
        }
        let of = |side: Side| observed[side].get(pair[side]);
        let (gone, target) = (departure.side, departure.side.other());
        match (of(gone), of(target)) {
            (Some(Observation::Present(_)), _) => {
                back.insert(id.clone());
                session.book.put(Link {
                    departure: None,
                    quarantine: None,
                    journalled: BTreeSet::new(),
                    ..link
                });
            }
            (Some(Observation::NotVisible), _) => {
                let problem = not_visible(session, gone, pair[gone]);
                let link = Link {
                    departure: None,
                    ..link
                };
                put_quarantined(session, link, problem);
            }
            (Some(Observation::Gone(_)), Some(Observation::Gone(_))) => {
                // Nothing of it can follow, so that it is no part of what the guard counts.
                let departure = Some(Departure {
                    approved: true,
                    ..departure
                });
                bury(session, Link { departure, ..link });
            }
            (Some(Observation::Gone(_)), Some(Observation::NotVisible))
                if link.phase == Phase::Active && session.flow.deletes_after(gone) =>
            {
                let problem = not_visible(session, target, pair[target]);
                put_quarantined(session, link, problem);
            }
            // A lagging replica's reading of the counterpart says nothing about what would be deleted.
            (Some(Observation::Gone(_)), Some(Observation::Present(record)))
                if link.seen[target].is_some_and(|seen| record.version < seen) => {}
            (Some(Observation::Gone(_)), Some(Observation::Present(_) | Observation::NotVisible)) => {
                confirmed.insert(id.clone());
            }
            (Some(Observation::Unread) | None, _) | (_, Some(Observation::Unread) | None) => {}
        }
    }
    session.commit(departing, Vec::new()).await?;
    Ok((confirmed, back))
}

/// Finds every other deletion of this side before the guard counts, where there are enough to make it worth a look at
/// all links. A plan that is held already is not looked for again.
async fn look_at_all(session: &mut Session<'_>, side: Side) -> Result<(), CycleError> {
    // One in quarantine has passed here before.
    let leaving = guard::leaving(session, side).filter(|link| link.quarantine.is_none());
    let leaving = u64::try_from(leaving.count()).unwrap_or(u64::MAX);
    let enough = most(session.flow.guards.deletions, guard::pairs(session)).clamp(1, FULL_LOOK_FROM);
    let plan = guard::deletions(session, side).map(|plan| plan.token);
    let held = session.header.held_plan.as_ref().map(|plan| &plan.summary.token);
    if leaving < enough || (plan.is_some() && plan.as_ref() == held) {
        return Ok(());
    }
    let all = session.book.links().map(|link| link.id.clone()).collect();
    note_gone(session, side, all).await
}

/// Asks a side's deletion log, and looks at the linked records that it names. What it names is a hint; the look is the
/// proof, and even then nothing follows in this cycle. Returns where the next question begins.
pub(super) async fn ask_the_log(
    session: &mut Session<'_>,
    side: Side,
    since: Instant,
) -> Result<Option<Instant>, CycleError> {
    let log = session.parts.remotes[side]
        .read_deletions(&session.schemas[side], since)
        .await
        .on(side)?;
    match log {
        Deletions::Unavailable { why } => {
            if session.flow.deletes_after(side) {
                session.warn(why);
            }
            Ok(None)
        }
        Deletions::Log { ids, covered_until } => {
            let linked = ids
                .iter()
                .filter_map(|id| session.book.of_record(side, id))
                .map(|link| link.id.clone())
                .collect();
            note_gone(session, side, linked).await?;
            Ok(Some(covered_until))
        }
    }
}

/// Looks at these pairs' records of a side, and notes those that are proven to be deleted.
async fn note_gone(session: &mut Session<'_>, side: Side, links: BTreeSet<LinkId>) -> Result<(), CycleError> {
    let known: Vec<(LinkId, RecordId)> = links
        .iter()
        .filter_map(|id| session.book.get(id))
        .filter(|link| link.phase != Phase::Tombstone && link.departure.is_none() && !link.has_intent())
        .filter(|link| link.pair().is_some())
        .filter_map(|link| Some((link.id.clone(), link.ids[side].clone()?)))
        .collect();
    let mut noted = BTreeSet::new();
    for chunk in known.chunks(session.tuning.sweep_slice.max(1)) {
        session.go_on()?;
        let ids: Vec<RecordId> = chunk.iter().map(|(_, id)| id.clone()).collect();
        let observed = read(session, side, &ids).await?;
        for (link, id) in chunk {
            if let (Some(Observation::Gone(proof)), Some(link)) =
                (observed.get(id), session.book.get(link).cloned())
            {
                noted.insert(link.id.clone());
                note(session, link, side, *proof);
            }
        }
    }
    session.commit(&noted, Vec::new()).await
}
