//! Crash points, one by one: each scenario is told once to count the steps that the process takes, and then again for
//! each step, with the process killed there, and with the process stopped there until another has taken over.
//!
//! A step lies between two awaits, and every call and every write of the store has one before its effect, one after it
//! and one after its answer; so no place is left out where a process can die.

use std::sync::{Arc, Mutex};

use crate::operator::Operator;
use crate::oracle::{self, Evidence};
use crate::people::People;
use crate::process::Stepped;
use crate::scenarios::{SCENARIOS, Scenario};
use crate::script::Script;
use crate::settings;
use crate::swarm::Swarm;
use crate::world::{Shared, World, lock};

/// How long the story is watched, in virtual minutes.
const WATCHED: i64 = 3;

/// What becomes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    /// Stopped; its successor takes so many steps before it wakes.
    Stopped(u64),
}

const FATES: [Fate; 3] = [Fate::Killed, Fate::Stopped(0), Fate::Stopped(25)];

/// Tells a scenario, with that fate at that step. Returns how many steps the process took.
fn tell(scenario: &Scenario, fate: Option<(u64, Fate)>) -> Result<u64, String> {
    let (org, instance) = (settings::salesforce(), settings::service_now(1));
    let mut world = World::new(Script::whole(1), org, instance, settings::beginning());
    world.troubled = false;
    world.squeeze_for_scenes();
    let mut definition = settings::guide();
    (scenario.manifests)(&mut definition);
    (scenario.before)(&mut world);
    let world: Shared = Arc::new(Mutex::new(world));
    let mut operator = Operator::start(&world, definition, settings::hurried());
    if !scenario.from_the_start {
        operator.run_minutes(3);
    }
    (scenario.act)(&mut lock(&world), &mut operator);

    let end = lock(&world).now + WATCHED * 60_000;
    let mut steps = 0;
    loop {
        let stepped = operator.step();
        let mut now = lock(&world);
        let wake = now.next_wake();
        if stepped == Stepped::Asleep {
            now.now = wake.unwrap_or(end).max(now.now);
        }
        if now.now >= end {
            break;
        }
        drop(now);
        match fate {
            Some((at, Fate::Killed)) if at == steps => operator.kill(),
            Some((at, Fate::Stopped(wakes_in))) if at == steps => operator.stop(wakes_in, 40),
            _ => {}
        }
        steps += 1;
    }

    People::put_everything_right(&mut lock(&world));
    operator.run_minutes(5);
    let before = (oracle::count_writes(&lock(&world)), operator.store.writes());
    operator.run_minutes(4);
    let after = (oracle::count_writes(&lock(&world)), operator.store.writes());
    if before != after {
        return Err(format!("at rest something was written: {before:?}, {after:?}"));
    }
    let world = lock(&world);
    oracle::judge(&Evidence {
        world: &world,
        state: &operator.store.state(),
        journal: &operator.journal(),
        definition: &operator.definition,
        report: &operator.report(),
        swarm: &Swarm::default(),
        drift_ignored: false,
        lost_state: operator.lost_state,
    })?;
    Ok(steps)
}

/// Every step with `SYNCFLOW_SIMULATION_EVERY=1`, which `make simulate` sets; some of them in an ordinary build.
const EVERY: u64 = 97;

#[test]
fn no_crash_and_no_takeover_at_any_step_of_any_scenario_loses_or_doubles_anything() {
    let every = crate::number("SYNCFLOW_SIMULATION_EVERY").unwrap_or(EVERY).max(1);
    let mut found = Vec::new();
    let mut told = 0_u64;
    for (number, scenario) in (0..).zip(SCENARIOS) {
        let steps = match tell(scenario, None) {
            Ok(steps) => steps,
            Err(why) => {
                found.push(format!("{}, without a crash: {why}", scenario.name));
                continue;
            }
        };
        // Another part of the steps in each scenario.
        for at in (number % every..steps).step_by(usize::try_from(every).unwrap()) {
            for fate in FATES {
                told += 1;
                if let Err(why) = tell(scenario, Some((at, fate))) {
                    found.push(format!("{}, {fate:?} at step {at}: {why}", scenario.name));
                }
            }
        }
    }
    println!("{} scenarios told {told} times", SCENARIOS.len());
    let shown = found.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(found.is_empty(), "{} of {told} fail\n{shown}", found.len());
}
