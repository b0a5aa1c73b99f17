//! What users do. Every text or number that they write is written once in a run, so that an oracle can tell which edit
//! a value came from.

use std::time::Duration;

use serde_json::{Value, json};
use syncflow::core::side::Side;
use syncflow_simulators::{Admin, AdminError, Fields};

use crate::chance::Chance;
use crate::counts::Deed;
use crate::script::Kind;
use crate::swarm::{Swarm, Trait};
use crate::world::World;

pub const USER: &str = "someone";

/// The acts that make the records a run begins with are numbered from here.
const FIRST_RECORDS: u64 = 1_000_000;

/// Longer than the 255 characters of `u_escalation`.
const TOO_LONG: usize = 300;

/// The users of both services.
pub struct People<'a> {
    pub swarm: &'a Swarm,
    pub edits: u64,
}

impl<'a> People<'a> {
    pub fn new(swarm: &'a Swarm) -> Self {
        Self { swarm, edits: 0 }
    }

    /// The records that are there when the flow is applied for the first time.
    pub fn begin(&mut self, world: &mut World, records: u64) {
        for number in (FIRST_RECORDS..).take(usize::try_from(records).unwrap()) {
            if world.happens((Kind::Act, number)) {
                let mut chance = Chance::of(world.script.seed, "act", number);
                let side = *chance.pick(&Side::BOTH);
                self.create(world, &mut chance, side, number);
            }
        }
    }

    /// Somebody does something: makes, edits or deletes a record, or moves one in or out of the rules.
    pub fn act(&mut self, world: &mut World, number: u64) {
        let mut chance = Chance::of(world.script.seed, "act", number);
        let side = *chance.pick(&Side::BOTH);
        if chance.permille(60) {
            self.create(world, &mut chance, side, number);
            return;
        }
        if self.swarm.has(Trait::Deletions) && chance.permille(90) {
            delete_or_undelete(world, &mut chance, side);
            return;
        }
        if self.swarm.has(Trait::Merges) && chance.permille(90) {
            merge(world, &mut chance);
            return;
        }
        let Some(id) = some_record(world, &mut chance, side) else {
            return;
        };
        self.edits += 1;
        let edit = self.edit(&mut chance, side, number);
        edit_record(world, side, &id, &edit);
        // Some edit twice within a second.
        if chance.permille(100) {
            let again = self.edit(&mut chance, side, number + 10_000_000);
            edit_record(world, side, &id, &again);
        }
        let moment = chance.below(700);
        world.pass(Duration::from_millis(moment));
    }

    /// Somebody makes a record by hand, in the rules or outside.
    fn create(&mut self, world: &mut World, chance: &mut Chance, side: Side, number: u64) {
        let at = world.time_of(side);
        let n = unique(side, number);
        let in_rules = chance.permille(700);
        let made = match side {
            Side::Salesforce => {
                let record = fields(&json!({
                    "Subject": format!("case {n}"),
                    "Description": if n % 6 < 2 { json!(null) } else { json!(format!("about case {n}")) },
                    "Origin": self.origin(chance),
                    "Escalation__c": format!("escalation {n}"),
                    "ServiceNow_Assignment_Group__c": if in_rules { "Product" } else { "Network" },
                }));
                world.salesforce.model.seed("Case", &record, at)
            }
            Side::ServiceNow => {
                let record = fields(&json!({
                    "short_description": format!("incident {n}"),
                    "description": format!("about incident {n}"),
                    "contact_type": self.contact_type(chance),
                    "category": if in_rules { "database" } else { "network" },
                }));
                world.service_now.model.seed("incident", &record, at)
            }
        };
        made.expect("people can make records");
        world.counts.note(Deed::Made);
        world.audit();
    }

    fn edit(&self, chance: &mut Chance, side: Side, number: u64) -> Value {
        let n = unique(side, number);
        match (side, chance.below(12)) {
            (Side::Salesforce, 0..=3) => json!({"Subject": self.subject(chance, n)}),
            (Side::Salesforce, 4..=5) => json!({"Description": format!("about case {n}")}),
            (Side::Salesforce, 6) => json!({"Score__c": n}),
            (Side::Salesforce, 7) => json!({"Escalation__c": self.escalation(chance, n)}),
            (Side::Salesforce, 8) => json!({"Origin": self.origin(chance)}),
            (Side::Salesforce, 9) => json!({"ServiceNow_Number__c": format!("drift {n}")}),
            (Side::Salesforce, 10) => json!({"Description": null}),
            (Side::Salesforce, _) => {
                json!({"ServiceNow_Assignment_Group__c": *chance.pick(&["Product", "Network"])})
            }
            (Side::ServiceNow, 0..=3) => json!({"short_description": format!("incident {n}")}),
            (Side::ServiceNow, 4..=5) => json!({"description": format!("about incident {n}")}),
            (Side::ServiceNow, 6) => json!({"u_score": n.to_string()}),
            (Side::ServiceNow, 7) => json!({"u_escalation": format!("drift {n}")}),
            (Side::ServiceNow, 8) => json!({"contact_type": self.contact_type(chance)}),
            (Side::ServiceNow, 9..=10) => json!({"description": ""}),
            (Side::ServiceNow, _) => json!({"category": *chance.pick(&["database", "network"])}),
        }
    }

    fn origin(&self, chance: &mut Chance) -> &'static str {
        if self.swarm.has(Trait::UnmappedValues) && chance.permille(300) {
            "Chat"
        } else {
            chance.pick::<&str>(&["Email", "Web", "Phone"])
        }
    }

    fn contact_type(&self, chance: &mut Chance) -> &'static str {
        if self.swarm.has(Trait::UnmappedValues) && chance.permille(300) {
            "walk-in"
        } else {
            chance.pick::<&str>(&["email", "self-service", "virtual_agent", "phone"])
        }
    }

    /// `short_description` holds 160 characters, `Subject` 255.
    fn subject(&self, chance: &mut Chance, n: u64) -> String {
        let text = format!("case {n}");
        if self.swarm.has(Trait::CutTexts) && chance.permille(400) {
            return format!("{text} {}", "x".repeat(200));
        }
        text
    }

    fn escalation(&self, chance: &mut Chance, n: u64) -> String {
        let text = format!("escalation {n}");
        let long = self.swarm.has(Trait::LongTexts) || self.swarm.has(Trait::CutTexts);
        if long && chance.permille(500) {
            return format!("{text} {}", "x".repeat(TOO_LONG));
        }
        text
    }

    /// Before the end everybody brings every record into the rules and puts right what the flow cannot carry, so that
    /// nothing may be left undone.
    pub fn put_everything_right(world: &mut World) {
        for id in ids(world, Side::Salesforce) {
            let case = world.salesforce.model.record("Case", &id).expect("it was there");
            let mut edit = fields(&json!({"ServiceNow_Assignment_Group__c": "Product"}));
            if case["Origin"] == "Chat" {
                edit.insert("Origin".into(), json!("Phone"));
            }
            let long = case["Escalation__c"].as_str().filter(|text| text.len() > 255);
            if let Some(long) = long.filter(|_| !world.cuts_texts) {
                let words: Vec<&str> = long.split(' ').take(2).collect();
                edit.insert("Escalation__c".into(), json!(words.join(" ")));
            }
            edit_record(world, Side::Salesforce, &id, &Value::Object(edit));
        }
        for id in ids(world, Side::ServiceNow) {
            let incident = world
                .service_now
                .model
                .record("incident", &id)
                .expect("it was there");
            // The second field moves the record, so that what was refused is tried again.
            let mut edit = fields(&json!({"category": "database", "close_notes": "looked at"}));
            if incident
                .get("contact_type")
                .is_some_and(|value| value == "walk-in")
            {
                edit.insert("contact_type".into(), json!("phone"));
            }
            edit_record(world, Side::ServiceNow, &id, &Value::Object(edit));
        }
    }
}

/// A number that is written once, and tells its side: odd on one, even on the other.
fn unique(side: Side, number: u64) -> u64 {
    number * 2 + u64::from(side == Side::ServiceNow)
}

fn fields(value: &Value) -> Fields {
    value.as_object().expect("an object").clone()
}

fn object(side: Side) -> &'static str {
    match side {
        Side::Salesforce => "Case",
        Side::ServiceNow => "incident",
    }
}

pub fn edit_record(world: &mut World, side: Side, id: &str, edit: &Value) {
    let at = world.time_of(side);
    let edit = fields(edit);
    let edited = match side {
        Side::Salesforce => world.salesforce.model.edit_as_person("Case", id, &edit, at, USER),
        Side::ServiceNow => world
            .service_now
            .model
            .edit_as_person("incident", id, &edit, at, USER),
    };
    // A rule of the service may refuse the edit: then the person has to leave it.
    if edited.is_ok() {
        world.counts.note(Deed::Edited);
        world.audit();
    }
}

/// Somebody deletes a record.
pub fn delete_record(world: &mut World, side: Side, id: &str) -> Result<(), AdminError> {
    let at = world.time_of(side);
    match side {
        Side::Salesforce => world.salesforce.model.delete_as_person("Case", id, at, USER),
        Side::ServiceNow => world.service_now.model.delete_as_person("incident", id, at, USER),
    }
}

/// Somebody takes a record out of the recycle bin, or out of the deleted records.
pub fn undelete_record(world: &mut World, side: Side, id: &str) -> Result<(), AdminError> {
    let at = world.time_of(side);
    match side {
        Side::Salesforce => world.salesforce.model.undelete_as_person("Case", id, at, USER),
        Side::ServiceNow => world
            .service_now
            .model
            .undelete_as_person("incident", id, at, USER),
    }
}

fn delete_or_undelete(world: &mut World, chance: &mut Chance, side: Side) {
    let gone = deleted(world, side);
    let (deed, done) = if !gone.is_empty() && chance.permille(500) {
        let id = chance.pick(&gone);
        (Deed::Undeleted, undelete_record(world, side, id))
    } else {
        let Some(id) = some_record(world, chance, side) else {
            return;
        };
        (Deed::Deleted, delete_record(world, side, &id))
    };
    // Another transaction may hold the row: then the person has to leave it.
    if done.is_ok() {
        world.counts.note(deed);
        world.audit();
    }
}

/// Somebody finds that two cases are one: the loser goes to the recycle bin and names the other as its master.
fn merge(world: &mut World, chance: &mut Chance) {
    let (Some(master), Some(loser)) = (
        some_record(world, chance, Side::Salesforce),
        some_record(world, chance, Side::Salesforce),
    ) else {
        return;
    };
    if master == loser {
        return;
    }
    let at = world.time_of(Side::Salesforce);
    let org = &mut world.salesforce.model;
    if org.merge_as_person("Case", &master, &[loser], at, USER).is_ok() {
        world.counts.note(Deed::Merged);
        world.audit();
    }
}

/// The ids of records that were there once and are not now.
fn deleted(world: &World, side: Side) -> Vec<String> {
    let there = ids(world, side);
    let made = crate::oracle::writes(world, side).filter(|write| {
        write.kind == syncflow_simulators::WriteKind::Created && write.object == object(side)
    });
    made.map(|write| write.id.clone())
        .filter(|id| !there.contains(id))
        .collect()
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
fn some_record(world: &World, chance: &mut Chance, side: Side) -> Option<String> {
    let ids = ids(world, side);
    let index = chance.below(ids.len() as u64).max(chance.below(ids.len() as u64));
    ids.get(usize::try_from(index).ok()?).cloned()
}
