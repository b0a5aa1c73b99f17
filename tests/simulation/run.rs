//! One seed, from its first record to its verdict.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use syncflow::core::side::PerSide;

use crate::administrators::Administrators;
use crate::chance::Chance;
use crate::lease::Lease;
use crate::operator::Operator;
use crate::oracle::{self, Evidence};
use crate::people::People;
use crate::process::Stepped;
use crate::script::{Happening, Kind, Script};
use crate::settings::{self, Settings};
use crate::swarm::{Swarm, Trait};
use crate::world::{Shared, World, lock};

/// An administrator changes something in so many of ten thousand steps.
const CHANGES: u64 = 120;

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

/// What came of a run.
pub struct Outcome {
    /// The error says what the oracle found.
    pub verdict: Result<Summary, String>,
    /// What happened of what the seed draws: what a shorter story can do without.
    pub happened: Vec<Happening>,
}

/// Runs a script to its end. Loud, it tells everything. A panic is found like anything else.
pub fn run(script: &Script, loud: bool) -> Outcome {
    let (world, play) = prepare(script);
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| play(loud)));
    let verdict = played.unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", words.unwrap_or("without words")))
    });
    let happened = world
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .happened
        .clone();
    Outcome { verdict, happened }
}

/// The world that a script begins in, and what follows.
fn prepare(script: &Script) -> (Shared, impl FnOnce(bool) -> Result<Summary, String>) {
    let (swarm, traits) = Swarm::draw(script);
    let mut chance = Chance::new(script.seed);
    let settings = settings::draw(&mut chance, &swarm);
    let (mut org, mut instance) = (settings::salesforce(), settings::service_now(script.seed));
    settings::give_habits(&mut chance, &swarm, &mut org, &mut instance);
    let mut world = World::new(script.clone(), org, instance, settings::beginning());
    world.happened = traits.into_iter().map(|number| (Kind::Trait, number)).collect();
    world.trouble = swarm.trouble();
    world.squeeze = settings.squeeze;
    if let Some(squeeze) = settings.squeeze {
        world.lease = Lease::lasting(squeeze.write_timeout * 3);
    }
    if swarm.has(Trait::Skew) {
        world.skew = PerSide::from_fn(|_| {
            let minutes = i64::try_from(chance.below(21)).unwrap() - 10;
            minutes * 60_000 + i64::try_from(chance.below(1000)).unwrap()
        });
    }
    let world: Shared = Arc::new(Mutex::new(world));
    let seed = script.seed;
    let stage = Arc::clone(&world);
    (world, move |loud| play(seed, &stage, &swarm, settings, loud))
}

fn play(seed: u64, world: &Shared, swarm: &Swarm, settings: Settings, loud: bool) -> Result<Summary, String> {
    lock(world).loud = loud;
    let mut people = People::new(swarm);
    people.begin(&mut lock(world), settings.records);

    let administrators = Administrators::new(settings.definition.clone());
    let mut operator = Operator::start(world, settings.definition, settings.tuning);
    let mut drift_ignored = false;
    let mut crashes = 0;
    for step in 0..settings.steps {
        let stepped = operator.step();
        let drawn = |kind: &str, below: u64| {
            let mut chance = Chance::of(seed, kind, step);
            (chance.below(10_000) < below).then_some(chance)
        };
        let mut now = lock(world);
        let wake = now.next_wake();
        if stepped == Stepped::Asleep {
            now.now = wake.unwrap_or(now.now + 1000).max(now.now);
        }
        if drawn("acts", settings.bustle * 10).is_some() && now.happens((Kind::Act, step)) {
            people.act(&mut now, step);
        }
        let change = drawn("changes", CHANGES).filter(|_| now.happens((Kind::Change, step)));
        let crash = drawn("crashes", settings.crashes).filter(|_| now.happens((Kind::Crash, step)));
        drop(now);
        drift_ignored |= operator.definition.drift == syncflow::core::definition::DriftPolicy::Ignore;
        if let Some(mut chance) = change {
            administrators.change(world, &mut operator, swarm, &mut chance);
        }
        if let Some(mut chance) = crash {
            crashes += 1;
            operator.crash(swarm, &mut chance);
        }
    }

    lock(world).troubled = false;
    administrators.put_back(world, &mut operator);
    // What is underway still arrives; only then can anything be put right for good.
    operator.run_minutes(2);
    People::put_everything_right(&mut lock(world));
    operator.run_minutes(settings.quiet);
    let before = (oracle::count_writes(&lock(world)), operator.store.writes());
    operator.run_minutes(settings.rest);
    let after = (oracle::count_writes(&lock(world)), operator.store.writes());

    let world = lock(world);
    let evidence = Evidence {
        world: &world,
        state: &operator.store.state(),
        journal: &operator.journal(),
        definition: &operator.definition,
        report: &operator.report(),
        swarm,
        drift_ignored,
        lost_state: operator.lost_state,
    };
    if loud {
        println!("{swarm:?}");
        oracle::telling::tell(&evidence);
    }
    // A quarantined record is tried again, each time later: that is stored.
    let stuck = evidence.report.quarantined > 0;
    let verdict = if before == after || (stuck && before.0 == after.0) {
        oracle::judge(&evidence)
    } else {
        Err(format!(
            "at rest something was written: (services, store) went from {before:?} to {after:?}"
        ))
    };
    verdict.map(|unseen| Summary {
        edits: people.edits,
        crashes,
        lost_answers: world.lost_answers,
        conflicts: evidence.report.conflicts,
        links: evidence.state.links().count() as u64,
        unseen,
    })
}
