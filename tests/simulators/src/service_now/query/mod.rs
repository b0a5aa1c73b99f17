//! Encoded queries: `active=true^categoryINdatabase,network^ORpriority=1^ORDERBYsys_updated_on`.
//!
//! - `parser`: text to syntax tree. Never fails: what cannot be read is kept apart, because the platform drops it.
//! - `evaluator`: whether a row matches, with the comparisons of the database beneath.
//! - `order`: `ORDERBY` terms and ties.
//! - `script`: the few `javascript:gs.…` values that filters use.
//!
//! Source: ServiceNow docs, "Operators available for filters and queries" and "Encoded query strings".

pub(super) mod evaluator;
pub(super) mod order;
mod parser;
mod script;

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

/// A condition and the `^OR` conditions bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AnyOf {
    pub(super) any: Vec<Condition>,
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

/// The comparisons the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    NotEquals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Like,
    NotLike,
    StartsWith,
    EndsWith,
    IsEmpty,
    IsNotEmpty,
    EmptyString,
    Anything,
    Between,
    SameAs,
    NotSameAs,
    GreaterThanField,
    LessThanField,
    On,
    NotOn,
}

impl Operator {
    /// Whether the comparison reveals order or content bit by bit, and so needs `query_range` access where `=` needs
    /// `query_match` (ServiceNow docs: query ACLs).
    pub(super) fn is_range(self) -> bool {
        use Operator::{
            Between, EndsWith, Greater, GreaterOrEqual, GreaterThanField, Less, LessOrEqual, LessThanField,
            Like, NotLike, NotOn, On, StartsWith,
        };
        matches!(
            self,
            Between
                | EndsWith
                | Greater
                | GreaterOrEqual
                | GreaterThanField
                | Less
                | LessOrEqual
                | LessThanField
                | Like
                | NotLike
                | NotOn
                | On
                | StartsWith
        )
    }
}

impl EncodedQuery {
    /// Every condition, in the order written.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.groups
            .iter()
            .flat_map(|group| &group.all)
            .flat_map(|any_of| &any_of.any)
    }

    /// The query without the conditions and sort keys that `keep` and `keep_order` refuse. A group that loses every
    /// condition holds for every row: that is how a dropped filter returns the whole table.
    pub(super) fn without(
        mut self,
        keep: impl Fn(&Condition) -> bool,
        keep_order: impl Fn(&OrderBy) -> bool,
    ) -> Self {
        for group in &mut self.groups {
            for any_of in &mut group.all {
                any_of.any.retain(&keep);
            }
            group.all.retain(|any_of| !any_of.any.is_empty());
        }
        self.order.retain(keep_order);
        self
    }
}
