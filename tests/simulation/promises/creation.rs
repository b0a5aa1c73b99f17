//! Who originates, what a counterpart gets, and that nothing ever originates twice.

use serde_json::json;
use syncflow::core::definition::{Direction, History};
use syncflow::core::side::Side;
use syncflow_simulators::Admin;

use super::scene::Scene;
use crate::world::lock;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

#[test]
fn a_two_way_flow_makes_counterparts_for_hand_made_records_of_both_sides() {
    let mut scene = Scene::new();
    let case = scene.case("printer on fire");
    let incident = scene.incident("disk full");
    scene.sync();
    let made = scene.counterpart(SF, &case).unwrap();
    assert_eq!(scene.field(SN, &made, "short_description"), "printer on fire");
    let made = scene.counterpart(SN, &incident).unwrap();
    assert_eq!(scene.field(SF, &made, "Subject"), "disk full");
}

#[test]
fn a_one_way_flow_makes_records_on_one_side_and_still_updates_both_ways() {
    let mut scene = Scene::with(|flow| {
        flow.direction = Direction::SalesforceToServiceNow;
        flow.sides.salesforce.on_create.clear();
    });
    let case = scene.case("first");
    scene.incident("hand-made there");
    scene.sync();
    assert_eq!(scene.all(SF).len(), 1, "no case was made for the incident");
    let made = scene.counterpart(SF, &case).unwrap();
    scene.edit(SN, &made, json!({"short_description": "said there"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Subject"), "said there");
}

#[test]
fn records_outside_the_rules_stay_alone() {
    let mut scene = Scene::new();
    scene.make(
        SF,
        json!({"Subject": "other", "ServiceNow_Assignment_Group__c": "Network"}),
    );
    scene.make(SN, json!({"short_description": "other", "category": "network"}));
    scene.sync();
    assert_eq!(scene.made_by_the_flow(), 0);
    assert!(scene.links().is_empty());
}

#[test]
fn on_create_values_come_where_no_mapped_value_came_and_do_not_flow_back() {
    let mut scene = Scene::new();
    let case = scene.case("impact");
    let incident = scene.incident("priority");
    scene.sync();
    let made = scene.counterpart(SF, &case).unwrap();
    assert_eq!(scene.field(SN, &made, "impact"), "2");
    let made = scene.counterpart(SN, &incident).unwrap();
    assert_eq!(scene.field(SF, &made, "Priority"), "Medium");
}

#[test]
fn what_the_target_fills_in_and_what_is_mapped_the_other_way_flows_back_at_once() {
    let mut scene = Scene::new();
    let case = scene.case("number please");
    scene.sync();
    let made = scene.counterpart(SF, &case).unwrap();
    let number = scene.field(SN, &made, "number");
    assert!(number.starts_with("INC"), "{number}");
    assert_eq!(scene.field(SF, &case, "ServiceNow_Number__c"), number);
}

#[test]
fn a_record_whose_counterpart_was_deleted_never_originates_again() {
    let mut scene = Scene::new();
    let case = scene.case("once");
    scene.sync();
    let made = scene.counterpart(SF, &case).unwrap();
    let right = syncflow_simulators::service_now::Acl::row(
        "sys_audit_delete",
        syncflow_simulators::service_now::Operation::Read,
        syncflow_simulators::service_now::Grant::Role("itil".into()),
    );
    scene.set_up(|world| world.service_now.model.add_acl(right));
    scene.delete(SN, &made);
    scene.edit(SF, &case, json!({"Subject": "edited after"}));
    scene.run_minutes(15);
    assert_eq!(scene.all(SN).len(), 0);
    assert_eq!(scene.made_by_the_flow(), 1);
    assert_eq!(
        scene.field(SF, &case, "Subject"),
        "edited after",
        "the one that stayed is nobody's business"
    );
}

#[test]
fn a_flow_that_is_deleted_and_applied_again_finds_every_pair_and_makes_none() {
    let mut scene = Scene::new();
    let case = scene.case("kept");
    let incident = scene.incident("kept too");
    scene.sync();
    let pairs = (scene.counterpart(SF, &case), scene.counterpart(SN, &incident));
    scene.delete_and_apply_again();
    scene.sync();
    assert_eq!(scene.made_by_the_flow(), 2);
    assert_eq!(
        (scene.counterpart(SF, &case), scene.counterpart(SN, &incident)),
        pairs
    );
    assert_eq!(scene.report().linked, 2);
    scene.edit(SF, &case, json!({"Subject": "still in sync"}));
    scene.sync();
    assert_eq!(
        scene.field(SN, &pairs.0.unwrap(), "short_description"),
        "still in sync"
    );
}

#[test]
fn a_foreign_value_in_the_stamp_field_is_never_overwritten() {
    let mut scene = Scene::new();
    let incident = scene.make(
        SN,
        json!({"short_description": "from monitoring", "category": "database", "correlation_id": "nagios-4711"}),
    );
    scene.sync();
    assert!(
        scene.counterpart(SN, &incident).is_some(),
        "a foreign value does not keep it from originating"
    );
    assert_eq!(scene.field(SN, &incident, "correlation_id"), "nagios-4711");
}

#[test]
fn a_copy_that_kept_its_originals_stamp_is_left_alone_and_named_until_the_stamp_is_cleared() {
    let mut scene = Scene::new();
    let case = scene.case("original");
    scene.sync();
    let copy = scene.make(
        SN,
        json!({"short_description": "copy", "category": "database", "correlation_id": format!("salesforce:{case}")}),
    );
    scene.run_minutes(30);
    assert_eq!(scene.all(SF).len(), 1);
    assert_eq!(
        scene.quarantined(),
        ["CopiedStamp"],
        "it stands there for as long as it is so"
    );
    scene.edit(SN, &copy, json!({"short_description": "copy, edited"}));
    scene.kill();
    scene.run_minutes(30);
    assert_eq!((scene.all(SF).len(), scene.quarantined().len()), (1, 1));
    scene.edit(SN, &copy, json!({"correlation_id": ""}));
    scene.sync();
    assert!(scene.counterpart(SN, &copy).is_some(), "now it syncs on its own");
    assert!(scene.quarantined().is_empty());
}

#[test]
fn in_a_one_way_flow_a_copy_at_the_target_is_named_too_and_never_originates() {
    let mut scene = Scene::with(|flow| {
        flow.direction = Direction::SalesforceToServiceNow;
        flow.sides.salesforce.on_create.clear();
    });
    let case = scene.case("original");
    scene.sync();
    let copy = scene.make(
        SN,
        json!({"short_description": "copy", "category": "database", "correlation_id": format!("salesforce:{case}")}),
    );
    scene.run_minutes(30);
    assert_eq!(scene.quarantined(), ["CopiedStamp"]);
    scene.edit(SN, &copy, json!({"correlation_id": ""}));
    scene.run_minutes(30);
    assert_eq!((scene.all(SF).len(), scene.quarantined().len()), (1, 0));
}

#[test]
fn history_new_takes_up_only_records_made_since_the_first_activation() {
    let mut scene = Scene::with(|flow| flow.history = History::New);
    let old = scene.case("before");
    scene.set_up(|world| world.pass(std::time::Duration::from_mins(1)));
    scene.sync();
    let young = scene.case("after");
    scene.kill();
    scene.sync();
    assert_eq!(scene.counterpart(SF, &old), None);
    assert!(
        scene.counterpart(SF, &young).is_some(),
        "the moment of activation is remembered across a restart"
    );
    scene.edit(SF, &old, json!({"Subject": "edited"}));
    scene.sync();
    assert_eq!(scene.counterpart(SF, &old), None);
}

#[test]
fn any_object_and_any_table_sync_custom_ones_included() {
    use syncflow_simulators::salesforce::{Field, FieldType};
    use syncflow_simulators::service_now::{Column, Table};

    let mut scene = Scene::with(|flow| {
        flow.sides.salesforce.object = "Ticket__c".parse().unwrap();
        flow.sides.service_now.object = "u_ticket".parse().unwrap();
        flow.sides.salesforce.rules.clear();
        flow.sides.service_now.rules.clear();
        flow.sides.salesforce.on_create.clear();
        flow.sides.service_now.on_create.clear();
        flow.sides.service_now.stamp_field = Some("u_stamp".parse().unwrap());
        flow.fields.truncate(1);
        flow.fields[0].fields.salesforce = "Text__c".parse().unwrap();
        flow.fields[0].fields.service_now = "u_text".parse().unwrap();
    });
    scene.set_up(|world| {
        let org = &mut world.salesforce.model;
        org.add_custom_object("Ticket__c", "Ticket");
        org.add_custom_field("Ticket__c", Field::new("Text__c", FieldType::String))
            .unwrap();
        org.add_custom_field("Ticket__c", Field::unique_external_id("ServiceNow_Sys_Id__c", 80))
            .unwrap();
        world.service_now.model.define_table(
            Table::base("u_ticket", "Ticket")
                .column(Column::string("u_text", 200))
                .column(Column::string("u_stamp", 80)),
        );
    });
    let at = lock(&scene.world).time_of(Side::Salesforce);
    let fields = json!({"Text__c": "anything"}).as_object().unwrap().clone();
    lock(&scene.world)
        .salesforce
        .model
        .seed("Ticket__c", &fields, at)
        .unwrap();
    scene.sync();
    let rows = lock(&scene.world).service_now.model.records("u_ticket");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["u_text"], "anything");
}

#[test]
fn history_changed_from_new_to_all_takes_up_the_older_records() {
    let mut scene = Scene::with(|flow| flow.history = History::New);
    let old = scene.case("before");
    scene.set_up(|world| world.pass(std::time::Duration::from_mins(1)));
    scene.sync();
    assert_eq!(scene.counterpart(SF, &old), None);
    scene.apply(|flow| flow.history = History::All);
    scene.sync();
    assert!(scene.counterpart(SF, &old).is_some());
}

#[test]
fn a_pair_from_before_the_activation_is_found_again_after_the_flow_was_applied_again() {
    let mut scene = Scene::with(|flow| flow.history = History::New);
    scene.sync();
    let case = scene.case("young then, old now");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.set_up(|world| world.pass(std::time::Duration::from_hours(1)));
    scene.delete_and_apply_again();
    scene.sync();
    scene.edit(SF, &case, json!({"Subject": "still in sync"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "still in sync");
    assert_eq!(scene.made_by_the_flow(), 1);
}

#[test]
fn two_records_with_one_stamp_are_never_guessed_between() {
    let mut scene = Scene::new();
    let case = scene.case("cloned");
    scene.sync();
    let made = scene.counterpart(SF, &case).unwrap();
    scene.make(
        SN,
        json!({"short_description": "clone", "category": "database", "correlation_id": format!("salesforce:{case}")}),
    );
    scene.delete_and_apply_again();
    scene.run_minutes(30);
    assert_eq!(scene.quarantined(), ["AmbiguousStamp"]);
    scene.edit(SN, &made, json!({"description": "touched"}));
    scene.edit(SF, &case, json!({"Subject": "touched"}));
    scene.run_minutes(30);
    assert_eq!(scene.quarantined(), ["AmbiguousStamp"]);
    assert_eq!(scene.field(SF, &case, "Subject"), "touched");
    assert_eq!(scene.field(SN, &made, "short_description"), "cloned");
}
