//! The HTTP stack as the operator assembles it, but for the clock: waits are written down instead of waited for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use syncflow::adapters::http::allow_list::AllowList;
use syncflow::adapters::http::reqwest_transport::{ReqwestTransport, TransportConfig};
use syncflow::adapters::http::retry::{RetryPolicy, Retrying};
use syncflow::core::time::Instant;
use syncflow::ports::{Clock, Entropy, Transport};

/// A clock that moves only when somebody sleeps by it.
#[derive(Default)]
pub struct StillClock {
    sleeps: Mutex<Vec<Duration>>,
}

impl StillClock {
    /// Every sleep so far.
    pub fn sleeps(&self) -> Vec<Duration> {
        self.sleeps.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Instant {
        Instant::from_seconds(1_700_000_000).later(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.sleeps.lock().unwrap().iter().sum()
    }

    async fn sleep(&self, duration: Duration) {
        self.sleeps.lock().unwrap().push(duration);
    }
}

/// Always the smallest number.
pub struct NoChance;

impl Entropy for NoChance {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// Loopback is allowed, and small answers only, so that a test can send too large ones.
pub fn config() -> TransportConfig {
    TransportConfig {
        answer_limit: ANSWER_LIMIT,
        ..TransportConfig::new(AllowList::vendors().and_loopback())
    }
}

/// In bytes.
pub const ANSWER_LIMIT: usize = 4 << 20;

/// The transport without retries.
pub fn bare() -> ReqwestTransport {
    ReqwestTransport::new(config()).unwrap()
}

/// The whole stack, and the clock that it waits by.
pub fn whole() -> (Arc<dyn Transport>, Arc<StillClock>) {
    let clock = Arc::new(StillClock::default());
    let stack = Retrying::new(
        Arc::new(bare()),
        clock.clone(),
        Arc::new(NoChance),
        RetryPolicy::default(),
    );
    (Arc::new(stack), clock)
}
