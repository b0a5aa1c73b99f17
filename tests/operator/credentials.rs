//! Secrets that change reach the flows that use them; sessions are shared; refusals carry their remedy.

use serde_json::json;
use syncflow_simulators::quickstart::{SERVICE_NOW_PASSWORD, SERVICE_NOW_USER};
use syncflow_simulators::{Admin, Model};

use super::people::value;
use super::world::{FLOW, World, message, service_now_secret};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_lacks_a_key_is_told_which_and_heals_when_it_is_added() {
    let world = World::new("key").await;
    let _operator = world.operator();
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "servicenow-user"},
            "stringData": {"username": SERVICE_NOW_USER},
        }))
        .await;
    world.apply_example("connections.yaml").await;
    let connection = world.connection_is("servicenow", "False/SecretInvalid").await;
    let text = message(&connection.status.as_ref().unwrap().conditions, "Stalled");
    assert_eq!(text, "Secret servicenow-user lacks a value for password: add it");
    world.apply(&service_now_secret(SERVICE_NOW_PASSWORD)).await;
    world.connection_is("servicenow", "True/Authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_reported_and_the_right_one_reaches_the_flow() {
    let world = World::new("rotation").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;

    world.apply(&service_now_secret("wrong")).await;
    let connection = world
        .connection_is("servicenow", "False/CredentialRejected")
        .await;
    let text = message(&connection.status.as_ref().unwrap().conditions, "Stalled");
    assert!(
        text.contains("Password needs reset"),
        "the remedy is told: {text}"
    );
    world.flow_is(FLOW, "False/ConnectionNotReady").await;

    let case = world.make_case("waits for the password");
    world.apply(&service_now_secret(SERVICE_NOW_PASSWORD)).await;
    world.connection_is("servicenow", "True/Authorized").await;
    world.flow_is(FLOW, "True/Synced").await;
    world
        .eventually("the case has its incident", || world.counterpart_of_case(&case))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_needs_a_reset_heals_without_touching_kubernetes() {
    let world = World::new("reset").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    let user = |world: &World| {
        let users = world.instance.simulator().model.records("sys_user");
        let ours = users
            .into_iter()
            .find(|user| user["user_name"] == SERVICE_NOW_USER)
            .unwrap();
        ours["sys_id"].as_str().unwrap().to_owned()
    };
    let set = |value: &str| {
        let now = world.instance.now();
        let id = user(&world);
        let fields = json!({"password_needs_reset": value})
            .as_object()
            .unwrap()
            .clone();
        let mut instance = world.instance.simulator();
        let switched = json!({"resetPasswordMandatory": true});
        instance.model.administer("switches", &switched, now).unwrap();
        instance
            .model
            .edit_as_person("sys_user", &id, &fields, now, "admin")
            .unwrap();
    };
    set("true");
    world
        .connection_is("servicenow", "False/CredentialRejected")
        .await;
    world.flow_is(FLOW, "False/ConnectionNotReady").await;
    set("false");
    world.connection_is("servicenow", "True/Authorized").await;
    world.flow_is(FLOW, "True/Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_while_a_flow_works_is_found_before_the_next_proof_is_due() {
    let world = World::new("in-use").await;
    let _operator = world.operator_with(&["--probe-interval", "1h", "--secret-interval", "1h"]);
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    lock_out(&world, true);
    // The flow's next cycle meets it; nothing else would for an hour.
    world
        .connection_is("servicenow", "False/CredentialRejected")
        .await;
    world.flow_is(FLOW, "False/ConnectionNotReady").await;
}

/// An administrator locks the integration user out of the instance, or lets it in again.
fn lock_out(world: &World, locked: bool) {
    let now = world.instance.now();
    let mut instance = world.instance.simulator();
    let users = instance.model.records("sys_user");
    let ours = users
        .iter()
        .find(|user| value(user, "user_name") == SERVICE_NOW_USER)
        .unwrap();
    let id = value(ours, "sys_id").to_owned();
    let fields = json!({"locked_out": locked.to_string()})
        .as_object()
        .unwrap()
        .clone();
    instance
        .model
        .edit_as_person("sys_user", &id, &fields, now, "admin")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_flows_over_one_connection_share_its_session() {
    let world = World::new("shared").await;
    let _operator = world.operator_with(&["--probe-interval", "5m"]);
    world.apply_quickstart().await;
    let second = world
        .example("sync-flow.yaml")
        .replace("name: cases-incidents", "name: cases-incidents-support")
        .replace("values: [Product]", "values: [Support]")
        .replace("values: [database]", "values: [network]");
    world.apply_yaml(&second).await;
    let now = world.org.now();
    let fields = json!({"Subject": "for the other flow", "Origin": "Web", "ServiceNow_Assignment_Group__c": "Support"});
    let support = world
        .org
        .simulator()
        .model
        .seed("Case", fields.as_object().unwrap(), now)
        .unwrap();
    let product = world.make_case("for the first flow");
    world.flow_is(FLOW, "True/Synced").await;
    world.flow_is("cases-incidents-support", "True/Synced").await;
    for case in [&support, &product] {
        world
            .eventually("each case has an incident", || world.counterpart_of_case(case))
            .await;
    }
    assert_eq!(world.incidents().len(), 2, "and only one each");
    assert_eq!(
        world.org.simulator().calls.calls("salesforce.token"),
        1,
        "one sign-in serves both flows"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_leads_to_another_org_than_at_first_stops_its_flows_and_writes_nothing_there() {
    let world = World::new("pinned").await;
    let other = World::beside(&world, "pinned-other").await;
    other.org.simulator().model.settings.organization_id = "00D000000000009EAA".to_owned();
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    let first = world.connection_is("salesforce", "True/Authorized").await;

    let moved = world
        .example("connections.yaml")
        .replace(world.org.base_url(), other.org.base_url());
    world.apply_yaml(&moved).await;
    let connection = world.connection_is("salesforce", "False/IdentityChanged").await;
    let status = connection.status.unwrap();
    assert!(message(&status.conditions, "Stalled").contains("00D000000000009EAA"));
    assert_eq!(status.identity, first.status.unwrap().identity, "the pin stays");
    world.flow_is(FLOW, "False/ConnectionNotReady").await;
    assert!(
        other.org.simulator().model.writes().is_empty(),
        "nothing was written to the other org"
    );

    world.apply_example("connections.yaml").await;
    world.flow_is(FLOW, "True/Synced").await;
}
