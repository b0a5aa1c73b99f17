//! Hazards of reading: H1 to H5, H11 and H15.

use std::time::Duration;

use serde_json::json;
use syncflow::core::side::Side;
use syncflow_simulators::service_now::{Acl, Grant, Operation};

use crate::promises::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

/// Every one of these has exactly one counterpart.
fn all_paired(scene: &Scene, side: Side, ids: &[String]) {
    let alone: Vec<&String> = ids
        .iter()
        .filter(|id| scene.counterpart(side, id).is_none())
        .collect();
    assert!(
        alone.is_empty(),
        "{side} records without a counterpart: {alone:?}"
    );
}

/// Pages far smaller than the number of rows.
fn small_pages(scene: &Scene) {
    scene.set_up(|world| {
        world.salesforce.model.settings.largest_page = 3;
        world.service_now.model.switches.truncates_lists_over = Some(20);
    });
}

/// H1: stamps are whole seconds, so a page may end in the middle of one.
#[test]
pub fn h01_rows_of_one_second_are_all_read() {
    let mut scene = Scene::new();
    small_pages(&scene);
    let cases: Vec<String> = (0..40).map(|n| scene.case(&format!("case {n}"))).collect();
    let incidents: Vec<String> = (0..40)
        .map(|n| scene.incident(&format!("incident {n}")))
        .collect();
    scene.run_minutes(9);
    all_paired(&scene, SF, &cases);
    all_paired(&scene, SN, &incidents);
    assert_eq!(scene.made_by_the_flow(), 80);
}

/// H2: an edit moves its row behind the page that is read, and rows that tie come in another order at each call.
#[test]
pub fn h02_rows_that_move_while_pages_are_read_are_neither_skipped_nor_doubled() {
    let mut scene = Scene::new();
    small_pages(&scene);
    scene.set_up(|world| {
        world.salesforce.model.settings.uneven_pages = true;
        world.service_now.model.switches.shuffles_ties = true;
    });
    let cases: Vec<String> = (0..30).map(|n| scene.case(&format!("case {n}"))).collect();
    let incidents: Vec<String> = (0..40)
        .map(|n| scene.incident(&format!("incident {n}")))
        .collect();
    for n in 0..30 {
        scene.step(5);
        scene.edit(SF, &cases[n], json!({"Subject": format!("moved case {n}")}));
        scene.edit(
            SN,
            &incidents[n],
            json!({"short_description": format!("moved incident {n}")}),
        );
    }
    scene.run_minutes(15);
    all_paired(&scene, SF, &cases);
    all_paired(&scene, SN, &incidents);
    assert_eq!(scene.made_by_the_flow(), 70);
    for (n, case) in cases.iter().enumerate() {
        let incident = scene.counterpart(SF, case).unwrap();
        assert_eq!(
            scene.field(SN, &incident, "short_description"),
            format!("moved case {n}")
        );
    }
}

/// H3: a row carries the stamp of its write and is shown when its transaction ends, after younger ones perhaps.
#[test]
pub fn h03_a_change_that_shows_late_is_still_read() {
    for side in Side::BOTH {
        let mut scene = Scene::new();
        let cases = [scene.case("late"), scene.case("early")];
        scene.run_minutes(2);
        let on_side = cases.clone().map(|case| match side {
            SF => case,
            SN => scene.counterpart(SF, &case).unwrap(),
        });
        let [late, early] = on_side;
        let (field, partner_field) = match side {
            SF => ("Subject", "short_description"),
            SN => ("short_description", "Subject"),
        };
        let partner = match side {
            SF => scene.counterpart(SF, &late).unwrap(),
            SN => cases[0].clone(),
        };
        scene.set_up(|world| {
            world.salesforce.model.settings.late_commit_seconds = 100;
            world.service_now.model.switches.late_commit_seconds = 100;
        });
        scene.edit(side, &late, json!({field: "shown after a hundred seconds"}));
        scene.set_up(|world| {
            world.salesforce.model.settings.late_commit_seconds = 0;
            world.service_now.model.switches.late_commit_seconds = 0;
        });
        scene.edit(side, &early, json!({field: "shown at once"}));
        // Before the slow walk over all linked records would find it.
        scene.run_minutes(7);
        assert_eq!(
            scene.field(side.other(), &partner, partner_field),
            "shown after a hundred seconds"
        );
    }
}

/// H4: the limit counts rows before access rules take some away, so a page may be short, or empty, with more behind it.
#[test]
pub fn h04_rows_that_access_rules_hide_end_no_scan_and_are_reported() {
    let mut scene = Scene::new();
    small_pages(&scene);
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("incident", None, Operation::Read);
        let partly = Acl::row("incident", Operation::Read, Grant::Role("itil".into()))
            .when("short_description!=secret");
        world.service_now.model.add_acl(partly);
    });
    for _ in 0..40 {
        scene.incident("secret");
    }
    scene.set_up(|world| world.pass(Duration::from_secs(90)));
    let shown: Vec<String> = (0..30).map(|n| scene.incident(&format!("shown {n}"))).collect();
    // Long ago: no overlap reaches back to them once a scan was taken for complete.
    scene.set_up(|world| world.pass(Duration::from_hours(1)));
    scene.run_minutes(9);
    all_paired(&scene, SN, &shown);
    assert_eq!(scene.made_by_the_flow(), 30, "nothing is made of what is hidden");
    let warned = scene
        .report()
        .warnings
        .iter()
        .any(|warning| warning.reason.as_str() == "RowsHidden");
    assert!(warned, "{:?}", scene.report().warnings);
}

/// H5: a condition that our user may not use is left out of the query, and everything comes back.
#[test]
pub fn h05_a_filter_that_is_dropped_later_stops_the_flow_and_says_so() {
    let mut scene = Scene::new();
    for n in 0..3 {
        scene.make(
            SN,
            json!({"short_description": format!("old {n}"), "category": "network"}),
        );
    }
    scene.set_up(|world| world.pass(Duration::from_hours(2)));
    let incident = scene.incident("before");
    scene.sync();
    let case = scene.counterpart(SN, &incident).unwrap();
    let before = scene.made_by_the_flow();
    scene.set_up(|world| {
        let nobody = Acl::field("task", "sys_updated_on", Operation::QueryRange, Grant::Nobody);
        world.service_now.model.add_acl(nobody);
    });
    scene.edit(SN, &incident, json!({"short_description": "after"}));
    scene.sync();
    let problem = scene.failure();
    assert_eq!(problem.reason.as_str(), "FilterIgnored", "{}", problem.message);
    assert!(problem.message.contains("incident"), "{}", problem.message);
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("task", Some("sys_updated_on"), Operation::QueryRange);
    });
    scene.run_minutes(15);
    assert_eq!(scene.field(SF, &case, "Subject"), "after", "nothing was lost");
    assert_eq!(scene.made_by_the_flow(), before);
}

/// H11: a record that is not found may be deleted, hidden, or out of the filter.
#[test]
pub fn h11_a_record_that_cannot_be_found_is_not_called_deleted() {
    let mut scene = Scene::new();
    let case = scene.case("hidden for a while");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("incident", None, Operation::Read);
        let hidden = Acl::row("incident", Operation::Read, Grant::Role("itil".into()))
            .when("short_description!=hidden for a while");
        world.service_now.model.add_acl(hidden);
    });
    scene.edit(SF, &case, json!({"Subject": "edited meanwhile"}));
    scene.run_minutes(20);
    assert_eq!(scene.quarantined(), ["RecordNotVisible"]);
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("incident", None, Operation::Read);
        let everybody = Acl::row("incident", Operation::Read, Grant::Role("itil".into()));
        world.service_now.model.add_acl(everybody);
    });
    scene.edit(SF, &case, json!({"Subject": "edited again"}));
    scene.run_minutes(30);
    assert_eq!(scene.field(SN, &incident, "short_description"), "edited again");
    assert_eq!(scene.made_by_the_flow(), 1);
}

/// H15: events get lost and their logs end after three days; polling is the truth, so nothing depends on one.
#[test]
pub fn h15_after_days_without_hearing_anything_every_change_is_found() {
    let mut scene = Scene::new();
    let (case, incident) = (scene.case("linked case"), scene.incident("linked incident"));
    scene.sync();
    scene.kill();
    let (new_case, new_incident) = (scene.case("new case"), scene.incident("new incident"));
    scene.edit(SF, &case, json!({"Subject": "edited on the first day"}));
    scene.edit(
        SN,
        &incident,
        json!({"short_description": "edited on the first day too"}),
    );
    scene.set_up(|world| world.pass(Duration::from_hours(24 * 5)));
    scene.sync();
    all_paired(&scene, SF, &[case.clone(), new_case]);
    all_paired(&scene, SN, &[incident.clone(), new_incident]);
    let partner = scene.counterpart(SF, &case).unwrap();
    assert_eq!(
        scene.field(SN, &partner, "short_description"),
        "edited on the first day"
    );
    let partner = scene.counterpart(SN, &incident).unwrap();
    assert_eq!(
        scene.field(SF, &partner, "Subject"),
        "edited on the first day too"
    );
}
