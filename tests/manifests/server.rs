//! A real API server takes what is shipped and refuses what must be refused, in words that name the field.

use std::ffi::OsStr;
use std::path::Path;

use futures::{StreamExt, stream};
use serde_json::Value;
use syncflow_control_plane::{ControlPlane, StartOptions};

use super::cases::CASES;
use super::{examples, install, status};

/// One server for all that this file promises: starting one takes longer than all of its checks.
#[tokio::test]
async fn the_api_server_agrees() {
    let server = ControlPlane::start(StartOptions::default()).await.unwrap();
    // As one command of a user, and again as the other.
    let crds = root().join("crds");
    server
        .kubectl([OsStr::new("create"), OsStr::new("-k"), crds.as_os_str()])
        .await
        .unwrap()
        .into_success()
        .unwrap();
    server.apply(crds.as_path()).await.unwrap();
    server
        .kubectl([
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ])
        .await
        .unwrap()
        .into_success()
        .unwrap();

    no_crd_breaks_a_rule_of_structural_schemas(&server).await;
    good_manifests_are_accepted_and_defaults_filled_in(&server).await;
    each_mistake_is_refused_and_named(&server).await;
    what_is_immutable_cannot_be_changed(&server).await;
    every_example_is_accepted(&server).await;
    the_short_names_the_category_and_the_columns_work(&server).await;
    status::every_part_of_a_status_is_kept_and_shown(&server).await;
    install::one_operator_for_the_cluster(&server).await;
    install::one_operator_for_a_namespace(&server).await;
    server.stop().await.unwrap();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn kubectl_on(server: &ControlPlane, words: &[&str], manifest: &Value) -> Result<String, String> {
    let yaml = serde_saphyr::to_string(manifest).unwrap();
    let output = server
        .kubectl_on(server.kubeconfig_path(), words, &yaml)
        .await
        .unwrap();
    output.into_success().map_err(|error| error.to_string())
}

async fn no_crd_breaks_a_rule_of_structural_schemas(server: &ControlPlane) {
    let path =
        r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="NonStructuralSchema")].message}{end}"#;
    let complaints = server
        .kubectl(["get", "crds", "-o", path])
        .await
        .unwrap()
        .into_success()
        .unwrap();
    assert_eq!(complaints, "");
}

async fn good_manifests_are_accepted_and_defaults_filled_in(server: &ControlPlane) {
    for manifest in CASES.accept.values() {
        kubectl_on(server, &["create", "--dry-run=server"], manifest)
            .await
            .unwrap();
    }
    let stored = kubectl_on(
        server,
        &["create", "--dry-run=server", "-o", "json"],
        &CASES.accept["fromSalesforce"],
    )
    .await
    .unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    for (pointer, default) in [
        ("/spec/interval", "60s"),
        ("/spec/onExit/policy", "PropagateThenUnlink"),
        ("/spec/drift/policy", "Revert"),
        ("/spec/conflict/policy", "MostRecent"),
        ("/spec/onDelete/policy", "Unlink"),
    ] {
        assert_eq!(
            stored.pointer(pointer).and_then(Value::as_str),
            Some(default),
            "{pointer}"
        );
    }
}

async fn each_mistake_is_refused_and_named(server: &ControlPlane) {
    stream::iter(&CASES.create)
        .map(async |case| {
            let refusal = kubectl_on(server, &["create", "--dry-run=server"], &case.manifest()).await;
            let refusal = refusal.expect_err(&case.mistake);
            assert!(refusal.contains(&case.says), "{}: {refusal}", case.mistake);
        })
        .buffer_unordered(4)
        .collect::<Vec<()>>()
        .await;
}

async fn what_is_immutable_cannot_be_changed(server: &ControlPlane) {
    for case in &CASES.update {
        kubectl_on(server, &["apply", "--server-side"], case.before())
            .await
            .unwrap();
        let refusal = kubectl_on(server, &["apply", "--server-side"], &case.manifest()).await;
        let refusal = refusal.expect_err(&case.mistake);
        assert!(refusal.contains(&case.says), "{}: {refusal}", case.mistake);
        kubectl_on(server, &["delete"], case.before()).await.unwrap();
    }
}

async fn every_example_is_accepted(server: &ControlPlane) {
    for folder in examples::folders() {
        let applied = server.apply(folder.as_path()).await.unwrap();
        assert!(
            applied.contains("syncflow.syncflow.io/"),
            "{}: {applied}",
            folder.display()
        );
    }
    let template = root().join("examples/quickstart/secrets.example.yaml");
    server.apply(template.as_path()).await.unwrap();
}

async fn the_short_names_the_category_and_the_columns_work(server: &ControlPlane) {
    let list = async |words: &[&str]| server.kubectl(words).await.unwrap().into_success().unwrap();
    let flows = list(&["get", "sf"]).await;
    let header: Vec<&str> = flows
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(
        header,
        [
            "NAME",
            "DIRECTION",
            "SALESFORCE",
            "SERVICENOW",
            "READY",
            "STATUS",
            "LINKED",
            "QUARANTINED",
            "CONFLICTS",
            "LAST SYNC",
            "AGE"
        ]
    );
    assert!(list(&["get", "fm"]).await.contains("case-incident"));
    assert!(
        list(&["get", "conn"])
            .await
            .contains("https://acme.my.salesforce.com")
    );
    // A category with the name of a kind would make this ambiguous to kubectl, so the category is `sync`.
    assert!(
        list(&["get", "syncflow", "cases-incidents"])
            .await
            .contains("incident")
    );
    let all = list(&["get", "sync", "-A", "-o", "name"]).await;
    for kind in [
        "connection.syncflow.io/",
        "fieldmapping.syncflow.io/",
        "syncflow.syncflow.io/",
    ] {
        assert!(all.contains(kind), "the category lists no {kind}: {all}");
    }
}
