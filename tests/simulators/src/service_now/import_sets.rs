//! The Import Set API: rows into a staging table, and from there into other tables by transform maps.
//!
//! Source: ServiceNow docs, "Import Set API". The answer is 201 whatever became of the row; that stands in `status`. A
//! map with coalesce fields updates the row that has the same values there, which makes it an upsert. Maps are the rows
//! of `sys_transform_map` and `sys_transform_entry`, so those that a client writes take effect.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ServiceNow;
use super::acl::Operation;
use super::answer;
use super::clock;
use super::errors::ApiError;
use super::history::differences;
use super::records::Author;
use super::request::Call;
use super::store::{Reading, Values};
use super::table_write::scalar;
use super::users::Principal;
use super::values::{Taken, take};
use crate::model::Response;

/// What every staging table extends.
const STAGING: &str = "sys_import_set_row";

/// Rows that wait for their transformation.
#[derive(Debug, Clone)]
pub(super) struct PendingImport {
    at: Timestamp,
    principal: Principal,
    staging: String,
    rows: Vec<String>,
}

/// What a transform map made of a row.
struct Outcome {
    map: String,
    table: String,
    status: &'static str,
    target: String,
    message: String,
}

impl ServiceNow {
    /// Answers a request to `/import/{staging}` and what lies under it.
    pub(super) fn import(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        staging: &str,
        rest: Option<&str>,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        if staging == STAGING || !self.schema.is_a(staging, STAGING) {
            return Err(ApiError::invalid_table(staging));
        }
        match (&call.method, rest) {
            (&Method::GET, Some(sys_id)) => self.imported(principal, staging, sys_id),
            (&Method::POST, None) => {
                let body = self.check_import(call, principal, staging)?;
                let author = Author::api(principal);
                let (set, number) = self.new_import_set(&author, staging, now)?;
                let row = self.stage(&author, staging, &set, &body, now)?;
                let results = self.transform(principal, staging, &row, now);
                let answer = json!({"import_set": number, "staging_table": staging, "result": results});
                Ok(answer::json(StatusCode::CREATED, &answer))
            }
            (&Method::POST, Some("insertMultiple")) => self.import_many(call, principal, staging, now),
            _ => Err(ApiError::method()),
        }
    }

    fn check_import(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        staging: &str,
    ) -> Result<Map<String, Value>, ApiError> {
        call.check_write_headers()?;
        let may = self
            .acls
            .could(&self.schema, &principal.roles, staging, None, Operation::Create);
        if may {
            call.json_object()
        } else {
            Err(ApiError::acl("Insert"))
        }
    }

    fn new_import_set(
        &mut self,
        author: &Author,
        staging: &str,
        now: Timestamp,
    ) -> Result<(String, String), ApiError> {
        let values = [("table_name", staging), ("state", "processed")];
        let values = values
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let sys_id = self.insert(author, "sys_import_set", values, now)?;
        let row = self.row("sys_import_set", &sys_id).unwrap_or_default();
        Ok((sys_id, row.get("number").cloned().unwrap_or_default()))
    }

    /// Puts a row into the staging table; a column may go by its name or, as `insertMultiple` has it, by its label.
    fn stage(
        &mut self,
        author: &Author,
        staging: &str,
        set: &str,
        body: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let columns = self.schema.columns(staging);
        let mut values: Values = body
            .iter()
            .filter_map(|(name, sent)| {
                let by_label = || {
                    columns
                        .values()
                        .find(|column| column.label.eq_ignore_ascii_case(name))
                        .copied()
                };
                let column = columns.get(name.as_str()).copied().or_else(by_label)?;
                // Objects are kept as the platform prints them, with `=` for `:`.
                let text = scalar(sent).unwrap_or_else(|| sent.to_string().replace("\":", "\"="));
                match take(column, &text, &[], &self.switches) {
                    Taken::Set(value) => Some((column.name.clone(), value)),
                    Taken::Dropped | Taken::TooLong => None,
                }
            })
            .collect();
        values.insert("sys_import_set".to_owned(), set.to_owned());
        values.insert("sys_import_state".to_owned(), "pending".to_owned());
        self.insert(author, staging, values, now)
    }

    fn import_many(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        staging: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        let body = self.check_import(call, principal, staging)?;
        let records = body.get("records").and_then(Value::as_array);
        let records = records.ok_or_else(|| ApiError::unreadable("records is missing"))?;
        let author = Author::api(principal);
        let (set, _) = self.new_import_set(&author, staging, now)?;
        let mut rows = Vec::new();
        for record in records.iter().filter_map(Value::as_object) {
            rows.push(self.stage(&author, staging, &set, record, now)?);
        }
        let asked = call.parameters.get("multi_import_set_id").map(str::to_owned);
        let multi = asked.unwrap_or_else(|| self.ids.next());
        self.pending_imports.push(PendingImport {
            at: clock::later(now, self.switches.import_delay_seconds),
            principal: principal.clone(),
            staging: staging.to_owned(),
            rows,
        });
        let answer = json!({"import_set_id": set, "multi_import_set_id": multi});
        Ok(answer::json(StatusCode::CREATED, &answer))
    }

    /// Transforms what was sent with `insertMultiple` and is due.
    pub(super) fn run_due_imports(&mut self, now: Timestamp) {
        if self.pending_imports.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending_imports).into_iter();
        let (due, later): (Vec<_>, Vec<_>) = pending.partition(|import| import.at <= now);
        self.pending_imports = later;
        for import in due {
            for row in &import.rows {
                self.transform(&import.principal, &import.staging, row, import.at);
            }
        }
    }

    /// Runs every active map of the staging table over a row, in their order; the row keeps the last outcome.
    fn transform(
        &mut self,
        principal: &Principal,
        staging: &str,
        row_id: &str,
        now: Timestamp,
    ) -> Vec<Value> {
        let row = self.row(staging, row_id).unwrap_or_default();
        let order = |map: &Values| {
            map.get("order")
                .and_then(|order| order.parse::<i64>().ok())
                .unwrap_or(100)
        };
        let mut maps: Vec<Values> = self.meta_rows(
            "sys_transform_map",
            &[("source_table", staging), ("active", "true")],
        );
        maps.sort_by_key(order);
        let mut shown = Vec::new();
        for map in maps {
            let outcome = self.transform_by(principal, &map, &row, now);
            let kept = [
                ("sys_import_state", outcome.status),
                ("sys_import_state_comment", outcome.message.as_str()),
                ("sys_target_table", outcome.table.as_str()),
                ("sys_target_sys_id", outcome.target.as_str()),
                ("sys_transform_map", outcome.map.as_str()),
            ];
            let kept = kept
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
            // The staging row is the platform's own to keep; a rule that refuses would only lose the trace.
            let _ = self.update(
                &Author::rule("Import Set Transformer"),
                staging,
                row_id,
                kept,
                now,
            );
            shown.push(self.show_outcome(&outcome));
        }
        shown
    }

    fn transform_by(&mut self, principal: &Principal, map: &Values, row: &Values, now: Timestamp) -> Outcome {
        let text = |column: &str| map.get(column).cloned().unwrap_or_default();
        let mut outcome = Outcome {
            map: text("sys_id"),
            table: text("target_table"),
            status: "ignored",
            target: String::new(),
            message: String::new(),
        };
        let (values, keys) = self.mapped(principal, map, &outcome.table, row);
        let target = self.coalesced(&outcome.table, &keys);
        let author = Author::api(principal);
        let written = if let Some((class, sys_id, current)) = target {
            outcome.target.clone_from(&sys_id);
            let mut after = current.clone();
            after.extend(values.clone());
            if differences(&current, &after).is_empty() {
                "No field values changed".clone_into(&mut outcome.message);
                return outcome;
            }
            outcome.status = "updated";
            self.update(&author, &class, &sys_id, values, now)
        } else {
            outcome.status = "inserted";
            let inserted = self.insert(&author, &outcome.table.clone(), values, now);
            inserted.map(|sys_id| outcome.target = sys_id)
        };
        if let Err(error) = written {
            outcome.status = "error";
            outcome.message = error.detail.unwrap_or(error.message);
        }
        outcome
    }

    /// The target's values, and those of them that identify a row.
    fn mapped(&self, principal: &Principal, map: &Values, table: &str, row: &Values) -> (Values, Values) {
        let id = map.get("sys_id").map_or("", String::as_str);
        let copies_empty = map.get("copy_empty_fields").is_some_and(|flag| flag == "true");
        let (mut values, mut keys) = (Values::new(), Values::new());
        for entry in self.meta_rows("sys_transform_entry", &[("map", id)]) {
            let text = |column: &str| entry.get(column).map_or("", String::as_str);
            let source = row.get(text("source_field")).map_or("", String::as_str);
            let target = text("target_field");
            let Some(column) = self.schema.column(table, target) else {
                continue;
            };
            if source.is_empty() && !copies_empty {
                continue;
            }
            let stored = self.stored_from_display(principal, table, column, source);
            let choices = self.schema.choices_of(table, target);
            let Taken::Set(stored) = take(column, &stored, &choices, &self.switches) else {
                continue;
            };
            if text("coalesce") == "true" {
                keys.insert(target.to_owned(), stored.clone());
            }
            values.insert(target.to_owned(), stored);
        }
        (values, keys)
    }

    /// The row that has these values, if they are any: its table, its `sys_id` and itself.
    fn coalesced(&self, table: &str, keys: &Values) -> Option<(String, String, Values)> {
        if keys.is_empty() {
            return None;
        }
        let same = |row: &Values| {
            keys.iter().all(|(name, value)| {
                row.get(name)
                    .is_some_and(|known| known.eq_ignore_ascii_case(value))
            })
        };
        let mut rows = self.store.rows(&self.schema, table, Reading::NEWEST);
        let (class, row) = rows.find(|(_, row)| same(row))?;
        Some((class.to_owned(), row.get("sys_id")?.clone(), row.clone()))
    }

    fn show_outcome(&self, outcome: &Outcome) -> Value {
        let map = self.row("sys_transform_map", &outcome.map).unwrap_or_default();
        let target = self.row(&outcome.table, &outcome.target);
        let display = target.as_ref().map(|row| self.display_value(&outcome.table, row));
        let column = self.schema.display_column(&outcome.table);
        let mut shown = Map::new();
        let mut tell = |name: &str, value: &str| shown.insert(name.to_owned(), json!(value));
        tell("transform_map", map.get("name").map_or("", String::as_str));
        tell("table", &outcome.table);
        if target.is_some() {
            tell("display_name", column.map_or("", |column| &column.name));
            tell("display_value", display.as_deref().unwrap_or_default());
            let link = format!(
                "{}/api/now/table/{}/{}",
                self.instance_url, outcome.table, outcome.target
            );
            tell("record_link", &link);
        }
        tell("status", outcome.status);
        if outcome.status == "error" {
            tell("error_message", &outcome.message);
        } else if !outcome.message.is_empty() {
            tell("status_message", &outcome.message);
        }
        tell("sys_id", &outcome.target);
        Value::Object(shown)
    }

    /// What became of a staged row.
    fn imported(&self, principal: &Principal, staging: &str, sys_id: &str) -> Result<Response, ApiError> {
        self.check_table_read(principal, staging)?;
        let row = self.row(staging, sys_id).ok_or_else(ApiError::no_record)?;
        let text = |column: &str| row.get(column).cloned().unwrap_or_default();
        let status = match text("sys_import_state").as_str() {
            "inserted" => "inserted",
            "updated" => "updated",
            "ignored" => "ignored",
            "error" => "error",
            _ => "pending",
        };
        let outcome = Outcome {
            map: text("sys_transform_map"),
            table: text("sys_target_table"),
            status,
            target: text("sys_target_sys_id"),
            message: text("sys_import_state_comment"),
        };
        let set = self
            .row("sys_import_set", &text("sys_import_set"))
            .unwrap_or_default();
        let answer = json!({
            "import_set": set.get("number"),
            "staging_table": staging,
            "result": [self.show_outcome(&outcome)],
        });
        Ok(answer::json(StatusCode::OK, &answer))
    }
}
