use super::*;
use crate::core::time::Instant;
use crate::ports::{Deletions, Remote, RemoteErrorKind, WriteOutcome};

/// 2026-11-22T10:00:00Z, which is also what every answer's `Date` says.
const TEN: Instant = Instant::from_seconds(1_795_341_600);

fn logged(number: u32, table: &str, minute_second: &str) -> Json {
    json!({
        "sys_id": id(number + 100).as_str(),
        "documentkey": id(number).as_str(),
        "tablename": table,
        "sys_created_on": format!("2026-11-22 09:{minute_second}"),
    })
}

/// What is asked before the log of a table is read for the first time: the property that leaves tables out, the table
/// and what it extends, and what extends it.
fn prelude(ignored: &str) -> Vec<Answer> {
    let properties = match ignored {
        "" => vec![],
        _ => vec![json!({"sys_id": id(70).as_str(), "value": ignored})],
    };
    vec![
        listed(properties.len(), &properties),
        listed(
            1,
            &[json!({"sys_id": id(50).as_str(), "name": "incident", "super_class": ""})],
        ),
        listed(1, &[json!({"sys_id": id(51).as_str(), "name": "u_major"})]),
        listed(0, &[]),
    ]
}

fn with_prelude(rest: impl IntoIterator<Item = Answer>) -> Bench {
    let mut answers = prelude("");
    answers.extend(rest);
    bench(answers)
}

async fn deletions(bench: &Bench, since: Instant) -> Deletions {
    bench.service_now.read_deletions(&schema(), since).await.unwrap()
}

fn why(deletions: &Deletions) -> (&str, &str) {
    match deletions {
        Deletions::Unavailable { why } => (why.reason.as_str(), why.message.as_str()),
        Deletions::Log { .. } => panic!("read: {deletions:?}"),
    }
}

fn earlier(minutes: u64) -> Instant {
    TEN.earlier(std::time::Duration::from_mins(minutes))
}

#[tokio::test]
async fn the_log_is_asked_for_the_table_and_its_children_in_the_order_of_time() {
    let bench = with_prelude([listed(
        2,
        &[logged(1, "incident", "58:00"), logged(2, "u_major", "58:00")],
    )]);
    assert_eq!(
        deletions(&bench, earlier(30)).await,
        Deletions::Log {
            ids: vec![id(1), id(2)],
            covered_until: earlier(2)
        }
    );
    assert_eq!(
        bench.parameter(4, "sysparm_query"),
        "tablenameINincident,u_major^sys_created_on>=2026-11-22 09:30:00^ORDERBYsys_created_on^ORDERBYsys_id"
    );
    assert!(
        bench.script.requests()[4]
            .uri()
            .path()
            .ends_with("/sys_audit_delete")
    );
}

#[tokio::test]
async fn a_log_longer_than_a_page_is_read_by_key_to_its_end() {
    let first: Vec<Json> = (1..=1000)
        .map(|number| logged(number, "incident", "40:00"))
        .collect();
    let bench = with_prelude([
        listed(1001, &first),
        listed(1, &[logged(1001, "incident", "40:00")]),
    ]);
    let Deletions::Log { ids, .. } = deletions(&bench, earlier(30)).await else {
        panic!("not read")
    };
    assert_eq!(ids.len(), 1001);
    let last = id(1100);
    assert!(bench.parameter(5, "sysparm_query").ends_with(&format!(
        "^sys_created_on=2026-11-22 09:40:00^sys_id>{last}^ORDERBYsys_created_on^ORDERBYsys_id"
    )));
}

#[tokio::test]
async fn what_was_learnt_of_the_log_is_not_asked_again() {
    let bench = with_prelude([listed(1, &[logged(1, "incident", "58:00")]), listed(0, &[])]);
    deletions(&bench, earlier(30)).await;
    let quiet = deletions(&bench, earlier(1)).await;
    assert_eq!(
        quiet,
        Deletions::Log {
            ids: vec![],
            covered_until: earlier(1)
        },
        "the next question never begins before this one"
    );
    assert_eq!(bench.calls(), 6);
}

#[tokio::test]
async fn silence_counts_only_once_the_log_has_named_a_record_of_the_table() {
    let named = json!({"sys_id": id(60).as_str(), "tablename": "incident"});
    let spoken = with_prelude([listed(0, &[]), listed(7, &[named])]);
    assert!(matches!(deletions(&spoken, earlier(30)).await, Deletions::Log { ids, .. } if ids.is_empty()));

    let silent = with_prelude([listed(0, &[]), listed(0, &[])]);
    let found = deletions(&silent, earlier(30)).await;
    let (reason, message) = why(&found);
    assert_eq!(reason, "NoDeletionLog");
    assert!(message.contains("dictionary entry of incident"), "{message}");
}

#[tokio::test]
async fn a_log_that_our_account_may_not_read_is_unavailable_with_the_remedy() {
    let denied = || refused(403, "User Not Authorized", "Failed API level ACL Validation");
    for answer in [
        denied(),
        listed(3, &[]),
        listed(3, &[logged(1, "incident", "58:00")]),
    ] {
        let found = deletions(&with_prelude([answer]), earlier(30)).await;
        let (reason, message) = why(&found);
        assert_eq!(reason, "MissingRight");
        assert!(
            message.contains("Secret servicenow-user may not read sys_audit_delete"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_table_that_the_instance_leaves_out_of_its_log_is_named() {
    let found = deletions(&bench(prelude("sys_user, incident ,u_other")), earlier(30)).await;
    let (reason, message) = why(&found);
    assert_eq!(reason, "NoDeletionLog");
    assert!(message.contains("glide.db.audit.ignore.delete"), "{message}");
}

#[tokio::test]
async fn a_log_whose_filter_is_dropped_is_not_believed() {
    for row in [logged(1, "cmdb_ci", "58:00"), logged(1, "incident", "20:00")] {
        let found = deletions(&with_prelude([listed(1, &[row])]), earlier(30)).await;
        assert_eq!(why(&found).0, "FilterIgnored");
    }
}

#[tokio::test]
async fn a_log_that_does_not_answer_now_is_a_passing_failure() {
    let bench = with_prelude([Ok(answer(503, ""))]);
    let error = bench
        .service_now
        .read_deletions(&schema(), earlier(30))
        .await
        .unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Transient);
}

fn not_found() -> Answer {
    refused(
        404,
        "No Record found",
        "Record doesn't exist or ACL restricts the record retrieval",
    )
}

#[tokio::test]
async fn a_deletion_is_sent_once_and_only_an_empty_answer_or_a_plain_one_says_that_it_was_done() {
    for (status, done) in [(204, true), (200, true), (202, false), (500, false)] {
        let bench = bench([Ok(answer(status, ""))]);
        let outcomes = bench.service_now.delete(&schema(), &[id(1)]).await.unwrap();
        match &outcomes[0] {
            WriteOutcome::Applied {
                id: deleted,
                read_back,
            } => {
                assert!(done && *deleted == id(1) && read_back.is_none());
            }
            WriteOutcome::Unknown { .. } => assert!(!done, "HTTP {status}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.calls(), 1);
        let request = &bench.script.requests()[0];
        assert_eq!(request.method(), "DELETE");
        assert_eq!(request.uri().path(), format!("/api/now/table/incident/{}", id(1)));
        assert!(request.body().is_empty());
    }
}

#[tokio::test]
async fn a_record_to_delete_that_is_not_found_is_gone_only_where_the_log_proves_it() {
    let proof = json!({"sys_id": id(80).as_str(), "documentkey": id(1).as_str(), "tablename": "incident"});
    for (then, gone) in [
        (
            vec![listed(1, std::slice::from_ref(&proof)), listed(0, &[])],
            true,
        ),
        // Restored, and hidden from us.
        (
            vec![listed(1, std::slice::from_ref(&proof)), listed(1, &[])],
            false,
        ),
        (vec![listed(0, &[])], false),
        (vec![Ok(answer(503, ""))], false),
        (vec![refused(403, "User Not Authorized", "")], false),
    ] {
        let mut answers = vec![not_found()];
        answers.extend(then);
        let bench = bench(answers);
        let outcomes = bench.service_now.delete(&schema(), &[id(1)]).await.unwrap();
        let WriteOutcome::Rejected(rejection) = &outcomes[0] else {
            panic!("{outcomes:?}")
        };
        assert_eq!(rejection.gone, gone);
        assert_eq!(rejection.problem.reason.as_str(), "NotVisible");
    }
}
