//! What a proven deletion does to the counterpart, and what keeps it from doing so.

use serde_json::json;
use syncflow::core::definition::{DeletePolicy, Direction, ExitPolicy, MarkDefinition};
use syncflow::core::link::Phase;
use syncflow::core::side::{PerSide, Side};
use syncflow_simulators::service_now::{BusinessRule, Operation};
use syncflow_simulators::{Effect, Fault};

use super::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn deleting() -> Scene {
    Scene::with(|flow| flow.on_delete = DeletePolicy::DeleteCounterpart)
}

/// A pair among three, so that one deletion is no emptied side.
fn linked(mut scene: Scene) -> (Scene, String, String) {
    scene.let_deletions_be_proven();
    let case = scene.case("to be deleted");
    scene.case("stays");
    scene.case("stays too");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    (scene, case, incident)
}

fn phase(scene: &Scene, case: &str) -> Phase {
    scene
        .links()
        .into_iter()
        .find(|link| link.ids[SF].as_ref().is_some_and(|id| id.as_str() == case))
        .unwrap()
        .phase
}

#[test]
fn with_delete_counterpart_a_proven_deletion_takes_the_counterpart_along_and_nobody_else() {
    for side in Side::BOTH {
        let (mut scene, case, incident) = linked(deleting());
        let (gone, other) = if side == SF {
            (&case, &incident)
        } else {
            (&incident, &case)
        };
        scene.delete(side, gone);
        scene.run_minutes(15);
        assert!(!scene.exists(side.other(), other), "{side}");
        assert_eq!(phase(&scene, &case), Phase::Tombstone);
        assert_eq!((scene.all(SF).len(), scene.all(SN).len()), (2, 2));
        assert_eq!(scene.report().quarantined, 0);
    }
}

#[test]
fn what_a_deleted_counterpart_held_is_in_the_journal() {
    let (mut scene, case, _) = linked(deleting());
    scene.delete(SF, &case);
    scene.run_minutes(15);
    let journal = scene.journal();
    assert_eq!(journal.len(), 1);
    let held: serde_json::Value = serde_json::from_str(&journal[0].0).unwrap();
    assert_eq!(held["short_description"], "to be deleted");
}

#[test]
fn a_deletion_is_found_within_minutes_where_the_service_keeps_a_log_of_them() {
    let (mut scene, case, incident) = linked(deleting());
    scene.run_minutes(20);
    scene.delete(SF, &case);
    scene.run_minutes(8);
    assert!(!scene.exists(SN, &incident));
}

#[test]
fn who_asks_for_a_sync_now_has_deletions_found_now() {
    let (mut scene, case, incident) = linked(deleting());
    scene.run_minutes(20);
    scene.delete(SF, &case);
    // Salesforce counts its log in minutes.
    scene.run_seconds(60);
    scene.ask(|requests| requests.sync_now = Some("now".into()));
    scene.run_seconds(5);
    scene.ask(|requests| requests.sync_now = Some("and again".into()));
    scene.run_seconds(20);
    assert!(!scene.exists(SN, &incident));
}

#[test]
fn a_record_that_is_undeleted_before_its_counterpart_was_deleted_goes_on_as_if_nothing_had_happened() {
    let (mut scene, case, incident) = linked(deleting());
    scene.delete(SF, &case);
    // Just until it is noticed.
    while scene.links().iter().all(|link| link.departure.is_none()) {
        scene.run_seconds(5);
    }
    scene.undelete(SF, &case);
    scene.sync();
    assert!(scene.exists(SN, &incident));
    scene.edit(SF, &case, json!({"Subject": "back again"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "back again");
    assert_eq!(scene.report().linked, 3);
}

#[test]
fn a_record_that_was_deleted_before_it_had_a_counterpart_gets_one_when_it_is_undeleted() {
    let mut scene = deleting();
    scene.set_up(|world| {
        let refuses = BusinessRule::abort("refuses", "incident", "short_descriptionSTARTSWITHto be");
        world.service_now.model.add_rule(refuses);
    });
    let case = scene.case("to be deleted");
    scene.sync();
    assert_eq!(scene.quarantined().len(), 1);
    scene.delete(SF, &case);
    scene.run_minutes(15);
    assert_eq!(phase(&scene, &case), Phase::Tombstone);
    scene.set_up(|world| world.service_now.model.remove_rule("refuses"));
    scene.undelete(SF, &case);
    scene.run_minutes(15);
    let incident = scene.counterpart(SF, &case).expect("it has one");
    assert_eq!(scene.field(SN, &incident, "short_description"), "to be deleted");
    assert_eq!((scene.report().linked, scene.made_by_the_flow()), (1, 1));
}

#[test]
fn a_counterpart_with_an_edit_that_was_never_synced_is_kept_and_reported() {
    let (mut scene, case, incident) = linked(deleting());
    scene.edit(SN, &incident, json!({"description": "an hour of work"}));
    scene.delete(SF, &case);
    scene.run_minutes(15);
    assert_eq!(scene.field(SN, &incident, "description"), "an hour of work");
    assert_eq!(scene.quarantined(), ["CounterpartEdited"]);
    let message = scene.report().quarantine[0].problem.message.clone();
    assert!(
        message.contains("description") && !message.contains("an hour"),
        "{message}"
    );
    scene.delete(SN, &incident);
    scene.run_minutes(15);
    assert_eq!(
        scene.report().quarantined,
        0,
        "deleted by hand, there is nothing left to decide"
    );
}

#[test]
fn an_edit_between_the_plan_and_the_deletion_keeps_the_counterpart() {
    // Whatever the moment at which somebody edits the incident: it is never deleted with the edit unread.
    for moment in 0..60 {
        let (mut scene, case, incident) = linked(deleting());
        scene.delete(SF, &case);
        while scene.links().iter().all(|link| link.departure.is_none()) {
            scene.run_seconds(5);
        }
        scene.run_seconds(50);
        scene.step(moment);
        if !scene.exists(SN, &incident) {
            break;
        }
        let sending = scene.links().iter().any(|link| link.intents[SN].is_some());
        scene.edit(SN, &incident, json!({"description": "just in time"}));
        scene.run_minutes(5);
        // Between the last look and the call itself nobody can be heard.
        assert!(scene.exists(SN, &incident) || sending, "at step {moment}");
    }
}

#[test]
fn in_a_one_way_flow_deleting_the_copy_never_deletes_the_original() {
    let (mut scene, case, incident) = linked(Scene::with(|flow| {
        flow.direction = Direction::SalesforceToServiceNow;
        flow.sides.salesforce.on_create.clear();
        flow.on_delete = DeletePolicy::DeleteCounterpart;
    }));
    scene.delete(SN, &incident);
    scene.run_minutes(15);
    assert!(scene.exists(SF, &case));
    assert_eq!(phase(&scene, &case), Phase::Tombstone);
}

#[test]
fn the_deletion_of_a_record_that_left_the_rules_takes_nothing_along() {
    let (mut scene, case, incident) = linked(Scene::with(|flow| {
        flow.on_delete = DeletePolicy::DeleteCounterpart;
        flow.on_exit = ExitPolicy::Unlink;
    }));
    scene.edit(SF, &case, json!({"ServiceNow_Assignment_Group__c": "Network"}));
    scene.sync();
    scene.delete(SF, &case);
    scene.run_minutes(15);
    assert!(scene.exists(SN, &incident));
    assert_eq!(phase(&scene, &case), Phase::Tombstone);
}

#[test]
fn with_mark_the_counterpart_stays_and_says_that_its_partner_is_gone() {
    let mark = |field: &str, value: &str| {
        Some(MarkDefinition {
            field: field.parse().unwrap(),
            value: value.into(),
        })
    };
    let (mut scene, case, incident) = linked(Scene::with(|flow| {
        flow.on_delete = DeletePolicy::Mark(PerSide {
            salesforce: mark("Status", "Closed"),
            service_now: mark("close_notes", "its case was deleted"),
        });
    }));
    scene.edit(SN, &incident, json!({"close_notes": "said before"}));
    scene.sync();
    scene.delete(SF, &case);
    scene.run_minutes(15);
    assert_eq!(scene.field(SN, &incident, "close_notes"), "its case was deleted");
    assert_eq!(scene.field(SN, &incident, "short_description"), "to be deleted");
    assert_eq!(phase(&scene, &case), Phase::Tombstone);
    assert!(
        scene.journal()[0].0.contains("said before"),
        "what the mark overwrote is kept"
    );
}

#[test]
fn a_lost_answer_to_a_deletion_is_settled_by_looking_and_nothing_else_is_deleted() {
    let (mut scene, case, incident) = linked(deleting());
    scene.set_up(|world| {
        for call in ["servicenow.delete", "servicenow.batch"] {
            world
                .service_now
                .faults
                .add(Fault::once(call, Effect::LoseAnswer));
        }
    });
    scene.delete(SF, &case);
    scene.run_minutes(20);
    assert!(!scene.exists(SN, &incident));
    assert_eq!(phase(&scene, &case), Phase::Tombstone);
    assert_eq!(scene.all(SN).len(), 2);
}

#[test]
fn a_process_that_dies_at_any_moment_deletes_what_it_should_and_nothing_else() {
    for moment in (0..120).step_by(3) {
        let (mut scene, case, incident) = linked(deleting());
        scene.delete(SF, &case);
        while scene.links().iter().all(|link| link.departure.is_none()) {
            scene.run_seconds(5);
        }
        scene.run_seconds(40);
        scene.step(moment);
        scene.kill();
        scene.run_minutes(15);
        assert!(!scene.exists(SN, &incident), "killed after {moment} steps");
        assert_eq!(phase(&scene, &case), Phase::Tombstone);
        assert_eq!(scene.all(SN).len(), 2);
        assert_eq!(
            scene.journal().len(),
            1,
            "journalled once, killed after {moment} steps"
        );
    }
}

#[test]
fn records_that_cannot_be_seen_any_more_are_no_deletions() {
    let (mut scene, _, incident) = linked(deleting());
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("incident", None, Operation::Read);
    });
    scene.run_minutes(30);
    assert_eq!(scene.all(SF).len(), 3);
    assert!(scene.exists(SN, &incident));
}
