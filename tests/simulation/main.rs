//! The deterministic simulation: the real engine and the real adapters against the pure models of both services, on one
//! thread, with a virtual clock. One seed decides everything, so a failing run is replayed exactly by its seed:
//!
//! ```text
//! SYNCFLOW_SIMULATION_SEED=42 cargo test --test simulation -- --nocapture
//! ```
//!
//! People edit both sides while answers are lost and the process dies at any await and starts again from the store. Then
//! everything is quiet, and the oracle, which knows nothing of the engine, looks at what the services' own audit says.
//!
//! - [`run`]: one seed, from its first record to its verdict; [`campaign`]: many of them
//! - [`script`], [`chance`]: what happens, each event drawn for itself; [`counts`]: how often it did
//! - [`swarm`]: what a seed draws of habits and troubles; [`settings`]: of manifests, times and sizes
//! - [`world`]: both services, the clock, and what happens to a call on its way; [`trouble`]: what goes wrong with it
//! - [`operator`], [`process`], [`lease`], [`remote`]: the operator's processes, one after another or two at once
//! - [`people`], [`administrators`]: what users and administrators do; every value that users write is unique
//! - [`oracle`]: what must be true at the end
//! - [`scenarios`], [`crash_points`]: short stories, cut off at every step
//! - [`once_failed`]: what was found, kept
//! - [`mutants`]: would it be found? [`shrink`]: as little as it takes to fail
//! - [`promises`]: the same world, calm, for one promise at a time
//! - [`hazards`]: the same, with one hazard of the services' APIs at a time

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is a test: a panic is its way of failing"
)]

mod administrators;
mod campaign;
mod chance;
mod counts;
mod crash_points;
mod hazards;
mod lease;
mod mutants;
mod once_failed;
mod operator;
mod oracle;
mod people;
mod process;
mod promises;
mod remote;
mod run;
mod scenarios;
mod script;
mod settings;
mod shrink;
mod swarm;
mod trouble;
mod world;

use script::Script;

/// How many seeds `cargo test` runs; `make simulate` runs any number.
const SEEDS: u64 = 1_000;

#[test]
fn no_edit_is_lost_or_invented_no_record_is_doubled_and_nothing_is_written_at_rest() {
    if let Ok(script) = std::env::var("SYNCFLOW_SIMULATION_SEED") {
        let script: Script = script.parse().unwrap_or_else(|why| panic!("{why}"));
        match run::run(&script, true).verdict {
            Ok(summary) => println!("seed {script}: {summary:?}"),
            Err(found) => panic!("seed {script}: {found}"),
        }
        return;
    }
    if let Ok(script) = std::env::var("SYNCFLOW_SIMULATION_SHRINK") {
        let script: Script = script.parse().unwrap_or_else(|why| panic!("{why}"));
        tell_shortly(&script);
        return;
    }
    let first = number("SYNCFLOW_SIMULATION_FIRST").unwrap_or(0);
    let seeds = number("SYNCFLOW_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let tally = campaign::march(first, seeds);
    println!("{}\n{}", tally.line(), tally.total.counts);
    let shown: Vec<String> = tally
        .failures
        .iter()
        .take(50)
        .map(|(seed, found)| {
            format!(
                "seed {seed}: {found}
  again: make simulate SEED={seed}"
            )
        })
        .collect();
    assert!(
        tally.failures.is_empty(),
        "{} of {seeds} seeds failed\n{}",
        tally.failures.len(),
        shown.join("\n")
    );
    // A simulation in which nothing happens proves nothing.
    let total = tally.total;
    assert!(total.edits > seeds && total.crashes > seeds && total.lost_answers > seeds / 10);
    assert!(total.conflicts > 0 && total.links > seeds);
    let missing = total.counts.missing();
    assert!(
        seeds < SEEDS || missing.is_empty(),
        "in none of {seeds} runs was there {missing:?}"
    );
}

/// How often a failing script is told again to make it short.
const TELLINGS: u32 = 400;

fn tell_shortly(script: &Script) {
    let Some(shrunk) = shrink::shrink(script, TELLINGS) else {
        println!("{script} does not fail");
        return;
    };
    let (before, now) = shrunk.events;
    println!("{}\n  {now} of {before} events: {}", shrunk.found, shrunk.script);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
