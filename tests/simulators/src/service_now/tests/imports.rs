//! The Import Set API.

use super::*;
use crate::service_now::{Column, FieldMap, Table, TransformMap};

fn field(source: &str, target: &str, coalesce: bool) -> FieldMap {
    FieldMap {
        source: source.into(),
        target: target.into(),
        coalesce,
    }
}

/// An instance with the staging table `u_imp_incident`, which finds incidents by their correlation id.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let staging = Table::extending("sys_import_set_row", "u_imp_incident", "Incidents from outside");
    bench.instance.define_table(staging.columns([
        Column::string("u_key", 100),
        Column::string("u_subject", 255).label("Subject"),
        Column::string("u_group", 100),
        Column::string("u_state", 40),
        Column::string("u_nested", 255),
    ]));
    bench.instance.add_transform_map(&TransformMap {
        name: "Outside".into(),
        source_table: "u_imp_incident".into(),
        target_table: "incident".into(),
        fields: vec![
            field("u_key", "correlation_id", true),
            field("u_subject", "short_description", false),
            field("u_group", "assignment_group", false),
            field("u_state", "state", false),
        ],
    });
    bench
}

fn import(bench: &mut Bench, fields: Value) -> Value {
    let answer = bench.call("POST", "/api/now/import/u_imp_incident", Some(&fields));
    assert_eq!(answer.status(), 201, "whatever became of the row");
    body(&answer)
}

#[test]
fn a_row_is_inserted_then_updated_by_its_key_then_ignored_when_nothing_changes() {
    let mut bench = bench();
    let group = bench.instance.add_group("Database");
    let answer = import(
        &mut bench,
        json!({"u_key": "K1", "u_subject": "a", "u_group": "Database"}),
    );
    let result = answer["result"][0].clone();
    let id = text(&result, "sys_id");
    assert_eq!(
        answer,
        json!({"import_set": "ISET0010001", "staging_table": "u_imp_incident", "result": [{
            "transform_map": "Outside", "table": "incident", "display_name": "number", "display_value": "INC0010001",
            "record_link": format!("https://acme.service-now.com/api/now/table/incident/{id}"),
            "status": "inserted", "sys_id": id}]})
    );
    assert_eq!(
        bench.instance.row("incident", &id).unwrap()["assignment_group"],
        group
    );
    let again = import(&mut bench, json!({"u_key": "K1", "u_subject": "b"}));
    assert_eq!(
        (
            again["result"][0]["status"].as_str(),
            text(&again["result"][0], "sys_id")
        ),
        (Some("updated"), id.clone())
    );
    let same = import(&mut bench, json!({"u_key": "K1", "u_subject": "b"}));
    assert_eq!(same["result"][0]["status"], "ignored");
    let row = bench.instance.row("incident", &id).unwrap();
    assert_eq!(
        (row["short_description"].as_str(), row["sys_mod_count"].as_str()),
        ("b", "1")
    );
}

#[test]
fn a_refused_row_is_an_error_inside_a_201_and_can_be_looked_up() {
    let mut bench = bench();
    let answer = import(
        &mut bench,
        json!({"u_key": "K1", "u_state": "6", "u_nested": {"a": "b"}}),
    );
    let result = answer["result"][0].clone();
    assert_eq!(result["status"], "error");
    assert!(text(&result, "error_message").contains("mandatory: Resolution code"));
    assert!(result.get("record_link").is_none() && bench.instance.rows("incident").is_empty());
    let staged = bench.instance.rows("u_imp_incident").remove(0);
    assert_eq!(staged["u_nested"], "{\"a\"=\"b\"}", "anything but text is bent");
    let looked_up = bench.get(&format!("/api/now/import/u_imp_incident/{}", staged["sys_id"]));
    assert_eq!(body(&looked_up)["result"][0]["status"], "error");
    assert_eq!(bench.get("/api/now/import/u_imp_incident/0123").status(), 404);
}

#[test]
fn many_rows_at_once_are_transformed_later_and_only_ids_come_back() {
    let mut bench = bench();
    let records = json!({"records": [{"u_key": "K1", "Subject": "a"}, {"u_key": "K2", "u_subject": "b"}]});
    let answer = bench.call(
        "POST",
        "/api/now/import/u_imp_incident/insertMultiple",
        Some(&records),
    );
    let ids = body(&answer);
    assert_eq!(
        (answer.status().as_u16(), text(&ids, "import_set_id").len()),
        (201, 32)
    );
    assert_eq!(text(&ids, "multi_import_set_id").len(), 32);
    assert!(bench.list("incident", "").is_empty());
    bench.wait(1);
    assert_eq!(
        bench.column("incident", "ORDERBYcorrelation_id", "short_description"),
        ["a", "b"]
    );
}

#[test]
fn only_staging_tables_are_imported_into_and_rows_without_a_key_are_always_new() {
    let mut bench = bench();
    assert_eq!(
        bench
            .call("POST", "/api/now/import/incident", Some(&json!({})))
            .status(),
        400
    );
    assert_eq!(
        bench
            .call("DELETE", "/api/now/import/u_imp_incident", None)
            .status(),
        405
    );
    import(&mut bench, json!({"u_subject": "a"}));
    import(&mut bench, json!({"u_subject": "a"}));
    assert_eq!(bench.instance.rows("incident").len(), 2);
}
