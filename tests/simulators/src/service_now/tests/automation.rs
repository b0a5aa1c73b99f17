//! Business rules.

use super::*;
use crate::model::Actor;
use crate::service_now::{Action, BusinessRule, On, Values, When};
use std::sync::Arc;

#[test]
fn a_before_rule_rewrites_what_the_client_sent_in_the_same_answer() {
    let mut bench = Bench::new();
    bench
        .instance
        .add_rule(BusinessRule::before("Upper", "incident", |row| {
            if let Some(value) = row.get_mut("short_description") {
                *value = value.to_uppercase();
            }
        }));
    let row = bench.created("incident", json!({"short_description": "loud"}));
    assert_eq!(
        (text(&row, "short_description"), text(&row, "sys_mod_count")),
        ("LOUD".into(), "0".into())
    );
    let writes = bench.instance.writes();
    assert_eq!(writes[0].changed["short_description"].after, "loud");
    assert_eq!(
        (&writes[1].actor, &writes[1].changed["short_description"].after),
        (&Actor::Automation("Upper".into()), &json!("LOUD"))
    );
}

#[test]
fn an_aborting_rule_fails_the_write_and_names_itself() {
    let mut bench = Bench::new();
    let rule = BusinessRule::abort(
        "No EICAR",
        "task",
        "short_descriptionLIKEEICAR^ORdescriptionLIKEEICAR^EQ",
    );
    bench.instance.add_rule(rule);
    let answer = bench.post("incident", json!({"description": "an eicar file"}));
    let (status, message, detail) = error(&answer);
    assert_eq!((status, message.as_str()), (403, "Operation Failed"));
    let detail = detail.unwrap();
    assert!(
        detail.starts_with("Operation against file 'incident' was aborted by Business Rule 'No EICAR^"),
        "{detail}"
    );
    assert!(detail.ends_with("'. Business Rule Stack:No EICAR"), "{detail}");
    assert!(bench.instance.rows("incident").is_empty());
    bench.created("incident", json!({"description": "harmless"}));
}

#[test]
fn a_rule_may_answer_to_deletions_only() {
    let mut bench = Bench::new();
    bench
        .instance
        .add_rule(BusinessRule::abort("Keep", "incident", "").on(On::Delete));
    let id = text(&bench.created("incident", json!({})), "sys_id");
    assert_eq!(
        bench
            .call("DELETE", &format!("/api/now/table/incident/{id}"), None)
            .status(),
        403
    );
    assert!(bench.instance.row("incident", &id).is_some());
}

#[test]
fn an_async_rule_edits_the_row_later_at_its_own_moment() {
    let mut bench = Bench::new();
    let rule =
        BusinessRule::async_set("Triage", "incident", 30, &[("urgency", "1")]).when("category=database");
    bench.instance.add_rule(rule);
    let row = bench.created("incident", json!({"category": "database"}));
    let id = text(&row, "sys_id");
    bench.wait(29);
    assert_eq!(bench.list("incident", "")[0]["urgency"], "3");
    bench.wait(10);
    let row = bench.list("incident", "")[0].clone();
    assert_eq!(
        [
            "urgency",
            "priority",
            "sys_updated_on",
            "sys_updated_by",
            "sys_mod_count"
        ]
        .map(|column| text(&row, column)),
        ["1", "3", "2026-11-22 01:02:33", "system", "1"]
    );
    bench.wait(600);
    bench.get("/api/now/table/incident");
    assert_eq!(
        bench.instance.row("incident", &id).unwrap()["sys_mod_count"],
        "1",
        "a rule does not answer to itself"
    );
}

#[test]
fn an_async_rule_does_not_answer_to_itself_or_it_would_never_rest() {
    let mut bench = Bench::new();
    let append = |row: &mut Values| {
        let text = row.entry("description".to_owned()).or_default();
        text.push('!');
    };
    let when = When::Async { delay_seconds: 1 };
    let rule = BusinessRule::new("Shout", "incident", when, Action::Rewrite(Arc::new(append)));
    bench.instance.add_rule(rule);
    let id = text(&bench.created("incident", json!({})), "sys_id");
    bench.wait(60);
    bench.get("/api/now/table/incident");
    assert_eq!(bench.instance.row("incident", &id).unwrap()["description"], "!");
}

#[test]
fn rules_answer_to_people_but_not_to_seeded_history() {
    let mut bench = Bench::new();
    bench.instance.add_rule(BusinessRule::before_set(
        "Mark",
        "incident",
        &[("correlation_display", "seen")],
    ));
    let id = bench.seed("incident", json!({}));
    assert_eq!(
        bench
            .instance
            .row("incident", &id)
            .unwrap()
            .get("correlation_display"),
        None
    );
    bench.edit("incident", &id, json!({"short_description": "x"}));
    assert_eq!(
        bench.instance.row("incident", &id).unwrap()["correlation_display"],
        "seen"
    );
    bench.instance.remove_rule("Mark");
    bench.edit("incident", &id, json!({"correlation_display": "mine"}));
    assert_eq!(
        bench.instance.row("incident", &id).unwrap()["correlation_display"],
        "mine"
    );
}

#[test]
fn what_rules_write_does_not_count_as_the_clients_writes() {
    let mut bench = Bench::new();
    bench.instance.add_rule(BusinessRule::before_set(
        "Mark",
        "incident",
        &[("correlation_display", "seen")],
    ));
    let mut simulator = crate::Simulator::new(bench.instance);
    let create = request(
        "POST",
        "/api/now/table/incident",
        "sync",
        Some(&json!({"impact": "1"})),
    );
    simulator.deliver(&create, bench.now);
    assert!(simulator.model.writes().len() > 1);
    assert_eq!(simulator.calls.records_written("servicenow"), 1);
}
