//! What the operator's tests and the demo rely on, checked on real processes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions too, a failure here is a test failure"
)]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use syncflow_control_plane::{ControlPlane, Error, Programs, StartOptions};

/// Far more than anything here takes; it only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_mins(2);

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::yield_now();
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn address_of(server: &str) -> SocketAddr {
    server.strip_prefix("https://").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_nothing_else() {
    let control_plane = ControlPlane::shared().await.unwrap();
    control_plane
        .apply(
            "
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: team}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: team}
",
        )
        .await
        .unwrap();
    let token = control_plane.create_token("team", "reader").await.unwrap();
    let reader = control_plane.kubeconfig_for_token(&token, "team").unwrap();

    let who = control_plane
        .kubectl_as(&reader, ["auth", "whoami"])
        .await
        .unwrap()
        .into_success()
        .unwrap();
    assert!(who.contains("system:serviceaccount:team:reader"), "{who}");
    control_plane
        .kubectl_as(&reader, ["get", "configmaps"])
        .await
        .unwrap()
        .into_success()
        .unwrap();

    for beyond in [
        &["get", "secrets"][..],
        &["get", "configmaps", "--namespace=default"],
        &["create", "configmap", "mine"],
        &["delete", "namespace", "team"],
    ] {
        let refused = control_plane.kubectl_as(&reader, beyond).await.unwrap();
        assert!(!refused.success(), "{} was allowed", refused.arguments);
        assert!(
            refused.stderr.contains("is forbidden"),
            "{}: {}",
            refused.arguments,
            refused.stderr
        );
    }
}

#[tokio::test]
async fn owned_objects_and_namespaces_are_collected() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let kubectl = async |arguments: &[&str]| {
        control_plane
            .kubectl(arguments)
            .await
            .unwrap()
            .into_success()
            .unwrap()
    };
    kubectl(&["create", "namespace", "owners"]).await;
    kubectl(&["create", "configmap", "owner", "--namespace=owners"]).await;
    let uid = kubectl(&[
        "get",
        "configmap",
        "owner",
        "--namespace=owners",
        "--output=jsonpath={.metadata.uid}",
    ])
    .await;
    let owned = format!(
        "
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  namespace: owners
  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]
"
    );
    control_plane.apply(&owned).await.unwrap();
    kubectl(&["delete", "configmap", "owner", "--namespace=owners"]).await;
    kubectl(&[
        "wait",
        "--for=delete",
        "configmap/owned",
        "--namespace=owners",
        "--timeout=120s",
    ])
    .await;
    kubectl(&["delete", "namespace", "owners", "--timeout=120s"]).await;
}

#[tokio::test]
async fn two_control_planes_know_nothing_of_each_other_and_leave_nothing_behind() {
    let start = || ControlPlane::start(StartOptions::default());
    let (first, second) = tokio::join!(start(), start());
    let (first, second) = (first.unwrap(), second.unwrap());
    let (first_address, second_address) = (address_of(first.server()), address_of(second.server()));
    let (first_folder, second_folder) = (first.folder().to_owned(), second.folder().to_owned());
    assert_ne!(first_address, second_address);
    assert_ne!(first_folder, second_folder);

    first
        .kubectl(["create", "namespace", "only-in-first"])
        .await
        .unwrap()
        .into_success()
        .unwrap();
    let elsewhere = second
        .kubectl(["get", "namespace", "only-in-first"])
        .await
        .unwrap();
    assert!(elsewhere.stderr.contains("NotFound"), "{}", elsewhere.stderr);

    assert!(listens(first_address));
    first.stop().await.unwrap();
    assert!(!listens(first_address) && processes_of(&first_folder).is_empty() && !first_folder.exists());

    second
        .kubectl(["get", "namespaces"])
        .await
        .unwrap()
        .into_success()
        .unwrap();
    drop(second);
    assert!(!listens(second_address) && processes_of(&second_folder).is_empty() && !second_folder.exists());
}

#[tokio::test]
async fn a_refused_manifest_is_an_error_that_quotes_the_reason() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let refused = control_plane
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_A_Name}}")
        .await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("Not_A_Name"), "{message}");
}

#[tokio::test]
async fn a_program_that_fails_at_start_is_reported_with_its_own_words() {
    let folder = programs_that_fail();
    let options = StartOptions {
        programs: Some(Programs::in_folder(&folder).unwrap()),
        ..StartOptions::default()
    };
    let error = ControlPlane::start(options).await.unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    let Error::Process {
        program,
        problem,
        log,
    } = error
    else {
        panic!("another error: {error}")
    };
    assert_eq!(
        (program, problem.as_str(), log.as_str()),
        ("etcd", "exited with status 3", "disk on fire")
    );
}

fn programs_that_fail() -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("syncflow-failing-programs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for program in ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"] {
        let path = folder.join(program);
        std::fs::write(&path, "#!/bin/sh\necho disk on fire\nexit 3\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// The starter program, running, and where its API server is.
fn start_program() -> (Child, SocketAddr, std::path::PathBuf) {
    let mut starter = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(starter.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let kubeconfig = Path::new(line.trim().strip_prefix("export KUBECONFIG=").unwrap());
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(kubeconfig).unwrap()).unwrap();
    let address = address_of(config["clusters"][0]["cluster"]["server"].as_str().unwrap());
    assert!(listens(address));
    (starter, address, kubeconfig.parent().unwrap().to_owned())
}

/// The processes whose command line names `folder`: every program of a control plane has it in its flags.
fn processes_of(folder: &Path) -> Vec<String> {
    let listed = Command::new("ps").args(["-eo", "pid=,args="]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed
        .lines()
        .filter(|line| line.contains(folder.to_str().unwrap()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_starter_killed_with_sigkill_leaves_nothing_behind() {
    let (mut starter, address, folder) = start_program();
    assert!(processes_of(&folder).len() >= 3);
    starter.kill().unwrap();
    starter.wait().unwrap();
    eventually("the API server's port is closed", || !listens(address));
    eventually("every process has ended", || processes_of(&folder).is_empty());
    eventually("the folder is removed", || !folder.exists());
}

#[test]
fn a_starter_that_is_interrupted_ends_everything_before_itself() {
    let (mut starter, address, folder) = start_program();
    assert!(
        Command::new("kill")
            .args(["-INT", &starter.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert!(starter.wait().unwrap().success());
    assert!(!listens(address));
    assert!(processes_of(&folder).is_empty());
    assert!(!folder.exists());
}
