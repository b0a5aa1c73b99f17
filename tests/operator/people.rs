//! What people do on both sides, and what they see there.

use serde_json::{Value, json};
use syncflow_simulators::{Admin, Fields};

use super::world::World;

impl World {
    /// A case that the rules let in, made by a person now.
    pub fn make_case(&self, subject: &str) -> String {
        let now = self.org.now();
        let fields = json!({
            "Subject": subject, "Description": "made by a test", "Origin": "Web", "Status": "New",
            "ServiceNow_Assignment_Group__c": "Product",
        });
        self.org
            .simulator()
            .model
            .seed("Case", &fields_of(fields), now)
            .unwrap()
    }

    /// An incident that the rules let in, made by a person now.
    pub fn make_incident(&self, short_description: &str) -> String {
        let now = self.instance.now();
        let fields = json!({
            "short_description": short_description, "description": "made by a test", "category": "database",
            "contact_type": "email",
        });
        self.instance
            .simulator()
            .model
            .seed("incident", &fields_of(fields), now)
            .unwrap()
    }

    /// A person changes a case.
    pub fn edit_case(&self, id: &str, fields: Value) {
        let now = self.org.now();
        let fields = fields_of(fields);
        self.org
            .simulator()
            .model
            .edit_as_person("Case", id, &fields, now, "a person")
            .unwrap();
    }

    /// A person changes an incident.
    pub fn edit_incident(&self, id: &str, fields: Value) {
        let now = self.instance.now();
        let fields = fields_of(fields);
        self.instance
            .simulator()
            .model
            .edit_as_person("incident", id, &fields, now, "a person")
            .unwrap();
    }

    /// The live cases.
    pub fn cases(&self) -> Vec<Fields> {
        self.org.simulator().model.records("Case")
    }

    /// The live incidents.
    pub fn incidents(&self) -> Vec<Fields> {
        self.instance.simulator().model.records("incident")
    }

    /// The incident whose stamp names this case.
    pub fn counterpart_of_case(&self, id: &str) -> Option<Fields> {
        let stamp = format!("salesforce:{id}");
        self.incidents()
            .into_iter()
            .find(|incident| value(incident, "correlation_id") == stamp)
    }

    /// The case whose stamp names this incident.
    pub fn counterpart_of_incident(&self, id: &str) -> Option<Fields> {
        let stamp = format!("servicenow:{id}");
        self.cases()
            .into_iter()
            .find(|case| value(case, "ServiceNow_Sys_Id__c") == stamp)
    }
}

/// A field of a record as text; empty where there is none.
pub fn value<'a>(record: &'a Fields, field: &str) -> &'a str {
    record.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn fields_of(fields: Value) -> Fields {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("no fields: {other}"),
    }
}
