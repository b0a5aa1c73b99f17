use super::*;
use crate::adapters::http::scripted::with_header;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{ChangePage, ChangeQuery, Remote, RemoteError, RemoteErrorKind};

/// 2026-11-22T10:00:00Z.
pub(super) const TEN: Instant = Instant::from_seconds(1_795_341_600);

pub(super) fn query(after: Option<(Instant, Option<RecordId>)>, limit: usize) -> ChangeQuery {
    ChangeQuery {
        schema: schema(),
        fields: vec![name("short_description"), name("correlation_id")],
        after,
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit,
    }
}

async fn changes(bench: &Bench, limit: usize) -> Result<ChangePage, RemoteError> {
    bench.service_now.read_changes(&query(None, limit)).await
}

pub(super) fn truncated() -> Answer {
    let body = r#"{"result":[{"sys_id":"1"},"error":{"message":"Transaction cancelled: maximum execution time exceeded"#;
    Ok(answer(200, body))
}

#[tokio::test]
async fn one_query_asks_for_what_is_after_the_cursor_within_the_second_and_beyond() {
    let bench = bench([listed(0, &[])]);
    let mut asked = query(Some((TEN, Some(id(7)))), 100);
    asked.created_from = Some(Instant::EPOCH);
    bench.service_now.read_changes(&asked).await.unwrap();
    let seven = id(7);
    assert_eq!(
        bench.parameter(0, "sysparm_query"),
        format!(
            "sys_created_on>=1970-01-01 00:00:00^sys_updated_on>2026-11-22 10:00:00\
             ^NQsys_created_on>=1970-01-01 00:00:00^sys_updated_on=2026-11-22 10:00:00^sys_id>{seven}\
             ^ORDERBYsys_updated_on^ORDERBYsys_id"
        )
    );
    assert_eq!(
        bench.parameter(0, "sysparm_fields"),
        "correlation_id,short_description,sys_created_on,sys_id,sys_mod_count,sys_updated_on"
    );
    assert_eq!(bench.parameter(0, "sysparm_display_value"), "false");
    assert_eq!(bench.parameter(0, "sysparm_exclude_reference_link"), "true");
    assert_eq!(bench.parameter(0, "sysparm_limit"), "100");
}

#[tokio::test]
async fn a_field_that_the_row_lacks_stays_absent_and_is_not_null() {
    let mut with_empty = row(1, "00:01");
    with_empty["correlation_id"] = json!("");
    let mut lacking = row(2, "00:02");
    lacking.as_object_mut().unwrap().remove("correlation_id");
    let bench = bench([listed(2, &[with_empty, lacking])]);
    let page = changes(&bench, 10).await.unwrap();
    assert_eq!(page.records[0].value(&name("correlation_id")), Some(&Value::Null));
    assert!(!page.records[1].fields.contains_key(&name("correlation_id")));
    assert_eq!(page.records[0].version.mod_count, 3);
    assert_eq!(page.server_time, TEN);
}

#[tokio::test]
async fn a_short_page_is_complete_only_when_the_count_says_so() {
    let bench = bench([listed(30, &[row(1, "00:01")]), listed(9, &[row(1, "00:01")])]);
    let page = changes(&bench, 10).await.unwrap();
    assert!(!page.complete);
    assert_eq!(page.hidden_rows, 9);
    let page = changes(&bench, 10).await.unwrap();
    assert!(page.complete);
    assert_eq!(page.hidden_rows, 8);
}

#[tokio::test]
async fn an_empty_page_with_more_behind_it_is_widened_until_something_shows() {
    let bench = bench([listed(50, &[]), listed(50, &[]), listed(50, &[row(1, "00:01")])]);
    let page = changes(&bench, 10).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(!page.complete);
    assert_eq!(page.hidden_rows, 39);
    let limits: Vec<String> = (0..3)
        .map(|place| bench.parameter(place, "sysparm_limit"))
        .collect();
    assert_eq!(limits, ["10", "20", "40"]);
    assert_eq!(bench.parameter(2, "sysparm_offset"), "0");
}

#[tokio::test]
async fn a_wider_page_still_gives_no_more_rows_than_asked_for() {
    let rows: Vec<Json> = (1..=15)
        .map(|number| row(number, &format!("00:{number:02}")))
        .collect();
    let bench = bench([listed(40, &[]), listed(40, &[]), listed(40, &rows)]);
    let page = changes(&bench, 10).await.unwrap();
    assert_eq!(page.records.len(), 10);
    assert!(!page.complete);
}

#[tokio::test]
async fn past_the_widest_page_hidden_rows_are_passed_by_offset_and_none_is_skipped_when_rows_leave() {
    let bench = bench([
        // 6000 and 10 000 rows, all hidden, of 25 000.
        listed(25_000, &[]),
        listed(25_000, &[]),
        // From here up to the instant of the answer before: two pages, then five rows have left.
        listed(25_000, &[]),
        listed(25_000, &[]),
        listed(24_995, &[]),
        listed(24_995, &[row(1, "00:01")]),
    ]);
    let page = changes(&bench, 6000).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(!page.complete, "what came after the instant was not looked at");
    let offsets: Vec<String> = (2..6)
        .map(|place| bench.parameter(place, "sysparm_offset"))
        .collect();
    assert_eq!(offsets, ["0", "10000", "20000", "19995"]);
    assert!(
        bench
            .parameter(5, "sysparm_query")
            .contains("^sys_updated_on<=2026-11-22 10:00:00")
    );
    assert!(!bench.parameter(1, "sysparm_query").contains("<="));
}

#[tokio::test]
async fn a_stretch_that_is_hidden_to_its_end_is_left_behind_and_the_scan_goes_on() {
    let bench = bench([
        listed(10_001, &[]),
        listed(10_001, &[]),
        listed(10_001, &[]),
        listed(1, &[row(1, "00:01")]),
    ]);
    let page = changes(&bench, 10_000).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(page.complete);
    assert!(
        bench
            .parameter(3, "sysparm_query")
            .starts_with("sys_updated_on>=2026-11-22 10:00:01")
    );
}

#[tokio::test]
async fn a_list_that_breaks_off_is_asked_for_again_at_half_the_size() {
    let bench = bench([truncated(), truncated(), listed(60, &[row(1, "00:01")])]);
    let page = changes(&bench, 100).await.unwrap();
    assert!(!page.complete, "25 rows were asked for, and there are 60");
    let limits: Vec<String> = (0..3)
        .map(|place| bench.parameter(place, "sysparm_limit"))
        .collect();
    assert_eq!(limits, ["100", "50", "25"]);
}

#[tokio::test]
async fn an_error_behind_http_200_and_an_answer_too_large_are_broken_lists_too() {
    let error =
        ok(&json!({"error": {"message": "Transaction cancelled", "detail": null}, "status": "failure"}));
    let large = Err(TransportError::TooLarge { limit: 1000 });
    let bench = bench([error, large, listed(0, &[])]);
    assert!(changes(&bench, 100).await.unwrap().complete);
    assert_eq!(bench.parameter(2, "sysparm_limit"), "25");
}

#[tokio::test]
async fn a_list_that_breaks_off_at_its_smallest_is_a_passing_failure() {
    let bench = bench([truncated(), truncated(), truncated()]);
    let error = changes(&bench, 40).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Transient);
    assert_eq!(bench.parameter(2, "sysparm_limit"), "16");
}

#[tokio::test]
async fn a_row_out_of_order_stops_the_flow() {
    let bench = bench([listed(2, &[row(1, "00:05"), row(2, "00:04")])]);
    let error = changes(&bench, 10).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
    assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_row_that_the_filter_excludes_stops_the_flow() {
    for asked in [
        query(Some((TEN, Some(id(5)))), 10),
        query(Some((TEN.later(std::time::Duration::from_secs(2)), None)), 10),
        ChangeQuery {
            created_from: Some(TEN),
            max_age: std::time::Duration::ZERO,
            ..query(None, 10)
        },
    ] {
        let bench = bench([listed(1, &[row(1, "00:00")])]);
        let error = bench.service_now.read_changes(&asked).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
        assert!(error.problem.message.contains("query_range"));
    }
}

#[tokio::test]
async fn a_system_field_that_the_account_may_not_read_is_named() {
    for field in ["sys_updated_on", "sys_mod_count", "sys_created_on"] {
        let mut lacking = row(1, "00:01");
        lacking.as_object_mut().unwrap().remove(field);
        let error = changes(&bench([listed(1, &[lacking])]), 10).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "MissingRight");
        assert!(error.problem.message.contains(field));
    }
}

#[tokio::test]
async fn failures_are_told_apart_by_who_must_act() {
    let lost = || Err(TransportError::NoAnswer("reset".into()));
    let gone_slow = || {
        let refused = refused(
            429,
            "Rate limit exceeded",
            "Rate limit of 100 requests per hour exceeded",
        );
        Ok(with_header(refused.unwrap(), "retry-after", "90"))
    };
    let query_rights = "Field(s) present in the query do not have permission to be read";
    for (answer, kind, reason) in [
        (lost(), RemoteErrorKind::Transient, "NoAnswer"),
        (Ok(answer(202, "")), RemoteErrorKind::Transient, "NotExecuted"),
        (
            Ok(answer(200, "<html>hibernating</html>")),
            RemoteErrorKind::Transient,
            "InstanceHibernating",
        ),
        (
            Ok(answer(503, "<html>")),
            RemoteErrorKind::Transient,
            "ServiceUnavailable",
        ),
        (gone_slow(), RemoteErrorKind::Throttled, "Throttled"),
        (
            refused(400, "Invalid table incident", ""),
            RemoteErrorKind::Misconfigured,
            "UnknownObject",
        ),
        (
            refused(403, "Insufficient rights to query records", query_rights),
            RemoteErrorKind::Misconfigured,
            "MissingRight",
        ),
        (
            refused(403, "User Not Authorized", "Failed API level ACL Validation"),
            RemoteErrorKind::Misconfigured,
            "MissingRight",
        ),
        (
            Ok(answer(403, "<html>")),
            RemoteErrorKind::Misconfigured,
            "UnexpectedPage",
        ),
        (Ok(answer(302, "")), RemoteErrorKind::Misconfigured, "Redirected"),
        (
            ok(&json!({"result": []})),
            RemoteErrorKind::Misconfigured,
            "HeaderMissing",
        ),
    ] {
        let error = changes(&bench([answer]), 16).await.unwrap_err();
        assert_eq!((error.kind, error.problem.reason.as_str()), (kind, reason));
    }
    let error = changes(&bench([gone_slow()]), 16).await.unwrap_err();
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(90)));
}
