//! How long to wait before the next attempt. Chance is an argument, so that a run can be replayed.

use std::time::Duration;

/// Exponential back-off with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// Waits about `first` after one failure, twice as long after each further one, and never longer than `cap`.
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// The wait after `failures` failures in a row (at least one is assumed), between half and the whole of the
    /// exponential step. `chance` is 64 random bits.
    #[must_use]
    pub fn delay(&self, failures: u32, chance: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let step = self.first.saturating_mul(1 << doublings).min(self.cap);
        let half = step / 2;
        half + fraction(step.saturating_sub(half), chance)
    }
}

/// `interval` moved by at most a tenth up or down, so that many flows do not poll in step. `chance` is 64 random bits.
#[must_use]
pub fn jittered(interval: Duration, chance: u64) -> Duration {
    let tenth = interval / 10;
    interval.saturating_sub(tenth) + fraction(tenth * 2, chance)
}

/// The part of `whole` that `chance` picks: nothing for 0, nearly all for `u64::MAX`.
fn fraction(whole: Duration, chance: u64) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(chance)) >> 64;
    // A part of a Duration's nanoseconds fits u64 for every wait below 584 years.
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_until_the_cap() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        let longest: Vec<u128> = (1..=8)
            .map(|failures| backoff.delay(failures, u64::MAX).as_millis().div_ceil(1000))
            .collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_half_its_step_nor_longer_than_the_cap(failures: u32, chance: u64) {
            let backoff = Backoff::new(Duration::from_millis(500), Duration::from_mins(5));
            let delay = backoff.delay(failures, chance);
            prop_assert!(delay >= Duration::from_millis(250));
            prop_assert!(delay <= Duration::from_mins(5));
        }

        #[test]
        fn a_jittered_interval_stays_within_a_tenth(seconds in 1_u64..100_000, chance: u64) {
            let interval = Duration::from_secs(seconds);
            let moved = jittered(interval, chance);
            prop_assert!(moved >= interval * 9 / 10);
            prop_assert!(moved <= interval * 11 / 10);
        }
    }
}
