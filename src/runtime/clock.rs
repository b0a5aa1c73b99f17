//! The machine's clock behind [`crate::ports::Clock`].

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant as Tick;

use crate::core::time::Instant;
use crate::ports::Clock;

/// Wall-clock time of the system, monotonic time and sleep of tokio.
#[derive(Debug)]
pub struct SystemClock {
    began: Tick,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Tick::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::from(Timestamp::now())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
