use std::time::Duration;

use syncflow::core::record::{DeletionProof, FieldContent, Observation};
use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::service_now::{Acl, Availability, Grant, InvalidQuery, Operation, RateLimit};

use super::*;

fn only_network(model: &mut Model) {
    model.remove_acls("task", None, Operation::Read);
    let itil = Grant::Role("itil".to_owned());
    model.add_acl(Acl::row("task", Operation::Read, itil).when("category=network"));
}

async fn find(bench: &Bench, schema: &ObjectSchema, stamps: &[&str]) -> Result<Vec<RecordId>, RemoteError> {
    let values: Vec<Value> = stamps.iter().map(|stamp| Value::text(*stamp)).collect();
    let field = name("correlation_id");
    let found = bench.service_now.find(schema, &field, &values, &[]).await?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

#[tokio::test]
async fn every_row_of_one_second_is_read_once_whatever_the_page_size() {
    let bench = Bench::open().await;
    bench.switch(|switches| switches.shuffles_ties = true);
    let mut seeded: Vec<RecordId> = (0..23).map(|_| bench.seed(-60, &[])).collect();
    seeded.sort();
    let schema = bench.schema().await;
    for limit in [1, 3, 22, 23, 24] {
        let pages = bench.scan(&schema, limit).await.unwrap();
        assert_eq!(ids(&pages), seeded, "pages of {limit}");
        assert!(pages.iter().all(|page| page.hidden_rows == 0));
    }
}

#[tokio::test]
async fn values_come_in_their_kinds_and_an_unreadable_field_is_absent() {
    let bench = Bench::open().await;
    bench.model(|model| {
        let itil = Grant::Role("itil".to_owned());
        let rule = Acl::field("incident", "short_description", Operation::Read, itil);
        model.add_acl(rule.when("state=1"));
    });
    bench.seed(-30, &[("short_description", "shown"), ("state", "1")]);
    let fields = [
        ("short_description", "x"),
        ("state", "2"),
        ("due_date", "2026-12-24 18:30:00"),
    ];
    bench.seed(-60, &fields);
    let schema = bench.schema().await;
    let pages = bench.scan(&schema, 10).await.unwrap();
    let record = &pages[0].records[0];
    assert!(!record.fields.contains_key(&name("short_description")));
    assert_eq!(record.value(&name("state")), Some(&Value::text("2")));
    assert_eq!(record.value(&name("active")), Some(&Value::Boolean(true)));
    assert_eq!(
        record.fields[&name("caller_id")],
        FieldContent::Value(Value::Null)
    );
    assert_eq!(shown(record, "due_date"), "2026-12-24T18:30:00Z");
    assert_eq!(record.changed_at, Instant::from_seconds(START - 60));
}

#[tokio::test]
async fn a_field_that_no_record_shows_is_named_in_the_description_and_stops_a_read() {
    let bench = Bench::open().await;
    bench.model(|model| {
        let admins = Grant::Role("admin".to_owned());
        for field in ["short_description", "description"] {
            model.add_acl(Acl::field("incident", field, Operation::Read, admins.clone()));
        }
    });
    let empty = bench.schema().await;
    let readable = |schema: &ObjectSchema, field: &str| schema.fields[&name(field)].readable;
    assert!(readable(&empty, "description"), "no record, no proof");
    bench.seed(-60, &[("short_description", "x"), ("description", "y")]);
    let error = bench.scan(&empty, 10).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "MissingRight");
    assert!(
        error.problem.message.contains("incident.short_description"),
        "{}",
        error.problem.message
    );
    let schema = bench.schema().await;
    for (field, expected) in [
        ("short_description", false),
        ("description", false),
        ("state", true),
    ] {
        assert_eq!(readable(&schema, field), expected, "{field}");
    }
}

#[tokio::test]
async fn a_poll_behind_hidden_changes_stays_one_call_however_many_they_become() {
    let bench = Bench::open().await;
    bench.model(only_network);
    let shown = bench.seed(-5000, &[("category", "network")]);
    let schema = bench.schema().await;
    let floor = Some((Instant::from_seconds(START - 5010), None));
    for round in 0..4 {
        for second in 0..40 {
            bench.seed(round * 1000 + second - 4000, &[("category", "database")]);
        }
        bench.pass(1000);
        // The engine's cursor stays at the last row that it was shown.
        let mut after = floor.clone();
        let mut hidden = 0;
        let before = bench.calls("servicenow.list");
        loop {
            let page = bench
                .service_now
                .read_changes(&query(&schema, after.clone(), 10))
                .await
                .unwrap();
            hidden += page.hidden_rows;
            if let Some(last) = page.records.last() {
                assert_eq!(last.id, shown);
                after = Some((last.version.modified, Some(last.id.clone())));
            }
            if page.complete {
                break;
            }
        }
        assert!(hidden >= 40, "told in each round");
        let calls = bench.calls("servicenow.list") - before;
        assert!(calls <= 6, "round {round}: {calls} calls");
    }
    // Once they are shown, they are found, though not before the table is described again.
    bench.model(|model| {
        model.remove_acls("task", None, Operation::Read);
        let itil = Grant::Role("itil".to_owned());
        model.add_acl(Acl::row("task", Operation::Read, itil));
    });
    let schema = bench.schema().await;
    let after = Some((Instant::from_seconds(START - 4500), None));
    let page = bench
        .service_now
        .read_changes(&query(&schema, after, 1000))
        .await
        .unwrap();
    assert_eq!(page.records.len(), 160);
}

#[tokio::test]
async fn an_instance_that_is_not_there_says_why() {
    for (availability, reason) in [
        (Availability::Hibernating, "InstanceHibernating"),
        (Availability::Maintenance, "InstanceMaintenance"),
    ] {
        let bench = Bench::open().await;
        let schema = bench.schema().await;
        bench.switch(|switches| switches.availability = availability);
        for error in [
            bench.service_now.identity().await.unwrap_err(),
            bench.scan(&schema, 10).await.unwrap_err(),
        ] {
            assert_eq!(error.problem.reason.as_str(), reason);
            assert_eq!(error.kind, RemoteErrorKind::Transient);
        }
    }
}

#[tokio::test]
async fn rows_that_access_controls_hide_are_counted_and_shorten_no_scan() {
    let bench = Bench::open().await;
    let mut visible = Vec::new();
    for second in 0..90 {
        // Thirty hidden rows in a stretch, more than any page here, then every third one.
        let category = if second >= 30 && second % 3 == 0 {
            "network"
        } else {
            "database"
        };
        let id = bench.seed(second - 100, &[("category", category)]);
        if category == "network" {
            visible.push(id);
        }
    }
    bench.model(only_network);
    let schema = bench.schema().await;
    for limit in [4, 7, 100] {
        let pages = bench.scan(&schema, limit).await.unwrap();
        assert_eq!(ids(&pages), visible, "pages of {limit}");
        assert!(pages.iter().all(|page| page.complete || !page.records.is_empty()));
    }
    let page = &bench.scan(&schema, 100).await.unwrap()[0];
    assert_eq!(page.hidden_rows, 70);
}

#[tokio::test]
async fn a_table_that_is_all_hidden_ends() {
    let bench = Bench::open().await;
    for second in 0..40 {
        bench.seed(second - 100, &[("category", "database")]);
    }
    bench.model(only_network);
    let schema = bench.schema().await;
    let pages = bench.scan(&schema, 5).await.unwrap();
    assert_eq!(ids(&pages), []);
    assert_eq!(pages[0].hidden_rows, 40);
}

#[tokio::test]
async fn a_right_that_is_taken_away_later_stops_the_flow_instead_of_the_filter() {
    let bench = Bench::open().await;
    bench.seed(-100, &[]);
    bench.seed(-50, &[]);
    let schema = bench.schema().await;
    bench.model(|model| {
        let admins = Grant::Role("admin".to_owned());
        model.add_acl(Acl::field(
            "task",
            "sys_updated_on",
            Operation::QueryRange,
            admins,
        ));
    });
    let after = Some((Instant::from_seconds(START - 60), None));
    let error = bench
        .service_now
        .read_changes(&query(&schema, after, 10))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.problem.reason.as_str()),
        (RemoteErrorKind::Misconfigured, "FilterIgnored")
    );
}

#[tokio::test]
async fn records_made_before_the_date_asked_for_are_left_out_by_the_instance() {
    let bench = Bench::open().await;
    bench.seed(-100, &[]);
    let young = bench.seed(-50, &[]);
    let schema = bench.schema().await;
    let mut asked = query(&schema, None, 10);
    asked.created_from = Some(Instant::from_seconds(START - 60));
    let page = bench.service_now.read_changes(&asked).await.unwrap();
    assert_eq!(ids(&[page]), [young]);
}

#[tokio::test]
async fn a_list_that_breaks_off_behind_http_200_is_read_in_smaller_parts() {
    let bench = Bench::open().await;
    let mut seeded: Vec<RecordId> = (0..100).map(|second| bench.seed(second - 200, &[])).collect();
    let schema = bench.schema().await;
    bench.switch(|switches| switches.truncates_lists_over = Some(30));
    let pages = bench.scan(&schema, 100).await.unwrap();
    let mut read = ids(&pages);
    read.sort();
    seeded.sort();
    assert_eq!(read, seeded);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_stays_is_classified() {
    let bench = Bench::open().await;
    bench.seed(-60, &[]);
    let schema = bench.schema().await;
    for effect in [Effect::LoseRequest, Effect::LoseAnswer] {
        bench.fault("servicenow.list", effect);
        assert_eq!(ids(&bench.scan(&schema, 10).await.unwrap()).len(), 1);
    }
    for (effect, reason) in [
        (Effect::Accepted202, "NotExecuted"),
        (Effect::HtmlPage, "InstanceHibernating"),
    ] {
        bench.fault("servicenow.list", effect);
        let error = bench.scan(&schema, 10).await.unwrap_err();
        assert_eq!(
            (error.kind, error.problem.reason.as_str()),
            (RemoteErrorKind::Transient, reason)
        );
    }
    bench.switch(|switches| {
        switches.rate_limits = vec![RateLimit {
            rule: "Table".to_owned(),
            path: "/api/now/table".to_owned(),
            per_hour: 0,
        }];
    });
    let error = bench.scan(&schema, 10).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    assert_eq!(
        error.retry_after,
        Some(Duration::from_hours(1)),
        "from the full hour to the next"
    );
}

#[tokio::test]
async fn a_deletion_is_believed_only_where_the_log_may_be_read() {
    for (user, expected) in [
        ("syncflow", Observation::NotVisible),
        ("boss", Observation::Gone(DeletionProof::AuditRow)),
    ] {
        let bench = Bench::open_as(basic(user, "right")).await;
        let (kept, deleted, restored) = (bench.seed(-60, &[]), bench.seed(-60, &[]), bench.seed(-60, &[]));
        let now = bench.front.now();
        bench.model(|model| {
            model
                .delete_as_person("incident", deleted.as_str(), now, "boss")
                .unwrap();
            model
                .delete_as_person("incident", restored.as_str(), now, "boss")
                .unwrap();
            model
                .undelete_as_person("incident", restored.as_str(), now, "boss")
                .unwrap();
        });
        // Read as tasks: the log knows the record by its own class.
        let schema = bench
            .service_now
            .describe(&"task".parse().unwrap())
            .await
            .unwrap();
        let asked = [kept.clone(), deleted.clone(), restored.clone(), id(7)];
        let known = bench
            .service_now
            .read_ids(&schema, &asked, &[name("number")])
            .await
            .unwrap();
        assert_eq!(known.len(), 4);
        assert!(
            known[&kept]
                .present()
                .is_some_and(|record| shown(record, "number").starts_with("INC"))
        );
        assert_eq!(known[&deleted], expected, "{user}");
        assert!(known[&restored].present().is_some());
        assert_eq!(known[&id(7)], Observation::NotVisible);
    }
}

#[tokio::test]
async fn stamps_are_found_whatever_they_hold() {
    let bench = Bench::open().await;
    let stamps = [
        "salesforce:500",
        "a,b",
        "a^b",
        "javascript:gs.now()",
        "NULL",
        "ünïcode",
        "plain",
    ];
    let seeded: Vec<RecordId> = stamps
        .iter()
        .map(|stamp| bench.seed(-60, &[("correlation_id", stamp)]))
        .collect();
    bench.seed(-60, &[("correlation_id", "b")]);
    bench.seed(-60, &[]);
    let schema = bench.schema().await;
    for (stamp, id) in stamps.iter().zip(&seeded) {
        let found = find(&bench, &schema, &[stamp]).await.unwrap();
        assert_eq!(found, std::slice::from_ref(id), "{stamp}");
    }
    let mut all = find(&bench, &schema, &stamps).await.unwrap();
    all.sort();
    let mut expected = seeded;
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(find(&bench, &schema, &["nobody has this"]).await.unwrap(), []);
}

#[tokio::test]
async fn a_stamp_of_a_hidden_record_is_never_reported_as_free() {
    let bench = Bench::open().await;
    bench.seed(
        -60,
        &[("correlation_id", "salesforce:1"), ("category", "database")],
    );
    let schema = bench.schema().await;
    bench.model(only_network);
    let error = find(&bench, &schema, &["salesforce:1"]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RowsHidden");
}

#[tokio::test]
async fn a_stamp_field_that_may_not_be_read_is_found_out_before_anything_is_taken_for_free() {
    for (taken, reason) in [
        (InvalidQuery::Ignored, "FilterIgnored"),
        (InvalidQuery::NoRows, "FilterIgnored"),
        (InvalidQuery::Forbidden, "MissingRight"),
    ] {
        let bench = Bench::open().await;
        bench.seed(-60, &[("correlation_id", "salesforce:1")]);
        let schema = bench.schema().await;
        bench.switch(|switches| switches.invalid_query = taken);
        bench.model(|model| {
            let admins = Grant::Role("admin".to_owned());
            model.add_acl(Acl::field("task", "correlation_id", Operation::Read, admins));
        });
        let error = find(&bench, &schema, &["salesforce:1"]).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), reason, "{taken:?}");
    }
}
