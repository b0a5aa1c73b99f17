//! Deleting, and the deletion log, against the simulated org.

use syncflow::core::record::{DeletionProof, Observation};
use syncflow::core::time::Instant;
use syncflow::ports::{Deletions, WriteOutcome};
use syncflow_simulators::salesforce::{INTEGRATION_USER, ObjectRights};

use super::*;

/// The log since so many seconds before now.
async fn log(org: &Org, schema: &ObjectSchema, seconds: i64) -> Deletions {
    let since = Instant::from_seconds(NOW.as_second() - seconds);
    org.adapter.read_deletions(schema, since).await.unwrap()
}

fn logged(deletions: &Deletions) -> &[RecordId] {
    match deletions {
        Deletions::Log { ids, .. } => ids,
        Deletions::Unavailable { why } => panic!("no log: {why:?}"),
    }
}

#[tokio::test]
async fn a_deleted_record_lies_in_the_bin_stands_in_the_log_and_is_proven_gone() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let ids: Vec<RecordId> = (0..3).map(|_| org.seed(json!({"Subject": "a"}), 3600)).collect();
    let outcomes = org.adapter.delete(&schema, &ids[..2]).await.unwrap();
    assert!(
        outcomes
            .iter()
            .zip(&ids)
            .all(|(outcome, id)| matches!(outcome, WriteOutcome::Applied { id: done, .. } if done == id))
    );
    assert_eq!(org.calls("salesforce.collections.delete"), 1);
    assert_eq!(org.count(), 1);
    let seen = org.adapter.read_ids(&schema, &ids, &[]).await.unwrap();
    assert!(matches!(
        seen[&ids[0]],
        Observation::Gone(DeletionProof::SoftDeleted)
    ));
    assert!(matches!(seen[&ids[2]], Observation::Present(_)));

    // The same again: it is said to be gone, and nothing is done twice.
    let again = org.adapter.delete(&schema, &ids).await.unwrap();
    for outcome in &again[..2] {
        assert!(
            matches!(outcome, WriteOutcome::Rejected(refused) if refused.gone),
            "{outcome:?}"
        );
    }
    assert!(matches!(again[2], WriteOutcome::Applied { .. }));
}

#[tokio::test]
async fn the_log_names_what_was_deleted_and_begins_where_it_ended() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "a"}), 7200);
    let at = NOW - SignedDuration::from_secs(1800);
    org.edit(|model| model.delete_as_person("Case", id.as_str(), at, "Anna").unwrap());
    let deletions = log(&org, &schema, 3600).await;
    assert_eq!(logged(&deletions), [id]);
    let Deletions::Log { covered_until, .. } = deletions else {
        panic!("no log");
    };
    assert!(covered_until <= Instant::from(NOW));
    let next = org.adapter.read_deletions(&schema, covered_until).await.unwrap();
    assert!(logged(&next).is_empty());
}

#[tokio::test]
async fn a_purged_log_is_no_log_and_says_so() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "a"}), 7200);
    let at = NOW - SignedDuration::from_secs(1800);
    org.edit(|model| {
        model.delete_as_person("Case", id.as_str(), at, "Anna").unwrap();
        model
            .purge_delete_log("Case", NOW - SignedDuration::from_secs(600))
            .unwrap();
    });
    assert!(matches!(
        log(&org, &schema, 3600).await,
        Deletions::Unavailable { .. }
    ));
    assert!(matches!(
        log(&org, &schema, 16 * 86_400).await,
        Deletions::Unavailable { .. }
    ));
}

#[tokio::test]
async fn a_user_without_the_right_deletes_nothing_and_is_told_which_right() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "a"}), 60);
    org.edit(|model| {
        let rights = ObjectRights {
            delete: false,
            ..ObjectRights::default()
        };
        model.set_object_rights(INTEGRATION_USER, "Case", rights).unwrap();
    });
    let outcomes = org.adapter.delete(&schema, &[id]).await.unwrap();
    let WriteOutcome::Rejected(refused) = &outcomes[0] else {
        panic!("not rejected: {outcomes:?}");
    };
    assert_eq!(refused.problem.reason.as_str(), "InsufficientAccess");
    assert!(!refused.gone);
    assert_eq!(org.count(), 1);
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_unknown_and_found_to_have_happened() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "a"}), 60);
    org.fault(once("salesforce.collections.delete", Effect::LoseAnswer));
    let outcomes = org
        .adapter
        .delete(&schema, std::slice::from_ref(&id))
        .await
        .unwrap();
    assert!(matches!(outcomes[..], [WriteOutcome::Unknown { .. }]));
    assert_eq!(org.calls("salesforce.collections.delete"), 1);
    let seen = org
        .adapter
        .read_ids(&schema, std::slice::from_ref(&id), &[])
        .await
        .unwrap();
    assert!(matches!(seen[&id], Observation::Gone(_)));
}
