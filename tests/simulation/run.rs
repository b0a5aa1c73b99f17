//! One seed, from its first record to its verdict.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use syncflow::core::side::{PerSide, Side};
use syncflow_simulators::{Actor, WriteKind};

use crate::administrators::{self, Administrators};
use crate::chance::Chance;
use crate::counts::{Counts, Deed};
use crate::lease::Lease;
use crate::operator::Operator;
use crate::oracle::{self, Evidence};
use crate::people::People;
use crate::process::Stepped;
use crate::script::{Happening, Kind, Script};
use crate::settings::{self, MARKED, Settings};
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
    /// Everything that happened, by kind.
    pub counts: Counts,
}

impl Summary {
    /// The figures that a reader looks for first.
    pub fn line(&self) -> String {
        format!(
            "{} edits, {} crashes, {} answers to writes lost, {} conflicts, {} links, {} edits that nobody could see",
            self.edits, self.crashes, self.lost_answers, self.conflicts, self.links, self.unseen
        )
    }

    pub fn add(&mut self, other: &Self) {
        self.edits += other.edits;
        self.crashes += other.crashes;
        self.lost_answers += other.lost_answers;
        self.conflicts += other.conflicts;
        self.links += other.links;
        self.unseen += other.unseen;
        self.counts.add(&other.counts);
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
    let verdict = played.unwrap_or_else(|panic| Err(words_of_panic(&*panic)));
    let happened = world
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .happened
        .clone();
    Outcome { verdict, happened }
}

pub fn words_of_panic(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", words.unwrap_or("without words"))
}

/// The world that a script begins in, and what follows.
fn prepare(script: &Script) -> (Shared, impl FnOnce(bool) -> Result<Summary, String>) {
    let (swarm, traits) = Swarm::draw(script);
    let mut chance = Chance::new(script.seed);
    let settings = settings::draw(script.seed, &mut chance, &swarm);
    let (mut org, mut instance) = (settings::salesforce(), settings::service_now(script.seed));
    settings::give_habits(&mut chance, &swarm, &mut org, &mut instance);
    let mut world = World::new(script.clone(), org, instance, settings::beginning());
    world.happened = traits.into_iter().map(|number| (Kind::Trait, number)).collect();
    world.trouble = swarm.trouble();
    for one in swarm.all() {
        world.counts.note_trait(one);
    }
    world.cuts_texts = swarm.has(Trait::CutTexts);
    world.squeeze = settings.squeeze;
    if swarm.has(Trait::ClockDrift) {
        let mut chance = Chance::of(script.seed, "drift", 0);
        world.drift = PerSide::from_fn(|_| *chance.pick(&[-20_000, -5_000, -200, 200, 5_000, 20_000]));
    }
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

/// Without trouble, but what a guard holds back is approved.
fn quiet_minutes(world: &Shared, operator: &mut Operator, minutes: i64) {
    for _ in 0..minutes {
        operator.run_minutes(1);
        administrators::approve(world, operator);
    }
}

/// People pick a side in whatever still waits for them.
fn resolve_everything(seed: u64, world: &Shared, operator: &mut Operator) -> Result<(), String> {
    for round in 0..20 {
        if operator.report().open_conflicts == 0 {
            return Ok(());
        }
        administrators::resolve(world, operator, &mut Chance::of(seed, "resolves", round));
        operator.run_minutes(2);
    }
    Err(format!(
        "conflicts stay open although a person picked a side in each: {:?}",
        operator.report().disputes
    ))
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
    quiet_minutes(world, &mut operator, 2);
    People::put_everything_right(&mut lock(world));
    quiet_minutes(world, &mut operator, settings.quiet);
    if swarm.has(Trait::ManualConflicts) {
        resolve_everything(seed, world, &mut operator)?;
    }
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
        counts: by_the_flow(&world),
        conflicts: evidence.report.conflicts,
        links: evidence.state.links().count() as u64,
        unseen,
    })
}

/// What happened, with what the flow did to counterparts of deleted records.
fn by_the_flow(world: &World) -> Counts {
    let mut counts = world.counts.clone();
    for side in Side::BOTH {
        for write in oracle::writes(world, side).filter(|write| matches!(write.actor, Actor::Api(_))) {
            if write.kind == WriteKind::Deleted {
                counts.note(Deed::DeletedByFlow);
            }
            if write.changed.contains_key(MARKED[side].0) {
                counts.note(Deed::MarkedByFlow);
            }
        }
    }
    counts
}
