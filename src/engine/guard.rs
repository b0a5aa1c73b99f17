//! Holds back a plan that concerns so many records that a person has to approve it first.
//!
//! While a plan is held, the flow writes nothing: it is `Blocked`, says what it would do and gives a token. The
//! token is for that plan alone; another plan has another token.

use super::session::{CycleError, Session};
use crate::core::guard::{DELETIONS_ADD_UP_FOR, GuardKind, PlanSummary, exceeds};
use crate::core::header::HeldPlan;
use crate::core::ident::RecordId;
use crate::core::link::{Link, Phase};
use crate::core::side::Side;

/// How many pairs the flow has.
pub(super) fn pairs(session: &Session<'_>) -> u64 {
    let pairs = session
        .book
        .links()
        .filter(|link| link.phase != Phase::Tombstone && link.pair().is_some());
    u64::try_from(pairs.count()).unwrap_or(u64::MAX)
}

/// Links that wait for the end that a deletion on this side brings, and that nobody has approved.
pub(super) fn leaving<'a>(session: &'a Session<'_>, side: Side) -> impl Iterator<Item = &'a Link> {
    departed(session, side).filter(|link| link.phase != Phase::Tombstone)
}

/// Links that a deletion on this side concerns or concerned, and that nobody has approved.
fn departed<'a>(session: &'a Session<'_>, side: Side) -> impl Iterator<Item = &'a Link> {
    session.book.links().filter(move |link| {
        link.departure
            .as_ref()
            .is_some_and(|departure| departure.side == side && !departure.approved)
    })
}

/// Links that ended, unasked, in the day before those that are leaving began to. A day before these, and not before
/// now: a plan that is held does not pass because time does.
fn ended_before<'a>(session: &'a Session<'_>, side: Side) -> impl Iterator<Item = &'a Link> {
    let at = |link: &Link| link.departure.as_ref().map(|departure| departure.at);
    // What waits in quarantine has passed the guard once, maybe long ago.
    let began = leaving(session, side).filter(|link| link.quarantine.is_none());
    let began = began.filter_map(at).min();
    let since = began
        .unwrap_or_else(|| session.parts.clock.now())
        .earlier(DELETIONS_ADD_UP_FOR);
    departed(session, side)
        .filter(move |link| link.phase == Phase::Tombstone && at(link).is_some_and(|at| at >= since))
}

/// The plan of all deletions of this side, where it is too large together with what went before.
pub(super) fn deletions(session: &Session<'_>, side: Side) -> Option<PlanSummary> {
    let records: Vec<RecordId> = leaving(session, side)
        .filter_map(|link| link.ids[side].clone())
        .collect();
    if records.is_empty() {
        return None;
    }
    let ended_before = u64::try_from(ended_before(session, side).count()).unwrap_or(u64::MAX);
    let of = pairs(session).saturating_add(ended_before);
    let summary = PlanSummary {
        ended_before,
        ..PlanSummary::new(GuardKind::Deletions, side, records, of, "")
    };
    let count = summary.count.saturating_add(ended_before);
    exceeds(session.flow.guards.deletions, GuardKind::Deletions, count, of).then_some(summary)
}

/// Lets the deletions of this side pass, or stops the flow with what a person has to approve.
pub(super) async fn permit_deletions(session: &mut Session<'_>, side: Side) -> Result<(), CycleError> {
    let Some(summary) = deletions(session, side) else {
        return forget(session, GuardKind::Deletions, side).await;
    };
    if !is_approved(session, &summary) {
        return Err(hold(session, HeldPlan { summary, until: None }).await);
    }
    // Who approves has been told of those that ended before: they count no more, or each further one would be asked for.
    let approved: Vec<Link> = leaving(session, side)
        .chain(ended_before(session, side))
        .cloned()
        .collect();
    let ids = approved.iter().map(|link| link.id.clone()).collect();
    for mut link in approved {
        if let Some(departure) = &mut link.departure {
            departure.approved = true;
        }
        session.book.put(link);
    }
    // Durable before the first of them is sent: a crash in the middle does not ask again for the rest.
    session.commit(&ids, Vec::new()).await?;
    forget(session, GuardKind::Deletions, side).await
}

/// Has a person approved this very plan?
pub(super) fn is_approved(session: &Session<'_>, summary: &PlanSummary) -> bool {
    session.requests().approved_plan.as_deref() == Some(summary.token.as_str())
}

/// Keeps the plan, so that it is known again, and gives the error that stops the flow.
pub(super) async fn hold(session: &mut Session<'_>, plan: HeldPlan) -> CycleError {
    let summary = plan.summary.clone();
    session.header.held_plan = Some(plan);
    match session.commit_header().await {
        Ok(()) => CycleError::Held(Box::new(summary)),
        Err(error) => error,
    }
}

/// The plan that was held is no more.
pub(super) async fn forget(session: &mut Session<'_>, kind: GuardKind, side: Side) -> Result<(), CycleError> {
    let held = session.header.held_plan.as_ref();
    if held.is_some_and(|plan| plan.summary.kind == kind && plan.summary.side == side) {
        session.header.held_plan = None;
        return session.commit_header().await;
    }
    Ok(())
}
