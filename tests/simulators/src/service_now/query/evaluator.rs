//! Whether a row matches.
//!
//! Text compares as in the database's default collation: letter case and trailing blanks do not count. Numbers
//! compare as numbers; dates are text that sorts by time. A null has no order, equals only another null, and is
//! matched by the negations (`!=`, `NOT IN`, `NOT LIKE`), which the platform widens by "or is null".

use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::str::FromStr;

use super::order::Row;
use super::script::{self, Caller};
use super::{Condition, EncodedQuery, Operator};
use crate::service_now::clock;
use crate::service_now::schema::{Column, InternalType, ReferenceKey, Schema};
use crate::service_now::store::{Reading, Store};

pub(in crate::service_now) use super::script::Caller as ScriptCaller;

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
        query.groups.iter().any(|group| {
            group
                .all
                .iter()
                .all(|any_of| any_of.any.iter().any(|condition| self.holds(condition, row)))
        })
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
        let wanted = self.wanted(condition, row.0);
        let numeric = self.is_numeric(row.0, &condition.field);
        test(
            condition.operator,
            &stored,
            &wanted,
            numeric,
            || self.value(row, &condition.value),
            &self.caller,
        )
    }
}

fn test(
    operator: Operator,
    stored: &str,
    wanted: &str,
    numeric: bool,
    other_field: impl Fn() -> String,
    caller: &Caller<'_>,
) -> bool {
    let null = stored.is_empty();
    let ordered =
        |against: &str| (!(null || numeric && against.is_empty())).then(|| compare(stored, against, numeric));
    let equal = |against: &str| compare(stored, against, numeric) == Ordering::Equal;
    let (text, part) = (folded(stored), folded(wanted));
    match operator {
        Operator::Equals => equal(wanted),
        Operator::NotEquals => !equal(wanted),
        Operator::Less => ordered(wanted) == Some(Ordering::Less),
        Operator::LessOrEqual => ordered(wanted).is_some_and(Ordering::is_le),
        Operator::Greater => ordered(wanted) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => ordered(wanted).is_some_and(Ordering::is_ge),
        Operator::In => wanted.split(',').any(|one| equal(one.trim())),
        Operator::NotIn => !wanted.split(',').any(|one| equal(one.trim())),
        Operator::Like => !null && text.contains(&part),
        Operator::NotLike => null || !text.contains(&part),
        Operator::StartsWith => !null && text.starts_with(&part),
        Operator::EndsWith => !null && text.ends_with(&part),
        Operator::IsEmpty | Operator::EmptyString => null,
        Operator::IsNotEmpty => !null,
        Operator::Anything => true,
        Operator::Between => wanted
            .split_once('@')
            .is_some_and(|(low, high)| within(ordered, low, high)),
        Operator::SameAs => equal(&other_field()),
        Operator::NotSameAs => !equal(&other_field()),
        Operator::GreaterThanField => ordered(&other_field()) == Some(Ordering::Greater),
        Operator::LessThanField => ordered(&other_field()) == Some(Ordering::Less),
        Operator::On => on_day(ordered, wanted, caller),
        Operator::NotOn => !on_day(ordered, wanted, caller),
    }
}

fn within(ordered: impl Fn(&str) -> Option<Ordering>, low: &str, high: &str) -> bool {
    ordered(low).is_some_and(Ordering::is_ge) && ordered(high).is_some_and(Ordering::is_le)
}

/// `Today@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()`: a label, then the first and last second.
fn on_day(ordered: impl Fn(&str) -> Option<Ordering>, wanted: &str, caller: &Caller<'_>) -> bool {
    let mut parts = wanted.split('@').skip(1).map(|part| script::value(part, caller));
    match (parts.next(), parts.next()) {
        (Some(first), Some(last)) => within(ordered, &first, &last),
        _ => false,
    }
}

/// Orders two stored values, as numbers where both are.
pub(in crate::service_now) fn compare(one: &str, other: &str, numeric: bool) -> Ordering {
    if numeric && let (Ok(one), Ok(other)) = (Decimal::from_str(one), Decimal::from_str(other)) {
        return one.cmp(&other);
    }
    folded(one).cmp(&folded(other))
}

fn folded(text: &str) -> String {
    text.trim_end_matches(' ').to_lowercase()
}
