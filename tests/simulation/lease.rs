//! The Lease, and what a process believes about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use syncflow::ports::Fence;

use crate::world::{Shared, lock};

/// The Lease object: who holds it, and until when others have to wait.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    holder: u64,
    until: i64,
    /// How long it lasts after a renewal, in milliseconds: longer than a write may take.
    lasts: i64,
}

impl Lease {
    pub fn lasting(lasts: Duration) -> Self {
        Self {
            holder: 0,
            until: 0,
            lasts: i64::try_from(lasts.as_millis()).unwrap(),
        }
    }

    /// Taken or renewed by `process`, and until when; `None` while another one holds it.
    pub fn hold(&mut self, process: u64, now: i64) -> Option<i64> {
        if self.holder != process && now < self.until {
            return None;
        }
        self.holder = process;
        self.until = now + self.lasts;
        Some(self.until)
    }

    /// From when on another process may take it.
    pub fn free_at(&self) -> i64 {
        self.until
    }

    /// As after a SIGKILL whose successor runs under the same name.
    pub fn release(&mut self) {
        self.until = 0;
    }
}

/// One process's belief: the deadline of its last renewal, on a clock that runs on while it is stopped.
pub struct Belief {
    pub world: Shared,
    pub until: Arc<AtomicI64>,
}

impl Fence for Belief {
    fn permits(&self, duration: Duration) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        lock(&self.world).now + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX) < until
    }
}
