//! Value tables, unmapped values, and values as the two services spell them.

use serde_json::json;
use syncflow::core::definition::UnmappedPolicy;
use syncflow::core::side::{PerSide, Side};

use super::scene::{Scene, pair};

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn linked(mut scene: Scene) -> (Scene, String, String) {
    let case = scene.case("values");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    (scene, case, incident)
}

#[test]
fn two_values_of_one_row_are_equal_so_self_service_and_virtual_agent_both_leave_web_alone() {
    let mut scene = Scene::new();
    let incident = scene.make(
        SN,
        json!({"short_description": "channel", "category": "database", "contact_type": "self-service"}),
    );
    scene.sync();
    let case = scene.counterpart(SN, &incident).unwrap();
    assert_eq!(scene.field(SF, &case, "Origin"), "Web");
    let before = scene.writes();
    scene.edit(SN, &incident, json!({"contact_type": "virtual_agent"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Origin"), "Web");
    assert_eq!(scene.field(SN, &incident, "contact_type"), "virtual_agent");
    assert_eq!(scene.writes() - before, 1, "only the person wrote");
}

#[test]
fn email_changed_to_web_always_becomes_virtual_agent_the_first_listed() {
    let (mut scene, case, incident) = linked(Scene::new());
    assert_eq!(scene.field(SN, &incident, "contact_type"), "email");
    scene.edit(SF, &case, json!({"Origin": "Web"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "contact_type"), "virtual_agent");
}

#[test]
fn an_unmapped_value_holds_its_field_and_the_rest_of_the_record_syncs() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(
        SN,
        &incident,
        json!({"contact_type": "walk-in", "short_description": "synced anyway"}),
    );
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Subject"), "synced anyway");
    assert_eq!(
        scene.field(SF, &case, "Origin"),
        "Email",
        "the field keeps its base"
    );
    assert!(
        scene
            .report()
            .warnings
            .iter()
            .any(|warning| warning.reason.as_str() == "FieldsOnHold")
    );
    assert_eq!(scene.report().quarantined, 0);
    scene.edit(SN, &incident, json!({"contact_type": "phone"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Origin"), "Phone");
    assert!(scene.report().warnings.is_empty());
}

#[test]
fn a_held_value_goes_as_soon_as_the_table_has_a_row_for_it() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(SN, &incident, json!({"contact_type": "walk-in"}));
    scene.sync();
    scene.apply(|flow| {
        let row = syncflow::core::definition::ValuePair {
            values: PerSide {
                salesforce: "Phone".into(),
                service_now: "walk-in".into(),
            },
        };
        pair(flow, "Origin").values.push(row);
    });
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Origin"), "Phone");
    assert_eq!(scene.field(SN, &incident, "contact_type"), "walk-in");
}

#[test]
fn unmapped_quarantine_stops_the_record_and_names_the_remedy() {
    let scene = Scene::with(|flow| pair(flow, "Origin").unmapped = UnmappedPolicy::Quarantine);
    let (mut scene, case, incident) = linked(scene);
    scene.edit(
        SN,
        &incident,
        json!({"contact_type": "walk-in", "short_description": "waits too"}),
    );
    scene.sync();
    assert_eq!(scene.quarantined(), ["UnmappedValue"]);
    assert!(
        scene.report().quarantine[0]
            .problem
            .message
            .contains("contact_type")
    );
    assert_eq!(scene.field(SF, &case, "Subject"), "values");
}

#[test]
fn unmapped_default_sends_the_default() {
    let scene = Scene::with(|flow| {
        pair(flow, "Origin").unmapped = UnmappedPolicy::Default(PerSide {
            salesforce: Some("Web".into()),
            service_now: None,
        });
    });
    let (mut scene, case, incident) = linked(scene);
    scene.edit(SN, &incident, json!({"contact_type": "walk-in"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Origin"), "Web");
    assert_eq!(
        scene.field(SN, &incident, "contact_type"),
        "walk-in",
        "the default does not flow back"
    );
}

#[test]
fn a_new_record_with_an_unmapped_value_is_made_without_it_and_the_value_is_not_overwritten() {
    let mut scene = Scene::new();
    let incident = scene.make(
        SN,
        json!({"short_description": "walk-in", "category": "database", "contact_type": "walk-in"}),
    );
    scene.sync();
    assert!(scene.counterpart(SN, &incident).is_some());
    assert_eq!(scene.field(SN, &incident, "contact_type"), "walk-in");
}

#[test]
fn numbers_line_ends_and_blanks_do_not_make_two_equal_values_differ() {
    let (mut scene, case, incident) = linked(Scene::new());
    scene.edit(
        SF,
        &case,
        json!({"Score__c": 3.0, "Description": "two\r\nlines  "}),
    );
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "u_score"), "3");
    let before = scene.writes();
    scene.edit(SN, &incident, json!({"description": "two\nlines"}));
    scene.sync();
    assert!(
        scene.writes() - before <= 1,
        "no write answers a change of line ends"
    );
}

#[test]
fn a_value_that_is_too_long_is_quarantined_never_cut() {
    let (mut scene, case, incident) = linked(Scene::new());
    let long = "x".repeat(200);
    scene.edit(SF, &case, json!({"Subject": long.clone()}));
    scene.sync();
    assert_eq!(scene.quarantined(), ["ValueTooLong"]);
    assert_eq!(scene.field(SN, &incident, "short_description"), "values");
    assert_eq!(
        scene.field(SF, &case, "Subject"),
        long,
        "a cut copy never flows back"
    );
    scene.edit(SF, &case, json!({"Subject": "short again"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "short again");
    assert_eq!(scene.report().quarantined, 0);
}
