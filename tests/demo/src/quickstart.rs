//! `examples/quickstart` as a user would adapt it: a kustomize overlay with the simulators' addresses, and Secrets with
//! their credentials.

use std::fs;
use std::path::{Path, PathBuf};

use syncflow_simulators::quickstart::{SERVICE_NOW_PASSWORD, SERVICE_NOW_USER};
use syncflow_simulators::salesforce::{CLIENT_ID, CLIENT_SECRET};

use crate::failure::Failure;

/// The time between two cycles in the demo: the shortest that a manifest may ask for.
pub const INTERVAL: &str = "10s";

/// The repository's root: the current folder, as `make demo` has it, or where this program was built. The two differ
/// where several checkouts share one target folder.
pub fn repository() -> PathBuf {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let current = std::env::current_dir().ok();
    current
        .filter(|folder| folder.join("examples/quickstart/kustomization.yaml").is_file())
        .unwrap_or(built_in)
}

/// Writes a kustomization into `folder/name`, where `folder` is two levels below the repository's root.
pub fn write_overlay(folder: &Path, name: &str, kustomization: &str) -> Result<PathBuf, Failure> {
    let overlay = folder.join(name);
    let cannot = || Failure::io(format!("write {}", overlay.display()));
    fs::create_dir_all(&overlay).map_err(cannot())?;
    fs::write(overlay.join("kustomization.yaml"), kustomization).map_err(cannot())?;
    Ok(overlay)
}

/// The quickstart with only its addresses, and its interval, changed.
pub fn overlay(salesforce: &str, service_now: &str) -> String {
    format!(
        r"apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../../examples/quickstart]
patches:
  - target: {{kind: Connection, name: salesforce}}
    patch: |-
      - {{op: replace, path: /spec/salesforce/loginUrl, value: {salesforce}}}
  - target: {{kind: Connection, name: servicenow}}
    patch: |-
      - {{op: replace, path: /spec/serviceNow/instanceUrl, value: {service_now}}}
  - target: {{kind: SyncFlow, name: cases-incidents}}
    patch: |-
      - {{op: add, path: /spec/interval, value: {INTERVAL}}}
"
    )
}

/// The shipped configuration without its Deployment: there is no kubelet here that could run a Pod, so the operator runs
/// as a process with the token of the same `ServiceAccount`.
pub const INSTALLATION: &str = r"apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../../config/default]
patches:
  - patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: syncflow, namespace: syncflow-system}, $patch: delete}'
";

/// The quickstart's Secrets with the simulators' credentials.
pub fn secrets() -> Result<String, Failure> {
    let template = repository().join("examples/quickstart/secrets.example.yaml");
    let template =
        fs::read_to_string(&template).map_err(Failure::io(format!("read {}", template.display())))?;
    Ok(template
        .replace("replace-with-the-consumer-key-of-your-connected-app", CLIENT_ID)
        .replace("replace-with-its-consumer-secret", CLIENT_SECRET)
        .replace("replace-with-the-service-account", SERVICE_NOW_USER)
        .replace("replace-with-its-password", SERVICE_NOW_PASSWORD))
}

/// The documents of these kinds in what `kubectl kustomize` printed.
pub fn of_kinds(rendered: &str, kinds: &[&str]) -> String {
    let wanted = |document: &&str| {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: "));
        kind.is_some_and(|kind| kinds.contains(&kind.trim()))
    };
    let documents: Vec<&str> = rendered.split("\n---\n").filter(wanted).collect();
    documents.join("\n---\n")
}
