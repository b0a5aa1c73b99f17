//! Access control: who may do what to which rows and fields.
//!
//! A rule names a table or one of its fields, an operation, the roles that pass and, for rows, a condition. Where any
//! rule exists for an object and operation, one of them must pass; where none does, everyone may. Rules of the parent
//! table apply to a table that has none of its own for that object and operation. `admin` passes every rule but a denial.

use std::collections::{BTreeMap, BTreeSet};

use super::query::evaluator::Scope;
use super::query::order::Row;
use super::query::parse;
use super::schema::Schema;

/// What a rule guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Seeing the row or field.
    Read,
    /// Making a row, or giving the field a value in a new row.
    Create,
    /// Changing the row or field.
    Write,
    /// Deleting the row.
    Delete,
    /// Filtering with `=`, `IN`, `ISEMPTY` and the like on the field.
    QueryMatch,
    /// Filtering with `>`, `LIKE` and the like on the field, and sorting by it.
    QueryRange,
}

/// Who passes a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Grant {
    /// Users with this role.
    Role(String),
    /// Nobody, admins included.
    Nobody,
}

/// One access rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acl {
    /// The table, and its descendants that have no rule of their own.
    pub table: String,
    /// The field; absent for the row.
    #[serde(default)]
    pub field: Option<String>,
    /// What is guarded.
    pub operation: Operation,
    /// Who passes.
    pub grant: Grant,
    /// An encoded query the row must match as well; empty for every row.
    #[serde(default)]
    pub condition: String,
}

impl Acl {
    /// A rule for rows of a table.
    pub fn row(table: &str, operation: Operation, grant: Grant) -> Self {
        Self {
            table: table.to_owned(),
            field: None,
            operation,
            grant,
            condition: String::new(),
        }
    }

    /// A rule for a field of a table.
    pub fn field(table: &str, field: &str, operation: Operation, grant: Grant) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::row(table, operation, grant)
        }
    }

    /// The same rule for rows that match an encoded query only.
    #[must_use]
    pub fn when(mut self, condition: &str) -> Self {
        condition.clone_into(&mut self.condition);
        self
    }
}

/// The access rules of an instance.
#[derive(Debug, Clone, Default)]
pub(super) struct Acls {
    /// By table, because every field of every row shown is looked up here.
    rules: BTreeMap<String, Vec<Acl>>,
}

impl Acls {
    /// The rules of a fresh instance: task tables need `itil`, the tables that describe the schema can be read with
    /// `itil` as well, users and groups can be read by everyone, and the deletion log and journal entries are for admins.
    pub(super) fn standard() -> Self {
        let itil = || Grant::Role("itil".to_owned());
        let mut rules = Vec::new();
        for operation in [Operation::Read, Operation::Create, Operation::Write] {
            rules.push(Acl::row("task", operation, itil()));
        }
        // Fulfillers delete tasks on instances that hand out full rights, which a service account needs here.
        rules.push(Acl::row("task", Operation::Delete, itil()));
        for table in [
            "sys_db_object",
            "sys_dictionary",
            "sys_choice",
            "sys_properties",
            "sys_glide_object",
        ] {
            rules.push(Acl::row(table, Operation::Read, itil()));
        }
        let admin = || Grant::Role("admin".to_owned());
        for table in ["sys_audit_delete", "sys_journal_field"] {
            rules.push(Acl::row(table, Operation::Read, admin()));
        }
        for table in [
            "sys_db_object",
            "sys_dictionary",
            "sys_choice",
            "sys_properties",
            "sys_glide_object",
            "sys_audit_delete",
            "sys_journal_field",
            "sys_user",
            "sys_user_group",
            "sys_metadata",
            "sys_dictionary_override",
        ] {
            for operation in [Operation::Create, Operation::Write, Operation::Delete] {
                rules.push(Acl::row(table, operation, admin()));
            }
        }
        let mut acls = Self::default();
        for rule in rules {
            acls.add(rule);
        }
        acls
    }

    pub(super) fn add(&mut self, rule: Acl) {
        self.rules.entry(rule.table.clone()).or_default().push(rule);
    }

    /// Takes away every rule for the same object and operation, so that a test can put its own there.
    pub(super) fn remove(&mut self, table: &str, field: Option<&str>, operation: Operation) {
        if let Some(rules) = self.rules.get_mut(table) {
            rules.retain(|rule| rule.field.as_deref() != field || rule.operation != operation);
        }
    }

    fn governing<'a>(
        &'a self,
        schema: &'a Schema,
        table: &'a str,
        field: Option<&str>,
        operation: Operation,
    ) -> Vec<&'a Acl> {
        let governs = |rule: &&Acl| rule.field.as_deref() == field && rule.operation == operation;
        schema
            .lineage(table)
            .filter_map(|one| self.rules.get(&one.name))
            .map(|rules| rules.iter().filter(governs).collect::<Vec<_>>())
            .find(|rules| !rules.is_empty())
            .unwrap_or_default()
    }

    /// Whether a user with these roles could pass for some row of the table, whatever its values.
    pub(super) fn could(
        &self,
        schema: &Schema,
        roles: &BTreeSet<String>,
        table: &str,
        field: Option<&str>,
        operation: Operation,
    ) -> bool {
        let governing = self.governing(schema, table, field, operation);
        governing.is_empty() || governing.iter().any(|rule| holds(&rule.grant, roles))
    }

    /// Whether a user with these roles passes for this row, or this field of it.
    pub(super) fn may(
        &self,
        scope: &Scope<'_>,
        roles: &BTreeSet<String>,
        row: Row<'_>,
        field: Option<&str>,
        operation: Operation,
    ) -> bool {
        let governing = self.governing(scope.schema, row.0, field, operation);
        let passes = |rule: &&Acl| {
            let condition = rule.condition.as_str();
            holds(&rule.grant, roles)
                && (condition.is_empty() || scope.matches(&parse(condition, false), row))
        };
        governing.is_empty() || governing.iter().any(passes)
    }
}

fn holds(grant: &Grant, roles: &BTreeSet<String>) -> bool {
    match grant {
        Grant::Role(role) => roles.contains(role) || roles.contains("admin"),
        Grant::Nobody => false,
    }
}
