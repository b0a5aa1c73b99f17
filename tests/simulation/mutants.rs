//! Would the tests find a bug? Each bug of `core::planted` is planted in turn, and some seed, or some scene of the
//! promises, has to find it. Only in a build with the feature `planted-bugs`; `make mutants` makes one.

#[cfg(feature = "planted-bugs")]
use std::fmt::Write as _;
#[cfg(feature = "planted-bugs")]
use std::process::Command;

#[cfg(feature = "planted-bugs")]
use syncflow::core::planted::{Bug, plant};

#[cfg(feature = "planted-bugs")]
use crate::campaign::first_failure;
#[cfg(feature = "planted-bugs")]
use crate::number;

/// Which bug the scenes of this process play with.
#[cfg(feature = "planted-bugs")]
const PLANTED: &str = "SYNCFLOW_PLANTED_BUG";

/// A bug is found within so many seeds, or not at all.
#[cfg(feature = "planted-bugs")]
const SEEDS: u64 = 1_000;

/// Plants in this thread what the mutation check asked this process for.
pub fn plant_what_is_asked_for() {
    #[cfg(feature = "planted-bugs")]
    if let Ok(name) = std::env::var(PLANTED) {
        plant(Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == name));
    }
}

#[cfg(feature = "planted-bugs")]
#[test]
fn every_planted_bug_is_found() {
    // The scenes of a planted bug run in a process like this one.
    if std::env::var(PLANTED).is_ok() {
        return;
    }
    let only = std::env::var("SYNCFLOW_SIMULATION_BUG")
        .ok()
        .filter(|name| !name.is_empty());
    let seeds = number("SYNCFLOW_SIMULATION_MUTANT_SEEDS").unwrap_or(SEEDS);
    let mut table = String::from("| bug | found by | after |\n|---|---|---|\n");
    let mut survivors = Vec::new();
    for bug in Bug::ALL.iter().copied() {
        if only.as_ref().is_some_and(|only| *only != format!("{bug:?}")) {
            continue;
        }
        let line = if let Some((seed, found)) = first_failure(seeds, Some(bug)) {
            let found = found.lines().next().unwrap_or_default().replace('|', "/");
            format!("| {bug:?} | {} | {} seeds |", shortened(&found), seed + 1)
        } else if let Some(scene) = failing_scene(bug) {
            format!("| {bug:?} | scene `{scene}` | |")
        } else {
            survivors.push(bug);
            format!("| {bug:?} | **nothing** | {seeds} seeds and every scene |")
        };
        eprintln!("{line}");
        let _ = writeln!(table, "{line}");
    }
    println!("{table}");
    assert!(
        survivors.is_empty(),
        "these bugs were planted and not found: {survivors:?}"
    );
}

#[cfg(feature = "planted-bugs")]
fn shortened(found: &str) -> String {
    found.chars().take(140).collect()
}

/// A scene that fails with the bug: they run in a process of their own.
#[cfg(feature = "planted-bugs")]
fn failing_scene(bug: Bug) -> Option<String> {
    let output = Command::new(std::env::current_exe().expect("we run"))
        .args(["promises::", "hazards::", "--test-threads", "2"])
        .env(PLANTED, format!("{bug:?}"))
        .output()
        .expect("the scenes can be started");
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = told.lines().find_map(|line| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        name.rsplit("::").next().map(str::to_owned)
    });
    assert_eq!(failed.is_none(), output.status.success(), "{told}");
    failed
}
