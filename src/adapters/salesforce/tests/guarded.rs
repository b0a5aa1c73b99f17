//! Updates that must not overwrite what somebody changed meanwhile.

use std::time::Duration;

use super::*;
use crate::core::failure::FailureClass;
use crate::core::time::Instant;
use crate::ports::{CallPolicy, MOVED_MEANWHILE, Remote, RemoteErrorKind, WriteOutcome};

fn guarded(number: u32) -> UpdateItem {
    UpdateItem {
        unmodified_since: Some(Instant::from_seconds(784_111_777)),
        ..change(number)
    }
}

fn sub(index: usize, status: u16, body: &str) -> String {
    format!(r#"{{"body":{body},"httpHeaders":{{}},"httpStatusCode":{status},"referenceId":"update{index}"}}"#)
}

fn composite(subs: &[String]) -> Answer {
    ok(&format!(r#"{{"compositeResponse":[{}]}}"#, subs.join(",")))
}

fn reason(outcome: &WriteOutcome) -> &str {
    match outcome {
        WriteOutcome::Rejected(rejection) => rejection.problem.reason.as_str(),
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn each_guarded_update_carries_its_moment_and_has_its_own_outcome_in_whatever_order_they_come() {
    let error = |code: &str| format!(r#"[{{"errorCode":"{code}","message":"x"}}]"#);
    let (salesforce, script) = signed_in([composite(&[
        sub(4, 500, &error("UNABLE_TO_LOCK_ROW")),
        sub(1, 412, "null"),
        sub(0, 204, "null"),
        sub(2, 404, &error("NOT_FOUND")),
        sub(3, 400, &error("FIELD_CUSTOM_VALIDATION_EXCEPTION")),
        sub(5, 500, &error("UNKNOWN_EXCEPTION")),
    ])]);
    let items: Vec<_> = (0..7).map(guarded).collect();
    let outcomes = salesforce.update(&schema(), &items).await.unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { id: done, read_back: None } if *done == id(0)));
    assert_eq!(reason(&outcomes[1]), MOVED_MEANWHILE);
    assert!(
        matches!(&outcomes[1], WriteOutcome::Rejected(refused) if refused.problem.class == FailureClass::Transient && !refused.gone)
    );
    assert!(matches!(&outcomes[2], WriteOutcome::Rejected(refused) if refused.gone));
    assert_eq!(reason(&outcomes[3]), "ValidationRule");
    assert_eq!(reason(&outcomes[4]), "RowLocked");
    assert!(matches!(&outcomes[5], WriteOutcome::Unknown { .. }));
    assert!(
        matches!(&outcomes[6], WriteOutcome::Unknown { .. }),
        "no result came for it"
    );

    let request = &script.requests()[1];
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().path(), "/services/data/v62.0/composite");
    let body = json_of(request);
    assert_eq!(body["allOrNone"], false);
    let first = &body["compositeRequest"][0];
    assert_eq!(first["method"], "PATCH");
    assert_eq!(
        first["url"],
        format!("/services/data/v62.0/sobjects/Case/{}", id(0))
    );
    assert_eq!(
        first["httpHeaders"]["If-Unmodified-Since"],
        "Sun, 06 Nov 1994 08:49:37 GMT"
    );
    assert_eq!(first["httpHeaders"]["Sforce-Auto-Assign"], "FALSE");
    assert_eq!(first["body"]["Subject"], "changed");
}

#[tokio::test]
async fn guarded_and_plain_updates_travel_apart_and_come_back_in_the_order_of_the_items() {
    let (salesforce, script) = signed_in([
        ok(&format!(
            r#"[{{"id":"{}","success":true,"errors":[]}},{{"id":"{}","success":true,"errors":[]}}]"#,
            id(1),
            id(3)
        )),
        composite(&[sub(0, 204, "null"), sub(1, 412, "null")]),
    ]);
    let items = [guarded(0), change(1), guarded(2), change(3)];
    let outcomes = salesforce.update(&schema(), &items).await.unwrap();
    for (index, outcome) in outcomes.iter().enumerate() {
        match (index, outcome) {
            (2, WriteOutcome::Rejected(_)) => {}
            (0 | 1 | 3, WriteOutcome::Applied { id: done, .. }) => {
                assert_eq!(*done, id(u32::try_from(index).unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn twenty_five_go_in_one_call_and_a_failed_call_after_another_is_told_record_by_record() {
    let all: Vec<String> = (0..25).map(|index| sub(index, 204, "null")).collect();
    let (salesforce, script) = signed_in([
        composite(&all),
        Ok(answer(429, "<html>")),
        Err(TransportError::NoAnswer("reset".into())),
    ]);
    let items: Vec<_> = (0..60).map(guarded).collect();
    let outcomes = salesforce.update(&schema(), &items).await.unwrap();
    assert_eq!(outcomes.len(), 60);
    assert!(
        outcomes[..25]
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Applied { .. }))
    );
    assert!(
        outcomes[25..50]
            .iter()
            .all(|outcome| reason(outcome) == "Throttled")
    );
    assert!(
        outcomes[50..]
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Unknown { .. }))
    );
    assert_eq!(script.requests().len(), 4);

    let (salesforce, _) = signed_in([Ok(answer(429, "<html>"))]);
    let error = salesforce.update(&schema(), &items).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled, "nothing was sent");
}

#[tokio::test]
async fn all_calls_of_one_write_share_the_time_it_was_permitted_for() {
    let clock = Arc::new(TestClock::default());
    let all: Vec<String> = (0..25).map(|index| sub(index, 204, "null")).collect();
    let script = Arc::new(
        Script::new([token("one"), composite(&all), composite(&all), composite(&all)])
            .taking(clock.clone(), Duration::from_secs(25)),
    );
    let config = SalesforceConfig::new(
        Url::parse("https://acme.my.salesforce.com").unwrap(),
        Arc::new(Fixed(client_credentials())),
    );
    let salesforce = Salesforce::new(config, script.clone(), clock);
    let items: Vec<_> = (0..75).map(guarded).collect();
    let outcomes = salesforce.update(&schema(), &items).await.unwrap();
    let timeouts: Vec<u64> = script.requests()[1..]
        .iter()
        .map(|request| {
            request
                .extensions()
                .get::<CallPolicy>()
                .unwrap()
                .timeout
                .as_secs()
        })
        .collect();
    assert_eq!(timeouts, [95, 70]);
    assert!(
        outcomes[50..]
            .iter()
            .all(|outcome| reason(outcome) == "TimeUsedUp")
    );
}

#[tokio::test]
async fn what_was_not_sent_waits_for_nobody_though_the_call_before_it_needs_a_person() {
    let all: Vec<String> = (0..25).map(|index| sub(index, 204, "null")).collect();
    let (salesforce, _) = signed_in([composite(&all), expired(), token("two"), expired()]);
    let items: Vec<_> = (0..30).map(guarded).collect();
    let outcomes = salesforce.update(&schema(), &items).await.unwrap();
    for outcome in &outcomes[25..] {
        let WriteOutcome::Rejected(put_off) = outcome else {
            panic!("not put off: {outcome:?}");
        };
        assert_eq!(put_off.problem.reason.as_str(), "SessionRefused");
        assert_eq!(put_off.problem.class, FailureClass::Transient);
    }
}

#[tokio::test]
async fn a_guarded_call_without_a_usable_answer_leaves_every_item_unknown() {
    for answer in [
        Err(TransportError::NoAnswer("reset".into())),
        Ok(answer(500, "")),
        ok("{}"),
        ok("[]"),
        ok(r#"{"compositeResponse":[{"#),
    ] {
        let (salesforce, script) = signed_in([answer]);
        let outcomes = salesforce.update(&schema(), &[guarded(1)]).await.unwrap();
        assert!(matches!(outcomes[..], [WriteOutcome::Unknown { .. }]));
        assert_eq!(script.requests().len(), 2, "one attempt");
    }
}
