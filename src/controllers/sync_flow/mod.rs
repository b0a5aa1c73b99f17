//! Flows: resolves what a flow refers to, has a worker run it, and says how it goes.

pub mod act;
pub mod dereference;
pub mod readiness;
pub mod status;
pub mod translate;
pub mod validate;
pub mod wake;

use std::sync::Arc;

use jiff::Timestamp;
use kube::core::{ObjectMeta, PartialObjectMeta, Resource};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Error as FinalizerError, Event, finalizer};
use kube::{Api, ResourceExt};

use self::act::{Wanted, act};
use self::dereference::{Dereferenced, dereference};
use self::readiness::Standing;
use super::context::{Context, FlowKey, Guarded};
use super::error::{KUBE_CALL_TIMEOUT, ReconcileError};
use crate::api::{
    APPROVE_PLAN_ANNOTATION, FINALIZER, RELEASE_QUARANTINE_ANNOTATION, RESOLVE_CONFLICTS_ANNOTATION,
    SYNC_NOW_ANNOTATION, SyncFlow, SyncFlowStatus,
};
use crate::core::failure::Problem;
use crate::engine::requests::Requests;

/// One look at a flow that may be going. The finalizer only ever stops the worker: records stay as they are, and links
/// go with the objects that the flow owns.
///
/// It is kept through the object's metadata alone, so that a flow that cannot be read can still be deleted.
pub async fn reconcile(
    object: Arc<Guarded<SyncFlow>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let namespace = object
        .namespace()
        .ok_or(ReconcileError::Incomplete("namespace"))?;
    let api: Api<PartialObjectMeta<SyncFlow>> = Api::namespaced(context.client.clone(), &namespace);
    let meta = Arc::new(PartialObjectMeta {
        types: None,
        metadata: object.meta().clone(),
        _phantom: std::marker::PhantomData,
    });
    let kept = finalizer(&api, FINALIZER, meta, |event| {
        let (object, context) = (Arc::clone(&object), Arc::clone(&context));
        async move {
            match event {
                Event::Apply(_) => apply(&object, &context).await,
                Event::Cleanup(_) => cleanup(object.meta(), &context).await,
            }
        }
    });
    // The calls inside have their own time-outs; this one is for the finalizer's own patch.
    match tokio::time::timeout(KUBE_CALL_TIMEOUT * 4, kept).await {
        Ok(Ok(action)) => Ok(action),
        Ok(Err(FinalizerError::ApplyFailed(error) | FinalizerError::CleanupFailed(error))) => Err(error),
        Ok(Err(error)) => Err(ReconcileError::Finalizer(Box::new(error))),
        Err(_) => Err(ReconcileError::TimedOut {
            what: "keep the finalizer",
        }),
    }
}

/// One look at a flow that stays.
///
/// 1. (IO) dereference: mapping and Connections, from the caches
/// 2. (pure) validate: the manifests together, into the definition that a worker runs
/// 3. (act) have a worker run it, or rest
/// 4. (pure) judge: the truth table of Ready
/// 5. (IO) write the status when it differs
async fn apply(object: &Guarded<SyncFlow>, context: &Context) -> Result<Action, ReconcileError> {
    let key = key(object.meta())?;
    let (wanted, cached) = match &object.0 {
        Ok(flow) => (wanted(flow, &key, context), flow.status.as_ref()), // (IO), (pure)
        Err(invalid) => (Wanted::Held(unreadable(&invalid.error)), None),
    };
    let report = act(&key, &wanted, context); // (act)
    let standing = match (&wanted, &report) {
        (Wanted::Suspended, _) => Standing::Suspended,
        (Wanted::Held(problem), _) => Standing::Held(problem),
        (Wanted::Run { .. } | Wanted::NotYet, report) => Standing::Running(report),
    };
    let meta = object.meta();
    let judge = |was: &SyncFlowStatus| status::status(was, standing, meta.generation, Timestamp::now()); // (pure)
    context.flow_status.publish(meta, cached, judge).await?; // (IO)
    Ok(Action::requeue(context.about(context.settings.resync_interval)))
}

/// Steps 1 and 2: what the worker of this flow should do.
fn wanted(flow: &SyncFlow, key: &FlowKey, context: &Context) -> Wanted {
    if flow.spec.suspend {
        return Wanted::Suspended;
    }
    let references = match dereference(&key.namespace, &flow.spec, context) {
        Dereferenced::Complete(references) => references,
        Dereferenced::Held(problem) => return Wanted::Held(problem),
        Dereferenced::NotYet => return Wanted::NotYet,
    };
    let mapping = flow.spec.field_mapping_ref.name.as_str();
    match validate::validate(&flow.spec, mapping, &references.mapping) {
        Ok(definition) => Wanted::Run {
            definition: Box::new(definition),
            connections: Box::new(references.connections),
            requests: requests(flow),
        },
        Err(invalid) => Wanted::Held(invalid.problem()),
    }
}

/// What people ask of the flow, by its annotations.
fn requests(flow: &SyncFlow) -> Requests {
    let annotation = |name: &str| flow.annotations().get(name).cloned();
    Requests {
        sync_now: annotation(SYNC_NOW_ANNOTATION),
        approved_plan: annotation(APPROVE_PLAN_ANNOTATION).map(|token| token.trim().to_owned()),
        resolve: annotation(RESOLVE_CONFLICTS_ANNOTATION),
        release: annotation(RELEASE_QUARANTINE_ANNOTATION),
    }
}

/// A flow that goes: its worker drains and acknowledges before the finalizer is released.
async fn cleanup(meta: &ObjectMeta, context: &Context) -> Result<Action, ReconcileError> {
    if context.flows.end(&key(meta)?).await {
        Ok(Action::await_change())
    } else {
        Err(ReconcileError::StillDraining)
    }
}

fn key(meta: &ObjectMeta) -> Result<FlowKey, ReconcileError> {
    Ok(FlowKey {
        uid: meta.uid.clone().ok_or(ReconcileError::Incomplete("uid"))?,
        namespace: meta
            .namespace
            .clone()
            .ok_or(ReconcileError::Incomplete("namespace"))?,
        name: meta.name.clone().ok_or(ReconcileError::Incomplete("name"))?,
    })
}

/// An object that was stored under another CRD and does not fit this one.
pub(super) fn unreadable(error: &str) -> Problem {
    Problem::human(
        "InvalidObject",
        format!("the object as it is stored does not fit this version of its kind: {error}; apply it again"),
    )
}
