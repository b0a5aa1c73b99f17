//! Writing: one attempt, one outcome an item, and *unknown* whenever Salesforce did not say.

use std::time::Duration;

use super::*;
use crate::adapters::http::scripted::with_header;
use crate::core::failure::FailureClass;
use crate::ports::{CallPolicy, Remote, RemoteErrorKind, WriteOutcome};

fn reason(outcome: &WriteOutcome) -> &str {
    match outcome {
        WriteOutcome::Rejected(rejection) => rejection.problem.reason.as_str(),
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn a_creation_carries_its_stamp_and_each_item_has_its_own_outcome() {
    let (salesforce, script) = signed_in([ok(&format!(
        r#"[{{"id":"{}","success":true,"errors":[]}},
            {{"success":false,"errors":[{{"statusCode":"REQUIRED_FIELD_MISSING","message":"x","fields":["Origin"]}}]}},
            {{"success":false,"errors":[{{"statusCode":"UNABLE_TO_LOCK_ROW","message":"x","fields":[]}}]}}]"#,
        id(1)
    ))]);
    let mut first = new_case(1);
    first.fields.insert(
        field("Effort__c"),
        Value::Number("12345678901234567.25".parse().unwrap()),
    );
    let outcomes = salesforce
        .create(&schema(), &[first, new_case(2), new_case(3)])
        .await
        .unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { id: made, read_back: None } if *made == id(1)));
    assert_eq!(reason(&outcomes[1]), "RequiredFieldMissing");
    let WriteOutcome::Rejected(locked) = &outcomes[2] else {
        panic!("not rejected");
    };
    assert_eq!(locked.problem.class, FailureClass::Transient);

    let request = &script.requests()[1];
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().path(), "/services/data/v62.0/composite/sobjects");
    assert!(
        std::str::from_utf8(request.body())
            .unwrap()
            .contains("12345678901234567.25")
    );
    let body = json_of(request);
    assert_eq!(body["allOrNone"], false);
    assert_eq!(body["records"][1]["attributes"]["type"], "Case");
    assert_eq!(
        body["records"][1]["Stamp__c"],
        "servicenow:00000000000000000000000000000002"
    );
    assert_eq!(body["records"][1]["Subject"], "case 2");
}

#[tokio::test]
async fn a_duplicate_of_the_stamp_is_the_creation_that_happened_before() {
    let item = |field: &str, message_id: &str| {
        format!(
            r#"{{"success":false,"errors":[{{"statusCode":"DUPLICATE_VALUE","fields":[],"message":
            "duplicate value found: {field} duplicates value on record with id: {message_id}"}}]}}"#
        )
    };
    let (salesforce, _) = signed_in([ok(&format!(
        "[{},{},{},{}]",
        item("Stamp__c", "500D00000000009"),
        item("stamp__c", "<unknown>"),
        item("Email__c", "500D00000000009"),
        item("<unknown>", "<unknown>"),
    ))]);
    let items: Vec<_> = (1..=4).map(new_case).collect();
    let outcomes = salesforce.create(&schema(), &items).await.unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Exists { id: Some(twin) } if *twin == id(9)));
    assert!(matches!(&outcomes[1], WriteOutcome::Exists { id: None }));
    assert_eq!(reason(&outcomes[2]), "DuplicateValue");
    assert_eq!(reason(&outcomes[3]), "DuplicateValue");
}

#[tokio::test]
async fn a_call_without_a_usable_answer_leaves_every_item_unknown() {
    for answer in [
        Err(TransportError::NoAnswer("reset".into())),
        Err(TransportError::TooLarge { limit: 9 }),
        Ok(answer(500, "")),
        Ok(answer(
            500,
            r#"[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]"#,
        )),
        Ok(answer(502, "<html>")),
        Ok(answer(
            503,
            r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"x"}]"#,
        )),
        Ok(answer(302, "")),
        Ok(answer(408, "")),
        ok(""),
        ok("<html>"),
        ok(r#"[{"id":"500D0"#),
        ok("{}"),
        ok(&format!(r#"[{{"id":"{}","success":true,"errors":[]}}]"#, id(1))),
    ] {
        let (salesforce, script) = signed_in([answer]);
        let outcomes = salesforce
            .update(&schema(), &[change(1), change(2)])
            .await
            .unwrap();
        assert_eq!(outcomes.len(), 2);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, WriteOutcome::Unknown { .. }))
        );
        assert_eq!(script.requests().len(), 2, "one attempt");
    }
}

#[tokio::test]
async fn a_call_that_certainly_did_nothing_is_an_error_of_the_whole() {
    for (answer, kind) in [
        (
            Err(TransportError::NotSent("refused".into())),
            RemoteErrorKind::Transient,
        ),
        (
            Err(TransportError::Refused {
                host: "x".into(),
                why: "y".into(),
            }),
            RemoteErrorKind::Misconfigured,
        ),
        (
            Ok(answer(
                403,
                r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#,
            )),
            RemoteErrorKind::Throttled,
        ),
        (
            Ok(with_header(answer(429, "<html>"), "retry-after", "30")),
            RemoteErrorKind::Throttled,
        ),
        (
            Ok(answer(
                500,
                r#"[{"errorCode":"UNABLE_TO_LOCK_ROW","message":"x"}]"#,
            )),
            RemoteErrorKind::Transient,
        ),
        (
            Ok(answer(
                400,
                r#"[{"errorCode":"JSON_PARSER_ERROR","message":"x"}]"#,
            )),
            RemoteErrorKind::Misconfigured,
        ),
    ] {
        let (salesforce, script) = signed_in([answer]);
        let error = salesforce.create(&schema(), &[new_case(1)]).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert_eq!(script.requests().len(), 2, "one attempt");
    }
}

#[tokio::test]
async fn a_write_refused_for_its_session_is_sent_with_a_new_one() {
    let (salesforce, script) = signed_in([
        expired(),
        token("two"),
        ok(&format!(r#"[{{"id":"{}","success":true,"errors":[]}}]"#, id(1))),
    ]);
    let outcomes = salesforce.update(&schema(), &[change(1)]).await.unwrap();
    assert!(matches!(outcomes[0], WriteOutcome::Applied { .. }));
    assert_eq!(script.requests()[3].headers()["authorization"], "Bearer two");
}

#[tokio::test]
async fn a_write_never_outlasts_the_time_it_was_permitted_for() {
    let done = || ok(&format!(r#"[{{"id":"{}","success":true,"errors":[]}}]"#, id(1)));
    let slow = |seconds| {
        let clock = Arc::new(TestClock::default());
        let script = Arc::new(
            Script::new([token("one"), expired(), token("two"), done()])
                .taking(clock.clone(), Duration::from_secs(seconds)),
        );
        let config = SalesforceConfig::new(
            Url::parse("https://acme.my.salesforce.com").unwrap(),
            Arc::new(Fixed(client_credentials())),
        );
        (Salesforce::new(config, script.clone(), clock), script)
    };
    let (salesforce, script) = slow(15);
    assert!(salesforce.update(&schema(), &[change(1)]).await.is_ok());
    let policy = *script.requests()[3].extensions().get::<CallPolicy>().unwrap();
    assert_eq!(policy.timeout, Duration::from_secs(120 - 3 * 15));

    let (salesforce, script) = slow(25);
    let error = salesforce.update(&schema(), &[change(1)]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TimeUsedUp");
    assert_eq!(error.kind, RemoteErrorKind::Transient);
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_record_that_is_gone_is_told_apart_from_a_reference_that_is() {
    let refused = |code: &str| {
        ok(&format!(
            r#"[{{"success":false,"errors":[{{"statusCode":"{code}","message":"x","fields":[]}}]}}]"#
        ))
    };
    let gone =
        |outcome: &WriteOutcome| matches!(outcome, WriteOutcome::Rejected(rejection) if rejection.gone);
    for code in ["ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY"] {
        let (salesforce, _) = signed_in([refused(code)]);
        let outcomes = salesforce.update(&schema(), &[change(1)]).await.unwrap();
        assert!(gone(&outcomes[0]), "{code}");
    }
    let (salesforce, _) = signed_in([refused("INVALID_CROSS_REFERENCE_KEY")]);
    let mut item = change(1);
    item.fields
        .insert(field("AccountId"), Value::text("001D000000IqhSLIAZ"));
    let outcomes = salesforce.update(&schema(), &[item]).await.unwrap();
    assert!(!gone(&outcomes[0]));
    assert_eq!(reason(&outcomes[0]), "ReferenceNotFound");
}

#[tokio::test]
async fn an_item_that_cannot_be_written_is_rejected_alone_and_the_others_keep_their_results() {
    let (salesforce, script) = signed_in([ok(&format!(
        r#"[{{"id":"{}","success":true,"errors":[]}},{{"success":false,"errors":[]}}]"#,
        id(1)
    ))]);
    let mut wrong = change(2);
    wrong.fields.insert(field("Effort__c"), Value::text("many"));
    let outcomes = salesforce
        .update(&schema(), &[change(1), wrong, change(3)])
        .await
        .unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { id: done, .. } if *done == id(1)));
    assert_eq!(reason(&outcomes[1]), "ValueNotOfKind");
    assert!(matches!(&outcomes[2], WriteOutcome::Unknown { .. }));
    assert_eq!(
        json_of(&script.requests()[1])["records"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let (salesforce, script, _) = scripted([]);
    assert!(salesforce.update(&schema(), &[]).await.unwrap().is_empty());
    assert!(script.requests().is_empty());
    let many: Vec<_> = (0..201).map(change).collect();
    assert!(salesforce.update(&schema(), &many).await.is_err());
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn an_update_never_moves_the_owner_and_a_creation_follows_the_orgs_rules_unless_it_sets_one() {
    let done = || ok(&format!(r#"[{{"id":"{}","success":true,"errors":[]}}]"#, id(1)));
    let (salesforce, script) = signed_in([done(), done(), done()]);
    salesforce.update(&schema(), &[change(1)]).await.unwrap();
    salesforce.create(&schema(), &[new_case(1)]).await.unwrap();
    let mut owned = new_case(2);
    owned
        .fields
        .insert(field("OwnerId"), Value::text("005D0000001UEjeIAG"));
    salesforce.create(&schema(), &[owned]).await.unwrap();
    let header = |index: usize| {
        script.requests()[index]
            .headers()
            .get("sforce-auto-assign")
            .cloned()
    };
    assert_eq!(header(1).unwrap(), "FALSE");
    assert_eq!(header(2), None);
    assert_eq!(header(3).unwrap(), "FALSE");
}
