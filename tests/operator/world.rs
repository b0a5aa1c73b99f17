//! One namespace with an org, an instance and an operator of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use syncflow::api::{Connection, FieldMapping, SyncFlow};
use syncflow_control_plane::ControlPlane;
use syncflow_simulators::Simulator;
use syncflow_simulators::front::{Door, Front, system_clock};
use syncflow_simulators::quickstart::{self, SERVICE_NOW_PASSWORD, SERVICE_NOW_USER};
use syncflow_simulators::salesforce::{CLIENT_ID, CLIENT_SECRET, Salesforce};
use syncflow_simulators::service_now::ServiceNow;
use tokio::process::Command;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::timeout;

use super::process::Operator;

/// How long anything may take on a machine that compiles at the same time. A test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// How often something that tells no change is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The name of the flow of the quickstart.
pub const FLOW: &str = "cases-incidents";

static INSTALLED: OnceCell<()> = OnceCell::const_new();
static WORLDS: AtomicU32 = AtomicU32::new(0);
/// Held by every world, or by the one test that wants the machine for itself.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// One namespace, with everything in it.
pub struct World {
    pub plane: &'static ControlPlane,
    pub client: Client,
    pub namespace: String,
    pub org: Front<Salesforce>,
    pub instance: Front<ServiceNow>,
    /// The operator's own kubeconfig: its account's token and nothing more.
    pub operator_kubeconfig: PathBuf,
    log: PathBuf,
    /// Given back when the world ends.
    machine: Option<Machine>,
}

/// A share of the machine, or all of it.
enum Machine {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl World {
    /// A namespace with the shipped account and Role, an org and an instance without records. No operator runs yet.
    pub async fn new(name: &str) -> Self {
        let machine = Machine::Shared {
            _guard: MACHINE.read().await,
        };
        Self::prepared(name, Some(machine)).await
    }

    /// As [`World::new`], while no other world is there: for a Lease that is short, and lost where others use the machine up.
    pub async fn alone(name: &str) -> Self {
        let machine = Machine::Alone {
            _guard: MACHINE.write().await,
        };
        Self::prepared(name, Some(machine)).await
    }

    /// A second world of the same test, within the share of the first.
    pub async fn beside(_first: &Self, name: &str) -> Self {
        Self::prepared(name, None).await
    }

    async fn prepared(name: &str, machine: Option<Machine>) -> Self {
        install_tls();
        let plane = ControlPlane::shared().await.unwrap();
        INSTALLED.get_or_init(|| install_kinds(plane)).await;
        let mut world = Self::on(plane, name, PathBuf::new()).await;
        world.machine = machine;
        let install = namespaced_install(plane, &world.namespace).await;
        plane.apply(&install).await.unwrap();
        let token = plane.create_token(&world.namespace, "syncflow").await.unwrap();
        world.operator_kubeconfig = plane.kubeconfig_for_token(&token, &world.namespace).unwrap();
        world
    }

    /// A namespace of another control plane; the operator is to use this kubeconfig.
    pub async fn on(plane: &'static ControlPlane, name: &str, operator_kubeconfig: PathBuf) -> Self {
        install_tls();
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{name}-{number}");
        kubectl(plane, &["create", "namespace", &namespace]).await;
        let org = Simulator::new(quickstart::salesforce().unwrap());
        let org = Front::start(org, system_clock()).await.unwrap();
        let door = Door::bind(0).await.unwrap();
        let instance = quickstart::service_now(&door.base_url());
        let instance = door.serve(Simulator::new(instance), system_clock());
        Self {
            log: plane.folder().join(format!("operator-{namespace}.log")),
            client: client(plane).await,
            plane,
            namespace,
            org,
            instance,
            operator_kubeconfig,
            machine: None,
        }
    }

    /// Starts the operator with the rights of its Role.
    pub fn operator(&self) -> Operator {
        self.operator_with(&[])
    }

    /// Starts the operator with more flags.
    pub fn operator_with(&self, flags: &[&str]) -> Operator {
        let mut command = self.operator_command(&self.operator_kubeconfig, &self.log);
        Operator::new(command.args(flags).spawn().unwrap())
    }

    /// The operator with this kubeconfig, logging there. Dropped, it is killed.
    pub fn operator_command(&self, kubeconfig: &Path, log: &Path) -> Command {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncflow"));
        command
            .arg("operator")
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            // What a flag may override.
            .env("SYNCFLOW_LISTEN", "127.0.0.1:0")
            .env("SYNCFLOW_ALLOW_LOOPBACK_HTTP", "true")
            .env("SYNCFLOW_LOG_LEVEL", "info")
            .env("SYNCFLOW_IDENTITY", "operator")
            .env("SYNCFLOW_SECRET_INTERVAL", "500ms")
            .env("SYNCFLOW_PROBE_INTERVAL", "2s")
            .env("SYNCFLOW_REFUSAL_INTERVAL", "2s")
            .env("SYNCFLOW_WATCH_NAMESPACE", &self.namespace)
            .env("SYNCFLOW_LEASE_NAMESPACE", &self.namespace)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        command
    }

    /// The Secrets of both Connections, with credentials that work.
    pub async fn apply_secrets(&self) {
        self.apply(&salesforce_secret(CLIENT_SECRET)).await;
        self.apply(&service_now_secret(SERVICE_NOW_PASSWORD)).await;
    }

    /// Applies one file of `examples/quickstart`, pointed at this world's services.
    pub async fn apply_example(&self, file: &str) {
        self.apply_yaml(&self.example(file)).await;
    }

    /// One file of `examples/quickstart`, pointed at this world's services.
    pub fn example(&self, file: &str) -> String {
        let path = root().join("examples/quickstart").join(file);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .replace("https://acme.my.salesforce.com", self.org.base_url())
            .replace("https://acme.service-now.com", self.instance.base_url())
            .replace("\nspec:\n  direction:", "\nspec:\n  interval: 10s\n  direction:")
    }

    /// Everything of the quickstart.
    pub async fn apply_quickstart(&self) {
        self.apply_secrets().await;
        for file in ["connections.yaml", "field-mapping.yaml", "sync-flow.yaml"] {
            self.apply_example(file).await;
        }
    }

    /// Applies a manifest to this namespace.
    pub async fn apply(&self, manifest: &Value) {
        self.apply_yaml(&manifest.to_string()).await;
    }

    /// Applies manifests to this namespace.
    pub async fn apply_yaml(&self, yaml: &str) {
        let words = ["apply", "--server-side", "--namespace", &self.namespace];
        let output = self
            .plane
            .kubectl_on(self.plane.kubeconfig_path(), words, yaml)
            .await
            .unwrap();
        output
            .into_success()
            .unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    }

    /// Runs kubectl in this namespace as the administrator.
    pub async fn kubectl(&self, words: &[&str]) -> String {
        let mut all = vec!["--namespace", self.namespace.as_str()];
        all.extend(words);
        kubectl(self.plane, &all).await
    }

    /// Changes the spec of a flow.
    pub async fn patch_flow(&self, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        self.kubectl(&["patch", "syncflow", name, "--type=merge", "--patch", &patch])
            .await;
    }

    /// Asks for a cycle now and waits until one has answered.
    pub async fn sync_now(&self, name: &str, token: &str) {
        let annotation = format!("syncflow.io/sync-now={token}");
        self.kubectl(&["annotate", "syncflow", name, "--overwrite", &annotation])
            .await;
        self.until::<SyncFlow>(name, "answers sync-now", |flow| {
            let status = flow.status.as_ref();
            status.is_some_and(|status| status.last_handled_sync_now.as_deref() == Some(token))
        })
        .await;
    }

    /// The API of a kind in this namespace, as the administrator.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until an object is as it should be.
    pub async fn until<K>(&self, name: &str, what: &str, holds: impl Fn(&K) -> bool) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let condition = |object: Option<&K>| object.is_some_and(&holds);
        if let Ok(found) = timeout(PATIENCE, await_condition(self.api::<K>(), name, condition)).await {
            return found.unwrap().unwrap();
        }
        let now = self.api::<K>().get_opt(name).await;
        panic!(
            "{name}: not so in time: {what}\nit is {now:#?}\n{}",
            self.log_tail()
        );
    }

    /// Waits until `Ready` of a flow has this status and reason, for its newest manifest.
    pub async fn flow_is(&self, name: &str, ready: &str) -> SyncFlow {
        self.until(name, ready, |flow: &SyncFlow| {
            let conditions = flow.status.as_ref().map(|status| status.conditions.as_slice());
            is(conditions.unwrap_or_default(), flow.metadata.generation, ready)
        })
        .await
    }

    /// As [`World::flow_is`], for a Connection.
    pub async fn connection_is(&self, name: &str, ready: &str) -> Connection {
        self.until(name, ready, |connection: &Connection| {
            let conditions = connection
                .status
                .as_ref()
                .map(|status| status.conditions.as_slice());
            is(
                conditions.unwrap_or_default(),
                connection.metadata.generation,
                ready,
            )
        })
        .await
    }

    /// As [`World::flow_is`], for a `FieldMapping`.
    pub async fn mapping_is(&self, name: &str, ready: &str) -> FieldMapping {
        self.until(name, ready, |mapping: &FieldMapping| {
            let conditions = mapping.status.as_ref().map(|status| status.conditions.as_slice());
            is(conditions.unwrap_or_default(), mapping.metadata.generation, ready)
        })
        .await
    }

    /// Waits until something that tells no change is so, and gives what it is.
    pub async fn eventually<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        self.eventually_async(what, async || look()).await
    }

    /// As [`World::eventually`], with more to say when it is not so in time.
    pub async fn eventually_or<T>(
        &self,
        what: &str,
        look: impl Fn() -> Option<T>,
        tell: impl Fn() -> String,
    ) -> T {
        let looking = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let found = timeout(PATIENCE, looking).await.ok();
        found.unwrap_or_else(|| panic!("not so in time: {what}\n{}", tell()))
    }

    /// As [`World::eventually`], for a look that takes its time.
    pub async fn eventually_async<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let found = timeout(PATIENCE, looking).await.ok();
        found.unwrap_or_else(|| panic!("not so in time: {what}\n{}", self.log_tail()))
    }

    /// The last lines that the operator logged.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Everything that the operator logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where the operator's probes are, once it listens.
    pub async fn admin_address(&self) -> String {
        self.eventually("the admin server listens", || {
            self.log().lines().rev().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line["message"] == "admin server listening")
                    .then(|| line["address"].as_str().unwrap().to_owned())
            })
        })
        .await
    }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Is `Ready` this (`True/Synced`) for this generation?
fn is(conditions: &[Condition], generation: Option<i64>, ready: &str) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == "Ready"
            && condition.observed_generation == generation
            && format!("{}/{}", condition.status, condition.reason) == ready
    })
}

/// The message of a condition.
pub fn message<'a>(conditions: &'a [Condition], kind: &str) -> &'a str {
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or("", |condition| condition.message.as_str())
}

/// The Secret of the Connection to the org.
pub fn salesforce_secret(client_secret: &str) -> Value {
    secret(
        "salesforce-oauth",
        &json!({"clientId": CLIENT_ID, "clientSecret": client_secret}),
    )
}

/// The Secret of the Connection to the instance.
pub fn service_now_secret(password: &str) -> Value {
    secret(
        "servicenow-user",
        &json!({"username": SERVICE_NOW_USER, "password": password}),
    )
}

fn secret(name: &str, values: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": values,
    })
}

/// Runs kubectl as the administrator.
pub async fn kubectl(plane: &ControlPlane, words: &[&str]) -> String {
    plane.kubectl(words).await.unwrap().into_success().unwrap()
}

/// A client with the administrator's rights.
async fn client(plane: &ControlPlane) -> Client {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig_path()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// One GET over plain HTTP.
pub async fn get(address: &str, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn install_tls() {
    // An error says that another test of this process has done it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

async fn install_kinds(plane: &ControlPlane) {
    plane.apply(root().join("crds").as_path()).await.unwrap();
    kubectl(
        plane,
        &[
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=120s",
        ],
    )
    .await;
}

/// `config/namespaced`, as it is shipped, for this namespace.
async fn namespaced_install(plane: &ControlPlane, namespace: &str) -> String {
    let overlay = root().join("config/namespaced");
    let overlay = overlay.to_str().unwrap();
    let rendered = kubectl(plane, &["kustomize", overlay]).await;
    rendered.replace("namespace: syncflow\n", &format!("namespace: {namespace}\n"))
}
