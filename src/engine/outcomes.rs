//! One write call, and what became of each of its items.

use std::collections::BTreeSet;

use super::intake::Fresh;
use super::invariants;
use super::processing::put_quarantined;
use super::rights::{self, Verb};
use super::sending::{Unsent, permit};
use super::session::{CycleError, OnSide, Session};
use crate::core::creation::{Attribution, CreationPlan, complete_creation};
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, LinkId, RecordId};
use crate::core::link::{ChosenIds, IntentKind, Link};
use crate::core::plan::PlannedWrite;
use crate::core::planted::{Bug, planted};
use crate::core::record::Record;
use crate::core::settle::{
    Discrepancy, WRITE_INTERLEAVED, apply_update, compare_creation, is_interleaved, mark_cut,
};
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{CreateItem, MOVED_MEANWHILE, UpdateItem, WriteOutcome};

/// Makes the counterparts of a batch.
pub(super) async fn create(
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
    let (mut applied, mut refused) = (0, Vec::new());
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
                applied += 1;
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
                if rights::is_about_rights(&rejection.problem) {
                    refused.push((link, rejection.problem));
                } else {
                    put_quarantined(session, link, rejection.problem);
                }
            }
            // A missing outcome is an unknown one.
            Some(WriteOutcome::Unknown { .. }) | None => session.unsettled = true,
        }
    }
    rights::conclude(session, side, Verb::Create, applied, refused);
    session
        .commit(&ids.into_iter().collect(), journal)
        .await
        .map_err(Unsent::State)?;
    session.commit_chosen().await.map_err(Unsent::State)
}

/// Changes the records of a batch.
pub(super) async fn update(
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
            fields: if planted(Bug::FieldsSentOneByOne) {
                write.fields.clone().into_iter().take(1).collect()
            } else {
                write.fields.clone()
            },
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
    let (mut applied, mut refused, mut journal) = (0, Vec::new(), Vec::new());
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
                applied += 1;
                let before = link;
                warn_of_another_write(session, &before, side, write, read_back.as_ref());
                let after = apply_update(&session.context(), &before, side, write, read_back.as_ref());
                let link = after.link;
                invariants::check_bases(side, &before, &link).map_err(Unsent::State)?;
                warn_of_changes(session, &after.discrepancies, side);
                journal.extend(after.journal);
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
                let applied = apply_update(&session.context(), &link, side, write, None);
                session.book.put(applied.link);
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
                } else if rights::is_about_rights(&rejection.problem) {
                    refused.push((link, rejection.problem));
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
    rights::conclude(session, side, Verb::Update, applied, refused);
    session
        .commit(&ids.into_iter().collect(), journal)
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

/// What a write between our look and ours did to the fields that we sent is not known: told once an hour, and logged
/// for each record.
fn warn_of_another_write(
    session: &mut Session<'_>,
    before: &Link,
    side: Side,
    write: &PlannedWrite,
    read_back: Option<&Record>,
) {
    if !read_back.is_some_and(|record| is_interleaved(before, side, record)) {
        return;
    }
    let fields: Vec<&str> = write.fields.keys().map(FieldName::as_str).collect();
    let fields = fields.join(", ");
    tracing::warn!(
        reason = WRITE_INTERLEAVED,
        record = write.id.as_str(),
        fields,
        "another write came between our look at this record and our write"
    );
    session.warn(Problem::human(
        WRITE_INTERLEAVED,
        format!(
            "{} {} was written by somebody else, or saved again by a business rule, between our look and our write to \
             {fields}; if a person's edit of these is missing, it is in the record's history there",
            session.flow.sides[side].object, write.id
        ),
    ));
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
