//! The Aggregate API.

use super::*;

/// Incidents of three categories, with an urgency and a count each.
fn seeded() -> Bench {
    let mut bench = Bench::new();
    let count = super::super::Column::integer("u_count");
    assert!(bench.instance.define_column("incident", count));
    for (category, urgency, count) in [
        ("database", "1", "4"),
        ("database", "2", "9"),
        ("database", "2", "10"),
        ("network", "3", ""),
        ("software", "1", "2"),
    ] {
        bench.seed(
            "incident",
            json!({"category": category, "urgency": urgency, "u_count": count}),
        );
        bench.wait(60);
    }
    bench
}

fn stats(bench: &mut Bench, parameters: &[(&str, &str)]) -> Value {
    let answer = bench.get(&format!("/api/now/v1/stats/incident?{}", encoded(parameters)));
    assert_eq!(answer.status(), 200);
    body(&answer)["result"].clone()
}

#[test]
fn rows_are_counted_and_the_newest_stamp_found_without_reading_them() {
    let mut bench = seeded();
    let asked = [
        ("sysparm_count", "true"),
        ("sysparm_query", "category=database"),
        ("sysparm_max_fields", "sys_updated_on,u_count"),
        ("sysparm_min_fields", "u_count"),
        ("sysparm_sum_fields", "u_count"),
        ("sysparm_avg_fields", "u_count"),
    ];
    assert_eq!(
        stats(&mut bench, &asked),
        json!({"stats": {
            "count": "3",
            "avg": {"u_count": "7.6667"},
            "max": {"sys_updated_on": "2026-11-22 01:04:03", "u_count": "10"},
            "min": {"u_count": "4"},
            "sum": {"u_count": "23"},
        }})
    );
    assert_eq!(
        stats(&mut bench, &[("sysparm_count", "true"), ("category", "Database")])["stats"]["count"],
        "3",
        "name-value pairs take labels"
    );
    assert_eq!(
        stats(
            &mut bench,
            &[
                ("sysparm_query", "category=request"),
                ("sysparm_count", "true"),
                ("sysparm_sum_fields", "u_count")
            ]
        ),
        json!({"stats": {"count": "0", "sum": {"u_count": ""}}})
    );
}

#[test]
fn groups_carry_their_fields_and_may_be_sorted_filtered_and_labelled() {
    let mut bench = seeded();
    let groups = stats(
        &mut bench,
        &[
            ("sysparm_count", "true"),
            ("sysparm_group_by", "category"),
            ("sysparm_order_by", "COUNT^DESC"),
            ("sysparm_having", "count^category^>=^1"),
            ("sysparm_display_value", "all"),
        ],
    );
    assert_eq!(
        groups[0],
        json!({"stats": {"count": "3"}, "groupby_fields": [
            {"field": "category", "value": "database", "display_value": "Database"}]})
    );
    assert_eq!(groups.as_array().unwrap().len(), 3);
    let many = stats(
        &mut bench,
        &[
            ("sysparm_group_by", "category,urgency"),
            ("sysparm_count", "true"),
            ("sysparm_having", "count^category^>^1"),
        ],
    );
    assert_eq!(
        many,
        json!([{"stats": {"count": "2"}, "groupby_fields": [
            {"field": "category", "value": "database"}, {"field": "urgency", "value": "2"}]}])
    );
}

#[test]
fn a_table_that_may_not_be_read_is_not_counted_and_hidden_rows_are() {
    let mut bench = seeded();
    let visible = crate::service_now::Acl::row(
        "incident",
        crate::service_now::Operation::Read,
        crate::service_now::Grant::Role("itil".into()),
    );
    bench.instance.add_acl(visible.when("urgency=9"));
    assert_eq!(
        stats(&mut bench, &[("sysparm_count", "true")])["stats"]["count"],
        "5"
    );
    bench.instance.add_user("guest", "secret", &[]);
    bench.user = "guest";
    assert_eq!(
        bench.get("/api/now/stats/incident?sysparm_count=true").status(),
        403
    );
    assert_eq!(bench.get("/api/now/stats/foo?sysparm_count=true").status(), 400);
}
