//! The Table API: writing.

use super::*;
use crate::model::{Actor, WriteKind};
use crate::service_now::{ChosenSysId, Column, DataPolicy, Table};

#[test]
fn a_new_row_answers_201_with_its_location_and_a_number_the_server_made() {
    let mut bench = Bench::new();
    let answer = bench.post("incident", json!({"short_description": "a", "number": "MINE"}));
    assert_eq!(answer.status(), 201);
    let row = body(&answer)["result"].clone();
    let id = text(&row, "sys_id");
    assert_eq!(id.len(), 32);
    let location = format!("https://acme.service-now.com/api/now/table/incident/{id}");
    assert_eq!(header(&answer, "location"), Some(location.as_str()));
    assert_eq!(row["number"], "INC0010001");
    assert_eq!(row["sys_created_by"], "sync");
    assert_eq!(bench.created("incident", json!({}))["number"], "INC0010002");
}

#[test]
fn priority_comes_from_impact_and_urgency_whatever_the_client_says() {
    let mut bench = Bench::new();
    let row = bench.created(
        "incident",
        json!({"impact": "1", "urgency": "1", "priority": "5"}),
    );
    assert_eq!(row["priority"], "1");
    let row = bench.patched("incident", &text(&row, "sys_id"), json!({"impact": "3"}));
    assert_eq!(row["priority"], "3");
}

#[test]
fn an_effective_update_moves_the_stamp_and_count_and_a_repeated_one_does_not() {
    let mut bench = Bench::new();
    let row = bench.created("incident", json!({"short_description": "a"}));
    let id = text(&row, "sys_id");
    bench.wait(5);
    let row = bench.patched("incident", &id, json!({"short_description": "b"}));
    assert_eq!(
        (text(&row, "sys_mod_count"), text(&row, "sys_updated_on")),
        ("1".into(), "2026-11-22 01:02:08".into())
    );
    bench.wait(5);
    let again = bench.patched("incident", &id, json!({"short_description": "b"}));
    assert_eq!(again, row);
    assert!(!bench.instance.writes().last().unwrap().is_effective());
    bench.instance.switches.no_op_update_bumps = true;
    assert_eq!(
        bench.patched("incident", &id, json!({"short_description": "b"}))["sys_mod_count"],
        "2"
    );
}

#[test]
fn put_and_patch_are_the_same() {
    let mut bench = Bench::new();
    let id = bench.seed(
        "incident",
        json!({"short_description": "a", "description": "long"}),
    );
    let path = format!("/api/now/table/incident/{id}");
    let row = body(&bench.call("PUT", &path, Some(&json!({"short_description": "b"}))))["result"].clone();
    assert_eq!(
        (text(&row, "short_description"), text(&row, "description")),
        ("b".into(), "long".into())
    );
}

#[test]
fn what_does_not_fit_is_dropped_or_cut_without_an_error() {
    let mut bench = Bench::new();
    let row = bench.created(
        "incident",
        json!({
            "no_such": "x", "sys_created_by": "me", "category": "astrology",
            "due_date": "2026-12-01T10:00:00Z", "short_description": "x".repeat(200),
        }),
    );
    assert!(row.get("no_such").is_none());
    assert_eq!(row["sys_created_by"], "sync");
    assert_eq!(row["category"], "inquiry");
    assert_eq!(row["due_date"], "");
    assert_eq!(text(&row, "short_description").len(), 160);
}

#[test]
fn an_empty_value_clears_text_but_not_a_choice() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"description": "x", "category": "database"}));
    let row = bench.patched("incident", &id, json!({"description": "", "category": ""}));
    assert_eq!(
        (text(&row, "description"), text(&row, "category")),
        (String::new(), "database".into())
    );
    assert_eq!(
        bench.patched("incident", &id, json!({"description": null}))["description"],
        ""
    );
}

#[test]
fn a_sys_id_chosen_by_the_client_is_honoured_once_or_ignored_or_for_admins_only() {
    let mut bench = Bench::new();
    let chosen = "0123456789abcdef0123456789abcdef";
    assert_eq!(
        bench.created("incident", json!({"sys_id": chosen}))["sys_id"],
        chosen
    );
    let again = bench.post("incident", json!({"sys_id": chosen}));
    let detail = Some("Error during insert of incident (INC0010002)".to_owned());
    assert_eq!(error(&again), (403, "Operation Failed".to_owned(), detail));
    let other = "fedcba9876543210fedcba9876543210";
    bench.instance.switches.chosen_sys_id = ChosenSysId::Ignored;
    assert_ne!(
        bench.created("incident", json!({"sys_id": other}))["sys_id"],
        other
    );
    bench.instance.switches.chosen_sys_id = ChosenSysId::AdminOnly;
    assert_ne!(
        bench.created("incident", json!({"sys_id": other}))["sys_id"],
        other
    );
    bench.user = "admin";
    assert_eq!(
        bench.created("incident", json!({"sys_id": other}))["sys_id"],
        other
    );
}

#[test]
fn a_second_row_with_a_unique_value_is_refused_on_insert_and_update() {
    let mut bench = Bench::new();
    let table = Table::base("u_asset", "Asset").columns([Column::string("u_tag", 40).unique().display()]);
    bench.instance.define_table(table);
    bench.created("u_asset", json!({"u_tag": "A-1"}));
    let second = bench.post("u_asset", json!({"u_tag": "a-1"}));
    assert_eq!(error(&second).2.unwrap(), "Error during insert of u_asset (a-1)");
    let other = text(&bench.created("u_asset", json!({"u_tag": "A-2"})), "sys_id");
    assert_eq!(
        bench.patch("u_asset", &other, json!({"u_tag": "A-1"})).status(),
        403
    );
    bench.created("u_asset", json!({}));
    bench.created("u_asset", json!({}));
}

#[test]
fn an_incident_is_closed_only_with_a_code_and_notes() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({}));
    let refused = bench.patch("incident", &id, json!({"state": "6"}));
    let detail = "Data Policy Exception: The following fields are mandatory: Resolution code, Close notes";
    assert_eq!(
        error(&refused),
        (403, "Operation Failed".to_owned(), Some(detail.to_owned()))
    );
    let closing = json!({"state": "6", "close_code": "Duplicate", "close_notes": "see other"});
    let row = bench.patched("incident", &id, closing);
    assert_eq!(
        (text(&row, "state"), text(&row, "resolved_at")),
        ("6".into(), "2026-11-22 01:02:03".into())
    );
    let row = bench.patched("incident", &id, json!({"state": "7"}));
    assert_eq!(row["active"], "false");
    bench.instance.switches.close_policy = false;
    let id = bench.seed("incident", json!({}));
    bench.patched("incident", &id, json!({"state": "7"}));
}

#[test]
fn a_data_policy_makes_columns_mandatory_or_read_only() {
    let mut bench = Bench::new();
    bench
        .instance
        .add_policy(DataPolicy::mandatory("incident", "", &["caller_id"]));
    let refused = bench.post("incident", json!({"short_description": "a"}));
    let detail = "Data Policy Exception: The following fields are mandatory: Caller";
    assert_eq!(error(&refused).2.as_deref(), Some(detail));
}

#[test]
fn a_write_needs_json_in_and_out_and_a_readable_body() {
    let mut bench = Bench::new();
    let mut plain = request("POST", "/api/now/table/incident", "sync", Some(&json!({})));
    plain
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(bench.send(&plain).status(), 415);
    let mut xml = request("POST", "/api/now/table/incident", "sync", Some(&json!({})));
    xml.headers_mut().insert("accept", "text/csv".parse().unwrap());
    assert_eq!(bench.send(&xml).status(), 406);
    let broken = request("POST", "/api/now/table/incident", "sync", Some(&json!({}))).map(|_| "{".into());
    assert_eq!(error(&bench.send(&broken)).1, "Exception while reading request");
}

#[test]
fn input_may_be_display_values() {
    let mut bench = Bench::new();
    let group = bench.instance.add_group("Database");
    let path = "/api/now/table/incident?sysparm_input_display_value=true&sysparm_exclude_reference_link=true";
    let sent = json!({"category": "Network", "assignment_group": "Database", "state": "In Progress"});
    let row = body(&bench.call("POST", path, Some(&sent)))["result"].clone();
    assert_eq!(
        (
            text(&row, "category"),
            text(&row, "assignment_group"),
            text(&row, "state")
        ),
        ("network".into(), group, "2".into())
    );
}

#[test]
fn a_deletion_answers_204_and_is_logged_where_the_instance_logs_it() {
    let mut bench = Bench::new();
    bench.user = "admin";
    for audited in [true, false] {
        bench.instance.switches.audits_deletes = audited;
        let id = bench.seed("incident", json!({}));
        let path = format!("/api/now/table/incident/{id}");
        assert_eq!(bench.call("DELETE", &path, None).status(), 204);
        assert_eq!(bench.get(&path).status(), 404);
        let logged = bench.list(
            "sys_audit_delete",
            &format!("tablename=incident^documentkey={id}"),
        );
        assert_eq!(logged.len(), usize::from(audited));
    }
}

#[test]
fn an_undeleted_row_has_its_old_id_and_stamps_unless_switched() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"short_description": "a"}));
    bench.wait(60);
    bench
        .instance
        .delete_as_person("incident", &id, bench.now, "abel")
        .unwrap();
    assert!(bench.instance.record("incident", &id).is_none());
    bench.wait(3600);
    bench
        .instance
        .undelete_as_person("incident", &id, bench.now, "abel")
        .unwrap();
    let row = bench.instance.record("incident", &id).unwrap();
    assert_eq!(row["sys_updated_on"], "2026-11-22 01:02:03");
    let again = bench
        .instance
        .undelete_as_person("incident", &id, bench.now, "abel");
    assert!(again.is_err(), "a row that is there cannot be undeleted");
}

#[test]
fn every_write_is_told_with_its_author_and_what_rules_added_is_told_apart() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({"impact": "1", "urgency": "3"}));
    bench.patched("incident", &id, json!({"urgency": "1"}));
    bench.edit("incident", &id, json!({"short_description": "unique-1"}));
    let told: Vec<_> = bench
        .instance
        .writes()
        .iter()
        .map(|write| {
            (
                write.kind,
                write.actor.clone(),
                write.changed.keys().cloned().collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(told[0].0, WriteKind::Created);
    assert_eq!(
        told[1],
        (
            WriteKind::Updated,
            Actor::Api("sync".into()),
            vec!["urgency".to_owned()]
        )
    );
    assert_eq!(
        told[2],
        (
            WriteKind::Updated,
            Actor::Automation("platform".into()),
            vec!["priority".to_owned()]
        )
    );
    assert_eq!(told[3].1, Actor::Person("abel".into()));
    assert!(bench.instance.created_by_clients().is_empty());
    let made = text(&bench.created("incident", json!({})), "sys_id");
    assert_eq!(
        bench.instance.created_by_clients(),
        [("incident".to_owned(), made)]
    );
}

#[test]
fn a_client_that_wants_no_body_gets_none() {
    let mut bench = Bench::new();
    let mut quiet = request("POST", "/api/now/table/incident", "sync", Some(&json!({})));
    quiet
        .headers_mut()
        .insert("x-no-response-body", "true".parse().unwrap());
    let answer = bench.send(&quiet);
    assert_eq!((answer.status().as_u16(), answer.body().len()), (201, 0));
}

#[test]
fn the_back_door_names_what_it_does_not_know() {
    let mut bench = Bench::new();
    let mut seed = |table: &str, fields: Value| bench.instance.seed(table, &object(fields), bench.now);
    assert!(
        seed("nowhere", json!({}))
            .unwrap_err()
            .to_string()
            .contains("nowhere")
    );
    assert!(
        seed("incident", json!({"u_nothing": "x"}))
            .unwrap_err()
            .to_string()
            .contains("u_nothing")
    );
    assert!(seed("incident", json!({"due_date": "soon"})).is_err());
}

#[test]
fn a_comment_is_an_entry_of_the_journal_and_reads_back_empty_but_counts_as_an_update() {
    let mut bench = Bench::new();
    bench.user = "admin";
    let id = bench.seed("incident", json!({}));
    for comment in ["first", "second", "second"] {
        bench.wait(1);
        bench.patched("incident", &id, json!({"comments": comment}));
    }
    let row = body(&bench.get(&format!("/api/now/table/incident/{id}?sysparm_display_value=all")))["result"]
        .clone();
    assert_eq!(
        (&row["comments"]["value"], &row["sys_mod_count"]["value"]),
        (&json!(""), &json!("3"))
    );
    let shown = text(&row["comments"], "display_value");
    assert!(
        shown.starts_with("2026-11-22 01:02:06 - admin (Additional comments)\nsecond\n\n"),
        "{shown}"
    );
    let query = format!("name=incident^element=comments^element_id={id}^ORDERBYsys_created_on");
    assert_eq!(
        bench.column("sys_journal_field", &query, "value"),
        ["first", "second", "second"]
    );
    assert_eq!(
        bench.instance.writes().last().unwrap().changed["comments"].after,
        "second"
    );
}
