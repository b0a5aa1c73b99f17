//! Deleting, and reading the deletion log.

use super::*;
use crate::core::failure::FailureClass;
use crate::core::time::Instant;
use crate::ports::{Deletions, Remote, RemoteErrorKind, WriteOutcome};

/// 2026-11-22T10:00:00Z, which is what every scripted answer's `Date` says.
const NOW: i64 = 1_795_341_600;

fn describe(replicateable: bool) -> Answer {
    let fields: Vec<String> = ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"]
        .iter()
        .map(|name| {
            format!(
                r#"{{"name":"{name}","type":"string","createable":false,"updateable":false,"nillable":false}}"#
            )
        })
        .collect();
    ok(&format!(
        r#"{{"name":"Case","createable":true,"updateable":true,"queryable":true,
            "replicateable":{replicateable},"fields":[{}]}}"#,
        fields.join(",")
    ))
}

fn log(ids: &[&str], earliest: &str, latest: &str) -> Answer {
    let rows: Vec<String> = ids
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","deletedDate":"2026-11-22T09:30:10.000+0000"}}"#))
        .collect();
    ok(&format!(
        r#"{{"deletedRecords":[{}],"earliestDateAvailable":"{earliest}","latestDateCovered":"{latest}"}}"#,
        rows.join(",")
    ))
}

fn seconds_ago(seconds: i64) -> Instant {
    Instant::from_seconds(NOW - seconds)
}

#[tokio::test]
async fn each_deletion_has_its_own_outcome_and_what_is_gone_already_is_said_to_be_gone() {
    let refused = |code: &str| {
        format!(
            r#"{{"id":null,"success":false,"errors":[{{"statusCode":"{code}","message":"x","fields":[]}}]}}"#
        )
    };
    let (salesforce, script) = signed_in([ok(&format!(
        r#"[{{"id":"{}","success":true,"errors":[]}},{},{},{},{}]"#,
        id(1),
        refused("ENTITY_IS_DELETED"),
        refused("INVALID_CROSS_REFERENCE_KEY"),
        refused("INSUFFICIENT_ACCESS_OR_READONLY"),
        refused("DELETE_FAILED"),
    ))]);
    let ids: Vec<_> = (1..=5).map(id).collect();
    let outcomes = salesforce.delete(&schema(), &ids).await.unwrap();
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { id: done, read_back: None } if *done == id(1)));
    let rejections: Vec<_> = outcomes[1..]
        .iter()
        .map(|outcome| match outcome {
            WriteOutcome::Rejected(rejection) => rejection,
            other => panic!("not rejected: {other:?}"),
        })
        .collect();
    assert!(rejections[0].gone && rejections[1].gone);
    assert!(!rejections[2].gone && !rejections[3].gone);
    assert_eq!(rejections[2].problem.reason.as_str(), "InsufficientAccess");
    assert!(rejections[2].problem.message.contains("Delete on the object"));
    assert_eq!(rejections[3].problem.reason.as_str(), "DeleteRefused");
    assert_eq!(rejections[3].problem.class, FailureClass::HumanNeeded);

    let request = &script.requests()[1];
    assert_eq!(request.method(), "DELETE");
    assert_eq!(request.uri().path(), "/services/data/v62.0/composite/sobjects");
    let url = Url::parse(&request.uri().to_string()).unwrap();
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["allOrNone"], "false");
    assert_eq!(query["ids"].split(',').count(), 5);
    assert!(request.body().is_empty());
}

#[tokio::test]
async fn a_deletion_without_a_usable_answer_is_unknown_and_is_not_sent_again() {
    for answer in [
        Err(TransportError::NoAnswer("reset".into())),
        Ok(answer(502, "<html>")),
        ok("[]"),
        ok(&format!(r#"[{{"id":"{}","success":true,"errors":[]}}]"#, id(9))),
    ] {
        let (salesforce, script) = signed_in([answer]);
        let outcomes = salesforce.delete(&schema(), &[id(1)]).await.unwrap();
        assert!(matches!(outcomes[..], [WriteOutcome::Unknown { .. }]));
        assert_eq!(script.requests().len(), 2, "one attempt");
    }
    let (salesforce, script, _) = scripted([]);
    assert!(salesforce.delete(&schema(), &[]).await.unwrap().is_empty());
    let many: Vec<_> = (0..201).map(id).collect();
    assert!(salesforce.delete(&schema(), &many).await.is_err());
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn the_log_is_asked_in_whole_minutes_and_read_on_from_where_salesforce_had_finished() {
    let (salesforce, script) = signed_in([
        describe(true),
        log(
            &["500D00000000001", "500D00000000002", "500D00000000001"],
            "2026-11-08T00:00:00.000+0000",
            "2026-11-22T09:58:12.000+0000",
        ),
    ]);
    let deletions = salesforce
        .read_deletions(&schema(), seconds_ago(1795))
        .await
        .unwrap();
    let expected = Deletions::Log {
        ids: vec![id(1), id(2)],
        covered_until: seconds_ago(108),
    };
    assert_eq!(deletions, expected);
    let url = Url::parse(&script.requests()[2].uri().to_string()).unwrap();
    assert_eq!(url.path(), "/services/data/v62.0/sobjects/Case/deleted/");
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["start"], "2026-11-22T09:30:00+00:00");
    assert_eq!(query["end"], "2026-11-22T10:00:00+00:00");
}

#[tokio::test]
async fn a_window_of_less_than_a_minute_is_not_asked_for_and_covers_nothing() {
    let (salesforce, script) = signed_in([describe(true)]);
    let since = seconds_ago(0);
    let deletions = salesforce.read_deletions(&schema(), since).await.unwrap();
    let expected = Deletions::Log {
        ids: Vec::new(),
        covered_until: since,
    };
    assert_eq!(deletions, expected);
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_log_that_does_not_reach_back_or_is_not_there_is_unavailable_and_stops_nothing() {
    let purged = log(
        &[],
        "2026-11-22T09:45:00.000+0000",
        "2026-11-22T10:00:00.000+0000",
    );
    let refused = Ok(answer(
        403,
        r#"[{"errorCode":"INSUFFICIENT_ACCESS","message":"x"}]"#,
    ));
    for (answers, since) in [
        (vec![describe(false)], seconds_ago(600)),
        (vec![describe(true)], seconds_ago(16 * 86_400)),
        (vec![describe(true), purged], seconds_ago(1800)),
        (vec![describe(true), refused], seconds_ago(600)),
    ] {
        let sent = answers.len();
        let (salesforce, script) = signed_in(answers);
        let deletions = salesforce.read_deletions(&schema(), since).await.unwrap();
        let Deletions::Unavailable { why } = deletions else {
            panic!("a log: {deletions:?}");
        };
        assert_eq!(why.reason.as_str(), "NoDeletionLog");
        assert_eq!(script.requests().len(), 1 + sent);
    }
}

#[tokio::test]
async fn a_log_with_too_many_ids_is_read_in_halves() {
    let too_many = || {
        Ok(answer(
            400,
            r#"[{"errorCode":"EXCEEDED_ID_LIMIT","message":"x"}]"#,
        ))
    };
    let (salesforce, script) = signed_in([
        describe(true),
        too_many(),
        too_many(),
        log(
            &["500D00000000001"],
            "2026-11-08T00:00:00.000+0000",
            "2026-11-22T09:59:00.000+0000",
        ),
    ]);
    let deletions = salesforce
        .read_deletions(&schema(), seconds_ago(3600))
        .await
        .unwrap();
    let expected = Deletions::Log {
        ids: vec![id(1)],
        covered_until: seconds_ago(2700),
    };
    assert_eq!(deletions, expected);
    assert_eq!(script.requests().len(), 5);
}

#[tokio::test]
async fn a_passing_failure_of_the_log_is_an_error_and_not_a_missing_log() {
    let (salesforce, _) = signed_in([describe(true), Ok(answer(503, "<html>"))]);
    let error = salesforce
        .read_deletions(&schema(), seconds_ago(600))
        .await
        .unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Transient);
}
