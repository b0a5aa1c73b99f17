//! SIGKILL in mid-work, SIGTERM, and rest.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::Value;
use syncflow::api::SyncFlow;
use syncflow_simulators::quickstart::{seed_cases, seed_incidents};
use syncflow_simulators::{Effect, Fault};

use super::world::{FLOW, World};

/// Pairs that are linked, as the status tells.
fn linked(flow: &SyncFlow) -> i64 {
    flow.status
        .as_ref()
        .and_then(|status| status.linked)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_creation_and_restarted_it_makes_every_counterpart_once() {
    let world = World::new("killed").await;
    seed_cases(&mut world.org.simulator().model, 240).unwrap();
    seed_incidents(&mut world.instance.simulator().model, 200).unwrap();
    let (cases, incidents) = (world.cases().len(), world.incidents().len());
    // The services act at once and answer late: what is seen made was not yet answered when the operator dies.
    let late = |calls: &str| Fault::always(calls, Effect::Delay { millis: 1000 });
    world.org.simulator().faults.add(late("salesforce.collections"));
    world.instance.simulator().faults.add(late("servicenow.batch"));
    world.apply_quickstart().await;
    for pass in 1..=3 {
        let operator = world.operator();
        let before = (world.cases().len(), world.incidents().len());
        world
            .eventually(&format!("pass {pass}: something was made"), || {
                ((world.cases().len(), world.incidents().len()) != before
                    || world.cases().len() + world.incidents().len() == cases + incidents + 30 + 20)
                    .then_some(())
            })
            .await;
        operator.kill().await;
    }
    world.org.simulator().faults.clear();
    world.instance.simulator().faults.clear();
    let _operator = world.operator();
    // 30 cases of Product and 20 incidents about databases since 2024-07-22: see the quickstart's own test.
    world
        .until(FLOW, "fifty pairs", |flow: &SyncFlow| linked(flow) == 50)
        .await;
    assert_eq!(world.cases().len(), cases + 20);
    assert_eq!(world.incidents().len(), incidents + 30);
    let stamps: BTreeSet<String> = world
        .incidents()
        .iter()
        .filter_map(|incident| incident.get("correlation_id")?.as_str().map(str::to_owned))
        .filter(|stamp| stamp.starts_with("salesforce:"))
        .collect();
    assert!(stamps.len() >= 30, "each made incident names its own case");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_gives_the_lease_back_and_ends_well() {
    let world = World::new("sigterm").await;
    let operator = world.operator_with(&["--identity", "first"]);
    world.make_case("one");
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    let held: Lease = world.api().get("syncflow").await.unwrap();
    assert_eq!(held.spec.unwrap().holder_identity.as_deref(), Some("first"));

    assert!(operator.terminate().await.success());
    let given_back: Lease = world.api().get("syncflow").await.unwrap();
    assert_eq!(
        given_back
            .spec
            .unwrap()
            .holder_identity
            .as_deref()
            .unwrap_or_default(),
        ""
    );

    let _next = world.operator_with(&["--identity", "second"]);
    let case = world.make_case("two");
    world
        .eventually("the next operator need not wait", || {
            world.counterpart_of_case(&case)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_lost_the_lease_ends_with_an_error() {
    let world = World::new("lost").await;
    let operator = world.operator();
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    let patch = r#"{"spec":{"holderIdentity":"somebody else"}}"#;
    world
        .kubectl(&["patch", "lease", "syncflow", "--type=merge", "--patch", patch])
        .await;
    assert!(!operator.ended().await.success());
    let lease: Lease = world.api().get("syncflow").await.unwrap();
    assert_eq!(
        lease.spec.unwrap().holder_identity.as_deref(),
        Some("somebody else"),
        "it is not taken back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_deleted_while_no_operator_runs_goes_when_one_is_back() {
    let world = World::new("orphan").await;
    let operator = world.operator();
    world.make_case("one");
    world.apply_quickstart().await;
    world.flow_is(FLOW, "True/Synced").await;
    operator.kill().await;
    world.kubectl(&["delete", "syncflow", FLOW, "--wait=false"]).await;
    assert!(
        world.api::<SyncFlow>().get_opt(FLOW).await.unwrap().is_some(),
        "the finalizer holds it"
    );
    let _operator = world.operator();
    world
        .kubectl(&["wait", "--for=delete", "syncflow", FLOW, "--timeout=120s"])
        .await;
    assert_eq!((world.cases().len(), world.incidents().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_nothing_is_written_to_either_service_or_to_the_cluster_but_the_lease() {
    let world = World::new("rest").await;
    let _operator = world.operator();
    for number in 0..5 {
        world.make_case(&format!("case {number}"));
        world.make_incident(&format!("incident {number}"));
    }
    world.apply_quickstart().await;
    world
        .until(FLOW, "ten pairs", |flow: &SyncFlow| linked(flow) == 10)
        .await;
    // What the flow made is seen once more by the cycles after; then all is quiet.
    for token in ["settle-1", "settle-2", "settle-3"] {
        world.sync_now(FLOW, token).await;
    }
    let cycles = |world: &World| {
        let queries = world.org.simulator().calls.calls("salesforce.query");
        let lists = world.instance.simulator().calls.calls("servicenow.list");
        (queries, lists)
    };
    let quiet = versions(&world).await;
    let writes = (
        world.org.simulator().calls.records_written(""),
        world.instance.simulator().calls.records_written(""),
    );
    let (queries, lists) = cycles(&world);
    world
        .eventually("a few more cycles have passed", || {
            let now = cycles(&world);
            (now.0 >= queries + 3 && now.1 >= lists + 3).then_some(())
        })
        .await;
    assert_eq!(
        versions(&world).await,
        quiet,
        "an object in the cluster was written at rest"
    );
    let after = (
        world.org.simulator().calls.records_written(""),
        world.instance.simulator().calls.records_written(""),
    );
    assert_eq!(after, writes, "a record was written at rest");
}

/// The version of every object of this namespace that the operator could write, but its Lease.
async fn versions(world: &World) -> BTreeMap<String, String> {
    let kinds = "syncflows,connections,fieldmappings,configmaps,secrets";
    let all: Value = serde_json::from_str(&world.kubectl(&["get", kinds, "-o", "json"]).await).unwrap();
    all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let name = format!(
                "{}/{}",
                item["kind"].as_str().unwrap(),
                item["metadata"]["name"].as_str().unwrap()
            );
            (
                name,
                item["metadata"]["resourceVersion"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}
