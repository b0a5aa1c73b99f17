//! What an administrator builds into an object: validation rules and triggers, and row locks held by others.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::duplicates::DuplicateRule;
use super::error::ApiError;
use super::schema::Object;
use super::soql::bind::View;
use super::soql::filter::Filter;
use super::soql::parser::parse_condition;
use crate::calls::CallKind;
use crate::model::{AdminError, Fields};

/// A validation rule: a record that meets the condition is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationRule {
    /// The object.
    pub object: String,
    /// When the record is refused, as a SOQL condition on its fields: `Priority = 'High' AND Subject = null`.
    pub when: String,
    /// The text that the administrator wrote.
    pub message: String,
    /// The field the message is shown at, if not the page.
    #[serde(default)]
    pub field: Option<String>,
}

/// A trigger that rewrites fields of a record as it is saved, in the same transaction.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trigger {
    /// The object.
    pub object: String,
    /// Its name, for the history.
    pub name: String,
    /// When it fires, as a SOQL condition on the record being saved; always when absent.
    #[serde(default)]
    pub when: Option<String>,
    /// What it sets.
    pub set: Fields,
}

/// A row that someone else's transaction holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowLock {
    /// The record; any record when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// How many writes find it locked.
    pub times: u32,
    /// Which calls find it locked: a kind or a family of kinds, such as `salesforce.collections`; any when absent.
    #[serde(default)]
    pub during: Option<String>,
}

/// Every rule of one org.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    validations: Vec<(ValidationRule, Filter)>,
    triggers: Vec<(Trigger, Option<Filter>)>,
    locks: Vec<RowLock>,
    upsert_races: u32,
    duplicates: Vec<DuplicateRule>,
    /// Records that an approval process holds.
    approvals: BTreeSet<String>,
}

impl Rules {
    pub fn add_validation(&mut self, object: &Object, rule: ValidationRule) -> Result<(), AdminError> {
        let filter = condition(object, &rule.when)?;
        self.validations.push((rule, filter));
        Ok(())
    }

    pub fn add_trigger(&mut self, object: &Object, trigger: Trigger) -> Result<(), AdminError> {
        let filter = trigger
            .when
            .as_deref()
            .map(|when| condition(object, when))
            .transpose()?;
        self.triggers.push((trigger, filter));
        Ok(())
    }

    pub fn add_lock(&mut self, lock: RowLock) {
        self.locks.push(lock);
    }

    pub fn add_duplicate_rule(&mut self, rule: DuplicateRule) {
        self.duplicates.push(rule);
    }

    /// The duplicate rules of an object.
    pub fn duplicate_rules(&self, object: &Object) -> impl Iterator<Item = &DuplicateRule> {
        let of = |rule: &&DuplicateRule| rule.object.eq_ignore_ascii_case(&object.name);
        self.duplicates.iter().filter(of)
    }

    /// Has an approval process hold a record, or let it go.
    pub fn hold_for_approval(&mut self, id: &str, held: bool) {
        if held {
            self.approvals.insert(id.to_owned());
        } else {
            self.approvals.remove(id);
        }
    }

    /// Whether an approval process holds a record.
    pub fn is_held(&self, id: &str) -> bool {
        self.approvals.contains(id)
    }

    /// Has the next upserts of a record that is there not see it, as when another request has just made it.
    pub fn race_upserts(&mut self, times: u32) {
        self.upsert_races = times;
    }

    /// Whether an upsert that found its record is to have looked too early, counting down.
    pub fn loses_race(&mut self) -> bool {
        let loses = self.upsert_races > 0;
        self.upsert_races = self.upsert_races.saturating_sub(1);
        loses
    }

    /// Takes every rule, trigger and lock away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Lets the triggers have their way with a record being saved.
    pub fn fire(&self, object: &Object, record: &mut Fields) {
        for (trigger, filter) in &self.triggers {
            let fires = filter.as_ref().is_none_or(|filter| filter.matches(record));
            if object.name.eq_ignore_ascii_case(&trigger.object) && fires {
                for (name, value) in &trigger.set {
                    record.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// All validation rules that a record breaks.
    pub fn broken_by(&self, object: &Object, record: &Fields) -> Vec<ApiError> {
        self.validations
            .iter()
            .filter(|(rule, filter)| object.name.eq_ignore_ascii_case(&rule.object) && filter.matches(record))
            .map(|(rule, _)| {
                let fields: Vec<&str> = rule.field.iter().map(String::as_str).collect();
                ApiError::on_fields("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message.clone(), &fields)
            })
            .collect()
    }

    /// Whether a write finds the row locked, counting the lock down.
    pub fn meets_lock(&mut self, id: &str, handling: Option<CallKind>) -> bool {
        let at_hand = |lock: &RowLock| {
            let during = lock.during.as_deref();
            during.is_none_or(|during| handling.is_some_and(|kind| kind.is_within(during)))
        };
        let met = self
            .locks
            .iter_mut()
            .find(|lock| at_hand(lock) && lock.id.as_deref().is_none_or(|locked| locked == id));
        let Some(lock) = met else { return false };
        lock.times = lock.times.saturating_sub(1);
        self.locks.retain(|lock| lock.times > 0);
        true
    }
}

/// Rules are the administrator's: they see every field.
fn condition(object: &Object, text: &str) -> Result<Filter, AdminError> {
    let invalid = |error: super::soql::SoqlError| AdminError::Invalid(error.message);
    let parsed = parse_condition(text).map_err(invalid)?;
    View::whole(object).filter(&parsed).map_err(invalid)
}
