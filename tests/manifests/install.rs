//! What `config/` installs, on a real API server: the Pod is let in under the *restricted* standard, and the operator's
//! account may do what the operator needs and nothing beyond.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use syncflow::cli::{Cli, Command};
use syncflow_control_plane::ControlPlane;

/// A verb, a resource (with its group and, after a slash, a subresource) and a name, if it matters.
type Right = (&'static str, &'static str, &'static str);

/// What the account may do where it watches.
const MAY: [Right; 15] = [
    ("list", "syncflows.syncflow.io", ""),
    ("watch", "connections.syncflow.io", ""),
    ("get", "fieldmappings.syncflow.io", ""),
    ("patch", "syncflows.syncflow.io", ""),
    ("patch", "syncflows.syncflow.io/status", ""),
    ("patch", "connections.syncflow.io/status", ""),
    ("patch", "fieldmappings.syncflow.io/status", ""),
    ("get", "configmaps", "any"),
    ("list", "configmaps", ""),
    ("create", "configmaps", ""),
    ("update", "configmaps", "any"),
    ("get", "secrets", "any"),
    ("create", "secrets", ""),
    ("update", "secrets", "any"),
    ("patch", "events.events.k8s.io", ""),
];

/// What it may not do there.
const MAY_NOT: [Right; 18] = [
    ("patch", "connections.syncflow.io", ""),
    ("update", "syncflows.syncflow.io", ""),
    ("create", "syncflows.syncflow.io", ""),
    ("delete", "syncflows.syncflow.io", ""),
    ("update", "syncflows.syncflow.io/status", ""),
    ("patch", "configmaps", "any"),
    ("delete", "configmaps", "any"),
    ("deletecollection", "configmaps", ""),
    ("watch", "configmaps", ""),
    ("list", "secrets", ""),
    ("watch", "secrets", ""),
    ("patch", "secrets", "any"),
    ("delete", "secrets", "any"),
    ("list", "events.events.k8s.io", ""),
    ("get", "pods", "any"),
    ("create", "pods", ""),
    ("create", "serviceaccounts/token", ""),
    ("escalate", "roles.rbac.authorization.k8s.io", ""),
];

/// What it may do in its own namespace, whatever it watches.
const LEASE_MAY: [Right; 3] = [
    ("create", "leases.coordination.k8s.io", ""),
    ("get", "leases.coordination.k8s.io", "syncflow"),
    ("update", "leases.coordination.k8s.io", "syncflow"),
];

/// What it may not do even there.
const LEASE_MAY_NOT: [Right; 4] = [
    ("update", "leases.coordination.k8s.io", "somebody-elses"),
    ("patch", "leases.coordination.k8s.io", "syncflow"),
    ("delete", "leases.coordination.k8s.io", "syncflow"),
    ("list", "leases.coordination.k8s.io", ""),
];

pub async fn one_operator_for_the_cluster(server: &ControlPlane) {
    server.apply(config("default").as_path()).await.unwrap();
    the_pod_is_let_in_and_only_because_it_asks_for_little(server, "syncflow-system").await;
    let home = Account {
        server,
        home: "syncflow-system",
    };
    kubectl(server, "create namespace somewhere").await;
    home.may(&MAY, "somewhere").await;
    home.may_not(&MAY_NOT, "somewhere").await;
    home.may(&LEASE_MAY, "syncflow-system").await;
    home.may_not(&LEASE_MAY_NOT, "syncflow-system").await;
    home.may_not(&LEASE_MAY, "somewhere").await;
}

pub async fn one_operator_for_a_namespace(server: &ControlPlane) {
    kubectl(server, "create namespace syncflow").await;
    kubectl(
        server,
        "label namespace syncflow pod-security.kubernetes.io/enforce=restricted",
    )
    .await;
    server.apply(config("namespaced").as_path()).await.unwrap();
    the_pod_is_let_in_and_only_because_it_asks_for_little(server, "syncflow").await;
    let home = Account {
        server,
        home: "syncflow",
    };
    home.may(&MAY, "syncflow").await;
    home.may(&LEASE_MAY, "syncflow").await;
    home.may_not(&MAY_NOT, "syncflow").await;
    home.may_not(&LEASE_MAY_NOT, "syncflow").await;
    home.may_not(&MAY, "default").await;
    let pod = pod(server, "syncflow").await;
    let namespace = &pod["spec"]["containers"][0]["env"];
    let watched = json!({"name": "SYNCFLOW_WATCH_NAMESPACE", "valueFrom":
        {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}});
    assert!(namespace.as_array().unwrap().contains(&watched), "{namespace}");
}

fn config(overlay: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(overlay)
}

async fn kubectl(server: &ControlPlane, words: &str) -> String {
    server
        .kubectl(words.split_whitespace())
        .await
        .unwrap()
        .into_success()
        .unwrap()
}

/// The Pod that the Deployment asks for. (Nobody makes it here: this control plane has no workload controllers.)
async fn pod(server: &ControlPlane, namespace: &str) -> Value {
    let deployment = kubectl(server, &format!("get deployment syncflow -n {namespace} -o json")).await;
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    let template = &deployment["spec"]["template"];
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "syncflow", "namespace": namespace},
        "spec": template["spec"]})
}

async fn the_pod_is_let_in_and_only_because_it_asks_for_little(server: &ControlPlane, namespace: &str) {
    let admit = async |pod: &Value| {
        let yaml = serde_saphyr::to_string(pod).unwrap();
        let words = ["create", "--dry-run=server"];
        let output = server
            .kubectl_on(server.kubeconfig_path(), words, &yaml)
            .await
            .unwrap();
        output.into_success().map_err(|error| error.to_string())
    };
    let mut pod = pod(server, namespace).await;
    the_operator_understands(&pod["spec"]);
    admit(&pod).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = Value::Bool(true);
    let refusal = admit(&pod).await.unwrap_err();
    assert!(refusal.contains("violates PodSecurity \"restricted"), "{refusal}");
}

/// The Pod sets no variable that the operator does not read, and gives it the time that it takes to drain.
fn the_operator_understands(pod: &Value) {
    let container = &pod["containers"][0];
    let arguments: Vec<&str> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let command = Cli::command();
    let operator = command.find_subcommand(arguments[0]).unwrap();
    let read: Vec<&str> = operator
        .get_arguments()
        .filter_map(|flag| flag.get_env()?.to_str())
        .collect();
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        assert!(read.contains(&name), "the operator does not read {name}");
    }
    let Command::Operator(defaults) = Cli::try_parse_from(["syncflow", "operator"]).unwrap().command else {
        panic!("not the operator")
    };
    let port = container["ports"][0]["containerPort"].as_u64().unwrap();
    assert_eq!(u64::from(defaults.listen.port()), port);
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(
        grace > defaults.drain_timeout.as_secs(),
        "killed after {grace} s, while it still drains"
    );
}

/// The operator's account in a namespace.
struct Account<'a> {
    server: &'a ControlPlane,
    home: &'static str,
}

impl Account<'_> {
    async fn may(&self, rights: &[Right], namespace: &str) {
        assert_eq!(
            self.denied(rights, namespace).await,
            [] as [Right; 0],
            "denied in {namespace}"
        );
    }

    async fn may_not(&self, rights: &[Right], namespace: &str) {
        assert_eq!(
            self.denied(rights, namespace).await,
            rights,
            "not all denied in {namespace}"
        );
    }

    /// Those of the rights that the account does not have, by the API server's own word: one review for each.
    async fn denied(&self, rights: &[Right], namespace: &str) -> Vec<Right> {
        let mut reviews = String::new();
        for (verb, resource, name) in rights {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
            let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
                "user": format!("system:serviceaccount:{}:syncflow", self.home),
                "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{}", self.home), "system:authenticated"],
                "resourceAttributes": {"namespace": namespace, "verb": verb, "group": group, "resource": resource,
                    "subresource": subresource, "name": name}}});
            writeln!(reviews, "---\n{review}").unwrap();
        }
        let words = ["create", "-o", "jsonpath={.status.allowed}{\"\\n\"}"];
        let output = self
            .server
            .kubectl_on(self.server.kubeconfig_path(), words, &reviews)
            .await
            .unwrap();
        let answers = output.into_success().unwrap();
        let answers: Vec<&str> = answers.split_whitespace().collect();
        assert_eq!(answers.len(), rights.len(), "{answers:?}");
        rights
            .iter()
            .zip(answers)
            .filter(|(_, answer)| *answer != "true")
            .map(|(right, _)| *right)
            .collect()
    }
}

#[test]
fn every_rule_says_why_it_is_there() {
    for file in [
        "config/rbac/flows/role.yaml",
        "config/rbac/account/leader-election.yaml",
    ] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let rules = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("- apiGroups:"));
        let without_reason: Vec<usize> = rules
            .clone()
            .filter(|(at, _)| !lines[at - 1].starts_with("# "))
            .map(|(at, _)| at + 1)
            .collect();
        assert!(
            rules.count() > 1 && without_reason.is_empty(),
            "{file}: no reason above lines {without_reason:?}"
        );
    }
}
