//! The last look: what a write call is about to overwrite, once more, just before it is sent.
//!
//! Neither service has a write that depends on what stands in the record (Salesforce nearly: `guardedWrites`), so the
//! time between this look and the call is the time in which somebody's edit can be overwritten unseen. It is one call's
//! time because each call's records are looked at for themselves, and not all of a page's before the first of them.

use std::collections::BTreeSet;

use super::intake::Fresh;
use super::processing::read;
use super::sending::Outgoing;
use super::session::{CycleError, Session};
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::Link;
use crate::core::plan::{PlannedWrite, print};
use crate::core::planted::{Bug, planted};
use crate::core::record::{Observation, Record};
use crate::core::side::Side;

/// Looks at the targets of one call. Those that moved since they were planned are taken out of it, with what else is
/// planned for their pairs, and returned: they are planned again.
pub(super) async fn verify(
    session: &mut Session<'_>,
    side: Side,
    updates: &mut Vec<(LinkId, PlannedWrite)>,
    outgoing: &mut Outgoing,
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let mut moved = BTreeSet::new();
    if planted(Bug::VerifySkipped) {
        return Ok(moved);
    }
    let ids: Vec<RecordId> = updates.iter().map(|(_, write)| write.id.clone()).collect();
    for (id, observation) in read(session, side, &ids).await? {
        let Some(link) = session.book.of_record(side, &id).cloned() else {
            continue;
        };
        let still = observation.present().is_some_and(|record| {
            link.seen[side] == Some(record.version) && unchanged(session, &link, side, record)
        });
        if let Observation::Present(record) = observation {
            fresh[side].insert(id, record);
        }
        if !still {
            moved.insert(link.id.clone());
        }
    }
    updates.retain(|(id, _)| !moved.contains(id));
    for id in &moved {
        let Some(mut link) = session.book.get(id).cloned() else {
            continue;
        };
        // Certainly not sent. The stored intent stays until the next plan is stored in its place.
        link.intents[side] = None;
        if outgoing.updates[side.other()].remove(id).is_some() {
            link.intents[side.other()] = None;
        }
        session.book.put(link);
    }
    Ok(moved)
}

/// Does the target still hold what the plan saw? The version alone cannot tell: a second holds many edits.
fn unchanged(session: &Session<'_>, link: &Link, side: Side, record: &Record) -> bool {
    let Some(intent) = &link.intents[side] else {
        return false;
    };
    session.flow.fields.iter().all(|pair| {
        let Some(before) = intent
            .fields
            .get(&pair.key)
            .and_then(|field| field.before.as_ref())
        else {
            return true;
        };
        record
            .value(&pair.fields[side])
            .is_some_and(|value| print(&session.prints, link, pair, side, value) == *before)
    })
}
