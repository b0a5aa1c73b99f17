//! Texts that one side cannot hold whole.

use serde_json::json;
use syncflow::core::definition::TruncatePolicy;
use syncflow::core::side::Side;
use syncflow_simulators::service_now::BusinessRule;

use super::scene::{Scene, pair};
use crate::settings::normalised;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

/// `short_description` holds 160 characters, `Description` 32,000.
fn cutting() -> Scene {
    Scene::with(|flow| {
        let fields = &mut pair(flow, "Description").fields;
        fields.service_now = "short_description".parse().unwrap();
        pair(flow, "Description").truncate = TruncatePolicy::Cut;
        pair(flow, "Subject").fields.service_now = "description".parse().unwrap();
    })
}

fn long(first: &str) -> String {
    format!("{first} {}", "x".repeat(400))
}

/// A case with a long text, and its incident.
fn cut() -> (Scene, String, String) {
    let mut scene = cutting();
    let case = scene.case("long");
    scene.edit(SF, &case, json!({"Description": long("whole")}));
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    (scene, case, incident)
}

#[test]
fn a_long_text_is_cut_with_a_marker_and_the_whole_stays_whole() {
    let (mut scene, case, incident) = cut();
    let copy = scene.field(SN, &incident, "short_description");
    assert!(
        copy.starts_with("whole xxx") && copy.ends_with("... [cut]"),
        "{copy}"
    );
    assert!(copy.len() <= 160);
    scene.run_minutes(20);
    assert_eq!(scene.field(SF, &case, "Description"), long("whole"));
    assert_eq!(scene.report().quarantined, 0);
}

#[test]
fn a_cut_copy_never_flows_back_even_after_the_loss_of_all_state_and_a_newer_edit_of_the_copys_record() {
    let (mut scene, case, incident) = cut();
    scene.edit(SF, &case, json!({"Description": long("newer whole")}));
    scene.delete_and_apply_again();
    scene.edit(
        SN,
        &incident,
        json!({"description": "makes the incident the more recent"}),
    );
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Description"), long("newer whole"));
    let copy = scene.field(SN, &incident, "short_description");
    assert!(
        copy.starts_with("newer whole") && copy.ends_with("... [cut]"),
        "{copy}"
    );
}

#[test]
fn a_cut_copy_is_known_for_one_also_where_a_rule_turns_its_marker_into_capitals() {
    let mut scene = cutting();
    scene.set_up(|world| {
        let shouts = BusinessRule::before("shouts", "incident", |row| {
            if let Some(text) = row.get_mut("short_description") {
                *text = normalised(text);
            }
        });
        world.service_now.model.add_rule(shouts);
    });
    let case = scene.case("long");
    scene.edit(SF, &case, json!({"Description": long("whole")}));
    scene.sync();
    scene.delete_and_apply_again();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.edit(
        SN,
        &incident,
        json!({"description": "makes the incident the more recent"}),
    );
    scene.run_minutes(5);
    assert_eq!(scene.field(SF, &case, "Description"), long("whole"));
}

#[test]
fn an_edited_copy_waits_and_is_said_and_replaces_the_whole_once_its_marker_is_gone() {
    let (mut scene, case, incident) = cut();
    scene.edit(SN, &incident, json!({"short_description": "edited ... [cut]"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Description"), long("whole"));
    assert_eq!(
        scene.field(SN, &incident, "short_description"),
        "edited ... [cut]"
    );
    assert!(
        scene
            .report()
            .warnings
            .iter()
            .any(|warning| warning.reason.as_str() == "CutCopyEdited")
    );
    scene.edit(SN, &incident, json!({"short_description": "edited, and meant"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Description"), "edited, and meant");
}

#[test]
fn a_text_that_fits_again_is_copied_whole() {
    let (mut scene, case, incident) = cut();
    scene.edit(SF, &case, json!({"Description": "short again"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "short again");
}

#[test]
fn a_field_too_short_for_a_marker_is_refused_before_the_first_write() {
    let mut scene = Scene::with(|flow| pair(flow, "Score__c").truncate = TruncatePolicy::Cut);
    scene.case("waits");
    scene.sync();
    assert_eq!(scene.failure().reason.as_str(), "InvalidMapping");
    assert!(
        scene.failure().message.contains("Score__c"),
        "{}",
        scene.failure().message
    );
}
