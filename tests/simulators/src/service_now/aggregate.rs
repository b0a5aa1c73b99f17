//! The Aggregate API: counts, averages, sums, extremes, over all rows or by group.
//!
//! Source: ServiceNow docs, "Aggregate API". It counts before access rules for rows: only the right to read the table
//! is asked for.

use http::{Method, StatusCode};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;

use super::ServiceNow;
use super::answer;
use super::errors::ApiError;
use super::query::evaluator::Scope;
use super::query::order::Row;
use super::request::Call;
use super::users::Principal;
use crate::model::Response;

/// What can be computed of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Avg,
    Max,
    Min,
    Sum,
}

impl Aggregate {
    const ALL: [Self; 4] = [Self::Avg, Self::Max, Self::Min, Self::Sum];

    fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::Sum => "sum",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(name))
    }
}

/// The rows of one group, and the values that make it one.
struct Group<'a> {
    keys: Vec<String>,
    rows: Vec<Row<'a>>,
}

impl ServiceNow {
    /// Answers `GET /stats/{table}`.
    pub(super) fn stats(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        if call.method != Method::GET {
            return Err(ApiError::method());
        }
        if self.schema.table(table).is_none() {
            return Err(ApiError::invalid_table(table));
        }
        self.check_table_read(principal, table)?;
        let scope = self.scope(principal, now);
        let rows = self.matching(call, principal, table, now)?;
        let fields = |name: &str| -> Vec<&str> {
            let listed = call
                .parameters
                .get(name)
                .unwrap_or_default()
                .split(',')
                .map(str::trim);
            listed
                .filter(|field| scope.column(table, field).is_some())
                .collect()
        };
        let group_by = fields("sysparm_group_by");
        let mut groups: BTreeMap<Vec<String>, Vec<Row<'_>>> = BTreeMap::new();
        if group_by.is_empty() {
            groups.insert(Vec::new(), rows);
        } else {
            for row in rows {
                let keys = group_by.iter().map(|field| scope.value(row, field)).collect();
                groups.entry(keys).or_default().push(row);
            }
        }
        let mut groups: Vec<Group<'_>> = groups
            .into_iter()
            .map(|(keys, rows)| Group { keys, rows })
            .collect();
        let having = call.parameters.get("sysparm_having").unwrap_or_default();
        groups.retain(|group| having.split(',').all(|one| passes(&scope, table, group, one)));
        if let Some(order) = call.parameters.get("sysparm_order_by") {
            sort(&mut groups, &scope, table, &group_by, order);
        }
        let mut shown = groups.iter().map(|group| {
            let mut shown = Map::new();
            shown.insert("stats".to_owned(), stats_of(call, &scope, table, group, &fields));
            if !group_by.is_empty() {
                let keys = group_by.iter().zip(&group.keys);
                let keys = keys.map(|(field, key)| self.group_key(call, principal, table, group, field, key));
                shown.insert("groupby_fields".to_owned(), keys.collect());
            }
            Value::Object(shown)
        });
        let result = if group_by.is_empty() {
            shown.next().unwrap_or_else(|| json!({"stats": {}}))
        } else {
            shown.collect()
        };
        Ok(answer::json(StatusCode::OK, &json!({"result": result})))
    }

    /// One field that a group is made by: the stored value, the display value, or both.
    fn group_key(
        &self,
        call: &Call<'_>,
        principal: &Principal,
        table: &str,
        group: &Group<'_>,
        field: &str,
        key: &str,
    ) -> Value {
        let shown = call
            .parameters
            .get("sysparm_display_value")
            .map(str::to_ascii_lowercase);
        let display = || {
            let column = self.schema.column(table, field);
            let first = group.rows.first().copied();
            let display = column.zip(first);
            display.map_or_else(
                || key.to_owned(),
                |(column, row)| self.shown_value(principal, row, column, key),
            )
        };
        match shown.as_deref() {
            Some("true") => json!({"field": field, "value": display()}),
            Some("all") => json!({"field": field, "value": key, "display_value": display()}),
            _ => json!({"field": field, "value": key}),
        }
    }
}

/// What the request asks of a group: `count`, then one object per aggregate.
fn stats_of<'a>(
    call: &Call<'_>,
    scope: &Scope<'_>,
    table: &str,
    group: &Group<'_>,
    fields: &impl Fn(&str) -> Vec<&'a str>,
) -> Value {
    let mut stats = Map::new();
    if call.parameters.flag("sysparm_count") {
        stats.insert("count".to_owned(), json!(group.rows.len().to_string()));
    }
    for aggregate in Aggregate::ALL {
        let fields = fields(&format!("sysparm_{}_fields", aggregate.name()));
        if fields.is_empty() {
            continue;
        }
        let computed: Map<String, Value> = fields
            .into_iter()
            .map(|field| {
                (
                    field.to_owned(),
                    json!(compute(scope, table, group, aggregate, field)),
                )
            })
            .collect();
        stats.insert(aggregate.name().to_owned(), Value::Object(computed));
    }
    Value::Object(stats)
}

/// An aggregate of the values that are there; empty where none is. Averages have four places, as the documented sample
/// shows; extremes are values as stored, numbers, text and times alike.
fn compute(scope: &Scope<'_>, table: &str, group: &Group<'_>, aggregate: Aggregate, field: &str) -> String {
    let values: Vec<String> = group
        .rows
        .iter()
        .map(|row| scope.value(*row, field))
        .filter(|value| !value.is_empty())
        .collect();
    let numbers = || values.iter().filter_map(|value| Decimal::from_str(value).ok());
    let order = |one: &&String, other: &&String| scope.order(table, field, one, other);
    match aggregate {
        Aggregate::Sum if values.is_empty() => String::new(),
        Aggregate::Sum => numbers().sum::<Decimal>().normalize().to_string(),
        Aggregate::Avg => {
            let count = Decimal::from(numbers().count());
            let average = numbers().sum::<Decimal>().checked_div(count);
            average.map_or_else(String::new, |average| format!("{:.4}", average.round_dp(4)))
        }
        Aggregate::Max => values.iter().max_by(order).cloned().unwrap_or_default(),
        Aggregate::Min => values.iter().min_by(order).cloned().unwrap_or_default(),
    }
}

/// `count^priority^>^3`: whether the aggregate of the group compares like that. Anything else lets the group pass.
fn passes(scope: &Scope<'_>, table: &str, group: &Group<'_>, having: &str) -> bool {
    let mut parts = having.split('^');
    let (Some(aggregate), Some(field), Some(operator), Some(wanted)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return true;
    };
    let value = value_of(scope, table, group, aggregate, field);
    let (Some(value), Ok(wanted)) = (value, Decimal::from_str(wanted.trim())) else {
        return true;
    };
    let ordering = value.cmp(&wanted);
    match operator {
        "=" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        _ => true,
    }
}

/// `count`, or an aggregate of a field, as a number.
fn value_of(
    scope: &Scope<'_>,
    table: &str,
    group: &Group<'_>,
    aggregate: &str,
    field: &str,
) -> Option<Decimal> {
    if aggregate.eq_ignore_ascii_case("count") {
        return Some(Decimal::from(group.rows.len()));
    }
    let aggregate = Aggregate::named(aggregate)?;
    Decimal::from_str(&compute(scope, table, group, aggregate, field)).ok()
}

/// `sysparm_order_by`: a field, `COUNT`, or `AVG^field`, each with `^DESC` behind it for the other direction.
fn sort(groups: &mut [Group<'_>], scope: &Scope<'_>, table: &str, group_by: &[&str], order: &str) {
    let descending = order.ends_with("^DESC");
    let order = order.trim_end_matches("^DESC");
    let (first, field) = order.split_once('^').unwrap_or((order, ""));
    let by_key = group_by.iter().position(|field| *field == first);
    groups.sort_by(|one, other| {
        let key = |group: &Group<'_>, at: usize| group.keys.get(at).cloned().unwrap_or_default();
        let ordering = match by_key {
            Some(at) => scope.order(table, first, &key(one, at), &key(other, at)),
            None => {
                value_of(scope, table, one, first, field).cmp(&value_of(scope, table, other, first, field))
            }
        };
        if descending { ordering.reverse() } else { ordering }
    });
}
