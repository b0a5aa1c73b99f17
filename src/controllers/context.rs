//! What every reconcile is given. The doors to the runtime are traits, so that this layer knows no adapter and no
//! task: [`Dialer`] makes the way to a service, [`Flows`] runs workers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::mpsc::UnboundedSender;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};

use super::connection::registry::{ConnectionRegistry, Lent};
use super::connection::validate::Target;
use super::status::StatusWriter;
use super::watch::Filled;
use crate::api::{Connection, FieldMapping, SyncFlow};
use crate::core::definition::FlowDefinition;
use crate::core::failure::Problem;
use crate::core::retry::{Backoff, jittered};
use crate::core::side::PerSide;
use crate::engine::report::FlowReport;
use crate::engine::requests::Requests;
use crate::ports::{Clock, Entropy, Remote};

/// An object as the watch gives it: one that cannot be understood does not stop the others.
pub type Guarded<K> = DeserializeGuard<K>;

/// Makes the way to a service.
pub trait Dialer: Send + Sync {
    /// A new session for this target. It sends nothing yet. A problem where the host may not be called.
    fn dial(&self, connection: &ConnectionKey, target: &Target) -> Result<Arc<dyn Remote>, Problem>;
}

/// Which Connection: whose namespace its Secret is in, and who owns what the operator keeps for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// The Connection's UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Which flow: what its worker and its link state are known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    /// The `SyncFlow`'s UID: a flow that was deleted and made again is another flow.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What a flow's worker should do.
#[derive(Clone)]
pub struct WorkOrder {
    /// The flow.
    pub definition: FlowDefinition,
    /// The ways to both services. Another epoch of either is another order.
    pub connections: PerSide<Lent>,
}

impl WorkOrder {
    /// Would a worker on one order do exactly the same on the other?
    pub fn same_work(&self, other: &Self) -> bool {
        self.definition == other.definition
            && self.connections.salesforce.epoch == other.connections.salesforce.epoch
            && self.connections.service_now.epoch == other.connections.service_now.epoch
    }
}

/// Runs the workers of all flows.
#[async_trait]
pub trait Flows: Send + Sync {
    /// Has a worker run this order: starts it, leaves it alone when it does so already, or drains it and starts
    /// another. Returns at once. `requests` are what people ask of the flow now.
    fn run(&self, flow: &FlowKey, order: WorkOrder, requests: Requests);

    /// Drains the worker of this flow, if there is one. Returns at once.
    fn rest(&self, flow: &FlowKey);

    /// What the worker on the latest order said last; `None` when none is wanted.
    fn report(&self, flow: &FlowKey) -> Option<FlowReport>;

    /// Drains the worker and waits until it has acknowledged, for as long as draining may take; then forgets the
    /// flow. `false` when it still drains.
    async fn end(&self, flow: &FlowKey) -> bool;

    /// Drains the workers of flows whose UID `exists` does not know: their finalizer was taken away by hand.
    fn retain(&self, exists: &(dyn Fn(&str) -> bool + Sync));
}

/// Hears how long a reconcile took and how it ended.
pub trait ReconcileObserver: Send + Sync {
    /// One reconcile of a `kind` is over. `outcome` is one of few constant words.
    fn reconciled(&self, kind: &'static str, outcome: &'static str, duration: Duration);
}

/// Times, with their defaults for production in `cli.rs`.
#[derive(Clone, Copy, Debug)]
pub struct ControllerSettings {
    /// How often the version of a Connection's Secret is looked at.
    pub secret_interval: Duration,
    /// How often a Connection that works is proven again, and the longest wait for one that does not.
    pub probe_interval: Duration,
    /// How often everything is looked at again though nothing seems to have changed.
    pub resync_interval: Duration,
    /// Reconciles of one kind at the same time.
    pub concurrency: u16,
}

/// The caches of the three kinds.
#[derive(Clone)]
pub struct Stores {
    /// Connections.
    pub connections: Store<Guarded<Connection>>,
    /// Field mappings.
    pub mappings: Store<Guarded<FieldMapping>>,
    /// Flows.
    pub flows: Store<Guarded<SyncFlow>>,
    /// Whether what is not among the Connections does not exist.
    pub connections_filled: Filled,
    /// Whether what is not among the mappings does not exist.
    pub mappings_filled: Filled,
}

/// What every reconcile is given.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The caches.
    pub stores: Stores,
    /// The ways to services that are open, and what is known of them.
    pub registry: Arc<ConnectionRegistry>,
    /// Opens new ones.
    pub dialer: Arc<dyn Dialer>,
    /// The workers.
    pub flows: Arc<dyn Flows>,
    /// Writers of status, one a kind.
    pub connection_status: StatusWriter<Connection>,
    /// As above.
    pub mapping_status: StatusWriter<FieldMapping>,
    /// As above.
    pub flow_status: StatusWriter<SyncFlow>,
    /// Wakes the flows that use a Connection whose registry entry changed.
    pub wake_users_of: UnboundedSender<ObjectRef<Guarded<Connection>>>,
    /// Wakes a Connection that its service refused while a flow used it.
    pub wake_suspect: UnboundedSender<ObjectRef<Guarded<Connection>>>,
    /// Our clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Times.
    pub settings: ControllerSettings,
    /// Metrics.
    pub observer: Arc<dyn ReconcileObserver>,
    /// Reconciles that could not be finished, in a row, by kind, namespace and name.
    pub failures: Failures,
}

impl Context {
    /// `interval`, jittered.
    pub fn about(&self, interval: Duration) -> Duration {
        jittered(interval, self.entropy.next_u64())
    }
}

/// Counts reconciles in a row that could not be finished.
#[derive(Default)]
pub struct Failures(Mutex<BTreeMap<String, u32>>);

impl Failures {
    /// How long to wait between attempts.
    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_mins(2));

    /// One more for this object; the wait until its next attempt. `chance` is 64 random bits.
    pub fn another(&self, object: String, chance: u64) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(object).or_default();
        *count = count.saturating_add(1);
        Self::BACKOFF.delay(*count, chance)
    }

    /// This object's reconcile went through.
    pub fn clear(&self, object: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_is_per_object_and_ends_with_a_success() {
        let failures = Failures::default();
        let wait = |object: &str| failures.another(object.to_owned(), u64::MAX).as_millis();
        assert_eq!([wait("a"), wait("a"), wait("b")], [499, 999, 499]);
        failures.clear("a");
        assert_eq!([wait("a"), wait("b")], [499, 999]);
    }
}
