//! What users do. Every text or number that they write is written once in a run, so that an oracle can tell which edit
//! a value came from.

use std::time::Duration;

use serde_json::json;
use syncflow::core::side::Side;
use syncflow_simulators::{Admin, Fields};

use crate::world::World;

/// The users' common memory: what was written last, and what exists.
#[derive(Default)]
pub struct People {
    written: u64,
    pub edits: u64,
}

const USER: &str = "someone";

impl People {
    fn unique(&mut self, side: Side) -> u64 {
        self.written += 1;
        // Odd on one side, even on the other: a score tells its side too.
        self.written * 2 + u64::from(side == Side::ServiceNow)
    }

    /// Somebody makes a record by hand, in the rules or outside.
    pub fn create(&mut self, world: &mut World, side: Side, in_rules: bool) {
        let at = world.timestamp();
        let n = self.unique(side);
        let record = match side {
            Side::Salesforce => fields(&json!({
                "Subject": format!("case {n}"),
                "Description": if n % 6 < 2 { json!(null) } else { json!(format!("about case {n}")) },
                "Origin": *world.chance.pick(&["Email", "Web", "Phone"]),
                "Escalation__c": format!("escalation {n}"),
                "ServiceNow_Assignment_Group__c": if in_rules { "Product" } else { "Network" },
            })),
            Side::ServiceNow => fields(&json!({
                "short_description": format!("incident {n}"),
                "description": format!("about incident {n}"),
                "contact_type": *world.chance.pick(&["email", "self-service", "virtual_agent", "phone"]),
                "category": if in_rules { "database" } else { "network" },
            })),
        };
        let made = match side {
            Side::Salesforce => world.salesforce.model.seed("Case", &record, at),
            Side::ServiceNow => world.service_now.model.seed("incident", &record, at),
        };
        made.expect("people can make records");
        world.audit();
    }

    /// Somebody does something: edits a record, moves it in or out of the rules, or makes one.
    pub fn act(&mut self, world: &mut World) {
        let side = *world.chance.pick(&Side::BOTH);
        if world.chance.permille(60) {
            let in_rules = world.chance.permille(700);
            self.create(world, side, in_rules);
            return;
        }
        let Some(id) = some_record(world, side) else {
            return;
        };
        self.edits += 1;
        let n = self.unique(side);
        let choice = world.chance.below(12);
        let edit = match (side, choice) {
            (Side::Salesforce, 0..=3) => json!({"Subject": format!("case {n}")}),
            (Side::Salesforce, 4..=5) => json!({"Description": format!("about case {n}")}),
            (Side::Salesforce, 6) => json!({"Score__c": n}),
            (Side::Salesforce, 7) => json!({"Escalation__c": format!("escalation {n}")}),
            (Side::Salesforce, 8) => json!({"Origin": *world.chance.pick(&["Email", "Web", "Phone"])}),
            (Side::Salesforce, 9) => json!({"ServiceNow_Number__c": format!("drift {n}")}),
            (Side::Salesforce, 10) => json!({"Description": null}),
            (Side::Salesforce, _) => {
                json!({"ServiceNow_Assignment_Group__c": *world.chance.pick(&["Product", "Network"])})
            }
            (Side::ServiceNow, 0..=3) => json!({"short_description": format!("incident {n}")}),
            (Side::ServiceNow, 4..=5) => json!({"description": format!("about incident {n}")}),
            (Side::ServiceNow, 6) => json!({"u_score": n.to_string()}),
            (Side::ServiceNow, 7) => json!({"u_escalation": format!("drift {n}")}),
            (Side::ServiceNow, 8) => {
                json!({"contact_type": *world.chance.pick(&["email", "self-service", "virtual_agent", "phone"])})
            }
            (Side::ServiceNow, 9..=10) => json!({"description": ""}),
            (Side::ServiceNow, _) => json!({"category": *world.chance.pick(&["database", "network"])}),
        };
        edit_record(world, side, &id, &edit);
    }

    /// Before the end everybody brings every record into the rules, so that nothing may be left undone.
    pub fn bring_everything_in(world: &mut World) {
        for id in ids(world, Side::Salesforce) {
            let edit = json!({"ServiceNow_Assignment_Group__c": "Product"});
            edit_record(world, Side::Salesforce, &id, &edit);
        }
        for id in ids(world, Side::ServiceNow) {
            edit_record(world, Side::ServiceNow, &id, &json!({"category": "database"}));
        }
    }
}

fn fields(value: &serde_json::Value) -> Fields {
    value.as_object().expect("an object").clone()
}

fn edit_record(world: &mut World, side: Side, id: &str, edit: &serde_json::Value) {
    let at = world.timestamp();
    let edit = fields(edit);
    let edited = match side {
        Side::Salesforce => world.salesforce.model.edit_as_person("Case", id, &edit, at, USER),
        Side::ServiceNow => world
            .service_now
            .model
            .edit_as_person("incident", id, &edit, at, USER),
    };
    edited.expect("people can edit records");
    world.audit();
    let moment = world.chance.below(700);
    world.pass(Duration::from_millis(moment));
}

/// The ids of all live records of a side.
pub fn ids(world: &World, side: Side) -> Vec<String> {
    let (records, key) = match side {
        Side::Salesforce => (world.salesforce.model.records("Case"), "Id"),
        Side::ServiceNow => (world.service_now.model.records("incident"), "sys_id"),
    };
    records
        .iter()
        .map(|record| record[key].as_str().expect("an id").to_owned())
        .collect()
}

/// A record, more often a young one.
fn some_record(world: &mut World, side: Side) -> Option<String> {
    let ids = ids(world, side);
    let index = world
        .chance
        .below(ids.len() as u64)
        .max(world.chance.below(ids.len() as u64));
    ids.get(usize::try_from(index).ok()?).cloned()
}
