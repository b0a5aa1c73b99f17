//! Short stories in which every step matters; [`crate::crash_points`] cuts each off at every one of them.
//!
//! - [`edits`]: what people write, and records that leave the rules
//! - [`creations`]: records that get a counterpart: made, matched, or found again by its stamp
//! - [`departures`]: records that are deleted, undeleted and merged
//! - [`breakdowns`]: answers that are lost, stores that fail, link state that is gone
//! - [`decisions`]: conflicts, plans and quarantined records that wait for a person
//! - [`stage`]: what the people in them do

mod breakdowns;
mod creations;
mod decisions;
mod departures;
mod edits;
pub mod stage;

use syncflow::core::definition::FlowDefinition;

use crate::operator::Operator;
use crate::swarm::Trait;
use crate::world::World;
use stage::{case, incident};

/// One story.
pub struct Scenario {
    pub name: &'static str,
    pub manifests: fn(&mut FlowDefinition),
    /// What is there before the flow is applied.
    pub before: fn(&mut World),
    /// What happens. The world is locked: whatever of the operator needs it as well is asked for, not done.
    pub act: fn(&mut World, &mut Operator),
    /// What happens then, once there is reason for it.
    pub then: Option<Then>,
    /// Does it happen before the first sync is done?
    pub from_the_start: bool,
    /// What it comes to if nobody cuts it off.
    pub comes_to: fn(&World, &Operator) -> bool,
    /// How long it is watched, in virtual minutes.
    pub watched: i64,
    /// What the oracle has to know of it.
    pub traits: &'static [Trait],
}

/// A second act: tried after each step, until it says that it was done.
pub type Then = fn(&mut World, &mut Operator) -> bool;

/// Every story.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [
        edits::SCENARIOS,
        creations::SCENARIOS,
        departures::SCENARIOS,
        breakdowns::SCENARIOS,
        decisions::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

const fn scenario(name: &'static str, act: fn(&mut World, &mut Operator)) -> Scenario {
    Scenario {
        name,
        manifests: |_| {},
        before: |world| {
            case(world, 1);
            incident(world, 2);
        },
        act,
        then: None,
        from_the_start: false,
        comes_to: |_, _| true,
        watched: 3,
        traits: &[],
    }
}
