//! What the operator runs with, and what an administrator sees of it.

use serde_json::json;
use syncflow_simulators::salesforce::{FieldAccess, INTEGRATION_USER};

use super::people::value;
use super::world::{FLOW, World, get, message};

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

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_stand_in_the_condition_all_by_name_and_the_flow_heals_with_them() {
    let world = World::new("preflight").await;
    let set = |field: &str, access: FieldAccess| {
        let mut org = world.org.simulator();
        org.model
            .set_field_access(INTEGRATION_USER, "Case", field, access)
            .unwrap();
    };
    set("Subject", FieldAccess::ReadOnly);
    set("ServiceNow_Number__c", FieldAccess::ReadOnly);
    let _operator = world.operator();
    world.apply_quickstart().await;
    let flow = world.flow_is(FLOW, "False/MissingRights").await;
    let text = message(&flow.status.unwrap().conditions, "Stalled").to_owned();
    assert!(
        text.contains("Edit on Case.ServiceNow_Number__c, Case.Subject"),
        "{text}"
    );

    set("ServiceNow_Number__c", FieldAccess::Write);
    set("Subject", FieldAccess::Write);
    world.flow_is(FLOW, "True/Synced").await;

    // A right that vanishes while the flow runs is told by the first refusal.
    let case = world.make_case("before");
    let incident = world
        .eventually("the case has its incident", || world.counterpart_of_case(&case))
        .await;
    set("Subject", FieldAccess::ReadOnly);
    world.edit_incident(value(&incident, "sys_id"), json!({"short_description": "after"}));
    let flow = world.flow_is(FLOW, "False/MissingRights").await;
    assert!(message(&flow.status.unwrap().conditions, "Stalled").contains("Case.Subject"));
}
