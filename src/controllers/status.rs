//! The only place that writes `status`: server-side apply on the subresource, whole, and only when it differs.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::{info, warn};

use super::error::{ReconcileError, kube_call};
use super::events::transition;
use crate::api::{Connection, ConnectionStatus, FieldMapping, FieldMappingStatus, SyncFlow, SyncFlowStatus};

/// A kind whose status we write.
pub trait Judged:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
    /// Its status.
    type Status: Clone + Default + PartialEq + Serialize + Send;
    /// The field manager, and the reporter of events.
    const CONTROLLER: &'static str;

    /// The conditions of a status.
    fn conditions(status: &Self::Status) -> &[Condition];
}

impl Judged for Connection {
    type Status = ConnectionStatus;
    const CONTROLLER: &'static str = "syncflow.io/connection";

    fn conditions(status: &ConnectionStatus) -> &[Condition] {
        &status.conditions
    }
}

impl Judged for FieldMapping {
    type Status = FieldMappingStatus;
    const CONTROLLER: &'static str = "syncflow.io/field-mapping";

    fn conditions(status: &FieldMappingStatus) -> &[Condition] {
        &status.conditions
    }
}

impl Judged for SyncFlow {
    type Status = SyncFlowStatus;
    const CONTROLLER: &'static str = "syncflow.io/sync-flow";

    fn conditions(status: &SyncFlowStatus) -> &[Condition] {
        &status.conditions
    }
}

/// Writes the statuses of one kind.
pub struct StatusWriter<K: Judged> {
    client: Client,
    recorder: Recorder,
    /// By namespace and name, what we wrote last. The cache lags behind our own writes: judging by it alone would
    /// tell a transition twice.
    written: Mutex<WrittenByName<K::Status>>,
}

type WrittenByName<S> = BTreeMap<(String, String), Written<S>>;

struct Written<S> {
    /// The version of the object that was judged: while the cache still shows it, what follows is newer.
    judged: Option<String>,
    /// The version that our write made of it.
    version: Option<String>,
    status: S,
}

impl<K: Judged> StatusWriter<K> {
    /// A writer; `instance` names this process in events.
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter = Reporter {
            controller: K::CONTROLLER.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            written: Mutex::default(),
        }
    }

    /// Makes the status of the object with this metadata what `judge` says, given what it is. `cached` is the status
    /// as the cache shows it. Nothing is written when nothing differs, or when the object is gone or is another one
    /// by the same name.
    pub async fn publish(
        &self,
        meta: &ObjectMeta,
        cached: Option<&K::Status>,
        judge: impl FnOnce(&K::Status) -> K::Status,
    ) -> Result<(), ReconcileError> {
        let key = key(meta)?;
        let (before, version) = self.newest(&key, meta, cached);
        let after = judge(&before);
        if after == before {
            return Ok(());
        }
        let written = match self.write(&key, version.as_deref(), &after).await {
            Ok(written) => written,
            // Gone, changed, or another one by the same name: if it is there at all, the watch is about to say so.
            Err(error) if error.is_gone() => {
                self.forget(&key);
                return Ok(());
            }
            // An object that was stored under other rules is refused as a whole, whoever writes what. An event can still
            // tell it, once: until the object changes, we take our judgement as written.
            Err(error) if error.is_invalid() => {
                warn!(kind = %K::kind(&()), namespace = key.0, name = key.1, %error, "status refused");
                version
            }
            Err(error) => return Err(error),
        };
        let ours = Written {
            judged: meta.resource_version.clone(),
            version: written,
            status: after.clone(),
        };
        self.lock().insert(key.clone(), ours);
        self.tell(&key, meta, K::conditions(&before), K::conditions(&after))
            .await;
        Ok(())
    }

    /// Forgets objects that `exists` does not know any more.
    pub fn retain(&self, exists: impl Fn(&str, &str) -> bool) {
        self.lock().retain(|(namespace, name), _| exists(namespace, name));
    }

    /// Writes it to the object as it was judged, and gives the version that came of it. The version is a precondition
    /// (a UID in an applied status is not looked at): a judgement never lands on an object that has changed since, nor
    /// on another one of the same name.
    async fn write(
        &self,
        (namespace, name): &(String, String),
        version: Option<&str>,
        status: &K::Status,
    ) -> Result<Option<String>, ReconcileError> {
        // Only metadata is read back: an object that we cannot read is told so, too.
        let api: Api<PartialObjectMeta<K>> = Api::namespaced(self.client.clone(), namespace);
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name, "resourceVersion": version},
            "status": status,
        });
        let params = PatchParams::apply(K::CONTROLLER).force();
        let patch = Patch::Apply(&patch);
        let written = kube_call("write status", api.patch_status(name, &params, &patch)).await?;
        Ok(written.metadata.resource_version)
    }

    async fn tell(
        &self,
        key: &(String, String),
        meta: &ObjectMeta,
        before: &[Condition],
        after: &[Condition],
    ) {
        let Some(event) = transition(before, after) else {
            return;
        };
        let (namespace, name) = key;
        let reason = event.reason.as_str();
        info!(kind = %K::kind(&()), namespace, name, reason, note = event.note, "transition");
        let object = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            uid: meta.uid.clone(),
            ..Default::default()
        };
        if let Err(error) = kube_call("publish an event", self.recorder.publish(&event, &object)).await {
            // The condition says the same; an event is a courtesy.
            warn!(namespace, name, %error, "an event was not published");
        }
    }

    /// The newest status that is known, and the version of the object that has it.
    fn newest(
        &self,
        key: &(String, String),
        meta: &ObjectMeta,
        cached: Option<&K::Status>,
    ) -> (K::Status, Option<String>) {
        match self.lock().get(key) {
            Some(ours) if ours.judged == meta.resource_version => (ours.status.clone(), ours.version.clone()),
            _ => (cached.cloned().unwrap_or_default(), meta.resource_version.clone()),
        }
    }

    fn forget(&self, key: &(String, String)) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WrittenByName<K::Status>> {
        // A poisoned map is still a map of whole entries.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(meta: &ObjectMeta) -> Result<(String, String), ReconcileError> {
    let namespace = meta
        .namespace
        .clone()
        .ok_or(ReconcileError::Incomplete("namespace"))?;
    let name = meta.name.clone().ok_or(ReconcileError::Incomplete("name"))?;
    Ok((namespace, name))
}

/// The namespace and name of an object that came from an API server.
pub fn names_of<K: Resource>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
