//! Guarded updates: a record that somebody changed since it was read keeps what they wrote.

use syncflow::core::failure::FailureClass;
use syncflow::core::time::Instant;
use syncflow::ports::{MOVED_MEANWHILE, WriteOutcome};

use super::*;

/// A change of what was last changed so many seconds before now.
fn guarded(id: &RecordId, to: &str, seconds_ago: i64) -> UpdateItem {
    UpdateItem {
        unmodified_since: Some(Instant::from_seconds(NOW.as_second() - seconds_ago)),
        ..change(id, "Subject", Value::text(to))
    }
}

#[tokio::test]
async fn an_update_of_what_moved_meanwhile_is_put_off_and_the_others_are_applied() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let still = org.seed(json!({"Subject": "old"}), 600);
    let moved = org.seed(json!({"Subject": "theirs"}), 60);
    let plain = org.seed(json!({"Subject": "old"}), 60);
    let gone = org.seed(json!({"Subject": "old"}), 600);
    org.adapter
        .delete(&schema, std::slice::from_ref(&gone))
        .await
        .unwrap();
    let items = [
        guarded(&moved, "ours", 300),
        guarded(&still, "ours", 600),
        change(&plain, "Subject", Value::text("ours")),
        guarded(&gone, "ours", 600),
    ];
    let outcomes = org.adapter.update(&schema, &items).await.unwrap();
    let WriteOutcome::Rejected(put_off) = &outcomes[0] else {
        panic!("not put off: {outcomes:?}");
    };
    assert_eq!(put_off.problem.reason.as_str(), MOVED_MEANWHILE);
    assert_eq!(put_off.problem.class, FailureClass::Transient);
    assert!(!put_off.gone);
    assert!(matches!(&outcomes[1], WriteOutcome::Applied { id, .. } if *id == still));
    assert!(matches!(&outcomes[2], WriteOutcome::Applied { id, .. } if *id == plain));
    assert!(
        matches!(&outcomes[3], WriteOutcome::Rejected(refused) if refused.gone),
        "{outcomes:?}"
    );
    assert_eq!(org.stored(&moved, "Subject"), json!("theirs"));
    assert_eq!(org.stored(&still, "Subject"), json!("ours"));
    assert_eq!(org.calls("salesforce.composite"), 1);
    assert_eq!(org.calls("salesforce.collections.update"), 1);
}

#[tokio::test]
async fn a_guarded_update_whose_answer_is_lost_is_unknown_and_not_sent_again() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "old"}), 600);
    org.fault(once("salesforce.composite", Effect::LoseAnswer));
    let outcomes = org
        .adapter
        .update(&schema, &[guarded(&id, "ours", 600)])
        .await
        .unwrap();
    assert!(matches!(outcomes[..], [WriteOutcome::Unknown { .. }]));
    assert_eq!(org.calls("salesforce.composite"), 1);
    assert_eq!(org.stored(&id, "Subject"), json!("ours"));
}
