//! What is remembered between calls: sizes that went through, rows that are hidden, fields that may be read.

use super::changes::{TEN, query, truncated};
use super::*;
use crate::ports::{ChangePage, ChangeQuery, Remote, RemoteError};

async fn changes(bench: &Bench, limit: usize) -> Result<ChangePage, RemoteError> {
    bench.service_now.read_changes(&query(None, limit)).await
}

fn an_hour_ago() -> ChangeQuery {
    let from = TEN.earlier(std::time::Duration::from_hours(1));
    query(Some((from, None)), 10)
}

#[tokio::test]
async fn a_page_size_that_went_through_is_kept_for_a_while_and_grows_again() {
    let shown = || listed(600, &[row(1, "00:01")]);
    let mut answers = vec![truncated(), truncated()];
    answers.extend((0..20).map(|_| shown()));
    let bench = bench(answers);
    for _ in 0..18 {
        changes(&bench, 100).await.unwrap();
    }
    let limits: Vec<String> = (0..20)
        .map(|place| bench.parameter(place, "sysparm_limit"))
        .collect();
    let mut expected = vec!["100", "50"];
    expected.extend(["25"; 9]);
    expected.extend(["50"; 8]);
    expected.push("100");
    assert_eq!(limits, expected);
}

#[tokio::test]
async fn hidden_changes_are_walked_through_once_and_then_left_out_but_for_the_last_ten_minutes() {
    let bench = bench([
        listed(50, &[]),
        listed(50, &[]),
        listed(50, &[]),
        listed(50, &[]),
        listed(3, &[]),
    ]);
    let page = bench.service_now.read_changes(&an_hour_ago()).await.unwrap();
    assert!(page.complete);
    assert_eq!(
        (page.hidden_rows, bench.calls()),
        (50, 4),
        "10, 20, 40 and 80 rows asked for"
    );
    let page = bench.service_now.read_changes(&an_hour_ago()).await.unwrap();
    assert!(page.complete);
    assert!(page.hidden_rows >= 50, "they are still told");
    assert_eq!(bench.calls(), 5);
    assert!(
        bench
            .parameter(4, "sysparm_query")
            .starts_with("sys_updated_on>=2026-11-22 09:50:00")
    );
}

#[tokio::test]
async fn a_change_that_is_shown_behind_hidden_ones_is_found_though_they_are_left_out() {
    let bench = bench([listed(5, &[]), listed(6, &[row(1, "00:01")])]);
    bench.service_now.read_changes(&an_hour_ago()).await.unwrap();
    let page = bench.service_now.read_changes(&an_hour_ago()).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(page.complete);
}

fn without(field: &str) -> Json {
    let mut lacking = row(1, "00:01");
    lacking.as_object_mut().unwrap().remove(field);
    lacking
}

#[tokio::test]
async fn a_field_that_no_record_shows_though_it_was_asked_for_is_a_missing_right() {
    let lacking = || listed(1, &[without("short_description")]);
    let bench = bench([lacking(), lacking()]);
    let error = changes(&bench, 10).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "MissingRight");
    assert!(
        error.problem.message.contains("incident.short_description"),
        "{}",
        error.problem.message
    );
    assert_eq!(
        bench.parameter(1, "sysparm_fields"),
        "sys_id,sys_updated_on,short_description"
    );
}

#[tokio::test]
async fn a_field_that_another_record_shows_is_readable_and_not_asked_about_again() {
    let lacking = || listed(1, &[without("short_description")]);
    let bench = bench([lacking(), listed(2, &[row(2, "00:02")]), lacking()]);
    for _ in 0..2 {
        let page = changes(&bench, 10).await.unwrap();
        assert!(!page.records[0].fields.contains_key(&name("short_description")));
    }
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn an_address_that_leads_elsewhere_and_an_instance_that_sleeps_are_told_apart_at_first_contact() {
    for (answer, reason) in [
        (
            answer(200, "<html>Your instance is hibernating"),
            "InstanceHibernating",
        ),
        (answer(503, "<html>Scheduled maintenance"), "InstanceMaintenance"),
        (answer(200, "<html>Sign in to the proxy"), "NotServiceNow"),
        (
            answer(
                401,
                r#"[{"message":"Session expired","errorCode":"INVALID_SESSION_ID"}]"#,
            ),
            "NotServiceNow",
        ),
    ] {
        let status = answer.status();
        let error = bench([Ok(answer)]).service_now.identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), reason, "HTTP {status}");
        assert!(error.problem.message.contains("acme.service-now.com"));
    }
}
