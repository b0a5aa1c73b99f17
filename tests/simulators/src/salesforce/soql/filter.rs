//! Tests rows against a bound condition, and orders them.

use std::cmp::Ordering;

use serde_json::Value;

use super::lexer::LITERAL_WILDCARD;
use crate::model::Fields;

/// A condition bound to an object's fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Field {
        name: String,
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
    Like(String),
    OneOf(Vec<Operand>),
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

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub field: String,
    pub folds_case: bool,
    pub descending: bool,
    pub nulls_last: bool,
}

impl Filter {
    /// Whether a row meets the condition. A missing field is null.
    pub fn matches(&self, row: &Fields) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.matches(row)),
            Self::Any(terms) => terms.iter().any(|term| term.matches(row)),
            Self::Not(term) => !term.matches(row),
            Self::Field {
                name,
                folds_case,
                test,
            } => test.holds(row.get(name).unwrap_or(&Value::Null), *folds_case),
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
            Self::Like(pattern) => value.as_str().is_some_and(|text| like(text, pattern)),
            Self::OneOf(operands) => operands
                .iter()
                .any(|operand| against(operand) == Some(Ordering::Equal)),
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
        text.to_lowercase()
    } else {
        text.to_owned()
    }
}

fn compare_text(one: &str, other: &str, folds_case: bool) -> Ordering {
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

/// Whether text matches a pattern of `%` and `_`, without regard to case. Escaped wildcards carry their mark.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => parts.push(Part::AnyRun),
            '_' => parts.push(Part::AnyOne),
            LITERAL_WILDCARD => parts.extend(characters.next().map(Part::Only)),
            other => parts.extend(other.to_lowercase().map(Part::Only)),
        }
    }
    // The classic two-finger match: on a mismatch, let the last run take one character more.
    let (mut at, mut part, mut retry) = (0, 0, None);
    while at < text.len() {
        match parts.get(part) {
            Some(Part::AnyRun) => {
                retry = Some((at, part));
                part += 1;
            }
            Some(Part::AnyOne) => (at, part) = (at + 1, part + 1),
            Some(Part::Only(character)) if *character == text[at] => (at, part) = (at + 1, part + 1),
            _ => {
                let Some((run_at, run_part)) = retry else {
                    return false;
                };
                retry = Some((run_at + 1, run_part));
                (at, part) = (run_at + 1, run_part + 1);
            }
        }
    }
    parts[part..].iter().all(|part| *part == Part::AnyRun)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    AnyRun,
    AnyOne,
    Only(char),
}

/// Orders two rows by the terms in turn.
pub(crate) fn in_order(order: &[SortKey], one: &Fields, other: &Fields) -> Ordering {
    order
        .iter()
        .map(|key| {
            let one = one.get(&key.field).unwrap_or(&Value::Null);
            let other = other.get(&key.field).unwrap_or(&Value::Null);
            match (one.is_null(), other.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if key.nulls_last => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, true) if key.nulls_last => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => {
                    let ordering = sorted(one, other, key.folds_case);
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

fn sorted(one: &Value, other: &Value, folds_case: bool) -> Ordering {
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
