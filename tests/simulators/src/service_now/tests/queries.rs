//! Encoded queries beyond plain comparisons.

use super::*;

fn found(bench: &mut Bench, query: &str) -> Vec<String> {
    bench.column(
        "incident",
        &format!("{query}^ORDERBYshort_description"),
        "short_description",
    )
}

#[test]
fn a_join_keeps_rows_that_a_matching_row_of_another_table_refers_to() {
    let mut bench = Bench::new();
    let database = bench.instance.add_group("Database");
    let network = bench.instance.add_group("Network");
    bench.seed("incident", json!({"assignment_group": database, "urgency": "1"}));
    bench.seed("incident", json!({"assignment_group": network, "urgency": "2"}));
    let urgent = "JOINsys_user_group.sys_id=incident.assignment_group!urgency=1";
    assert_eq!(bench.column("sys_user_group", urgent, "name"), ["Database"]);
    let any = "nameLIKEe^JOINsys_user_group.sys_id=incident.assignment_group!";
    assert_eq!(bench.list("sys_user_group", any).len(), 2);
}

#[test]
fn a_related_list_query_counts_what_refers_to_a_row() {
    let mut bench = Bench::new();
    for (name, incidents) in [("None", 0), ("One", 1), ("Two", 2)] {
        let group = bench.instance.add_group(name);
        for _ in 0..incidents {
            bench.seed("incident", json!({"assignment_group": group, "urgency": "1"}));
        }
    }
    let named = |bench: &mut Bench, query: &str| {
        bench.column("sys_user_group", &format!("{query}^ORDERBYname"), "name")
    };
    assert_eq!(
        named(&mut bench, "RLQUERYincident.assignment_group,>=1^ENDRLQUERY"),
        ["One", "Two"]
    );
    assert_eq!(
        named(&mut bench, "RLQUERYincident.assignment_group,=0^ENDRLQUERY"),
        ["None"]
    );
    assert_eq!(
        named(
            &mut bench,
            "RLQUERYincident.assignment_group,>1,m2m^urgency=1^ENDRLQUERY^nameSTARTSWITHt"
        ),
        ["Two"]
    );
}

#[test]
fn relative_times_trends_and_distances_select_by_the_calendar() {
    let mut bench = Bench::new();
    bench.seed(
        "incident",
        json!({"short_description": "saturday", "due_date": "2026-11-28 10:00:00"}),
    );
    bench.wait(7200);
    bench.seed("incident", json!({"short_description": "sunday"}));
    // The bench's day is Sunday 2026-11-22.
    assert_eq!(
        found(&mut bench, "sys_created_onRELATIVEGT@hour@ago@1"),
        ["sunday"]
    );
    assert_eq!(
        found(&mut bench, "sys_created_onRELATIVELE@hour@ago@1"),
        ["saturday"]
    );
    let trend = "due_dateDATEPARTSaturday@javascript:gs.datePart('dayofweek','saturday','EE')";
    assert_eq!(found(&mut bench, trend), ["saturday"]);
    assert_eq!(
        found(&mut bench, "sys_created_onMORETHANdue_date@day@before@5"),
        ["saturday"]
    );
    assert!(found(&mut bench, "sys_created_onMORETHANdue_date@day@before@7").is_empty());
    let today = "sys_created_onBETWEENjavascript:gs.beginningOfToday()@javascript:gs.minutesAgo(5)";
    assert_eq!(found(&mut bench, today), ["saturday"]);
    let on = "sys_created_onONToday@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()";
    assert_eq!(found(&mut bench, on).len(), 2);
}

#[test]
fn classes_dynamic_filters_words_and_columns_are_compared() {
    let mut bench = Bench::new();
    let me = bench.column("sys_user", "user_name=sync", "sys_id").remove(0);
    bench.seed(
        "incident",
        json!({"short_description": "Disk is full", "assigned_to": me, "urgency": "1"}),
    );
    bench.seed("problem", json!({"short_description": "Disk"}));
    let task = |bench: &mut Bench, query: &str| bench.column("task", query, "short_description");
    assert_eq!(
        task(&mut bench, "sys_class_nameINSTANCEOFincident"),
        ["Disk is full"]
    );
    assert_eq!(task(&mut bench, "sys_class_nameINSTANCEOFtask").len(), 2);
    assert_eq!(task(&mut bench, "123TEXTQUERY321=full disk"), ["Disk is full"]);
    for query in [
        "assigned_toDYNAMIC90d1921e5f510100a9ad2572f2b477fe",
        "assigned_to=javascript:gs.getUserID()",
        "impactGT_FIELDurgency",
        "impactGT_OR_EQUALS_FIELDurgency",
    ] {
        assert_eq!(found(&mut bench, query), ["Disk is full"], "{query}");
    }
    assert!(found(&mut bench, "stateVALCHANGES").is_empty());
    assert!(found(&mut bench, "impactLT_OR_EQUALS_FIELDurgency").is_empty());
}

#[test]
fn what_a_related_query_may_not_see_is_dropped_like_any_other_part() {
    let mut bench = Bench::new();
    bench.instance.add_group("Database");
    assert_eq!(
        bench
            .list("sys_user_group", "RLQUERYno_such.group,>5^ENDRLQUERY")
            .len(),
        1
    );
    assert_eq!(
        bench
            .list("sys_user_group", "RLQUERYincident.no_such,>5^ENDRLQUERY")
            .len(),
        1
    );
    bench.instance.switches.invalid_query = crate::service_now::InvalidQuery::NoRows;
    assert_eq!(
        bench
            .list("sys_user_group", "RLQUERYno_such.group,>5^ENDRLQUERY")
            .len(),
        0
    );
}
