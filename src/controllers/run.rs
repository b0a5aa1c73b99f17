//! Starts the three controllers on their watches.

use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Instant;

use futures::channel::mpsc::UnboundedReceiver;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, stream};
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace, warn};

use super::context::{Context, Guarded, Stores};
use super::error::ReconcileError;
use super::status::names_of;
use super::sync_flow::wake::users;
use super::watch::{Touched, Watched, api, controller_config, watched};
use super::{connection, field_mapping, forget, sync_flow};
use crate::api::{Connection, FieldMapping, SyncFlow};

/// The watches of the three kinds, not begun.
pub struct Watches {
    connections: Watched<Connection>,
    mappings: Watched<FieldMapping>,
    flows: Watched<SyncFlow>,
}

impl Watches {
    /// On one namespace, or on all.
    pub fn new(client: &Client, namespace: Option<&str>) -> Self {
        Self {
            connections: watched(api(client, namespace)),
            mappings: watched(api(client, namespace)),
            flows: watched(api(client, namespace)),
        }
    }

    /// The caches that the watches fill.
    pub fn stores(&self) -> Stores {
        Stores {
            connections: self.connections.store.clone(),
            mappings: self.mappings.store.clone(),
            flows: self.flows.store.clone(),
            connections_filled: self.connections.filled.clone(),
            mappings_filled: self.mappings.filled.clone(),
        }
    }
}

/// What wakes reconciles besides the watches.
pub struct Wakers {
    /// Flows whose worker said something new.
    pub flows: UnboundedReceiver<ObjectRef<Guarded<SyncFlow>>>,
    /// Connections whose registry entry changed: their flows are woken.
    pub users_of: UnboundedReceiver<ObjectRef<Guarded<Connection>>>,
    /// Connections that a service refused in use: they are proven again.
    pub suspects: UnboundedReceiver<ObjectRef<Guarded<Connection>>>,
}

/// Runs the controllers until `stop`, and then until the reconciles that run have ended.
pub fn run(
    watches: Watches,
    wakers: Wakers,
    context: &Arc<Context>,
    stop: &CancellationToken,
) -> BoxFuture<'static, ()> {
    let Watches {
        connections,
        mappings,
        flows,
    } = watches;
    let by_connection = {
        let (store, context) = (connections.store.clone(), Arc::clone(context));
        let touched = connections.touched.inspect(move |touched| {
            if forget::may_be_gone(&store, touched) {
                forget::connections(&context);
            }
        });
        let touched = stream::select(touched, wakers.users_of.map(Touched::One));
        wake_users(touched, flows.store.clone())
    };
    let by_mapping = {
        let (store, context) = (mappings.store.clone(), Arc::clone(context));
        let touched = mappings.touched.inspect(move |touched| {
            if forget::may_be_gone(&store, touched) {
                forget::mappings(&context);
            }
        });
        wake_users(touched, flows.store.clone())
    };
    let gone = {
        let (store, context) = (flows.store.clone(), Arc::clone(context));
        flows.touched.for_each(move |touched| {
            if forget::may_be_gone(&store, &touched) {
                forget::flows(&context);
            }
            std::future::ready(())
        })
    };

    let connections =
        Controller::for_stream(connections.stream, connections.store).reconcile_on(wakers.suspects);
    let mappings = Controller::for_stream(mappings.stream, mappings.store);
    let flows = Controller::for_stream(flows.stream, flows.store)
        .reconcile_on(wakers.flows)
        .reconcile_on(by_connection)
        .reconcile_on(by_mapping);
    let (context, stop) = (Arc::clone(context), stop.clone());
    async move {
        let controllers = futures::future::join3(
            drive(connections, connection::reconcile, &context, &stop),
            drive(mappings, field_mapping::reconcile, &context, &stop),
            drive(flows, sync_flow::reconcile, &context, &stop),
        );
        tokio::select! {
            _ = controllers => {}
            // Ends only with the watches.
            () = gone.then(|()| std::future::pending()) => {}
        }
    }
    .boxed()
}

/// The flows that use what was touched, one by one.
fn wake_users<K>(
    touched: impl Stream<Item = Touched<K>> + Send + 'static,
    flows: Store<Guarded<SyncFlow>>,
) -> impl Stream<Item = ObjectRef<Guarded<SyncFlow>>> + Send + 'static
where
    K: super::sync_flow::wake::Referred + Send,
{
    touched.flat_map(move |touched| stream::iter(users(&flows, &touched)))
}

/// Runs one controller; measures and logs every reconcile.
async fn drive<K, F>(
    controller: Controller<Guarded<K>>,
    reconcile: fn(Arc<Guarded<K>>, Arc<Context>) -> F,
    context: &Arc<Context>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
{
    let kind = K::kind(&()).into_owned();
    let kind: &'static str = match kind.as_str() {
        "Connection" => "Connection",
        "FieldMapping" => "FieldMapping",
        _ => "SyncFlow",
    };
    let measured = move |object: Arc<Guarded<K>>, context: Arc<Context>| async move {
        let (namespace, name) = names_of(object.as_ref());
        let name = failing(kind, &namespace, &name);
        let began = Instant::now();
        let result = reconcile(object, Arc::clone(&context)).await;
        let outcome = match &result {
            Ok(_) => "ok",
            Err(error) => error.metric_label(),
        };
        context.observer.reconciled(kind, outcome, began.elapsed());
        if result.is_ok() {
            context.failures.clear(&name);
        }
        result
    };
    let error_policy = move |object: Arc<Guarded<K>>, error: &ReconcileError, context: Arc<Context>| {
        let (namespace, name) = names_of(object.as_ref());
        let name = failing(kind, &namespace, &name);
        let wait = context.failures.another(name.clone(), context.entropy.next_u64());
        warn!(object = name, %error, retry_in_ms = wait.as_millis(), "not reconciled");
        Action::requeue(wait)
    };
    controller
        .with_config(controller_config(context.settings.concurrency))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(measured, error_policy, Arc::clone(context))
        .for_each(|result| {
            tell(kind, &result);
            if let Err(ControllerError::ObjectNotFound(object)) = &result {
                let namespace = object.namespace.as_deref().unwrap_or_default();
                context.failures.clear(&failing(kind, namespace, &object.name));
            }
            std::future::ready(())
        })
        .await;
}

/// What an object is known by where its failures are counted.
fn failing(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

fn tell<K: Debug, W: Display + std::error::Error + 'static>(
    kind: &'static str,
    result: &Result<K, ControllerError<ReconcileError, W>>,
) {
    match result {
        Ok(reconciled) => trace!(kind, ?reconciled, "reconciled"),
        // Told by the error policy, with the wait.
        Err(ControllerError::ReconcilerFailed(..)) => {}
        // Deleted between its event and its reconcile.
        Err(ControllerError::ObjectNotFound(object)) => debug!(kind, %object, "gone"),
        Err(error) => warn!(kind, %error, "watch trouble; it goes on"),
    }
}
