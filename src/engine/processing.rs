//! Links to look at → observe, plan, persist, verify, send, commit; again while a write brings something new.
//!
//! The order is the protocol: an intent is durable before its write is sent, the targets of each call are looked at once
//! more just before it, and a base moves only after the write was applied. A crash between any two steps is repaired by
//! the next cycle from what is stored.

use std::collections::{BTreeMap, BTreeSet};

use super::departures;
use super::intake::Fresh;
use super::regression;
use super::rights::Verb;
use super::sending::{Outgoing, check_access, send};
use super::session::{CycleError, OnSide, Session};
use super::settling::in_flight;
use crate::core::creation::plan_creation;
use crate::core::failure::Problem;
use crate::core::ident::{LinkId, RecordId, chosen_sys_id};
use crate::core::link::{ChosenIds, JournalEntry, Link, Phase};
use crate::core::plan::{LinkPlan, plan};
use crate::core::planted::{Bug, planted};
use crate::core::quarantine::after_failure;
use crate::core::record::{Observation, Record};
use crate::core::rules::{Verdict, evaluate};
use crate::core::side::{PerSide, Side};

/// What was learnt of records in this round.
type Observed = PerSide<BTreeMap<RecordId, Observation>>;

/// Links to bring up to date.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The links.
    pub(super) links: BTreeSet<LinkId>,
    /// Of these, links without a counterpart for which one may be made now: somebody has just looked for what is there
    /// already, and may send again where an earlier attempt's outcome was unknown.
    pub(super) may_create: BTreeSet<LinkId>,
    /// Records read just before.
    pub(super) fresh: Fresh,
    /// What must be journalled with the first commit.
    pub(super) journal: Vec<JournalEntry>,
}

/// Brings links up to date.
pub(super) async fn process(session: &mut Session<'_>, work: Work) -> Result<(), CycleError> {
    let Work {
        links: mut work,
        may_create,
        mut fresh,
        mut journal,
    } = work;
    for round in 0..session.tuning.rounds {
        // What is at work at the service is left alone until it is settled.
        work.retain(|id| {
            session
                .book
                .get(id)
                .is_some_and(|link| !link.has_intent() || (round == 0 && may_create.contains(id)))
        });
        if work.is_empty() && journal.is_empty() {
            return Ok(());
        }
        let observed = observe(session, &work, &mut fresh).await?;
        let mut outgoing = Outgoing::default();
        for id in &work {
            plan_one(
                session,
                id,
                &observed,
                may_create.contains(id),
                &mut outgoing,
                &mut journal,
            );
        }
        if !planted(Bug::IntentAfterSend) {
            session.commit(&work, std::mem::take(&mut journal)).await?;
        }
        // Whatever takes a look goes before the last one: an edit that shows in between would be seen and overwritten.
        check_access(session, &outgoing).await?;
        work = send(session, outgoing, &mut fresh).await?;
    }
    // Still moving after the last round: kept for the next cycle, durably, since the cursor may pass it.
    work.retain(|id| {
        session
            .book
            .get(id)
            .is_some_and(|link| !link.has_intent() && link.phase != Phase::Tombstone)
    });
    for id in &work {
        if let Some(link) = session.book.get(id).cloned() {
            session.book.put(Link {
                deferred: true,
                ..link
            });
        }
    }
    session.commit(&work, Vec::new()).await
}

/// Reads what is not fresh, both sides of every link, in as few calls as there are.
async fn observe(
    session: &mut Session<'_>,
    work: &BTreeSet<LinkId>,
    fresh: &mut Fresh,
) -> Result<Observed, CycleError> {
    let mut observed = Observed::default();
    for side in Side::BOTH {
        let mut missing = Vec::new();
        for id in work
            .iter()
            .filter_map(|id| session.book.get(id)?.ids[side].clone())
        {
            match fresh[side].remove(&id) {
                Some(record) => {
                    observed[side].insert(id, Observation::Present(record));
                }
                None => missing.push(id),
            }
        }
        observed[side].extend(read(session, side, &missing).await?);
    }
    Ok(observed)
}

/// Looks at records by id.
pub(super) async fn read(
    session: &Session<'_>,
    side: Side,
    ids: &[RecordId],
) -> Result<BTreeMap<RecordId, Observation>, CycleError> {
    let remote = &session.parts.remotes[side];
    let mut observed = BTreeMap::new();
    for chunk in ids.chunks(remote.limits().read_ids.max(1)) {
        observed.extend(
            remote
                .read_ids(&session.schemas[side], chunk, &session.fields[side])
                .await
                .on(side)?,
        );
    }
    Ok(observed)
}

/// Plans one link and puts its intents into the book, its writes into `outgoing`.
fn plan_one(
    session: &mut Session<'_>,
    id: &LinkId,
    observed: &Observed,
    may_create: bool,
    outgoing: &mut Outgoing,
    journal: &mut Vec<JournalEntry>,
) {
    let Some(link) = session.book.get(id).cloned() else {
        return;
    };
    if link.phase == Phase::Tombstone {
        return;
    }
    if link.pair().is_none() && !may_create {
        // Nobody has looked for its counterpart: nothing is made on a guess. A quarantined one waits for its time.
        session.book.put(Link {
            deferred: link.quarantine.is_none(),
            ..link
        });
        return;
    }
    let mut seen: PerSide<Option<&Record>> = PerSide::default();
    for side in Side::BOTH {
        let Some(record_id) = &link.ids[side] else {
            continue;
        };
        match observed[side].get(record_id) {
            Some(Observation::Present(record))
                if link.seen[side].is_none_or(|known| record.version >= known)
                    || planted(Bug::StaleReadingTaken) =>
            {
                seen[side] = Some(record);
            }
            Some(Observation::Gone(proof)) => {
                if link.pair().is_some() {
                    departures::note(session, link, side, *proof);
                } else {
                    departures::bury(session, link);
                }
                return;
            }
            Some(Observation::NotVisible) if planted(Bug::DeletedOnAbsence) => {
                departures::bury(session, link);
                return;
            }
            Some(Observation::NotVisible) => {
                let problem = not_visible(session, side, record_id);
                put_quarantined(session, link, problem);
                return;
            }
            // An older reading than one we acted on, or none: looked at again in the next cycle.
            unread @ (Some(Observation::Present(_) | Observation::Unread) | None) => {
                let shown = unread.and_then(Observation::present);
                if shown.is_some_and(|record| regression::went_back(session, &link, side, record)) {
                    session.went_back[side] = true;
                }
                session.book.put(Link {
                    deferred: true,
                    ..link
                });
                return;
            }
        }
    }
    let link = Link {
        deferred: false,
        // Both are there: what was deleted was undeleted.
        departure: None,
        ..link
    };
    match (seen.salesforce, seen.service_now) {
        (Some(salesforce), Some(service_now)) => {
            let plan = plan(
                &session.context(),
                &link,
                PerSide {
                    salesforce,
                    service_now,
                },
            );
            let mut plan = plan;
            for side in Side::BOTH {
                if plan.writes[side].is_some() && !session.rights.may_try(side, Verb::Update, id) {
                    put_off(&mut plan, side);
                }
            }
            journal.extend(plan.journal);
            session.header.conflicts += plan.conflicts;
            for side in Side::BOTH {
                if let Some(write) = plan.writes[side].clone() {
                    outgoing.updates[side].insert(link.id.clone(), write);
                }
            }
            let outside = plan.link.phase == Phase::Dormant && !session.book.is_stored(id);
            if outside {
                // Another flow's pair, or one of ours from before: it is found again when the rules let it in.
                session.book.forget(id);
            } else {
                session.book.put(plan.link);
            }
        }
        (salesforce, service_now) => {
            if let Some(record) = salesforce.or(service_now) {
                plan_counterpart(session, &link, record, outgoing);
            }
        }
    }
}

/// What may not be written on a side now is planned again in a later cycle; the other side's write goes on. What it would
/// overwrite is journalled already, once.
fn put_off(plan: &mut LinkPlan, side: Side) {
    plan.writes[side] = None;
    plan.link.intents[side] = None;
    plan.link.deferred = true;
}

/// A counterpart is made only while the rules let the record in.
fn plan_counterpart(session: &mut Session<'_>, link: &Link, record: &Record, outgoing: &mut Outgoing) {
    let target = link.origin.other();
    let in_rules = evaluate(&session.flow.sides[link.origin].rules, record) == Verdict::Holds;
    let at_work = link.intents[target].as_ref().is_some_and(|intent| {
        session.parts.clock.now() < intent.prepared_at.later(in_flight(session, target))
    });
    if !in_rules && at_work {
        // An earlier attempt may still come through; its record would be found by its stamp.
        return;
    }
    if !in_rules {
        let mut link = Link {
            quarantine: None,
            intents: PerSide::default(),
            ..link.clone()
        };
        link.in_rules[link.origin] = false;
        link.seen[link.origin] = Some(record.version);
        session.book.put(link);
        return;
    }
    if !session.rights.may_try(target, Verb::Create, &link.id) {
        session.book.put(Link {
            deferred: true,
            ..link.clone()
        });
        return;
    }
    let chosen = chosen_id(session, target, &record.id);
    match plan_creation(&session.context(), link, record, chosen) {
        Ok(creation) => {
            session.book.put(creation.link.clone());
            outgoing.creations[target].insert(link.id.clone(), creation);
        }
        Err(problem) => {
            let mut link = link.clone();
            link.seen[link.origin] = Some(record.version);
            put_quarantined(session, link, problem);
        }
    }
}

/// The `sys_id` to ask for, where the table has not been seen to ignore it.
fn chosen_id(session: &Session<'_>, target: Side, origin: &RecordId) -> Option<RecordId> {
    if target != Side::ServiceNow || session.header.chosen_ids == ChosenIds::Ignored {
        return None;
    }
    let organisation = session.header.identities.salesforce.as_deref()?;
    Some(chosen_sys_id(
        organisation,
        origin,
        &session.flow.sides[target].object,
    ))
}

/// Salesforce refuses a field that the flow could write when it was compiled.
const FIELD_NOT_WRITABLE: &str = "FieldNotWritable";

pub(super) fn put_quarantined(session: &mut Session<'_>, link: Link, problem: Problem) {
    session.rights_in_doubt |= problem.reason.as_str() == FIELD_NOT_WRITABLE;
    let quarantine = after_failure(link.quarantine.as_ref(), problem, session.parts.clock.now());
    session.book.put(Link {
        quarantine: Some(quarantine),
        deferred: false,
        ..link
    });
}

pub(super) fn not_visible(session: &Session<'_>, side: Side, id: &RecordId) -> Problem {
    let object = &session.flow.sides[side].object;
    let remedy = match side {
        Side::Salesforce => "give the integration user read access to it (View All on the object)",
        Side::ServiceNow => {
            "if it was deleted, give the integration user read access to sys_audit_delete so that this can be proven; \
             otherwise give it read access to the record"
        }
    };
    Problem::human(
        "RecordNotVisible",
        format!("{object} {id} cannot be read and nothing proves that it was deleted; {remedy}"),
    )
}
