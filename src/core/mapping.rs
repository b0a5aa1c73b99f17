//! One value carried across a pair of fields.
//!
//! Rows of a value table are read in order: towards a side, the first row with the other side's value gives the
//! value. Two values that stand together in *any* row are equal and never rewritten.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};

use super::definition::{TruncatePolicy, UnmappedPolicy};
use super::flow::FieldPair;
use super::ident::RecordId;
use super::schema::FieldKind;
use super::side::{PerSide, Side};
use super::time::Instant;
use super::truncate::cut;
use super::value::Value;

/// The reason code of a cut copy that somebody has edited.
pub const CUT_COPY_EDITED: &str = "CutCopyEdited";

/// Why a value cannot be carried across.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untranslatable {
    /// The value table has no row for it.
    Unmapped,
    /// The target's choices do not include it.
    NotAChoice,
    /// It is longer than the target holds.
    TooLong {
        /// The target's length, in characters.
        max_length: u32,
    },
    /// It is a cut copy of what the other side holds whole, and somebody has edited it.
    CutCopy,
    /// It does not read as the target's kind.
    WrongKind,
}

impl Untranslatable {
    /// The stable reason code.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unmapped => "UnmappedValue",
            Self::NotAChoice => "NotAChoice",
            Self::TooLong { .. } => "ValueTooLong",
            Self::CutCopy => CUT_COPY_EDITED,
            Self::WrongKind => "WrongKind",
        }
    }
}

impl FieldPair {
    /// The value that `towards` must hold when the other side holds `value`.
    pub fn translate(&self, towards: Side, value: &Value) -> Result<Value, Untranslatable> {
        if self.values.is_empty() {
            return match (convert(value, &self.kinds[towards]), self.truncate) {
                (Err(Untranslatable::TooLong { max_length }), TruncatePolicy::Cut) => {
                    Ok(Value::text(cut(&value.canonical().plain(), max_length)))
                }
                (converted, _) => converted,
            };
        }
        match value {
            Value::Choices(choices) => {
                let translated: Result<Vec<String>, _> = choices
                    .iter()
                    .map(|choice| {
                        self.translate_one(towards, &Value::text(choice.clone()))
                            .map(|value| value.plain())
                    })
                    .collect();
                convert(&Value::choices(translated?), &self.kinds[towards])
            }
            single => self.translate_one(towards, single),
        }
    }

    fn translate_one(&self, towards: Side, value: &Value) -> Result<Value, Untranslatable> {
        let kind = &self.kinds[towards];
        let plain = value.canonical().plain();
        if let Some(row) = self
            .values
            .iter()
            .find(|row| row.values[towards.other()] == plain)
        {
            return parse(&row.values[towards], kind).ok_or(Untranslatable::WrongKind);
        }
        if value.canonical().is_null() {
            return convert(&Value::Null, kind);
        }
        match &self.unmapped {
            UnmappedPolicy::Hold | UnmappedPolicy::Quarantine => Err(Untranslatable::Unmapped),
            UnmappedPolicy::PassThrough => convert(value, kind),
            UnmappedPolicy::Default(defaults) => defaults[towards]
                .as_deref()
                .and_then(|default| parse(default, kind))
                .ok_or(Untranslatable::Unmapped),
        }
    }

    /// True when the two values mean the same: they stand together in a row, or one is what the other becomes.
    #[must_use]
    pub fn equal(&self, values: PerSide<&Value>) -> bool {
        if values.salesforce.canonical().is_null() && values.service_now.canonical().is_null() {
            return true;
        }
        if self.values.is_empty() && (values.salesforce.same_as(values.service_now) || self.alike(values)) {
            return true;
        }
        let plain = values.map(|_, value| value.canonical().plain());
        if self
            .values
            .iter()
            .any(|row| Side::BOTH.into_iter().all(|side| row.values[side] == plain[side]))
        {
            return true;
        }
        Side::BOTH
            .into_iter()
            .filter(|side| self.direction.writes(*side))
            .any(|side| {
                self.translate(side, values[side.other()])
                    .is_ok_and(|value| value.same_as(values[side]))
            })
    }
}

impl FieldPair {
    /// Two spellings of one thing: what one side keeps as text reads as the value of the other, an address differs in
    /// case only, an id has 15 or 18 characters.
    fn alike(&self, values: PerSide<&Value>) -> bool {
        match (values.salesforce.canonical(), values.service_now.canonical()) {
            (Value::Text(salesforce), Value::Text(service_now)) => {
                same_address(&salesforce, &service_now)
                    || (self.kinds.salesforce == FieldKind::Reference && same_id(&salesforce, &service_now))
            }
            (Value::Text(text), other) | (other, Value::Text(text)) => reads_as(&text, &other),
            _ => false,
        }
    }
}

/// Does a text say what a value of another kind holds?
fn reads_as(text: &str, value: &Value) -> bool {
    match value {
        Value::Number(number) => text.parse::<Decimal>().is_ok_and(|parsed| parsed == *number),
        Value::Boolean(boolean) => text.eq_ignore_ascii_case(&boolean.to_string()),
        Value::Date(date) => text.parse::<Date>().is_ok_and(|parsed| parsed == *date),
        Value::DateTime(at) => text
            .parse::<Timestamp>()
            .is_ok_and(|parsed| Instant::from(parsed) == *at),
        Value::Choices(_) => {
            Value::choices(text.split([';', ',']).map(|choice| choice.trim().to_owned())) == *value
        }
        Value::Null | Value::Text(_) => false,
    }
}

/// One e-mail address, whatever its case: Salesforce stores addresses in lower case.
fn same_address(one: &str, other: &str) -> bool {
    let is_address = |text: &str| {
        text.split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
            && !text.contains(char::is_whitespace)
    };
    is_address(one) && is_address(other) && one.eq_ignore_ascii_case(other)
}

/// One Salesforce id, with or without its checksum.
fn same_id(one: &str, other: &str) -> bool {
    let parse = |text: &str| RecordId::parse(Side::Salesforce, text);
    matches!((parse(one), parse(other)), (Ok(one), Ok(other)) if one == other)
}

/// A plain text as a value of a kind: how value tables, defaults and `onCreate` spell values. `None` when it does
/// not read as one.
#[must_use]
pub fn parse(text: &str, kind: &FieldKind) -> Option<Value> {
    if text.is_empty() {
        return Some(Value::Null);
    }
    match kind {
        FieldKind::Text { .. } | FieldKind::Choice(_) | FieldKind::Reference => Some(Value::text(text)),
        FieldKind::Number { .. } => text.parse().ok().map(Value::Number),
        FieldKind::Boolean => text.parse().ok().map(Value::Boolean),
        FieldKind::Date => text.parse::<Date>().ok().map(Value::Date),
        FieldKind::DateTime => instant(text).map(Value::DateTime),
        FieldKind::MultiChoice(_) => Some(Value::choices(text.split(';').map(str::to_owned))),
        FieldKind::Unsupported(_) => None,
    }
}

/// An RFC 3339 instant, or a date, which means its midnight in UTC.
#[must_use]
pub fn instant(text: &str) -> Option<Instant> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.into());
    }
    let date: Date = text.parse().ok()?;
    date.to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().into())
}

/// A value as the target's kind holds it.
fn convert(value: &Value, kind: &FieldKind) -> Result<Value, Untranslatable> {
    let value = value.canonical();
    if value.is_null() {
        // A checkbox has no empty state: empty there is *not checked*.
        let empty = if matches!(kind, FieldKind::Boolean) {
            Value::Boolean(false)
        } else {
            Value::Null
        };
        return Ok(empty);
    }
    match kind {
        FieldKind::Text { max_length } => {
            let text = value.plain();
            match max_length {
                Some(max_length) if text.chars().count() > *max_length as usize => {
                    Err(Untranslatable::TooLong {
                        max_length: *max_length,
                    })
                }
                _ => Ok(Value::Text(text)),
            }
        }
        FieldKind::Number { scale } => match (value, scale) {
            (Value::Number(number), Some(scale)) => Ok(Value::Number(round(number, *scale))),
            (Value::Number(number), None) => Ok(Value::Number(number)),
            _ => Err(Untranslatable::WrongKind),
        },
        FieldKind::Choice(choices) => {
            let text = value.plain();
            if choices.values.contains(&text) {
                Ok(Value::Text(text))
            } else {
                Err(Untranslatable::NotAChoice)
            }
        }
        FieldKind::MultiChoice(choices) => {
            let Value::Choices(items) = value else {
                return Err(Untranslatable::WrongKind);
            };
            if items.iter().all(|item| choices.values.contains(item)) {
                Ok(Value::Choices(items))
            } else {
                Err(Untranslatable::NotAChoice)
            }
        }
        FieldKind::Boolean => keep(value, |value| matches!(value, Value::Boolean(_))),
        FieldKind::Date => keep(value, |value| matches!(value, Value::Date(_))),
        FieldKind::DateTime => keep(value, |value| matches!(value, Value::DateTime(_))),
        FieldKind::Reference => keep(value, |value| matches!(value, Value::Text(_))),
        FieldKind::Unsupported(_) => Err(Untranslatable::WrongKind),
    }
}

fn keep(value: Value, fits: impl Fn(&Value) -> bool) -> Result<Value, Untranslatable> {
    if fits(&value) {
        Ok(value)
    } else {
        Err(Untranslatable::WrongKind)
    }
}

/// Rounds as both services do when a number has more digits than the field: half away from zero.
fn round(number: Decimal, scale: u32) -> Decimal {
    number
        .round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero)
        .normalize()
}

#[cfg(test)]
mod tests;
