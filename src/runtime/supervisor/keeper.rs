//! The life of one flow's worker, from its first start to the flow's end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::DropGuard;
use tracing::{debug, error, info, warn};

use super::{OpenState, Shared, Work};
use crate::controllers::context::{FlowKey, WorkOrder};
use crate::core::failure::Problem;
use crate::core::retry::Backoff;
use crate::engine::report::{FlowReport, FlowState};
use crate::engine::requests::Requests;
use crate::engine::worker::{Control, WorkerParts};

/// What is wanted of a flow's worker.
#[derive(Clone)]
pub enum Desired {
    /// No worker.
    Rest,
    /// A worker on this order.
    Run(Run),
    /// No worker, never again.
    End,
}

/// An order and what else a worker is told.
#[derive(Clone)]
pub struct Run {
    /// Counts the orders of this flow.
    pub number: u64,
    /// The order.
    pub order: Arc<WorkOrder>,
    /// What people ask of the flow.
    pub requests: Requests,
}

/// What a worker said last, and on which order.
#[derive(Default)]
pub struct Published {
    /// The order's number.
    pub order: u64,
    /// What was said.
    pub report: FlowReport,
}

/// Keeps one flow's worker.
pub struct Keeper {
    /// The flow.
    pub flow: FlowKey,
    /// What workers are given.
    pub shared: Arc<Shared>,
    /// What workers do.
    pub work: Arc<Work>,
    /// What is wanted.
    pub desired: watch::Receiver<Desired>,
    /// Where reports go.
    pub published: Arc<Mutex<Published>>,
    /// Says that the keeper has ended, however it ends.
    pub finished: DropGuard,
}

/// How one worker came to its end.
enum Ended {
    /// Something else is wanted.
    Asked,
    /// By itself.
    Died(Problem),
}

/// A worker's task, dropped with its keeper.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long to wait before a worker that ended is started again.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));

/// A worker that lived so long is no repeated failure.
const HEALTHY: Duration = Duration::from_mins(10);

impl Keeper {
    /// Does what is wanted until the end of the flow.
    pub async fn keep(mut self) {
        let mut failures = 0;
        loop {
            let desired = self.desired.borrow_and_update().clone();
            match desired {
                Desired::End => return,
                Desired::Rest => {
                    failures = 0;
                    if self.desired.changed().await.is_err() {
                        return;
                    }
                }
                Desired::Run(run) => {
                    let began = self.shared.clock.monotonic();
                    let Ended::Died(problem) = self.run(&run).await else {
                        failures = 0;
                        continue;
                    };
                    let lived = self.shared.clock.monotonic().saturating_sub(began);
                    failures = if lived > HEALTHY { 1 } else { failures + 1 };
                    if !self.wait_after(failures, &run, problem).await {
                        return;
                    }
                }
            }
        }
    }

    /// Reports the end of a worker, and waits before the next. `false` when nothing will ever be wanted again.
    async fn wait_after(&mut self, failures: u32, run: &Run, problem: Problem) -> bool {
        let (flow, namespace) = (&self.flow.name, &self.flow.namespace);
        warn!(flow, namespace, failures, reason = %problem.reason, message = problem.message, "no worker");
        self.shared.metrics.worker_restarted(&self.flow);
        self.publish(
            run.number,
            FlowReport {
                state: FlowState::Failing(problem),
                ..self.last_report()
            },
        );
        let wait = BACKOFF.delay(failures, self.shared.entropy.next_u64());
        tokio::select! {
            changed = self.desired.changed() => changed.is_ok(),
            () = self.shared.clock.sleep(wait) => true,
        }
    }

    /// Runs one worker until it ends or something else is wanted.
    async fn run(&mut self, run: &Run) -> Ended {
        let opened = tokio::select! {
            opened = self.shared.state.open(&self.flow) => opened,
            _ = self.desired.changed() => return Ended::Asked,
        };
        let parts = match opened {
            Ok(state) => self.parts(run, state),
            Err(problem) => return Ended::Died(problem),
        };
        let (control, told) = watch::channel(Control {
            stop: false,
            requests: run.requests.clone(),
        });
        let (said, mut reports) = watch::channel(FlowReport::default());
        debug!(
            flow = self.flow.name,
            namespace = self.flow.namespace,
            "worker started"
        );
        let mut task = Task(tokio::spawn((self.work)(parts, told, said)));
        loop {
            tokio::select! {
                biased;
                changed = self.desired.changed() => {
                    if changed.is_err() || !self.continues(run, &control) {
                        self.drain(&control, &mut task).await;
                        return Ended::Asked;
                    }
                }
                ended = &mut task.0 => return Ended::Died(self.autopsy(ended)),
                Ok(()) = reports.changed() => {
                    let report = reports.borrow_and_update().clone();
                    self.publish(run.number, report);
                }
            }
        }
    }

    fn parts(&self, run: &Run, state: OpenState) -> WorkerParts {
        let connections = run.order.connections.clone();
        WorkerParts {
            definition: run.order.definition.clone(),
            remotes: connections.map(|_, lent| lent.remote),
            store: state.store,
            key: state.key,
            clock: Arc::clone(&self.shared.clock),
            entropy: Arc::clone(&self.shared.entropy),
            fence: Arc::clone(&self.shared.fence),
        }
    }

    /// Is the same work still wanted? Then the worker is only told what else changed.
    fn continues(&mut self, run: &Run, control: &watch::Sender<Control>) -> bool {
        match &*self.desired.borrow_and_update() {
            Desired::Run(next) if next.number == run.number => {
                control.send_if_modified(|control| {
                    let asked = control.requests != next.requests;
                    control.requests.clone_from(&next.requests);
                    asked
                });
                true
            }
            Desired::Run(_) | Desired::Rest | Desired::End => false,
        }
    }

    /// Has the worker finish and commit what it sent. One that does not in time is dropped: what it sent is settled
    /// by its stamps at the next start.
    async fn drain(&self, control: &watch::Sender<Control>, task: &mut Task) {
        let (flow, namespace) = (&self.flow.name, &self.flow.namespace);
        control.send_modify(|control| control.stop = true);
        tokio::select! {
            biased;
            _ = &mut task.0 => info!(flow, namespace, "worker drained"),
            () = self.shared.clock.sleep(self.shared.drain_timeout) => {
                warn!(flow, namespace, "the worker did not drain in time and is dropped");
                self.shared.metrics.drain_aborted();
                task.0.abort();
                // Only once the task is gone may another one start.
                let _ = (&mut task.0).await;
            }
        }
    }

    fn autopsy(&self, ended: Result<(), JoinError>) -> Problem {
        let (flow, namespace) = (&self.flow.name, &self.flow.namespace);
        let how = match ended {
            Ok(()) => "ended without being asked to",
            Err(error) if error.is_panic() => "panicked",
            Err(_) => "was cancelled",
        };
        error!(flow, namespace, how, "worker lost");
        Problem::transient(
            "WorkerFailed",
            format!("the flow's worker {how}; it is started again, and settles first what it may have sent"),
        )
    }

    fn publish(&self, order: u64, report: FlowReport) {
        self.shared.metrics.flow_reported(&self.flow, &report);
        let is_news = {
            let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            let pulse_apart = FlowReport {
                last_good_cycle: report.last_good_cycle,
                ..published.report.clone()
            };
            let is_news = published.order != order || pulse_apart != report;
            *published = Published { order, report };
            is_news
        };
        // The pulse alone changes nothing in a status.
        if is_news {
            (self.shared.wake)(&self.flow);
        }
    }

    fn last_report(&self) -> FlowReport {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.report.clone()
    }
}
