//! Access rules.

use super::*;
use crate::service_now::{Acl, DeniedTable, Grant, Operation};

fn nobody(bench: &mut Bench, field: Option<&str>, operation: Operation) {
    let rule = match field {
        Some(field) => Acl::field("incident", field, operation, Grant::Nobody),
        None => Acl::row("incident", operation, Grant::Nobody),
    };
    bench.instance.add_acl(rule);
}

#[test]
fn rows_hidden_by_a_rule_shorten_pages_after_the_limit_and_still_count() {
    let mut bench = Bench::new();
    for urgency in ["1", "1", "2", "1"] {
        bench.seed("incident", json!({"urgency": urgency}));
        bench.wait(1);
    }
    let visible = Acl::row("incident", Operation::Read, Grant::Role("itil".into())).when("urgency=2");
    bench.instance.add_acl(visible);
    let query = encoded(&[("sysparm_query", "ORDERBYsys_created_on"), ("sysparm_limit", "2")]);
    let page = bench.get(&format!("/api/now/table/incident?{query}"));
    assert_eq!(
        (body(&page)["result"].clone(), header(&page, "x-total-count")),
        (json!([]), Some("4"))
    );
    assert!(header(&page, "link").unwrap().contains("rel=\"next\""));
    let page = bench.get(&format!("/api/now/table/incident?{query}&sysparm_offset=2"));
    assert_eq!(body(&page)["result"].as_array().unwrap().len(), 1);
}

#[test]
fn a_hidden_row_looks_like_a_missing_one() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"urgency": "1"}));
    let visible = Acl::row("incident", Operation::Read, Grant::Role("itil".into())).when("urgency=2");
    bench.instance.add_acl(visible);
    assert_eq!(bench.get(&format!("/api/now/table/incident/{id}")).status(), 404);
    assert_eq!(
        bench.patch("incident", &id, json!({"urgency": "3"})).status(),
        404
    );
}

#[test]
fn the_key_of_an_unreadable_field_is_missing() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"description": "secret"}));
    nobody(&mut bench, Some("description"), Operation::Read);
    let row = body(&bench.get(&format!("/api/now/table/incident/{id}")))["result"].clone();
    assert!(row.get("description").is_none());
    assert!(row.get("short_description").is_some());
    // And a filter on it is dropped.
    assert_eq!(bench.list("incident", "description=other").len(), 1);
}

#[test]
fn an_unwritable_field_keeps_its_value_without_an_error() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"description": "old"}));
    nobody(&mut bench, Some("description"), Operation::Write);
    let row = bench.patched(
        "incident",
        &id,
        json!({"description": "new", "short_description": "new"}),
    );
    assert_eq!(
        (text(&row, "description"), text(&row, "short_description")),
        ("old".into(), "new".into())
    );
    nobody(&mut bench, Some("short_description"), Operation::Create);
    assert_eq!(
        bench.created("incident", json!({"short_description": "a"}))["short_description"],
        ""
    );
}

#[test]
fn a_forbidden_write_names_the_operation() {
    for (operation, named) in [
        (Operation::Create, "Insert"),
        (Operation::Write, "Update"),
        (Operation::Delete, "Delete"),
    ] {
        let mut bench = Bench::new();
        let id = bench.seed("incident", json!({}));
        nobody(&mut bench, None, operation);
        let answer = match operation {
            Operation::Create => bench.post("incident", json!({})),
            Operation::Write => bench.patch("incident", &id, json!({"urgency": "1"})),
            _ => bench.call("DELETE", &format!("/api/now/table/incident/{id}"), None),
        };
        let detail = format!("ACL Exception {named} Failed due to security constraints");
        assert_eq!(error(&answer), (403, "Operation Failed".to_owned(), Some(detail)));
    }
}

#[test]
fn a_user_without_roles_may_not_read_tasks_and_how_that_looks_is_a_switch() {
    let mut bench = Bench::new();
    bench.seed("incident", json!({}));
    bench.instance.add_user("guest", "secret", &[]);
    bench.user = "guest";
    let answer = bench.get("/api/now/table/incident");
    let detail = Some("Failed API level ACL Validation".to_owned());
    assert_eq!(error(&answer), (403, "User Not Authorized".to_owned(), detail));
    bench.instance.switches.denied_table = DeniedTable::EmptyPage;
    let answer = bench.get("/api/now/table/incident");
    assert_eq!(
        (body(&answer), header(&answer, "x-total-count")),
        (json!({"result": []}), Some("1"))
    );
}

#[test]
fn a_denied_query_range_silently_drops_the_filter_and_the_order() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.seed("incident", json!({}));
        bench.wait(60);
    }
    let since = "sys_updated_on>2026-11-22 01:03:00";
    assert_eq!(bench.list("incident", since).len(), 2);
    nobody(&mut bench, Some("sys_updated_on"), Operation::QueryRange);
    assert_eq!(bench.list("incident", since).len(), 3);
    assert_eq!(
        bench.list("incident", "sys_updated_on=2026-11-22 01:02:03").len(),
        1
    );
    let newest_first = bench.column("incident", "ORDERBYDESCsys_updated_on", "sys_id");
    let by_id = bench.column("incident", "ORDERBYsys_id", "sys_id");
    assert_eq!(newest_first, by_id);
    nobody(&mut bench, Some("sys_updated_on"), Operation::QueryMatch);
    assert_eq!(
        bench.list("incident", "sys_updated_on=2026-11-22 01:02:03").len(),
        3
    );
}

#[test]
fn the_deletion_log_is_for_admins() {
    let mut bench = Bench::new();
    assert_eq!(bench.get("/api/now/table/sys_audit_delete").status(), 403);
    bench.user = "admin";
    assert_eq!(bench.get("/api/now/table/sys_audit_delete").status(), 200);
}
