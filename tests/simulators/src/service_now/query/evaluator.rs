//! Whether a row matches.

use std::cmp::Ordering;

use super::comparison::{Comparison, compare, folded};
use super::order::Row;
use super::script::{self, Caller};
use super::{Condition, EncodedQuery, Operator, Related, Term, calendar};
use crate::service_now::clock;
use crate::service_now::schema::{Column, InternalType, ReferenceKey, Schema};
use crate::service_now::store::{Reading, Store};

pub(in crate::service_now) use super::script::Caller as ScriptCaller;

/// The dynamic filter "Me": as every instance has it, and by name.
const ME: [&str; 2] = ["90d1921e5f510100a9ad2572f2b477fe", "me"];

/// What conditions are evaluated against.
#[derive(Debug, Clone)]
pub(in crate::service_now) struct Scope<'a> {
    pub(in crate::service_now) schema: &'a Schema,
    pub(in crate::service_now) store: &'a Store,
    pub(in crate::service_now) caller: Caller<'a>,
    /// Plain times in conditions are in the caller's zone instead of UTC.
    pub(in crate::service_now) local_literals: bool,
}

impl<'a> Scope<'a> {
    /// The column at the end of a path through references, with the table that has it.
    pub(in crate::service_now) fn column(&self, table: &'a str, path: &str) -> Option<(&'a str, &'a Column)> {
        match path.split_once('.') {
            None => self.schema.column(table, path).map(|column| (table, column)),
            Some((first, rest)) => match &self.schema.column(table, first)?.internal_type {
                InternalType::Reference { table, .. } => self.column(table, rest),
                _ => None,
            },
        }
    }

    /// The stored value at the end of a path; empty where the column is null, the path is broken or leads nowhere.
    pub(in crate::service_now) fn value(&self, row: Row<'_>, path: &str) -> String {
        let (table, values) = row;
        let Some((first, rest)) = path.split_once('.') else {
            return values.get(path).cloned().unwrap_or_default();
        };
        let Some(InternalType::Reference { table: target, key }) = self
            .schema
            .column(table, first)
            .map(|column| &column.internal_type)
        else {
            return String::new();
        };
        let id = values.get(first).map_or("", String::as_str);
        self.referred(target, *key, id)
            .map_or_else(String::new, |found| self.value(found, rest))
    }

    /// The row a reference leads to.
    pub(in crate::service_now) fn referred(
        &self,
        table: &'a str,
        key: ReferenceKey,
        id: &str,
    ) -> Option<Row<'a>> {
        match key {
            ReferenceKey::SysId => self.store.find(self.schema, table, id, Reading::NEWEST),
            ReferenceKey::Name => {
                let named = |row: &Row<'_>| row.1.get("name").is_some_and(|name| name == id);
                self.store.rows(self.schema, table, Reading::NEWEST).find(named)
            }
        }
    }

    /// Whether values at the end of the path compare as numbers.
    pub(in crate::service_now) fn is_numeric(&self, table: &str, path: &str) -> bool {
        let kind = |column: &Column| {
            matches!(
                column.internal_type,
                InternalType::Integer | InternalType::Decimal | InternalType::Float
            )
        };
        match path.split_once('.') {
            None => self.schema.column(table, path).is_some_and(kind),
            Some((first, rest)) => match self
                .schema
                .column(table, first)
                .map(|column| &column.internal_type)
            {
                Some(InternalType::Reference { table, .. }) => self.is_numeric(table, rest),
                _ => false,
            },
        }
    }

    /// Whether the row matches the query.
    pub(in crate::service_now) fn matches(&self, query: &EncodedQuery, row: Row<'_>) -> bool {
        let holds = |term: &Term| match term {
            Term::Compare(condition) => self.holds(condition, row),
            Term::Related(related) => self.has_related(related, row),
            Term::Text(words) => holds_words(words, row),
        };
        let any = |terms: &[Term]| terms.iter().any(holds);
        query
            .groups
            .iter()
            .any(|group| group.all.iter().all(|any_of| any(&any_of.any)))
    }

    /// The right-hand side of a condition.
    fn wanted(&self, condition: &Condition, table: &str) -> String {
        let value = script::value(&condition.value, &self.caller);
        let is_time = || {
            let column = self.schema.column(table, &condition.field);
            column.is_some_and(|column| column.internal_type == InternalType::DateTime)
        };
        if !self.local_literals || condition.value.starts_with("javascript:") || !is_time() {
            return value;
        }
        let local = clock::parse_stamp(&value).and_then(|at| clock::stored_from(self.caller.zone, at));
        local.unwrap_or(value)
    }

    fn holds(&self, condition: &Condition, row: Row<'_>) -> bool {
        let stored = self.value(row, &condition.field);
        // `other_field@day@before@1`, or just the other field.
        let (other, argument) = condition
            .value
            .split_once('@')
            .map_or((condition.value.as_str(), None), |(other, argument)| {
                (other, Some(argument))
            });
        let compare = |wanted: &str| {
            let comparison = Comparison {
                stored: &stored,
                wanted,
                numeric: self.is_numeric(row.0, &condition.field),
                caller: &self.caller,
            };
            comparison.holds(condition.operator)
        };
        match (condition.operator, argument) {
            (Operator::Relative(trend), _) => {
                calendar::relative(trend, &stored, &condition.value, &self.caller)
            }
            (Operator::DatePart, _) => calendar::date_part(&stored, &condition.value, &self.caller),
            (Operator::InstanceOf, _) => self.schema.is_a(&stored, &condition.value),
            (Operator::Dynamic, _) => {
                ME.iter().any(|me| me.eq_ignore_ascii_case(&condition.value)) && stored == self.caller.sys_id
            }
            (Operator::MoreThan, Some(argument)) => {
                calendar::apart(&stored, &self.value(row, other), argument, true)
            }
            (Operator::LessThan, Some(argument)) => {
                calendar::apart(&stored, &self.value(row, other), argument, false)
            }
            (Operator::SameAs, Some(unit)) => {
                calendar::same_unit(&stored, &self.value(row, other), unit, &self.caller)
            }
            (Operator::NotSameAs, Some(unit)) => {
                !calendar::same_unit(&stored, &self.value(row, other), unit, &self.caller)
            }
            (
                Operator::SameAs
                | Operator::NotSameAs
                | Operator::GreaterThanField
                | Operator::GreaterOrEqualsField
                | Operator::LessThanField
                | Operator::LessOrEqualsField,
                _,
            ) => compare(&self.value(row, &condition.value)),
            // Each end of these may be a script of its own.
            (Operator::Between | Operator::On | Operator::NotOn, _) => compare(&condition.value),
            _ => compare(&self.wanted(condition, row.0)),
        }
    }

    /// Whether as many rows as asked for stand in that relation to this one.
    fn has_related(&self, related: &Related, row: Row<'_>) -> bool {
        let own = self.value(row, &related.field);
        let rows = self.store.rows(self.schema, &related.table, Reading::NEWEST);
        let fits = |other: &Row<'_>| {
            self.value(*other, &related.reference) == own && self.matches(&related.query, *other)
        };
        let found = if own.is_empty() {
            0
        } else {
            rows.filter(fits).count()
        };
        let ordering = found.cmp(&related.count);
        match related.operator {
            Operator::Equals => ordering.is_eq(),
            Operator::NotEquals => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Greater => ordering.is_gt(),
            _ => ordering.is_ge(),
        }
    }

    /// Orders two values of a field as the database would.
    pub(in crate::service_now) fn order(&self, table: &str, path: &str, one: &str, other: &str) -> Ordering {
        compare(one, other, self.is_numeric(table, path))
    }
}

/// A search for words: each must stand somewhere in the row.
fn holds_words(words: &str, (_, values): Row<'_>) -> bool {
    let text: Vec<String> = values.values().map(|value| folded(value)).collect();
    let found = |word: &str| text.iter().any(|value| value.contains(word));
    folded(words).split_whitespace().all(found)
}
