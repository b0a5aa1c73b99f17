//! The Table API: reading.

use super::*;

fn three(bench: &mut Bench) -> Vec<String> {
    ["Alpha", "beta", "GAMMA"]
        .into_iter()
        .map(|name| {
            bench.wait(1);
            bench.seed("incident", json!({"short_description": name}))
        })
        .collect()
}

#[test]
fn every_scalar_is_a_string_and_an_empty_reference_is_an_empty_string() {
    let mut bench = Bench::new();
    let row = bench.created(
        "incident",
        json!({"short_description": "a", "urgency": 2, "active": true}),
    );
    assert_eq!(row["urgency"], "2");
    assert_eq!(row["active"], "true");
    assert_eq!(row["sys_mod_count"], "0");
    assert_eq!(row["caller_id"], "");
    assert_eq!(row["sys_created_on"], "2026-11-22 01:02:03");
}

#[test]
fn a_set_reference_is_a_link_on_the_instances_own_address_unless_excluded() {
    let mut bench = Bench::new();
    let group = bench.instance.add_group("Database");
    let id = bench.seed("incident", json!({"assignment_group": group}));
    let path = format!("/api/now/table/incident/{id}?sysparm_fields=assignment_group");
    let link = format!("https://acme.service-now.com/api/now/table/sys_user_group/{group}");
    let shown = |bench: &mut Bench, more: &str| {
        body(&bench.get(&format!("{path}{more}")))["result"]["assignment_group"].clone()
    };
    assert_eq!(shown(&mut bench, ""), json!({"link": link, "value": group}));
    assert_eq!(
        shown(&mut bench, "&sysparm_exclude_reference_link=True"),
        json!(group)
    );
    assert_eq!(
        shown(&mut bench, "&sysparm_display_value=true"),
        json!({"display_value": "Database", "link": link})
    );
    assert_eq!(
        shown(&mut bench, "&sysparm_display_value=all"),
        json!({"display_value": "Database", "link": link, "value": group})
    );
    assert_eq!(
        shown(
            &mut bench,
            "&sysparm_display_value=all&sysparm_exclude_reference_link=true"
        ),
        json!({"display_value": "Database", "value": group})
    );
}

#[test]
fn display_values_are_labels_and_local_times() {
    let mut bench = Bench::new();
    bench.instance.set_property("glide.sys.default.tz", "GMT");
    let id = bench.seed("incident", json!({"state": "2", "category": "database"}));
    let path = format!("/api/now/table/incident/{id}?sysparm_display_value=all");
    let row = body(&bench.get(&path))["result"].clone();
    assert_eq!(
        row["state"],
        json!({"display_value": "In Progress", "value": "2"})
    );
    assert_eq!(
        row["category"],
        json!({"display_value": "Database", "value": "database"})
    );
    assert_eq!(row["correlation_id"], json!({"display_value": "", "value": ""}));
}

#[test]
fn fields_may_walk_through_a_reference_and_unknown_ones_are_left_out() {
    let mut bench = Bench::new();
    let user = bench.instance.add_user("abel", "x", &[]);
    let id = bench.seed("incident", json!({"caller_id": user}));
    let path = format!(
        "/api/now/table/incident/{id}?sysparm_fields=number,caller_id.user_name,no_such,caller_id.no_such"
    );
    let row = body(&bench.get(&path))["result"].clone();
    assert_eq!(
        row,
        json!({"number": "INC0010001", "caller_id.user_name": "abel"})
    );
}

#[test]
fn a_table_lists_the_rows_of_its_descendants_with_its_own_columns() {
    let mut bench = Bench::new();
    let incident = bench.seed("incident", json!({"short_description": "a"}));
    bench.seed("problem", json!({"short_description": "b"}));
    let rows = bench.list("task", "ORDERBYshort_description");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["sys_class_name"], "incident");
    assert!(rows[0].get("caller_id").is_none());
    assert_eq!(bench.list("incident", "").len(), 1);
    assert_eq!(
        bench.get(&format!("/api/now/table/task/{incident}")).status(),
        200
    );
}

#[test]
fn an_unknown_table_is_named_with_400() {
    let mut bench = Bench::new();
    let answer = bench.get("/api/now/table/foo");
    assert_eq!(error(&answer), (400, "Invalid table foo".to_owned(), None));
}

#[test]
fn a_missing_row_is_404_and_so_is_an_empty_list_in_version_1_only() {
    let mut bench = Bench::new();
    let missing = bench.get("/api/now/table/incident/0123456789abcdef0123456789abcdef");
    let detail = Some("Record doesn't exist or ACL restricts the record retrieval".to_owned());
    assert_eq!(error(&missing), (404, "No Record found".to_owned(), detail));
    assert_eq!(bench.get("/api/now/v1/table/incident").status(), 404);
    let empty = bench.get("/api/now/v2/table/incident");
    assert_eq!(
        (empty.status().as_u16(), body(&empty)),
        (200, json!({"result": []}))
    );
}

#[test]
fn a_path_that_is_no_api_is_400_and_a_method_it_does_not_know_405() {
    let mut bench = Bench::new();
    assert_eq!(bench.get("/api/now/nonsense").status(), 400);
    assert_eq!(
        bench.call("DELETE", "/api/now/table/incident", None).status(),
        405
    );
}

#[test]
fn pages_carry_the_total_and_links_unless_told_not_to() {
    let mut bench = Bench::new();
    three(&mut bench);
    let first = bench.get("/api/now/table/incident/?sysparm_limit=2");
    assert_eq!(header(&first, "x-total-count"), Some("3"));
    assert!(
        header(&first, "link")
            .unwrap()
            .contains("sysparm_offset=2>;rel=\"next\"")
    );
    let quiet = bench
        .get("/api/now/table/incident?sysparm_limit=2&sysparm_no_count=true&sysparm_suppress_pagination_header=TRUE");
    assert_eq!(
        (header(&quiet, "x-total-count"), header(&quiet, "link")),
        (None, None)
    );
    let all = bench.get("/api/now/table/incident?sysparm_limit=&sysparm_offset=");
    assert_eq!(
        (
            body(&all)["result"].as_array().unwrap().len(),
            header(&all, "link")
        ),
        (3, None)
    );
}

#[test]
fn the_offset_skips_rows() {
    let mut bench = Bench::new();
    three(&mut bench);
    let path = format!(
        "/api/now/table/incident?{}",
        encoded(&[
            ("sysparm_query", "ORDERBYsys_created_on"),
            ("sysparm_offset", "1"),
            ("sysparm_limit", "1")
        ])
    );
    let page = body(&bench.get(&path));
    assert_eq!(page["result"][0]["short_description"], "beta");
}

#[test]
fn text_compares_without_regard_to_case() {
    let mut bench = Bench::new();
    three(&mut bench);
    let found = |bench: &mut Bench, query: &str| bench.column("incident", query, "short_description");
    assert_eq!(found(&mut bench, "short_description=alpha"), ["Alpha"]);
    assert_eq!(found(&mut bench, "short_descriptionLIKEAMM"), ["GAMMA"]);
    assert_eq!(
        found(
            &mut bench,
            "short_descriptionINALPHA,BETA^ORDERBYshort_description"
        ),
        ["Alpha", "beta"]
    );
    assert_eq!(
        found(&mut bench, "ORDERBYDESCshort_description"),
        ["GAMMA", "beta", "Alpha"]
    );
}

#[test]
fn numbers_compare_as_numbers_and_times_as_utc_text() {
    let mut bench = Bench::new();
    let column = super::super::Column::integer("u_count");
    assert!(bench.instance.define_column("incident", column));
    for count in ["9", "10", ""] {
        bench.seed("incident", json!({"u_count": count}));
        bench.wait(60);
    }
    assert_eq!(bench.column("incident", "u_count>9", "u_count"), ["10"]);
    assert_eq!(
        bench.column("incident", "u_countBETWEEN9@10^ORDERBYDESCu_count", "u_count"),
        ["10", "9"]
    );
    assert_eq!(
        bench.column(
            "incident",
            "sys_created_on>2026-11-22 01:02:03^ORDERBYu_count",
            "u_count"
        ),
        ["", "10"]
    );
}

#[test]
fn negations_also_find_rows_without_a_value() {
    let mut bench = Bench::new();
    for origin in ["email", "phone", ""] {
        bench.seed("incident", json!({"contact_type": origin}));
    }
    let found = |bench: &mut Bench, query: &str| {
        let mut found = bench.column("incident", query, "contact_type");
        found.sort();
        found
    };
    assert_eq!(found(&mut bench, "contact_type!=email"), ["", "phone"]);
    assert_eq!(found(&mut bench, "contact_typeNOT INemail,phone"), [""]);
    assert_eq!(found(&mut bench, "contact_typeISEMPTY"), [""]);
    assert_eq!(found(&mut bench, "contact_typeISNOTEMPTY"), ["email", "phone"]);
}

#[test]
fn a_query_may_walk_through_a_reference_and_compare_columns() {
    let mut bench = Bench::new();
    let user = bench.instance.add_user("abel", "x", &[]);
    bench.seed("incident", json!({"caller_id": user, "short_description": "his"}));
    bench.seed(
        "incident",
        json!({"short_description": "nobody's", "correlation_id": "nobody's"}),
    );
    assert_eq!(
        bench.column("incident", "caller_id.user_name=ABEL", "short_description"),
        ["his"]
    );
    let same = bench.column(
        "incident",
        "short_descriptionSAMEAScorrelation_id",
        "short_description",
    );
    assert_eq!(same, ["nobody's"]);
}

#[test]
fn or_binds_tighter_than_and_while_nq_joins_whole_groups() {
    let mut bench = Bench::new();
    for (name, category, urgency) in [
        ("a", "network", "1"),
        ("b", "database", "2"),
        ("c", "software", "1"),
    ] {
        bench.seed(
            "incident",
            json!({"short_description": name, "category": category, "urgency": urgency}),
        );
    }
    let found = |bench: &mut Bench, query: &str| {
        bench.column(
            "incident",
            &format!("{query}^ORDERBYshort_description"),
            "short_description",
        )
    };
    assert_eq!(
        found(&mut bench, "urgency=1^category=network^ORcategory=database"),
        ["a"]
    );
    assert_eq!(
        found(&mut bench, "category=network^ORcategory=database^urgency=2"),
        ["b"]
    );
    assert_eq!(
        found(&mut bench, "urgency=1^category=network^NQcategory=database"),
        ["a", "b"]
    );
}

#[test]
fn name_value_parameters_filter_where_there_is_no_query() {
    let mut bench = Bench::new();
    three(&mut bench);
    let rows = body(&bench.get("/api/now/table/incident?short_description=beta"));
    assert_eq!(rows["result"].as_array().unwrap().len(), 1);
}

#[test]
fn a_condition_on_an_unknown_field_is_dropped_and_returns_every_row_unless_the_instance_says_otherwise() {
    let mut bench = Bench::new();
    three(&mut bench);
    assert_eq!(bench.list("incident", "no_such=1").len(), 3);
    assert_eq!(
        bench.list("incident", "AAAA=BBBB^short_description=beta").len(),
        1
    );
    bench.instance.switches.invalid_query = crate::service_now::InvalidQuery::NoRows;
    assert_eq!(
        bench.list("incident", "no_such=1^ORshort_description=beta").len(),
        0
    );
    bench.instance.switches.invalid_query = crate::service_now::InvalidQuery::Forbidden;
    let answer = bench.get("/api/now/table/incident?sysparm_query=no_such%3D1");
    let detail = Some("Field(s) present in the query do not have permission to be read".to_owned());
    assert_eq!(
        error(&answer),
        (403, "Insufficient rights to query records".to_owned(), detail)
    );
}

#[test]
fn every_answer_carries_the_instances_time_and_a_session_cookie() {
    let mut bench = Bench::new();
    let answer = bench.get("/api/now/table/incident");
    assert_eq!(header(&answer, "date"), Some("Sun, 22 Nov 2026 01:02:03 GMT"));
    assert!(header(&answer, "set-cookie").unwrap().starts_with("JSESSIONID="));
    assert_eq!(
        header(&answer, "content-type"),
        Some("application/json;charset=UTF-8")
    );
}

#[test]
fn head_answers_the_headers_of_get() {
    let mut bench = Bench::new();
    three(&mut bench);
    let answer = bench.call("HEAD", "/api/now/table/incident?sysparm_limit=1", None);
    assert_eq!(
        (header(&answer, "x-total-count"), answer.body().len()),
        (Some("3"), 0)
    );
}
