//! A flow from apply to delete.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;
use syncflow::api::SyncFlow;
use syncflow_simulators::{Effect, Fault};

use super::people::value;
use super::world::{FLOW, PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_becomes_ready_and_makes_counterparts_on_both_sides() {
    let world = World::new("quickstart").await;
    let _operator = world.operator();
    let case = world.make_case("from Salesforce");
    let incident = world.make_incident("from ServiceNow");
    world.apply_quickstart().await;

    let salesforce = world.connection_is("salesforce", "True/Authorized").await;
    assert!(salesforce.status.unwrap().identity.unwrap().starts_with("00D"));
    world.connection_is("servicenow", "True/Authorized").await;
    world.mapping_is("case-incident", "True/Valid").await;
    world.flow_is(FLOW, "True/Synced").await;

    let made = world
        .counterpart_of_case(&case)
        .expect("an incident for the case");
    assert_eq!(made["short_description"], "from Salesforce");
    assert_eq!(made["impact"], "2", "onCreate");
    let made = world
        .counterpart_of_incident(&incident)
        .expect("a case for the incident");
    assert_eq!(made["Subject"], "from ServiceNow");
    assert_eq!(made["Priority"], "Medium", "onCreate");

    let flow = world
        .until(FLOW, "counts both pairs", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.linked == Some(2))
        })
        .await;
    let status = flow.status.unwrap();
    assert_eq!((status.quarantined, status.conflicts), (Some(0), Some(0)));
    assert!(status.last_sync_time.is_some());
    assert_eq!(status.observed_generation, flow.metadata.generation);

    let table = world.kubectl(&["get", "syncflows"]).await;
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        row[..7],
        [FLOW, "TwoWay", "Case", "incident", "True", "Synced", "2"],
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_is_an_event_and_nothing_shows_a_records_values() {
    let world = World::new("events").await;
    let _operator = world.operator();
    world.make_case("a-very-secret-subject");
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    let events = world.api::<Event>();
    // Events are told after the status, so they may be a moment later.
    world
        .eventually_async("an event Synced about the flow", async || {
            let all = events.list(&ListParams::default()).await.unwrap();
            all.items.into_iter().find(|event| {
                let about = event.regarding.as_ref().and_then(|about| about.name.as_deref());
                event.reason.as_deref() == Some("Synced") && about == Some(FLOW)
            })
        })
        .await;
    let everything = world
        .kubectl(&[
            "get",
            "syncflows,connections,fieldmappings,configmaps,events",
            "-o",
            "yaml",
        ])
        .await;
    for secret in [
        "a-very-secret-subject",
        "made by a test",
        "instance-password",
        "connected-app-secret",
    ] {
        assert!(!everything.contains(secret), "{secret} is shown in the cluster");
        assert!(!world.log().contains(secret), "{secret} is shown in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_flow_writes_nothing_and_catches_up_when_it_goes_on() {
    let world = World::new("suspend").await;
    let _operator = world.operator();
    let case = world.make_case("before");
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;

    world.patch_flow(FLOW, &json!({"suspend": true})).await;
    let suspended = world.flow_is(FLOW, "False/Suspended").await;
    assert_eq!(
        suspended.status.unwrap().linked,
        Some(1),
        "the links are kept and still counted"
    );
    let calls = world.instance.simulator().calls.calls("servicenow.batch");
    world.edit_case(&case, json!({"Subject": "meanwhile"}));
    // Connections are still proven; a proof after the edit is proof enough that time has passed.
    let proofs = world.instance.simulator().calls.calls("");
    world
        .eventually("the Connection is proven again", || {
            (world.instance.simulator().calls.calls("") > proofs + 1).then_some(())
        })
        .await;
    assert_eq!(
        world.instance.simulator().calls.calls("servicenow.batch"),
        calls,
        "nothing is written"
    );
    assert_eq!(
        value(&world.counterpart_of_case(&case).unwrap(), "short_description"),
        "before"
    );

    world.patch_flow(FLOW, &json!({"suspend": false})).await;
    world
        .eventually("the edit arrives", || {
            (value(&world.counterpart_of_case(&case)?, "short_description") == "meanwhile").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_now_is_answered_before_the_interval_and_echoed() {
    let world = World::new("now").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.patch_flow(FLOW, &json!({"interval": "24h"})).await;
    world.flow_is(FLOW, "True/Synced").await;
    let case = world.make_case("at once");
    world.sync_now(FLOW, "first").await;
    world
        .eventually("the case has an incident", || world.counterpart_of_case(&case))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_flow_leaves_every_record_and_applied_again_finds_every_pair() {
    let world = World::new("delete").await;
    let _operator = world.operator();
    let cases: Vec<String> = (0..5)
        .map(|number| world.make_case(&format!("case {number}")))
        .collect();
    world.make_incident("incident");
    world.apply_quickstart().await;
    let flow = world
        .until(FLOW, "six pairs", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.linked == Some(6))
        })
        .await;
    let uid = flow.metadata.uid.unwrap();

    world
        .kubectl(&["delete", "syncflow", FLOW, "--timeout=120s"])
        .await;
    let gone = await_condition(world.api::<SyncFlow>(), FLOW, conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
    assert_eq!(
        (world.cases().len(), world.incidents().len()),
        (6, 6),
        "every record is still there"
    );

    world.apply_example("sync-flow.yaml").await;
    world
        .until(FLOW, "six pairs again", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.linked == Some(6))
        })
        .await;
    assert_eq!(
        (world.cases().len(), world.incidents().len()),
        (6, 6),
        "and no duplicate was made"
    );
    for case in &cases {
        assert!(world.counterpart_of_case(case).is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn link_state_belongs_to_its_flow_and_goes_with_it() {
    let world = World::new("state").await;
    let _operator = world.operator();
    world.make_case("one");
    world.apply_quickstart().await;
    let flow = world.flow_is(FLOW, "True/Synced").await;
    let pages = world.api::<ConfigMap>();
    let label = format!("syncflow.io/flow-uid={}", flow.metadata.uid.unwrap());
    let of_the_flow = ListParams::default().labels(&label);
    let found = pages.list(&of_the_flow).await.unwrap().items;
    assert!(!found.is_empty());
    for page in &found {
        let owners = page.metadata.owner_references.as_ref().unwrap();
        assert_eq!(
            (owners[0].kind.as_str(), owners[0].name.as_str()),
            ("SyncFlow", FLOW)
        );
    }
    let some_page = found[0].metadata.name.clone().unwrap();
    let page_uid = found[0].metadata.uid.clone().unwrap();
    world
        .kubectl(&["delete", "syncflow", FLOW, "--timeout=120s"])
        .await;
    let gone = await_condition(pages, &some_page, conditions::is_deleted(&page_uid));
    tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_is_deleted_in_mid_write_goes_only_after_its_worker_has_settled_it() {
    let world = World::new("drain").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    // The instance acts at once and answers late: the write is under way while the flow is deleted.
    for calls in ["servicenow.batch", "servicenow.create"] {
        let late = Fault::always(calls, Effect::Delay { millis: 3000 });
        world.instance.simulator().faults.add(late);
    }
    let case = world.make_case("under way");
    world
        .kubectl(&["annotate", "syncflow", FLOW, "syncflow.io/sync-now=go"])
        .await;
    world
        .eventually("the incident is made", || world.counterpart_of_case(&case))
        .await;
    world
        .kubectl(&["delete", "syncflow", FLOW, "--timeout=120s"])
        .await;
    assert!(
        world.log().contains("worker drained"),
        "the flow went before its worker had settled"
    );
    assert!(!world.log().contains("did not drain in time"));
}
