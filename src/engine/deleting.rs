//! Sends the deletions and marks whose intents are durable, and settles those whose outcome is unknown.

use std::collections::{BTreeMap, BTreeSet};

use super::access;
use super::departures::bury;
use super::invariants;
use super::processing::{put_quarantined, read};
use super::rights::{self, Verb};
use super::sending::permit;
use super::session::{CycleError, OnSide, Session};
use super::settling::in_flight;
use crate::core::deletion::is_marked;
use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{Intent, IntentKind, Link};
use crate::core::plan::PlannedWrite;
use crate::core::record::{Observation, Version};
use crate::core::side::{PerSide, Side};
use crate::ports::{UpdateItem, WriteOutcome};

/// Deletions and marks whose intents are durable, by the side that is written.
#[derive(Debug, Default)]
pub(super) struct Goodbyes {
    pub(super) deletions: PerSide<BTreeMap<LinkId, RecordId>>,
    pub(super) marks: PerSide<BTreeMap<LinkId, PlannedWrite>>,
}

/// Looks once more at both records of every pair, and sends what still holds.
pub(super) async fn say_goodbye(session: &mut Session<'_>, mut goodbyes: Goodbyes) -> Result<(), CycleError> {
    invariants::check_goodbyes(session, &goodbyes)?;
    for side in Side::BOTH {
        if goodbyes.deletions[side].is_empty() && goodbyes.marks[side].is_empty() {
            continue;
        }
        access::check(session, side).await?;
        access::check_identity(session, side).await?;
        access::check_identity(session, side.other()).await?;
        drop_what_moved(session, side, &mut goodbyes).await?;
        let most = session.parts.remotes[side].limits().write_batch.max(1);
        for batch in pieces(std::mem::take(&mut goodbyes.deletions[side]), most) {
            let ids: Vec<RecordId> = batch.iter().map(|(_, id)| id.clone()).collect();
            let sent = match permit(session, side) {
                Ok(()) => {
                    let schema = &session.schemas[side];
                    session.parts.remotes[side].delete(schema, &ids).await.on(side)
                }
                Err(error) => Err(error),
            };
            conclude(
                session,
                side,
                batch.into_iter().map(|(link, _)| link).collect(),
                sent,
            )
            .await?;
        }
        for batch in pieces(std::mem::take(&mut goodbyes.marks[side]), most) {
            let items: Vec<UpdateItem> = batch
                .iter()
                .map(|(_, write)| UpdateItem {
                    id: write.id.clone(),
                    fields: write.fields.clone(),
                    unmodified_since: None,
                })
                .collect();
            let sent = match permit(session, side) {
                Ok(()) => {
                    let schema = &session.schemas[side];
                    session.parts.remotes[side].update(schema, &items).await.on(side)
                }
                Err(error) => Err(error),
            };
            conclude(
                session,
                side,
                batch.into_iter().map(|(link, _)| link).collect(),
                sent,
            )
            .await?;
        }
    }
    Ok(())
}

fn pieces<T>(mut all: BTreeMap<LinkId, T>, most: usize) -> Vec<Vec<(LinkId, T)>> {
    let mut pieces = Vec::new();
    while !all.is_empty() {
        pieces.push(std::iter::from_fn(|| all.pop_first()).take(most).collect());
    }
    pieces
}

/// What has changed since the plan is not sent: the departure stays, and the next cycle judges it anew.
async fn drop_what_moved(
    session: &mut Session<'_>,
    side: Side,
    goodbyes: &mut Goodbyes,
) -> Result<(), CycleError> {
    let links: BTreeSet<LinkId> = goodbyes.deletions[side]
        .keys()
        .chain(goodbyes.marks[side].keys())
        .cloned()
        .collect();
    let ids = |of: Side| -> Vec<RecordId> {
        links
            .iter()
            .filter_map(|id| session.book.get(id)?.ids[of].clone())
            .collect()
    };
    let targets = read(session, side, &ids(side)).await?;
    let origins = read(session, side.other(), &ids(side.other())).await?;
    let mut moved = BTreeSet::new();
    for id in &links {
        let Some(mut link) = session.book.get(id).cloned() else {
            continue;
        };
        let observed = |of: Side, all: &BTreeMap<RecordId, Observation>| {
            link.ids[of].as_ref().and_then(|id| all.get(id)).cloned()
        };
        let still_gone = matches!(observed(side.other(), &origins), Some(Observation::Gone(_)));
        let as_planned = observed(side, &targets)
            .as_ref()
            .and_then(Observation::present)
            .is_some_and(|record| Some(record.version) == planned_for(link.intents[side].as_ref()));
        if !still_gone || !as_planned {
            // Certainly not sent.
            link.intents[side] = None;
            goodbyes.deletions[side].remove(id);
            goodbyes.marks[side].remove(id);
            moved.insert(id.clone());
            session.book.put(link);
        }
    }
    session.commit(&moved, Vec::new()).await
}

fn planned_for(intent: Option<&Intent>) -> Option<Version> {
    match intent?.kind {
        IntentKind::Delete { pre_version } | IntentKind::Mark { pre_version } => Some(pre_version),
        IntentKind::Create { .. } | IntentKind::Update { .. } => None,
    }
}

/// What became of one call. One that failed as a whole was not sent: its intents go, its departures stay.
async fn conclude(
    session: &mut Session<'_>,
    side: Side,
    links: Vec<LinkId>,
    sent: Result<Vec<WriteOutcome>, CycleError>,
) -> Result<(), CycleError> {
    let links: BTreeSet<LinkId> = links.into_iter().collect();
    let outcomes = match sent {
        Ok(outcomes) => outcomes,
        Err(error) if error.owns_nothing() => return Err(error),
        Err(error) => {
            for id in &links {
                if let Some(mut link) = session.book.get(id).cloned() {
                    link.intents[side] = None;
                    session.book.put(link);
                }
            }
            session.commit(&links, Vec::new()).await?;
            return Err(error);
        }
    };
    let (mut applied, mut refused) = (0, Vec::new());
    let outcomes = outcomes.into_iter().map(Some).chain(std::iter::repeat(None));
    for (id, outcome) in links.iter().zip(outcomes) {
        let Some(mut link) = session.book.get(id).cloned() else {
            continue;
        };
        match outcome {
            Some(WriteOutcome::Applied { .. }) => {
                session.writes += 1;
                applied += 1;
                bury(session, link);
            }
            Some(WriteOutcome::Rejected(rejection)) if rejection.gone => bury(session, link),
            Some(WriteOutcome::Rejected(rejection)) => {
                link.intents[side] = None;
                if rights::is_about_rights(&rejection.problem) {
                    refused.push((link, rejection.problem));
                } else {
                    put_quarantined(session, link, rejection.problem);
                }
            }
            Some(WriteOutcome::Exists { .. } | WriteOutcome::Unknown { .. }) | None => {
                session.unsettled = true;
            }
        }
    }
    rights::conclude(session, side, Verb::Delete, applied, refused);
    session.commit(&links, Vec::new()).await
}

/// Settles deletions and marks whose outcome is unknown, by looking.
pub(super) async fn settle(session: &mut Session<'_>, side: Side, links: &[Link]) -> Result<(), CycleError> {
    let ids: Vec<RecordId> = links.iter().filter_map(|link| link.ids[side].clone()).collect();
    let observed = read(session, side, &ids).await?;
    let mut settled = BTreeSet::new();
    for link in links {
        let Some(intent) = &link.intents[side] else {
            continue;
        };
        let seen = link.ids[side].as_ref().and_then(|id| observed.get(id));
        let done = match seen {
            Some(Observation::Gone(_)) => true,
            Some(Observation::Present(record)) => {
                matches!(intent.kind, IntentKind::Mark { .. }) && is_marked(&session.flow, side, record)
            }
            Some(Observation::NotVisible | Observation::Unread) | None => false,
        };
        let over = session.parts.clock.now() >= intent.prepared_at.later(in_flight(session, side));
        if done {
            bury(session, link.clone());
        } else if over {
            // It did not happen and cannot any more: the departure stands, and is judged anew.
            let mut link = link.clone();
            link.intents[side] = None;
            session.book.put(link);
        } else {
            continue;
        }
        settled.insert(link.id.clone());
    }
    session.commit(&settled, Vec::new()).await
}
