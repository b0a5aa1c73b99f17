//! What must be there before this process is of use: the custom resources, and the caches.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::{GROUP, VERSION};
use crate::controllers::error::kube_call;

/// What is still awaited. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

impl Readiness {
    /// Not ready until this has come.
    pub fn awaits(&self, what: &'static str) {
        self.lock().insert(what);
    }

    /// It has come.
    pub fn has(&self, what: &'static str) {
        if self.lock().remove(what) {
            info!(what, "there");
        }
    }

    /// What is still awaited; empty when ready.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kinds that the API server must serve, by their plural names.
const KINDS: [&str; 3] = ["connections", "fieldmappings", "syncflows"];

/// Waits until the API server serves our kinds. Asks discovery, which every account may read, so that an operator
/// with a plain Role can ask too. `false` when `stop` came first.
pub async fn wait_for_kinds(client: &Client, stop: &CancellationToken) -> bool {
    let version = format!("{GROUP}/{VERSION}");
    let mut told = false;
    loop {
        let missing = match kube_call("list kinds", client.list_api_group_resources(&version)).await {
            Ok(list) => KINDS
                .into_iter()
                .filter(|kind| !list.resources.iter().any(|resource| resource.name == *kind))
                .collect::<Vec<_>>(),
            // 404: the group itself is not there.
            Err(error) if error.is_gone() => KINDS.to_vec(),
            Err(error) => {
                warn!(%error, "the API server could not be asked for its kinds");
                KINDS.to_vec()
            }
        };
        if missing.is_empty() {
            return true;
        }
        if !told {
            warn!(
                ?missing,
                "waiting for the custom resources: apply crds/, or pipe `syncflow crds` to kubectl"
            );
            told = true;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
