//! Crash points, one by one: each scenario is told once to count the steps that the process takes, and then again for
//! each step: with the process killed there, with it stopped there until another has taken over, and, where an answer
//! is on its way, with that answer lost.
//!
//! A step lies between two awaits, and every call and every write of the store has one before its effect, one after it
//! and one after its answer ([`every_call_and_every_write_of_the_store_is_a_step_of_its_own`]); so no place is left out
//! where a process can die.

use std::fmt;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use syncflow::core::link::Link;
use syncflow::core::side::{PerSide, Side};

use crate::campaign::on_every_core;
use crate::operator::Operator;
use crate::oracle::{self, Evidence};
use crate::people::People;
use crate::process::Stepped;
use crate::run::words_of_panic;
use crate::scenarios::{Scenario, scenarios};
use crate::script::Script;
use crate::settings;
use crate::swarm::{Swarm, Trait};
use crate::world::{Shared, World, lock};

/// The second act of a scenario comes within so many virtual minutes, or never.
const PATIENCE: i64 = 40;

/// What becomes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    /// Killed, and nobody takes over for an hour.
    Missed,
    /// Stopped; its successor takes so many steps before it wakes.
    Stopped(u64),
    /// The answer that is on its way is lost. It hears that, and is killed so many steps later, or goes on.
    AnswerLost(Option<u64>),
}

/// Where nothing is on its way.
const ANYWHERE: [Fate; 5] = [
    Fate::Killed,
    Fate::Missed,
    Fate::Stopped(0),
    Fate::Stopped(30),
    Fate::Stopped(150),
];
/// How long nobody is there, in virtual milliseconds.
const AN_HOUR: i64 = 3_600_000;
/// So many steps a process goes on that was stopped and woke.
const AWAKE: u64 = 60;
const ON_ITS_WAY: [Fate; 3] = [
    Fate::AnswerLost(None),
    Fate::AnswerLost(Some(1)),
    Fate::AnswerLost(Some(4)),
];

/// One place in one scenario, and what happens there: `a case is made / killed / 57`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    scenario: &'static str,
    fate: Fate,
    at: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.fate {
            Fate::Killed => "killed".to_owned(),
            Fate::Missed => "missed for an hour".to_owned(),
            Fate::Stopped(wakes_in) => format!("stopped for {wakes_in}"),
            Fate::AnswerLost(None) => "answer lost".to_owned(),
            Fate::AnswerLost(Some(later)) => format!("answer lost and killed after {later}"),
        };
        write!(formatter, "{} / {fate} / {}", self.scenario, self.at)
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_cut = || format!("{text:?} is no cut: write SCENARIO / FATE / STEP");
        let (name, rest) = text.split_once(" / ").ok_or_else(no_cut)?;
        let (_, step) = rest.split_once(" / ").ok_or_else(no_cut)?;
        let at = step.trim().parse().map_err(|_| no_cut())?;
        let scenario = scenarios().find(|scenario| scenario.name == name);
        let scenario = scenario.ok_or_else(|| format!("{name:?} is no scenario"))?.name;
        let mut cuts = ANYWHERE
            .into_iter()
            .chain(ON_ITS_WAY)
            .map(|fate| Self { scenario, fate, at });
        cuts.find(|cut| cut.to_string() == text).ok_or_else(no_cut)
    }
}

/// What one step of the process did.
#[derive(Clone, Debug)]
struct Trace {
    /// Calls that were answered, and whose answers are on their way back.
    calls: Range<u64>,
    of_side: PerSide<u64>,
    stored: u64,
    /// Was a write prepared then whose outcome is not known?
    writing: bool,
}

/// How far everything has come.
struct Marks {
    calls: u64,
    of_side: PerSide<u64>,
    stored: u64,
    writing: bool,
}

impl Marks {
    fn of(world: &World, operator: &Operator) -> Self {
        Self {
            calls: world.calls,
            of_side: world.calls_of,
            stored: operator.store.writes(),
            writing: operator.store.state().links().any(Link::has_intent),
        }
    }

    fn until(&self, later: &Self) -> Trace {
        Trace {
            calls: self.calls..later.calls,
            of_side: PerSide::from_fn(|side| later.of_side[side] - self.of_side[side]),
            stored: later.stored - self.stored,
            writing: later.writing,
        }
    }
}

/// Tells a scenario, cut off there if at all. Returns what each step did.
fn tell(scenario: &Scenario, cut: Option<(u64, Fate)>, loud: bool) -> Result<Vec<Trace>, String> {
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| play(scenario, cut, loud)));
    told.unwrap_or_else(|panic| Err(words_of_panic(&*panic)))
}

fn play(scenario: &Scenario, cut: Option<(u64, Fate)>, loud: bool) -> Result<Vec<Trace>, String> {
    crate::mutants::plant_what_is_asked_for();
    let (org, instance) = (settings::salesforce(), settings::service_now(1));
    let mut world = World::new(Script::whole(1), org, instance, settings::beginning());
    world.troubled = false;
    world.loud = loud;
    let swarm = Swarm::of(scenario.traits);
    world.cuts_texts = swarm.has(Trait::CutTexts);
    world.squeeze_for_scenes();
    let mut definition = settings::guide();
    (scenario.manifests)(&mut definition);
    (scenario.before)(&mut world);
    let world: Shared = Arc::new(Mutex::new(world));
    let mut operator = Operator::start(&world, definition, settings::hurried());
    if !scenario.from_the_start {
        operator.run_minutes(3);
    }
    let writes = |operator: &Operator| (oracle::count_writes(&lock(&world)), operator.store.writes());
    let began = writes(&operator);
    (scenario.act)(&mut lock(&world), &mut operator);

    let steps = watch(scenario, &world, &mut operator, cut)?;
    if cut.is_none() && (writes(&operator) == began || !(scenario.comes_to)(&lock(&world), &operator)) {
        return Err(format!("it comes to nothing: {:?}", operator.report()));
    }

    People::put_everything_right(&mut lock(&world));
    operator.run_minutes(5);
    let before = writes(&operator);
    operator.run_minutes(4);
    let after = writes(&operator);
    let world = lock(&world);
    let evidence = Evidence {
        world: &world,
        state: &operator.store.state(),
        journal: &operator.journal(),
        definition: &operator.definition,
        report: &operator.report(),
        swarm: &swarm,
        drift_ignored: false,
        lost_state: operator.lost_state,
    };
    if loud {
        oracle::telling::tell(&evidence);
    }
    if before != after {
        return Err(format!("at rest something was written: {before:?}, {after:?}"));
    }
    oracle::judge(&evidence)?;
    Ok(steps)
}

/// The part of a story in which the process is cut off.
fn watch(
    scenario: &Scenario,
    world: &Shared,
    operator: &mut Operator,
    cut: Option<(u64, Fate)>,
) -> Result<Vec<Trace>, String> {
    let mut began = lock(world).now;
    let mut end = began + scenario.watched * 60_000;
    let mut then = scenario.then;
    let mut steps = Vec::new();
    for step in 0.. {
        let before = Marks::of(&lock(world), operator);
        let stepped = operator.step();
        let mut now = lock(world);
        if let Some((at, fate)) = cut {
            match fate {
                Fate::AnswerLost(_) if at == step => now.loses_answers = before.calls..now.calls,
                _ => {}
            }
        }
        if then.is_some_and(|act| act(&mut now, operator)) {
            then = None;
            end = end.max(now.now + 2 * 60_000);
        }
        let wake = now.next_wake();
        if stepped == Stepped::Asleep {
            now.now = wake.unwrap_or(end).max(now.now);
        }
        if now.now >= began + PATIENCE * 60_000 {
            return Err("its second act never comes".to_owned());
        }
        if now.now >= end && then.is_none() {
            break;
        }
        steps.push(before.until(&Marks::of(&now, operator)));
        drop(now);
        match cut {
            Some((at, Fate::Killed)) if at == step => operator.kill(),
            Some((at, Fate::Missed)) if at == step => {
                operator.kill();
                lock(world).now += AN_HOUR;
                (began, end) = (began + AN_HOUR, end + AN_HOUR);
            }
            Some((at, Fate::Stopped(wakes_in))) if at == step => operator.stop(wakes_in, AWAKE),
            Some((at, Fate::AnswerLost(Some(later)))) if at + later == step => operator.kill(),
            _ => {}
        }
    }
    Ok(steps)
}

/// Every way to cut off a story that takes these steps.
fn cuts(scenario: &'static str, steps: &[Trace]) -> Vec<Cut> {
    let mut all = Vec::new();
    for (at, step) in (0..).zip(steps) {
        let here: &[Fate] = if step.calls.is_empty() { &[] } else { &ON_ITS_WAY };
        all.extend(ANYWHERE.iter().chain(here).map(|fate| Cut {
            scenario,
            fate: *fate,
            at,
        }));
    }
    all
}

fn tell_cut(cut: Cut, loud: bool) -> Result<(), String> {
    let scenario = scenarios().find(|scenario| scenario.name == cut.scenario);
    tell(
        scenario.expect("it is one of them"),
        Some((cut.at, cut.fate)),
        loud,
    )
    .map(|_| ())
}

/// Every cut with `SYNCFLOW_SIMULATION_EVERY=1`, which `make simulate` sets; some of them in an ordinary build.
const EVERY: usize = 211;

#[test]
fn no_crash_and_no_takeover_at_any_step_of_any_scenario_loses_or_doubles_anything() {
    if let Ok(cut) = std::env::var("SYNCFLOW_SIMULATION_CUT") {
        let cut: Cut = cut.parse().unwrap_or_else(|why| panic!("{why}"));
        tell_cut(cut, true).unwrap_or_else(|why| panic!("{cut}: {why}"));
        return;
    }
    let every = std::env::var("SYNCFLOW_SIMULATION_EVERY").ok();
    let every = every.and_then(|every| every.parse().ok()).unwrap_or(EVERY).max(1);
    let only = std::env::var("SYNCFLOW_SIMULATION_SCENARIO").unwrap_or_default();
    let stories: Vec<&Scenario> = scenarios()
        .filter(|scenario| scenario.name.contains(&only))
        .collect();
    let mut found = Vec::new();
    let mut all: Vec<Cut> = Vec::new();
    on_every_core(
        "scenarios",
        stories.len(),
        |number| tell(stories[number], None, false),
        |number, told| {
            let name = stories[number].name;
            match told {
                // Other parts of the story in each scenario.
                Ok(steps) => all.extend(cuts(name, &steps).into_iter().skip(number % every).step_by(every)),
                Err(why) => found.push(format!("{name}, without a crash: {why}")),
            }
            found.len()
        },
    );
    on_every_core(
        "crash points",
        all.len(),
        |number| tell_cut(all[number], false),
        |number, told| {
            if let Err(why) = told {
                let cut = all[number];
                found.push(format!("{cut}: {why}\n  again: make simulate CUT='{cut}'"));
            }
            found.len()
        },
    );
    println!("{} scenarios, cut off in {} ways", stories.len(), all.len());
    let shown = found.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(found.is_empty(), "{} of {} fail\n{shown}", found.len(), all.len());
}

/// So each has a cut before its effect (the step before), one after it and before its answer (that step), and one after
/// its answer (the next).
#[test]
fn every_call_and_every_write_of_the_store_is_a_step_of_its_own() {
    let (mut calls, mut stored) = (0, 0);
    for scenario in scenarios().filter(|scenario| scenario.from_the_start) {
        let steps = tell(scenario, None, false).unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
        for step in &steps {
            let of_each_side = Side::BOTH.iter().all(|side| step.of_side[*side] <= 1);
            assert!(of_each_side && step.stored <= 1, "{step:?}");
            assert!(step.calls.is_empty() || step.stored == 0, "{step:?}");
            calls += step.calls.end - step.calls.start;
            stored += step.stored;
        }
        // What was answered is heard of in the next step, which does nothing else at that service.
        for pair in steps.windows(2) {
            let of_both = |side: &Side| pair.iter().all(|step| step.of_side[*side] > 0);
            let again = Side::BOTH.iter().any(of_both);
            assert!(!again, "{pair:?}");
        }
    }
    assert!(calls > 40 && stored > 10, "{calls} calls, {stored} writes");
}

#[test]
fn a_process_that_was_stopped_in_mid_write_and_wakes_writes_nothing_any_more() {
    let story =
        scenarios().find(|scenario| scenario.name == "a case is edited, and again when that has arrived");
    let story = story.expect("it is one of them");
    let steps = tell(story, None, false).unwrap_or_else(|why| panic!("{why}"));
    let (mut times, first) = (0, steps.iter().position(|step| step.writing).expect("it writes"));
    for (at, _) in steps
        .iter()
        .enumerate()
        .skip(first)
        .take_while(|(_, step)| step.writing)
    {
        let at = at as u64;
        tell(story, Some((at, Fate::Stopped(150))), false).unwrap_or_else(|why| panic!("step {at}: {why}"));
        times += 1;
    }
    assert!(times >= 4, "stopped {times} times");
}

#[test]
fn a_cut_is_written_as_it_is_read() {
    for text in [
        "a case is made / killed / 57",
        "a case is made / stopped for 30 / 0",
        "a case is made / answer lost and killed after 4 / 8",
    ] {
        assert_eq!(text.parse::<Cut>().unwrap().to_string(), text);
    }
    assert!("a case is made / drowned / 57".parse::<Cut>().is_err());
}
