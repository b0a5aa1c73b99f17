//! Many seeds, on every core, with word of how far it has come.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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
pub fn march(first: u64, seeds: u64) -> Tally {
    let begun = Instant::now();
    let mut tally = Tally::default();
    on_every_core(
        "seeds",
        usize::try_from(seeds).expect("not so many"),
        |number| run(&Script::whole(first + number as u64), false).verdict,
        |number, verdict| {
            tally.seeds += 1;
            match verdict {
                Ok(summary) => tally.total.add(&summary),
                Err(found) => tally.failures.push((first + number as u64, found)),
            }
            tally.failures.len()
        },
    );
    tally.failures.sort();
    tally.seconds = begun.elapsed().as_secs_f64();
    tally
}

/// Does so many jobs on every core, and says now and then how far it has come. What each comes to is handed to `take`,
/// one at a time, which tells how many have failed so far.
pub fn on_every_core<T>(
    what: &str,
    jobs: usize,
    job: impl Fn(usize) -> T + Sync,
    take: impl FnMut(usize, T) -> usize + Send,
) {
    let next = AtomicUsize::new(0);
    let taking = Mutex::new((take, 0_usize, Instant::now()));
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= jobs {
                        return;
                    }
                    let done = job(number);
                    let (take, count, said) = &mut *taking.lock().expect("nobody panics with it");
                    let failures = take(number, done);
                    *count += 1;
                    if said.elapsed() >= EVERY {
                        *said = Instant::now();
                        say(what, (*count, jobs, failures), begun.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
}

/// What came of looking for a planted bug.
#[cfg(feature = "planted-bugs")]
#[derive(Default)]
pub struct Hunt {
    /// The first seed that fails with it and not without it, and what the oracle found.
    pub found: Option<(u64, String)>,
    /// How often the place of the bug was come by.
    pub reached: u64,
}

/// Looks for a bug with so many seeds at most.
#[cfg(feature = "planted-bugs")]
pub fn first_failure(seeds: u64, bug: syncflow::core::planted::Bug) -> Hunt {
    use std::sync::atomic::AtomicU64;
    use syncflow::core::planted::{plant, reached};
    let next = AtomicU64::new(0);
    let hunt: Mutex<Hunt> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || hunt.lock().expect("nobody panics with it").found.is_some() {
                        return;
                    }
                    plant(Some(bug));
                    let with = run(&Script::whole(seed), false).verdict;
                    hunt.lock().expect("nobody panics with it").reached += reached();
                    plant(None);
                    if let Err(with) = with
                        && run(&Script::whole(seed), false).verdict.is_ok()
                    {
                        let mut hunt = hunt.lock().expect("nobody panics with it");
                        if hunt.found.as_ref().is_none_or(|(known, _)| *known > seed) {
                            hunt.found = Some((seed, with));
                        }
                    }
                }
            });
        }
    });
    hunt.into_inner().expect("nobody panicked with it")
}

/// On the terminal even while the test harness captures: whoever waits for minutes wants to know.
fn say(what: &str, (done, jobs, failures): (usize, usize, usize), seconds: f64) {
    let speed = rate(done as u64, seconds);
    let left = rate((jobs - done) as u64, speed);
    let line = format!(
        "simulation: {done} of {jobs} {what}, {speed:.0} a second, {failures} failures, {left:.0} s left\n"
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn rate(count: u64, by: f64) -> f64 {
    count as f64 / by.max(0.001)
}
