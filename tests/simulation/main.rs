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
//! - [`world`]: both services, the clock, chance, and what happens to a call on its way
//! - [`process`]: one operator process: polled step by step, killed between two steps
//! - [`people`]: what users do; every value they write is unique
//! - [`settings`]: what a seed draws of a flow's manifests and of the services' habits
//! - [`oracle`]: what must be true at the end
//! - [`promises`]: the same world, calm, for one promise at a time
//! - [`hazards`]: the same, with one hazard of the services' APIs at a time

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is a test: a panic is its way of failing"
)]

mod hazards;
mod oracle;
mod people;
mod process;
mod promises;
mod run;
mod settings;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds `make test` runs, in about two minutes; more with `SYNCFLOW_SIMULATION_SEEDS`.
const SEEDS: u64 = 500;

#[test]
fn no_edit_is_lost_or_invented_no_record_is_doubled_and_nothing_is_written_at_rest() {
    if let Some(seed) = number("SYNCFLOW_SIMULATION_SEED") {
        let summary = run::run(seed, true).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        println!("seed {seed}: {summary:?}");
        return;
    }
    let first = number("SYNCFLOW_SIMULATION_FIRST").unwrap_or(0);
    let seeds = number("SYNCFLOW_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (summaries, failures) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut total = run::Summary::default();
                    let mut failures = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + seeds {
                            return (total, failures);
                        }
                        match run::run(seed, false) {
                            Ok(summary) => total.add(&summary),
                            Err(failure) => failures.push((seed, failure)),
                        }
                    }
                })
            })
            .collect();
        let mut total = run::Summary::default();
        let mut failures = Vec::new();
        for worker in workers {
            let (summary, mut failed) = worker.join().expect("a simulation thread panicked");
            total.add(&summary);
            failures.append(&mut failed);
        }
        (total, failures)
    });
    println!("{seeds} seeds: {summaries:?}");
    let mut failures = failures;
    failures.sort_by_key(|(seed, _)| *seed);
    let shown: Vec<String> = failures
        .iter()
        .take(5)
        .map(|(seed, failure)| format!("seed {seed}: {failure}"))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {seeds} seeds failed\n{}",
        failures.len(),
        shown.join("\n")
    );
    // A simulation in which nothing happens proves nothing.
    assert!(summaries.edits > seeds && summaries.crashes > seeds && summaries.lost_answers > seeds / 10);
    assert!(summaries.conflicts > 0 && summaries.links > seeds);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
