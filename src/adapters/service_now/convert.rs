//! Strings of the Table API to core values and back.
//!
//! Every scalar travels as a string (ServiceNow docs: Table API): `"true"`, `"4"`, and `""` for empty. Datetimes are
//! `YYYY-MM-DD HH:MM:SS` in UTC both ways, as long as display values are off; ISO 8601 is never sent, since the
//! platform does not parse it.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::core::record::FieldContent;
use crate::core::schema::FieldKind;
use crate::core::time::Instant;
use crate::core::value::Value;

/// Stands between the values of a choice list.
const LIST_SEPARATOR: char = ',';

/// A value as the Table API takes it.
pub(super) fn to_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.normalize().to_string(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Date(date) => date.strftime("%Y-%m-%d").to_string(),
        Value::DateTime(instant) => instant_text(*instant),
        Value::Choices(choices) => choices.join(","),
    }
}

/// What the Table API sent for a field of this kind.
pub(super) fn from_json(kind: &FieldKind, json: &Json) -> FieldContent {
    match scalar(json) {
        Some(text) => from_text(kind, &text),
        None => FieldContent::Unreadable,
    }
}

/// The text of a field: plain, or the `value` of a reference that came with its link.
pub(super) fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Null => Some(String::new()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(boolean) => Some(boolean.to_string()),
        Json::Object(object) => match object.get("value")? {
            Json::String(text) => Some(text.clone()),
            _ => None,
        },
        Json::Array(_) => None,
    }
}

fn from_text(kind: &FieldKind, text: &str) -> FieldContent {
    if text.is_empty() {
        return FieldContent::Value(Value::Null);
    }
    let value = match kind {
        FieldKind::Text { .. } | FieldKind::Choice(_) | FieldKind::Reference => Some(Value::text(text)),
        FieldKind::Number { .. } => number(text).map(Value::Number),
        FieldKind::Boolean => boolean(text).map(Value::Boolean),
        FieldKind::Date => date(text).map(Value::Date),
        FieldKind::DateTime => instant(text).map(Value::DateTime),
        FieldKind::MultiChoice(_) => Some(Value::choices(
            text.split(LIST_SEPARATOR).map(|choice| choice.trim().to_owned()),
        )),
        FieldKind::Unsupported(_) => None,
    };
    value.map_or(FieldContent::Unreadable, FieldContent::Value)
}

fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .ok()
}

/// `true`/`false`, and the `1`/`0` that some columns keep.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn date(text: &str) -> Option<Date> {
    Date::strptime("%Y-%m-%d", text).ok()
}

/// Reads `YYYY-MM-DD HH:MM:SS` as UTC.
pub(super) fn instant(text: &str) -> Option<Instant> {
    let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Instant::from(zoned.timestamp()))
}

/// Writes `YYYY-MM-DD HH:MM:SS` in UTC.
pub(super) fn instant_text(instant: Instant) -> String {
    instant.timestamp().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::schema::ChoiceSet;

    fn choices() -> ChoiceSet {
        ChoiceSet {
            values: BTreeSet::new(),
            restricted: true,
        }
    }

    fn back(kind: &FieldKind, value: &Value) -> FieldContent {
        from_json(kind, &Json::String(to_text(value)))
    }

    #[test]
    fn an_empty_string_is_null_whatever_the_kind() {
        for kind in [
            FieldKind::Text { max_length: None },
            FieldKind::Number { scale: Some(0) },
            FieldKind::Boolean,
            FieldKind::Date,
            FieldKind::DateTime,
            FieldKind::Reference,
            FieldKind::Choice(choices()),
        ] {
            assert_eq!(from_json(&kind, &json!("")), FieldContent::Value(Value::Null));
        }
    }

    #[test]
    fn a_reference_is_read_with_and_without_its_link() {
        let id = "6816f79cc0a8016401c5a33be04be441";
        let expected = FieldContent::Value(Value::text(id));
        assert_eq!(from_json(&FieldKind::Reference, &json!(id)), expected);
        let linked = json!({"link": "https://acme.service-now.com/api/now/table/sys_user/1", "value": id});
        assert_eq!(from_json(&FieldKind::Reference, &linked), expected);
    }

    #[test]
    fn what_is_not_of_its_kind_is_unreadable_and_never_null() {
        for (kind, text) in [
            (FieldKind::Number { scale: None }, "twelve"),
            (FieldKind::Boolean, "yes"),
            (FieldKind::Date, "24/12/2026"),
            (FieldKind::DateTime, "2026-12-24T10:00:00Z"),
            (FieldKind::Unsupported("journal".to_owned()), "text"),
        ] {
            assert_eq!(from_json(&kind, &json!(text)), FieldContent::Unreadable, "{text}");
        }
        let nested = json!([1]);
        assert_eq!(from_json(&FieldKind::Boolean, &nested), FieldContent::Unreadable);
    }

    #[test]
    fn a_datetime_is_sent_in_utc_without_iso_marks() {
        let instant = Instant::from_seconds(1_795_309_323);
        assert_eq!(to_text(&Value::DateTime(instant)), "2026-11-22 01:02:03");
    }

    #[test]
    fn one_and_zero_are_booleans_too() {
        assert_eq!(
            from_json(&FieldKind::Boolean, &json!("1")),
            FieldContent::Value(Value::Boolean(true))
        );
        assert_eq!(
            from_json(&FieldKind::Boolean, &json!("0")),
            FieldContent::Value(Value::Boolean(false))
        );
    }

    proptest! {
        #[test]
        fn every_instant_survives_the_wire(seconds in 0_i64..7_258_118_400) {
            let value = Value::DateTime(Instant::from_seconds(seconds));
            prop_assert_eq!(back(&FieldKind::DateTime, &value), FieldContent::Value(value));
        }

        #[test]
        fn every_date_survives_the_wire(year in 1000_i16..9999, month in 1_i8..=12, day in 1_i8..=28) {
            let value = Value::Date(jiff::civil::date(year, month, day));
            prop_assert_eq!(back(&FieldKind::Date, &value), FieldContent::Value(value));
        }

        #[test]
        fn every_number_survives_the_wire(digits in any::<i64>(), scale in 0_u32..12) {
            let value = Value::Number(Decimal::new(digits, scale));
            let FieldContent::Value(read) = back(&FieldKind::Number { scale: None }, &value) else {
                return Err(TestCaseError::fail("unreadable"));
            };
            prop_assert!(read.same_as(&value));
        }

        #[test]
        fn every_text_survives_the_wire(text in ".{0,80}") {
            let value = Value::text(text);
            let kind = FieldKind::Text { max_length: None };
            prop_assert_eq!(back(&kind, &value), FieldContent::Value(value));
        }

        #[test]
        fn every_boolean_and_choice_list_survives_the_wire(
            truth in any::<bool>(), list in proptest::collection::vec("[a-z_]{1,8}", 0..5)
        ) {
            let value = Value::Boolean(truth);
            prop_assert_eq!(back(&FieldKind::Boolean, &value), FieldContent::Value(value));
            let value = Value::choices(list);
            prop_assert_eq!(back(&FieldKind::MultiChoice(choices()), &value), FieldContent::Value(value));
        }
    }
}
