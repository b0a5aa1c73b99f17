//! Rights that Salesforce's user lacks: told by name before the first write, and all at once. What ServiceNow tells only by
//! refusing is in `shared_trouble`.

use serde_json::json;
use syncflow::core::side::Side;
use syncflow_simulators::salesforce::{FieldAccess, INTEGRATION_USER, ObjectRights};

use super::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn let_create_cases(scene: &Scene, create: bool) {
    scene.set_up(|world| {
        let rights = ObjectRights {
            create,
            ..ObjectRights::default()
        };
        let org = &mut world.salesforce.model;
        org.set_object_rights(INTEGRATION_USER, "Case", rights).unwrap();
    });
}

fn set_access(scene: &Scene, field: &str, access: FieldAccess) {
    scene.set_up(|world| {
        let org = &mut world.salesforce.model;
        org.set_field_access(INTEGRATION_USER, "Case", field, access)
            .unwrap();
    });
}

#[test]
fn every_missing_right_is_told_at_once_and_the_flow_begins_when_all_are_given() {
    let mut scene = Scene::new();
    let_create_cases(&scene, false);
    for field in ["Subject", "Origin"] {
        set_access(&scene, field, FieldAccess::ReadOnly);
    }
    let incident = scene.incident("waits for the right");
    scene.sync();
    let problem = scene.failure();
    assert_eq!(problem.reason.as_str(), "MissingRights");
    for named in ["Create on Case", "Edit on Case.Origin, Case.Subject"] {
        assert!(problem.message.contains(named), "{}", problem.message);
    }

    let_create_cases(&scene, true);
    set_access(&scene, "Origin", FieldAccess::Write);
    scene.run_minutes(10);
    let problem = scene.failure();
    assert!(!problem.message.contains("Create") && problem.message.contains("Case.Subject"));

    set_access(&scene, "Subject", FieldAccess::Write);
    scene.run_minutes(10);
    assert!(scene.counterpart(SN, &incident).is_some());
}

#[test]
fn a_right_that_vanishes_while_the_flow_runs_is_told_after_the_first_refusal_and_nothing_is_lost() {
    let mut scene = Scene::new();
    let incident = scene.incident("before");
    scene.sync();
    let case = scene.counterpart(SN, &incident).unwrap();
    set_access(&scene, "Subject", FieldAccess::ReadOnly);
    scene.edit(SN, &incident, json!({"short_description": "after"}));
    scene.sync();
    let problem = scene.failure();
    assert_eq!(problem.reason.as_str(), "MissingRights");
    assert!(
        problem.message.contains("Edit on Case.Subject"),
        "{}",
        problem.message
    );

    set_access(&scene, "Subject", FieldAccess::Write);
    scene.run_minutes(60);
    assert_eq!(scene.field(SF, &case, "Subject"), "after");
    assert_eq!(scene.report().quarantined, 0);
}
