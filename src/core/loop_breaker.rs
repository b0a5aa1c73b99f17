//! Stops a record that an automation keeps changing back (saas-apis H8).

use super::failure::Problem;
use super::flow::Flow;
use super::link::{Flips, JournalCause, Link};
use super::plan::{LinkPlan, PlanContext};
use super::side::Side;

/// Writes of one link that each answer the other side's answer, after which it is stopped.
pub const FLIP_LIMIT: u32 = 8;
/// Such writes count as a run only when each comes within this many seconds of the one before.
const FLIP_GAP_SECONDS: u64 = 300;

/// The reason code of a record that an automation keeps changing back.
const KEEPS_CHANGING: &str = "KeepsChanging";

/// What is wrong with a record that is stopped, with the fields that the plan would write once more.
pub(super) fn keeps_changing(flow: &Flow, plan: &LinkPlan) -> Problem {
    let fields: Vec<String> = plan
        .writes
        .iter()
        .filter_map(|(side, write)| Some((side, write.as_ref()?)))
        .flat_map(|(side, write)| {
            write
                .fields
                .keys()
                .map(move |field| format!("{}.{field}", flow.sides[side].object))
        })
        .collect();
    Problem::human(
        KEEPS_CHANGING,
        format!(
            "an automation keeps changing {} back after each sync; stop it, or make the field one-way with drift Ignore",
            fields.join(", ")
        ),
    )
}

/// Counts writes that answer the other side's answer: a reverted drift again, or the direction turned around. A record
/// that was stopped for it gets one write when its time has come; if that is answered too, it waits longer.
pub(super) fn count_flips(context: &PlanContext<'_>, link: &Link, plan: &mut LinkPlan) {
    let Some(side) = Side::BOTH.into_iter().find(|side| plan.writes[*side].is_some()) else {
        return;
    };
    let drift = plan
        .journal
        .iter()
        .any(|entry| entry.cause == JournalCause::Drift);
    let stopped = link
        .quarantine
        .as_ref()
        .is_some_and(|row| row.problem.reason.as_str() == KEEPS_CHANGING);
    let (count, stops) = match &link.flips {
        Some(flips) if stopped => (context.flip_limit, flips.stops),
        Some(flips) if context.now.since(flips.at).as_secs() <= FLIP_GAP_SECONDS => {
            let answers = drift || flips.last != side;
            (flips.count.saturating_add(u32::from(answers)), flips.stops)
        }
        _ => (0, 0),
    };
    plan.link.flips = Some(Flips {
        last: side,
        at: context.now,
        count,
        stops,
    });
}
