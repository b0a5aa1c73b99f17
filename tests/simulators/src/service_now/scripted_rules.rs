//! Business rules that clients write: rows of `sys_script` take effect as they are inserted, changed and deleted.
//!
//! Understood are `collection`, `active`, `order`, `when` (`before`, `after`, `async`), the `action_*` flags,
//! `filter_condition`, `abort_action` and `template` ("set field values"). A `script` is kept and not run: the simulator
//! has no JavaScript.

use std::collections::BTreeMap;

use super::ServiceNow;
use super::rules::{Action, BusinessRule, On, When};
use super::store::{Reading, Values};

/// The table of rules.
const SCRIPTS: &str = "sys_script";

/// How long after the write an async rule runs, in seconds: the scheduler's turn.
const ASYNC_SECONDS: i64 = 1;

impl ServiceNow {
    /// Brings the rule of a row up to date after a write to the row; writes to other tables are none of its business.
    pub(super) fn follow_script(&mut self, class: &str, sys_id: &str) {
        if class != SCRIPTS {
            return;
        }
        self.rules.business.retain(|(rule_id, _)| rule_id != sys_id);
        let row = self.store.find(&self.schema, SCRIPTS, sys_id, Reading::NEWEST);
        let rules = row.map(|(_, row)| rules_of(row)).unwrap_or_default();
        for rule in rules {
            self.rules.add(sys_id, rule);
        }
    }
}

/// The rules that a row stands for: one for inserts and updates, one for deletions.
fn rules_of(row: &Values) -> Vec<BusinessRule> {
    let text = |column: &str| row.get(column).map_or("", String::as_str);
    let is = |column: &str| text(column) == "true";
    let when = match text("when") {
        "before" => When::Before,
        // An after rule writes the row once more in the same transaction.
        "after" => When::Async { delay_seconds: 0 },
        "async" => When::Async {
            delay_seconds: ASYNC_SECONDS,
        },
        _ => return Vec::new(),
    };
    let action = if is("abort_action") {
        Action::Abort
    } else {
        Action::Set(template(text("template")))
    };
    if !is("active") || matches!(&action, Action::Set(values) if values.is_empty()) {
        return Vec::new();
    }
    let written = match (is("action_insert"), is("action_update")) {
        (true, true) => Some(On::InsertOrUpdate),
        (true, false) => Some(On::Insert),
        (false, true) => Some(On::Update),
        (false, false) => None,
    };
    let deleted = is("action_delete").then_some(On::Delete);
    let rule = |on: On| BusinessRule {
        order: text("order").parse().unwrap_or(100),
        ..BusinessRule::new(text("name"), text("collection"), when, action.clone())
            .when(text("filter_condition"))
            .on(on)
    };
    written.into_iter().chain(deleted).map(rule).collect()
}

/// `state=2^assigned_to=…^EQ`: the values that the rule sets.
fn template(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('^').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(column, value)| (column.to_owned(), value.to_owned()))
        .collect()
}
