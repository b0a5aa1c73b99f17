//! Parameters and switches of the Table API beyond the everyday ones.

use super::*;
use crate::service_now::{ChosenSysId, Column, LongText, Table, UnwritableField};

#[test]
fn a_view_shows_its_fields_unless_fields_are_named_and_is_inherited() {
    let mut bench = Bench::new();
    bench.instance.define_view("task", "mobile", &["number", "state"]);
    bench.seed("incident", json!({}));
    let keys = |bench: &mut Bench, parameters: &str| {
        let answer = body(&bench.get(&format!("/api/now/table/incident?{parameters}")));
        let row = object(answer["result"][0].clone());
        row.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&mut bench, "sysparm_view=mobile"), ["number", "state"]);
    assert_eq!(
        keys(&mut bench, "sysparm_view=mobile&sysparm_fields=state,sys_id"),
        ["state", "sys_id"]
    );
    assert!(
        keys(
            &mut bench,
            "sysparm_view=nonsense&sysparm_query_no_domain=true&sysparm_query_category=list"
        )
        .len()
            > 20
    );
}

#[test]
fn an_empty_post_makes_an_empty_row_without_a_content_type() {
    let mut bench = Bench::new();
    let answer = bench.call("POST", "/api/now/table/incident", None);
    assert_eq!(
        (answer.status().as_u16(), text(&body(&answer)["result"], "number")),
        (201, "INC0010001".into())
    );
    let mut typed =
        request("POST", "/api/now/table/incident", "sync", None).map(|_| Bytes::from_static(b"{}"));
    assert_eq!(bench.send(&typed).status(), 415);
    typed
        .headers_mut()
        .insert("content-type", "text/xml".parse().unwrap());
    assert_eq!(bench.send(&typed).status(), 415);
}

#[test]
fn system_fields_may_be_sent_where_automatic_ones_are_suppressed() {
    let mut bench = Bench::new();
    let sent = json!({"sys_created_on": "2020-01-01 00:00:00", "sys_updated_by": "migration", "short_description": "a"});
    let path = "/api/now/table/incident?sysparm_suppress_auto_sys_field=true";
    let row = body(&bench.call("POST", path, Some(&sent)))["result"].clone();
    assert_eq!(
        (
            text(&row, "sys_created_on"),
            text(&row, "sys_updated_by"),
            text(&row, "sys_updated_on")
        ),
        (
            "2020-01-01 00:00:00".into(),
            "migration".into(),
            "2026-11-22 01:02:03".into()
        )
    );
    let id = text(&row, "sys_id");
    bench.wait(60);
    let path = format!("/api/now/table/incident/{id}?sysparm_suppress_auto_sys_field=true");
    let row = body(&bench.call(
        "PATCH",
        &path,
        Some(&json!({"sys_updated_on": "2021-01-01 00:00:00"})),
    ))["result"]
        .clone();
    assert_eq!(
        (text(&row, "sys_updated_on"), text(&row, "sys_mod_count")),
        ("2021-01-01 00:00:00".into(), "0".into())
    );
    bench
        .instance
        .set_property("glide.rest.table_api.admin_only_sys_fields", "true");
    let row = body(&bench.call(
        "PATCH",
        &path,
        Some(&json!({"sys_updated_on": "2022-01-01 00:00:00"})),
    ))["result"]
        .clone();
    assert_eq!(
        text(&row, "sys_updated_on"),
        "2021-01-01 00:00:00",
        "for administrators only"
    );
}

#[test]
fn a_chosen_sys_id_may_be_refused_and_compares_without_case() {
    let mut bench = Bench::new();
    let chosen = json!({"sys_id": "AAAABBBBCCCCDDDDEEEEFFFF00001111"});
    assert_eq!(
        bench.created("incident", chosen.clone())["sys_id"],
        chosen["sys_id"]
    );
    assert_eq!(
        bench
            .get("/api/now/table/incident/aaaabbbbccccddddeeeeffff00001111")
            .status(),
        200
    );
    assert_eq!(
        bench
            .post("incident", json!({"sys_id": "aaaabbbbccccddddeeeeffff00001111"}))
            .status(),
        403
    );
    bench.instance.switches.chosen_sys_id = ChosenSysId::Refused;
    let other = json!({"sys_id": "00000000000000000000000000000001"});
    assert_eq!(
        error(&bench.post("incident", other)).2.unwrap(),
        "ACL Exception Insert Failed due to security constraints"
    );
}

#[test]
fn an_instance_may_refuse_what_others_drop_or_cut() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({}));
    bench.instance.switches.long_text = LongText::Refused;
    assert_eq!(
        bench
            .patch("incident", &id, json!({"short_description": "x".repeat(161)}))
            .status(),
        403
    );
    bench.instance.switches.unwritable_field = UnwritableField::Refused;
    bench.instance.add_acl(crate::service_now::Acl::field(
        "incident",
        "description",
        crate::service_now::Operation::Write,
        crate::service_now::Grant::Nobody,
    ));
    let refused = bench.patch("incident", &id, json!({"description": "x"}));
    assert_eq!(
        error(&refused).2.unwrap(),
        "ACL Exception Update Failed due to security constraints"
    );
    bench.patched("incident", &id, json!({"no_such_field": "x"}));
}

#[test]
fn an_inherited_column_may_be_overridden_for_one_table_and_the_dictionary_says_so() {
    let mut bench = Bench::new();
    assert!(bench.instance.override_column("incident", "urgency", |column| {
        "1".clone_into(&mut column.default_value);
        column.mandatory = true;
    }));
    assert_eq!(text(&bench.created("incident", json!({})), "urgency"), "1");
    assert_eq!(text(&bench.created("problem", json!({})), "urgency"), "3");
    let rows = bench.instance.rows("sys_dictionary_override");
    let row = rows.iter().find(|row| row["element"] == "urgency").unwrap();
    assert_eq!(
        [
            "name",
            "base_table",
            "default_value_override",
            "default_value",
            "mandatory",
            "read_only_override"
        ]
        .map(|column| row[column].as_str()),
        ["incident", "task", "true", "1", "true", "false"]
    );
    assert!(
        !bench.instance.override_column("incident", "category", |_| ()),
        "its own column, not an inherited one"
    );
}

#[test]
fn deletions_of_exempt_tables_leave_no_trace() {
    let mut bench = Bench::new();
    bench.user = "admin";
    bench.instance.define_table(
        Table::base("u_note", "Note")
            .column(Column::string("u_text", 40))
            .attributes("no_audit_delete=true"),
    );
    for table in ["u_note", "incident", "problem"] {
        let id = bench.seed(table, json!({}));
        if table == "problem" {
            bench
                .instance
                .set_property("glide.db.audit.ignore.delete", "sys_user, problem");
        }
        bench.call("DELETE", &format!("/api/now/table/{table}/{id}"), None);
    }
    assert_eq!(bench.column("sys_audit_delete", "", "tablename"), ["incident"]);
}

#[test]
fn the_property_for_invalid_queries_counts_like_the_switch() {
    let mut bench = Bench::new();
    bench.seed("incident", json!({}));
    bench
        .instance
        .set_property("glide.invalid_query.returns_no_rows", "true");
    assert_eq!(bench.list("incident", "no_such=1").len(), 0);
    assert_eq!(bench.list("incident", "active=true").len(), 1);
}

#[test]
fn a_developer_instance_has_the_people_and_records_that_suites_count_on() {
    let mut bench = Bench::new();
    bench.instance.load_out_of_box_data("secret", bench.now);
    bench.user = "admin";
    let admin = body(&bench.get(
        "/api/now/table/sys_user/6816f79cc0a8016401c5a33be04be441?sysparm_display_value=all\
         &sysparm_fields=sys_id,user_password,department.dept_head.email",
    ))["result"]
        .clone();
    assert_eq!(
        admin["user_password"],
        json!({"display_value": "********", "value": ""})
    );
    assert_eq!(
        admin["department.dept_head.email"]["value"],
        "natasha.ingram@example.com"
    );
    assert!(bench.list("syslog", "").len() > 600 && bench.list("sys_metadata", "").len() > 500);
    assert_eq!(
        bench.list("sys_user", "user_name=admin").len(),
        1,
        "the account there was, made the well-known one"
    );
    let shown =
        body(&bench.get("/api/now/table/sys_user?sysparm_limit=1&sysparm_display_value=all"))["result"][0]
            .clone();
    assert_ne!(
        shown["sys_updated_on"]["value"], shown["sys_updated_on"]["display_value"],
        "its clock is in California"
    );
}
