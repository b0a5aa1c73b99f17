//! The order in which things begin and end.
//!
//! ```text
//!   probes ─▶ custom resources ─▶ Lease ─▶ supervisor ─▶ controllers
//!   (SIGTERM) controllers stop taking in ─▶ workers drain ─▶ Lease given back ─▶ probes end
//! ```
//!
//! A lost Lease ends the process with an error: the right to write has then already ended by itself, and a fresh start
//! is the one well-trodden way back to being a candidate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::unbounded;
use kube::client::ClientBuilder;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::clock::SystemClock;
use super::connections::{SessionDialer, TurnsByConnection};
use super::entropy::SystemEntropy;
use super::lease::fenced::Fenced;
use super::lease::{Lease, LeaseLost, LeaseSettings};
use super::link_state::ConfigMapState;
use super::metrics::Metrics;
use super::readiness::{Readiness, wait_for_kinds};
use super::supervisor::{Shared, Supervisor};
use super::{admin, shutdown};
use crate::adapters::http::allow_list::AllowList;
use crate::adapters::http::reqwest_transport::{ReqwestTransport, TransportConfig, TransportSetupError};
use crate::adapters::refused::RefusalRest;
use crate::cli::OperatorArgs;
use crate::controllers::connection::registry::ConnectionRegistry;
use crate::controllers::context::{Context, ControllerSettings, Failures, Flows, Stores};
use crate::controllers::run::{Wakers, Watches, run as run_controllers};
use crate::controllers::status::StatusWriter;
use crate::core::ident::hex;
use crate::ports::{Clock, Entropy, Fence};

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no way to an API server.
    #[error("no API server is configured: {0}")]
    NoCluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address of the probes cannot be listened on, or signals cannot be caught.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The HTTP stack cannot be set up.
    #[error(transparent)]
    Transport(#[from] TransportSetupError),
    /// A file that a flag names cannot be read.
    #[error("--extra-ca {}: {source}", path.display())]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No write would ever be permitted.
    #[error("--lease-duration is too short: a write may take {} s (--write-timeout) and must fit into it; use {least} s or more", write_timeout.as_secs())]
    LeaseTooShort {
        /// How long a write may take.
        write_timeout: Duration,
        /// The shortest Lease that it fits into, in seconds.
        least: u64,
    },
    /// The Lease is lost.
    #[error("{0}; a fresh start becomes a candidate again")]
    LeaseLost(#[from] LeaseLost),
    /// The controllers ended though nobody asked them to.
    #[error("the controllers ended unexpectedly")]
    ControllersEnded,
}

/// Runs the operator until a signal, or until it must not go on.
pub async fn run(args: OperatorArgs) -> Result<(), AppError> {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = args.namespace,
        "syncflow operator"
    );
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let metrics = Arc::new(Metrics::new());
    let readiness = Readiness::default();
    readiness.awaits("custom resources");
    let settings = lease_settings(&args, entropy.as_ref())?;
    let dialing = transport(&args).await?;

    let signals = "signals cannot be caught";
    let stop = shutdown::on_signals().map_err(|source| AppError::System {
        what: signals,
        source,
    })?;
    let end_of_probes = CancellationToken::new();
    let listening = admin::serve(
        args.listen,
        readiness.clone(),
        Arc::clone(&metrics),
        end_of_probes.clone(),
    )
    .await;
    let probes = listening.map_err(|source| AppError::System {
        what: "--listen cannot be listened on",
        source,
    })?;

    let (config, own_namespace) = connect().await?;
    let no_cluster = |error: kube::Error| AppError::NoCluster(Box::new(error));
    let client = Client::try_from(config.clone()).map_err(no_cluster)?;
    if !wait_for_kinds(&client, &stop).await {
        return Ok(());
    }
    readiness.has("custom resources");

    let lease_namespace = args.lease_namespace.as_deref().unwrap_or(&own_namespace);
    let leases = Api::namespaced(client.clone(), lease_namespace);
    let mut lease = Lease::new(leases, settings, Arc::clone(&clock));
    if !lease.acquire(&stop).await {
        return Ok(());
    }
    metrics.lease(true);
    let leading = ClientBuilder::try_from(config).map_err(no_cluster)?;
    let parts = Parts {
        client: leading.with_layer(&Fenced(lease.validity())).build(),
        clock,
        entropy,
        metrics: Arc::clone(&metrics),
        fence: lease.validity(),
        readiness,
    };
    let ended = lead(args, parts, dialing, &mut lease, &stop).await;
    metrics.lease(false);
    if !matches!(ended, Err(AppError::LeaseLost(_))) {
        lease.vacate().await;
    }
    end_of_probes.cancel();
    if let Ok(Err(error)) = probes.await {
        error!(%error, "the admin server ended badly");
    }
    ended
}

/// What the parts of a leading process share.
struct Parts {
    /// Writes only while the Lease is held.
    client: Client,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
    fence: Arc<dyn Fence>,
    readiness: Readiness,
}

/// Leads until a signal or until the Lease is lost; after a signal, drains while the Lease is still kept.
async fn lead(
    args: OperatorArgs,
    parts: Parts,
    (allow_list, transport): (AllowList, ReqwestTransport),
    lease: &mut Lease,
    stop: &CancellationToken,
) -> Result<(), AppError> {
    parts.readiness.awaits("caches");
    let readiness = parts.readiness.clone();
    let namespace = args
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty());
    let watches = Watches::new(&parts.client, namespace);
    let stores = watches.stores();
    let (woken, woken_flows) = unbounded();
    let supervisor = Arc::new(Supervisor::new(Shared {
        state: Arc::new(ConfigMapState::new(
            parts.client.clone(),
            Arc::clone(&parts.entropy),
        )),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        fence: Arc::clone(&parts.fence),
        metrics: Arc::clone(&parts.metrics),
        wake: Box::new(move |flow| {
            // The receiver lives as long as the controllers do.
            let _ = woken.unbounded_send(ObjectRef::new(&flow.name).within(&flow.namespace));
        }),
        drain_timeout: args.drain_timeout,
    }));
    let (wake_users_of, users_of) = unbounded();
    let (wake_suspect, suspects) = unbounded();
    let instance = lease.identity().to_owned();
    let context = Arc::new(Context {
        stores: stores.clone(),
        registry: Arc::new(ConnectionRegistry::default()),
        dialer: Arc::new(dialer(&args, lease.floor(), &parts, allow_list, transport)),
        flows: Arc::clone(&supervisor) as Arc<dyn Flows>,
        connection_status: StatusWriter::new(parts.client.clone(), &instance),
        mapping_status: StatusWriter::new(parts.client.clone(), &instance),
        flow_status: StatusWriter::new(parts.client.clone(), &instance),
        wake_users_of,
        wake_suspect,
        clock: parts.clock,
        entropy: parts.entropy,
        settings: ControllerSettings {
            secret_interval: args.secret_interval,
            probe_interval: args.probe_interval,
            resync_interval: args.resync_interval,
            concurrency: args.concurrency,
        },
        observer: parts.metrics,
        failures: Failures::default(),
        client: parts.client,
    });
    let wakers = Wakers {
        flows: woken_flows,
        users_of,
        suspects,
    };
    let caches = report_caches(&stores, &readiness);
    let work = async {
        let mut controllers = run_controllers(watches, wakers, &context, stop);
        tokio::select! {
            () = &mut controllers => {}
            () = stop.cancelled() => {
                // A reconcile that is under way may wait for a service: workers do not wait for it.
                let ending = tokio::time::timeout(args.drain_timeout, controllers);
                let ((), ended) = tokio::join!(supervisor.drain(), ending);
                if ended.is_err() {
                    warn!("a reconcile did not end in time and is dropped");
                }
                return Ok(());
            }
        }
        supervisor.drain().await;
        if stop.is_cancelled() {
            Ok(())
        } else {
            Err(AppError::ControllersEnded)
        }
    };
    let never = CancellationToken::new();
    tokio::select! {
        biased;
        lost = lease.keep(&never) => {
            // Workers are dropped with this function; the fence keeps what they might still send.
            Ok(lost?)
        }
        ended = work => ended,
        () = caches => Ok(()),
    }
}

/// What opens the ways to the services.
fn dialer(
    args: &OperatorArgs,
    lease_floor: Duration,
    parts: &Parts,
    allow_list: AllowList,
    transport: ReqwestTransport,
) -> SessionDialer {
    SessionDialer {
        client: parts.client.clone(),
        allow_list,
        transport: Arc::new(transport),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        metrics: Arc::clone(&parts.metrics),
        fence: Arc::clone(&parts.fence),
        refusal_rest: RefusalRest::new(args.refusal_interval),
        write_timeout: args.write_timeout,
        lease_floor,
        turns: TurnsByConnection::default(),
    }
}

fn lease_settings(args: &OperatorArgs, entropy: &dyn Entropy) -> Result<LeaseSettings, AppError> {
    let identity = args.identity.clone().unwrap_or_else(|| {
        let mut nonce = [0; 4];
        entropy.fill(&mut nonce);
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "syncflow".to_owned());
        format!("{host}_{}", hex(&nonce))
    });
    let settings = LeaseSettings {
        name: args.lease_name.clone(),
        identity,
        // The Lease says whole seconds.
        duration: Duration::from_secs(args.lease_duration.as_secs()),
    };
    if settings.floor() < args.write_timeout {
        return Err(AppError::LeaseTooShort {
            write_timeout: args.write_timeout,
            least: LeaseSettings::least_seconds(args.write_timeout),
        });
    }
    Ok(settings)
}

async fn transport(args: &OperatorArgs) -> Result<(AllowList, ReqwestTransport), AppError> {
    let mut allow_list = args
        .allow_hosts
        .iter()
        .cloned()
        .fold(AllowList::vendors(), AllowList::and);
    if args.allow_loopback_http {
        allow_list = allow_list.and_loopback();
    }
    let mut config = TransportConfig::new(allow_list.clone());
    config.proxy.clone_from(&args.proxy);
    if let Some(path) = &args.extra_ca {
        let read = tokio::fs::read(path).await;
        config.extra_roots = Some(read.map_err(|source| AppError::ExtraCa {
            path: path.clone(),
            source,
        })?);
    }
    Ok((allow_list, ReqwestTransport::new(config)?))
}

/// The API server that the environment names, and the namespace we live in.
async fn connect() -> Result<(kube::Config, String), AppError> {
    let mut config = kube::Config::infer()
        .await
        .map_err(|error| AppError::NoCluster(Box::new(error)))?;
    // Its retries reach from milliseconds to a quarter of an hour, out of our sight. Ours are per object.
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    Ok((config, namespace))
}

/// Says that the caches are filled once they are, and never ends: it is waited for beside the work.
async fn report_caches(stores: &Stores, readiness: &Readiness) {
    // An error means that the watch ended, which the controllers tell.
    let _ = stores.connections.wait_until_ready().await;
    let _ = stores.mappings.wait_until_ready().await;
    let _ = stores.flows.wait_until_ready().await;
    readiness.has("caches");
    std::future::pending::<()>().await;
}
