//! The order of a result.

use std::cmp::Ordering;

use super::OrderBy;
use super::comparison::compare;
use super::evaluator::Scope;
use crate::service_now::ids::mix;
use crate::service_now::store::Values;

/// A row on its way into a page: its own table and its values.
pub(in crate::service_now) type Row<'a> = (&'a str, &'a Values);

/// Sorts rows by the keys given. Rows that tie stay in the order of their `sys_id`, or, given a `shuffle`, in an order
/// that differs with it: the database promises none.
pub(in crate::service_now) fn sort<'a>(
    rows: Vec<Row<'a>>,
    order: &[OrderBy],
    scope: &Scope<'_>,
    shuffle: Option<u64>,
) -> Vec<Row<'a>> {
    let mut keyed: Vec<Keyed<'a>> = rows
        .into_iter()
        .map(|row| {
            let keys = order
                .iter()
                .map(|key| (scope.value(row, &key.field), scope.is_numeric(row.0, &key.field)));
            Keyed {
                keys: keys.collect(),
                row,
            }
        })
        .collect();
    keyed.sort_by(|one, other| {
        let by_keys = order
            .iter()
            .zip(&one.keys)
            .zip(&other.keys)
            .map(|((key, left), right)| {
                let ordering = compare(&left.0, &right.0, left.1 && right.1);
                if key.descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            });
        by_keys
            .fold(Ordering::Equal, Ordering::then)
            .then_with(|| tie(one.row, other.row, shuffle))
    });
    keyed.into_iter().map(|one| one.row).collect()
}

/// A row with its sort keys, and whether each compares as a number.
struct Keyed<'a> {
    keys: Vec<(String, bool)>,
    row: Row<'a>,
}

fn tie(one: Row<'_>, other: Row<'_>, shuffle: Option<u64>) -> Ordering {
    let id = |row: Row<'_>| row.1.get("sys_id").cloned().unwrap_or_default();
    let rank = |row: Row<'_>| {
        let salt = shuffle?;
        Some(
            id(row)
                .bytes()
                .fold(salt, |hash, byte| mix(hash ^ u64::from(byte))),
        )
    };
    rank(one).cmp(&rank(other)).then_with(|| id(one).cmp(&id(other)))
}
