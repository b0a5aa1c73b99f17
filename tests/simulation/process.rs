//! One operator process: polled step by step, killed between two steps.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use syncflow::adapters::credential::{CredentialSource, SalesforceCredential, ServiceNowCredential};
use syncflow::adapters::http::retry::{RetryPolicy, Retrying};
use syncflow::adapters::link_store::memory::MemoryStore;
use syncflow::adapters::salesforce::{Salesforce, SalesforceConfig};
use syncflow::adapters::service_now::{ServiceNow, ServiceNowConfig};
use syncflow::core::definition::FlowDefinition;
use syncflow::core::failure::Problem;
use syncflow::core::side::{PerSide, Side};
use syncflow::engine::report::FlowReport;
use syncflow::engine::tuning::Tuning;
use syncflow::engine::worker::{Control, Worker, WorkerParts};
use syncflow::ports::{Clock, Entropy, Remote, Transport};
use tokio::sync::watch;

use crate::lease::Belief;
use crate::remote::SimRemote;
use crate::settings::{INSTANCE_URL, ORG_URL, SN_PASSWORD, SN_USER};
use crate::world::{Shared, SimClock, SimEntropy, SimTransport, lock};

/// A running worker. Dropping it is a SIGKILL.
pub struct Process {
    worker: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Flag>,
    world: Shared,
    /// The name under which it holds the Lease.
    name: u64,
    /// Until when it believes that it may write.
    leads_until: Arc<AtomicI64>,
    /// Was it told to stop, and has it stopped?
    done: bool,
    pub reports: watch::Receiver<FlowReport>,
    pub control: watch::Sender<Control>,
}

/// What a step of a process came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// It has more to do now.
    Busy,
    /// It waits for the clock.
    Asleep,
}

impl Process {
    pub fn start(
        world: &Shared,
        store: &MemoryStore,
        definition: &FlowDefinition,
        tuning: Tuning,
        key: [u8; 32],
        name: u64,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SimClock(Arc::clone(world)));
        let entropy: Arc<dyn Entropy> = Arc::new(SimEntropy(Arc::clone(world)));
        let transport = |side| -> Arc<dyn Transport> {
            Arc::new(Retrying::new(
                Arc::new(SimTransport {
                    side,
                    world: Arc::clone(world),
                }),
                Arc::clone(&clock),
                Arc::clone(&entropy),
                RetryPolicy::default(),
            ))
        };
        let salesforce = Salesforce::new(
            SalesforceConfig {
                bulk: lock(world).bulk,
                ..SalesforceConfig::new(ORG_URL.parse().unwrap(), Arc::new(OrgCredential))
            },
            transport(Side::Salesforce),
            Arc::clone(&clock),
        );
        let service_now = ServiceNow::new(
            ServiceNowConfig {
                instance_url: INSTANCE_URL.parse().unwrap(),
            },
            Arc::new(InstanceCredential),
            transport(Side::ServiceNow),
            Arc::clone(&clock),
        );
        let remote = |side, inner: Arc<dyn Remote>| -> Arc<dyn Remote> {
            Arc::new(SimRemote {
                side,
                inner,
                world: Arc::clone(world),
            })
        };
        let remotes = PerSide {
            salesforce: remote(Side::Salesforce, Arc::new(salesforce)),
            service_now: remote(Side::ServiceNow, Arc::new(service_now)),
        };
        let leads_until = Arc::new(AtomicI64::new(0));
        let parts = WorkerParts {
            definition: definition.clone(),
            remotes,
            store: Arc::new(store.handle()),
            key,
            clock,
            entropy,
            fence: Arc::new(Belief {
                world: Arc::clone(world),
                until: Arc::clone(&leads_until),
            }),
        };
        let (control, told) = watch::channel(Control::default());
        let (reported, reports) = watch::channel(FlowReport::default());
        let worker = Worker::new(parts).with_tuning(tuning).run(told, reported);
        Self {
            worker: Box::pin(worker),
            woken: Arc::default(),
            done: false,
            world: Arc::clone(world),
            name,
            leads_until,
            reports,
            control,
        }
    }

    /// Renews the Lease if it can, and polls once.
    pub fn step(&mut self) -> Stepped {
        let mut world = lock(&self.world);
        let now = world.now;
        if let Some(until) = world.lease.hold(self.name, now) {
            self.leads_until.store(until, Ordering::Relaxed);
        }
        drop(world);
        self.poll()
    }

    /// Polls once, as a process does that has not yet heard of its successor.
    pub fn step_unknowing(&mut self) -> Stepped {
        self.poll()
    }

    /// Was it told to stop, and has it finished and stored what it had sent?
    pub fn is_done(&self) -> bool {
        self.done
    }

    fn poll(&mut self) -> Stepped {
        if self.done {
            return Stepped::Asleep;
        }
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.woken));
        let polled = self.worker.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            assert!(self.control.borrow().stop, "a worker never gives up");
            self.done = true;
            return Stepped::Asleep;
        }
        if self.woken.0.load(Ordering::Relaxed) {
            Stepped::Busy
        } else {
            Stepped::Asleep
        }
    }

    /// Runs for so many virtual milliseconds.
    pub fn run_for(&mut self, world: &Shared, millis: i64) {
        let end = lock(world).now + millis;
        loop {
            let stepped = self.step();
            let mut world = lock(world);
            let wake = world.next_wake();
            if stepped == Stepped::Asleep {
                world.now = wake.unwrap_or(end).min(end).max(world.now);
            }
            if world.now >= end {
                return;
            }
        }
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct OrgCredential;

#[async_trait]
impl CredentialSource<SalesforceCredential> for OrgCredential {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        Ok(SalesforceCredential::ClientCredentials {
            client_id: syncflow_simulators::salesforce::CLIENT_ID.into(),
            client_secret: syncflow_simulators::salesforce::CLIENT_SECRET.into(),
        })
    }

    fn name(&self) -> &'static str {
        "Secret salesforce"
    }
}

struct InstanceCredential;

#[async_trait]
impl CredentialSource<ServiceNowCredential> for InstanceCredential {
    async fn credential(&self) -> Result<ServiceNowCredential, Problem> {
        Ok(ServiceNowCredential::Basic {
            username: SN_USER.into(),
            password: SN_PASSWORD.into(),
        })
    }

    fn name(&self) -> &'static str {
        "Secret servicenow"
    }
}

/// Gives way once.
#[derive(Default)]
pub struct Step(bool);

impl Future for Step {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
