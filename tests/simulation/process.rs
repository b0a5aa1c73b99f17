//! One operator process: polled step by step, killed between two steps.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

use crate::settings::{INSTANCE_URL, ORG_URL, SN_PASSWORD, SN_USER};
use crate::world::{AlwaysLeader, Shared, SimClock, SimEntropy, SimTransport, lock};

/// A running worker. Dropping it is a SIGKILL.
pub struct Process {
    worker: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Flag>,
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
        let remotes: PerSide<Arc<dyn Remote>> = PerSide {
            salesforce: Arc::new(salesforce),
            service_now: Arc::new(service_now),
        };
        let parts = WorkerParts {
            definition: definition.clone(),
            remotes,
            store: Arc::new(store.handle()),
            key,
            clock,
            entropy,
            fence: Arc::new(AlwaysLeader),
        };
        let (control, told) = watch::channel(Control::default());
        let (reported, reports) = watch::channel(FlowReport::default());
        let worker = Worker::new(parts).with_tuning(tuning).run(told, reported);
        Self {
            worker: Box::pin(worker),
            woken: Arc::default(),
            reports,
            control,
        }
    }

    /// Polls once.
    pub fn step(&mut self) -> Stepped {
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.woken));
        let polled = self.worker.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "a worker never gives up");
        debug_assert!(matches!(polled, Poll::Pending));
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
