//! Running business rules and checking data policies around a write.

use jiff::Timestamp;
use std::collections::BTreeMap;

use super::ServiceNow;
use super::clock;
use super::errors::ApiError;
use super::history::differences;
use super::query::parse;
use super::records::Author;
use super::rules::{Action, BusinessRule, Due, On, When, close_policy, derive};
use super::store::{Reading, Values};
use super::users::Principal;
use crate::model::{Actor, Change};

/// A row after its rules ran, and what each rule changed.
pub(super) struct Ruled {
    pub(super) row: Values,
    pub(super) by_rule: Vec<(String, BTreeMap<String, Change>)>,
}

impl ServiceNow {
    /// Runs the async rules whose moment has come, each as an edit of its own at its own moment.
    pub(super) fn run_due_rules(&mut self, now: Timestamp) {
        self.run_due_imports(now);
        self.close_resolved(now);
        while let Some(due) = self.rules.next_due(now) {
            let Some((_, row)) = self
                .store
                .find(&self.schema, &due.class, &due.sys_id, Reading::NEWEST)
            else {
                continue;
            };
            let mut values = row.clone();
            apply(&due.rule.action, &mut values);
            let author = Author::rule(&due.rule.name);
            // A rule that aborts or breaks a policy in the background leaves the row as it was; nobody is told.
            let _ = self.update(&author, &due.class, &due.sys_id, values, due.at);
        }
    }

    pub(super) fn run_rules(
        &self,
        author: &Author,
        class: &str,
        before: Option<&Values>,
        row: Values,
        notes: &Values,
        now: Timestamp,
    ) -> Result<Ruled, ApiError> {
        let mut ruled = Ruled {
            row,
            by_rule: Vec::new(),
        };
        if author.bypasses_rules {
            return Ok(ruled);
        }
        let operation = if before.is_some() { On::Update } else { On::Insert };
        for (rule_id, rule) in self.rules_for(author, When::Before, operation, class, &ruled.row, now) {
            if matches!(rule.action, Action::Abort) {
                return Err(ApiError::business_rule(class, &rule.name, rule_id));
            }
            let mut rewritten = ruled.row.clone();
            apply(&rule.action, &mut rewritten);
            let changes = differences(&ruled.row, &rewritten);
            ruled.row = rewritten;
            ruled.by_rule.push((rule.name.clone(), changes));
        }
        let mut derived = ruled.row.clone();
        self.resume_for_caller(author, class, before, &mut derived, notes);
        derive(&self.schema, class, before, &mut derived, &clock::stamp(now));
        let changes = differences(&ruled.row, &derived);
        ruled.row = derived;
        ruled.by_rule.push(("platform".to_owned(), changes));
        ruled.by_rule.retain(|(_, changes)| !changes.is_empty());
        self.check_state_model(author, class, before, &ruled.row, notes)?;
        self.check_policies(author, class, before, &ruled.row, now)?;
        Ok(ruled)
    }

    pub(super) fn abort_by_rule(
        &self,
        author: &Author,
        operation: On,
        class: &str,
        row: &Values,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let rules = self.rules_for(author, When::Before, operation, class, row, now);
        match rules
            .iter()
            .find(|(_, rule)| matches!(rule.action, Action::Abort))
        {
            Some((rule_id, rule)) => Err(ApiError::business_rule(class, &rule.name, rule_id)),
            None => Ok(()),
        }
    }

    /// The rules that answer to a write of this row, before or async as asked. An async rule does not answer to the
    /// writes of rules, its own included, or it would never come to rest.
    fn rules_for(
        &self,
        author: &Author,
        when: When,
        operation: On,
        class: &str,
        row: &Values,
        now: Timestamp,
    ) -> Vec<&(String, BusinessRule)> {
        let system = Principal::system();
        let scope = self.scope(&system, now);
        let is_async = |when: When| matches!(when, When::Async { .. });
        let by_rule = matches!(author.actor, Actor::Automation(_));
        let answers = |(_, rule): &&(String, BusinessRule)| {
            is_async(rule.when) == is_async(when)
                && !(by_rule && is_async(when))
                && rule.answers_to(operation)
                && self.schema.is_a(class, &rule.table)
                && scope.matches(&parse(&rule.condition, false), (class, row))
        };
        self.rules.business.iter().filter(answers).collect()
    }

    pub(super) fn schedule_async(
        &mut self,
        author: &Author,
        operation: On,
        class: &str,
        sys_id: &str,
        now: Timestamp,
    ) {
        if author.bypasses_rules {
            return;
        }
        let Some((_, row)) = self.store.find(&self.schema, class, sys_id, Reading::NEWEST) else {
            return;
        };
        let asynchronous = When::Async { delay_seconds: 0 };
        let rules = self.rules_for(author, asynchronous, operation, class, row, now);
        let due: Vec<Due> = rules
            .into_iter()
            .map(|(_, rule)| {
                let delay = if let When::Async { delay_seconds } = rule.when {
                    delay_seconds
                } else {
                    0
                };
                let at = clock::later(now, delay);
                Due {
                    at,
                    rule: rule.clone(),
                    class: class.to_owned(),
                    sys_id: sys_id.to_owned(),
                }
            })
            .collect();
        for one in due {
            self.rules.schedule(one);
        }
    }

    fn check_policies(
        &self,
        author: &Author,
        class: &str,
        before: Option<&Values>,
        row: &Values,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let scope = self.scope(&author.principal, now);
        let own = self.switches.close_policy.then(close_policy);
        for policy in own.iter().chain(&self.rules.policies) {
            let applies = self.schema.is_a(class, &policy.table)
                && scope.matches(&parse(&policy.condition, false), (class, row));
            if !applies {
                continue;
            }
            let label = |column: &String| {
                self.schema
                    .column(class, column)
                    .map_or_else(|| column.clone(), |column| column.label.clone())
            };
            let missing = |column: &&String| row.get(*column).is_none_or(String::is_empty);
            let labels: Vec<String> = policy.mandatory.iter().filter(missing).map(label).collect();
            if !labels.is_empty() {
                return Err(ApiError::mandatory(&labels));
            }
            let touched =
                |column: &&String| before.is_some_and(|before| before.get(*column) != row.get(*column));
            if let Some(column) = policy.read_only.iter().find(touched) {
                return Err(ApiError::policy_read_only(&label(column)));
            }
        }
        Ok(())
    }
}

fn apply(action: &Action, row: &mut Values) {
    match action {
        Action::Set(values) => row.extend(values.clone()),
        Action::Rewrite(rewrite) => rewrite(row),
        Action::Abort => {}
    }
}
