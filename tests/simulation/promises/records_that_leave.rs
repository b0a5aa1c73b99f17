//! Leaving the rules, coming back, and being deleted.

use serde_json::json;
use syncflow::core::definition::ExitPolicy;
use syncflow::core::link::Phase;
use syncflow::core::side::Side;
use syncflow_simulators::service_now::{Acl, Grant, Operation};

use super::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn linked(mut scene: Scene) -> (Scene, String, String) {
    let case = scene.case("in the rules");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    (scene, case, incident)
}

fn leaving() -> serde_json::Value {
    json!({"Subject": "the last word", "ServiceNow_Assignment_Group__c": "Network"})
}

#[test]
fn the_change_that_makes_a_record_leave_is_still_sent_and_later_ones_are_not() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, leaving());
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "the last word");
    assert_eq!(scene.links()[0].phase, Phase::Dormant);
    scene.edit(SF, &case, json!({"Subject": "outside"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "the last word");
}

#[test]
fn with_unlink_the_leaving_change_is_not_sent() {
    let (mut scene, case, incident) = linked(Scene::with(|flow| flow.on_exit = ExitPolicy::Unlink));
    scene.edit(SF, &case, leaving());
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "in the rules");
}

#[test]
fn with_keep_syncing_the_rules_only_let_in() {
    let (mut scene, case, incident) = linked(Scene::with(|flow| flow.on_exit = ExitPolicy::KeepSyncing));
    scene.edit(SF, &case, leaving());
    scene.edit(SF, &case, json!({"Subject": "still heard"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "still heard");
}

#[test]
fn a_record_that_comes_back_resumes_the_same_pair_as_after_a_suspension() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, leaving());
    scene.sync();
    scene.edit(SN, &incident, json!({"description": "said meanwhile"}));
    scene.edit(
        SF,
        &case,
        json!({"Subject": "back", "ServiceNow_Assignment_Group__c": "Product"}),
    );
    scene.sync();
    assert_eq!(scene.counterpart(SF, &case), Some(incident.clone()));
    assert_eq!(scene.field(SN, &incident, "short_description"), "back");
    assert_eq!(scene.field(SF, &case, "Description"), "said meanwhile");
    assert_eq!(scene.made_by_the_flow(), 1);
}

#[test]
fn a_link_is_in_scope_while_the_rules_of_either_originating_side_hold() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SN, &incident, json!({"category": "database"}));
    scene.edit(SF, &case, leaving());
    scene.sync();
    scene.edit(SF, &case, json!({"Subject": "held by the other side's rules"}));
    scene.sync();
    assert_eq!(
        scene.field(SN, &incident, "short_description"),
        "held by the other side's rules"
    );
}

#[test]
fn a_proven_deletion_ends_the_link_and_keeps_the_other_record() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.set_up(|world| {
        let right = Acl::row("sys_audit_delete", Operation::Read, Grant::Role("itil".into()));
        world.service_now.model.add_acl(right);
    });
    scene.delete(SN, &incident);
    scene.run_minutes(15);
    assert_eq!(scene.links()[0].phase, Phase::Tombstone);
    assert_eq!(scene.report().linked, 0);
    assert_eq!(scene.field(SF, &case, "Subject"), "in the rules");
    assert_eq!(scene.report().quarantined, 0);
}

#[test]
fn a_deleted_case_ends_the_link_and_keeps_the_incident() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.delete(SF, &case);
    scene.run_minutes(15);
    assert_eq!(scene.links()[0].phase, Phase::Tombstone);
    scene.edit(
        SN,
        &incident,
        json!({"category": "database", "short_description": "goes on alone"}),
    );
    scene.run_minutes(15);
    assert_eq!(scene.all(SF).len(), 0, "a record with a stamp never originates");
}

#[test]
fn absence_without_proof_is_no_deletion_and_is_reported() {
    let (mut scene, _case, incident) = linked(Scene::new());
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("incident", None, Operation::Read);
        let hidden = Acl::row("incident", Operation::Read, Grant::Role("itil".into()))
            .when("short_description!=in the rules");
        world.service_now.model.add_acl(hidden);
    });
    scene.run_minutes(15);
    assert_ne!(scene.links()[0].phase, Phase::Tombstone);
    assert_eq!(scene.quarantined(), ["RecordNotVisible"]);
    assert!(scene.report().quarantine[0].problem.message.contains(&incident));
}

#[test]
fn keep_syncing_wakes_the_links_that_sleep() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, leaving());
    scene.sync();
    scene.edit(SF, &case, json!({"Subject": "while asleep"}));
    scene.sync();
    scene.apply(|flow| flow.on_exit = ExitPolicy::KeepSyncing);
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "while asleep");
}

#[test]
fn an_edit_made_while_a_link_slept_is_dated_when_it_was_made() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, leaving());
    scene.sync();
    scene.edit(SF, &case, json!({"Subject": "earlier"}));
    scene.sync();
    scene.edit(SN, &incident, json!({"short_description": "later"}));
    scene.sync();
    scene.edit(SN, &incident, json!({"category": "database"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Subject"), "later");
}
