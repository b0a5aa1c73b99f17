//! The cluster-wide installation, on a control plane of its own: an operator that watches everything would take part in
//! every other test.

use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;
use syncflow_control_plane::{ControlPlane, StartOptions};

use super::world::{FLOW, PATIENCE, World, get, kubectl, root};

#[tokio::test(flavor = "multi_thread")]
async fn one_operator_serves_every_namespace_and_outlives_what_it_cannot_read() {
    // It ends with the process.
    let plane: &'static ControlPlane = Box::leak(Box::new(
        ControlPlane::start(StartOptions::default()).await.unwrap(),
    ));
    kubectl(plane, &["create", "namespace", "syncflow-system"]).await;
    for part in ["config/rbac/account", "config/rbac/cluster"] {
        let yaml = kubectl(plane, &["kustomize", root().join(part).to_str().unwrap()]).await;
        let words = ["apply", "--server-side", "--namespace", "syncflow-system"];
        let applied = plane
            .kubectl_on(plane.kubeconfig_path(), words, &yaml)
            .await
            .unwrap();
        applied.into_success().unwrap();
    }
    let token = plane.create_token("syncflow-system", "syncflow").await.unwrap();
    let kubeconfig = plane.kubeconfig_for_token(&token, "syncflow-system").unwrap();
    let sales = World::on(plane, "sales", kubeconfig.clone()).await;
    let support = World::on(plane, "support", kubeconfig).await;

    let _operator = sales.operator_with(&["--namespace", "", "--lease-namespace", "syncflow-system"]);
    let address = sales.admin_address().await;
    assert_eq!(
        get(&address, "/healthz").await.0,
        200,
        "without the custom resources it is alive"
    );
    let (status, text) = get(&address, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("custom resources"), "{text}");

    a_flow_that_no_version_of_ours_would_have_stored(&sales).await;
    plane.apply(root().join("crds").as_path()).await.unwrap();
    let ready = async {
        while get(&address, "/readyz").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready)
        .await
        .expect("ready once they are there");

    for world in [&sales, &support] {
        world.apply_quickstart().await;
    }
    for world in [&sales, &support] {
        let case = world.make_case("everywhere");
        world.flow_is(FLOW, "True/Synced").await;
        world
            .eventually("the case has an incident", || world.counterpart_of_case(&case))
            .await;
    }
    broken_is_told_and_heals(&sales).await;
}

/// Stores a flow under a definition without rules, as an older or foreign version may have done.
async fn a_flow_that_no_version_of_ours_would_have_stored(world: &World) {
    let crds = serde_json::to_value(syncflow::api::crds()).unwrap();
    let mut all = crds.as_array().unwrap().iter();
    let flows = all.find(|crd| crd["spec"]["names"]["kind"] == "SyncFlow");
    let mut lax = flows.unwrap().clone();
    lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    world.plane.apply(&lax.to_string()).await.unwrap();
    kubectl(
        world.plane,
        &[
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=120s",
        ],
    )
    .await;
    let broken = json!({
        "apiVersion": "syncflow.io/v1alpha1", "kind": "SyncFlow",
        "metadata": {"name": "broken", "finalizers": ["syncflow.io/worker"]},
        "spec": {"direction": "Sideways"},
    });
    world.apply(&broken).await;
}

/// Its status cannot be written: the API server refuses the object as it is, whoever writes what. An event tells it, and
/// a manifest that fits heals it.
async fn broken_is_told_and_heals(world: &World) {
    let events = world.api::<Event>();
    world
        .eventually_async("an event about the broken flow", async || {
            let all = events.list(&ListParams::default()).await.unwrap();
            all.items.into_iter().find(|event| {
                let about = event.regarding.as_ref().and_then(|about| about.name.as_deref());
                about == Some("broken") && event.reason.as_deref() == Some("InvalidObject")
            })
        })
        .await;
    let fixed = world
        .example("sync-flow.yaml")
        .replace("name: cases-incidents", "name: broken");
    world.apply_yaml(&fixed).await;
    world.flow_is("broken", "True/Synced").await;
}
