//! The tables that describe the schema.

use super::*;
use crate::service_now::{Choice, Column, Table};

#[test]
fn a_table_has_dictionary_rows_for_its_own_columns_and_one_for_itself() {
    let mut bench = Bench::new();
    let elements = bench.column("sys_dictionary", "name=incident^ORDERBYelement", "element");
    assert_eq!(
        elements,
        [
            "",
            "caller_id",
            "category",
            "close_code",
            "hold_reason",
            "resolved_at",
            "severity",
            "subcategory"
        ]
    );
    let inherited = bench.list("sys_dictionary", "nameINincident,task^element=short_description");
    assert_eq!(
        (text(&inherited[0], "name"), text(&inherited[0], "max_length")),
        ("task".into(), "160".into())
    );
}

#[test]
fn types_and_referred_tables_are_references_by_name() {
    let mut bench = Bench::new();
    let row = bench.list("sys_dictionary", "name=incident^element=caller_id")[0].clone();
    let base = "https://acme.service-now.com/api/now/table";
    assert_eq!(
        row["internal_type"],
        json!({"link": format!("{base}/sys_glide_object?name=reference"), "value": "reference"})
    );
    assert_eq!(
        row["reference"],
        json!({"link": format!("{base}/sys_db_object?name=sys_user"), "value": "sys_user"})
    );
}

#[test]
fn super_class_leads_from_a_table_to_its_parent() {
    let mut bench = Bench::new();
    let rows = bench.list("sys_db_object", "name=incident^ORname=task");
    let of = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(of("incident")["super_class"]["value"], of("task")["sys_id"]);
    assert_eq!(of("task")["super_class"], "");
}

#[test]
fn choices_stand_under_the_table_that_defines_them_one_set_a_language() {
    let mut bench = Bench::new();
    let values = |bench: &mut Bench, query: &str| bench.column("sys_choice", query, "value");
    let states = values(
        &mut bench,
        "name=incident^element=state^language=en^inactive=false^ORDERBYsequence",
    );
    assert_eq!(states, ["1", "2", "3", "6", "7", "8"]);
    assert!(values(&mut bench, "name=incident^element=contact_type").is_empty());
    assert_eq!(values(&mut bench, "name=task^element=contact_type").len(), 6);
    assert_eq!(
        values(&mut bench, "name=incident^element=category^value=database").len(),
        2
    );
    assert_eq!(values(&mut bench, "element=category^inactive=true"), ["request"]);
}

#[test]
fn custom_tables_and_columns_work_like_any_other() {
    let mut bench = Bench::new();
    let colour = Column::choice("u_colour");
    bench
        .instance
        .define_table(Table::base("u_thing", "Thing").columns([Column::string("u_name", 40), colour]));
    bench
        .instance
        .define_choice(Choice::new("u_thing", "u_colour", "red", "Red", 1));
    assert!(
        bench
            .instance
            .define_column("incident", Column::string("u_salesforce_id", 18))
    );
    assert!(!bench.instance.define_column("nowhere", Column::string("u_x", 1)));
    let row = bench.created("u_thing", json!({"u_name": "a", "u_colour": "red"}));
    assert_eq!(row["u_colour"], "red");
    let row = bench.created("incident", json!({"u_salesforce_id": "500xx0000000001AAA"}));
    assert_eq!(row["u_salesforce_id"], "500xx0000000001AAA");
    assert_eq!(
        bench
            .list("sys_dictionary", "name=u_thing^elementISNOTEMPTY")
            .len(),
        9
    );
}

#[test]
fn a_changed_column_changes_its_dictionary_row_instead_of_adding_one() {
    let mut bench = Bench::new();
    bench
        .instance
        .define_column("incident", Column::string("u_x", 10));
    bench
        .instance
        .define_column("incident", Column::string("u_x", 20));
    assert_eq!(
        bench.column("sys_dictionary", "element=u_x", "max_length"),
        ["20"]
    );
}

#[test]
fn an_inactive_column_is_in_the_dictionary_and_nowhere_else() {
    let mut bench = Bench::new();
    bench
        .instance
        .define_column("incident", Column::string("u_old", 10).inactive());
    assert_eq!(
        bench.column("sys_dictionary", "element=u_old", "active"),
        ["false"]
    );
    assert!(
        bench
            .created("incident", json!({"u_old": "x"}))
            .get("u_old")
            .is_none()
    );
}

#[test]
fn the_instance_tells_its_identity_which_its_seed_decides() {
    let mut bench = Bench::new();
    let id = bench.column("sys_properties", "name=instance_id", "value");
    assert_eq!(id[0].len(), 32);
    assert_eq!(
        bench.column("sys_properties", "name=instance_name", "value"),
        ["acme"]
    );
    bench.instance = ServiceNow::new("https://acme.service-now.com", 8, bench.now);
    bench.instance.add_user("sync", "secret", &["itil"]);
    assert_ne!(bench.column("sys_properties", "name=instance_id", "value"), id);
}

#[test]
fn the_admin_door_sets_up_what_code_can() {
    let mut bench = Bench::new();
    let mut act = |action: &str, body: Value| bench.instance.administer(action, &body, bench.now).unwrap();
    act(
        "table",
        json!({"name": "u_asset", "label": "Asset", "numberPrefix": "AST", "columns": [
        {"name": "u_tag", "type": "string", "maxLength": 20, "unique": true},
        {"name": "u_owner", "type": "reference", "reference": "sys_user"}]}),
    );
    act(
        "column",
        json!({"table": "u_asset", "column": {"name": "u_kind", "type": "choice"}}),
    );
    act(
        "choice",
        json!({"table": "u_asset", "element": "u_kind", "value": "pc", "label": "PC"}),
    );
    act(
        "rule",
        json!({"name": "Stamp", "table": "u_asset", "when": "before", "on": "insert",
        "action": {"set": {"u_tag": "by rule"}}}),
    );
    act(
        "acl",
        json!({"table": "u_asset", "field": "u_owner", "operation": "read", "grant": "nobody"}),
    );
    act(
        "rule",
        json!({"name": "Later", "table": "u_asset", "when": {"async": {"delaySeconds": 5}}, "on": "insertOrUpdate",
        "condition": "u_kind=pc", "action": {"set": {"u_kind": ""}}}),
    );
    let all = act("switches", json!({"invalidQuery": "noRows"}));
    assert_eq!(
        (&all["invalidQuery"], &all["closePolicy"]),
        (&json!("noRows"), &json!(true))
    );
    let made = act(
        "create",
        json!({"table": "u_asset", "fields": {"u_kind": "pc"}, "user": "abel"}),
    );
    let row = bench.list("u_asset", "")[0].clone();
    assert_eq!(
        (&row["sys_id"], text(&row, "u_tag"), text(&row, "number")),
        (&made["sysId"], "by rule".into(), "AST0010001".into())
    );
    assert!(row.get("u_owner").is_none());
    assert!(
        bench
            .instance
            .administer("switches", &json!({"no_such": 1}), bench.now)
            .is_err()
    );
    assert!(
        bench
            .instance
            .administer("explode", &json!({}), bench.now)
            .is_err()
    );
}
