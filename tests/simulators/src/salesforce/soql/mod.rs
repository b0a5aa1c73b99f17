//! SOQL, read by a real parser: fields of parents, subqueries of children, aggregates, semi-joins, relative dates.
//! Not read: `HAVING`, date functions, `TYPEOF`, `WITH`, `FOR VIEW`, geolocation.
//!
//! Text goes through [`lexer`], [`parser`] and [`condition`] into the syntax tree below, which knows no schema; [`bind`]
//! checks it against an object as one user may see it, and gives a [`filter::Filter`] that rows are tested with and
//! [`order::SortKey`]s that they are sorted by. [`dates`] holds the relative dates, [`like`] the wildcards. Errors are
//! worded as the service words them (Salesforce docs: SOQL and SOSL Reference), with the position that it points at.

pub(crate) mod bind;
mod condition;
pub(crate) mod dates;
pub(crate) mod filter;
pub(crate) mod lexer;
mod like;
pub(crate) mod order;
pub(crate) mod parser;
#[cfg(test)]
mod tests;

use super::error::ApiError;

/// The longest query, in characters (Salesforce docs: SOQL and SOSL Limits).
pub(crate) const LONGEST_QUERY: usize = 100_000;

/// The longest quoted string in a condition, in characters (Salesforce docs: SOQL and SOSL Limits).
pub(crate) const LONGEST_LITERAL: usize = 4_000;

/// What a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Select {
    /// `COUNT()`: no rows, only how many there are.
    Count,
    /// Fields, aggregates and subqueries, as written.
    Items(Vec<Item>),
}

/// One thing asked for between `SELECT` and `FROM`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A field, of the object itself or of a parent; the alias is for aggregating queries only.
    Field { name: Name, alias: Option<Name> },
    /// `FIELDS(ALL)` and its like.
    Fields { group: FieldGroup, at: usize },
    /// `MAX(CreatedDate)`.
    Aggregate {
        function: Function,
        field: Name,
        alias: Option<Name>,
    },
    /// `(SELECT … FROM Contacts)`: the object's name is that of a relationship to children.
    Children(Box<Query>),
}

/// Which fields `FIELDS()` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldGroup {
    All,
    Standard,
    Custom,
}

/// An aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    CountDistinct,
    Min,
    Max,
    Sum,
    Avg,
}

/// A name and where it stands in the query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub text: String,
    pub at: usize,
}

/// A whole query as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub select: Select,
    pub object: Name,
    /// `FROM Case c`: a name for the object within the query.
    pub alias: Option<Name>,
    pub filter: Option<Condition>,
    pub group: Vec<Name>,
    pub order: Vec<OrderBy>,
    pub limit: Option<usize>,
    pub offset: Option<usize>,
}

/// One `ORDER BY` term.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderBy {
    pub field: Name,
    pub descending: bool,
    /// Nulls come first unless the query says otherwise, ascending and descending alike.
    pub nulls_last: bool,
}

/// A condition as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        field: Name,
        operator: Operator,
        literal: Literal,
    },
    OneOf {
        field: Name,
        negated: bool,
        literals: Vec<Literal>,
    },
    /// A semi-join, or an anti-join when negated: `AccountId IN (SELECT Id FROM Account …)`.
    OneOfQuery {
        field: Name,
        negated: bool,
        query: Box<Query>,
    },
    /// `INCLUDES` and `EXCLUDES` on a multi-select picklist; each literal is a `;`-joined set that must be there whole.
    Includes {
        field: Name,
        negated: bool,
        literals: Vec<Literal>,
    },
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

/// A literal as written, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    pub value: LiteralValue,
    pub at: usize,
}

/// What a literal says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LiteralValue {
    Null,
    Boolean(bool),
    Number(f64),
    /// A quoted string, escapes resolved but for [`lexer::LITERAL_WILDCARD`].
    Text(String),
    /// `YYYY-MM-DD`.
    Date(jiff::civil::Date),
    /// A moment with its offset resolved.
    DateTime(jiff::Timestamp),
    /// `LAST_N_DAYS:7` and its like.
    Relative(dates::RelativeDate),
}

/// An error at a position of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoqlError {
    pub code: &'static str,
    pub message: String,
    /// The byte in the query's text; `None` where the service points at nothing.
    pub at: Option<usize>,
}

impl SoqlError {
    pub fn malformed(message: impl Into<String>, at: usize) -> Self {
        Self {
            code: "MALFORMED_QUERY",
            message: message.into(),
            at: Some(at),
        }
    }

    pub fn unexpected(token: &str, at: usize) -> Self {
        Self::malformed(format!("unexpected token: '{token}'"), at)
    }

    /// As the service answers it: a piece of the query, a caret below the position, row and column, the message.
    pub fn in_query(&self, query: &str) -> ApiError {
        let Some(at) = self.at else {
            return ApiError::bad_request(self.code, self.message.clone());
        };
        let before: Vec<char> = query.get(..at).unwrap_or(query).chars().collect();
        let row = before.iter().filter(|&&character| character == '\n').count() + 1;
        let column = before
            .iter()
            .rev()
            .take_while(|&&character| character != '\n')
            .count();
        let shown_before: String = before[before.len() - column.min(40)..].iter().collect();
        let shown_after: String = query
            .get(at..)
            .unwrap_or_default()
            .chars()
            .take_while(|&character| character != '\n')
            .take(40)
            .collect();
        let caret = " ".repeat(column.min(40));
        let message = format!(
            "\n{shown_before}{shown_after}\n{caret}^\nERROR at Row:{row}:Column:{}\n{}",
            column + 1,
            self.message
        );
        ApiError::bad_request(self.code, message)
    }
}
