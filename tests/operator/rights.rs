//! What the operator runs with, and what an administrator sees of it.

use super::world::{FLOW, World, get};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_works_without_the_right_to_list_secrets_or_to_look_elsewhere() {
    let world = World::new("rights").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    for words in [
        &["auth", "can-i", "list", "secrets"][..],
        &["auth", "can-i", "watch", "secrets"],
        &["auth", "can-i", "update", "syncflows.syncflow.io"],
        &["auth", "can-i", "get", "secrets", "--namespace", "default"],
        &[
            "auth",
            "can-i",
            "list",
            "syncflows.syncflow.io",
            "--all-namespaces",
        ],
    ] {
        let answer = world
            .plane
            .kubectl_as(&world.operator_kubeconfig, words)
            .await
            .unwrap();
        assert_eq!(answer.stdout.trim(), "no", "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_means_that_the_kinds_are_there_and_metrics_tell_of_the_flow() {
    let world = World::new("probes").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    let address = world.admin_address().await;
    assert_eq!(get(&address, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz").await, (200, "ok\n".to_owned()));
    let (status, text) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    let flow = format!(
        "syncflow_flow_synced{{namespace=\"{}\",name=\"{FLOW}\"}} 1",
        world.namespace
    );
    for expected in [
        flow.as_str(),
        "syncflow_lease_held 1",
        "syncflow_reconcile_duration_seconds_count{kind=\"SyncFlow\",outcome=\"ok\"}",
        "syncflow_remote_call_duration_seconds_count{remote=\"salesforce\"",
    ] {
        assert!(text.contains(expected), "no {expected} in\n{text}");
    }
}
