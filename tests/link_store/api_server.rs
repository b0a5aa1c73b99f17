//! `ConfigMaps` on a real API server, reached with the operator's own rights, and what only they promise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config, ResourceExt};
use serde_json::json;
use syncflow::adapters::link_store::config_map::{ConfigMapPages, ConfigMapStore};
use syncflow::adapters::link_store::flow_key::SecretKey;
use syncflow::adapters::link_store::flow_object::{FLOW_UID_LABEL, FlowObject};
use syncflow::adapters::link_store::journal::SealedEntry;
use syncflow::adapters::link_store::limits::Limits;
use syncflow::adapters::link_store::paged_store::PagedStore;
use syncflow::api::SyncFlow;
use syncflow::core::link::Phase;
use syncflow::ports::{LinkStore, StoreError};
use syncflow_control_plane::ControlPlane;
use tokio::sync::OnceCell;

use crate::bench::{Counting, DocumentFlow, Flow, Mortal, key};
use crate::examples::{change, header};

const NAMESPACE: &str = "crm";

/// The operator's account with the Role that is shipped, and an account that may do nothing.
const ACCOUNTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: crm}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: syncflow, namespace: crm}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: crm}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: syncflow-operator, namespace: crm}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: syncflow-operator}
subjects: [{kind: ServiceAccount, name: syncflow, namespace: crm}]
";

/// One for all tests here; it ends with this process.
struct Server {
    control_plane: &'static ControlPlane,
    operator: PathBuf,
    nobody: PathBuf,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

async fn server() -> &'static Server {
    SERVER
        .get_or_init(|| async {
            let control_plane = ControlPlane::shared().await.unwrap();
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            control_plane.apply(&root.join("crds")).await.unwrap();
            control_plane
                .apply(&root.join("config/rbac/flows"))
                .await
                .unwrap();
            control_plane.apply(ACCOUNTS).await.unwrap();
            let wait = ["wait", "--for=condition=Established", "crd/syncflows.syncflow.io"];
            control_plane.kubectl(wait).await.unwrap().into_success().unwrap();
            let mut kubeconfigs = Vec::new();
            for account in ["syncflow", "nobody"] {
                let token = control_plane.create_token(NAMESPACE, account).await.unwrap();
                kubeconfigs.push(control_plane.kubeconfig_for_token(&token, NAMESPACE).unwrap());
            }
            let [operator, nobody] = kubeconfigs.try_into().unwrap();
            Server {
                control_plane,
                operator,
                nobody,
            }
        })
        .await
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// A flow on the API server.
pub struct ApiServer {
    admin: Client,
    operator: Client,
    name: String,
    object: FlowObject,
    entropy: Arc<Counting>,
}

impl ApiServer {
    pub async fn flow(name: &str) -> Self {
        let server = server().await;
        let admin = client(server.control_plane.kubeconfig_path()).await;
        let operator = client(&server.operator).await;
        let object = apply(&admin, name).await;
        Self {
            admin,
            operator,
            name: name.to_owned(),
            object,
            entropy: Arc::default(),
        }
    }

    fn store(&self) -> ConfigMapStore {
        ConfigMapStore::in_config_maps(
            self.operator.clone(),
            self.object.clone(),
            &key(),
            self.entropy.clone(),
        )
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.admin.clone(), NAMESPACE)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.admin.clone(), NAMESPACE)
    }

    async fn stored(&self) -> Vec<ConfigMap> {
        let mine = ListParams::default().labels(&format!("{FLOW_UID_LABEL}={}", self.object.uid()));
        self.config_maps().list(&mine).await.unwrap().items
    }

    fn name_of(&self, ending: &str) -> String {
        format!("{}-{ending}", self.name)
    }

    fn ending_of(&self, object: &ConfigMap) -> String {
        let name = object.name_any();
        name.strip_prefix(&self.name).unwrap()[1..].to_owned()
    }

    async fn key(&self) -> Result<SecretKey, StoreError> {
        SecretKey::ensure(&self.operator, &self.object, &*self.entropy).await
    }

    /// Deletes the flow and applies it again. Its objects are left behind, as they are while the garbage collector
    /// has not come by.
    async fn successor(&self) -> Self {
        let flows: Api<SyncFlow> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let orphan = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Orphan),
            ..DeleteParams::default()
        };
        flows.delete(&self.name, &orphan).await.unwrap();
        gone(&flows, &self.name, self.object.uid()).await;
        Self {
            admin: self.admin.clone(),
            operator: self.operator.clone(),
            name: self.name.clone(),
            object: apply(&self.admin, &self.name).await,
            entropy: Arc::clone(&self.entropy),
        }
    }
}

async fn apply(admin: &Client, name: &str) -> FlowObject {
    let flows: Api<SyncFlow> = Api::namespaced(admin.clone(), NAMESPACE);
    let manifest = json!({
        "apiVersion": "syncflow.io/v1alpha1",
        "kind": "SyncFlow",
        "metadata": {"name": name},
        "spec": {
            "direction": "TwoWay",
            "fieldMappingRef": {"name": "case-incident"},
            "history": "All",
            "salesforce": {
                "connectionRef": {"name": "salesforce"}, "object": "Case", "stampField": "Stamp__c",
            },
            "serviceNow": {"connectionRef": {"name": "servicenow"}, "table": "incident"},
        },
    });
    let flow = flows
        .create(&PostParams::default(), &serde_json::from_value(manifest).unwrap())
        .await
        .unwrap();
    FlowObject::new(NAMESPACE, name, flow.uid().unwrap())
}

/// Waits until an object is gone, or is another one.
async fn gone<K>(api: &Api<K>, name: &str, uid: &str)
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
{
    await_condition(api.clone(), name, conditions::is_deleted(uid))
        .await
        .unwrap();
}

#[async_trait]
impl Flow for ApiServer {
    fn process(&self) -> Box<dyn LinkStore> {
        Box::new(self.store())
    }

    fn process_that_dies_after(&self, writes: usize) -> Box<dyn LinkStore> {
        let pages = ConfigMapPages::new(self.operator.clone(), self.object.clone());
        Box::new(PagedStore::new(
            Mortal::new(pages, writes),
            &key(),
            self.object.uid(),
            self.entropy.clone(),
            Limits::default(),
        ))
    }

    async fn state_of_writes(&self) -> BTreeMap<String, String> {
        let stored = self.stored().await.into_iter();
        stored
            .map(|object| (object.name_any(), object.resource_version().unwrap()))
            .collect()
    }

    async fn journal_entries(&self) -> usize {
        self.journal().await.len()
    }

    async fn erase(&self) {
        for object in self.stored().await {
            let name = object.name_any();
            self.config_maps()
                .delete(&name, &DeleteParams::default())
                .await
                .unwrap();
        }
    }
}

#[async_trait]
impl DocumentFlow for ApiServer {
    async fn documents(&self) -> BTreeMap<String, String> {
        let stored = self.stored().await.into_iter();
        stored
            .map(|object| {
                let ending = self.ending_of(&object);
                let mut data = object.data.unwrap_or_default();
                assert_eq!(data.len(), 1, "{ending}");
                (ending, data.pop_first().unwrap().1)
            })
            .collect()
    }

    async fn overwrite(&self, ending: &str, body: &str) {
        let patch = Patch::Merge(json!({"data": {"state": body}}));
        self.config_maps()
            .patch(&self.name_of(ending), &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    async fn delete(&self, ending: &str) {
        let name = self.name_of(ending);
        self.config_maps()
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }

    async fn journal(&self) -> Vec<SealedEntry> {
        self.store().journal().await.unwrap()
    }

    fn uid(&self) -> String {
        self.object.uid().to_owned()
    }
}

pub async fn a_document_is_owned_and_labelled(flow: &ApiServer) {
    let store = flow.store();
    store.load().await.unwrap();
    store.commit(change(0..1, Phase::Active, 1)).await.unwrap();
    flow.key().await.unwrap();
    let secret = flow.secrets().get(&flow.name_of("sync-key")).await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("syncflow.io/flow-key"));
    let mut kinds = Vec::new();
    let metadata = flow.stored().await.into_iter().map(|object| object.metadata);
    for metadata in metadata.chain([secret.metadata]) {
        let labels = metadata.labels.unwrap();
        assert_eq!(labels["app.kubernetes.io/managed-by"], "syncflow");
        assert_eq!(labels[FLOW_UID_LABEL], flow.uid());
        kinds.push(labels["syncflow.io/state"].clone());
        let [owner] = metadata.owner_references.unwrap().try_into().unwrap();
        assert_eq!((owner.kind.as_str(), &owner.uid), ("SyncFlow", &flow.uid()));
        assert_eq!(owner.controller, Some(true));
        assert_eq!(owner.block_owner_deletion, Some(false));
    }
    kinds.sort();
    assert_eq!(kinds, ["header", "key", "links"]);
}

pub async fn deleting_the_flow_removes_all_of_its_state(flow: &ApiServer) {
    let store = flow.store();
    store.load().await.unwrap();
    store.commit(change(0..500, Phase::Active, 1)).await.unwrap();
    flow.key().await.unwrap();
    let secret = flow.secrets().get(&flow.name_of("sync-key")).await.unwrap();
    let stored = flow.stored().await;
    assert!(stored.len() > 3);
    let flows: Api<SyncFlow> = Api::namespaced(flow.admin.clone(), NAMESPACE);
    flows.delete(&flow.name, &DeleteParams::default()).await.unwrap();
    for object in stored {
        gone(&flow.config_maps(), &object.name_any(), &object.uid().unwrap()).await;
    }
    gone(&flow.secrets(), &secret.name_any(), &secret.uid().unwrap()).await;
}

pub async fn the_state_of_a_deleted_flow_is_not_taken_for_that_of_its_successor(flow: &ApiServer) {
    let store = flow.store();
    store.load().await.unwrap();
    store.commit(change(0..20, Phase::Active, 1)).await.unwrap();

    let successor = flow.successor().await;
    assert!(
        successor
            .config_maps()
            .get(&flow.name_of("links-r"))
            .await
            .is_ok(),
        "nothing was left"
    );
    let store = successor.store();
    let nothing = store.load().await.unwrap();
    assert!(nothing.header.is_none() && nothing.links.is_empty());
    store.commit(change(5..6, Phase::Dormant, 7)).await.unwrap();
    let snapshot = successor.store().load().await.unwrap();
    assert_eq!(snapshot.links.len(), 1);
    assert_eq!(snapshot.header, Some(header(7)));
    assert!(
        flow.stored().await.is_empty(),
        "a document of the deleted flow is left"
    );
}

pub async fn a_process_of_a_deleted_flow_cannot_touch_its_successor(flow: &ApiServer) {
    let stale = flow.store();
    stale.load().await.unwrap();
    let successor = flow.successor().await;
    let store = successor.store();
    store.load().await.unwrap();
    store.commit(change(0..20, Phase::Active, 1)).await.unwrap();
    let written = successor.state_of_writes().await;
    let refused = stale.commit(change(0..20, Phase::Dormant, 2)).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert!(stale.load().await.unwrap().links.is_empty());
    let refused = stale.commit(change(0..20, Phase::Dormant, 2)).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert_eq!(successor.state_of_writes().await, written);
}

pub async fn two_flows_do_not_see_each_other(flow: &ApiServer) {
    // A name that begins with the other's.
    let other = ApiServer::flow(&flow.name_of("links-r")).await;
    for (flow, numbers) in [(flow, 0..20), (&other, 10..40)] {
        let store = flow.store();
        store.load().await.unwrap();
        store
            .commit(change(numbers.clone(), Phase::Active, numbers.start))
            .await
            .unwrap();
    }
    assert_eq!(flow.store().load().await.unwrap().links.len(), 20);
    let snapshot = other.store().load().await.unwrap();
    assert_eq!((snapshot.links.len(), snapshot.header), (30, Some(header(10))));
}

pub async fn the_key_is_made_once_and_a_lost_one_is_replaced(flow: &ApiServer) {
    let key = flow.key().await.unwrap();
    assert_eq!(flow.key().await, Ok(key.clone()));
    let name = flow.name_of("sync-key");
    flow.secrets()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    let second = flow.key().await.unwrap();
    assert_ne!(second, key);

    // One that a deleted flow left behind is not this flow's.
    let successor = flow.successor().await;
    let third = successor.key().await.unwrap();
    assert_ne!(third, second);
    assert_eq!(successor.key().await, Ok(third.clone()));
    assert_eq!(
        flow.key().await,
        Err(StoreError::Conflict),
        "a dead flow took the key"
    );
    assert_eq!(successor.key().await, Ok(third));
}

pub async fn a_key_that_is_none_is_named(flow: &ApiServer) {
    flow.key().await.unwrap();
    let patch = Patch::Merge(json!({"data": {"key": "c2hvcnQ="}}));
    let name = flow.name_of("sync-key");
    flow.secrets()
        .patch(&name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    let Err(StoreError::Corrupt { page, why }) = flow.key().await else {
        panic!("taken for a key");
    };
    assert!(page.contains(&name) && why.contains("32 bytes"), "{page}: {why}");
}

pub async fn a_missing_right_is_named_with_the_rule_that_grants_it(flow: &ApiServer) {
    let nobody = client(&server().await.nobody).await;
    let store =
        ConfigMapStore::in_config_maps(nobody.clone(), flow.object.clone(), &key(), flow.entropy.clone());
    let key = SecretKey::ensure(&nobody, &flow.object, &*flow.entropy).await;
    for (refused, verb, resource) in [
        (store.load().await.map(drop), "list", "configmaps"),
        (key.map(drop), "get", "secrets"),
    ] {
        let Err(StoreError::Forbidden(why)) = refused else {
            panic!("{refused:?}");
        };
        let rule = format!("resources [\"{resource}\"], verbs [\"{verb}\"]");
        assert!(why.contains(&rule), "{why}");
    }
}
