//! Business rules inserted as rows of `sys_script`.

use super::*;

fn rule(fields: Value) -> Value {
    let mut all = json!({
        "name": "guard", "collection": "task", "when": "before", "active": true,
        "action_insert": true, "action_update": true, "order": 100,
    });
    for (name, value) in object(fields) {
        all[name] = value;
    }
    all
}

#[test]
fn a_rule_that_a_client_inserts_guards_every_write_until_it_is_switched_off_or_deleted() {
    let mut bench = Bench::new();
    bench.user = "admin";
    let guard = rule(
        json!({"abort_action": true, "filter_condition": "short_descriptionLIKEEICAR^ORdescriptionLIKEEICAR^EQ"}),
    );
    let id = text(&bench.created("sys_script", guard), "sys_id");
    let refused = bench.post("incident", json!({"description": "an eicar file"}));
    let detail = error(&refused).2.unwrap();
    assert!(
        detail.contains(&format!("aborted by Business Rule 'guard^{id}'")),
        "{detail}"
    );
    let incident = text(
        &bench.created("incident", json!({"short_description": "fine"})),
        "sys_id",
    );
    assert_eq!(
        bench
            .patch("incident", &incident, json!({"short_description": "EICAR"}))
            .status(),
        403
    );
    bench.patched("sys_script", &id, json!({"active": false}));
    bench.patched("incident", &incident, json!({"short_description": "EICAR"}));
    bench.patched("sys_script", &id, json!({"active": true}));
    assert_eq!(
        bench
            .patch("incident", &incident, json!({"urgency": "1"}))
            .status(),
        403
    );
    bench.call("DELETE", &format!("/api/now/table/sys_script/{id}"), None);
    bench.patched("incident", &incident, json!({"urgency": "1"}));
}

#[test]
fn rules_set_fields_in_their_order_before_after_and_later() {
    let mut bench = Bench::new();
    bench.user = "admin";
    bench.created(
        "sys_script",
        rule(json!({"name": "b", "order": 200, "template": "correlation_id=b^EQ"})),
    );
    bench.created(
        "sys_script",
        rule(json!({"name": "a", "order": 50, "template": "correlation_id=a^correlation_display=a^EQ"})),
    );
    bench.created(
        "sys_script",
        rule(
            json!({"name": "c", "when": "async", "template": "close_notes=later^EQ", "action_update": false}),
        ),
    );
    let row = bench.created("incident", json!({}));
    assert_eq!(
        (text(&row, "correlation_id"), text(&row, "correlation_display")),
        ("b".into(), "a".into())
    );
    assert_eq!(text(&row, "close_notes"), "");
    bench.wait(5);
    let path = format!("/api/now/table/incident/{}", text(&row, "sys_id"));
    assert_eq!(text(&body(&bench.get(&path))["result"], "close_notes"), "later");
}

#[test]
fn only_an_administrator_writes_rules() {
    let mut bench = Bench::new();
    assert_eq!(
        bench
            .post("sys_script", rule(json!({"abort_action": true})))
            .status(),
        403
    );
}
