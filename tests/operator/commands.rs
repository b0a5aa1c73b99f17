//! What a person does from a terminal, with a kubeconfig of their own.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use syncflow::api::SyncFlow;
use syncflow_simulators::faults::CannedAnswer;
use syncflow_simulators::{Admin, Effect, Fault};
use tokio::process::Command;

use super::people::value;
use super::world::{FLOW, World};

/// Runs the binary as a person does.
async fn syncflow(world: &World, kubeconfig: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_syncflow"))
        .args(words)
        .args(["--namespace", &world.namespace])
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .output()
        .await
        .unwrap()
}

async fn as_admin(world: &World, words: &[&str]) -> String {
    let output = syncflow(world, world.plane.kubeconfig_path(), words).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{words:?}: {out}{err}");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A person who may do this and nothing else.
async fn person(world: &World, name: &str, rules: Value) -> PathBuf {
    let namespace = &world.namespace;
    for manifest in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }),
    ] {
        world.apply(&manifest).await;
    }
    let token = world.plane.create_token(namespace, name).await.unwrap();
    world.plane.kubeconfig_for_token(&token, namespace).unwrap()
}

/// What a reader of conflicts needs, with or without the key.
fn reading(with_key: bool) -> Value {
    let mut rules = vec![
        json!({"apiGroups": ["syncflow.io"], "resources": ["syncflows", "fieldmappings"], "verbs": ["get"]}),
        json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}),
    ];
    if with_key {
        let secret = format!("{FLOW}-sync-key");
        rules.push(
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}),
        );
    }
    Value::Array(rules)
}

/// A pair whose subject both sides change while the flow is suspended, so that both edits meet in one cycle.
async fn edited_on_both_sides(world: &World) -> (String, String) {
    let case = world.make_case("as it began");
    world.flow_is(FLOW, "True/Synced").await;
    let incident = world
        .eventually("the case has an incident", || world.counterpart_of_case(&case))
        .await;
    let incident = value(&incident, "sys_id").to_owned();
    world.patch_flow(FLOW, &json!({"suspend": true})).await;
    world.flow_is(FLOW, "False/Suspended").await;
    world.edit_case(&case, json!({"Subject": "said in Salesforce"}));
    let now = world.instance.now();
    let fields = json!({"short_description": "said in ServiceNow"});
    world
        .instance
        .simulator()
        .model
        .edit_as_person(
            "incident",
            &incident,
            fields.as_object().unwrap(),
            now,
            "a person",
        )
        .unwrap();
    world.patch_flow(FLOW, &json!({"suspend": false})).await;
    world.flow_is(FLOW, "True/Synced").await;
    (case, incident)
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_listed_and_decrypted_for_who_may_read_the_key_and_for_nobody_else() {
    let world = World::new("journal").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    let (case, incident) = edited_on_both_sides(&world).await;
    world
        .until(FLOW, "one conflict was decided", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.conflicts == Some(1))
        })
        .await;

    let reader = person(&world, "reader", reading(true)).await;
    let listed = syncflow(&world, &reader, &["conflicts", "list", FLOW, "--output", "json"]).await;
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let row = &rows[0];
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(
        (&row["salesforceId"], &row["serviceNowId"]),
        (&json!(case), &json!(incident))
    );
    assert_eq!(row["salesforceField"], "Subject");
    assert_eq!(row["cause"], "conflict");
    let values = [row["lost"].as_str().unwrap(), row["kept"].as_str().unwrap()];
    assert!(
        values.contains(&"said in Salesforce") && values.contains(&"said in ServiceNow"),
        "{values:?}"
    );

    let table = text(
        &syncflow(&world, &reader, &["conflicts", "list", FLOW])
            .await
            .stdout,
    );
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("WHEN") && lines.len() == 2, "{table}");
    assert!(
        lines[1].contains("Subject/short_description") && lines[1].contains("both sides changed"),
        "{table}"
    );

    let stranger = person(&world, "stranger", reading(false)).await;
    let refused = syncflow(&world, &stranger, &["conflicts", "list", FLOW]).await;
    let shown = format!("{}{}", text(&refused.stdout), text(&refused.stderr));
    assert!(!refused.status.success());
    assert!(shown.contains("secrets") && !shown.contains("said in"), "{shown}");

    let elsewhere = syncflow(&world, &reader, &["conflicts", "list", "no-such-flow"]).await;
    assert!(
        text(&elsewhere.stderr).contains("no SyncFlow no-such-flow"),
        "{}",
        text(&elsewhere.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_picks_the_side_of_a_conflict_that_waits() {
    let world = World::new("manual").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    world
        .patch_flow(FLOW, &json!({"conflict": {"policy": "Manual"}}))
        .await;
    let (case, incident) = edited_on_both_sides(&world).await;
    let flow = world
        .until(FLOW, "a conflict waits", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.open_conflict_count == Some(1))
        })
        .await;
    let status = flow.status.unwrap();
    assert_eq!(status.open_conflicts[0].service_now_id, incident);
    assert_eq!(status.open_conflicts[0].salesforce_field, "Subject");

    let open: Value =
        serde_json::from_str(&as_admin(&world, &["conflicts", "open", FLOW, "-o", "json"]).await).unwrap();
    assert_eq!(open[0]["salesforceId"], json!(case));
    as_admin(
        &world,
        &[
            "conflicts",
            "resolve",
            FLOW,
            &case,
            "--field",
            "Subject",
            "--pick",
            "servicenow",
        ],
    )
    .await;
    world
        .eventually("both sides hold what was picked", || {
            let cases = world.cases();
            let picked = cases.iter().find(|record| value(record, "Id") == case);
            (value(picked?, "Subject") == "said in ServiceNow").then_some(())
        })
        .await;
    world
        .until(FLOW, "no conflict waits", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.open_conflict_count == Some(0))
        })
        .await;
    let open = as_admin(&world, &["conflicts", "open", FLOW, "-o", "json"]).await;
    assert_eq!(open.trim(), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantined_records_are_listed_and_released() {
    let world = World::new("quarantine").await;
    let _operator = world.operator();
    // Refused once, as by a business rule that somebody then puts right.
    let refusal = CannedAnswer {
        status: 403,
        body: json!({
            "error": {"message": "Operation Failed", "detail": "Operation against file 'incident' was aborted by Business Rule 'Not today'"},
            "status": "failure",
        })
        .to_string(),
        headers: Vec::new(),
    };
    world
        .instance
        .simulator()
        .faults
        .add(Fault::once("servicenow.create", Effect::StatusBefore(refusal)));
    let case = world.make_case("forbidden");
    world.apply_quickstart().await;
    world
        .until(FLOW, "the record is in quarantine", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.quarantined == Some(1))
        })
        .await;
    let rows: Value =
        serde_json::from_str(&as_admin(&world, &["quarantine", "list", FLOW, "-o", "json"]).await).unwrap();
    assert_eq!(rows[0]["salesforceId"], json!(case));
    assert_eq!(rows[0]["reason"], "BusinessRule");
    let table = as_admin(&world, &["quarantine", "list", FLOW]).await;
    assert!(table.contains(&case) && !table.contains("forbidden"), "{table}");

    let nothing = syncflow(
        &world,
        world.plane.kubeconfig_path(),
        &["quarantine", "release", FLOW],
    )
    .await;
    assert!(
        text(&nothing.stderr).contains("--all"),
        "{}",
        text(&nothing.stderr)
    );

    let only_flows = json!([{"apiGroups": ["syncflow.io"], "resources": ["syncflows"], "verbs": ["get", "list", "watch", "patch"]}]);
    let helper = person(&world, "helper", only_flows).await;
    let released = syncflow(&world, &helper, &["quarantine", "release", FLOW, &case]).await;
    assert!(released.status.success(), "{}", text(&released.stderr));
    world
        .eventually("the case has an incident", || world.counterpart_of_case(&case))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_a_guard_holds_back_is_shown_and_passes_with_its_token() {
    let world = World::new("guard").await;
    let _operator = world.operator();
    world.apply_quickstart().await;
    let cases: Vec<String> = (0..5)
        .map(|number| world.make_case(&format!("case {number}")))
        .collect();
    world
        .until(FLOW, "all are linked", |flow: &SyncFlow| {
            flow.status
                .as_ref()
                .is_some_and(|status| status.linked == Some(5))
        })
        .await;
    // What the instance filled in by itself is agreed on: a record with more than that is kept, see CounterpartEdited.
    world.sync_now(FLOW, "settled").await;
    let careful = json!({
        "onDelete": {"policy": "DeleteCounterpart"}, "guards": {"deletions": {"records": 1, "percent": 0}},
        "suspend": true,
    });
    world.patch_flow(FLOW, &careful).await;
    world.flow_is(FLOW, "False/Suspended").await;
    for case in &cases[..2] {
        let now = world.org.now();
        world
            .org
            .simulator()
            .model
            .delete_as_person("Case", case, now, "a person")
            .unwrap();
    }
    world.patch_flow(FLOW, &json!({"suspend": false})).await;
    let blocked = world.flow_is(FLOW, "False/Blocked").await;
    let plan = blocked.status.unwrap().held_plan.expect("the plan is shown");
    assert_eq!((plan.records, plan.of, plan.side.as_str()), (2, 5, "Salesforce"));
    assert!(cases.contains(&plan.first[0]));
    assert_eq!(
        world.incidents().len(),
        5,
        "nothing is deleted before somebody approves"
    );

    let annotation = format!("syncflow.io/approve-plan={}", plan.token);
    world
        .kubectl(&["annotate", "syncflow", FLOW, "--overwrite", &annotation])
        .await;
    let flow = world.flow_is(FLOW, "True/Synced").await;
    assert_eq!(flow.status.unwrap().held_plan, None);
    world
        .eventually("the counterparts are gone", || {
            (world.incidents().len() == 3).then_some(())
        })
        .await;
}
