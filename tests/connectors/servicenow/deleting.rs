use syncflow::core::record::{DeletionProof, Observation};
use syncflow::ports::Deletions;
use syncflow_simulators::service_now::{Acl, BusinessRule, Grant, On, Operation, Table};

use super::*;

impl Bench {
    /// Lets everybody read the deletion log.
    fn share_log(&self) {
        self.model(|model| model.remove_acls("sys_audit_delete", None, Operation::Read));
    }

    fn delete_by_hand(&self, table: &str, id: &RecordId) {
        let now = Timestamp::from_second(self.seconds.load(Ordering::Relaxed)).unwrap();
        self.model(|model| model.delete_as_person(table, id.as_str(), now, "boss").unwrap());
    }

    async fn deletions(&self, schema: &ObjectSchema, since: i64) -> Deletions {
        let since = Instant::from_seconds(START + since);
        self.service_now.read_deletions(schema, since).await.unwrap()
    }
}

fn gone(outcome: &WriteOutcome) -> bool {
    match outcome {
        WriteOutcome::Rejected(rejection) => rejection.gone,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn one_record_is_deleted_alone_and_several_in_one_batch_each_with_its_outcome() {
    let bench = Bench::open().await;
    bench.share_log();
    let all: Vec<RecordId> = (0..4).map(|_| bench.seed(-60, &[])).collect();
    let held = bench.seed(-60, &[("short_description", "keep me")]);
    bench.model(|model| {
        model.add_rule(BusinessRule::abort("Keep", "incident", "short_descriptionLIKEkeep").on(On::Delete));
    });
    let schema = bench.schema().await;
    let alone = bench.service_now.delete(&schema, &all[..1]).await.unwrap();
    assert!(matches!(&alone[0], WriteOutcome::Applied { id, read_back: None } if *id == all[0]));
    assert_eq!(bench.stored(&all[0]), None);

    let asked = [
        all[1].clone(),
        held.clone(),
        all[0].clone(),
        all[2].clone(),
        id(9),
    ];
    let outcomes = bench.service_now.delete(&schema, &asked).await.unwrap();
    assert_eq!(bench.calls("servicenow.batch"), 1);
    assert!(matches!(&outcomes[0], WriteOutcome::Applied { .. }));
    assert_eq!(reason(&outcomes[1]), "BusinessRule");
    assert!(gone(&outcomes[2]), "the deletion log names it");
    assert!(matches!(&outcomes[3], WriteOutcome::Applied { .. }));
    assert!(!gone(&outcomes[4]), "it never was, which nothing proves");
    assert!(bench.stored(&held).is_some());
    assert!(bench.stored(&all[3]).is_some(), "nobody asked for this one");
}

#[tokio::test]
async fn without_the_log_a_record_that_is_not_found_is_not_called_gone() {
    let bench = Bench::open().await;
    let there = bench.seed(-60, &[]);
    let schema = bench.schema().await;
    bench
        .service_now
        .delete(&schema, std::slice::from_ref(&there))
        .await
        .unwrap();
    let again = bench
        .service_now
        .delete(&schema, std::slice::from_ref(&there))
        .await
        .unwrap();
    assert_eq!(reason(&again[0]), "NotVisible");
    assert!(!gone(&again[0]));
}

#[tokio::test]
async fn a_missing_right_to_delete_is_named() {
    let bench = Bench::open().await;
    let there = bench.seed(-60, &[]);
    bench.model(|model| {
        model.remove_acls("task", None, Operation::Delete);
        model.add_acl(Acl::row(
            "task",
            Operation::Delete,
            Grant::Role("admin".to_owned()),
        ));
    });
    let schema = bench.schema().await;
    let outcomes = bench.service_now.delete(&schema, &[there]).await.unwrap();
    let WriteOutcome::Rejected(rejection) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(rejection.problem.reason.as_str(), "MissingRight");
    assert!(
        rejection
            .problem
            .message
            .contains("may not delete records of incident"),
        "{}",
        rejection.problem.message
    );
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_unknown_and_a_look_tells() {
    for (effect, there) in [
        (Effect::LoseAnswer, false),
        (Effect::LoseRequest, true),
        (Effect::Accepted202, true),
    ] {
        let bench = Bench::open().await;
        bench.share_log();
        let record = bench.seed(-60, &[]);
        let schema = bench.schema().await;
        bench.fault("servicenow.delete", effect);
        let ids = [record.clone()];
        let outcomes = bench.service_now.delete(&schema, &ids).await.unwrap();
        assert!(
            matches!(outcomes[0], WriteOutcome::Unknown { .. }),
            "{outcomes:?}"
        );
        let known = bench.service_now.read_ids(&schema, &ids, &[]).await.unwrap();
        match &known[&record] {
            Observation::Present(_) => assert!(there),
            Observation::Gone(proof) => assert!(!there && *proof == DeletionProof::AuditRow),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_deletion_log_tells_what_went_since_a_moment_child_tables_included() {
    let bench = Bench::open().await;
    bench.share_log();
    bench.model(|model| model.define_table(Table::extending("incident", "u_major", "Major incident")));
    let (old, new, other) = (bench.seed(-60, &[]), bench.seed(-60, &[]), bench.seed(-60, &[]));
    let major = {
        let at = Timestamp::from_second(START - 60).unwrap();
        let sys_id = bench.model(|model| model.seed("u_major", &row(&[]), at).unwrap());
        RecordId::parse(Side::ServiceNow, &sys_id).unwrap()
    };
    let schema = bench.schema().await;
    bench.pass(10);
    bench.delete_by_hand("incident", &old);
    bench.pass(600);
    bench.delete_by_hand("incident", &new);
    bench.delete_by_hand("u_major", &major);
    bench.pass(600);
    let Deletions::Log { ids, covered_until } = bench.deletions(&schema, 300).await else {
        panic!("not read")
    };
    let mut expected = vec![new, major];
    expected.sort();
    assert_eq!(ids, expected, "neither {old} nor {other}");
    assert!(covered_until >= Instant::from_seconds(START + 610));
    assert!(
        covered_until < Instant::from_seconds(START + 1210),
        "late commits are asked for again"
    );
}

#[tokio::test]
async fn a_log_that_is_not_ours_to_read_or_that_is_not_kept_is_said_to_be_unavailable() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    let reason_of = |deletions: Deletions| match deletions {
        Deletions::Unavailable { why } => why.reason.as_str().to_owned(),
        Deletions::Log { .. } => panic!("read: {deletions:?}"),
    };
    assert_eq!(reason_of(bench.deletions(&schema, 0).await), "MissingRight");
    bench.share_log();
    assert_eq!(reason_of(bench.deletions(&schema, 0).await), "NoDeletionLog");
    bench.switch(|switches| switches.audits_deletes = false);
    let there = bench.seed(-60, &[]);
    bench.delete_by_hand("incident", &there);
    assert_eq!(reason_of(bench.deletions(&schema, 0).await), "NoDeletionLog");
    bench.model(|model| model.set_property("glide.db.audit.ignore.delete", "sys_user,incident"));
    assert_eq!(reason_of(bench.deletions(&schema, 0).await), "NoDeletionLog");
}
