//! What the instance does by itself when a row is written: business rules, data policies, priority look-up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::schema::Schema;
use super::store::Values;

/// When a business rule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// In the transaction, before the row is stored: the writer sees the effect in the answer.
    Before,
    /// As an edit of its own, this many seconds after the write.
    #[serde(rename_all = "camelCase")]
    Async {
        /// Seconds between the write and the rule's edit.
        delay_seconds: i64,
    },
}

/// Which writes a business rule answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum On {
    /// New rows.
    Insert,
    /// Changed rows.
    Update,
    /// Both.
    InsertOrUpdate,
    /// Deletions.
    Delete,
}

/// What a business rule does.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Gives columns these values.
    Set(BTreeMap<String, String>),
    /// `setAbortAction(true)`: the write fails with 403. Means nothing in an async rule.
    Abort,
    /// Rewrites the row's values as code sees fit; from code only.
    #[serde(skip)]
    Rewrite(Arc<dyn Fn(&mut Values) + Send + Sync>),
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(values) => formatter.debug_tuple("Set").field(values).finish(),
            Self::Abort => formatter.write_str("Abort"),
            Self::Rewrite(_) => formatter.write_str("Rewrite"),
        }
    }
}

/// One business rule (`sys_script`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BusinessRule {
    /// The name, which error messages give.
    pub name: String,
    /// The table, and its descendants.
    pub table: String,
    /// When it runs.
    pub when: When,
    /// Which writes it answers to.
    pub on: On,
    /// An encoded query the row must match; empty for every row.
    #[serde(default)]
    pub condition: String,
    /// What it does.
    pub action: Action,
    /// Rules run from the lowest to the highest; those of the same order as they were added.
    #[serde(default = "usual_order")]
    pub order: i64,
}

/// The order that the platform gives a new rule.
fn usual_order() -> i64 {
    100
}

impl BusinessRule {
    /// A rule for every inserted or updated row of a table.
    pub fn new(name: &str, table: &str, when: When, action: Action) -> Self {
        Self {
            name: name.to_owned(),
            table: table.to_owned(),
            when,
            on: On::InsertOrUpdate,
            condition: String::new(),
            action,
            order: usual_order(),
        }
    }

    /// A before rule that gives columns fixed values.
    pub fn before_set(name: &str, table: &str, values: &[(&str, &str)]) -> Self {
        Self::new(name, table, When::Before, Action::Set(owned(values)))
    }

    /// A before rule that rewrites the row by code.
    pub fn before(name: &str, table: &str, rewrite: impl Fn(&mut Values) + Send + Sync + 'static) -> Self {
        Self::new(name, table, When::Before, Action::Rewrite(Arc::new(rewrite)))
    }

    /// A before rule that aborts the write of rows that match.
    pub fn abort(name: &str, table: &str, condition: &str) -> Self {
        Self::new(name, table, When::Before, Action::Abort).when(condition)
    }

    /// A rule that edits the row some seconds after the write.
    pub fn async_set(name: &str, table: &str, delay_seconds: i64, values: &[(&str, &str)]) -> Self {
        Self::new(
            name,
            table,
            When::Async { delay_seconds },
            Action::Set(owned(values)),
        )
    }

    /// The same rule for rows that match an encoded query only.
    #[must_use]
    pub fn when(mut self, condition: &str) -> Self {
        condition.clone_into(&mut self.condition);
        self
    }

    /// The same rule for other writes.
    #[must_use]
    pub fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    pub(super) fn answers_to(&self, operation: On) -> bool {
        self.on == operation || self.on == On::InsertOrUpdate && matches!(operation, On::Insert | On::Update)
    }
}

fn owned(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A data policy: what must, or must not, be given where a condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataPolicy {
    /// The table, and its descendants.
    pub table: String,
    /// An encoded query the written row must match; empty for every row.
    #[serde(default)]
    pub condition: String,
    /// Columns that must have a value.
    #[serde(default)]
    pub mandatory: Vec<String>,
    /// Columns that may not be changed.
    #[serde(default)]
    pub read_only: Vec<String>,
}

impl DataPolicy {
    /// A policy that makes columns mandatory for rows that match.
    pub fn mandatory(table: &str, condition: &str, columns: &[&str]) -> Self {
        Self {
            table: table.to_owned(),
            condition: condition.to_owned(),
            mandatory: columns.iter().map(|column| (*column).to_owned()).collect(),
            read_only: Vec::new(),
        }
    }
}

/// An async rule that waits for its moment.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) rule: BusinessRule,
    pub(super) class: String,
    pub(super) sys_id: String,
}

/// The rules of an instance.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// Each with the `sys_id` of its `sys_script` row, which error messages give.
    pub(super) business: Vec<(String, BusinessRule)>,
    pub(super) policies: Vec<DataPolicy>,
    /// In the order of their moments.
    pub(super) due: Vec<Due>,
}

impl Rules {
    /// Adds a rule under the `sys_id` of its row.
    pub(super) fn add(&mut self, rule_id: &str, rule: BusinessRule) {
        let at = self
            .business
            .partition_point(|(_, other)| other.order <= rule.order);
        self.business.insert(at, (rule_id.to_owned(), rule));
    }

    pub(super) fn schedule(&mut self, due: Due) {
        let place = self.due.partition_point(|other| other.at <= due.at);
        self.due.insert(place, due);
    }

    /// The next rule whose moment has come.
    pub(super) fn next_due(&mut self, now: Timestamp) -> Option<Due> {
        if self.due.first().is_some_and(|due| due.at <= now) {
            Some(self.due.remove(0))
        } else {
            None
        }
    }
}

/// The out-of-box policy behind "Resolution code" and "Resolution notes".
pub(super) fn close_policy() -> DataPolicy {
    DataPolicy::mandatory("incident", "stateIN6,7", &["close_code", "close_notes"])
}

/// What the platform's own before rules derive: priority from impact and urgency, `active` and the closing times from
/// the state. `before` is the row as it was, or nothing for a new one.
pub(super) fn derive(schema: &Schema, class: &str, before: Option<&Values>, row: &mut Values, stamp: &str) {
    if !schema.is_a(class, "task") {
        return;
    }
    let get = |row: &Values, column: &str| row.get(column).cloned().unwrap_or_default();
    if let Some(priority) = priority(&get(row, "impact"), &get(row, "urgency")) {
        row.insert("priority".to_owned(), priority.to_owned());
    }
    if class != "incident" {
        return;
    }
    let state = get(row, "state");
    if before.is_some_and(|before| get(before, "state") == state) {
        return;
    }
    let closed = state == "7" || state == "8";
    row.insert("active".to_owned(), (!closed).to_string());
    for (column, reached) in [
        ("resolved_at", state == "6" || state == "7"),
        ("closed_at", closed),
    ] {
        if reached && get(row, column).is_empty() {
            row.insert(column.to_owned(), stamp.to_owned());
        } else if !reached {
            row.insert(column.to_owned(), String::new());
        }
    }
}

/// The out-of-box priority look-up.
fn priority(impact: &str, urgency: &str) -> Option<&'static str> {
    match (impact, urgency) {
        ("1", "1") => Some("1"),
        ("1", "2") | ("2", "1") => Some("2"),
        ("1", "3") | ("2", "2") | ("3", "1") => Some("3"),
        ("2", "3") | ("3", "2") => Some("4"),
        ("3", "3") => Some("5"),
        _ => None,
    }
}
