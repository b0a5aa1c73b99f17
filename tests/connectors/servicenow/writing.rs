use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::CannedAnswer;
use syncflow_simulators::service_now::{Acl, BusinessRule, ChosenSysId, Grant, Operation, RateLimit};

use super::*;

#[tokio::test]
async fn a_record_is_made_under_the_id_that_we_choose_and_shown_as_it_stands() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    let outcomes = bench
        .create(
            &schema,
            &[new_record(
                1,
                &[("short_description", "printer on fire"), ("impact", "1")],
            )],
        )
        .await;
    let record = applied(&outcomes[0]);
    assert_eq!(record.id, id(1));
    assert_eq!(shown(record, "correlation_id"), "salesforce:1");
    assert!(
        shown(record, "number").starts_with("INC"),
        "what the instance filled in is shown too"
    );
    assert_eq!(record.created_at, Instant::from_seconds(START));
    assert_eq!(
        bench.stored(&id(1)).unwrap()["short_description"],
        "printer on fire"
    );
}

#[tokio::test]
async fn an_instance_that_does_not_honour_our_id_tells_the_one_it_made() {
    for switch in [ChosenSysId::Ignored, ChosenSysId::AdminOnly] {
        let bench = Bench::open().await;
        bench.switch(|switches| switches.chosen_sys_id = switch);
        let schema = bench.schema().await;
        let outcomes = bench.create(&schema, &[new_record(1, &[])]).await;
        let made = applied(&outcomes[0]).id.clone();
        assert_ne!(made, id(1));
        assert_eq!(bench.stored(&made).unwrap()["correlation_id"], "salesforce:1");
    }
}

#[tokio::test]
async fn a_creation_that_had_happened_is_told_as_existing_alone_and_in_a_batch() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    bench.create(&schema, &[new_record(1, &[])]).await;
    let again = bench.create(&schema, &[new_record(1, &[])]).await;
    assert!(matches!(&again[0], WriteOutcome::Exists { id: Some(found) } if *found == id(1)));
    let both = bench
        .create(&schema, &[new_record(1, &[]), new_record(2, &[])])
        .await;
    assert!(matches!(&both[0], WriteOutcome::Exists { id: Some(found) } if *found == id(1)));
    assert_eq!(applied(&both[1]).id, id(2));
    assert_eq!(bench.incidents(), 2);
}

#[tokio::test]
async fn one_refused_record_of_a_batch_holds_nobody_up() {
    let bench = Bench::open().await;
    bench.model(|model| {
        model.add_rule(BusinessRule::abort(
            "No icarus",
            "incident",
            "short_descriptionLIKEicarus",
        ));
    });
    let schema = bench.schema().await;
    let items = [
        new_record(1, &[("short_description", "fine")]),
        new_record(2, &[("short_description", "icarus fell")]),
        new_record(3, &[("state", "6")]),
        new_record(4, &[("short_description", "fine too")]),
    ];
    let outcomes = bench.create(&schema, &items).await;
    assert_eq!(applied(&outcomes[0]).id, id(1));
    assert_eq!(reason(&outcomes[1]), "BusinessRule");
    assert_eq!(reason(&outcomes[2]), "DataPolicy");
    assert_eq!(applied(&outcomes[3]).id, id(4));
    assert_eq!(bench.incidents(), 2);
    assert_eq!(bench.calls("servicenow.batch"), 1);
    let WriteOutcome::Rejected(rejection) = &outcomes[2] else {
        panic!()
    };
    assert!(
        rejection.problem.message.contains("Resolution code"),
        "{}",
        rejection.problem.message
    );
}

#[tokio::test]
async fn an_update_shows_what_rules_and_columns_made_of_it() {
    let bench = Bench::open().await;
    bench.model(|model| {
        model.add_rule(BusinessRule::before_set(
            "Always urgent",
            "incident",
            &[("urgency", "1")],
        ));
    });
    let (first, second) = (bench.seed(-60, &[]), bench.seed(-60, &[("description", "old")]));
    let schema = bench.schema().await;
    bench.pass(5);
    let long = "x".repeat(200);
    let items = [
        change(&first, &[("urgency", "3"), ("short_description", &long)]),
        change(&second, &[("description", ""), ("category", "not a category")]),
    ];
    let outcomes = bench.update(&schema, &items).await;
    let record = applied(&outcomes[0]);
    assert_eq!(shown(record, "urgency"), "1", "a rule");
    assert_eq!(
        shown(record, "short_description").len(),
        160,
        "the column's length"
    );
    assert_eq!(record.version.modified, Instant::from_seconds(START + 5));
    assert_eq!(record.version.mod_count, 1);
    let record = applied(&outcomes[1]);
    assert_eq!(record.value(&name("description")), Some(&Value::Null), "cleared");
    assert_ne!(
        shown(record, "category"),
        "not a category",
        "a choice that is not offered is not set"
    );
}

#[tokio::test]
async fn a_record_that_is_gone_or_hidden_is_not_visible_and_never_called_gone() {
    let bench = Bench::open().await;
    let there = bench.seed(-60, &[]);
    let schema = bench.schema().await;
    let outcomes = bench
        .update(
            &schema,
            &[
                change(&there, &[("short_description", "a")]),
                change(&id(9), &[("short_description", "b")]),
            ],
        )
        .await;
    assert_eq!(applied(&outcomes[0]).id, there);
    assert_eq!(reason(&outcomes[1]), "NotVisible");
    let alone = bench
        .update(&schema, &[change(&id(9), &[("short_description", "b")])])
        .await;
    assert_eq!(reason(&alone[0]), "NotVisible");
}

#[tokio::test]
async fn a_missing_right_to_write_is_named() {
    let bench = Bench::open().await;
    let there = bench.seed(-60, &[]);
    let schema = bench.schema().await;
    bench.model(|model| {
        for operation in [Operation::Create, Operation::Write] {
            model.remove_acls("task", None, operation);
            model.add_acl(Acl::row("task", operation, Grant::Role("admin".to_owned())));
        }
    });
    let created = bench.create(&schema, &[new_record(1, &[])]).await;
    let changed = bench
        .update(&schema, &[change(&there, &[("short_description", "a")])])
        .await;
    for (outcome, word) in [(&created[0], "may not create"), (&changed[0], "may not update")] {
        let WriteOutcome::Rejected(rejection) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(rejection.problem.reason.as_str(), "MissingRight");
        assert!(
            rejection.problem.message.contains(word),
            "{}",
            rejection.problem.message
        );
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown_whether_or_not_the_record_was_made() {
    for (effect, made) in [
        (Effect::LoseAnswer, true),
        (Effect::LoseRequest, false),
        (Effect::HtmlPage, false),
        (Effect::Accepted202, false),
        (Effect::TruncateBody { bytes: 40 }, true),
    ] {
        for several in [false, true] {
            let bench = Bench::open().await;
            let schema = bench.schema().await;
            let mut items = vec![new_record(1, &[])];
            if several {
                items.push(new_record(2, &[]));
            }
            let kind = if several {
                "servicenow.batch"
            } else {
                "servicenow.create"
            };
            bench.fault(kind, effect.clone());
            let outcomes = bench.create(&schema, &items).await;
            assert_eq!(outcomes.len(), items.len());
            for outcome in &outcomes {
                assert!(
                    matches!(outcome, WriteOutcome::Unknown { .. }),
                    "{effect:?}: {outcome:?}"
                );
            }
            assert_eq!(bench.calls(kind), 1, "a write has one attempt");
            // The stamp tells what became of it.
            let stamp = [Value::text("salesforce:1")];
            let found = bench
                .service_now
                .find(&schema, &name("correlation_id"), &stamp, &[])
                .await
                .unwrap();
            assert_eq!(found.len(), usize::from(made), "{effect:?}");
        }
    }
}

#[tokio::test]
async fn what_a_batch_has_no_time_for_is_unknown_and_the_rest_is_told() {
    let bench = Bench::open().await;
    bench.switch(|switches| switches.batch_inner_millis = 11_000);
    let schema = bench.schema().await;
    let items: Vec<CreateItem> = (1..=4).map(|number| new_record(number, &[])).collect();
    let outcomes = bench.create(&schema, &items).await;
    assert_eq!(applied(&outcomes[0]).id, id(1));
    assert_eq!(applied(&outcomes[1]).id, id(2));
    assert!(matches!(outcomes[2], WriteOutcome::Unknown { .. }));
    assert!(matches!(outcomes[3], WriteOutcome::Unknown { .. }));
    assert_eq!(bench.incidents(), 2);
}

#[tokio::test]
async fn a_throttled_write_was_not_sent_and_says_when_to_come_back() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    bench.switch(|switches| {
        switches.rate_limits = vec![RateLimit {
            rule: "All".to_owned(),
            path: "/api/now".to_owned(),
            per_hour: 0,
        }];
    });
    for count in [1, 2] {
        let items: Vec<CreateItem> = (1..=count).map(|number| new_record(number, &[])).collect();
        let error = bench.service_now.create(&schema, &items).await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Throttled);
        assert!(error.retry_after.is_some());
    }
    assert_eq!(bench.incidents(), 0);
}

#[tokio::test]
async fn text_survives_the_way_there_and_back() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    let text = "  \"Zürich\" \u{1f525}\r\n\t<b>&amp;^NQactive=true";
    let items = [
        new_record(1, &[("description", text)]),
        new_record(2, &[("description", text)]),
    ];
    let outcomes = bench.create(&schema, &items).await;
    assert_eq!(shown(applied(&outcomes[0]), "description"), text);
    let pages = bench.scan(&schema, 10).await.unwrap();
    assert_eq!(ids(&pages), [id(1), id(2)]);
    assert_eq!(bench.stored(&id(2)).unwrap()["description"], text);
    bench.switch(|switches| switches.drops_four_byte_characters = true);
    let outcomes = bench
        .create(&schema, &[new_record(3, &[("description", text)])])
        .await;
    assert!(
        !shown(applied(&outcomes[0]), "description").contains('\u{1f525}'),
        "what was lost is shown"
    );
}

#[tokio::test]
async fn batches_follow_the_time_that_items_take() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    let begun = bench.service_now.limits().write_batch;
    let items: Vec<CreateItem> = (1..=10).map(|number| new_record(number, &[])).collect();
    bench.create(&schema, &items).await;
    assert!(bench.service_now.limits().write_batch > begun, "they were quick");
    bench.switch(|switches| switches.batch_inner_millis = 5_000);
    let items: Vec<CreateItem> = (11..=15).map(|number| new_record(number, &[])).collect();
    let outcomes = bench.create(&schema, &items).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Applied { .. }))
    );
    let limits = bench.service_now.limits();
    assert!(
        limits.write_batch <= 6,
        "three of five seconds each, two calls: {limits:?}"
    );
    assert_eq!(bench.incidents(), 15);
}

#[tokio::test]
async fn an_account_without_the_batch_api_writes_one_by_one() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    let body = r#"{"error":{"message":"User Not Authorized","detail":"Failed API level ACL Validation"},"status":"failure"}"#;
    let refusal = CannedAnswer {
        status: 403,
        body: body.to_owned(),
        headers: Vec::new(),
    };
    bench.fault("servicenow.batch", Effect::StatusBefore(refusal));
    for first in [1, 4] {
        let items: Vec<CreateItem> = (first..first + 3).map(|number| new_record(number, &[])).collect();
        let outcomes = bench.create(&schema, &items).await;
        for (item, outcome) in items.iter().zip(&outcomes) {
            assert_eq!(Some(&applied(outcome).id), item.chosen.as_ref());
        }
    }
    assert_eq!(bench.calls("servicenow.batch"), 1, "not asked again");
    bench.schema().await;
    bench
        .create(&schema, &[new_record(7, &[]), new_record(8, &[])])
        .await;
    assert_eq!(bench.calls("servicenow.batch"), 2, "tried again after a while");
    assert_eq!(bench.incidents(), 8);
}

#[tokio::test]
async fn what_a_closed_record_needs_goes_in_one_write_and_what_lacks_is_named() {
    let bench = Bench::open().await;
    let record = bench.seed(-60, &[("state", "2")]);
    let schema = bench.schema().await;
    let lacking = bench.update(&schema, &[change(&record, &[("state", "6")])]).await;
    let WriteOutcome::Rejected(rejection) = &lacking[0] else {
        panic!("{lacking:?}")
    };
    assert_eq!(rejection.problem.reason.as_str(), "DataPolicy");
    for label in ["Resolution code", "Close notes"] {
        assert!(
            rejection.problem.message.contains(label),
            "{}",
            rejection.problem.message
        );
    }
    let code = match &schema.fields[&name("close_code")].kind {
        syncflow::core::schema::FieldKind::Choice(set) => set.values.first().cloned().unwrap(),
        other => panic!("{other:?}"),
    };
    let whole = [("state", "6"), ("close_code", &code), ("close_notes", "done")];
    let resolved = bench.update(&schema, &[change(&record, &whole)]).await;
    assert_eq!(shown(applied(&resolved[0]), "state"), "6");
}
