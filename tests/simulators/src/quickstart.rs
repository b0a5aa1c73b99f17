//! An org and an instance as `examples/quickstart` expects them: the fields it names, an integration user on each side,
//! and a few hundred made-up cases and incidents, in and out of its rules, old and new.
//!
//! Everything is the same on every run, so that a walk-through can say what will be seen.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::model::{Admin, AdminError, Fields};
use crate::salesforce::{Field, FieldType, Salesforce};
use crate::service_now::ServiceNow;

/// The ServiceNow user that the quickstart signs in as.
pub const SERVICE_NOW_USER: &str = "syncflow.integration";
/// Its password.
pub const SERVICE_NOW_PASSWORD: &str = "instance-password";

/// The day that the quickstart's rules begin at, as in the guide: 2024-07-22.
pub const RULES_BEGIN: Timestamp = Timestamp::constant(1_721_606_400, 0);

const GROUPS: [&str; 4] = ["Product", "Support", "Billing", "Security"];
const ORIGINS: [&str; 3] = ["Email", "Phone", "Web"];
const CHANNELS: [&str; 4] = ["email", "phone", "virtual_agent", "self-service"];
const CATEGORIES: [&str; 5] = ["database", "software", "hardware", "network", "inquiry"];

const SUBJECTS: [&str; 12] = [
    "Cannot sign in after password change",
    "Report export stops at 10,000 rows",
    "Invoice shows last year's address",
    "Mobile app closes when a photo is attached",
    "Search finds no results for part numbers",
    "Nightly import is two hours late",
    "Dashboard totals differ from the report",
    "Customer receives every mail twice",
    "Order stays in status Pending",
    "New user has no access to the archive",
    "Time zone is wrong in calendar invitations",
    "Page loads slowly since the weekend",
];

const OUTAGES: [&str; 10] = [
    "Replication lag on the orders database",
    "Disk of the reporting server is almost full",
    "Connection pool exhausted on db-prod-3",
    "Deadlocks in the billing schema",
    "VPN drops every ten minutes",
    "Printer on floor 4 prints blank pages",
    "Backup of the customer database failed",
    "Certificate of the intranet expires this week",
    "Laptop does not wake from sleep",
    "Slow queries after the index rebuild",
];

const PEOPLE: [&str; 6] = [
    "Mara Lindqvist",
    "Tom Okafor",
    "Ines Duarte",
    "Kenji Watanabe",
    "Élodie Brun",
    "Zoë Achterberg",
];

/// An org with the custom fields of the quickstart and no records.
pub fn salesforce() -> Result<Salesforce, AdminError> {
    let mut org = Salesforce::new();
    let stamp = Field {
        label: Some("ServiceNow Sys Id".into()),
        ..Field::unique_external_id("ServiceNow_Sys_Id__c", 64)
    };
    let number = Field {
        label: Some("ServiceNow Number".into()),
        length: 40,
        ..Field::new("ServiceNow_Number__c", FieldType::String)
    };
    let group = Field {
        label: Some("ServiceNow Assignment Group".into()),
        ..Field::picklist("ServiceNow_Assignment_Group__c", &GROUPS, true)
    };
    for field in [stamp, number, group] {
        org.add_custom_field("Case", field)?;
    }
    Ok(org)
}

/// An instance at that address with the quickstart's integration user and no incidents.
pub fn service_now(instance_url: &str) -> ServiceNow {
    let born = before(RULES_BEGIN, SignedDuration::from_hours(24 * 365));
    let mut instance = ServiceNow::new(instance_url, 20_240_722, born);
    instance.add_user("admin", "admin", &["admin"]);
    instance.add_user(SERVICE_NOW_USER, SERVICE_NOW_PASSWORD, &["itil"]);
    for person in PEOPLE {
        instance.add_user(person, "", &["itil"]);
    }
    instance
}

/// Seeds that many cases, made one every seven hours, half of them before [`RULES_BEGIN`]. Every fourth is Product's.
pub fn seed_cases(org: &mut Salesforce, count: u32) -> Result<Vec<String>, AdminError> {
    seed(org, "Case", count, |at| {
        let person = pick(&PEOPLE, at / 3);
        json!({
            "Subject": format!("{} (#{})", pick(&SUBJECTS, at), at + 1),
            "Description": format!("Reported by {person}.\nSteps and screenshots are attached.\nReference {at:05}."),
            "Origin": pick(&ORIGINS, at / 2),
            "Status": if at % 9 == 0 { "Working" } else { "New" },
            "Priority": pick(&["Low", "Medium", "High"], at / 5),
            "SuppliedName": person,
            "ServiceNow_Assignment_Group__c": pick(&GROUPS, at),
        })
    })
}

/// Seeds that many incidents, made one every seven hours, half of them before [`RULES_BEGIN`]. Every fifth is about a
/// database.
pub fn seed_incidents(instance: &mut ServiceNow, count: u32) -> Result<Vec<String>, AdminError> {
    seed(instance, "incident", count, |at| {
        json!({
            "short_description": format!("{} ({})", pick(&OUTAGES, at / 2), at + 1),
            "description": format!("Noticed by {}.\nFirst seen in run {at:05}.", pick(&PEOPLE, at / 4)),
            "category": pick(&CATEGORIES, at),
            "contact_type": pick(&CHANNELS, at / 3),
            "impact": pick(&["1", "2", "3"], at / 6),
            "urgency": pick(&["2", "3"], at / 7),
            "state": if at % 8 == 0 { "2" } else { "1" },
        })
    })
}

fn seed<M: Admin>(
    service: &mut M,
    object: &str,
    count: u32,
    record: impl Fn(usize) -> Value,
) -> Result<Vec<String>, AdminError> {
    let apart = SignedDuration::from_hours(7);
    let first = before(RULES_BEGIN, apart * i32::try_from(count / 2).unwrap_or(i32::MAX));
    let mut ids = Vec::new();
    let mut at = first;
    for number in 0..count {
        let fields = match record(usize::try_from(number).unwrap_or_default()) {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        };
        ids.push(service.seed(object, &fields, at)?);
        at = at.checked_add(apart).unwrap_or(at);
    }
    Ok(ids)
}

fn pick<'a>(list: &[&'a str], at: usize) -> &'a str {
    list.get(at % list.len()).copied().unwrap_or_default()
}

fn before(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_sub(by).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickstart_has_records_in_and_out_of_its_rules_old_and_new() {
        let mut org = salesforce().unwrap();
        seed_cases(&mut org, 120).unwrap();
        let mut instance = service_now("https://acme.service-now.com");
        seed_incidents(&mut instance, 100).unwrap();

        let cases = org.records("Case");
        let new = |record: &Fields| record["CreatedDate"].as_str() >= Some("2024-07-22T");
        let product = |record: &Fields| record["ServiceNow_Assignment_Group__c"] == "Product";
        assert_eq!(cases.len(), 120);
        assert_eq!(cases.iter().filter(|case| new(case)).count(), 60);
        assert_eq!(cases.iter().filter(|case| new(case) && product(case)).count(), 15);

        let incidents = instance.records("incident");
        let new = |record: &Fields| record["sys_created_on"].as_str() >= Some("2024-07-22");
        assert_eq!(incidents.len(), 100);
        let database = incidents
            .iter()
            .filter(|incident| new(incident) && incident["category"] == "database");
        assert_eq!(database.count(), 10);
    }
}
