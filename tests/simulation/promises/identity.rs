//! What only the services can tell is told before the first write, and a credential that leads elsewhere stops the flow.

use serde_json::json;
use syncflow::core::definition::{Operator, RuleDefinition};
use syncflow::core::side::Side;
use syncflow_simulators::salesforce::{Field, FieldAccess, FieldType, INTEGRATION_USER, ObjectRights};

use super::scene::{Scene, pair};

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

/// The reason and message with which a flow is refused before anything was written.
fn refused(mut scene: Scene) -> (String, String) {
    scene.case("waits");
    scene.sync();
    assert_eq!(scene.made_by_the_flow(), 0, "nothing may be written");
    let problem = scene.failure();
    (problem.reason.to_string(), problem.message)
}

#[test]
fn an_unknown_field_is_named() {
    let (reason, message) = refused(Scene::with(|flow| {
        pair(flow, "Subject").fields.service_now = "short_descripton".parse().unwrap();
    }));
    assert_eq!(reason, "UnknownField");
    assert!(
        message.contains("incident") && message.contains("short_descripton"),
        "{message}"
    );
}

#[test]
fn fields_of_kinds_that_cannot_carry_each_other_are_named() {
    let (reason, message) = refused(Scene::with(|flow| {
        pair(flow, "Score__c").fields.service_now = "opened_at".parse().unwrap();
    }));
    assert_eq!(reason, "InvalidMapping");
    assert!(
        message.contains("Score__c") && message.contains("opened_at"),
        "{message}"
    );
}

#[test]
fn a_read_only_target_is_named() {
    let (reason, message) = refused(Scene::with(|flow| {
        pair(flow, "Subject").fields.salesforce = "CaseNumber".parse().unwrap();
    }));
    assert_eq!(reason, "MissingRights");
    assert!(message.contains("Case.CaseNumber"), "{message}");
}

#[test]
fn a_choice_value_that_does_not_exist_is_named() {
    let (reason, message) = refused(Scene::with(|flow| {
        pair(flow, "Origin").values[0].values.service_now = "carrier-pigeon".into();
    }));
    assert_eq!(reason, "UnknownChoice");
    assert!(
        message.contains("contact_type") && message.contains("carrier-pigeon"),
        "{message}"
    );
}

#[test]
fn a_missing_right_is_named() {
    let scene = Scene::new();
    scene.set_up(|world| {
        let rights = ObjectRights {
            read: true,
            create: false,
            update: true,
            delete: false,
        };
        world
            .salesforce
            .model
            .set_object_rights(INTEGRATION_USER, "Case", rights)
            .unwrap();
    });
    let (reason, message) = refused(scene);
    assert_eq!(reason, "MissingRights");
    assert!(message.contains("Create on Case"), "{message}");
}

#[test]
fn a_field_without_edit_access_is_named() {
    let scene = Scene::new();
    scene.set_up(|world| {
        world
            .salesforce
            .model
            .set_field_access(INTEGRATION_USER, "Case", "Subject", FieldAccess::ReadOnly)
            .unwrap();
    });
    let (reason, message) = refused(scene);
    assert_eq!(reason, "MissingRights");
    assert!(message.contains("Case.Subject"), "{message}");
}

#[test]
fn a_stamp_field_that_is_not_unique_is_refused() {
    let scene = Scene::with(|flow| flow.sides.salesforce.stamp_field = Some("Loose__c".parse().unwrap()));
    scene.set_up(|world| {
        world
            .salesforce
            .model
            .add_custom_field("Case", Field::new("Loose__c", FieldType::String))
            .unwrap();
    });
    let (reason, message) = refused(scene);
    assert_eq!(reason, "StampFieldNotUnique");
    assert!(message.contains("Case.Loose__c"), "{message}");
}

#[test]
fn an_unknown_table_is_named() {
    let (reason, message) = refused(Scene::with(|flow| {
        flow.sides.service_now.object = "u_nothing".parse().unwrap();
    }));
    assert!(message.contains("u_nothing"), "{reason}: {message}");
}

#[test]
fn a_rule_that_cannot_be_applied_is_named() {
    let (reason, message) = refused(Scene::with(|flow| {
        flow.sides.salesforce.rules.push(RuleDefinition {
            field: "Subject".parse().unwrap(),
            operator: Operator::OnOrAfter("2024-07-22".into()),
        });
    }));
    assert_eq!(reason, "InvalidRule");
    assert!(message.contains("Case.Subject"), "{message}");
}

#[test]
fn a_flow_heals_by_itself_when_the_service_is_put_right() {
    let mut scene = Scene::with(|flow| pair(flow, "Subject").fields.salesforce = "Late__c".parse().unwrap());
    let case = scene.case("late field");
    scene.sync();
    assert_eq!(scene.failure().reason.as_str(), "UnknownField");
    scene.set_up(|world| {
        world
            .salesforce
            .model
            .add_custom_field("Case", Field::new("Late__c", FieldType::String))
            .unwrap();
    });
    scene.sync();
    assert!(scene.counterpart(SF, &case).is_some());
}

#[test]
fn a_credential_that_leads_to_another_org_stops_the_flow_before_any_write() {
    let mut scene = Scene::new();
    let case = scene.case("ours");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.kill();
    scene.set_up(|world| world.salesforce.model.settings.organization_id = "00D5g0000009XyZEAU".into());
    scene.edit(SN, &incident, json!({"short_description": "must not arrive"}));
    scene.sync();
    assert_eq!(scene.failure().reason.as_str(), "IdentityChanged");
    assert_eq!(scene.field(SF, &case, "Subject"), "ours");
}
