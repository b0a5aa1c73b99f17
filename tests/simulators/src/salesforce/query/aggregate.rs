//! Counts, sums and their like, over all rows of a query or by group.

use std::collections::BTreeMap;

use serde_json::{Number, Value, json};

use super::selection::{Asker, Joins};
use crate::model::Fields;
use crate::salesforce::Salesforce;
use crate::salesforce::field::FieldType;
use crate::salesforce::soql::bind::{Column, View};
use crate::salesforce::soql::order::compare_values;
use crate::salesforce::soql::{Function, Item, Name, Query, Select, SoqlError};

/// Whether a query gives aggregates rather than records.
pub(super) fn is_aggregating(query: &Query) -> bool {
    let Select::Items(items) = &query.select else {
        return false;
    };
    !query.group.is_empty() || items.iter().any(|item| matches!(item, Item::Aggregate { .. }))
}

/// One value of each result.
enum Part<'a> {
    /// What the group has in common.
    Key(Column<'a>),
    Aggregate(Function, Column<'a>),
}

impl Salesforce {
    /// The results of an aggregating query, one for each group.
    pub(super) fn aggregate(&self, query: &Query, asker: &Asker<'_>) -> Result<Vec<Value>, SoqlError> {
        let object = self.queried(&query.object, asker.user)?;
        let view = self.view(object, query, asker);
        let keys = query
            .group
            .iter()
            .map(|name| groupable(&view, name))
            .collect::<Result<Vec<_>, _>>()?;
        let parts = parts(&view, query, &keys)?;
        if keys.is_empty() && query.limit.is_some() {
            let message = "Non-grouped query that uses overall aggregate functions cannot also use LIMIT";
            return Err(SoqlError::malformed(message, query.object.at));
        }
        if let Some(term) = query.order.iter().find(|term| {
            view.column(&term.field)
                .is_ok_and(|column| !keys.contains(&column))
        }) {
            let message = format!("Ordered field must be grouped or aggregated: {}", term.field.text);
            return Err(SoqlError::malformed(message, term.field.at));
        }
        // Limit and offset are of groups. Rows in the order asked for make groups in that order.
        let rows_wanted = Query {
            limit: None,
            offset: None,
            ..query.clone()
        };
        let rows = self.rows_of(object, &rows_wanted, asker, Joins::Allowed)?;
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut groups: Vec<Vec<&Fields>> = Vec::new();
        if keys.is_empty() {
            groups.push(rows);
        } else {
            for row in rows {
                let key: Vec<Value> = keys
                    .iter()
                    .map(|key| folded(key, self.value_of(key, row, asker)))
                    .collect();
                let place = *places
                    .entry(Value::Array(key).to_string())
                    .or_insert(groups.len());
                if place == groups.len() {
                    groups.push(Vec::new());
                }
                groups[place].push(row);
            }
        }
        let results = groups.iter().map(|rows| self.result(&parts, rows, asker));
        let results = results.skip(query.offset.unwrap_or(0));
        Ok(results.take(query.limit.unwrap_or(usize::MAX)).collect())
    }

    fn result(&self, parts: &[(String, Part<'_>)], rows: &[&Fields], asker: &Asker<'_>) -> Value {
        let mut result = Fields::new();
        result.insert("attributes".into(), json!({"type": "AggregateResult"}));
        for (name, part) in parts {
            let value = match part {
                Part::Key(column) => rows
                    .first()
                    .map_or(Value::Null, |row| self.value_of(column, row, asker)),
                Part::Aggregate(function, column) => {
                    let values = rows.iter().map(|row| self.value_of(column, row, asker));
                    let values: Vec<Value> = values.filter(|value| !value.is_null()).collect();
                    summed_up(*function, column, &values)
                }
            };
            result.insert(name.clone(), value);
        }
        Value::Object(result)
    }
}

/// What each result consists of, under its alias or its own name; nameless ones are counted.
fn parts<'a>(
    view: &View<'a, '_>,
    query: &Query,
    keys: &[Column<'a>],
) -> Result<Vec<(String, Part<'a>)>, SoqlError> {
    let Select::Items(items) = &query.select else {
        return Ok(Vec::new());
    };
    let mut parts = Vec::new();
    let mut nameless = 0;
    for item in items {
        match item {
            Item::Field { name, alias } => {
                let column = view.column(name)?;
                if !keys.contains(&column) {
                    let message = format!("Field must be grouped or aggregated: {}", name.text);
                    return Err(SoqlError::malformed(message, name.at));
                }
                let spelled = alias
                    .as_ref()
                    .map_or_else(|| column.field.name.clone(), |alias| alias.text.clone());
                parts.push((spelled, Part::Key(column)));
            }
            Item::Aggregate {
                function,
                field,
                alias,
            } => {
                let column = view.column(field)?;
                let field_type = column.field.field_type;
                let fits = match function {
                    Function::Count | Function::CountDistinct => field_type != FieldType::Address,
                    Function::Min | Function::Max => !matches!(
                        field_type,
                        FieldType::Boolean | FieldType::Address | FieldType::Textarea
                    ),
                    Function::Sum | Function::Avg => field_type.is_number(),
                };
                if !fits || !column.field.aggregatable {
                    let message = format!("field {} does not support aggregate operator", field.text);
                    return Err(SoqlError::malformed(message, field.at));
                }
                let spelled = alias.as_ref().map_or_else(
                    || {
                        nameless += 1;
                        format!("expr{}", nameless - 1)
                    },
                    |alias| alias.text.clone(),
                );
                parts.push((spelled, Part::Aggregate(*function, column)));
            }
            Item::Fields { at, .. } => {
                let message =
                    "FIELDS function is not supported in a query with aggregate functions or GROUP BY";
                return Err(SoqlError::malformed(message, *at));
            }
            Item::Children(children) => {
                let message = "Grouped query cannot use child relationships in the SELECT list";
                return Err(SoqlError::malformed(message, children.object.at));
            }
        }
    }
    Ok(parts)
}

fn groupable<'a>(view: &View<'a, '_>, name: &Name) -> Result<Column<'a>, SoqlError> {
    let column = view.column(name)?;
    if column.field.groupable {
        return Ok(column);
    }
    Err(SoqlError {
        code: "INVALID_FIELD",
        message: format!("field '{}' can not be grouped in a query call", column.field.name),
        at: Some(name.at),
    })
}

/// Values that compare as equal are of one group.
fn folded(column: &Column<'_>, value: Value) -> Value {
    match value {
        Value::String(text) if column.folds_case() => Value::String(text.to_lowercase()),
        other => other,
    }
}

fn summed_up(function: Function, column: &Column<'_>, values: &[Value]) -> Value {
    let compare = |one: &&Value, other: &&Value| compare_values(one, other, column.folds_case());
    let sum = || values.iter().filter_map(Value::as_f64).sum::<f64>();
    match function {
        Function::Count => json!(values.len()),
        Function::CountDistinct => {
            let mut distinct: Vec<String> = values
                .iter()
                .map(|value| folded(column, value.clone()).to_string())
                .collect();
            distinct.sort_unstable();
            distinct.dedup();
            json!(distinct.len())
        }
        Function::Min => values.iter().min_by(compare).cloned().unwrap_or_default(),
        Function::Max => values.iter().max_by(compare).cloned().unwrap_or_default(),
        _ if values.is_empty() => Value::Null,
        Function::Sum if column.field.field_type == FieldType::Int => {
            json!(values.iter().filter_map(Value::as_i64).sum::<i64>())
        }
        Function::Sum => Number::from_f64(sum()).map_or(Value::Null, Value::Number),
        Function::Avg => {
            let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
            Number::from_f64(sum() / f64::from(count)).map_or(Value::Null, Value::Number)
        }
    }
}
