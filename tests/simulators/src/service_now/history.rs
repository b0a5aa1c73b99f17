//! What was written by whom: the oracle's record, and the platform's own log of deletions.

use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

use super::ServiceNow;
use super::clock;
use super::records::Author;
use super::store::Values;
use crate::model::{Actor, Change, Write, WriteKind};

/// The columns that every write moves, which are no change of content.
const BOOKKEEPING: [&str; 5] = [
    "sys_created_on",
    "sys_created_by",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
];

impl ServiceNow {
    /// Whether deletions from the table are logged: `glide.db.audit.ignore.delete` and the dictionary attribute
    /// `no_audit_delete` leave tables out (ServiceNow docs: available system properties, dictionary attributes).
    pub(super) fn logs_deletions_of(&self, class: &str) -> bool {
        let ignored = self.property("glide.db.audit.ignore.delete");
        let exempt = self
            .schema
            .lineage(class)
            .any(|table| table.has_attribute("no_audit_delete"));
        self.switches.audits_deletes
            && class != "sys_audit_delete"
            && !exempt
            && !ignored.split(',').any(|one| one.trim() == class)
    }

    pub(super) fn log_deletion(
        &mut self,
        author: &Author,
        class: &str,
        sys_id: &str,
        row: &Values,
        now: Timestamp,
    ) {
        let elements: Vec<String> = row
            .iter()
            .map(|(name, value)| format!("<{name}>{value}</{name}>"))
            .collect();
        let payload = elements.concat();
        let entry_id = self.ids.next();
        let stamp = clock::stamp(now);
        let entry = [
            ("sys_id", entry_id.clone()),
            ("tablename", class.to_owned()),
            ("documentkey", sys_id.to_owned()),
            ("display_value", self.display_value(class, row)),
            (
                "payload",
                format!("<?xml version=\"1.0\"?><{class}>{payload}</{class}>"),
            ),
            ("sys_created_on", stamp.clone()),
            ("sys_created_by", author.principal.user_name.clone()),
            ("sys_updated_on", stamp),
            ("sys_updated_by", author.principal.user_name.clone()),
            ("sys_mod_count", "0".to_owned()),
        ];
        let entry = entry
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        self.put("sys_audit_delete", &entry_id, Some(entry), now);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one write told whole; a struct would only rename the fields"
    )]
    pub(super) fn record(
        &mut self,
        author: &Author,
        kind: WriteKind,
        class: &str,
        sys_id: &str,
        changed: BTreeMap<String, Change>,
        by_rule: Vec<(String, BTreeMap<String, Change>)>,
        now: Timestamp,
    ) {
        let write = |kind: WriteKind, actor: Actor, changed: BTreeMap<String, Change>| Write {
            at: now,
            object: class.to_owned(),
            id: sys_id.to_owned(),
            kind,
            actor,
            changed,
        };
        self.writes.push(write(kind, author.actor.clone(), changed));
        for (name, changed) in by_rule {
            self.writes
                .push(write(WriteKind::Updated, Actor::Automation(name), changed));
        }
    }
}

/// What differs in content. A missing value and an empty one are the same null.
pub(super) fn differences(before: &Values, after: &Values) -> BTreeMap<String, Change> {
    let json = |row: &Values, column: &str| {
        row.get(column)
            .filter(|value| !value.is_empty())
            .map_or(Value::Null, |value| value.as_str().into())
    };
    let columns = before
        .keys()
        .chain(after.keys())
        .filter(|column| !BOOKKEEPING.contains(&column.as_str()));
    let changes = columns.map(|column| {
        let change = Change {
            before: json(before, column),
            after: json(after, column),
        };
        (column.clone(), change)
    });
    changes
        .filter(|(_, change)| change.before != change.after)
        .collect()
}

/// The row as it was before the rules ran.
pub(super) fn without_rules(row: &Values, by_rule: &[(String, BTreeMap<String, Change>)]) -> Values {
    let mut row = row.clone();
    for (_, changes) in by_rule.iter().rev() {
        for (column, change) in changes {
            row.insert(
                column.clone(),
                change.before.as_str().unwrap_or_default().to_owned(),
            );
        }
    }
    row
}
