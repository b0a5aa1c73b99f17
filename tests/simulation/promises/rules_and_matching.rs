//! Rules are ours to evaluate; matching looks for what is there before anything is made.

use serde_json::json;
use syncflow::core::definition::{Matching, Operator, RuleDefinition};
use syncflow::core::side::{PerSide, Side};

use super::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn matching() -> Scene {
    Scene::with(|flow| {
        flow.matching = Matching::MatchThenCreate {
            keys: vec![PerSide {
                salesforce: "Subject".parse().unwrap(),
                service_now: "short_description".parse().unwrap(),
            }],
        };
    })
}

/// An incident that does not originate by itself.
fn existing(scene: &Scene, short_description: &str) -> String {
    scene.make(
        SN,
        json!({"short_description": short_description, "category": "network", "contact_type": "email"}),
    )
}

#[test]
fn an_existing_record_with_equal_keys_is_taken_up_instead_of_made() {
    let mut scene = matching();
    let incident = existing(&scene, "same");
    let case = scene.case("same");
    scene.sync();
    assert_eq!(scene.made_by_the_flow(), 0);
    scene.edit(SF, &case, json!({"Description": "now in sync"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "description"), "now in sync");
}

#[test]
fn a_match_meets_with_nothing_wiped_and_what_was_overwritten_journalled() {
    let mut scene = matching();
    let incident = existing(&scene, "meeting");
    scene.edit(SN, &incident, json!({"description": "only here", "u_score": "7"}));
    let case = scene.make(
        SF,
        json!({"Subject": "meeting", "Origin": "Email", "Score__c": 9, "ServiceNow_Assignment_Group__c": "Product"}),
    );
    scene.sync();
    assert_eq!(
        scene.field(SF, &case, "Description"),
        "only here",
        "an empty field takes the other's value"
    );
    assert_eq!(
        scene.field(SN, &incident, "u_score"),
        "9",
        "the most recent change wins"
    );
    assert_eq!(scene.journal(), [("7".to_owned(), "9".to_owned())]);
}

#[test]
fn two_matches_are_never_guessed_between() {
    let mut scene = matching();
    existing(&scene, "twin");
    existing(&scene, "twin");
    scene.case("twin");
    scene.run_minutes(30);
    assert_eq!(scene.quarantined(), ["AmbiguousMatch"]);
    assert_eq!(scene.made_by_the_flow(), 0);
}

#[test]
fn a_record_is_made_when_nothing_matches_and_an_empty_key_matches_nothing() {
    let mut scene = matching();
    existing(&scene, "");
    let empty = scene.make(
        SF,
        json!({"Origin": "Web", "ServiceNow_Assignment_Group__c": "Product"}),
    );
    let other = scene.case("unheard of");
    scene.sync();
    assert_eq!(scene.made_by_the_flow(), 2);
    assert!(scene.counterpart(SF, &empty).is_some() && scene.counterpart(SF, &other).is_some());
}

#[test]
fn a_record_that_is_linked_already_is_not_matched_again() {
    let mut scene = matching();
    existing(&scene, "taken");
    scene.case("taken");
    scene.sync();
    scene.case("taken");
    scene.sync();
    assert_eq!(scene.quarantined(), ["MatchAlreadyLinked"]);
    assert_eq!(scene.made_by_the_flow(), 0);
}

#[test]
fn all_rules_of_a_side_must_hold() {
    let mut scene = Scene::with(|flow| {
        flow.sides.salesforce.rules.push(RuleDefinition {
            field: "CreatedDate".parse().unwrap(),
            operator: Operator::OnOrAfter("2026-11-02".into()),
        });
        flow.sides.salesforce.rules.push(RuleDefinition {
            field: "Subject".parse().unwrap(),
            operator: Operator::Contains("URGENT".into()),
        });
    });
    let urgent = scene.case("Urgent: fire");
    let calm = scene.case("no hurry");
    scene.sync();
    assert!(scene.counterpart(SF, &urgent).is_some());
    assert_eq!(scene.counterpart(SF, &calm), None);
}

#[test]
fn widened_rules_take_up_what_they_let_in_now() {
    let mut scene = Scene::new();
    let case = scene.make(
        SF,
        json!({"Subject": "network", "ServiceNow_Assignment_Group__c": "Network"}),
    );
    scene.run_minutes(30);
    assert_eq!(scene.counterpart(SF, &case), None);
    scene.apply(|flow| {
        flow.sides.salesforce.rules[0].operator = Operator::In(vec!["Product".into(), "Network".into()]);
    });
    scene.sync();
    assert!(scene.counterpart(SF, &case).is_some());
}

#[test]
fn a_change_of_the_flow_makes_nothing_for_a_record_that_two_match() {
    let mut scene = matching();
    existing(&scene, "twin");
    existing(&scene, "twin");
    scene.case("twin");
    scene.sync();
    scene.apply(|flow| super::scene::pair(flow, "Origin").values.truncate(2));
    scene.run_minutes(30);
    assert_eq!(scene.quarantined(), ["AmbiguousMatch"]);
    assert_eq!(scene.made_by_the_flow(), 0);
}

#[test]
fn a_number_matches_the_text_that_spells_it() {
    let mut scene = Scene::with(|flow| {
        flow.matching = Matching::MatchThenCreate {
            keys: vec![PerSide {
                salesforce: "ServiceNow_Number__c".parse().unwrap(),
                service_now: "u_score".parse().unwrap(),
            }],
        };
        flow.fields
            .retain(|field| field.fields.salesforce.as_str() != "ServiceNow_Number__c");
    });
    let incident = existing(&scene, "by number");
    scene.edit(SN, &incident, json!({"u_score": "4711"}));
    scene.make(
        SF,
        json!({
            "Subject": "by number", "Origin": "Email", "ServiceNow_Number__c": "4711",
            "ServiceNow_Assignment_Group__c": "Product",
        }),
    );
    scene.sync();
    assert_eq!(scene.made_by_the_flow(), 0);
    assert_eq!(scene.report().linked, 1);
}
