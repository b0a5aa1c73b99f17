//! What the network and the edge do to calls: reads come through, writes are never sent twice.

use std::time::Duration;

use syncflow::ports::{RemoteErrorKind, WriteOutcome};

use super::*;

fn unknown(outcomes: &[WriteOutcome]) -> bool {
    outcomes
        .iter()
        .all(|outcome| matches!(outcome, WriteOutcome::Unknown { .. }))
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_unknown_and_found_by_its_stamp() {
    let org = Org::start().await;
    let schema = org.schema().await;
    org.fault(once("salesforce.collections.create", Effect::LoseAnswer));
    let outcomes = org
        .adapter
        .create(&schema, &[new_case(1), new_case(2)])
        .await
        .unwrap();
    assert!(unknown(&outcomes));
    assert_eq!(org.calls("salesforce.collections.create"), 1);
    assert_eq!(org.count(), 2);

    let found = org
        .adapter
        .find(&schema, &field("Stamp__c"), &[Value::text(stamp(1))], &[])
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    let again = org.adapter.create(&schema, &[new_case(1)]).await.unwrap();
    assert!(matches!(&again[0], WriteOutcome::Exists { id: Some(id) } if *id == found[0].id));
    assert_eq!(org.count(), 2);
}

#[tokio::test]
async fn a_write_that_a_gateway_answered_for_is_unknown_whether_it_arrived_or_not() {
    let lost = [
        (Effect::LoseRequest, "a"),
        (Effect::StatusBefore(page(503)), "a"),
        (Effect::HtmlPage, "a"),
        (Effect::LoseAnswer, "b"),
        (Effect::StatusAfter(page(502)), "b"),
        (Effect::TruncateBody { bytes: 20 }, "b"),
        (Effect::TruncateBody { bytes: 0 }, "b"),
    ];
    for (effect, stands) in lost {
        let org = Org::start().await;
        let schema = org.schema().await;
        let id = org.seed(json!({"Subject": "a"}), 60);
        org.fault(once("salesforce.collections.update", effect.clone()));
        let update = [change(&id, "Subject", Value::text("b"))];
        let outcomes = org.adapter.update(&schema, &update).await.unwrap();
        assert!(unknown(&outcomes), "{effect:?}");
        assert_eq!(org.calls("salesforce.collections.update"), 1);
        assert_eq!(org.stored(&id, "Subject"), json!(stands), "{effect:?}");
    }
}

#[tokio::test]
async fn a_read_outlives_a_bad_moment_and_reports_a_bad_hour() {
    let org = Org::start().await;
    for effect in [
        Effect::LoseRequest,
        Effect::LoseAnswer,
        Effect::StatusBefore(page(503)),
    ] {
        org.fault(once("salesforce.describe", effect));
        org.schema().await;
    }
    org.fault(Fault::always(
        "salesforce.describe",
        Effect::StatusBefore(page(503)),
    ));
    let before = org.calls("salesforce.describe");
    let error = org.adapter.describe(&"Case".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Transient);
    assert_eq!(org.calls("salesforce.describe") - before, 4);
}

#[tokio::test]
async fn an_html_page_with_status_200_is_no_answer() {
    let org = Org::start().await;
    org.fault(once("salesforce.describe", Effect::HtmlPage));
    let error = org.adapter.describe(&"Case".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "HtmlAnswer");
    assert_eq!(error.kind, RemoteErrorKind::Transient);
}

fn too_many(seconds: &str) -> Effect {
    let mut answer = page(429);
    answer
        .headers
        .push(("retry-after".to_owned(), seconds.to_owned()));
    Effect::StatusBefore(answer)
}

#[tokio::test]
async fn a_short_wait_asked_of_a_read_is_waited_and_a_long_one_is_told() {
    let org = Org::start().await;
    org.fault(once("salesforce.describe", too_many("7")));
    org.schema().await;
    assert_eq!(org.clock.sleeps(), [Duration::from_secs(7)]);
    org.fault(once("salesforce.describe", too_many("900")));
    let error = org.adapter.describe(&"Case".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_mins(15)));
}

#[tokio::test]
async fn a_throttled_write_is_not_sent_again_and_says_that_nothing_happened() {
    let org = Org::start().await;
    let schema = org.schema().await;
    org.fault(once("salesforce.collections.create", too_many("7")));
    let error = org.adapter.create(&schema, &[new_case(1)]).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(org.calls("salesforce.collections.create"), 1);
    assert_eq!(org.count(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let org = Org::start().await;
    org.fault(once(
        "salesforce.describe",
        Effect::StatusBefore(CannedAnswer {
            status: 302,
            body: String::new(),
            headers: vec![("location".to_owned(), org.front.base_url().to_owned())],
        }),
    ));
    let error = org.adapter.describe(&"Case".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "Redirected");
    assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_page_larger_than_we_accept_is_read_in_smaller_ones() {
    use syncflow::ports::ChangeQuery;

    let org = Org::start().await;
    let text = "x".repeat(30_000);
    for _ in 0..200 {
        org.seed(json!({"Description": text}), 60);
    }
    let query = ChangeQuery {
        schema: org.schema().await,
        fields: fields(&["Description"]),
        after: None,
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit: 200,
    };
    let page = org.adapter.read_changes(&query).await.unwrap();
    assert_eq!(page.records.len(), 100);
    assert!(!page.complete);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (transport, clock) = stack::whole();
    let secret = Arc::new(Secret(
        Mutex::new(client_credentials(CLIENT_SECRET)),
        AtomicBool::default(),
    ));
    let config = SalesforceConfig::new(Url::parse(&format!("http://{closed}")).unwrap(), secret);
    let error = Salesforce::new(config, transport, clock)
        .identity()
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "Unreachable");
    assert_eq!(error.kind, RemoteErrorKind::Transient);
}
