//! Until when this process may write: the [`Fence`] that every write batch asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ports::{Clock, Fence};

/// The right to write, as a deadline on our monotonic clock.
///
/// The deadline counts from the moment *before* a renewal was asked for, so it is never later than what the rivals
/// reckon with, however slow the answer was. A process that was paused finds it passed when it wakes.
///
/// Tokio's clock is `CLOCK_MONOTONIC`: it runs on while a process is stopped, and stands still while the whole machine
/// sleeps. A machine that sleeps and wakes may therefore believe too long; the versions of the link pages catch that.
pub struct Validity {
    clock: Arc<dyn Clock>,
    /// Milliseconds on the monotonic clock; 0 when the Lease is not held.
    deadline: AtomicU64,
}

impl Validity {
    /// Not held yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            deadline: AtomicU64::new(0),
        }
    }

    /// The Lease lasts until `deadline` on the monotonic clock.
    pub fn hold_until(&self, deadline: Duration) {
        let millis = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.deadline.store(millis, Ordering::Release);
    }

    /// The Lease is no longer ours.
    pub fn end(&self) {
        self.deadline.store(0, Ordering::Release);
    }

    /// Is the Lease ours now?
    pub fn is_held(&self) -> bool {
        self.permits(Duration::ZERO)
    }
}

impl Fence for Validity {
    fn permits(&self, duration: Duration) -> bool {
        let deadline = Duration::from_millis(self.deadline.load(Ordering::Acquire));
        self.clock.monotonic().saturating_add(duration) < deadline
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::core::time::Instant;

    struct HandClock(Mutex<Duration>);

    #[async_trait]
    impl Clock for HandClock {
        fn now(&self) -> Instant {
            Instant::EPOCH
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            *self.0.lock().unwrap() += duration;
        }
    }

    #[test]
    fn a_batch_is_permitted_only_when_it_ends_before_the_lease_does() {
        let clock = Arc::new(HandClock(Mutex::new(Duration::from_secs(100))));
        let validity = Validity::new(Arc::clone(&clock) as Arc<dyn Clock>);
        assert!(
            !validity.permits(Duration::ZERO),
            "nothing is permitted before the Lease is held"
        );

        validity.hold_until(Duration::from_secs(130));
        assert!(validity.permits(Duration::from_secs(29)));
        assert!(!validity.permits(Duration::from_secs(30)));

        *clock.0.lock().unwrap() = Duration::from_secs(131);
        assert!(
            !validity.is_held(),
            "a process that slept through its Lease may not write"
        );

        validity.hold_until(Duration::from_secs(200));
        validity.end();
        assert!(!validity.is_held());
    }
}
