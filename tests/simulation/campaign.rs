//! Many seeds, on every core, with word of how far it has come.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::run::{Summary, run};
use crate::script::Script;

/// How often it says where it stands.
const EVERY: Duration = Duration::from_secs(5);

/// What came of many seeds.
#[derive(Default)]
pub struct Tally {
    pub seeds: u64,
    pub total: Summary,
    /// The failing seeds and what the oracle found, in order.
    pub failures: Vec<(u64, String)>,
    pub seconds: f64,
}

impl Tally {
    /// One line: seeds, speed, failures.
    pub fn line(&self) -> String {
        let speed = rate(self.seeds, self.seconds);
        format!(
            "{} seeds in {:.0} s ({speed:.0} a second): {} failures; {}",
            self.seeds,
            self.seconds,
            self.failures.len(),
            self.total.line()
        )
    }
}

/// Runs these seeds. A panic is a failure of its seed, not of the campaign.
pub fn march(first: u64, seeds: u64, progress: bool) -> Tally {
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    let said = Mutex::new(Instant::now());
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let outcome = run(&Script::whole(seed), false);
                    let mut tally = tally.lock().expect("nobody panics with it");
                    tally.seeds += 1;
                    match outcome.verdict {
                        Ok(summary) => tally.total.add(&summary),
                        Err(found) => tally.failures.push((seed, found)),
                    }
                    let mut said = said.lock().expect("nobody panics with it");
                    if progress && said.elapsed() >= EVERY {
                        *said = Instant::now();
                        say(&tally, seeds, begun.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().expect("nobody panicked with it");
    tally.failures.sort();
    tally.seconds = begun.elapsed().as_secs_f64();
    tally
}

/// The first of so many seeds that fails with the bug and not without it.
#[cfg(feature = "planted-bugs")]
pub fn first_failure(seeds: u64, bug: Option<syncflow::core::planted::Bug>) -> Option<(u64, String)> {
    use syncflow::core::planted::plant;
    let next = AtomicU64::new(0);
    let found: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || found.lock().expect("nobody panics with it").is_some() {
                        return;
                    }
                    plant(bug);
                    let with = run(&Script::whole(seed), false).verdict;
                    plant(None);
                    if let Err(with) = with
                        && run(&Script::whole(seed), false).verdict.is_ok()
                    {
                        let mut found = found.lock().expect("nobody panics with it");
                        if found.as_ref().is_none_or(|(known, _)| *known > seed) {
                            *found = Some((seed, with));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().expect("nobody panicked with it")
}

/// On the terminal even while the test harness captures: whoever waits for minutes wants to know.
fn say(tally: &Tally, seeds: u64, seconds: f64) {
    let speed = rate(tally.seeds, seconds);
    let left = rate(seeds - tally.seeds, speed);
    let failures = tally.failures.len();
    let line = format!(
        "simulation: {} of {seeds} seeds, {speed:.0} a second, {failures} failures, {left:.0} s left\n",
        tally.seeds
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn rate(count: u64, by: f64) -> f64 {
    count as f64 / by.max(0.001)
}
