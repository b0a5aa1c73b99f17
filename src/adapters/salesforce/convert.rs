//! JSON to values and back, by the kind of the field.
//!
//! Numbers are read and written as the text they have in JSON, so that no binary rounding adds or drops digits.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::core::record::FieldContent;
use crate::core::schema::FieldKind;
use crate::core::time::Instant;
use crate::core::value::Value;

/// Reads one field of an answer.
pub(super) fn read(kind: &FieldKind, raw: &RawValue) -> FieldContent {
    if matches!(kind, FieldKind::Unsupported(_)) {
        return FieldContent::Unreadable;
    }
    if raw.get() == "null" {
        return FieldContent::Value(Value::Null);
    }
    let value = match kind {
        FieldKind::Text { .. } | FieldKind::Choice(_) | FieldKind::Reference => text(raw).map(Value::text),
        FieldKind::MultiChoice(_) => text(raw).map(|text| Value::choices(text.split(';').map(str::to_owned))),
        FieldKind::Number { .. } => number(raw.get()).map(Value::Number),
        FieldKind::Boolean => serde_json::from_str(raw.get()).ok().map(Value::Boolean),
        FieldKind::Date => text(raw)
            .and_then(|text| text.parse::<Date>().ok())
            .map(Value::Date),
        FieldKind::DateTime => instant(raw).map(Value::DateTime),
        FieldKind::Unsupported(_) => None,
    };
    value.map_or(FieldContent::Unreadable, FieldContent::Value)
}

/// Reads one cell of a bulk query's rows (Salesforce docs: Bulk API 2.0: an empty cell is an empty field).
pub(super) fn read_cell(kind: &FieldKind, cell: &str) -> FieldContent {
    if matches!(kind, FieldKind::Unsupported(_)) {
        return FieldContent::Unreadable;
    }
    if cell.is_empty() {
        return FieldContent::Value(Value::Null);
    }
    let value = match kind {
        FieldKind::Text { .. } | FieldKind::Choice(_) | FieldKind::Reference => Some(Value::text(cell)),
        FieldKind::MultiChoice(_) => Some(Value::choices(cell.split(';').map(str::to_owned))),
        FieldKind::Number { .. } => number(cell).map(Value::Number),
        FieldKind::Boolean => cell.parse().ok().map(Value::Boolean),
        FieldKind::Date => cell.parse::<Date>().ok().map(Value::Date),
        FieldKind::DateTime => instant_text(cell).map(Value::DateTime),
        FieldKind::Unsupported(_) => None,
    };
    value.map_or(FieldContent::Unreadable, FieldContent::Value)
}

/// The cell of a value for a bulk job, which is not empty; `None` where the value is not of the field's kind.
pub(super) fn write_cell(kind: &FieldKind, value: &Value) -> Option<String> {
    let json = write(kind, value)?;
    // A JSON string without its quotes; everything else is spelled alike.
    text(&json).or_else(|| Some(json.get().to_owned()))
}

/// A JSON string.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// An instant as Salesforce prints it (`2024-07-22T10:00:00.000+0000`); audit fields have whole seconds.
pub(super) fn instant(raw: &RawValue) -> Option<Instant> {
    instant_text(&text(raw)?)
}

/// As [`instant`], of the text itself.
pub(super) fn instant_text(text: &str) -> Option<Instant> {
    text.parse::<Timestamp>()
        .or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text))
        .ok()
        .map(Instant::from)
}

/// A JSON number, also in Java's notation for large ones (`1.0E10`).
fn number(text: &str) -> Option<Decimal> {
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .ok()
}

/// The JSON of a value; `None` where the value is not of the field's kind.
pub(super) fn write(kind: &FieldKind, value: &Value) -> Option<Box<RawValue>> {
    let json = match (kind, value) {
        // A checkbox cannot be empty; cleared means unchecked.
        (FieldKind::Boolean, Value::Null) => "false".to_owned(),
        (FieldKind::Boolean, Value::Boolean(boolean)) => boolean.to_string(),
        (FieldKind::Unsupported(_), _) => return None,
        (_, Value::Null) => "null".to_owned(),
        (FieldKind::Number { .. }, Value::Number(number)) => number.normalize().to_string(),
        (FieldKind::Text { .. } | FieldKind::Choice(_) | FieldKind::Reference, Value::Text(text)) => {
            quoted(text)?
        }
        (FieldKind::MultiChoice(_), Value::Choices(choices)) => quoted(&choices.join(";"))?,
        (FieldKind::Date, Value::Date(date)) => quoted(&date.to_string())?,
        (FieldKind::DateTime, Value::DateTime(instant)) => quoted(&instant.to_string())?,
        _ => return None,
    };
    RawValue::from_string(json).ok()
}

/// The JSON of a text.
pub(super) fn quoted(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::core::schema::ChoiceSet;

    fn choices() -> ChoiceSet {
        ChoiceSet {
            values: BTreeSet::new(),
            restricted: false,
        }
    }

    fn read_json(kind: &FieldKind, json: &str) -> FieldContent {
        read(kind, &RawValue::from_string(json.to_owned()).unwrap())
    }

    fn number_of(json: &str) -> String {
        match read_json(&FieldKind::Number { scale: None }, json) {
            FieldContent::Value(value) => value.plain(),
            FieldContent::Unreadable => "unreadable".to_owned(),
        }
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(number_of("3.0"), "3");
        assert_eq!(number_of("0.1"), "0.1");
        assert_eq!(number_of("123456789012345678"), "123456789012345678");
        assert_eq!(number_of("1234567890123456.78"), "1234567890123456.78");
        assert_eq!(number_of("1.25E10"), "12500000000");
        assert_eq!(number_of("-1e-3"), "-0.001");
        assert_eq!(number_of("\"7\""), "unreadable");
        let written = write(
            &FieldKind::Number { scale: Some(2) },
            &Value::Number("123456789012345678.90".parse().unwrap()),
        );
        assert_eq!(written.unwrap().get(), "123456789012345678.9");
    }

    #[test]
    fn instants_are_read_in_salesforces_spelling_and_any_offset() {
        let at = Instant::from_seconds(1_721_642_400);
        for spelling in [
            "\"2024-07-22T10:00:00.000+0000\"",
            "\"2024-07-22T10:00:00Z\"",
            "\"2024-07-22T12:00:00.000+0200\"",
        ] {
            assert_eq!(
                read_json(&FieldKind::DateTime, spelling),
                FieldContent::Value(Value::DateTime(at)),
                "{spelling}"
            );
        }
        assert_eq!(
            write(&FieldKind::DateTime, &Value::DateTime(at)).unwrap().get(),
            "\"2024-07-22T10:00:00Z\""
        );
    }

    #[test]
    fn content_of_another_kind_is_unreadable_and_never_a_value() {
        for (kind, json) in [
            (FieldKind::Boolean, "\"true\""),
            (FieldKind::Date, "\"22/07/2024\""),
            (FieldKind::DateTime, "\"2024-07-22\""),
            (FieldKind::Text { max_length: None }, "{\"street\":\"x\"}"),
            (FieldKind::Unsupported("address".into()), "null"),
            (FieldKind::Unsupported("address".into()), "{}"),
        ] {
            assert_eq!(read_json(&kind, json), FieldContent::Unreadable, "{json}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_not_written() {
        assert!(write(&FieldKind::Date, &Value::Text("2024-07-22".into())).is_none());
        assert!(write(&FieldKind::Number { scale: None }, &Value::Boolean(true)).is_none());
        assert!(write(&FieldKind::Unsupported("time".into()), &Value::Null).is_none());
        assert_eq!(write(&FieldKind::Boolean, &Value::Null).unwrap().get(), "false");
    }

    fn kind_and_value() -> impl Strategy<Value = (FieldKind, Value)> {
        let text = "\\PC{1,40}".prop_map(|text| (FieldKind::Text { max_length: None }, Value::text(text)));
        let choice = "[^\u{0}]{1,20}".prop_map(|text| (FieldKind::Choice(choices()), Value::text(text)));
        let multi = proptest::collection::vec("[a-zA-Z0-9 _é-]{1,10}", 0..5)
            .prop_map(|values| (FieldKind::MultiChoice(choices()), Value::choices(values)));
        let number = (any::<i64>(), 0_u32..12).prop_map(|(mantissa, scale)| {
            (
                FieldKind::Number { scale: None },
                Value::Number(Decimal::new(mantissa, scale)),
            )
        });
        let boolean = any::<bool>().prop_map(|boolean| (FieldKind::Boolean, Value::Boolean(boolean)));
        let date = (1700_i16..4000, 1_i8..=12, 1_i8..=28)
            .prop_map(|(y, m, d)| (FieldKind::Date, Value::Date(Date::new(y, m, d).unwrap())));
        let instant = (-8_520_336_000_i64..64_060_588_800).prop_map(|seconds| {
            (
                FieldKind::DateTime,
                Value::DateTime(Instant::from_seconds(seconds)),
            )
        });
        prop_oneof![text, choice, multi, number, boolean, date, instant]
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read((kind, value) in kind_and_value()) {
            let json = write(&kind, &value).unwrap();
            prop_assert_eq!(read(&kind, &json), FieldContent::Value(value.clone()));
            let cell = if value.is_null() { String::new() } else { write_cell(&kind, &value).unwrap() };
            prop_assert_eq!(read_cell(&kind, &cell), FieldContent::Value(value));
        }
    }
}
