//! Runs the workers: one keeper task a flow, so that no flow waits for another's trouble.
//!
//! Flows are known by the UID of their `SyncFlow`. A worker drains and acknowledges before another starts for the same
//! flow and before the finalizer is released; one that ends or panics is reported and started again with back-off.
//!
//! - here: what flows there are, and what is wanted of each
//! - [`keeper`]: the life of one flow's worker

pub mod keeper;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::keeper::{Desired, Keeper, Published, Run};
use super::metrics::Metrics;
use crate::controllers::context::{FlowKey, Flows, WorkOrder};
use crate::core::failure::Problem;
use crate::engine::report::FlowReport;
use crate::engine::requests::Requests;
use crate::engine::worker::{Control, Worker, WorkerParts};
use crate::ports::{Clock, Entropy, Fence, LinkStore};

/// Opens the link state of a flow.
#[async_trait]
pub trait StateOpener: Send + Sync {
    /// The flow's link store, and the key under which its values are fingerprinted.
    async fn open(&self, flow: &FlowKey) -> Result<OpenState, Problem>;
}

/// A flow's link state, open.
pub struct OpenState {
    /// Where its links are.
    pub store: Arc<dyn LinkStore>,
    /// Its key.
    pub key: [u8; 32],
}

/// The work itself; another one in tests.
pub type Work = dyn Fn(WorkerParts, watch::Receiver<Control>, watch::Sender<FlowReport>) -> BoxFuture<'static, ()>
    + Send
    + Sync;

/// What every worker of this process is given.
pub struct Shared {
    /// Opens link state.
    pub state: Arc<dyn StateOpener>,
    /// Our clock.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The right to write.
    pub fence: Arc<dyn Fence>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Called with a flow whose report changed.
    pub wake: Box<dyn Fn(&FlowKey) + Send + Sync>,
    /// How long a worker may take to finish and commit what it sent. Then it is dropped, which is the same as a crash.
    pub drain_timeout: Duration,
}

/// All flows of this process.
pub struct Supervisor {
    shared: Arc<Shared>,
    work: Arc<Work>,
    slots: Mutex<BTreeMap<String, Slot>>,
    tasks: TaskTracker,
}

/// One flow, seen from outside its keeper.
struct Slot {
    flow: FlowKey,
    desired: watch::Sender<Desired>,
    published: Arc<Mutex<Published>>,
    finished: CancellationToken,
    /// Counts orders: a report on an earlier one says nothing.
    order: u64,
}

impl Supervisor {
    /// No flow yet; workers are the engine's.
    pub fn new(shared: Shared) -> Self {
        let work = |parts, control, reports| -> BoxFuture<'static, ()> {
            Box::pin(Worker::new(parts).run(control, reports))
        };
        Self::with_work(shared, Arc::new(work))
    }

    /// No flow yet; workers are these.
    pub fn with_work(shared: Shared, work: Arc<Work>) -> Self {
        Self {
            shared: Arc::new(shared),
            work,
            slots: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Drains every worker and waits for them all, each for as long as draining may take. None starts any more.
    pub async fn drain(&self) {
        self.with(|slots| {
            self.tasks.close();
            for slot in slots.values() {
                slot.desired.send_replace(Desired::End);
            }
        });
        self.tasks.wait().await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Slot>) -> T) -> T {
        // Every change of the map is one insertion or removal, so a poisoned one is whole.
        act(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn start_keeper(&self, flow: &FlowKey) -> Slot {
        let (desired, wanted) = watch::channel(Desired::Rest);
        let published = Arc::new(Mutex::new(Published::default()));
        let finished = CancellationToken::new();
        let keeper = Keeper {
            flow: flow.clone(),
            shared: Arc::clone(&self.shared),
            work: Arc::clone(&self.work),
            desired: wanted,
            published: Arc::clone(&published),
            finished: finished.clone().drop_guard(),
        };
        self.tasks.spawn(keeper.keep());
        Slot {
            flow: flow.clone(),
            desired,
            published,
            finished,
            order: 0,
        }
    }
}

#[async_trait]
impl Flows for Supervisor {
    fn run(&self, flow: &FlowKey, order: WorkOrder, requests: Requests) {
        self.with(|slots| {
            if self.tasks.is_closed() {
                return;
            }
            let slot = slots
                .entry(flow.uid.clone())
                .or_insert_with(|| self.start_keeper(flow));
            let next = slot.order + 1;
            let mut renewed = false;
            slot.desired.send_if_modified(|desired| match desired {
                Desired::Run(run) if run.order.same_work(&order) => {
                    let asked_again = run.requests != requests;
                    run.requests = requests;
                    asked_again
                }
                Desired::End => false,
                Desired::Run(_) | Desired::Rest => {
                    renewed = true;
                    *desired = Desired::Run(Run {
                        number: next,
                        order: Arc::new(order),
                        requests,
                    });
                    true
                }
            });
            if renewed {
                slot.order = next;
            }
        });
    }

    fn rest(&self, flow: &FlowKey) {
        self.with(|slots| {
            if let Some(slot) = slots.get(&flow.uid) {
                slot.desired.send_if_modified(|desired| {
                    let runs = matches!(desired, Desired::Run(_));
                    if runs {
                        *desired = Desired::Rest;
                    }
                    runs
                });
            }
        });
    }

    fn report(&self, flow: &FlowKey) -> Option<FlowReport> {
        self.with(|slots| {
            let slot = slots.get(&flow.uid)?;
            if !matches!(*slot.desired.borrow(), Desired::Run(_)) {
                return None;
            }
            let published = slot.published.lock().unwrap_or_else(PoisonError::into_inner);
            let about_this_order = published.order == slot.order;
            Some(if about_this_order {
                published.report.clone()
            } else {
                FlowReport::default()
            })
        })
    }

    async fn end(&self, flow: &FlowKey) -> bool {
        let finished = self.with(|slots| {
            let slot = slots.get(&flow.uid)?;
            slot.desired.send_replace(Desired::End);
            Some(slot.finished.clone())
        });
        let Some(finished) = finished else {
            return true;
        };
        // The keeper drops a worker that does not drain, so a little more than that is enough.
        let patience = self.shared.drain_timeout + Duration::from_secs(5);
        if tokio::time::timeout(patience, finished.cancelled())
            .await
            .is_err()
        {
            warn!(
                flow = flow.name,
                namespace = flow.namespace,
                "the worker is still draining"
            );
            return false;
        }
        self.with(|slots| slots.remove(&flow.uid));
        self.shared.metrics.flow_gone(flow);
        true
    }

    fn retain(&self, exists: &(dyn Fn(&str) -> bool + Sync)) {
        let gone: Vec<FlowKey> = self.with(|slots| {
            slots.retain(|_, slot| !slot.finished.is_cancelled() || exists(&slot.flow.uid));
            let gone = slots.values().filter(|slot| !exists(&slot.flow.uid));
            gone.inspect(|slot| {
                slot.desired.send_replace(Desired::End);
            })
            .map(|slot| slot.flow.clone())
            .collect()
        });
        for flow in gone {
            self.shared.metrics.flow_gone(&flow);
        }
    }
}
