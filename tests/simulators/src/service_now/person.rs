//! What people do at the instance's own screens, behind the API's back.

use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

use super::ServiceNow;
use super::clock;
use super::errors::ApiError;
use super::records::Author;
use super::rules::derive;
use super::schema::Column;
use super::store::{Reading, Values};
use super::table_write::scalar;
use super::users::Principal;
use super::values::{Taken, take};
use crate::model::{Actor, Admin, AdminError, Fields, WriteKind};

/// Columns that only a seeded row brings along.
const SEEDED_ONLY: [&str; 6] = [
    "sys_id",
    "sys_created_by",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
    "sys_tags",
];

impl ServiceNow {
    fn person(&self, user: &str) -> Author {
        let unknown = || Principal {
            user_name: user.to_owned(),
            ..Principal::system()
        };
        let principal = self.principal(user).unwrap_or_else(unknown);
        Author {
            actor: Actor::Person(user.to_owned()),
            principal,
            bypasses_rules: false,
            keeps_stamps: false,
        }
    }

    /// Makes a row as a person would at a form, with everything the instance does about it; returns the `sys_id`.
    pub fn create_as_person(
        &mut self,
        table: &str,
        fields: &Fields,
        now: Timestamp,
        user: &str,
    ) -> Result<String, AdminError> {
        self.run_due_rules(now);
        let values = self.typed(table, fields, false)?;
        let author = self.person(user);
        self.insert(&author, table, values, now).map_err(refused)
    }

    /// The `sys_id`s of rows that API clients made, with their tables, in the order made; deleted ones included.
    pub fn created_by_clients(&self) -> Vec<(String, String)> {
        let created = self
            .writes
            .iter()
            .filter(|write| write.kind == WriteKind::Created && matches!(write.actor, Actor::Api(_)));
        created
            .map(|write| (write.object.clone(), write.id.clone()))
            .collect()
    }

    /// Every live row of a table as stored: no display values, no access rules, no late commits.
    pub fn rows(&self, table: &str) -> Vec<Values> {
        self.store
            .rows(&self.schema, table, Reading::NEWEST)
            .map(|(_, row)| row.clone())
            .collect()
    }

    /// One live row as stored.
    pub fn row(&self, table: &str, sys_id: &str) -> Option<Values> {
        self.store
            .find(&self.schema, table, sys_id, Reading::NEWEST)
            .map(|(_, row)| row.clone())
    }

    /// What a person typed, as stored. Forms hold people to the columns there are, but offer an empty choice, and data
    /// that is already there may have choices that are no longer offered.
    fn typed(&self, table: &str, fields: &Fields, seeded: bool) -> Result<Values, AdminError> {
        if self.schema.table(table).is_none() {
            return Err(AdminError::UnknownObject(table.to_owned()));
        }
        let mut values = Values::new();
        for (name, value) in fields {
            let column = self
                .schema
                .column(table, name)
                .filter(|column| seeded || !is_system(column));
            let column = column.ok_or_else(|| unknown_field(table, name))?;
            let text = scalar(value).ok_or_else(|| {
                AdminError::Invalid(format!("{table}.{name} takes text, not a list or an object"))
            })?;
            values.insert(name.clone(), self.stored_form(table, column, &text)?);
        }
        Ok(values)
    }

    fn stored_form(&self, table: &str, column: &Column, text: &str) -> Result<String, AdminError> {
        if column.choice.restricts() {
            return Ok(text.to_owned());
        }
        match take(column, text, &[], &self.switches) {
            Taken::Set(value) => Ok(value),
            Taken::Dropped | Taken::TooLong => Err(AdminError::Invalid(format!(
                "{table}.{} of type {} cannot hold that value",
                column.name,
                column.internal_type.name()
            ))),
        }
    }

    fn class_of(&self, table: &str, id: &str) -> Result<String, AdminError> {
        if self.schema.table(table).is_none() {
            return Err(AdminError::UnknownObject(table.to_owned()));
        }
        let found = self.store.find(&self.schema, table, id, Reading::NEWEST);
        found
            .map(|(class, _)| class.to_owned())
            .ok_or_else(|| unknown_record(table, id))
    }
}

impl Admin for ServiceNow {
    /// Seeded rows are history: rules do not run on them. Derived values (priority, `active`) are filled in unless
    /// given; `sys_id`, `sys_updated_on` and the like may be given too.
    fn seed(&mut self, object: &str, fields: &Fields, at: Timestamp) -> Result<String, AdminError> {
        let mut values = self.typed(object, fields, true)?;
        let mut derived: Values = BTreeMap::new();
        for (name, column) in self.schema.columns(object) {
            derived.insert(name.to_owned(), column.default_value.clone());
        }
        derived.extend(values.clone());
        derive(&self.schema, object, None, &mut derived, &clock::stamp(at));
        for name in ["priority", "active", "resolved_at", "closed_at"] {
            if let (true, Some(value)) = (self.schema.column(object, name).is_some(), derived.remove(name)) {
                values.entry(name.to_owned()).or_insert(value);
            }
        }
        let author = Author {
            bypasses_rules: true,
            ..self.person("admin")
        };
        self.insert(&author, object, values, at).map_err(refused)
    }

    fn edit_as_person(
        &mut self,
        object: &str,
        id: &str,
        fields: &Fields,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        self.run_due_rules(now);
        let class = self.class_of(object, id)?;
        let values = self.typed(&class, fields, false)?;
        let author = self.person(user);
        self.update(&author, &class, id, values, now).map_err(refused)
    }

    fn delete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        self.run_due_rules(now);
        let class = self.class_of(object, id)?;
        let author = self.person(user);
        self.remove(&author, &class, id, now).map_err(refused)
    }

    fn undelete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        self.run_due_rules(now);
        if self.schema.table(object).is_none() {
            return Err(AdminError::UnknownObject(object.to_owned()));
        }
        let author = self.person(user);
        self.restore(&author, object, id, now)
            .map_err(|_| unknown_record(object, id))
    }

    fn record(&self, object: &str, id: &str) -> Option<Fields> {
        self.row(object, id).map(as_fields)
    }

    fn records(&self, object: &str) -> Vec<Fields> {
        let mut rows = self.rows(object);
        let created = |row: &Values| row.get("sys_created_on").cloned().unwrap_or_default();
        rows.sort_by_key(created);
        rows.into_iter().map(as_fields).collect()
    }

    fn administer(&mut self, action: &str, body: &Value, now: Timestamp) -> Result<Value, AdminError> {
        self.perform(action, body, now)
    }
}

fn is_system(column: &Column) -> bool {
    SEEDED_ONLY.contains(&column.name.as_str()) || column.name == "sys_created_on"
}

fn as_fields(row: Values) -> Fields {
    row.into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect()
}

fn unknown_field(table: &str, name: &str) -> AdminError {
    AdminError::UnknownField {
        object: table.to_owned(),
        field: name.to_owned(),
    }
}

fn unknown_record(table: &str, id: &str) -> AdminError {
    AdminError::UnknownRecord {
        object: table.to_owned(),
        id: id.to_owned(),
    }
}

fn refused(error: ApiError) -> AdminError {
    AdminError::Invalid(error.detail.unwrap_or(error.message))
}
