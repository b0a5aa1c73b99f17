//! Persisted intents → write calls → what became of each.
//!
//! A write has one attempt. What is applied or rejected is committed at once; what is unknown keeps its intent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::intake::Fresh;
use super::processing::put_quarantined;
use super::session::{CycleError, Session};
use super::verifying::verify;
use super::{access, invariants, outcomes};
use crate::core::creation::CreationPlan;
use crate::core::failure::Problem;
use crate::core::ident::LinkId;
use crate::core::link::ChosenIds;
use crate::core::plan::PlannedWrite;
use crate::core::planted::{Bug, planted};
use crate::core::side::{PerSide, Side};
use crate::ports::{RemoteError, RemoteErrorKind};

/// Writes whose intents are durable.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) creations: PerSide<BTreeMap<LinkId, CreationPlan>>,
    pub(super) updates: PerSide<BTreeMap<LinkId, PlannedWrite>>,
}

/// Why a batch did not go through.
pub(super) enum Unsent {
    /// Nothing of it, or of what was to follow, was sent.
    Batch(CycleError),
    /// It was sent, and what became of it could not be stored.
    State(CycleError),
}

/// Nothing is made on a side of which no known record can be seen.
pub(super) async fn check_access(session: &mut Session<'_>, outgoing: &Outgoing) -> Result<(), CycleError> {
    for side in Side::BOTH {
        if !outgoing.creations[side].is_empty()
            && let Err(error) = access::check(session, side).await
        {
            return Err(not_sent(session, outgoing, error).await);
        }
    }
    Ok(())
}

/// Sends everything, in the largest batches that the services take. Returns the links that are to be planned again: the
/// target of a write that was applied may have made something else of it, or filled in more, and a target that moved
/// since it was planned was not written.
pub(super) async fn send(
    session: &mut Session<'_>,
    mut outgoing: Outgoing,
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let mut again = BTreeSet::new();
    invariants::check_outgoing(session, &outgoing)?;
    let mut pieces = Vec::new();
    let mut splits_left = 0_u32;
    loop {
        let next = pieces.pop().or_else(|| {
            let next = outgoing.next_batch(session);
            splits_left = next.as_ref().map_or(0, |(_, batch)| most_splits(batch.len()));
            next
        });
        let Some((side, mut batch)) = next else { break };
        if let Batch::Updates(updates) = &mut batch {
            match verify(session, side, updates, &mut outgoing, fresh).await {
                Ok(moved) => again.extend(moved),
                Err(error) => {
                    outgoing.put_back(side, batch);
                    for (side, piece) in pieces {
                        outgoing.put_back(side, piece);
                    }
                    return Err(not_sent(session, &outgoing, error).await);
                }
            }
        }
        if batch.len() == 0 {
            continue;
        }
        let sent = match &batch {
            Batch::Creations(creations) => {
                outcomes::create(session, side, creations, fresh, &mut again).await
            }
            Batch::Updates(updates) => outcomes::update(session, side, updates, fresh, &mut again).await,
        };
        match sent {
            Ok(()) => {}
            Err(Unsent::State(error)) => return Err(error),
            // One item may poison the whole call: halved until it is alone, and the others are sent.
            Err(Unsent::Batch(error)) if error.may_be_about_one_item() && splits_left > 0 => {
                splits_left -= 1;
                match batch.halves() {
                    Ok((first, second)) => {
                        pieces.push((side, second));
                        pieces.push((side, first));
                    }
                    Err(alone) => quarantine(session, side, &alone, error.problem()).await?,
                }
            }
            Err(Unsent::Batch(error)) => {
                outgoing.put_back(side, batch);
                for (side, piece) in pieces {
                    outgoing.put_back(side, piece);
                }
                return Err(not_sent(session, &outgoing, error).await);
            }
        }
    }
    Ok(again)
}

/// What goes in one call.
enum Batch {
    Creations(Vec<(LinkId, CreationPlan)>),
    Updates(Vec<(LinkId, PlannedWrite)>),
}

impl Batch {
    const fn len(&self) -> usize {
        match self {
            Self::Creations(items) => items.len(),
            Self::Updates(items) => items.len(),
        }
    }

    fn links(&self) -> BTreeSet<LinkId> {
        match self {
            Self::Creations(items) => items.iter().map(|(id, _)| id.clone()).collect(),
            Self::Updates(items) => items.iter().map(|(id, _)| id.clone()).collect(),
        }
    }

    /// Two halves; a batch of one comes back as it is.
    fn halves(self) -> Result<(Self, Self), Self> {
        let middle = self.len() / 2;
        if middle == 0 {
            return Err(self);
        }
        Ok(match self {
            Self::Creations(mut items) => {
                let second = items.split_off(middle);
                (Self::Creations(items), Self::Creations(second))
            }
            Self::Updates(mut items) => {
                let second = items.split_off(middle);
                (Self::Updates(items), Self::Updates(second))
            }
        })
    }
}

/// How many calls of a batch may fail as a whole before it is not one item's fault: one item among n is alone after
/// log2(n) halvings, and a second one may be there too.
fn most_splits(items: usize) -> u32 {
    2 * (usize::BITS - items.leading_zeros()) + 1
}

/// The item that poisons every call that it is in.
async fn quarantine(
    session: &mut Session<'_>,
    side: Side,
    alone: &Batch,
    problem: Problem,
) -> Result<(), CycleError> {
    let links = alone.links();
    for id in &links {
        if let Some(mut link) = session.book.get(id).cloned() {
            link.intents[side] = None;
            put_quarantined(session, link, problem.clone());
        }
    }
    session.commit(&links, Vec::new()).await
}

impl Outgoing {
    /// Takes the next batch: updates before creations, since what they overwrite was looked at a moment ago.
    fn next_batch(&mut self, session: &Session<'_>) -> Option<(Side, Batch)> {
        for side in Side::BOTH {
            let most = session.parts.remotes[side].limits().write_batch;
            let updates = take(&mut self.updates[side], most);
            if !updates.is_empty() {
                return Some((side, Batch::Updates(updates)));
            }
        }
        for side in Side::BOTH {
            let most = creation_batch(session, side, self.creations[side].len());
            let creations = take(&mut self.creations[side], most);
            if !creations.is_empty() {
                return Some((side, Batch::Creations(creations)));
            }
        }
        None
    }

    fn put_back(&mut self, side: Side, batch: Batch) {
        match batch {
            Batch::Creations(creations) => self.creations[side].extend(creations),
            Batch::Updates(updates) => self.updates[side].extend(updates),
        }
    }
}

fn take<T>(all: &mut BTreeMap<LinkId, T>, most: usize) -> Vec<(LinkId, T)> {
    std::iter::from_fn(|| all.pop_first()).take(most.max(1)).collect()
}

/// The first creation in a ServiceNow table goes alone: it shows whether a `sys_id` that we choose is honoured, and
/// until that is known a lost answer is expensive to settle.
fn creation_batch(session: &Session<'_>, side: Side, waiting: usize) -> usize {
    if side == Side::ServiceNow && session.header.chosen_ids == ChosenIds::Unknown {
        1
    } else {
        session.parts.remotes[side].limits().create_batch(waiting).max(1)
    }
}

/// A batch is sent only while the right to write outlasts it, and nobody told us to stop.
pub(super) fn permit(session: &Session<'_>, side: Side) -> Result<(), CycleError> {
    session.go_on()?;
    let timeout = session.parts.remotes[side].limits().write_timeout;
    if session.parts.fence.permits(timeout) || planted(Bug::ExpiredLeaseSends) {
        return Ok(());
    }
    // While the Lease is held, the state is ours too: that nothing was sent can be stored, and nobody has to wait for a
    // write that might still be at work.
    let (problem, kind) = if session.parts.fence.permits(Duration::ZERO) {
        let why = "the Lease was renewed too late to outlast a write; nothing was sent, and it is tried again by itself";
        (
            Problem::transient("LeaseRenewedLate", why),
            RemoteErrorKind::Transient,
        )
    } else {
        let why = "this process does not hold the Lease; another one goes on";
        (Problem::waiting("NotLeader", why), RemoteErrorKind::NotPermitted)
    };
    Err(CycleError::Remote {
        side,
        error: RemoteError {
            problem,
            kind,
            retry_after: None,
        },
    })
}

/// Nothing of what is left was sent. Its changes are kept, durably, for when the service or the Lease is back; an
/// intent whose values differ from an earlier attempt's stays, since that one may have been applied.
async fn not_sent(session: &mut Session<'_>, left: &Outgoing, error: CycleError) -> CycleError {
    if error.owns_nothing() {
        // Whoever holds the Lease now owns the state too.
        return error;
    }
    let mut kept = BTreeSet::new();
    for side in Side::BOTH {
        for id in left.creations[side].keys().chain(left.updates[side].keys()) {
            let Some(mut link) = session.book.get(id).cloned() else {
                continue;
            };
            let restated = link.intents[side].as_ref().is_some_and(|intent| {
                intent.is_creation() && intent.fields.values().any(|field| field.restated)
            });
            if !restated {
                link.intents[side] = None;
                link.deferred = !planted(Bug::UnsentForgotten);
                session.book.put(link);
                kept.insert(id.clone());
            }
        }
    }
    match session.commit(&kept, Vec::new()).await {
        Ok(()) => error,
        Err(store) => store,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poisoned_item_is_alone_within_the_calls_that_are_allowed() {
        for items in 1..=400_usize {
            // The worst place: the poison is always in the half that is tried last, and fails each time.
            let halvings = items.next_power_of_two().ilog2();
            assert!(most_splits(items) > halvings, "{items}");
            assert!(most_splits(items) <= 2 * halvings.max(1) + 3, "{items}");
        }
    }
}
