//! Tests rows against a bound condition.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value;

use super::like::Pattern;
use crate::model::Fields;

/// What a field reads as that is not there.
static NOTHING: Value = Value::Null;

/// Finds a record by its id, for fields of parents; `None` when it cannot be read.
pub(crate) type Parents<'a, 'p> = dyn Fn(&str) -> Option<&'a Fields> + 'p;

/// Where a value stands: in the row itself, or in the record at the end of a chain of references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// The reference fields to follow; none for the row's own fields.
    pub via: Vec<String>,
    pub field: String,
}

impl Path {
    /// The value; null when a record on the way is missing.
    pub fn read<'a>(&self, row: &'a Fields, parents: &Parents<'a, '_>) -> &'a Value {
        let mut row = row;
        for reference in &self.via {
            let parent = row.get(reference).and_then(Value::as_str).and_then(parents);
            let Some(parent) = parent else { return &NOTHING };
            row = parent;
        }
        row.get(&self.field).unwrap_or(&NOTHING)
    }
}

/// A condition bound to an object's fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Field {
        path: Path,
        folds_case: bool,
        test: Test,
    },
}

/// What is asked of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Less(Operand),
    LessOrEqual(Operand),
    Greater(Operand),
    GreaterOrEqual(Operand),
    Like(Pattern),
    OneOf(Operands),
    Includes(Vec<Vec<String>>),
}

/// A literal in the form that stored values have: dates and moments are text that sorts by time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
}

/// Several literals, the texts among them folded where the field is, to be found without looking at each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Operands {
    texts: BTreeSet<String>,
    others: Vec<Operand>,
}

impl Operands {
    pub fn new(operands: impl IntoIterator<Item = Operand>, folds_case: bool) -> Self {
        let mut all = Self::default();
        for operand in operands {
            match operand {
                Operand::Text(text) => {
                    all.texts.insert(fold(&text, folds_case));
                }
                other => all.others.push(other),
            }
        }
        all
    }

    fn hold(&self, value: &Value, folds_case: bool) -> bool {
        match value {
            Value::String(text) if folds_case => self.texts.contains(&fold(text, true)),
            Value::String(text) => self.texts.contains(text),
            other => self
                .others
                .iter()
                .any(|operand| compare(other, operand, folds_case) == Some(Ordering::Equal)),
        }
    }
}

impl Filter {
    /// Whether a row meets the condition by its own fields alone. A missing field is null.
    pub fn matches(&self, row: &Fields) -> bool {
        self.holds(row, &|_| None)
    }

    /// Whether a row meets the condition.
    pub fn holds<'a>(&self, row: &'a Fields, parents: &Parents<'a, '_>) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.holds(row, parents)),
            Self::Any(terms) => terms.iter().any(|term| term.holds(row, parents)),
            Self::Not(term) => !term.holds(row, parents),
            Self::Field {
                path,
                folds_case,
                test,
            } => test.holds(path.read(row, parents), *folds_case),
        }
    }

    /// The only ids that rows can have which meet the condition, where it says so: `Id IN (…)`. Whoever has them need
    /// not look at every row.
    pub fn only_ids(&self) -> Option<Vec<&str>> {
        match self {
            Self::All(terms) => terms.iter().find_map(Self::only_ids),
            Self::Field { path, test, .. } if path.via.is_empty() && path.field == "Id" => match test {
                Test::Equal(Operand::Text(id)) => Some(vec![id]),
                Test::OneOf(ids) => Some(ids.texts.iter().map(String::as_str).collect()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Test {
    fn holds(&self, value: &Value, folds_case: bool) -> bool {
        let against = |operand: &Operand| compare(value, operand, folds_case);
        match self {
            Self::Equal(operand) => against(operand) == Some(Ordering::Equal),
            // Rows without a value are unequal to every value.
            Self::NotEqual(operand) => against(operand) != Some(Ordering::Equal),
            Self::Less(operand) => ranged(value, operand) && against(operand) == Some(Ordering::Less),
            Self::LessOrEqual(operand) => {
                ranged(value, operand) && against(operand).is_some_and(Ordering::is_le)
            }
            Self::Greater(operand) => ranged(value, operand) && against(operand) == Some(Ordering::Greater),
            Self::GreaterOrEqual(operand) => {
                ranged(value, operand) && against(operand).is_some_and(Ordering::is_ge)
            }
            Self::Like(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::OneOf(operands) => operands.hold(value, folds_case),
            Self::Includes(sets) => {
                let chosen: Vec<String> = value
                    .as_str()
                    .unwrap_or_default()
                    .split(';')
                    .map(|item| fold(item, folds_case))
                    .collect();
                sets.iter()
                    .any(|set| set.iter().all(|item| chosen.contains(&fold(item, folds_case))))
            }
        }
    }
}

/// Null is neither more nor less than anything.
fn ranged(value: &Value, operand: &Operand) -> bool {
    !value.is_null() && *operand != Operand::Null
}

fn fold(text: &str, folds_case: bool) -> String {
    if folds_case {
        text.chars().flat_map(char::to_lowercase).collect()
    } else {
        text.to_owned()
    }
}

/// Orders two texts.
pub(crate) fn compare_text(one: &str, other: &str, folds_case: bool) -> Ordering {
    if folds_case {
        one.chars()
            .flat_map(char::to_lowercase)
            .cmp(other.chars().flat_map(char::to_lowercase))
    } else {
        one.cmp(other)
    }
}

fn compare(value: &Value, operand: &Operand, folds_case: bool) -> Option<Ordering> {
    match (value, operand) {
        (Value::Null, Operand::Null) => Some(Ordering::Equal),
        (Value::Bool(value), Operand::Boolean(operand)) => Some(value.cmp(operand)),
        (Value::Number(value), Operand::Number(operand)) => value.as_f64()?.partial_cmp(operand),
        (Value::String(value), Operand::Text(operand)) => Some(compare_text(value, operand, folds_case)),
        _ => None,
    }
}
