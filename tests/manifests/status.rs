//! The API server keeps every part of a `status` that the operator can write, and `kubectl get` shows it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use syncflow::api::conditions::{Cause, ConditionStatus, ConditionType, MAX_MESSAGE, Verdict};
use syncflow::api::sync_flow::{HandledRequests, HeldPlan, HeldPlanKind, OpenConflict, QuarantinedRecord};
use syncflow::api::{ConnectionStatus, FieldMappingStatus, SyncFlowStatus};
use syncflow_control_plane::ControlPlane;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// The largest status of a flow that the operator can make.
fn flow_status() -> SyncFlowStatus {
    let cause = Cause::new("Quarantined", "ä".repeat(MAX_MESSAGE));
    let conditions = Verdict::reconciling(ConditionStatus::True, Cause::new("Synced", "all is well"))
        .with(ConditionType::Stalled, cause.clone())
        .with(ConditionType::Warning, cause)
        .conditions(&[], Some(1), now());
    let record = QuarantinedRecord {
        salesforce_id: Some("500000000000001AAA".to_owned()),
        service_now_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        reason: "ValueTooLong".to_owned(),
        message: "m".repeat(MAX_MESSAGE),
        since: Time(now()),
    };
    SyncFlowStatus {
        observed_generation: Some(1),
        linked: Some(12),
        quarantined: Some(34),
        conflicts: Some(56),
        quarantine: vec![record; 10],
        open_conflict_count: Some(3),
        open_conflicts: vec![
            OpenConflict {
                salesforce_id: "500000000000001AAA".to_owned(),
                service_now_id: "0123456789abcdef0123456789abcdef".to_owned(),
                salesforce_field: "Subject".to_owned(),
                service_now_field: "short_description".to_owned(),
                since: Time(now()),
            };
            10
        ],
        handled_requests: Some(HandledRequests {
            resolve_conflicts: Some("0123456789abcdef".to_owned()),
            release_quarantine: Some("0123456789abcdef".to_owned()),
        }),
        held_plan: Some(HeldPlan {
            token: "0123456789abcdef".to_owned(),
            kind: HeldPlanKind::Deletions,
            side: "ServiceNow".to_owned(),
            records: 7,
            of: 9,
            first: vec!["0123456789abcdef0123456789abcdef".to_owned(); 5],
        }),
        last_sync_time: Some(Time(now())),
        last_handled_sync_now: Some("2026-01-01T00:00:00Z".to_owned()),
        conditions,
    }
}

pub async fn every_part_of_a_status_is_kept_and_shown(server: &ControlPlane) {
    let ready = Verdict::ready(Cause::new("Connected", "signed in")).conditions(&[], Some(1), now());
    let connection = ConnectionStatus {
        observed_generation: Some(1),
        identity: Some("00D000000000001EAA".to_owned()),
        conditions: ready.clone(),
    };
    let mapping = FieldMappingStatus {
        observed_generation: Some(1),
        conditions: ready,
    };
    assert_kept(server, "Connection", "salesforce", &connection).await;
    assert_kept(server, "FieldMapping", "case-incident", &mapping).await;
    assert_kept(server, "SyncFlow", "cases-incidents", &flow_status()).await;

    let line = server
        .kubectl(["get", "sf", "cases-incidents", "--no-headers"])
        .await
        .unwrap();
    let line = line.into_success().unwrap();
    let columns: Vec<&str> = line.split_whitespace().take(8).collect();
    assert_eq!(
        columns,
        [
            "cases-incidents",
            "TwoWay",
            "Case",
            "incident",
            "True",
            "Synced",
            "12",
            "34"
        ]
    );
}

/// Writes a status as the operator does, and reads it back.
async fn assert_kept<S>(server: &ControlPlane, kind: &str, name: &str, status: &S)
where
    S: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let patch = json!({"apiVersion": "syncflow.io/v1alpha1", "kind": kind, "metadata": {"name": name},
        "status": status});
    let words = [
        "apply",
        "--server-side",
        "--subresource=status",
        "--field-manager=syncflow",
        "-o",
        "json",
    ];
    let output = server
        .kubectl_on(server.kubeconfig_path(), words, &patch.to_string())
        .await
        .unwrap();
    let stored: Value = serde_json::from_str(&output.into_success().unwrap()).unwrap();
    assert_eq!(
        serde_json::from_value::<S>(stored["status"].clone()).unwrap(),
        *status
    );
    assert_eq!(stored["status"], serde_json::to_value(status).unwrap());
}
