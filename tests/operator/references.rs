//! What is missing or wrong: reported with its reason and remedy, and healed by itself when it appears.

use serde_json::json;
use syncflow::api::SyncFlow;
use syncflow_simulators::faults::CannedAnswer;
use syncflow_simulators::{Effect, Fault};

use super::people::value;
use super::world::{FLOW, World, message};

/// The message of a flow's `Ready`.
fn told(flow: &SyncFlow) -> String {
    message(&flow.status.as_ref().unwrap().conditions, "Ready").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_heals_as_what_it_refers_to_appears_in_the_worst_order() {
    let world = World::new("heals").await;
    let _operator = world.operator();
    world.apply_example("sync-flow.yaml").await;
    let flow = world.flow_is(FLOW, "False/FieldMappingNotFound").await;
    assert!(told(&flow).contains("FieldMapping case-incident does not exist"));

    world.apply_example("field-mapping.yaml").await;
    let flow = world.flow_is(FLOW, "False/ConnectionNotFound").await;
    let text = told(&flow);
    assert!(
        text.contains("Connection salesforce") && text.contains("Connection servicenow"),
        "{text}"
    );

    world.apply_example("connections.yaml").await;
    let connection = world.connection_is("salesforce", "False/SecretNotFound").await;
    let text = message(&connection.status.as_ref().unwrap().conditions, "Ready");
    assert!(
        text.contains("salesforce-oauth") && text.contains("clientId, clientSecret"),
        "{text}"
    );
    let flow = world.flow_is(FLOW, "False/ConnectionNotReady").await;
    assert!(told(&flow).contains("SecretNotFound"), "{}", told(&flow));

    world.apply_secrets().await;
    world.connection_is("salesforce", "True/Authorized").await;
    world.flow_is(FLOW, "True/Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_stops_when_its_mapping_goes_and_goes_on_when_it_is_back() {
    let world = World::new("mapping").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    world.kubectl(&["delete", "fieldmapping", "case-incident"]).await;
    world.flow_is(FLOW, "False/FieldMappingNotFound").await;
    world.apply_example("field-mapping.yaml").await;
    world.flow_is(FLOW, "True/Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_mapping_reaches_the_flows_that_use_it() {
    let world = World::new("remap").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    let case = world.make_case("subject");
    world.sync_now(FLOW, "1").await;
    let mapping = world
        .example("field-mapping.yaml")
        .replace("serviceNow: description,", "serviceNow: close_notes,");
    world.apply_yaml(&mapping).await;
    world.mapping_is("case-incident", "True/Valid").await;
    world.edit_case(&case, json!({"Description": "goes elsewhere now"}));
    world
        .eventually("the edit arrives in the newly mapped field", || {
            (value(&world.counterpart_of_case(&case)?, "close_notes") == "goes elsewhere now").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_only_the_service_knows_to_be_missing_is_named_before_the_first_write() {
    let world = World::new("field").await;
    let _operator = world.operator();
    world.make_case("waits");
    world.apply_secrets().await;
    world.apply_example("connections.yaml").await;
    let typo = world
        .example("field-mapping.yaml")
        .replace("salesforce: Subject,", "salesforce: Subjekt,");
    world.apply_yaml(&typo).await;
    world.apply_example("sync-flow.yaml").await;
    let flow = world
        .until(FLOW, "names the field", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| message(&status.conditions, "Stalled").contains("Subjekt"))
        })
        .await;
    assert!(told(&flow).contains("Subjekt"), "{}", told(&flow));
    assert!(world.incidents().is_empty(), "nothing was written");

    world.kubectl(&["delete", "fieldmapping", "case-incident"]).await;
    world.apply_example("field-mapping.yaml").await;
    world.flow_is(FLOW, "True/Synced").await;
    world
        .eventually("the case has its incident", || {
            (world.incidents().len() == 1).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stands_on_the_wrong_side_is_told_so() {
    let world = World::new("side").await;
    let _operator = world.operator();
    world.apply_secrets().await;
    world.apply_example("connections.yaml").await;
    world.apply_example("field-mapping.yaml").await;
    let swapped = world.example("sync-flow.yaml").replace(
        "connectionRef: {name: salesforce}",
        "connectionRef: {name: servicenow}",
    );
    world.apply_yaml(&swapped).await;
    let flow = world.flow_is(FLOW, "False/ConnectionMismatch").await;
    assert!(
        told(&flow).contains("Connection servicenow leads to ServiceNow"),
        "{}",
        told(&flow)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_allowed_is_never_called() {
    let world = World::new("host").await;
    let _operator = world.operator();
    world.apply_secrets().await;
    world
        .apply(&json!({
            "apiVersion": "syncflow.io/v1alpha1", "kind": "Connection", "metadata": {"name": "elsewhere"},
            "spec": {"salesforce": {
                "loginUrl": "https://salesforce.example.org",
                "auth": {"clientCredentials": {"secretRef": {"name": "salesforce-oauth"}}},
            }},
        }))
        .await;
    let connection = world.connection_is("elsewhere", "False/HostNotAllowed").await;
    let text = message(&connection.status.as_ref().unwrap().conditions, "Ready");
    assert!(text.contains("salesforce.example.org"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_flow_does_not_hold_up_another() {
    let world = World::new("apart").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    let broken = world
        .example("sync-flow.yaml")
        .replace("name: cases-incidents", "name: broken")
        .replace(
            "fieldMappingRef: {name: case-incident}",
            "fieldMappingRef: {name: nothing}",
        );
    world.apply_yaml(&broken).await;
    world.flow_is("broken", "False/FieldMappingNotFound").await;
    world.flow_is(FLOW, "True/Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_nonsense_is_told_and_another_flow_goes_on() {
    let world = World::new("nonsense").await;
    let other = World::beside(&world, "nonsense-other").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    // The same namespace, but an org and an instance of its own.
    let second = |file: &str| {
        let yaml = other.example(file).replace("cases-incidents", "elsewhere");
        let yaml = yaml
            .replace("name: salesforce\n", "name: salesforce-2\n")
            .replace("name: servicenow\n", "name: servicenow-2\n");
        yaml.replace("{name: salesforce}", "{name: salesforce-2}")
            .replace("{name: servicenow}", "{name: servicenow-2}")
    };
    world.apply_yaml(&second("connections.yaml")).await;
    world.apply_yaml(&second("sync-flow.yaml")).await;
    world.flow_is(FLOW, "True/Synced").await;
    world.flow_is("elsewhere", "True/Synced").await;

    for (effect, reason) in [
        (Effect::HtmlPage, "False/InstanceHibernating"),
        (status(503), "False/ServiceUnavailable"),
    ] {
        world
            .instance
            .simulator()
            .faults
            .add(Fault::always("servicenow", effect));
        world.flow_is(FLOW, reason).await;
        let case = other.make_case(reason);
        other
            .eventually("the other flow goes on", || other.counterpart_of_case(&case))
            .await;
        world.instance.simulator().faults.clear();
        let case = world.make_case(reason);
        world
            .eventually("and this one heals", || world.counterpart_of_case(&case))
            .await;
        world.flow_is(FLOW, "True/Synced").await;
    }
}

fn status(status: u16) -> Effect {
    Effect::StatusBefore(CannedAnswer {
        status,
        body: "{}".to_owned(),
        headers: Vec::new(),
    })
}
