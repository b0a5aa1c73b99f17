//! One row of `sys_dictionary` as a [`FieldSchema`].

use std::collections::BTreeSet;

use super::convert;
use super::row::{self, Row};
use crate::core::schema::{ChoiceSet, FieldKind, FieldSchema};

/// Does the dictionary bind the column to a list of choices? `1` and `3` are lists (with and without "None"); `2` only
/// suggests, and any other value is taken.
pub(super) fn has_choices(row: &Row) -> bool {
    matches!(row::text(row, "choice").as_deref(), Some("1" | "3"))
        || matches!(internal_type(row).as_str(), "choice" | "glide_list")
}

/// What a dictionary row says, with the values of its list, where it has one.
///
/// `mandatory` is not looked at: it is a rule for forms. What the platform enforces on a REST insert is a data policy,
/// which shows in the refusal, with the labels of the fields. `read_only` is what an override for the table says in
/// place of the column's own word.
pub(super) fn schema(
    name: &str,
    row: &Row,
    choices: Option<&BTreeSet<String>>,
    read_only: Option<bool>,
) -> FieldSchema {
    let flag = |column| row::text(row, column).and_then(|text| convert::boolean(&text)) == Some(true);
    let kind = kind(row, choices);
    let supported = !matches!(kind, FieldKind::Unsupported(_));
    // The platform keeps sys_ columns itself, and drops what is sent for read-only and calculated ones.
    let read_only = read_only.unwrap_or_else(|| flag("read_only"));
    let writable = supported && !name.starts_with("sys_") && !read_only && !flag("virtual");
    FieldSchema {
        kind,
        readable: true,
        createable: writable,
        updateable: writable,
        required_on_create: false,
        unique: flag("unique") || name == "sys_id",
        external_id: false,
        filterable: supported && !flag("virtual"),
    }
}

fn internal_type(row: &Row) -> String {
    row::text(row, "internal_type").unwrap_or_default()
}

/// The kinds of `internal_type` (ServiceNow docs: Field types). A type that is not listed is not guessed at.
fn kind(row: &Row, choices: Option<&BTreeSet<String>>) -> FieldKind {
    let named = internal_type(row);
    let has_values = choices.filter(|values| !values.is_empty() && has_choices(row));
    match (named.as_str(), has_values) {
        ("glide_list", Some(values)) if refers_to(row).is_none() => {
            return FieldKind::MultiChoice(choice_set(values));
        }
        ("string" | "string_full_utf8" | "integer" | "choice" | "translated_text", Some(values)) => {
            return FieldKind::Choice(choice_set(values));
        }
        _ => {}
    }
    match named.as_str() {
        "string" | "string_full_utf8" | "wide_text" | "choice" | "translated_text" | "translated_field"
        | "translated_html" | "html" | "url" | "email" | "phone_number_e164" | "ph_number" | "ip_addr"
        | "multi_two_lines" | "multi_small" | "short_field_name" | "table_name" | "sys_class_name"
        | "GUID" | "char" | "version" => FieldKind::Text {
            max_length: row::text(row, "max_length")
                .and_then(|text| text.trim().parse().ok())
                .filter(|length| *length > 0),
        },
        "integer" | "longint" | "auto_increment" | "order_index" => FieldKind::Number { scale: Some(0) },
        "decimal" | "float" | "numeric" | "percent_complete" => FieldKind::Number { scale: scale(row) },
        "boolean" => FieldKind::Boolean,
        "glide_date" | "date" => FieldKind::Date,
        "glide_date_time" | "due_date" | "datetime" => FieldKind::DateTime,
        "reference" => FieldKind::Reference,
        _ => FieldKind::Unsupported(named),
    }
}

fn choice_set(values: &BTreeSet<String>) -> ChoiceSet {
    // `glide.rest.choice.allow_non_existing_value` is false unless somebody changed it: another value is not set
    // (ServiceNow docs: Available system properties).
    ChoiceSet {
        values: values.clone(),
        restricted: true,
    }
}

fn refers_to(row: &Row) -> Option<String> {
    row::text(row, "reference").filter(|table| !table.is_empty())
}

/// The attribute `scale=n`. Without it the digits that a decimal keeps are not known here.
fn scale(row: &Row) -> Option<u32> {
    row::text(row, "attributes")?
        .split(',')
        .find_map(|attribute| attribute.trim().strip_prefix("scale=")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(json: serde_json::Value) -> Row {
        serde_json::from_value(json).unwrap()
    }

    fn values(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn an_integer_with_a_list_is_a_choice_and_one_without_is_a_number() {
        let state = row(json!({"internal_type": "integer", "choice": "1"}));
        let offered = values(&["1", "2"]);
        assert_eq!(
            schema("state", &state, Some(&offered), None).kind,
            FieldKind::Choice(ChoiceSet {
                values: offered,
                restricted: true
            })
        );
        assert_eq!(
            schema("state", &state, None, None).kind,
            FieldKind::Number { scale: Some(0) }
        );
    }

    #[test]
    fn a_list_that_only_suggests_is_text() {
        let row = row(json!({"internal_type": "string", "choice": "2", "max_length": "40"}));
        let offered = values(&["a"]);
        assert_eq!(
            schema("u_hint", &row, Some(&offered), None).kind,
            FieldKind::Text { max_length: Some(40) }
        );
    }

    #[test]
    fn a_list_of_references_is_not_guessed_at() {
        let watchers = row(json!({"internal_type": "glide_list", "reference": "sys_user"}));
        assert_eq!(
            schema("watch_list", &watchers, None, None).kind,
            FieldKind::Unsupported("glide_list".to_owned())
        );
        let colours = row(json!({"internal_type": "glide_list", "reference": ""}));
        let offered = values(&["red", "blue"]);
        assert!(matches!(
            schema("u_colours", &colours, Some(&offered), None).kind,
            FieldKind::MultiChoice(_)
        ));
    }

    #[test]
    fn what_the_platform_keeps_itself_or_would_drop_is_not_writable() {
        let plain = row(json!({"internal_type": "string", "read_only": "false"}));
        assert!(schema("short_description", &plain, None, None).updateable);
        assert!(!schema("sys_created_by", &plain, None, None).createable);
        let read_only = row(json!({"internal_type": "string", "read_only": "true"}));
        assert!(!schema("number", &read_only, None, None).updateable);
        let journal = row(json!({"internal_type": "journal_input", "read_only": "false"}));
        let journal = schema("work_notes", &journal, None, None);
        assert!(!journal.createable && !journal.filterable);
        assert_eq!(journal.kind, FieldKind::Unsupported("journal_input".to_owned()));
    }

    #[test]
    fn a_form_rule_is_no_requirement_of_the_api() {
        let row = row(json!({"internal_type": "reference", "mandatory": "true"}));
        assert!(!schema("caller_id", &row, None, None).required_on_create);
    }

    #[test]
    fn the_scale_of_a_decimal_is_known_only_where_the_dictionary_says_it() {
        let bare = row(json!({"internal_type": "decimal", "attributes": ""}));
        assert_eq!(
            schema("u_cost", &bare, None, None).kind,
            FieldKind::Number { scale: None }
        );
        let scaled = row(json!({"internal_type": "decimal", "attributes": "no_sort=true,scale=4"}));
        assert_eq!(
            schema("u_cost", &scaled, None, None).kind,
            FieldKind::Number { scale: Some(4) }
        );
    }
}
