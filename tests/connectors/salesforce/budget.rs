//! The Connection's share of the org's daily calls, against an org that counts.

use syncflow::core::budget::Share;
use syncflow::ports::{ChangeQuery, RemoteErrorKind, WriteOutcome};

use super::*;

fn poll(schema: &ObjectSchema) -> ChangeQuery {
    ChangeQuery {
        schema: schema.clone(),
        fields: fields(&["Subject"]),
        after: None,
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit: 200,
    }
}

fn allow(org: &Org, used: u64, allowed: u64) {
    org.edit(|model| {
        model.settings.daily_requests = allowed;
        model.set_requests_used_elsewhere(used);
    });
}

#[tokio::test]
async fn others_use_makes_polls_rare_then_stops_everything_and_it_goes_on_when_there_is_room() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "a"}), 60);
    let update = [change(&id, "Subject", Value::text("b"))];
    org.adapter.read_changes(&poll(&schema)).await.unwrap();

    allow(&org, 11_500, 15_000);
    org.adapter.read_changes(&poll(&schema)).await.unwrap();
    let error = org.adapter.read_changes(&poll(&schema)).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "ApiBudgetLow");
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    let outcomes = org.adapter.update(&schema, &update).await.unwrap();
    assert!(
        matches!(outcomes[..], [WriteOutcome::Applied { .. }]),
        "writes come before polls"
    );

    allow(&org, 12_500, 15_000);
    org.adapter.update(&schema, &update).await.unwrap();
    let before = org.calls("salesforce");
    for _ in 0..5 {
        let error = org.adapter.update(&schema, &update).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "ApiBudgetExhausted");
        assert!(error.retry_after.is_some());
    }
    assert!(
        org.calls("salesforce") - before <= 1,
        "no more than the question how it stands"
    );
    org.adapter.identity().await.unwrap();

    allow(&org, 100, 15_000);
    org.clock.sleep(std::time::Duration::from_mins(16)).await;
    org.adapter.update(&schema, &update).await.unwrap();
    org.adapter.read_changes(&poll(&schema)).await.unwrap();
}

#[tokio::test]
async fn a_busy_connection_never_takes_the_org_beyond_its_share() {
    for share in [1, 50, 100] {
        let org = Org::start_sharing(Share::percent(share).unwrap()).await;
        allow(&org, 0, 400);
        let Ok(schema) = org.adapter.describe(&"Case".parse().unwrap()).await else {
            panic!("the first call");
        };
        for _ in 0..500 {
            let _refused_or_not = org.adapter.read_ids(&schema, &[], &[]).await;
            let _refused_or_not = org.adapter.read_changes(&poll(&schema)).await;
            let _refused_or_not = org.adapter.create(&schema, &[new_case(1)]).await;
        }
        let counted = org.calls("salesforce") - org.calls("salesforce.token");
        assert!(
            counted <= 400 * u64::from(share) / 100,
            "{counted} calls at {share} %"
        );
    }
}
