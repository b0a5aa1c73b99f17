//! The Table API: writing.
//!
//! Most of what a client gets wrong here is not an error: unknown fields, fields it may not write and values that do
//! not fit are dropped, and only the returned record shows it.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ServiceNow;
use super::acl::Operation;
use super::answer;
use super::clock;
use super::errors::ApiError;
use super::ids::is_sys_id;
use super::query::order::Row;
use super::records::Author;
use super::request::Call;
use super::schema::{Column, InternalType};
use super::store::{Reading, Values};
use super::switches::{ChosenSysId, UnwritableField};
use super::users::Principal;
use super::values::{Taken, take};
use crate::model::Response;

/// The columns that `sysparm_suppress_auto_sys_field` opens.
const STAMPS: [&str; 5] = [
    "sys_created_on",
    "sys_created_by",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
];

impl ServiceNow {
    pub(super) fn create(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        call.check_write_headers()?;
        let body = call.json_object()?;
        if !self
            .acls
            .could(&self.schema, &principal.roles, table, None, Operation::Create)
        {
            return Err(ApiError::acl("Insert"));
        }
        let may = |field: &str| {
            self.acls.could(
                &self.schema,
                &principal.roles,
                table,
                Some(field),
                Operation::Create,
            )
        };
        let mut values = self.taken(call, principal, table, &body, "Insert", may)?;
        let chosen = body
            .get("sys_id")
            .and_then(Value::as_str)
            .filter(|sys_id| is_sys_id(sys_id));
        if let Some(sys_id) = chosen {
            match self.chosen_sys_id() {
                ChosenSysId::Refused => return Err(ApiError::acl("Insert")),
                ChosenSysId::Ignored => {}
                ChosenSysId::AdminOnly if !principal.is_admin() => {}
                ChosenSysId::Honoured | ChosenSysId::AdminOnly => {
                    values.insert("sys_id".to_owned(), sys_id.to_owned());
                }
            }
        }
        let author = self.author(call, principal);
        let sys_id = self.insert(&author, table, values, now)?;
        let mut response = self.written(call, principal, table, &sys_id, StatusCode::CREATED, now);
        let location = format!("{}/api/now/table/{table}/{sys_id}", self.instance_url);
        answer::set(&mut response, "location", &location);
        Ok(response)
    }

    /// What the instance makes of a `sys_id` in a body.
    fn chosen_sys_id(&self) -> ChosenSysId {
        match self.switches.chosen_sys_id {
            ChosenSysId::Honoured
                if self.property("glide.rest.table_api.admin_only_sys_fields") == "true" =>
            {
                ChosenSysId::AdminOnly
            }
            chosen => chosen,
        }
    }

    /// Who writes by this call: with `sysparm_suppress_auto_sys_field=true` the system fields stay as they are sent,
    /// for everyone or, as with a chosen `sys_id`, for administrators only.
    fn author(&self, call: &Call<'_>, principal: &Principal) -> Author {
        let allowed = self.chosen_sys_id() == ChosenSysId::Honoured || principal.is_admin();
        Author {
            keeps_stamps: allowed && call.parameters.flag("sysparm_suppress_auto_sys_field"),
            ..Author::api(principal)
        }
    }

    pub(super) fn modify(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        sys_id: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        call.check_write_headers()?;
        let body = call.json_object()?;
        let class = self.writable(principal, table, sys_id, Operation::Write, "Update", now)?;
        let scope = self.scope(principal, now);
        let row = self.store.find(&self.schema, &class, sys_id, Reading::NEWEST);
        let may = |field: &str| {
            row.is_some_and(|row| {
                self.acls
                    .may(&scope, &principal.roles, row, Some(field), Operation::Write)
            })
        };
        let values = self.taken(call, principal, table, &body, "Update", may)?;
        let author = self.author(call, principal);
        self.update(&author, &class, sys_id, values, now)?;
        Ok(self.written(call, principal, table, sys_id, StatusCode::OK, now))
    }

    pub(super) fn delete(
        &mut self,
        principal: &Principal,
        table: &str,
        sys_id: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let class = self.writable(principal, table, sys_id, Operation::Delete, "Delete", now)?;
        self.remove(&Author::api(principal), &class, sys_id, now)?;
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }

    /// The own table of a row that the user may see and do this to.
    fn writable(
        &self,
        principal: &Principal,
        table: &str,
        sys_id: &str,
        operation: Operation,
        named: &str,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let scope = self.scope(principal, now);
        let may = |row: Row<'_>, operation| self.acls.may(&scope, &principal.roles, row, None, operation);
        let found = self.store.find(&self.schema, table, sys_id, Reading::NEWEST);
        let row = found
            .filter(|row| may(*row, Operation::Read))
            .ok_or_else(ApiError::no_record)?;
        if may(row, operation) {
            Ok(row.0.to_owned())
        } else {
            Err(ApiError::acl(named))
        }
    }

    /// The row after a write, as its writer may see it: the newest version, whatever replicas lag.
    fn written(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        sys_id: &str,
        status: StatusCode,
        now: Timestamp,
    ) -> Response {
        if call
            .header("x-no-response-body")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return answer::empty(status);
        }
        let scope = self.scope(principal, now);
        let found = self.store.find(&self.schema, table, sys_id, Reading::NEWEST);
        let readable = found.filter(|row| {
            self.acls
                .may(&scope, &principal.roles, *row, None, Operation::Read)
        });
        let shown = readable.map_or_else(Map::new, |row| {
            self.render(
                &scope,
                principal,
                table,
                row,
                &self.rendering(&call.parameters, table),
            )
        });
        answer::json(status, &json!({"result": shown}))
    }

    /// What the body sets: known, writable columns with values that fit. `operation` names the write in refusals.
    fn taken(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        body: &Map<String, Value>,
        operation: &str,
        may: impl Fn(&str) -> bool,
    ) -> Result<Values, ApiError> {
        let input_is_display = call.parameters.flag("sysparm_input_display_value");
        let keeps_stamps = self.author(call, principal).keeps_stamps;
        let mut values = Values::new();
        for (name, sent) in body {
            let server_only = |column: &Column| {
                column.read_only && !(keeps_stamps && STAMPS.contains(&column.name.as_str()))
            };
            let column = self
                .schema
                .column(table, name)
                .filter(|column| !server_only(column));
            let (Some(column), Some(mut text)) = (column, scalar(sent)) else {
                continue;
            };
            if !may(name) {
                match self.switches.unwritable_field {
                    UnwritableField::Dropped => continue,
                    UnwritableField::Refused => return Err(ApiError::acl(operation)),
                }
            }
            if input_is_display {
                text = self.stored_from_display(principal, table, column, &text);
            }
            let choices = self.schema.choices_of(table, name);
            match take(column, &text, &choices, &self.switches) {
                Taken::Set(value) => {
                    values.insert(name.clone(), value);
                }
                Taken::Dropped => {}
                Taken::TooLong => return Err(ApiError::database(&operation.to_lowercase(), table, "")),
            }
        }
        Ok(values)
    }

    /// `sysparm_input_display_value=true`: labels, names and local times instead of stored values.
    pub(super) fn stored_from_display(
        &self,
        principal: &Principal,
        table: &str,
        column: &Column,
        text: &str,
    ) -> String {
        match &column.internal_type {
            InternalType::DateTime => {
                let typed = clock::parse_stamp(text).and_then(|at| clock::stored_from(&principal.zone, at));
                typed.unwrap_or_else(|| text.to_owned())
            }
            InternalType::Reference { table, .. } if !is_sys_id(text) && !text.is_empty() => {
                // The first match is taken, and no match empties the reference.
                let mut rows = self.store.rows(&self.schema, table, Reading::NEWEST);
                let named = rows.find(|(class, row)| self.display_value(class, row) == text);
                named
                    .and_then(|(_, row)| row.get("sys_id"))
                    .cloned()
                    .unwrap_or_default()
            }
            _ => {
                let choices = self.schema.choices_of(table, &column.name);
                let labelled = choices.iter().find(|choice| choice.label == text);
                labelled.map_or_else(|| text.to_owned(), |choice| choice.value.clone())
            }
        }
    }
}

/// A JSON value as text; null is empty, and objects and lists say nothing.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
