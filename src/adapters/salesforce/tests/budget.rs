//! The connection's share of the org's daily calls.

use std::time::Duration;

use super::*;
use crate::adapters::http::scripted::with_header;
use crate::core::failure::FailureClass;
use crate::core::time::Instant;
use crate::ports::{ChangeQuery, Remote, RemoteErrorKind, WriteOutcome};

fn with_usage(answer: Answer, usage: &'static str) -> Answer {
    answer.map(|answer| with_header(answer, "sforce-limit-info", usage))
}

fn empty_page() -> Answer {
    ok(r#"{"totalSize":0,"done":true,"records":[]}"#)
}

fn done(number: u32) -> Answer {
    ok(&format!(
        r#"[{{"id":"{}","success":true,"errors":[]}}]"#,
        id(number)
    ))
}

fn poll() -> ChangeQuery {
    ChangeQuery {
        schema: schema(),
        fields: vec![field("Subject")],
        after: Some((Instant::from_seconds(1_700_000_000), None)),
        created_from: None,
        limit: 200,
        max_age: Duration::ZERO,
    }
}

fn paths(script: &Script) -> Vec<String> {
    script
        .requests()
        .iter()
        .map(|request| {
            request
                .uri()
                .path()
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[tokio::test]
async fn a_poll_stops_before_a_write_and_says_how_it_stands() {
    let (salesforce, script) = signed_in([
        with_usage(empty_page(), "api-usage=11450/15000"),
        with_usage(ok(r#"{"DailyApiRequests":{}}"#), "api-usage=11451/15000"),
        with_usage(done(1), "api-usage=11452/15000"),
    ]);
    salesforce.read_changes(&poll()).await.unwrap();
    let error = salesforce.read_changes(&poll()).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "ApiBudgetLow");
    assert_eq!(error.problem.class, FailureClass::Transient);
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    for part in ["11451", "15000", "12000", "80 %"] {
        assert!(error.problem.message.contains(part), "{error}");
    }
    let outcomes = salesforce.update(&schema(), &[change(1)]).await.unwrap();
    assert!(matches!(outcomes[..], [WriteOutcome::Applied { .. }]));
    assert_eq!(paths(&script), ["token", "query", "limits", "sobjects"]);
}

#[tokio::test]
async fn an_exhausted_budget_sends_nothing_until_salesforce_counts_less() {
    let clock = Arc::new(TestClock::default());
    let script = Arc::new(Script::new([
        token("one"),
        with_usage(done(1), "api-usage=11999/15000"),
        with_usage(ok("{}"), "api-usage=12000/15000"),
        ok(r#"{"DailyApiRequests":{"Max":15000,"Remaining":10000}}"#),
        done(2),
    ]));
    let config = SalesforceConfig::new(
        Url::parse("https://acme.my.salesforce.com").unwrap(),
        Arc::new(Fixed(client_credentials())),
    );
    let salesforce = Salesforce::new(config, script.clone(), clock.clone());
    salesforce.update(&schema(), &[change(1)]).await.unwrap();
    for _ in 0..3 {
        let error = salesforce.update(&schema(), &[change(1)]).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "ApiBudgetExhausted");
        assert_eq!(error.kind, RemoteErrorKind::Throttled);
        assert!(error.problem.message.contains("2023-11-15T22:00:00Z"), "{error}");
        let wait = error.retry_after.unwrap();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_mins(15),
            "{wait:?}"
        );
        clock.advance(Duration::from_mins(1));
    }
    assert_eq!(paths(&script), ["token", "sobjects", "limits"]);
    clock.advance(Duration::from_mins(15));
    salesforce.update(&schema(), &[change(2)]).await.unwrap();
    assert_eq!(
        paths(&script),
        ["token", "sobjects", "limits", "limits", "sobjects"]
    );
}

#[tokio::test]
async fn the_share_is_the_connections_own() {
    let script = Arc::new(Script::new([
        token("one"),
        with_usage(done(1), "api-usage=150/15000"),
        with_usage(ok("{}"), "api-usage=150/15000"),
    ]));
    let config = SalesforceConfig {
        api_share: crate::core::budget::Share::percent(1).unwrap(),
        ..SalesforceConfig::new(
            Url::parse("https://acme.my.salesforce.com").unwrap(),
            Arc::new(Fixed(client_credentials())),
        )
    };
    let salesforce = Salesforce::new(config, script.clone(), Arc::new(TestClock::default()));
    salesforce.update(&schema(), &[change(1)]).await.unwrap();
    let error = salesforce.update(&schema(), &[change(2)]).await.unwrap_err();
    assert!(
        error.problem.message.contains("stops at 150 (apiBudget 1 %)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_is_still_proven_when_its_budget_is_used_up() {
    let userinfo = || ok(r#"{"organization_id":"00DD0000000KjsGMAS"}"#);
    let (salesforce, _) = signed_in([
        with_usage(done(1), "api-usage=15000/15000"),
        with_usage(ok("{}"), "api-usage=15000/15000"),
        userinfo(),
    ]);
    salesforce.update(&schema(), &[change(1)]).await.unwrap();
    assert!(salesforce.update(&schema(), &[change(1)]).await.is_err());
    salesforce.identity().await.unwrap();
}

#[tokio::test]
async fn too_many_calls_at_the_same_time_pass_and_a_used_up_day_is_told_from_it() {
    for (message, reason) in [
        ("ConcurrentPerOrgLongTxn Limit exceeded", "Throttled"),
        (
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            "Throttled",
        ),
        ("TotalRequests Limit exceeded.", "ApiLimitReached"),
    ] {
        let (salesforce, _) = signed_in([Ok(answer(
            403,
            &format!(r#"[{{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"{message}"}}]"#),
        ))]);
        let error = salesforce.read_changes(&poll()).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), reason);
        assert_eq!(error.problem.class, FailureClass::Transient);
    }
}
