//! Starts and ends everything that the story needs.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;

use serde_json::Value;
use syncflow_control_plane::{ControlPlane, KubectlOutput, StartOptions};
use syncflow_simulators::Simulator;
use syncflow_simulators::front::{Door, Front, system_clock};
use syncflow_simulators::quickstart::{self as org, seed_cases, seed_incidents};
use syncflow_simulators::salesforce::Salesforce;
use syncflow_simulators::service_now::ServiceNow;

use crate::check::Teller;
use crate::failure::Failure;
use crate::operator::{Operator, OperatorCommand};
use crate::quickstart;

/// How many cases, and how many incidents, are there before the flow is.
const SEEDED: u32 = 300;

/// Everything that runs. Dropping it ends all of it.
#[derive(Debug)]
pub struct Stage {
    /// The simulated org.
    pub salesforce: Front<Salesforce>,
    /// The simulated instance.
    pub service_now: Front<ServiceNow>,
    /// How many edits people have made.
    pub edits: AtomicU32,
    /// The quickstart as `kubectl kustomize` renders it with our addresses.
    pub manifests: String,
    operator: Option<Operator>,
    command: OperatorCommand,
    control_plane: ControlPlane,
    folder: Folder,
}

impl Stage {
    /// Starts the control plane and the simulators, installs the operator's configuration, and starts the operator.
    pub async fn start(teller: &Teller) -> Result<Self, Failure> {
        let folder = Folder::create()?;
        teller.part(
            "control plane: etcd, kube-apiserver, kube-controller-manager (the first time, this builds them)",
        );
        let control_plane = ControlPlane::start(StartOptions::default()).await?;
        teller.part(&format!("API server: {}", control_plane.server()));

        let listen = || Failure::io("listen on loopback");
        let salesforce_door = Door::bind(0).await.map_err(listen())?;
        let service_now_door = Door::bind(0).await.map_err(listen())?;
        let mut salesforce = org::salesforce()?;
        let mut service_now = org::service_now(&service_now_door.base_url());
        seed_cases(&mut salesforce, SEEDED)?;
        seed_incidents(&mut service_now, SEEDED)?;
        let salesforce = salesforce_door.serve(Simulator::new(salesforce), system_clock());
        let service_now = service_now_door.serve(Simulator::new(service_now), system_clock());
        teller.part(&format!(
            "Salesforce: {}, {SEEDED} cases; ServiceNow: {}, {SEEDED} incidents",
            salesforce.base_url(),
            service_now.base_url()
        ));

        teller.part("the operator's configuration: custom resources, ServiceAccount, roles (config/default)");
        let installation = quickstart::write_overlay(&folder.path, "installation", quickstart::INSTALLATION)?;
        control_plane.apply(&installation).await?;
        let established = [
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ];
        control_plane.kubectl(established).await?.into_success()?;

        let token = control_plane.create_token("syncflow-system", "syncflow").await?;
        let kubeconfig = control_plane.kubeconfig_for_token(&token, "syncflow-system")?;
        let command = OperatorCommand::find(kubeconfig, folder.path.join("operator.log"))?;
        let operator = command.start()?;
        teller.part(&format!(
            "the operator, with the token of its ServiceAccount: {}",
            OperatorCommand::described()
        ));
        teller.part(&format!("its log: {}", command.log().display()));

        let overlay = quickstart::overlay(salesforce.base_url(), service_now.base_url());
        let overlay = quickstart::write_overlay(&folder.path, "quickstart", &overlay)?;
        let render = ["kustomize".as_ref(), overlay.as_os_str()];
        let manifests = control_plane.kubectl(render).await?.into_success()?;
        Ok(Self {
            salesforce,
            service_now,
            edits: AtomicU32::new(0),
            manifests,
            operator: Some(operator),
            command,
            control_plane,
            folder,
        })
    }

    /// Runs kubectl as the administrator, and shows the command and what it printed.
    pub async fn show(&self, teller: &Teller, words: &[&str]) -> Result<KubectlOutput, Failure> {
        let output = self.control_plane.kubectl(words).await?;
        teller.command(&spelled(words), &format!("{}{}", output.stdout, output.stderr));
        Ok(output)
    }

    /// As [`Stage::show`]; a kubectl that fails ends the step.
    pub async fn run(&self, teller: &Teller, words: &[&str]) -> Result<String, Failure> {
        Ok(self.show(teller, words).await?.into_success()?)
    }

    /// What an object, or a list of them, looks like now. Not shown.
    pub async fn read(&self, words: &[&str]) -> Result<Value, Failure> {
        let words = ["get"].iter().chain(words).chain(&["--output=json"]);
        let text = self.control_plane.kubectl(words).await?.into_success()?;
        let unreadable = |error| Failure::io("read what kubectl printed")(std::io::Error::other(error));
        serde_json::from_str::<Value>(&text).map_err(unreadable)
    }

    /// Applies manifests as a user does, and shows it under the command that does the same from a file.
    pub async fn apply(&self, teller: &Teller, shown_as: &str, manifests: &str) -> Result<(), Failure> {
        let kubeconfig = self.control_plane.kubeconfig_path();
        let output = self
            .control_plane
            .kubectl_on(kubeconfig, ["apply"], manifests)
            .await?;
        teller.command(shown_as, &format!("{}{}", output.stdout, output.stderr));
        output.into_success()?;
        Ok(())
    }

    /// Fails if the operator ended though nobody ended it.
    pub fn check_operator(&mut self) -> Result<(), Failure> {
        match &mut self.operator {
            Some(operator) => operator.check_running(),
            None => Ok(()),
        }
    }

    /// Kills the operator with SIGKILL.
    pub fn kill_operator(&mut self) -> Result<(), Failure> {
        match self.operator.take() {
            Some(operator) => operator.kill(),
            None => Ok(()),
        }
    }

    /// Starts the operator again.
    pub fn start_operator(&mut self) -> Result<(), Failure> {
        self.kill_operator()?;
        self.operator = Some(self.command.start()?);
        Ok(())
    }

    /// The end of the operator's log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read_to_string(self.command.log()).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Says how to play with what is up.
    pub fn invite(&self, teller: &Teller) {
        let (salesforce, service_now) = (self.salesforce.base_url(), self.service_now.base_url());
        let look = self.look();
        let pair = look.pairs.iter().find(|pair| pair.is_in_rules());
        let (case, incident) = pair.map_or(("<Id>", "<sys_id>"), |pair| (pair.case.id(), pair.incident.id()));
        teller.gap();
        teller.part("everything stays up until Ctrl-C. In another terminal:");
        teller.say(&format!(
            r#"export KUBECONFIG={kubeconfig}
alias kubectl={kubectl}
kubectl get syncflows --watch

# a pair of records, and an edit as a person on each side; it is on the other side within {interval}:
curl {salesforce}/admin/records/Case/{case}
curl {service_now}/admin/records/incident/{incident}
curl {salesforce}/admin/edit -d '{{"object": "Case", "id": "{case}", "fields": {{"Subject": "Edited by hand"}}}}'
curl {service_now}/admin/edit -d '{{"object": "incident", "id": "{incident}", "fields": {{"description": "Edited by hand"}}}}'

# a new case that the rules let in, and a new incident:
curl {salesforce}/admin/seed -d '{{"object": "Case", "fields": {{"Subject": "By hand", "ServiceNow_Assignment_Group__c": "Product"}}}}'
curl {service_now}/admin/create -d '{{"table": "incident", "user": "Tom Okafor", "fields": {{"short_description": "By hand", "category": "database"}}}}'

# what was called, and the operator's log:
curl {salesforce}/admin/calls; curl {service_now}/admin/calls
tail -f {log}"#,
            kubeconfig = self.control_plane.kubeconfig_path().display(),
            kubectl = self.control_plane.kubectl_path().display(),
            interval = quickstart::INTERVAL,
            log = self.command.log().display(),
        ));
    }

    /// Nobody will need the log after the end.
    pub fn forget_log(&mut self) {
        self.folder.keeps_log = false;
    }

    /// Says where the log is, which stays there after the end.
    pub fn point_at_log(&self, teller: &Teller) {
        teller.say(&format!("the operator's log: {}", self.command.log().display()));
    }

    /// Ends everything, the operator first, and returns when it is gone.
    pub async fn stop(mut self) -> Result<(), Failure> {
        self.kill_operator()?;
        self.control_plane.stop().await?;
        Ok(())
    }
}

/// A command as a user would type it.
fn spelled(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@".contains(letter);
        if word.chars().all(plain) {
            (*word).to_owned()
        } else {
            format!("'{word}'")
        }
    });
    let quoted: Vec<String> = quoted.collect();
    format!("kubectl {}", quoted.join(" "))
}

/// A folder of this process's own in the repository's `.demo`, which git ignores. It is removed on drop unless the log
/// in it is still needed.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    keeps_log: bool,
}

impl Folder {
    fn create() -> Result<Self, Failure> {
        let root = quickstart::repository();
        let root = fs::canonicalize(&root).map_err(Failure::io(format!("find {}", root.display())))?;
        let path = root.join(".demo").join(std::process::id().to_string());
        // One that a killed process with our number left is ours now.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(Failure::io(format!("empty {}", path.display())))?;
        }
        fs::create_dir_all(&path).map_err(Failure::io(format!("create {}", path.display())))?;
        Ok(Self {
            path,
            keeps_log: true,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is ignored by git, and by the next demo.
        if !(self.keeps_log && self.path.join("operator.log").exists()) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
