//! Connections: is the service reachable with this credential? Flows are lent the session that was proven here.

pub mod dereference;
pub mod probe;
pub mod registry;
pub mod status;
pub mod validate;
pub mod watchful;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use self::registry::{Epoch, Finding, Lent, ProbeSchedule};
use self::watchful::Watchful;
use super::context::{ConnectionKey, Context, Guarded};
use super::error::ReconcileError;
use super::sync_flow::unreadable;
use crate::api::{Connection, ConnectionStatus, SIGN_IN_NOW_ANNOTATION};
use crate::core::failure::{FailureClass, Problem};
use crate::core::side::Side;
use crate::ports::Remote;

/// One look at a Connection.
///
/// 1. (pure) parse the manifest
/// 2. (IO) look at the version of its Secret, and at the Secret's keys when the version is new
/// 3. (act) open a session when there is none of this epoch; it sends nothing yet
/// 4. (IO) prove the session when that is due
/// 5. (act) keep the finding for the flows, and wake those that it concerns
/// 6. (IO) write the status when it differs
/// 7. look again when the Secret or the proof is due
pub async fn reconcile(
    object: Arc<Guarded<Connection>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let connection = match &object.0 {
        Ok(connection) => connection,
        Err(invalid) => {
            let finding = failed(unreadable(&invalid.error), None);
            let generation = invalid.metadata.generation;
            let judge = |was: &ConnectionStatus| status::status(was, &finding, generation, Timestamp::now());
            context
                .connection_status
                .publish(&invalid.metadata, None, judge)
                .await?;
            return Ok(Action::await_change());
        }
    };
    let (finding, next) = look(connection, &object, &context).await?;
    let meta = &connection.metadata;
    let judge = |was: &ConnectionStatus| status::status(was, &finding, meta.generation, Timestamp::now()); // (pure)
    context
        .connection_status
        .publish(meta, connection.status.as_ref(), judge)
        .await?; // (IO)
    Ok(Action::requeue(next))
}

/// Steps 1 to 5. Also says when to look again.
async fn look(
    connection: &Connection,
    object: &Guarded<Connection>,
    context: &Context,
) -> Result<(Finding, Duration), ReconcileError> {
    let meta = &connection.metadata;
    let namespace = meta
        .namespace
        .as_deref()
        .ok_or(ReconcileError::Incomplete("namespace"))?;
    let key = ConnectionKey {
        uid: meta.uid.clone().ok_or(ReconcileError::Incomplete("uid"))?,
        namespace: namespace.to_owned(),
        name: meta.name.clone().ok_or(ReconcileError::Incomplete("name"))?,
    };
    let mut epoch = Epoch {
        uid: key.uid.clone(),
        generation: meta.generation,
        secret: String::new(),
        sign_in_now: connection.annotations().get(SIGN_IN_NOW_ANNOTATION).cloned(),
    };
    let pinned = connection
        .status
        .as_ref()
        .and_then(|status| status.identity.as_deref());
    let refuse = |epoch: Epoch, problem: Problem| {
        wake_if(context.registry.refuse(epoch, &problem), object, context);
        let wait = match problem.class {
            FailureClass::HumanNeeded | FailureClass::Waiting => context.settings.secret_interval,
            FailureClass::Transient => Duration::from_secs(2),
        };
        Ok((failed(problem, pinned), context.about(wait)))
    };
    let target = match validate::validate(&connection.spec) {
        Ok(target) => target, // (pure)
        Err(problem) => return refuse(epoch, problem),
    };
    epoch.secret = match dereference::secret_version(&context.client, namespace, &target).await? {
        Ok(version) => version, // (IO)
        Err(problem) => return refuse(epoch, problem),
    };
    let (lent, schedule) = if let Some(session) = context.registry.session(&epoch) {
        session
    } else {
        if let Err(problem) = dereference::secret_keys(&context.client, namespace, &target).await? {
            return refuse(epoch, problem); // (IO)
        }
        match context.dialer.dial(&key, &target) {
            Ok(remote) => (
                open(epoch, target.method.side(), remote, object, context),
                ProbeSchedule::default(),
            ), // (act)
            Err(problem) => return refuse(epoch, problem),
        }
    };
    let finding = prove(&lent, schedule, pinned, object, context).await; // (IO), (act)
    let due = context
        .registry
        .session(&lent.epoch)
        .map_or(schedule, |(_, schedule)| schedule);
    let next = context
        .about(context.settings.secret_interval)
        .min(due.due_in(context.clock.monotonic()));
    Ok((finding, next.max(Duration::from_millis(100))))
}

/// Opens a session that has its Connection proven again when the service refuses it in use.
fn open(
    epoch: Epoch,
    side: Side,
    remote: Arc<dyn Remote>,
    object: &Guarded<Connection>,
    context: &Context,
) -> Lent {
    let (registry, wake) = (Arc::clone(&context.registry), context.wake_suspect.clone());
    let (suspect, connection) = (epoch.clone(), ObjectRef::from_obj(object));
    let watchful = Watchful::new(remote, move || {
        if registry.suspect(&suspect) {
            // The receiver lives as long as the controllers do.
            let _ = wake.unbounded_send(connection.clone());
        }
    });
    let lent = Lent {
        epoch,
        side,
        remote: Arc::new(watchful),
    };
    context.registry.open(&lent);
    lent
}

/// Proves the session if that is due, and gives what is known of it.
async fn prove(
    lent: &Lent,
    schedule: ProbeSchedule,
    pinned: Option<&str>,
    object: &Guarded<Connection>,
    context: &Context,
) -> Finding {
    if !schedule.is_due(context.clock.monotonic())
        && let Some(known) = context.registry.finding(&lent.epoch)
    {
        return known;
    }
    let finding = probe::probe(lent.remote.as_ref(), lent.side, pinned).await; // (IO)
    let class = finding.problem.as_ref().map(|problem| problem.class);
    let now = context.clock.monotonic();
    let schedule = schedule.after(
        class,
        now,
        context.settings.probe_interval,
        context.entropy.next_u64(),
    );
    wake_if(
        context.registry.probed(&lent.epoch, &finding, schedule),
        object,
        context,
    ); // (act)
    finding
}

fn failed(problem: Problem, pinned: Option<&str>) -> Finding {
    Finding {
        problem: Some(problem),
        identity: pinned.map(str::to_owned),
    }
}

fn wake_if(changed: bool, object: &Guarded<Connection>, context: &Context) {
    if changed {
        // The receiver lives as long as the controllers do.
        let _ = context.wake_users_of.unbounded_send(ObjectRef::from_obj(object));
    }
}
