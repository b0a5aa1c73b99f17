use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::FieldMappingSpec;
use crate::controllers::field_mapping;
use crate::controllers::sync_flow::validate::validate;

/// The mapping of the guide, cut to one pair.
fn mapping() -> ValidMapping {
    let spec: FieldMappingSpec = serde_json::from_value(json!({
        "salesforceObject": "Case",
        "serviceNowTable": "incident",
        "fields": [{"salesforce": "Subject", "serviceNow": "short_description", "direction": "TwoWay"}],
    }))
    .unwrap();
    field_mapping::validate::validate(&spec).unwrap()
}

/// The flow of the guide.
fn guide() -> Value {
    json!({
        "direction": "TwoWay",
        "fieldMappingRef": {"name": "case-incident"},
        "history": "All",
        "salesforce": {
            "connectionRef": {"name": "salesforce"},
            "object": "Case",
            "stampField": "ServiceNow_Sys_Id__c",
            "rules": [
                {"field": "CreatedDate", "operator": "OnOrAfter", "value": "2024-07-22"},
                {"field": "ServiceNow_Assignment_Group__c", "operator": "In", "values": ["Product"]},
            ],
            "onCreate": [{"field": "Priority", "value": "Medium"}],
        },
        "serviceNow": {
            "connectionRef": {"name": "servicenow"},
            "table": "incident",
            "rules": [{"field": "category", "operator": "In", "values": ["database"]}],
        },
    })
}

fn parse(flow: Value) -> SyncFlowSpec {
    serde_json::from_value(flow).unwrap()
}

fn message(flow: Value) -> String {
    validate(&parse(flow), "case-incident", &mapping())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_flow_of_the_guide_says_what_the_guide_says() {
    let flow = translate(&parse(guide()), &mapping()).unwrap();
    assert_eq!(flow.direction, definition::Direction::TwoWay);
    assert_eq!(flow.history, definition::History::All);
    assert_eq!(flow.interval, Duration::from_mins(1));
    assert_eq!(flow.conflict, definition::ConflictPolicy::MostRecent);
    assert_eq!(flow.drift, definition::DriftPolicy::Revert);
    assert_eq!(flow.on_exit, definition::ExitPolicy::PropagateThenUnlink);
    assert_eq!(flow.matching, definition::Matching::CreateOnly);
    let salesforce = &flow.sides.salesforce;
    assert_eq!(
        salesforce.stamp_field.as_ref().unwrap().as_str(),
        "ServiceNow_Sys_Id__c"
    );
    assert_eq!(
        salesforce.rules[0].operator,
        definition::Operator::OnOrAfter("2024-07-22".into())
    );
    assert_eq!(
        salesforce.rules[1].operator,
        definition::Operator::In(vec!["Product".into()])
    );
    assert_eq!(salesforce.on_create[0].value, "Medium");
    assert_eq!(
        flow.sides.service_now.stamp_field, None,
        "correlation_id is the worker's to find"
    );
}

#[test]
fn a_day_that_does_not_exist_is_refused_by_the_rule_it_stands_in() {
    let mut flow = guide();
    flow["salesforce"]["rules"][0]["value"] = json!("2024-02-30");
    let text = message(flow);
    assert!(
        text.starts_with("spec.salesforce.rules[0]: operator OnOrAfter"),
        "{text}"
    );
}

#[test]
fn an_operator_and_its_operands_must_fit() {
    for (rule, expected) in [
        (
            json!({"field": "f", "operator": "In", "value": "x"}),
            "needs values",
        ),
        (
            json!({"field": "f", "operator": "Equals", "values": ["x"]}),
            "needs value,",
        ),
        (
            json!({"field": "f", "operator": "Exists", "value": "x"}),
            "takes neither",
        ),
        (
            json!({"field": "f", "operator": "GreaterThan", "value": "many"}),
            "needs a number",
        ),
    ] {
        let mut flow = guide();
        flow["serviceNow"]["rules"] = json!([rule]);
        let text = message(flow);
        assert!(
            text.contains("spec.serviceNow.rules[0]") && text.contains(expected),
            "{text}"
        );
    }
}

#[test]
fn a_flow_that_makes_salesforce_records_needs_a_stamp_field_there() {
    let mut flow = guide();
    flow["salesforce"].as_object_mut().unwrap().remove("stampField");
    assert!(message(flow.clone()).contains("spec.salesforce.stampField"));
    flow["direction"] = json!("SalesforceToServiceNow");
    assert!(translate(&parse(flow), &mapping()).is_ok());
}

#[test]
fn matching_keys_and_their_mode_go_together() {
    let mut flow = guide();
    flow["matching"] = json!({"mode": "MatchThenCreate"});
    assert!(message(flow.clone()).contains("spec.matching.keys"));
    flow["matching"] = json!({"mode": "MatchThenCreate", "keys": [
        {"salesforce": "CaseNumber", "serviceNow": "u_case"},
    ]});
    let flow = translate(&parse(flow), &mapping()).unwrap();
    assert!(matches!(flow.matching, definition::Matching::MatchThenCreate { keys } if keys.len() == 1));
}

#[test]
fn a_mapping_of_another_object_is_an_invalid_mapping() {
    let mut flow = guide();
    flow["salesforce"]["object"] = json!("Account");
    let invalid = validate(&parse(flow), "case-incident", &mapping()).unwrap_err();
    assert_eq!(invalid.problem().reason.as_str(), "InvalidMapping");
    assert!(
        invalid
            .to_string()
            .contains("case-incident is for Salesforce Case, this flow for Account")
    );
}

#[test]
fn nothing_may_overwrite_the_stamps() {
    let mut flow = guide();
    flow["salesforce"]["stampField"] = json!("subject");
    let mapped = validate(&parse(flow), "case-incident", &mapping()).unwrap_err();
    assert_eq!(mapped.problem().reason.as_str(), "InvalidMapping");

    let mut flow = guide();
    flow["salesforce"]["onCreate"] = json!([{"field": "ServiceNow_Sys_Id__c", "value": "x"}]);
    let set = validate(&parse(flow), "case-incident", &mapping()).unwrap_err();
    assert_eq!(set.problem().reason.as_str(), "InvalidSpec");
}

#[test]
fn a_deletion_policy_keeps_its_marks_and_a_mark_that_could_not_be_set_is_refused() {
    let with = |on_delete: Value| {
        let mut flow = guide();
        flow["onDelete"] = on_delete;
        flow
    };
    let marks = json!({"policy": "Mark", "mark": {
        "salesforce": {"field": "Status", "value": "Closed"},
        "serviceNow": {"field": "state", "value": "7"},
    }});
    let flow = translate(&parse(with(marks.clone())), &mapping()).unwrap();
    let definition::DeletePolicy::Mark(marked) = flow.on_delete else {
        panic!("{:?}", flow.on_delete);
    };
    assert_eq!(marked.service_now.unwrap().value, "7");
    for wrong in [
        json!({"policy": "Mark"}),
        json!({"policy": "Unlink", "mark": marks["mark"]}),
        json!({"policy": "Mark", "mark": {"serviceNow": {"field": "state", "value": "7"}}}),
    ] {
        assert!(message(with(wrong)).contains("spec.onDelete.mark"));
    }
    let mut stamped = with(marks);
    stamped["onDelete"]["mark"]["salesforce"]["field"] = json!("servicenow_sys_id__c");
    assert!(message(stamped).contains("holds the stamp"));
}

#[test]
fn the_guards_of_a_flow_that_says_nothing_are_those_of_the_engine() {
    let flow = translate(&parse(guide()), &mapping()).unwrap();
    assert_eq!(flow.guards, definition::Guards::default());
}
