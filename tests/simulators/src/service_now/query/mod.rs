//! Encoded queries: `active=true^categoryINdatabase,network^ORpriority=1^ORDERBYsys_updated_on`.
//!
//! - `operator`: the comparisons and how they are written.
//! - `parser`: text to syntax tree. Never fails: what cannot be read is kept apart, because the platform drops it.
//! - `evaluator`: whether a row matches; `comparison`: how two values compare; `calendar`: trends, relative times.
//! - `order`: `ORDERBY` terms and ties.
//! - `script`: the few `javascript:gs.…` values that filters use.
//!
//! Source: ServiceNow docs, "Operators available for filters and queries" and "Encoded query strings".

mod calendar;
mod comparison;
pub(super) mod evaluator;
mod operator;
pub(super) mod order;
mod parser;
mod script;
#[cfg(test)]
mod tests;

pub(super) use operator::Operator;
pub(super) use parser::parse;

/// A query: groups joined by `^NQ`, and an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct EncodedQuery {
    /// A row matches where any group does. Never empty: a query without conditions is one empty group.
    pub(super) groups: Vec<Group>,
    /// Sort keys, most significant first.
    pub(super) order: Vec<OrderBy>,
    /// Parts that could not be read.
    pub(super) unreadable: Vec<String>,
}

/// Conditions that all must hold; an empty group holds for every row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Group {
    pub(super) all: Vec<AnyOf>,
}

/// A term and the `^OR` terms bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AnyOf {
    pub(super) any: Vec<Term>,
}

/// What a query asks of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    /// Something about one of its columns.
    Compare(Condition),
    /// That rows of another table refer to it, or to what it refers to.
    Related(Related),
    /// `123TEXTQUERY321=…`: that its text holds these words.
    Text(String),
}

impl From<Condition> for Term {
    fn from(condition: Condition) -> Self {
        Self::Compare(condition)
    }
}

/// `JOINa.f=b.g!query` and `RLQUERYb.g,>=1^query^ENDRLQUERY`: how many rows of `table` that match `query` must have in
/// `reference` what the row has in `field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Related {
    /// The row's own column.
    pub(super) field: String,
    /// The other table.
    pub(super) table: String,
    pub(super) reference: String,
    /// How many there must be.
    pub(super) operator: Operator,
    pub(super) count: usize,
    /// What they must match.
    pub(super) query: EncodedQuery,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// A column, or a path through references such as `caller_id.email`.
    pub(super) field: String,
    pub(super) operator: Operator,
    /// The right-hand side as written.
    pub(super) value: String,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderBy {
    pub(super) field: String,
    pub(super) descending: bool,
}

impl EncodedQuery {
    /// Keeps the terms and sort keys that `keep` and `keep_order` allow. A group that loses every term holds for every
    /// row: that is how a dropped filter returns the whole table.
    pub(super) fn retain(
        &mut self,
        mut keep: impl FnMut(&mut Term) -> bool,
        keep_order: impl FnMut(&OrderBy) -> bool,
    ) {
        for group in &mut self.groups {
            for any_of in &mut group.all {
                any_of.any.retain_mut(&mut keep);
            }
            group.all.retain(|any_of| !any_of.any.is_empty());
        }
        self.order.retain(keep_order);
    }

    /// Every comparison of the query's own table, in the order written.
    #[cfg(test)]
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let terms = self
            .groups
            .iter()
            .flat_map(|group| &group.all)
            .flat_map(|any_of| &any_of.any);
        terms.filter_map(|term| match term {
            Term::Compare(condition) => Some(condition),
            _ => None,
        })
    }
}
