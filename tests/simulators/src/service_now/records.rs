//! Writing a row: defaults, rules, policies, uniqueness, stamps. Every write goes this way, whoever makes it.

use jiff::Timestamp;
use std::collections::BTreeMap;

use super::ServiceNow;
use super::automation::Ruled;
use super::clock;
use super::errors::ApiError;
use super::history::{differences, without_rules};
use super::rules::On;
use super::store::{Reading, Values};
use super::users::Principal;
use crate::model::{Actor, WriteKind};

/// Who writes.
#[derive(Debug, Clone)]
pub(super) struct Author {
    pub(super) actor: Actor,
    /// What `sys_updated_by` will say.
    pub(super) principal: Principal,
    /// Seeded data is history: no rule, policy or derivation looks at it.
    pub(super) bypasses_rules: bool,
    /// System fields are not stamped: they stay, or become what the write says.
    pub(super) keeps_stamps: bool,
}

impl Author {
    pub(super) fn api(principal: &Principal) -> Self {
        let actor = Actor::Api(principal.user_name.clone());
        Self {
            actor,
            principal: principal.clone(),
            bypasses_rules: false,
            keeps_stamps: false,
        }
    }

    pub(super) fn rule(name: &str) -> Self {
        let actor = Actor::Automation(name.to_owned());
        Self {
            actor,
            principal: Principal::system(),
            bypasses_rules: false,
            keeps_stamps: false,
        }
    }
}

impl ServiceNow {
    /// Makes a row and returns its `sys_id`.
    pub(super) fn insert(
        &mut self,
        author: &Author,
        class: &str,
        mut values: Values,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let notes = self.take_notes(class, &mut values);
        let stamp = clock::stamp(now);
        let chosen = values.get("sys_id").filter(|sys_id| !sys_id.is_empty()).cloned();
        let sys_id = chosen.unwrap_or_else(|| self.ids.next());
        let mut row = self.fresh_row(author, class, &sys_id, &stamp);
        row.extend(values);
        let Ruled { mut row, by_rule } = self.run_rules(author, class, None, row, &notes, now)?;
        let display = self.display_value(class, &row);
        if self
            .store
            .find(&self.schema, class, &sys_id, Reading::NEWEST)
            .is_some()
            || self.breaks_uniqueness(class, &sys_id, &row)
        {
            return Err(ApiError::database("insert", class, &display));
        }
        let user_name = author.principal.user_name.clone();
        for (column, value) in [
            ("sys_created_on", stamp.clone()),
            ("sys_created_by", user_name.clone()),
            ("sys_updated_on", stamp),
            ("sys_updated_by", user_name),
            ("sys_mod_count", "0".to_owned()),
        ] {
            let brings_own = author.bypasses_rules || author.keeps_stamps;
            if !brings_own || row.get(column).is_none_or(String::is_empty) {
                row.insert(column.to_owned(), value);
            }
        }
        let mut changed = differences(&Values::new(), &without_rules(&row, &by_rule));
        changed.extend(differences(&Values::new(), &notes));
        self.record(author, WriteKind::Created, class, &sys_id, changed, by_rule, now);
        self.put(class, &sys_id, Some(row), now);
        self.post_notes(author, class, &sys_id, &notes, now);
        self.schedule_async(author, On::Insert, class, &sys_id, now);
        Ok(sys_id)
    }

    /// Changes a row. An update that changes nothing moves no stamp, unless the instance is switched to.
    pub(super) fn update(
        &mut self,
        author: &Author,
        class: &str,
        sys_id: &str,
        mut values: Values,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let notes = self.take_notes(class, &mut values);
        let current = self.store.find(&self.schema, class, sys_id, Reading::NEWEST);
        let current = current
            .map(|(_, row)| row.clone())
            .ok_or_else(ApiError::no_record)?;
        let mut row = current.clone();
        row.extend(values);
        let always_counts = author.keeps_stamps || self.switches.no_op_update_bumps;
        if !always_counts && differences(&current, &row).is_empty() && notes.is_empty() {
            self.record(
                author,
                WriteKind::Updated,
                class,
                sys_id,
                BTreeMap::new(),
                Vec::new(),
                now,
            );
            return Ok(());
        }
        let Ruled { mut row, by_rule } = self.run_rules(author, class, Some(&current), row, &notes, now)?;
        if self.breaks_uniqueness(class, sys_id, &row) {
            return Err(ApiError::database(
                "update",
                class,
                &self.display_value(class, &row),
            ));
        }
        if !author.keeps_stamps {
            let count = row
                .get("sys_mod_count")
                .and_then(|count| count.parse::<u64>().ok());
            row.insert("sys_mod_count".to_owned(), (count.unwrap_or(0) + 1).to_string());
            row.insert("sys_updated_on".to_owned(), clock::stamp(now));
            row.insert("sys_updated_by".to_owned(), author.principal.user_name.clone());
        }
        let mut changed = differences(&current, &without_rules(&row, &by_rule));
        changed.extend(differences(&Values::new(), &notes));
        self.record(author, WriteKind::Updated, class, sys_id, changed, by_rule, now);
        self.put(class, sys_id, Some(row), now);
        self.post_notes(author, class, sys_id, &notes, now);
        self.schedule_async(author, On::Update, class, sys_id, now);
        Ok(())
    }

    /// Deletes a row, and logs that in `sys_audit_delete` where the instance does.
    pub(super) fn remove(
        &mut self,
        author: &Author,
        class: &str,
        sys_id: &str,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let current = self.store.find(&self.schema, class, sys_id, Reading::NEWEST);
        let row = current
            .map(|(_, row)| row.clone())
            .ok_or_else(ApiError::no_record)?;
        self.abort_by_rule(author, On::Delete, class, &row, now)?;
        self.record(
            author,
            WriteKind::Deleted,
            class,
            sys_id,
            differences(&row, &Values::new()),
            Vec::new(),
            now,
        );
        if self.logs_deletions_of(class) {
            self.log_deletion(author, class, sys_id, &row, now);
        }
        self.put(class, sys_id, None, now);
        self.remove_files_of(author, class, sys_id, now);
        Ok(())
    }

    pub(super) fn put(&mut self, class: &str, sys_id: &str, row: Option<Values>, now: Timestamp) {
        let listed_from = clock::later(now, self.switches.late_commit_seconds);
        self.store.put(class, sys_id, row, now, listed_from);
        self.follow_script(class, sys_id);
    }

    /// Defaults, and what the server fills in by itself.
    fn fresh_row(&mut self, author: &Author, class: &str, sys_id: &str, stamp: &str) -> Values {
        let mut row = Values::new();
        for (name, column) in self.schema.columns(class) {
            if !column.default_value.is_empty() {
                row.insert(name.to_owned(), column.default_value.clone());
            }
        }
        row.insert("sys_id".to_owned(), sys_id.to_owned());
        let has = |column: &str| self.schema.column(class, column).is_some();
        if has("sys_class_name") {
            row.insert("sys_class_name".to_owned(), class.to_owned());
        }
        if has("opened_at") {
            row.insert("opened_at".to_owned(), stamp.to_owned());
            row.insert("opened_by".to_owned(), author.principal.sys_id.clone());
        }
        let prefix = self
            .schema
            .lineage(class)
            .find_map(|table| table.number_prefix.clone());
        if let Some(prefix) = prefix.filter(|_| has("number")) {
            let last = self.numbers.entry(prefix.clone()).or_insert(10_000);
            *last += 1;
            row.insert("number".to_owned(), format!("{prefix}{last:07}"));
        }
        row
    }

    fn breaks_uniqueness(&self, class: &str, sys_id: &str, row: &Values) -> bool {
        let columns = self.schema.columns(class);
        columns.values().filter(|column| column.unique).any(|column| {
            let Some(value) = row.get(&column.name).filter(|value| !value.is_empty()) else {
                return false;
            };
            let mut others = self.store.rows(&self.schema, class, Reading::NEWEST);
            others.any(|(_, other)| {
                other.get("sys_id").is_some_and(|id| id != sys_id)
                    && other
                        .get(&column.name)
                        .is_some_and(|known| known.eq_ignore_ascii_case(value))
            })
        })
    }

    /// Puts a deleted row back under its old `sys_id`.
    pub(super) fn restore(
        &mut self,
        author: &Author,
        class: &str,
        sys_id: &str,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let gone = self
            .store
            .find(&self.schema, class, sys_id, Reading::NEWEST)
            .is_none();
        let row = self.store.last_values(class, sys_id).filter(|_| gone).cloned();
        let mut row = row.ok_or_else(ApiError::no_record)?;
        if self.switches.undelete_bumps {
            row.insert("sys_updated_on".to_owned(), clock::stamp(now));
            row.insert("sys_updated_by".to_owned(), author.principal.user_name.clone());
        }
        let changed = differences(&Values::new(), &row);
        self.record(
            author,
            WriteKind::Undeleted,
            class,
            sys_id,
            changed,
            Vec::new(),
            now,
        );
        self.put(class, sys_id, Some(row), now);
        Ok(())
    }
}
