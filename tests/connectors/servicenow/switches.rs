//! What no source settles about the service, and what each instance sets for itself: whichever way it is, a record is
//! made, changed, read and deleted, and what the instance does not take is told and changes nothing.

use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::service_now::{Acl, Grant, LongText, Operation, Semaphores, UnwritableField};

use super::*;

type Switch = (&'static str, fn(&mut Switches));

const SWITCHES: [Switch; 9] = [
    ("as recalled", |_| {}),
    ("a change of nothing counts", |switches| {
        switches.no_op_update_bumps = true;
    }),
    ("unwritable fields are refused", |switches| {
        switches.unwritable_field = UnwritableField::Refused;
    }),
    ("long text is refused", |switches| {
        switches.long_text = LongText::Refused;
    }),
    ("ISO times are read", |switches| switches.parses_iso_times = true),
    ("a caret can be escaped", |switches| switches.caret_escape = true),
    ("an undeletion counts as a change", |switches| {
        switches.undelete_bumps = true;
    }),
    ("closed records are read-only", |switches| {
        switches.closed_is_read_only = true;
    }),
    ("there are few threads", |switches| {
        switches.semaphores = Some(Semaphores {
            threads: 1,
            queue: 30,
            request_millis: 1_000,
        });
    }),
];

#[tokio::test]
async fn a_record_lives_its_life_whichever_way_the_unsettled_facts_are() {
    for (switch, set) in SWITCHES {
        let bench = Bench::open().await;
        let schema = bench.schema().await;
        bench.switch(set);
        let due = "2026-12-24 18:30:00".to_owned();
        let mut item = new_record(1, &[("short_description", "fire ^ smoke ^^ ash")]);
        let instant = Instant::from_seconds(1_798_137_000);
        item.fields.insert(name("due_date"), Value::DateTime(instant));
        let made = bench.create(&schema, &[item]).await;
        let made = applied(&made[0]);
        assert_eq!(
            shown(made, "short_description"),
            "fire ^ smoke ^^ ash",
            "{switch}"
        );
        assert_eq!(
            made.value(&name("due_date")),
            Some(&Value::DateTime(instant)),
            "{switch}"
        );
        assert_eq!(bench.stored(&id(1)).unwrap()["due_date"], due, "{switch}");

        bench.pass(5);
        for _ in 0..2 {
            let changed = bench
                .update(&schema, &[change(&id(1), &[("urgency", "1")])])
                .await;
            assert_eq!(shown(applied(&changed[0]), "urgency"), "1", "{switch}");
        }
        let found = bench
            .service_now
            .find(
                &schema,
                &name("correlation_id"),
                &[Value::text("salesforce:1")],
                &[name("urgency")],
            )
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{switch}");
        assert_eq!(ids(&bench.scan(&schema, 10).await.unwrap()), [id(1)], "{switch}");

        let deleted = bench.service_now.delete(&schema, &[id(1)]).await.unwrap();
        assert!(
            matches!(&deleted[0], WriteOutcome::Applied { .. }),
            "{switch}: {deleted:?}"
        );
        let now = Timestamp::from_second(START + 10).unwrap();
        bench.pass(5);
        bench.model(|model| {
            model
                .undelete_as_person("incident", id(1).as_str(), now, "boss")
                .unwrap();
        });
        let seen = bench
            .service_now
            .read_ids(&schema, &[id(1)], &[name("urgency")])
            .await
            .unwrap();
        assert!(seen[&id(1)].present().is_some(), "{switch}: it is back");
    }
}

#[tokio::test]
async fn what_an_instance_refuses_instead_of_dropping_or_cutting_it_is_told_and_changes_nothing() {
    let long = "x".repeat(200);
    for (strict, wrong) in [
        (true, [("description", "ours")]),
        (false, [("description", "ours")]),
        (true, [("short_description", long.as_str())]),
        (false, [("short_description", long.as_str())]),
    ] {
        let bench = Bench::open().await;
        let (wrongly, rightly) = (bench.seed(-60, &[]), bench.seed(-60, &[]));
        let schema = bench.schema().await;
        bench.model(|model| {
            model.add_acl(Acl::field(
                "incident",
                "description",
                Operation::Write,
                Grant::Nobody,
            ));
        });
        if strict {
            bench.switch(|switches| {
                switches.unwritable_field = UnwritableField::Refused;
                switches.long_text = LongText::Refused;
            });
        }
        let items = [change(&wrongly, &wrong), change(&rightly, &[("urgency", "1")])];
        let outcomes = bench.update(&schema, &items).await;
        assert_eq!(shown(applied(&outcomes[1]), "urgency"), "1");
        let (field, sent) = wrong[0];
        if strict {
            let WriteOutcome::Rejected(rejection) = &outcomes[0] else {
                panic!("{field}: {outcomes:?}");
            };
            assert!(!rejection.gone);
            assert_eq!(bench.stored(&wrongly).unwrap()["sys_mod_count"], "0", "{field}");
        } else {
            assert_ne!(
                shown(applied(&outcomes[0]), field),
                sent,
                "it is shown as it stands"
            );
        }
    }
}

#[tokio::test]
async fn a_closed_record_that_may_not_be_changed_says_so_and_the_others_are() {
    let bench = Bench::open().await;
    bench.switch(|switches| switches.closed_is_read_only = true);
    let closed = bench.seed(
        -60,
        &[("state", "7"), ("close_code", "Duplicate"), ("close_notes", "x")],
    );
    let open = bench.seed(-60, &[]);
    let schema = bench.schema().await;
    let urgent = [("urgency", "1")];
    let outcomes = bench
        .update(&schema, &[change(&closed, &urgent), change(&open, &urgent)])
        .await;
    let WriteOutcome::Rejected(rejection) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert!(!rejection.gone, "it is there, and can be read");
    assert_eq!(shown(applied(&outcomes[1]), "urgency"), "1");
}

#[tokio::test]
async fn a_write_that_finds_every_thread_busy_was_not_sent_and_goes_through_when_one_is_free() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    bench.switch(|switches| {
        switches.semaphores = Some(Semaphores {
            threads: 1,
            queue: 0,
            request_millis: 1_500,
        });
    });
    bench.create(&schema, &[new_record(1, &[])]).await;
    let error = bench
        .service_now
        .create(&schema, &[new_record(2, &[])])
        .await
        .unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled, "{error}");
    assert_eq!(bench.incidents(), 1);
    bench.pass(2);
    let outcomes = bench.create(&schema, &[new_record(2, &[])]).await;
    assert_eq!(applied(&outcomes[0]).id, id(2));
}
