//! A side's rules, evaluated by us on every row, whatever the server filtered.

use rust_decimal::Decimal;

use super::definition::Operator;
use super::flow::Rule;
use super::ident::FieldName;
use super::mapping::instant;
use super::record::Record;
use super::time::Instant;
use super::value::Value;

/// Whether a record is in the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All hold.
    Holds,
    /// One does not.
    Fails,
    /// A field that a rule looks at was not in the answer, so nothing is known. Never taken for a change.
    Unknown(FieldName),
}

/// Evaluates all rules of a side on a record of that side.
#[must_use]
pub fn evaluate(rules: &[Rule], record: &Record) -> Verdict {
    let mut unknown = None;
    for rule in rules {
        match record.value(&rule.field) {
            Some(value) if holds(&rule.operator, value) => {}
            // One failed rule decides, whatever is unknown beside it.
            Some(_) => return Verdict::Fails,
            None => unknown = unknown.or_else(|| Some(rule.field.clone())),
        }
    }
    unknown.map_or(Verdict::Holds, Verdict::Unknown)
}

fn holds(operator: &Operator, value: &Value) -> bool {
    match operator {
        Operator::In(operands) => operands.iter().any(|operand| equals(value, operand)),
        Operator::NotIn(operands) => !operands.iter().any(|operand| equals(value, operand)),
        Operator::Equals(operand) => equals(value, operand),
        Operator::NotEquals(operand) => !equals(value, operand),
        Operator::Contains(operand) => folded(&value.plain()).contains(&folded(operand)),
        Operator::StartsWith(operand) => folded(&value.plain()).starts_with(&folded(operand)),
        Operator::OnOrAfter(operand) => moment(value)
            .zip(instant(operand))
            .is_some_and(|(at, bound)| at >= bound),
        Operator::Before(operand) => moment(value)
            .zip(instant(operand))
            .is_some_and(|(at, bound)| at < bound),
        Operator::GreaterThan(operand) => number(value)
            .zip(operand.parse().ok())
            .is_some_and(|(a, b)| a > b),
        Operator::LessThan(operand) => number(value)
            .zip(operand.parse().ok())
            .is_some_and(|(a, b)| a < b),
        Operator::Exists => !value.canonical().is_null(),
        Operator::DoesNotExist => value.canonical().is_null(),
    }
}

/// Equality with an operand spelled as plain text. A set equals an operand that it contains.
fn equals(value: &Value, operand: &str) -> bool {
    match value.canonical() {
        Value::Number(number) => operand.parse::<Decimal>().is_ok_and(|operand| operand == number),
        Value::DateTime(at) => instant(operand) == Some(at),
        Value::Choices(choices) => choices.iter().any(|choice| choice == operand),
        canonical => canonical.plain() == operand,
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn moment(value: &Value) -> Option<Instant> {
    match value {
        Value::DateTime(at) => Some(*at),
        Value::Date(date) => instant(&date.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(*number),
        // ServiceNow keeps numbers in text columns too.
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// The earliest creation that the rules let in, where they say so: both services index the creation date and it
/// never changes, so a change query may be narrowed by it without losing sight of a record that leaves.
#[must_use]
pub fn created_from(rules: &[Rule], created_field: &str) -> Option<Instant> {
    rules
        .iter()
        .filter(|rule| rule.field.as_str() == created_field)
        .filter_map(|rule| match &rule.operator {
            Operator::OnOrAfter(operand) => instant(operand),
            _ => None,
        })
        .max()
}

#[cfg(test)]
mod tests;
