//! One-way fields, two-way fields, and what happens when both sides changed.

use serde_json::json;
use syncflow::core::definition::{ConflictPolicy, DriftPolicy};
use syncflow::core::side::Side;

use super::scene::{Scene, pair};

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn linked(mut scene: Scene) -> (Scene, String, String) {
    let case = scene.case("as it began");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    (scene, case, incident)
}

#[test]
fn an_edit_on_one_side_is_copied_and_nothing_else_is_written() {
    let (mut scene, case, incident) = linked(Scene::new());
    let before = scene.writes();
    scene.edit(SF, &case, json!({"Subject": "edited"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "edited");
    assert_eq!(scene.writes() - before, 2, "the person's write and ours");
}

#[test]
fn different_fields_edited_on_both_sides_are_no_conflict() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, json!({"Subject": "from Salesforce"}));
    scene.edit(SN, &incident, json!({"description": "from ServiceNow"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "from Salesforce");
    assert_eq!(scene.field(SF, &case, "Description"), "from ServiceNow");
    assert_eq!(scene.report().conflicts, 0);
}

#[test]
fn both_sides_changed_to_the_same_is_adopted_without_a_write() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, json!({"Subject": "agreed"}));
    scene.edit(SN, &incident, json!({"short_description": "agreed"}));
    let before = scene.writes();
    scene.sync();
    assert_eq!(scene.writes(), before);
    assert_eq!(scene.report().conflicts, 0);
}

#[test]
fn the_most_recent_change_wins_and_the_loser_is_journalled() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, json!({"Subject": "earlier"}));
    scene.edit(SN, &incident, json!({"short_description": "later"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Subject"), "later");
    assert_eq!(scene.field(SN, &incident, "short_description"), "later");
    assert_eq!(scene.report().conflicts, 1);
    assert_eq!(scene.journal(), [("earlier".to_owned(), "later".to_owned())]);
}

#[test]
fn our_own_writes_move_a_records_clock_and_do_not_count_as_recent() {
    let (mut scene, case, incident) = linked(Scene::new());
    // A person edits the incident, then the flow writes the incident (from another edit of the case), and only then
    // does a conflict arise on the first field.
    scene.edit(SN, &incident, json!({"short_description": "incident, first"}));
    scene.sync();
    scene.edit(
        SF,
        &case,
        json!({"Description": "moves the incident's clock through us"}),
    );
    scene.sync();
    scene.edit(SN, &incident, json!({"short_description": "incident, earlier"}));
    scene.edit(SF, &case, json!({"Subject": "case, later"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "case, later");
}

#[test]
fn a_tie_goes_to_salesforce() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, json!({"Subject": "case"}));
    scene.set_up(|world| world.now -= 5_000);
    scene.edit(SN, &incident, json!({"short_description": "incident"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "case");
}

#[test]
fn a_preference_wins_whatever_the_clocks_say_and_a_fields_own_policy_overrides_the_flows() {
    let scene = Scene::with(|flow| {
        flow.conflict = ConflictPolicy::PreferSalesforce;
        pair(flow, "Description").conflict = Some(ConflictPolicy::PreferServiceNow);
    });
    let (mut scene, case, incident) = linked(scene);
    scene.edit(SF, &case, json!({"Subject": "s", "Description": "s"}));
    scene.edit(
        SN,
        &incident,
        json!({"short_description": "n", "description": "n"}),
    );
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "s");
    assert_eq!(scene.field(SF, &case, "Description"), "n");
}

#[test]
fn an_edit_at_the_target_of_a_one_way_field_is_put_right_and_journalled() {
    let (mut scene, case, incident) = linked(Scene::new());
    let number = scene.field(SN, &incident, "number");
    scene.edit(SF, &case, json!({"ServiceNow_Number__c": "scribble"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "ServiceNow_Number__c"), number);
    assert_eq!(scene.journal(), [("scribble".to_owned(), number)]);
}

#[test]
fn with_drift_ignore_an_edit_at_the_target_stands_until_the_source_changes() {
    let scene = Scene::with(|flow| pair(flow, "Escalation__c").drift = Some(DriftPolicy::Ignore));
    let (mut scene, case, incident) = linked(scene);
    scene.edit(SF, &case, json!({"Escalation__c": "one"}));
    scene.sync();
    scene.edit(SN, &incident, json!({"u_escalation": "scribble"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "u_escalation"), "scribble");
    scene.edit(SF, &case, json!({"Escalation__c": "two"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "u_escalation"), "two");
    assert_eq!(
        scene.journal(),
        [("scribble".to_owned(), "two".to_owned())],
        "what was overwritten leaves a trace"
    );
}

#[test]
fn clearing_a_field_clears_it_on_the_other_side() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SF, &case, json!({"Description": "to be cleared"}));
    scene.sync();
    scene.edit(SN, &incident, json!({"description": ""}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Description"), "");
}

#[test]
fn at_rest_nothing_is_written_anywhere() {
    let (mut scene, _, _) = linked(Scene::new());
    scene.incident("another");
    scene.sync();
    let before = (scene.writes(), scene.store.writes());
    scene.run_minutes(120);
    assert_eq!((scene.writes(), scene.store.writes()), before);
}

/// A person edits the case at one moment of the flow's own write to it. Which values there were, and which are kept.
fn squeezed_in(guarded: bool, moment: u32) -> Option<bool> {
    let (mut scene, case, incident) = linked(Scene::with(|flow| flow.guarded_writes = guarded));
    scene.edit(SN, &incident, json!({"short_description": "from the incident"}));
    while scene.links()[0].intents[SF].is_none() {
        scene.step(1);
        scene.skip_sleep();
    }
    scene.step(moment);
    if scene.field(SF, &case, "Subject") == "from the incident" {
        return None;
    }
    scene.edit(SF, &case, json!({"Subject": "squeezed in"}));
    scene.run_minutes(20);
    let kept = scene.field(SF, &case, "Subject") == "squeezed in"
        || scene.journal().iter().any(|(lost, _)| lost == "squeezed in");
    Some(kept)
}

#[test]
fn with_guarded_writes_no_edit_is_overwritten_unseen_at_any_moment_before_the_write() {
    let outcomes =
        |guarded| -> Vec<bool> { (0..80).map_while(|moment| squeezed_in(guarded, moment)).collect() };
    let guarded = outcomes(true);
    assert!(guarded.len() > 3, "{guarded:?}");
    assert!(guarded.iter().all(|kept| *kept), "{guarded:?}");
    let plain = outcomes(false);
    assert!(
        plain.iter().any(|kept| !*kept),
        "without them there is such a moment: {plain:?}"
    );
}

#[test]
fn what_was_looked_at_is_written_before_other_records_are_made() {
    let mut scene = Scene::new();
    let case = scene.case("as it began");
    scene.sync();
    let incident = scene.counterpart(Side::Salesforce, &case).unwrap();
    scene.edit(
        Side::ServiceNow,
        &incident,
        json!({"short_description": "to be copied"}),
    );
    scene.incident("gets a case of its own");
    scene.skip_sleep();
    scene.step_until(|scene| scene.all(Side::Salesforce).len() == 2);
    assert_eq!(
        scene.field(Side::Salesforce, &case, "Subject"),
        "to be copied",
        "every call between the last look and the write is time in which somebody is overwritten unseen"
    );
}
