//! What people do at the two services' own screens.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use syncflow_simulators::quickstart::SERVICE_NOW_USER;
use syncflow_simulators::{Admin as _, Fields};

use crate::failure::Failure;
use crate::stage::Stage;

/// Works in Salesforce.
pub const MARA: &str = "Mara Lindqvist";
/// Works in ServiceNow.
pub const TOM: &str = "Tom Okafor";

impl Stage {
    /// Mara edits a case.
    pub fn edit_case(&self, id: &str, fields: &Value) -> Result<(), Failure> {
        let now = self.salesforce.now();
        let mut simulator = self.salesforce.simulator();
        simulator
            .model
            .edit_as_person("Case", id, &fields_of(fields), now, MARA)?;
        self.edits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tom edits an incident.
    pub fn edit_incident(&self, id: &str, fields: &Value) -> Result<(), Failure> {
        let now = self.service_now.now();
        let mut simulator = self.service_now.simulator();
        simulator
            .model
            .edit_as_person("incident", id, &fields_of(fields), now, TOM)?;
        self.edits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Mara makes a case; returns its id.
    pub fn make_case(&self, fields: &Value) -> Result<String, Failure> {
        let now = self.salesforce.now();
        let mut simulator = self.salesforce.simulator();
        let id = simulator.model.seed("Case", &fields_of(fields), now)?;
        self.edits.fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }

    /// Tom makes an incident; returns its id.
    pub fn make_incident(&self, fields: &Value) -> Result<String, Failure> {
        let now = self.service_now.now();
        let mut simulator = self.service_now.simulator();
        let id = simulator
            .model
            .create_as_person("incident", &fields_of(fields), now, TOM)?;
        self.edits.fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }

    /// An administrator of ServiceNow sets or clears "Password needs reset" on the integration user.
    pub fn set_password_needs_reset(&self, needed: bool) -> Result<(), Failure> {
        let now = self.service_now.now();
        let mut simulator = self.service_now.simulator();
        let users = simulator.model.records("sys_user");
        let user = users.iter().find(|user| user["user_name"] == SERVICE_NOW_USER);
        let id = user
            .and_then(|user| user["sys_id"].as_str())
            .ok_or(Failure::Missing("integration user in ServiceNow"))?;
        let fields = fields_of(&json!({"password_needs_reset": needed.to_string()}));
        simulator
            .model
            .edit_as_person("sys_user", id, &fields, now, "admin")?;
        Ok(())
    }
}

fn fields_of(fields: &Value) -> Fields {
    fields.as_object().cloned().unwrap_or_default()
}
