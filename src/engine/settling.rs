//! Intents whose outcome is unknown: an answer was lost, or we were killed in between. Settled by looking, never by
//! sending again blindly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::intake::stamp_of;
use super::origination::find_stamps;
use super::processing::{Work, put_quarantined, read};
use super::session::{CycleError, Session};
use super::{deleting, departures};
use crate::core::creation::{Attribution, complete_creation};
use crate::core::failure::Problem;
use crate::core::ident::{LinkId, RecordId, Stamp};
use crate::core::link::{ChosenIds, Intent, IntentKind, Link, Quarantine};
use crate::core::planted::{Bug, planted};
use crate::core::quarantine::after_failure;
use crate::core::record::{Observation, Record};
use crate::core::settle::{Settlement, settle_update};
use crate::core::side::Side;

/// Looks at the target of every intent. Returns what there is to plan again.
pub(super) async fn settle(session: &mut Session<'_>) -> Result<Work, CycleError> {
    let mut work = Work::default();
    let pending = session.book.with_intents();
    for side in Side::BOTH {
        let mut updates = Vec::new();
        let mut creations = Vec::new();
        let mut goodbyes = Vec::new();
        for link in pending.iter().filter_map(|id| session.book.get(id)) {
            match link.intents[side].as_ref().map(|intent| &intent.kind) {
                Some(IntentKind::Create { .. }) => creations.push(link.clone()),
                Some(IntentKind::Update { .. }) => updates.push(link.clone()),
                Some(IntentKind::Delete { .. } | IntentKind::Mark { .. }) => goodbyes.push(link.clone()),
                None => {}
            }
        }
        deleting::settle(session, side, &goodbyes).await?;
        settle_updates(session, side, &updates, &mut work).await?;
        settle_creations(session, side, &creations, &mut work).await?;
    }
    Ok(work)
}

/// How long after its preparation a write may still be applied: sent late in its batch, waited for, and at work.
pub(super) fn in_flight(session: &Session<'_>, side: Side) -> Duration {
    let limits = session.parts.remotes[side].limits();
    limits.write_timeout + limits.longest_transaction + session.tuning.overlap
}

async fn settle_updates(
    session: &mut Session<'_>,
    side: Side,
    links: &[Link],
    work: &mut Work,
) -> Result<(), CycleError> {
    let ids: Vec<RecordId> = links.iter().filter_map(|link| link.ids[side].clone()).collect();
    let observed = read(session, side, &ids).await?;
    for link in links {
        // The other side's intent may have been settled just before: the book has the newer link.
        let Some(link) = session.book.get(&link.id).cloned() else {
            continue;
        };
        let Some(id) = link.ids[side].clone() else {
            continue;
        };
        let before = link.clone();
        match observed.get(&id) {
            Some(Observation::Present(record)) => {
                match settle_update(&session.context(), &link, side, record, in_flight(session, side)) {
                    Settlement::Waiting => {}
                    Settlement::Over(mut link) => {
                        let unchanged = link.bases == before.bases;
                        if unchanged {
                            // Looked for long enough, and not there: said, so that it cannot go on unheard.
                            link.quarantine = Some(outcome_unknown(session, side, &before));
                        }
                        work.links.insert(link.id.clone());
                        work.fresh[side].insert(id, record.clone());
                        session.book.put(*link);
                    }
                }
            }
            Some(Observation::Gone(proof)) => {
                // Whatever became of the write, it is gone with its record.
                let mut link = link.clone();
                link.intents[side] = None;
                work.links.insert(link.id.clone());
                departures::note(session, link, side, *proof);
            }
            Some(Observation::NotVisible | Observation::Unread) | None => {}
        }
    }
    session.commit(&work.links, Vec::new()).await
}

async fn settle_creations(
    session: &mut Session<'_>,
    side: Side,
    links: &[Link],
    work: &mut Work,
) -> Result<(), CycleError> {
    if links.is_empty() {
        return Ok(());
    }
    let (found, hidden) = find_created(session, side, links).await?;
    for link in links {
        match found.get(&link.id).map(Vec::as_slice) {
            Some([record]) => {
                let (link, journal) = complete_creation(
                    &session.context(),
                    link,
                    &record.id,
                    Some((record, Attribution::Found)),
                );
                work.journal.extend(journal);
                work.links.insert(link.id.clone());
                work.fresh[side].insert(record.id.clone(), record.clone());
                session.book.put(link);
            }
            Some(several) if !several.is_empty() => {
                let problem = Problem::human(
                    "AmbiguousStamp",
                    format!(
                        "{} {} records carry the stamp of one {} record; clear the stamp field of all but one",
                        several.len(),
                        session.flow.sides[side].object,
                        session.flow.sides[side.other()].object
                    ),
                );
                let mut link = link.clone();
                link.intents[side] = None;
                work.links.insert(link.id.clone());
                put_quarantined(session, link, problem);
            }
            _ if hidden.contains(&link.id) => {
                let existing = chosen(link, side).map_or_else(String::new, |id| id.to_string());
                let problem = Problem::human(
                    "RecordNotVisible",
                    format!(
                        "{side} says that {} {existing} carries this record's stamp already, but it cannot be read; give \
                         the integration user read access to it (View All on the object)",
                        session.flow.sides[side].object
                    ),
                );
                put_quarantined(session, link.clone(), problem);
                work.links.insert(link.id.clone());
            }
            _ => {
                let now = session.parts.clock.now();
                let its_time = link.quarantine.as_ref().is_none_or(|row| row.retry_at <= now);
                if its_time && may_send_again(session, side, link) {
                    // Said from the first repetition on: one that goes through clears it in this very cycle.
                    session.book.put(Link {
                        quarantine: Some(outcome_unknown(session, side, link)),
                        ..link.clone()
                    });
                    work.links.insert(link.id.clone());
                    work.may_create.insert(link.id.clone());
                }
            }
        }
    }
    Ok(())
}

/// The records that these creations may have made: by the `sys_id` that we chose, and by stamp.
async fn find_created(
    session: &Session<'_>,
    side: Side,
    links: &[Link],
) -> Result<(BTreeMap<LinkId, Vec<Record>>, BTreeSet<LinkId>), CycleError> {
    let asked: BTreeMap<RecordId, LinkId> = links
        .iter()
        .filter_map(|link| Some((chosen(link, side)?, link.id.clone())))
        .collect();
    let mut found: BTreeMap<LinkId, Vec<Record>> = BTreeMap::new();
    let mut hidden = BTreeSet::new();
    let asked_ids: Vec<RecordId> = asked.keys().cloned().collect();
    for (id, observation) in read(session, side, &asked_ids).await? {
        let Some(link) = asked.get(&id) else { continue };
        match observation {
            Observation::Present(record) => found.entry(link.clone()).or_default().push(record),
            // Salesforce chooses its ids: one that we ask for by id was named by Salesforce itself.
            Observation::NotVisible if side == Side::Salesforce => {
                hidden.insert(link.clone());
            }
            Observation::NotVisible | Observation::Gone(_) | Observation::Unread => {}
        }
    }
    let origins: BTreeMap<RecordId, LinkId> = links
        .iter()
        .filter_map(|link| Some((link.origin_id()?.clone(), link.id.clone())))
        .collect();
    let origin_ids: Vec<RecordId> = origins.keys().cloned().collect();
    for (origin, records) in find_stamps(session, side, &origin_ids).await? {
        let Some(link) = origins.get(&origin) else {
            continue;
        };
        let entry = found.entry(link.clone()).or_default();
        for record in records {
            if entry.iter().all(|known| known.id != record.id) {
                entry.push(record);
            }
        }
    }
    // A record under the chosen id that carries another's stamp is not ours.
    for (link, records) in &mut found {
        records.retain(|record| {
            stamp_of(session, side, record).is_none_or(|Stamp { id, .. }| origins.get(&id) == Some(link))
        });
    }
    Ok((found, hidden))
}

/// The id that a creation is to get, or is known to have got.
fn chosen(link: &Link, side: Side) -> Option<RecordId> {
    match &link.intents[side].as_ref()?.kind {
        IntentKind::Create { chosen } => chosen.clone(),
        IntentKind::Update { .. } | IntentKind::Delete { .. } | IntentKind::Mark { .. } => None,
    }
}

/// A write that was sent, and of which nothing came.
fn outcome_unknown(session: &Session<'_>, side: Side, link: &Link) -> Quarantine {
    let problem = Problem::transient(
        "OutcomeUnknown",
        format!(
            "{side} did not say what became of a write to {}, and it did not happen; it is tried again, each time later",
            session.flow.sides[side].object
        ),
    );
    after_failure(link.quarantine.as_ref(), problem, session.parts.clock.now())
}

/// Sending a creation again is safe where the service refuses a second record with the same stamp or id; elsewhere
/// only once the first attempt can no longer be at work.
fn may_send_again(session: &Session<'_>, side: Side, link: &Link) -> bool {
    let guarded = match side {
        Side::Salesforce => true,
        Side::ServiceNow => {
            session.header.chosen_ids == ChosenIds::Honoured
                && matches!(
                    &link.intents[side],
                    Some(Intent {
                        kind: IntentKind::Create { chosen: Some(_) },
                        ..
                    })
                )
        }
    };
    let over = link.intents[side].as_ref().is_some_and(|intent| {
        session.parts.clock.now() >= intent.prepared_at.later(in_flight(session, side))
    });
    guarded || over || planted(Bug::CreationSentAgainAtOnce)
}
