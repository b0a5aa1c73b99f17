//! How much is sent at once, and what is done where less may be sent.

use super::writing::{batch, change, error_body};
use super::*;
use crate::core::failure::FailureClass;
use crate::ports::{Remote, RemoteErrorKind, UpdateItem, WriteOutcome};

fn changes(count: u32) -> Vec<UpdateItem> {
    (1..=count).map(change).collect()
}

/// A batch in which every item was applied.
fn done(count: usize) -> Answer {
    let items: Vec<(usize, u16, Json)> = (0..count)
        .map(|place| (place, 200, json!({"result": {}})))
        .collect();
    batch(&items, &[])
}

fn busy() -> Answer {
    refused(429, "Too many requests", "")
}

fn is_applied(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Applied { .. })
}

#[tokio::test]
async fn more_than_a_batch_holds_goes_in_several_and_a_full_one_doubles_the_next() {
    let bench = bench([done(5), done(5), done(2)]);
    assert_eq!(
        bench.service_now.limits().write_batch,
        10,
        "five in each of two calls"
    );
    let outcomes = bench.service_now.update(&schema(), &changes(12)).await.unwrap();
    assert_eq!(outcomes.len(), 12);
    for (number, outcome) in (1..).zip(&outcomes) {
        assert!(matches!(outcome, WriteOutcome::Applied { id: done, .. } if *done == id(number)));
    }
    assert_eq!(bench.calls(), 3);
    assert_eq!(
        bench.service_now.limits().write_batch,
        20,
        "ten in each of two calls"
    );
}

#[tokio::test]
async fn slow_items_and_what_was_left_over_make_the_next_batch_smaller() {
    let items: Vec<Json> = (0..5)
        .map(|place| json!({"id": place.to_string(), "status_code": 500, "execution_time": 5_000}))
        .collect();
    let slow = bench([ok(&json!({"serviced_requests": items}))]);
    slow.service_now.update(&schema(), &changes(5)).await.unwrap();
    assert_eq!(
        slow.service_now.limits().write_batch,
        6,
        "five seconds each, two calls"
    );

    let left_over = bench([batch(&[(0, 200, json!({"result": {}}))], &["1", "2", "3", "4"])]);
    left_over
        .service_now
        .update(&schema(), &changes(5))
        .await
        .unwrap();
    assert_eq!(
        left_over.service_now.limits().write_batch,
        2,
        "one in each of two calls"
    );
}

#[tokio::test]
async fn where_the_batch_api_is_refused_each_record_is_sent_by_itself_from_then_on() {
    let one = || ok(&json!({"result": {}}));
    for no_batches in [
        refused(403, "User Not Authorized", "Failed API level ACL Validation"),
        Ok(answer(404, "<html>")),
    ] {
        let bench = bench([no_batches, one(), one(), one(), one()]);
        for calls in [3, 5] {
            let outcomes = bench.service_now.update(&schema(), &changes(2)).await.unwrap();
            assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
            assert_eq!(bench.calls(), calls);
        }
        let paths: Vec<String> = bench
            .script
            .requests()
            .iter()
            .map(|request| request.uri().path().to_owned())
            .collect();
        assert_eq!(paths[0], "/api/now/v1/batch");
        assert!(
            paths[1..]
                .iter()
                .all(|path| path.starts_with("/api/now/table/incident/"))
        );
    }
}

#[tokio::test]
async fn a_batch_that_is_refused_beside_one_that_was_done_is_sent_again_later() {
    let bench = bench([done(5), busy()]);
    let outcomes = bench.service_now.update(&schema(), &changes(7)).await.unwrap();
    // Which of the two calls comes first at the service is its own affair.
    let (done, refused): (Vec<&WriteOutcome>, Vec<&WriteOutcome>) =
        outcomes.iter().partition(|outcome| is_applied(outcome));
    assert!(!done.is_empty() && !refused.is_empty(), "{outcomes:?}");
    for outcome in refused {
        let WriteOutcome::Rejected(rejection) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(rejection.problem.reason.as_str(), "Throttled");
        assert_eq!(rejection.problem.class, FailureClass::Transient);
    }
}

#[tokio::test]
async fn where_every_batch_is_refused_nothing_was_sent_and_less_is_tried() {
    let bench = bench([busy(), busy()]);
    let error = bench
        .service_now
        .update(&schema(), &changes(7))
        .await
        .unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    assert!(
        error.problem.message.contains("incident"),
        "{}",
        error.problem.message
    );
    assert_eq!(bench.service_now.limits().write_batch, 1);
}

#[tokio::test]
async fn an_item_that_failed_inside_is_unknown_and_the_others_are_told() {
    let bench = bench([batch(&[(0, 500, json!({})), (1, 403, error_body("ACL"))], &[])]);
    let outcomes = bench.service_now.update(&schema(), &changes(2)).await.unwrap();
    assert!(matches!(outcomes[0], WriteOutcome::Unknown { .. }));
    assert!(matches!(outcomes[1], WriteOutcome::Rejected(_)));
}
