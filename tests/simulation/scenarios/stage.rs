//! What people of the short stories do: one pair that begins with a case, another that begins with an incident.

use serde_json::{Value, json};
use syncflow::core::definition::{FieldDefinition, FlowDefinition};
use syncflow::core::side::Side;
use syncflow_simulators::service_now::{Acl, Grant, Operation};
use syncflow_simulators::{Admin, Write, WriteKind};

use crate::oracle;
use crate::people::{delete_record, edit_record, ids, undelete_record};
use crate::world::World;

pub const SF: Side = Side::Salesforce;
pub const SN: Side = Side::ServiceNow;

pub fn case(world: &mut World, number: u64) {
    let text = json!({"Subject": format!("case {number}"), "Description": format!("about case {number}"),
        "Escalation__c": format!("escalation {number}")});
    case_with(world, text);
}

pub fn case_with(world: &mut World, mut fields: Value) {
    fields["Origin"] = json!("Email");
    fields["ServiceNow_Assignment_Group__c"] = json!("Product");
    let at = world.time_of(Side::Salesforce);
    world
        .salesforce
        .model
        .seed("Case", fields.as_object().unwrap(), at)
        .unwrap();
    world.audit();
}

pub fn incident(world: &mut World, number: u64) {
    let fields = json!({"short_description": format!("incident {number}"), "contact_type": "email",
        "description": format!("about incident {number}"), "category": "database"});
    let at = world.time_of(Side::ServiceNow);
    world
        .service_now
        .model
        .seed("incident", fields.as_object().unwrap(), at)
        .unwrap();
    world.audit();
}

/// Somebody edits a record of the pair that began in Salesforce.
pub fn edit(world: &mut World, side: Side, fields: &Value) {
    let id = of_pair(world, Side::Salesforce, side);
    edit_record(world, side, &id, fields);
}

/// Somebody edits a record of the pair that began in ServiceNow.
pub fn edit_other(world: &mut World, side: Side, fields: &Value) {
    let id = of_pair(world, Side::ServiceNow, side);
    edit_record(world, side, &id, fields);
}

/// Somebody deletes a record of the pair that began in Salesforce.
pub fn delete(world: &mut World, side: Side) {
    let id = of_pair(world, SF, side);
    delete_record(world, side, &id).unwrap();
    world.audit();
}

/// Somebody takes back the deletion of the record that was deleted last.
pub fn undelete(world: &mut World, side: Side) {
    let by_person = |write: &&Write| {
        write.kind == WriteKind::Deleted && matches!(write.actor, syncflow_simulators::Actor::Person(_))
    };
    let id = oracle::writes(world, side)
        .filter(by_person)
        .last()
        .unwrap()
        .id
        .clone();
    undelete_record(world, side, &id).unwrap();
    world.audit();
}

/// The integration user of the instance may see what was deleted there.
pub fn let_deletions_be_proven(world: &mut World) {
    let right = Acl::row("sys_audit_delete", Operation::Read, Grant::Role("itil".into()));
    world.service_now.model.add_acl(right);
}

/// What the flow itself did on a side since the beginning, of one kind.
pub fn done_by_the_flow(world: &World, side: Side, kind: WriteKind) -> usize {
    oracle::writes(world, side)
        .filter(|write| write.kind == kind && matches!(write.actor, syncflow_simulators::Actor::Api(_)))
        .count()
}

/// Does some record of this side hold this text now?
pub fn holds(world: &World, side: Side, field: &str, text: &str) -> bool {
    any(world, side, field, |held| held == text)
}

pub fn holds_beginning(world: &World, side: Side, field: &str, beginning: &str) -> bool {
    any(world, side, field, |held| held.starts_with(beginning))
}

fn any(world: &World, side: Side, field: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let records = match side {
        Side::Salesforce => world.salesforce.model.records("Case"),
        Side::ServiceNow => world.service_now.model.records("incident"),
    };
    records
        .iter()
        .any(|record| record.get(field).and_then(Value::as_str).is_some_and(&is_it))
}

/// The pair of fields that begins with this field of a case.
pub fn pair<'a>(definition: &'a mut FlowDefinition, salesforce: &str) -> &'a mut FieldDefinition {
    let mut fields = definition.fields.iter_mut();
    fields
        .find(|field| field.fields.salesforce.as_str() == salesforce)
        .expect("the guide maps this field")
}

/// The record on `side` of the first pair that began with a hand-made record on `origin`.
pub fn of_pair(world: &World, origin: Side, side: Side) -> String {
    let records = |of: Side| match of {
        Side::Salesforce => world.salesforce.model.records("Case"),
        Side::ServiceNow => world.service_now.model.records("incident"),
    };
    let stamp = |of: Side| match of {
        Side::Salesforce => "ServiceNow_Sys_Id__c",
        Side::ServiceNow => "correlation_id",
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let place = records(origin)
        .iter()
        .position(|record| text(record.get(stamp(origin))).is_empty())
        .expect("somebody made a record");
    let first = ids(world, origin).swap_remove(place);
    if side == origin {
        return first;
    }
    let place = records(side)
        .iter()
        .position(|record| text(record.get(stamp(side))).ends_with(&first))
        .expect("it has a counterpart");
    ids(world, side).swap_remove(place)
}
