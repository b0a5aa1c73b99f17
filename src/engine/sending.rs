//! Persisted intents → write calls → what became of each.
//!
//! A write has one attempt. What is applied or rejected is committed at once; what is unknown keeps its intent.

use std::collections::{BTreeMap, BTreeSet};

use super::intake::Fresh;
use super::processing::put_quarantined;
use super::session::{CycleError, OnSide, Session};
use crate::core::creation::{Attribution, CreationPlan, complete_creation};
use crate::core::failure::Problem;
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{ChosenIds, IntentKind, Link};
use crate::core::plan::PlannedWrite;
use crate::core::planted::{Bug, planted};
use crate::core::settle::{Discrepancy, apply_update, compare_creation, mark_cut};
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::ports::{CreateItem, MOVED_MEANWHILE, RemoteError, RemoteErrorKind, UpdateItem, WriteOutcome};

/// Writes whose intents are durable.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) creations: PerSide<BTreeMap<LinkId, CreationPlan>>,
    pub(super) updates: PerSide<BTreeMap<LinkId, PlannedWrite>>,
}

/// Why a batch did not go through.
enum Unsent {
    /// Nothing of it, or of what was to follow, was sent.
    Batch(CycleError),
    /// It was sent, and what became of it could not be stored.
    State(CycleError),
}

/// Sends everything, in the largest batches that the services take. Returns the links whose write was applied: their
/// target may have made something else of it, or filled in more.
pub(super) async fn send(
    session: &mut Session<'_>,
    mut outgoing: Outgoing,
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let mut written = BTreeSet::new();
    while let Some((side, batch)) = outgoing.next_batch(session) {
        let sent = match &batch {
            Batch::Creations(creations) => create(session, side, creations, fresh, &mut written).await,
            Batch::Updates(updates) => update(session, side, updates, fresh, &mut written).await,
        };
        match sent {
            Ok(()) => {}
            Err(Unsent::State(error)) => return Err(error),
            Err(Unsent::Batch(error)) => {
                outgoing.put_back(side, batch);
                return Err(not_sent(session, &outgoing, error).await);
            }
        }
    }
    Ok(written)
}

/// What goes in one call.
enum Batch {
    Creations(Vec<(LinkId, CreationPlan)>),
    Updates(Vec<(LinkId, PlannedWrite)>),
}

impl Outgoing {
    /// Takes the next batch: per side, creations before updates.
    fn next_batch(&mut self, session: &Session<'_>) -> Option<(Side, Batch)> {
        for side in Side::BOTH {
            let most = creation_batch(session, side, self.creations[side].len());
            let creations = take(&mut self.creations[side], most);
            if !creations.is_empty() {
                return Some((side, Batch::Creations(creations)));
            }
            let most = session.parts.remotes[side].limits().write_batch;
            let updates = take(&mut self.updates[side], most);
            if !updates.is_empty() {
                return Some((side, Batch::Updates(updates)));
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
    let problem = Problem::waiting(
        "NotLeader",
        "this process does not hold the Lease; another one goes on",
    );
    Err(CycleError::Remote {
        side,
        error: RemoteError {
            problem,
            kind: RemoteErrorKind::NotPermitted,
            retry_after: None,
        },
    })
}

async fn create(
    session: &mut Session<'_>,
    side: Side,
    batch: &[(LinkId, CreationPlan)],
    fresh: &mut Fresh,
    written: &mut BTreeSet<LinkId>,
) -> Result<(), Unsent> {
    let Some(stamp_field) = session.flow.sides[side].stamp_field.clone() else {
        return Err(Unsent::Batch(CycleError::Blocked(Problem::human(
            "StampFieldMissing",
            format!("the flow makes {side} records but has no stamp field there"),
        ))));
    };
    let ids: Vec<LinkId> = batch.iter().map(|(id, _)| id.clone()).collect();
    let items: Vec<CreateItem> = batch
        .iter()
        .map(|(_, creation)| CreateItem {
            chosen: chosen(&creation.link, side),
            stamp: (stamp_field.clone(), creation.stamp.to_string()),
            fields: creation.fields.clone(),
        })
        .collect();
    let sent = match permit(session, side) {
        Ok(()) => session.parts.remotes[side]
            .create(&session.schemas[side], &items)
            .await
            .on(side),
        Err(error) => Err(error),
    };
    let outcomes = match sent {
        Ok(outcomes) => outcomes,
        Err(error) => return Err(Unsent::Batch(error)),
    };
    let mut journal = Vec::new();
    let outcomes = outcomes.into_iter().map(Some).chain(std::iter::repeat(None));
    for ((id, creation), outcome) in batch.iter().zip(outcomes) {
        let Some(link) = session.book.get(id).cloned() else {
            continue;
        };
        match outcome {
            Some(WriteOutcome::Applied {
                id: record_id,
                read_back,
            }) => {
                note_chosen(session, side, &creation.link, &record_id);
                session.writes += 1;
                let shown = read_back.as_ref().map(|record| (record, Attribution::Answer));
                let (mut link, entries) = complete_creation(&session.context(), &link, &record_id, shown);
                journal.extend(entries);
                if let Some(record) = read_back {
                    let differences = compare_creation(&session.flow, side, &creation.fields, &record);
                    warn_of_changes(session, &differences, side);
                    mark_cut(&session.flow, side, &differences, &mut link);
                    fresh[side].insert(record.id.clone(), record);
                }
                session.book.put(link);
                written.insert(id.clone());
            }
            Some(WriteOutcome::Exists { id: existing }) => {
                // It had happened before. Settled by looking, as an unknown outcome is: which record it is, and what
                // stands there, decides.
                session.unsettled = true;
                if let (Some(existing), mut link) = (existing, link) {
                    if let Some(intent) = &mut link.intents[side] {
                        intent.kind = IntentKind::Create {
                            chosen: Some(existing),
                        };
                    }
                    session.book.put(link);
                }
            }
            Some(WriteOutcome::Rejected(rejection)) => {
                let mut link = link;
                link.intents[side] = None;
                put_quarantined(session, link, rejection.problem);
            }
            // A missing outcome is an unknown one.
            Some(WriteOutcome::Unknown { .. }) | None => session.unsettled = true,
        }
    }
    session
        .commit(&ids.into_iter().collect(), journal)
        .await
        .map_err(Unsent::State)?;
    session.commit_chosen().await.map_err(Unsent::State)
}

async fn update(
    session: &mut Session<'_>,
    side: Side,
    batch: &[(LinkId, PlannedWrite)],
    fresh: &mut Fresh,
    written: &mut BTreeSet<LinkId>,
) -> Result<(), Unsent> {
    let ids: Vec<LinkId> = batch.iter().map(|(id, _)| id.clone()).collect();
    let items: Vec<UpdateItem> = batch
        .iter()
        .map(|(id, write)| UpdateItem {
            id: write.id.clone(),
            fields: write.fields.clone(),
            unmodified_since: looked_at(session, side, id),
        })
        .collect();
    let sent = match permit(session, side) {
        Ok(()) => session.parts.remotes[side]
            .update(&session.schemas[side], &items)
            .await
            .on(side),
        Err(error) => Err(error),
    };
    let outcomes = match sent {
        Ok(outcomes) => outcomes,
        Err(error) => return Err(Unsent::Batch(error)),
    };
    let outcomes = outcomes.into_iter().map(Some).chain(std::iter::repeat(None));
    for ((id, write), outcome) in batch.iter().zip(outcomes) {
        let Some(link) = session.book.get(id).cloned() else {
            continue;
        };
        // Whatever we knew of the record was before this write.
        fresh[side].remove(&write.id);
        match outcome {
            Some(WriteOutcome::Applied { read_back, .. }) => {
                session.writes += 1;
                let (link, differences) =
                    apply_update(&session.context(), &link, side, write, read_back.as_ref());
                warn_of_changes(session, &differences, side);
                let stuck = link.quarantine.is_some();
                session.book.put(link);
                if let Some(record) = read_back {
                    fresh[side].insert(record.id.clone(), record);
                }
                if !stuck {
                    written.insert(id.clone());
                }
            }
            Some(WriteOutcome::Rejected(_)) if planted(Bug::RejectedTakenAsDone) => {
                let (link, _) = apply_update(&session.context(), &link, side, write, None);
                session.book.put(link);
            }
            Some(WriteOutcome::Rejected(rejection))
                if rejection.problem.reason.as_str() == MOVED_MEANWHILE =>
            {
                // Somebody was faster than our write: it is read and planned again, in this very cycle.
                let mut link = link;
                link.intents[side] = None;
                session.book.put(link);
                written.insert(id.clone());
            }
            Some(WriteOutcome::Rejected(rejection)) => {
                let mut link = link;
                link.intents[side] = None;
                if rejection.gone {
                    // The next look proves it, or not.
                    session.book.put(Link {
                        deferred: true,
                        ..link
                    });
                } else {
                    put_quarantined(session, link, rejection.problem);
                }
            }
            Some(WriteOutcome::Exists { .. }) => {
                let mut link = link;
                link.intents[side] = None;
                let problem = Problem::human(
                    "DuplicateValue",
                    format!(
                        "{side} refuses a value that must be unique and stands in another record; change one of them"
                    ),
                );
                put_quarantined(session, link, problem);
            }
            Some(WriteOutcome::Unknown { .. }) | None => session.unsettled = true,
        }
    }
    session
        .commit(&ids.into_iter().collect(), Vec::new())
        .await
        .map_err(Unsent::State)
}

/// The moment after which the record must not have moved, for a flow whose writes are guarded.
fn looked_at(session: &Session<'_>, side: Side, id: &LinkId) -> Option<Instant> {
    if !session.flow.guarded_writes {
        return None;
    }
    Some(session.book.get(id)?.seen[side]?.modified)
}

fn chosen(link: &Link, side: Side) -> Option<RecordId> {
    match &link.intents[side].as_ref()?.kind {
        IntentKind::Create { chosen } => chosen.clone(),
        IntentKind::Update { .. } | IntentKind::Delete { .. } | IntentKind::Mark { .. } => None,
    }
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

/// Learns from the first creation whether the table honours a `sys_id` that we choose.
fn note_chosen(session: &mut Session<'_>, side: Side, link: &Link, made: &RecordId) {
    if let Some(chosen) = chosen(link, side) {
        let honoured = if chosen == *made {
            ChosenIds::Honoured
        } else {
            ChosenIds::Ignored
        };
        if session.header.chosen_ids == ChosenIds::Unknown || honoured == ChosenIds::Ignored {
            session.header.chosen_ids = honoured;
        }
    }
}

fn warn_of_changes(session: &mut Session<'_>, differences: &[Discrepancy], side: Side) {
    for difference in differences {
        if let Discrepancy::Changed(field) = difference {
            session.warn(Problem::human(
                "FieldChangedByTarget",
                format!(
                    "{side} stored another value in {field} than was sent (a rule or a default there decides it); what it \
                     stored is taken as agreed"
                ),
            ));
        }
    }
}
