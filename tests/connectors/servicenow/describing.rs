use syncflow::core::schema::FieldKind;
use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::service_now::{
    Acl, Choice, Column, DeniedTable, Grant, InvalidQuery, Operation, Table,
};

use super::*;

fn choices(schema: &ObjectSchema, field: &str) -> Vec<String> {
    match &schema.fields[&name(field)].kind {
        FieldKind::Choice(set) => set.values.iter().cloned().collect(),
        other => panic!("{field} is {other:?}"),
    }
}

#[tokio::test]
async fn a_table_has_its_own_columns_and_those_it_inherits_with_the_nearest_choices() {
    let bench = Bench::open().await;
    let schema = bench.schema().await;
    assert_eq!(schema.side, Side::ServiceNow);
    assert_eq!(
        choices(&schema, "state"),
        ["1", "2", "3", "6", "7", "8"],
        "incident has its own"
    );
    assert!(
        choices(&schema, "contact_type").contains(&"virtual_agent".to_owned()),
        "from task"
    );
    let kind = |field: &str| schema.fields[&name(field)].kind.clone();
    assert_eq!(
        kind("short_description"),
        FieldKind::Text {
            max_length: Some(160)
        }
    );
    assert_eq!(kind("caller_id"), FieldKind::Reference);
    assert_eq!(kind("due_date"), FieldKind::DateTime);
    assert_eq!(kind("active"), FieldKind::Boolean);
    assert_eq!(kind("sys_mod_count"), FieldKind::Number { scale: Some(0) });
    assert!(
        matches!(kind("subcategory"), FieldKind::Text { .. }),
        "a list that only suggests"
    );
    assert!(matches!(kind("comments"), FieldKind::Unsupported(_)));
    assert!(!schema.fields[&name("number")].updateable);
    assert!(!schema.fields[&name("sys_updated_on")].createable);
    assert!(schema.fields[&name("correlation_id")].createable);
}

#[tokio::test]
async fn an_override_for_the_table_goes_before_what_the_parent_says_of_a_column() {
    let bench = Bench::open().await;
    bench.model(|model| {
        assert!(model.override_column("incident", "contact_type", |column| column.read_only = true));
        assert!(model.override_column("incident", "short_description", |column| column.mandatory = true));
    });
    let schema = bench.schema().await;
    assert!(!schema.fields[&name("contact_type")].updateable);
    assert!(!schema.fields[&name("contact_type")].createable);
    assert!(schema.fields[&name("short_description")].updateable);
    let task = bench
        .service_now
        .describe(&"task".parse().unwrap())
        .await
        .unwrap();
    assert!(
        task.fields[&name("contact_type")].updateable,
        "the parent keeps its own"
    );
}

#[tokio::test]
async fn choices_without_an_english_label_count_all_the_same() {
    let bench = Bench::open().await;
    bench.model(|model| {
        model.define_table(Table::base("u_ticket", "Ticket").columns([Column::choice("u_farbe")]));
        model.define_choice(Choice::new("u_ticket", "u_farbe", "red", "Red", 1).language("de", "Rot"));
    });
    let schema = bench
        .service_now
        .describe(&"u_ticket".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(choices(&schema, "u_farbe"), ["red"]);
}

#[tokio::test]
async fn a_custom_table_is_described_like_any_other_without_what_is_no_longer_offered() {
    let bench = Bench::open().await;
    bench.model(|model| {
        model.define_table(Table::base("u_ticket", "Ticket").columns([
            Column::string("u_subject", 80),
            Column::choice("u_colour"),
            Column::decimal("u_cost"),
            Column::date("u_day"),
            Column::string("u_key", 40).unique(),
            Column::string("u_old", 40).inactive(),
        ]));
        model.define_choice(Choice::new("u_ticket", "u_colour", "red", "Red", 1));
        model.define_choice(Choice::new("u_ticket", "u_colour", "mauve", "Mauve", 2).inactive());
        model.define_choice(Choice::new("u_ticket", "u_colour", "red", "Red", 1).language("de", "Rot"));
    });
    let schema = bench
        .service_now
        .describe(&"u_ticket".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(choices(&schema, "u_colour"), ["red"]);
    assert_eq!(
        schema.fields[&name("u_cost")].kind,
        FieldKind::Number { scale: None }
    );
    assert_eq!(schema.fields[&name("u_day")].kind, FieldKind::Date);
    assert!(schema.fields[&name("u_key")].unique);
    assert!(!schema.fields.contains_key(&name("u_old")));
}

#[tokio::test]
async fn an_unknown_table_is_told_from_a_dictionary_that_may_not_be_read() {
    let bench = Bench::open().await;
    let error = bench
        .service_now
        .describe(&"incidents".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.problem.reason.as_str()),
        (RemoteErrorKind::Misconfigured, "UnknownObject")
    );
    for denied in [DeniedTable::Forbidden, DeniedTable::EmptyPage] {
        for table in ["sys_db_object", "sys_dictionary", "sys_choice"] {
            let bench = Bench::open().await;
            bench.switch(|switches| switches.denied_table = denied);
            bench.model(|model| {
                model.remove_acls(table, None, Operation::Read);
                model.add_acl(Acl::row(table, Operation::Read, Grant::Role("admin".to_owned())));
            });
            let error = bench.describe().await.unwrap_err();
            assert_eq!(
                error.problem.reason.as_str(),
                "MissingRight",
                "{table} {denied:?}"
            );
            assert!(error.problem.message.contains(table), "{}", error.problem.message);
        }
    }
}

#[tokio::test]
async fn a_filter_or_an_order_that_query_acls_drop_is_found_before_the_first_read() {
    for (field, operation) in [
        ("sys_updated_on", Operation::QueryRange),
        ("sys_created_on", Operation::QueryRange),
        ("sys_id", Operation::QueryRange),
        ("sys_id", Operation::QueryMatch),
    ] {
        let bench = Bench::open().await;
        bench.seed(-60, &[]);
        bench.model(|model| {
            model.add_acl(Acl::field(
                "task",
                field,
                operation,
                Grant::Role("admin".to_owned()),
            ));
        });
        let error = bench.describe().await.unwrap_err();
        assert_eq!(
            error.problem.reason.as_str(),
            "FilterIgnored",
            "{field} {operation:?}"
        );
        assert!(
            error.problem.message.contains("query_range"),
            "{}",
            error.problem.message
        );
    }
}

#[tokio::test]
async fn a_filter_on_a_field_that_may_not_be_read_is_found_however_the_instance_takes_it() {
    for (taken, reason) in [
        (InvalidQuery::Ignored, "FilterIgnored"),
        (InvalidQuery::NoRows, "FilterIgnored"),
        (InvalidQuery::Forbidden, "MissingRight"),
    ] {
        let bench = Bench::open().await;
        bench.seed(-60, &[]);
        bench.switch(|switches| switches.invalid_query = taken);
        bench.model(|model| {
            let admins = Grant::Role("admin".to_owned());
            model.add_acl(Acl::field("task", "sys_created_on", Operation::Read, admins));
        });
        let error = bench.describe().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), reason, "{taken:?}");
    }
}

#[tokio::test]
async fn times_that_are_read_in_the_accounts_zone_are_found_before_the_first_read() {
    let bench = Bench::open().await;
    bench.seed(-60, &[]);
    bench.switch(|switches| switches.query_times_are_local = true);
    bench.describe().await.unwrap();
    let now = bench.front.now();
    bench.model(|model| {
        let user = model.add_user("syncflow", "right", &["itil"]);
        let zone = row(&[("time_zone", "America/New_York")]);
        model
            .edit_as_person("sys_user", &user, &zone, now, "boss")
            .unwrap();
    });
    let error = bench.describe().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TimeZoneShifted");
    assert!(error.problem.message.contains("time zone to GMT"));
}
