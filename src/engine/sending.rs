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
use crate::core::quarantine::after_failure;
use crate::core::settle::{Discrepancy, apply_update, compare_creation, not_written};
use crate::core::side::{PerSide, Side};
use crate::ports::{CreateItem, RemoteError, RemoteErrorKind, UpdateItem, WriteOutcome};

/// Writes whose intents are durable.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) creations: PerSide<BTreeMap<LinkId, CreationPlan>>,
    pub(super) updates: PerSide<BTreeMap<LinkId, PlannedWrite>>,
}

/// Sends everything, in the largest batches that the services take. Returns the links whose write was applied: their
/// target may have made something else of it, or filled in more.
pub(super) async fn send(
    session: &mut Session<'_>,
    outgoing: Outgoing,
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let mut written = BTreeSet::new();
    for side in Side::BOTH {
        let mut creations: Vec<(LinkId, CreationPlan)> =
            outgoing.creations[side].clone().into_iter().collect();
        while !creations.is_empty() {
            let rest = creations.split_off(creation_batch(session, side).min(creations.len()));
            create(session, side, &creations, fresh, &mut written).await?;
            creations = rest;
        }
        let updates: Vec<(LinkId, PlannedWrite)> = outgoing.updates[side].clone().into_iter().collect();
        for chunk in updates.chunks(session.parts.remotes[side].limits().write_batch.max(1)) {
            update(session, side, chunk, fresh, &mut written).await?;
        }
    }
    Ok(written)
}

/// The first creation in a ServiceNow table goes alone: it shows whether a `sys_id` that we choose is honoured, and
/// until that is known a lost answer is expensive to settle.
fn creation_batch(session: &Session<'_>, side: Side) -> usize {
    if side == Side::ServiceNow && session.header.chosen_ids == ChosenIds::Unknown {
        1
    } else {
        session.parts.remotes[side].limits().write_batch.max(1)
    }
}

/// A batch is sent only while the right to write outlasts it, and nobody told us to stop.
fn permit(session: &Session<'_>, side: Side) -> Result<(), CycleError> {
    session.go_on()?;
    let timeout = session.parts.remotes[side].limits().write_timeout;
    if session.parts.fence.permits(timeout) {
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
) -> Result<(), CycleError> {
    let Some(stamp_field) = session.flow.sides[side].stamp_field.clone() else {
        return Err(CycleError::Blocked(Problem::human(
            "StampFieldMissing",
            format!("the flow makes {side} records but has no stamp field there"),
        )));
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
        Err(error) => return Err(not_sent(session, side, &ids, error).await),
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
                    if let Some(problem) = not_written(&differences, side) {
                        link.quarantine = Some(after_failure(None, problem, session.parts.clock.now()));
                    }
                    fresh[side].insert(record.id.clone(), record);
                }
                session.book.put(link);
                written.insert(id.clone());
            }
            Some(WriteOutcome::Exists { id: _ }) => {
                // It had happened before. Settled by looking, as an unknown outcome is: which record it is, and what
                // stands there, decides.
                session.unsettled = true;
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
    session.commit(&ids.into_iter().collect(), journal).await?;
    session.commit_chosen().await
}

async fn update(
    session: &mut Session<'_>,
    side: Side,
    batch: &[(LinkId, PlannedWrite)],
    fresh: &mut Fresh,
    written: &mut BTreeSet<LinkId>,
) -> Result<(), CycleError> {
    let ids: Vec<LinkId> = batch.iter().map(|(id, _)| id.clone()).collect();
    let items: Vec<UpdateItem> = batch
        .iter()
        .map(|(_, write)| UpdateItem {
            id: write.id.clone(),
            fields: write.fields.clone(),
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
        Err(error) => return Err(not_sent(session, side, &ids, error).await),
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
            Some(WriteOutcome::Rejected(rejection)) => {
                let mut link = link;
                link.intents[side] = None;
                put_quarantined(session, link, rejection.problem);
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
    session.commit(&ids.into_iter().collect(), Vec::new()).await
}

fn chosen(link: &Link, side: Side) -> Option<RecordId> {
    match &link.intents[side].as_ref()?.kind {
        IntentKind::Create { chosen } => chosen.clone(),
        IntentKind::Update { .. } => None,
    }
}

/// Nothing of this batch was sent. Its changes are kept, durably, for when the service or the Lease is back; an
/// intent of an earlier attempt stays, since that one may have been applied.
async fn not_sent(session: &mut Session<'_>, side: Side, ids: &[LinkId], error: CycleError) -> CycleError {
    if matches!(&error, CycleError::Remote { error, .. } if error.kind == RemoteErrorKind::NotPermitted) {
        // Whoever holds the Lease now owns the state too.
        return error;
    }
    for id in ids {
        let Some(mut link) = session.book.get(id).cloned() else {
            continue;
        };
        let restated = link.intents[side]
            .as_ref()
            .is_some_and(|intent| intent.is_creation() && intent.fields.values().any(|field| field.restated));
        if !restated {
            link.intents[side] = None;
            link.deferred = true;
            session.book.put(link);
        }
    }
    match session.commit(&ids.iter().cloned().collect(), Vec::new()).await {
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
