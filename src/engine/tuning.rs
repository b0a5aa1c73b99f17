//! Times and sizes of the engine. The simulation uses other values to reach rare states sooner.

use std::time::Duration;

use crate::core::loop_breaker::FLIP_LIMIT;

/// Times and sizes of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Each poll reads again what changed within this time before the floor: rows become visible one to three
    /// seconds late on Salesforce (sync-engines A10).
    pub overlap: Duration,
    /// Now and then a poll reads again this much, for commits that took minutes.
    pub deep_overlap: Duration,
    /// How often it does.
    pub deep_every: Duration,
    /// How often a slice of the linked ids is looked at, whatever the change queries said.
    pub sweep_every: Duration,
    /// Links of one slice.
    pub sweep_slice: usize,
    /// Another flow's poll of the same object serves when it is at most this old: latency grows by no more.
    pub shared_for: Duration,
    /// How often identity and schemas are checked again.
    pub recheck_every: Duration,
    /// Quarantined records tried again in one cycle.
    pub retries_per_cycle: usize,
    /// Plans of one link in one cycle: its change, what the target made of it, and a second look.
    pub rounds: usize,
    /// Writes that answer each other before a link is stopped.
    pub flip_limit: u32,
    /// The first and the longest wait after a failed cycle.
    pub retry: (Duration, Duration),
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            overlap: Duration::from_secs(10),
            deep_overlap: Duration::from_mins(10),
            deep_every: Duration::from_mins(5),
            sweep_every: Duration::from_mins(10),
            sweep_slice: 200,
            shared_for: Duration::from_secs(15),
            recheck_every: Duration::from_mins(15),
            retries_per_cycle: 200,
            rounds: 4,
            flip_limit: FLIP_LIMIT,
            retry: (Duration::from_secs(2), Duration::from_mins(5)),
        }
    }
}
