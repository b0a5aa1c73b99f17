//! One replica of the operator: a process, its two gates, and somebody who starts it again when it has ended.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::gate::Gate;
use crate::world::World;

/// The Lease of this test, and what fits into it: another replica goes on twenty seconds after a crash.
pub const LEASE: &str = "20s";
const WRITE: &str = "8s";

/// One replica.
pub struct Replica {
    pub name: &'static str,
    /// The way to the API server.
    pub api: Arc<Gate>,
    /// The way to both services.
    pub services: Gate,
    log: PathBuf,
    process: Arc<Process>,
    keeper: JoinHandle<()>,
}

struct Process {
    /// Is it to run?
    wanted: watch::Sender<bool>,
    id: Mutex<Option<u32>>,
    /// How often it has ended.
    ends: watch::Sender<u32>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        // The process ends with the task that holds it.
        self.keeper.abort();
    }
}

impl Replica {
    /// Starts a replica in this world, and again whenever it ends by itself, as Kubernetes would.
    pub async fn start(world: &World, name: &'static str) -> Self {
        let kubeconfig = std::fs::read_to_string(&world.operator_kubeconfig).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
        let server = kubeconfig["clusters"][0]["cluster"]["server"]
            .as_str()
            .unwrap()
            .to_owned();
        let plain = || reqwest::Client::builder().no_proxy().no_gzip();
        let ca = std::fs::read(world.plane.folder().join("ca.crt")).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let client = plain().tls_certs_only([ca]).build().unwrap();
        let api = Arc::new(Gate::open(client, Some(server)).await);
        let services = Gate::open(plain().build().unwrap(), None).await;
        kubeconfig["clusters"][0]["cluster"]["server"] = api.url().into();
        let path = world
            .plane
            .folder()
            .join(format!("{}-{name}.kubeconfig", world.namespace));
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let log = world
            .plane
            .folder()
            .join(format!("operator-{}-{name}.log", world.namespace));

        let process = Arc::new(Process {
            wanted: watch::channel(true).0,
            id: Mutex::default(),
            ends: watch::channel(0).0,
        });
        let mut command = world.operator_command(&path, &log);
        command
            .args([
                "--identity",
                name,
                "--lease-duration",
                LEASE,
                "--write-timeout",
                WRITE,
            ])
            .args(["--proxy", &services.url()])
            .stdin(Stdio::null());
        let keeper = tokio::spawn(keep(Arc::clone(&process), command));
        Self {
            name,
            api,
            services,
            log,
            process,
            keeper,
        }
    }

    /// SIGKILL, and nobody starts it again until [`Replica::restart`].
    pub async fn kill(&self) {
        self.process.wanted.send_replace(false);
        let ends = self.ends();
        self.signal("-KILL").await;
        self.ended_since(ends).await;
    }

    /// May run again.
    pub fn restart(&self) {
        self.process.wanted.send_replace(true);
    }

    /// SIGSTOP: it neither runs nor ends.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// SIGCONT: it goes on in the middle of what it did.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    /// How often the process has ended.
    pub fn ends(&self) -> u32 {
        *self.process.ends.borrow()
    }

    /// Waits until it has ended once more than `before`.
    pub async fn ended_since(&self, before: u32) {
        let mut ends = self.process.ends.subscribe();
        let ended = ends.wait_for(|ends| *ends > before);
        let in_time = tokio::time::timeout(crate::world::PATIENCE, ended).await;
        in_time
            .unwrap_or_else(|_| panic!("{} does not end\n{}", self.name, self.log()))
            .unwrap();
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.id.lock().unwrap().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.unwrap();
        assert!(sent.success());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where its probes are.
    pub fn admin_address(&self) -> Option<String> {
        self.log().lines().rev().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "admin server listening")
                .then(|| line["address"].as_str().unwrap().to_owned())
        })
    }
}

async fn keep(process: Arc<Process>, mut command: Command) {
    let mut wanted = process.wanted.subscribe();
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        let mut child = command.spawn().unwrap();
        *process.id.lock().unwrap() = child.id();
        child.wait().await.unwrap();
        *process.id.lock().unwrap() = None;
        process.ends.send_modify(|ends| *ends += 1);
    }
}
