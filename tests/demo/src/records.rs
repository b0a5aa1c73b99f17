//! What stands in the two services, and this program's own reading of the quickstart's rules and mapping: what is
//! expected is never taken from the operator.

use std::collections::BTreeMap;

use serde_json::Value;
use syncflow_simulators::{Actor, Admin, Fields, Model as _, WriteKind};

use crate::stage::Stage;

/// The date of both rules, in the guide and in the quickstart.
const SINCE: &str = "2024-07-22";

/// The rows of the quickstart's value table: what stands together is equal.
const CHANNELS: [(&str, &str); 4] = [
    ("Email", "email"),
    ("Phone", "phone"),
    ("Web", "virtual_agent"),
    ("Web", "self-service"),
];

/// A case or an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(pub Fields);

impl Record {
    /// A field as text; empty where it is empty.
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The record's id, on either side.
    pub fn id(&self) -> &str {
        let id = self.text("sys_id");
        if id.is_empty() { self.text("Id") } else { id }
    }

    /// Whether it was made before the date of the rules.
    pub fn is_older_than_the_rules(&self) -> bool {
        self.text("CreatedDate").max(self.text("sys_created_on")) < SINCE
    }

    /// Whether the rules of Salesforce's side let this case in.
    pub fn is_products(&self) -> bool {
        self.text("CreatedDate") >= SINCE && self.text("ServiceNow_Assignment_Group__c") == "Product"
    }

    /// Whether the rules of ServiceNow's side let this incident in.
    pub fn is_databases(&self) -> bool {
        self.text("sys_created_on") >= SINCE && self.text("category") == "database"
    }
}

/// A case and an incident that belong together, because one carries the other's stamp.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The case.
    pub case: Record,
    /// The incident.
    pub incident: Record,
    /// Whether the case was there first, so that the flow made the incident.
    pub from_case: bool,
}

impl Pair {
    /// Whether the rules of either side hold.
    pub fn is_in_rules(&self) -> bool {
        self.case.is_products() || self.incident.is_databases()
    }

    /// Both ids, for messages.
    pub fn named(&self) -> String {
        format!("{} ⇄ {}", self.case.id(), self.incident.text("number"))
    }

    /// How the two differ, by the mapping.
    fn difference(&self) -> Option<String> {
        let (case, incident) = (&self.case, &self.incident);
        let equal = [
            ("Subject", "short_description"),
            ("Description", "description"),
            ("ServiceNow_Number__c", "number"),
        ];
        let differing = equal
            .iter()
            .find(|(there, here)| case.text(there) != incident.text(here));
        if let Some((there, here)) = differing {
            return Some(format!("{}: {there} and {here} differ", self.named()));
        }
        let channels = (case.text("Origin"), incident.text("contact_type"));
        (!CHANNELS.contains(&channels)).then(|| format!("{}: {channels:?} stand together", self.named()))
    }
}

/// Everything that stands in the two services at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// Cases by id.
    pub cases: BTreeMap<String, Record>,
    /// Incidents by id.
    pub incidents: BTreeMap<String, Record>,
    /// The pairs, by the stamps.
    pub pairs: Vec<Pair>,
    /// What is wrong with the stamps: a record with two counterparts, or a counterpart of nothing.
    pub oddities: Vec<String>,
}

impl Stage {
    /// Looks at both services.
    pub fn look(&self) -> Look {
        let all = |records: Vec<Fields>| -> BTreeMap<String, Record> {
            let records = records.into_iter().map(Record);
            records.map(|record| (record.id().to_owned(), record)).collect()
        };
        let cases = all(self.salesforce.simulator().model.records("Case"));
        let incidents = all(self.service_now.simulator().model.records("incident"));
        Look::new(cases, incidents)
    }

    /// How many records API clients have made, on both sides.
    pub fn made_by_clients(&self) -> usize {
        let made = |writes: &[syncflow_simulators::Write]| {
            let made = writes
                .iter()
                .filter(|write| write.kind == WriteKind::Created && matches!(write.actor, Actor::Api(_)));
            made.count()
        };
        made(self.salesforce.simulator().model.writes()) + made(self.service_now.simulator().model.writes())
    }

    /// How often anything was written, by whomever, on both sides.
    pub fn writes(&self) -> usize {
        let salesforce = self.salesforce.simulator().model.writes().len();
        salesforce + self.service_now.simulator().model.writes().len()
    }

    /// Calls so far, by kind, on both sides.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        let mut calls = BTreeMap::new();
        for (kind, count) in self.salesforce.simulator().calls.by_kind() {
            calls.insert(kind.name(), *count);
        }
        for (kind, count) in self.service_now.simulator().calls.by_kind() {
            calls.insert(kind.name(), *count);
        }
        calls
    }
}

impl Look {
    fn new(cases: BTreeMap<String, Record>, incidents: BTreeMap<String, Record>) -> Self {
        let mut pairs = Vec::new();
        let mut oddities = Vec::new();
        let mut counterparts: BTreeMap<String, u32> = BTreeMap::new();
        for (stamped, stamp, from_case) in cases
            .values()
            .map(|case| (case, case.text("ServiceNow_Sys_Id__c"), false))
            .chain(incidents.values().map(|it| (it, it.text("correlation_id"), true)))
            .filter(|(_, stamp, _)| !stamp.is_empty())
        {
            let partner = stamp.split_once(':').map_or("", |(_, id)| id);
            let others = if from_case { &cases } else { &incidents };
            let Some(partner) = others.get(partner) else {
                oddities.push(format!("{} is stamped {stamp}, which is not there", stamped.id()));
                continue;
            };
            *counterparts.entry(partner.id().to_owned()).or_default() += 1;
            let (case, incident) = if from_case {
                (partner, stamped)
            } else {
                (stamped, partner)
            };
            pairs.push(Pair {
                case: case.clone(),
                incident: incident.clone(),
                from_case,
            });
        }
        for (id, count) in counterparts.iter().filter(|(_, count)| **count > 1) {
            oddities.push(format!("{id} has {count} counterparts"));
        }
        Self {
            cases,
            incidents,
            pairs,
            oddities,
        }
    }

    /// How many pairs the rules let in.
    pub fn in_rules(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.is_in_rules()).count()
    }

    /// Pairs in the rules whose mapped fields are not equal.
    pub fn differences(&self) -> Vec<String> {
        let pairs = self.pairs.iter().filter(|pair| pair.is_in_rules());
        pairs.filter_map(Pair::difference).collect()
    }

    /// Hand-made records that the rules let in and that have no counterpart.
    pub fn missing(&self) -> Vec<String> {
        let paired = |id: &str| {
            let mut pairs = self.pairs.iter();
            pairs.any(|pair| pair.case.id() == id || pair.incident.id() == id)
        };
        let cases = self.cases.values().filter(|case| case.is_products());
        let incidents = self.incidents.values().filter(|incident| incident.is_databases());
        cases
            .chain(incidents)
            .filter(|record| !paired(record.id()))
            .map(|record| format!("{} has no counterpart", record.id()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(fields: &Value) -> (String, Record) {
        let record = Record(fields.as_object().unwrap().clone());
        (record.id().to_owned(), record)
    }

    fn case(id: &str, group: &str, created: &str) -> (String, Record) {
        let fields = json!({
            "Id": id, "Subject": "s", "Description": "d", "Origin": "Web", "ServiceNow_Number__c": "INC1",
            "ServiceNow_Assignment_Group__c": group, "CreatedDate": created,
        });
        record(&fields)
    }

    fn incident(id: &str, stamp: &str, channel: &str) -> (String, Record) {
        let fields = json!({
            "sys_id": id, "short_description": "s", "description": "d", "contact_type": channel, "number": "INC1",
            "category": "inquiry", "sys_created_on": "2024-08-01 00:00:00", "correlation_id": stamp,
        });
        record(&fields)
    }

    fn look(cases: &[(String, Record)], incidents: &[(String, Record)]) -> Look {
        Look::new(
            cases.iter().cloned().collect(),
            incidents.iter().cloned().collect(),
        )
    }

    #[test]
    fn the_rules_begin_on_their_day_and_select_one_group() {
        assert!(
            case("5", "Product", "2024-07-22T00:00:00.000+0000")
                .1
                .is_products()
        );
        assert!(
            !case("5", "Product", "2024-07-21T23:59:59.000+0000")
                .1
                .is_products()
        );
        assert!(
            !case("5", "Support", "2024-07-22T00:00:00.000+0000")
                .1
                .is_products()
        );
    }

    #[test]
    fn a_case_in_the_rules_without_a_counterpart_is_missed_and_one_with_two_is_odd() {
        let cases = [case("5", "Product", "2024-08-01T00:00:00.000+0000")];
        assert_eq!(look(&cases, &[]).missing().len(), 1);
        let one = [incident("a", "salesforce:5", "virtual_agent")];
        let paired = look(&cases, &one);
        assert_eq!(
            (paired.missing().len(), paired.oddities.len(), paired.in_rules()),
            (0, 0, 1)
        );
        let two = [one[0].clone(), incident("b", "salesforce:5", "virtual_agent")];
        assert_eq!(look(&cases, &two).oddities, ["5 has 2 counterparts"]);
        assert_eq!(look(&[], &one).oddities.len(), 1, "a counterpart of nothing");
    }

    #[test]
    fn channels_are_equal_when_they_stand_together_in_any_row() {
        let cases = [case("5", "Product", "2024-08-01T00:00:00.000+0000")];
        let differences = |channel| {
            look(&cases, &[incident("a", "salesforce:5", channel)])
                .differences()
                .len()
        };
        assert_eq!(differences("self-service"), 0);
        assert_eq!(differences("virtual_agent"), 0);
        assert_eq!(differences("email"), 1);
    }
}
