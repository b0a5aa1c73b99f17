//! Field values on their way in: checked by type, normalised as the service normalises them.
//!
//! Stored values are JSON: text as strings, never empty and never with blanks around it; moments and dates as text in
//! the output format, which sorts by time; numbers as numbers, with a fraction where the type has one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Number, Value, json};

use super::error::ApiError;
use super::field::{Field, FieldType};
use super::ids;

/// A moment as the API writes it. Audit stamps have whole seconds, and so have all moments here.
pub(crate) fn datetime_text(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// The start of the second that `moment` lies in.
pub(crate) fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// The value as it will be stored, or why it cannot be.
pub(crate) fn accept(field: &Field, given: &Value) -> Result<Value, ApiError> {
    if given.is_null() {
        // A checkbox is never without a value.
        return Ok(if field.field_type == FieldType::Boolean {
            Value::Bool(false)
        } else {
            Value::Null
        });
    }
    match field.field_type {
        FieldType::Boolean => boolean(field, given),
        FieldType::Int | FieldType::Double | FieldType::Currency | FieldType::Percent => number(field, given),
        FieldType::Base64 => content(given),
        FieldType::Date => date(field, given),
        FieldType::Datetime => datetime(field, given),
        FieldType::Id | FieldType::Reference => reference(field, given),
        _ => text(field, given),
    }
}

fn cannot_deserialize(type_name: &str, given: &Value) -> ApiError {
    let (kind, shown) = match given {
        Value::String(text) => ("VALUE_STRING", text.clone()),
        Value::Number(number) if number.is_f64() => ("VALUE_NUMBER_FLOAT", number.to_string()),
        Value::Number(number) => ("VALUE_NUMBER_INT", number.to_string()),
        Value::Bool(true) => ("VALUE_TRUE", "true".to_owned()),
        Value::Bool(false) => ("VALUE_FALSE", "false".to_owned()),
        Value::Array(_) => ("START_ARRAY", "[".to_owned()),
        Value::Object(_) => ("START_OBJECT", "{".to_owned()),
        Value::Null => ("VALUE_NULL", "null".to_owned()),
    };
    ApiError::json_parser(format!(
        "Cannot deserialize instance of {type_name} from {kind} value {shown} or request may be missing a required field at [line:1, column:1]"
    ))
}

fn text(field: &Field, given: &Value) -> Result<Value, ApiError> {
    let Value::String(given_text) = given else {
        return Err(cannot_deserialize("string", given));
    };
    let text = given_text.trim();
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let length = usize::try_from(field.length).unwrap_or(usize::MAX);
    if length > 0 && text.chars().count() > length {
        let message = format!(
            "{}: data value too large: {text} (max length={length})",
            field.label()
        );
        return Err(ApiError::on_fields("STRING_TOO_LONG", message, &[&field.name]));
    }
    if field.field_type == FieldType::Email && !looks_like_an_address(text) {
        let message = format!("{}: invalid email address: {text}", field.label());
        return Err(ApiError::on_fields(
            "INVALID_EMAIL_ADDRESS",
            message,
            &[&field.name],
        ));
    }
    if field.restricted_picklist {
        let items = text.split(if field.field_type == FieldType::Multipicklist {
            ";"
        } else {
            "\u{0}"
        });
        for item in items {
            if !field
                .picklist_values
                .iter()
                .any(|known| known.active && known.value == item)
            {
                let message = format!(
                    "{}: bad value for restricted picklist field: {item}",
                    field.label()
                );
                let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
                return Err(ApiError::on_fields(code, message, &[&field.name]));
            }
        }
    }
    Ok(Value::String(text.to_owned()))
}

/// The content of a file, which JSON carries as base64.
fn content(given: &Value) -> Result<Value, ApiError> {
    let text = given.as_str().map(str::trim);
    let content = text.and_then(|text| STANDARD.decode(text).ok());
    content
        .map(|content| Value::String(STANDARD.encode(content)))
        .ok_or_else(|| {
            let shown = json!(text.map_or(0, str::len));
            cannot_deserialize("base64", &shown)
        })
}

fn looks_like_an_address(text: &str) -> bool {
    let blank = text.chars().any(char::is_whitespace);
    let parts = text.split_once('@');
    !blank
        && parts.is_some_and(|(local, host)| !local.is_empty() && host.contains('.') && !host.contains('@'))
}

fn boolean(field: &Field, given: &Value) -> Result<Value, ApiError> {
    match given {
        Value::Bool(_) => Ok(given.clone()),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Value::String(text) if text.is_empty() && field.nillable => Ok(Value::Null),
        _ => Err(cannot_deserialize("boolean", given)),
    }
}

/// Numbers come as JSON numbers or as text, and are rounded to the field's scale, half away from zero.
fn number(field: &Field, given: &Value) -> Result<Value, ApiError> {
    let type_name = if field.field_type == FieldType::Int {
        "int"
    } else {
        "double"
    };
    let decimal = match given {
        Value::Number(number) => number
            .to_string()
            .parse()
            .ok()
            .or_else(|| number.as_f64().and_then(Decimal::from_f64)),
        Value::String(text) if text.trim().is_empty() => return Ok(Value::Null),
        Value::String(text) => text.trim().parse::<Decimal>().ok(),
        _ => None,
    };
    let Some(decimal) = decimal else {
        return Err(cannot_deserialize(type_name, given));
    };
    if field.field_type == FieldType::Int {
        let whole = decimal.is_integer().then(|| decimal.to_i64()).flatten();
        let Some(whole) = whole else {
            return Err(cannot_deserialize(type_name, given));
        };
        return if i32::try_from(whole).is_ok() {
            Ok(whole.into())
        } else {
            Err(out_of_range(field, &decimal))
        };
    }
    let rounded = decimal.round_dp_with_strategy(field.scale, RoundingStrategy::MidpointAwayFromZero);
    let digits = field.precision.saturating_sub(field.scale);
    if field.precision > 0
        && let Some(limit) = power_of_ten(digits)
        && rounded.abs() >= limit
    {
        return Err(out_of_range(field, &decimal));
    }
    let number = rounded.to_f64().and_then(Number::from_f64);
    number
        .map(Value::Number)
        .ok_or_else(|| cannot_deserialize(type_name, given))
}

/// Ten to a power, where that fits a decimal.
fn power_of_ten(exponent: u32) -> Option<Decimal> {
    (0..exponent).try_fold(Decimal::ONE, |power, _| power.checked_mul(Decimal::TEN))
}

fn out_of_range(field: &Field, decimal: &Decimal) -> ApiError {
    let message = format!(
        "{}: value outside of valid range on numeric field: {decimal}",
        field.label()
    );
    ApiError::on_fields("NUMBER_OUTSIDE_VALID_RANGE", message, &[&field.name])
}

fn date(_: &Field, given: &Value) -> Result<Value, ApiError> {
    match given {
        Value::String(text) if text.is_empty() => Ok(Value::Null),
        Value::String(text) if text.len() == 10 => text
            .parse::<Date>()
            .map(|date| Value::String(date.to_string()))
            .map_err(|_| cannot_deserialize("date", given)),
        _ => Err(cannot_deserialize("date", given)),
    }
}

/// A moment needs an offset, in any of the ISO forms; fractions of a second are dropped.
fn datetime(_: &Field, given: &Value) -> Result<Value, ApiError> {
    match given {
        Value::String(text) if text.is_empty() => Ok(Value::Null),
        Value::String(text) => text
            .parse::<Timestamp>()
            .map(|moment| Value::String(datetime_text(moment)))
            .map_err(|_| cannot_deserialize("datetime", given)),
        _ => Err(cannot_deserialize("datetime", given)),
    }
}

/// A reference's form is checked here; whether the record is there, by the store.
fn reference(field: &Field, given: &Value) -> Result<Value, ApiError> {
    let Value::String(text) = given else {
        return Err(cannot_deserialize("string", given));
    };
    if text.is_empty() {
        return Ok(Value::Null);
    }
    ids::canonical(text).map(Value::String).ok_or_else(|| {
        let message = format!("{}: id value of incorrect type: {text}", field.label());
        ApiError::on_fields("MALFORMED_ID", message, &[&field.name])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(field: &Field, given: &Value) -> String {
        accept(field, given).unwrap_err().code
    }

    #[test]
    fn text_loses_the_blanks_around_it_and_the_empty_string_is_null() {
        let field = Field::new("Subject", FieldType::String);
        assert_eq!(accept(&field, &json!("  a b \n")).unwrap(), json!("a b"));
        assert_eq!(accept(&field, &json!("   ")).unwrap(), Value::Null);
        assert_eq!(accept(&field, &Value::Null).unwrap(), Value::Null);
        assert_eq!(code(&field, &json!(3)), "JSON_PARSER_ERROR");
    }

    #[test]
    fn text_too_long_is_refused_under_the_fields_label() {
        let field = Field {
            label: Some("Case Subject".into()),
            length: 3,
            ..Field::new("Subject", FieldType::String)
        };
        let error = accept(&field, &json!("äöüß")).unwrap_err();
        assert_eq!(error.code, "STRING_TOO_LONG");
        assert_eq!(
            error.message,
            "Case Subject: data value too large: äöüß (max length=3)"
        );
        assert_eq!(error.fields, Some(vec!["Subject".to_owned()]));
        assert!(accept(&field, &json!("äöü")).is_ok());
    }

    #[test]
    fn a_restricted_picklist_takes_only_its_active_values() {
        let mut field = Field::picklist("Level__c", &["a", "b"], true);
        field.picklist_values[1].active = false;
        assert!(accept(&field, &json!("a")).is_ok());
        assert_eq!(
            code(&field, &json!("b")),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        );
        field.restricted_picklist = false;
        assert!(accept(&field, &json!("anything")).is_ok());
    }

    #[test]
    fn moments_keep_whole_seconds_in_utc() {
        let field = Field::new("When__c", FieldType::Datetime);
        for given in [
            "2024-07-22T12:00:00.999+02:00",
            "2024-07-22T10:00:00Z",
            "2024-07-22T10:00:00.000+0000",
        ] {
            assert_eq!(
                accept(&field, &json!(given)).unwrap(),
                json!("2024-07-22T10:00:00.000+0000"),
                "{given}"
            );
        }
        assert_eq!(code(&field, &json!("2024-07-22 10:00:00")), "JSON_PARSER_ERROR");
        assert_eq!(code(&field, &json!(1_721_642_400)), "JSON_PARSER_ERROR");
    }

    #[test]
    fn numbers_round_to_their_scale_and_stay_in_their_range() {
        let field = Field {
            precision: 5,
            scale: 2,
            ..Field::new("Cost__c", FieldType::Double)
        };
        assert_eq!(accept(&field, &json!("4.505")).unwrap(), json!(4.51));
        assert_eq!(accept(&field, &json!(3)).unwrap().to_string(), "3.0");
        assert_eq!(code(&field, &json!(1000)), "NUMBER_OUTSIDE_VALID_RANGE");
        let field = Field::new("Count__c", FieldType::Int);
        assert_eq!(accept(&field, &json!(3)).unwrap().to_string(), "3");
        assert_eq!(code(&field, &json!(3.5)), "JSON_PARSER_ERROR");
    }

    #[test]
    fn references_must_look_like_ids_and_mails_like_addresses() {
        assert_eq!(
            code(&Field::new("Parent", FieldType::Reference), &json!("abc")),
            "MALFORMED_ID"
        );
        let mail = Field::new("Mail__c", FieldType::Email);
        assert_eq!(code(&mail, &json!("nobody")), "INVALID_EMAIL_ADDRESS");
        assert!(accept(&mail, &json!("a@b.example")).is_ok());
    }
}
