//! One seed, from its first record to its verdict.

use std::sync::{Arc, Mutex};

use syncflow::adapters::link_store::memory::MemoryStore;
use syncflow::core::side::Side;
use syncflow_simulators::Model;

use crate::oracle;
use crate::people::People;
use crate::process::{Process, Stepped};
use crate::settings;
use crate::world::{Chance, Shared, World, lock};

/// How long everything is quiet before the oracle looks: longer than any write may still be at work (Salesforce: 2 + 10
/// minutes), several cycles, and the deep overlap.
const QUIET_MILLIS: i64 = 45 * 60 * 1000;
/// How long nothing may be written after that.
const REST_MILLIS: i64 = 25 * 60 * 1000;

/// What a run saw.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub edits: u64,
    pub crashes: u64,
    pub lost_answers: u64,
    pub conflicts: u64,
    pub links: u64,
    /// Edits that were overwritten in the moment between our last look and our write: nobody could see them.
    pub unseen: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Self) {
        self.edits += other.edits;
        self.crashes += other.crashes;
        self.lost_answers += other.lost_answers;
        self.conflicts += other.conflicts;
        self.links += other.links;
        self.unseen += other.unseen;
    }
}

/// Runs a seed. The error says what the oracle found.
pub fn run(seed: u64, loud: bool) -> Result<Summary, String> {
    let mut chance = Chance::new(seed);
    let settings = settings::draw(&mut chance);
    let salesforce = settings::salesforce(&mut chance);
    let service_now = settings::service_now(&mut chance, seed);
    let world: Shared = Arc::new(Mutex::new(World::new(
        chance.next(),
        salesforce,
        service_now,
        settings::beginning(),
    )));
    let store = MemoryStore::new();
    let mut people = People::default();
    for _ in 0..=chance.below(4) {
        for side in Side::BOTH {
            let in_rules = chance.permille(700);
            people.create(&mut lock(&world), side, in_rules);
        }
    }

    let start = || Process::start(&world, &store, &settings.definition, settings.tuning, [7; 32]);
    let mut process = start();
    let mut crashes = 0;
    for _ in 0..settings.steps {
        let stepped = process.step();
        let mut now = lock(&world);
        let wake = now.next_wake();
        if stepped == Stepped::Asleep {
            now.now = wake.unwrap_or(now.now + 1000).max(now.now);
        }
        if now.chance.permille(settings.bustle) {
            people.act(&mut now);
        }
        let dies = now.chance.below(10_000) < settings.crashes;
        drop(now);
        if dies {
            crashes += 1;
            drop(process);
            process = start();
        }
    }

    {
        let mut world = lock(&world);
        world.troubled = false;
        People::bring_everything_in(&mut world);
    }
    process.run_for(&world, QUIET_MILLIS);
    let before = (writes(&world), store.writes());
    process.run_for(&world, REST_MILLIS);
    let after = (writes(&world), store.writes());

    let state = store.state();
    let report = process.reports.borrow().clone();
    let world = lock(&world);
    if loud {
        crate::oracle::tell(&world, &state, &settings.definition);
        println!("{report:#?}");
    }
    if before != after {
        return Err(format!(
            "at rest something was written: (services, store) went from {before:?} to {after:?}"
        ));
    }
    let unseen = oracle::judge(&world, &state, &settings.definition, &report)?;
    Ok(Summary {
        edits: people.edits,
        crashes,
        lost_answers: world.lost_answers,
        conflicts: report.conflicts,
        links: state.links().count() as u64,
        unseen,
    })
}

fn writes(world: &Shared) -> usize {
    let world = lock(world);
    world.salesforce.model.writes().len() + world.service_now.model.writes().len()
}
