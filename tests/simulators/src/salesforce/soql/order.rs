//! Orders rows.

use std::cmp::Ordering;

use serde_json::Value;

use super::filter::{Parents, Path, compare_text};
use crate::model::Fields;

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub path: Path,
    pub folds_case: bool,
    pub descending: bool,
    pub nulls_last: bool,
}

/// Orders two rows by the terms in turn.
pub(crate) fn in_order<'a>(
    order: &[SortKey],
    one: &'a Fields,
    other: &'a Fields,
    parents: &Parents<'a, '_>,
) -> Ordering {
    order
        .iter()
        .map(|key| {
            let one = key.path.read(one, parents);
            let other = key.path.read(other, parents);
            match (one.is_null(), other.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if key.nulls_last => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, true) if key.nulls_last => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => {
                    let ordering = compare_values(one, other, key.folds_case);
                    if key.descending {
                        ordering.reverse()
                    } else {
                        ordering
                    }
                }
            }
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Orders two values of one field.
pub(crate) fn compare_values(one: &Value, other: &Value, folds_case: bool) -> Ordering {
    match (one, other) {
        (Value::String(one), Value::String(other)) => compare_text(one, other, folds_case),
        (Value::Number(one), Value::Number(other)) => one
            .as_f64()
            .zip(other.as_f64())
            .and_then(|(one, other)| one.partial_cmp(&other))
            .unwrap_or(Ordering::Equal),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        _ => Ordering::Equal,
    }
}
