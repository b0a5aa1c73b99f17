//! What SOQL means, a promise a test.

use serde_json::{Map, Value, json};

use super::bind::View;
use super::dates::Calendar;
use super::filter::Filter;
use super::order::in_order;
use super::parser::parse;
use super::{LONGEST_LITERAL, LONGEST_QUERY, Select, SoqlError};
use crate::model::Fields;
use crate::salesforce::field::{Field, FieldType};
use crate::salesforce::schema::Schema;
use crate::salesforce::users::{Directory, FieldAccess};

fn schema() -> Schema {
    let mut schema = Schema::standard();
    schema.add_field(
        "Case",
        Field {
            scale: 2,
            ..Field::new("Cost__c", FieldType::Double)
        },
    );
    schema.add_field("Case", Field::new("Due__c", FieldType::Date));
    schema.add_field(
        "Case",
        Field {
            case_sensitive: true,
            ..Field::new("Code__c", FieldType::String)
        },
    );
    schema.add_field("Case", Field::new("Tags__c", FieldType::Multipicklist));
    schema
}

fn filter(condition: &str) -> Result<Filter, SoqlError> {
    let schema = schema();
    let query = parse(&format!("SELECT Id FROM Case WHERE {condition}"))?;
    let mut directory = Directory::default();
    directory.add_user("blind", "", String::new());
    let user = directory.user_mut("blind").unwrap();
    user.set_field_access("Case", "Reason", FieldAccess::Hidden);
    let view = View {
        user: Some(user),
        schema: Some(&schema),
        calendar: Some(Calendar {
            now: "2024-07-24T10:00:00Z".parse().unwrap(),
            utc_offset_minutes: 0,
        }),
        ..View::whole(schema.object("Case").unwrap())
    };
    view.filter(query.filter.as_ref().unwrap())
}

fn row(fields: &Value) -> Fields {
    fields.as_object().cloned().unwrap_or_else(Map::new)
}

fn matches(condition: &str, fields: &Value) -> bool {
    filter(condition).unwrap().matches(&row(fields))
}

fn refused(condition: &str) -> (&'static str, String) {
    let error = filter(condition).unwrap_err();
    (error.code, error.message)
}

#[test]
fn a_query_is_read_whole() {
    let query = parse(
        "select Id, Subject from Case where (Status = 'New' or Priority != null) and not IsClosed = true \
         order by SystemModstamp asc nulls last, Id desc limit 200 offset 3",
    )
    .unwrap();
    assert!(matches!(&query.select, Select::Items(items) if items.len() == 2));
    assert_eq!(query.object.text, "Case");
    assert_eq!(query.order.len(), 2);
    assert!(query.order[0].nulls_last && query.order[1].descending);
    assert_eq!((query.limit, query.offset), (Some(200), Some(3)));
    assert_eq!(parse("SELECT COUNT() FROM Case").unwrap().select, Select::Count);
}

#[test]
fn text_is_compared_without_regard_to_case_unless_the_field_is_case_sensitive() {
    assert!(matches("Subject = 'HELLO'", &json!({"Subject": "hello"})));
    assert!(matches("Subject IN ('x', 'HELLO')", &json!({"Subject": "hello"})));
    assert!(!matches("Code__c = 'HELLO'", &json!({"Code__c": "hello"})));
}

#[test]
fn ids_are_compared_with_regard_to_case_and_in_either_length() {
    let row = json!({"Id": "00570000001ZwTiAAK"});
    assert!(matches("Id = '00570000001ZwTi'", &row));
    assert!(!matches("Id = '00570000001zwti'", &row));
    assert!(matches("Id > '00570000001ZwTh'", &row));
    assert_eq!(refused("Id = '12'").0, "INVALID_QUERY_FILTER_OPERATOR");
}

#[test]
fn null_equals_null_and_the_empty_string_and_is_unequal_to_every_value() {
    assert!(matches("Subject = null", &json!({})));
    assert!(matches("Subject = ''", &json!({"Subject": null})));
    assert!(!matches("Subject != null", &json!({})));
    assert!(matches("Subject != 'a'", &json!({})));
    assert!(matches("Subject NOT IN ('a')", &json!({})));
    assert!(!matches("Subject < 'a'", &json!({})));
    assert!(!matches("Cost__c <= 3", &json!({})));
}

#[test]
fn moments_are_compared_across_offsets_and_need_no_fraction() {
    let row = json!({"CreatedDate": "2024-07-22T10:00:00.000+0000"});
    assert!(matches("CreatedDate = 2024-07-22T10:00:00Z", &row));
    assert!(matches("CreatedDate = 2024-07-22T12:00:00+02:00", &row));
    assert!(matches("CreatedDate >= 2024-07-22T09:59:59.999Z", &row));
    assert!(!matches("CreatedDate > 2024-07-22T10:00:00Z", &row));
    assert!(matches("Due__c = 2024-07-22", &json!({"Due__c": "2024-07-22"})));
}

#[test]
fn numbers_and_booleans_compare_as_such() {
    assert!(matches("Cost__c > 9", &json!({"Cost__c": 10.0})));
    assert!(matches("Cost__c = -1.5", &json!({"Cost__c": -1.5})));
    assert!(matches("IsClosed = FALSE", &json!({"IsClosed": false})));
}

#[test]
fn strings_resolve_their_escapes() {
    assert!(matches(
        r"Subject = 'O\'Neil \\ \n'",
        &json!({"Subject": "O'Neil \\ \n"})
    ));
    let (code, message) = refused(r"Subject = 'a\q'");
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains(r"Illegal character sequence '\q'"), "{message}");
    assert_eq!(refused("Subject = 'open").0, "MALFORMED_QUERY");
}

#[test]
fn an_escaped_wildcard_in_a_like_is_itself() {
    assert!(matches(r"Subject LIKE '100\%'", &json!({"Subject": "100%"})));
    assert!(!matches(r"Subject LIKE '100\%'", &json!({"Subject": "1000"})));
    assert!(matches(r"Subject = '100\%'", &json!({"Subject": "100%"})));
}

#[test]
fn a_multi_select_includes_whole_sets() {
    let row = json!({"Tags__c": "red;green;blue"});
    assert!(matches("Tags__c INCLUDES ('red;blue', 'black')", &row));
    assert!(!matches("Tags__c INCLUDES ('red;black')", &row));
    assert!(matches("Tags__c EXCLUDES ('black')", &row));
}

#[test]
fn and_with_or_needs_parentheses() {
    let (code, message) = refused("Subject = 'a' AND Subject = 'b' OR Subject = 'c'");
    assert_eq!(
        (code, message.as_str()),
        ("MALFORMED_QUERY", "unexpected token: 'OR'")
    );
    assert!(matches(
        "(Subject = 'a' AND Status = 'b') OR Subject = 'c'",
        &json!({"Subject": "c"})
    ));
}

#[test]
fn literals_must_have_the_fields_type() {
    let refusals = [
        (
            "CreatedDate > '2024-07-22'",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "CreatedDate > 2024-07-22",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "Subject = 3",
            "must be of type string and should be enclosed in quotes",
        ),
        (
            "IsClosed = 'true'",
            "must be of type boolean and should not be enclosed in quotes",
        ),
        (
            "Cost__c = '3'",
            "must be of type double and should not be enclosed in quotes",
        ),
    ];
    for (condition, expected) in refusals {
        let (code, message) = refused(condition);
        assert_eq!(code, "INVALID_FIELD", "{condition}");
        assert!(message.contains(expected), "{condition}: {message}");
    }
}

#[test]
fn a_hidden_field_cannot_be_told_from_one_that_does_not_exist() {
    let hidden = refused("Reason = 'x'");
    let missing = refused("Nothing = 'x'");
    assert_eq!(hidden.0, "INVALID_FIELD");
    assert_eq!(hidden.1.replace("Reason", "Nothing"), missing.1);
    assert!(hidden.1.starts_with("No such column 'Reason' on entity 'Case'."));
}

#[test]
fn long_text_can_be_neither_filtered_nor_passed_off_as_filterable() {
    assert_eq!(
        refused("Description = 'x'").1,
        "field 'Description' can not be filtered in a query call"
    );
}

#[test]
fn an_error_points_at_its_place() {
    let query = "SELECT Id FORM Case";
    let error = parse(query).unwrap_err().in_query(query);
    assert_eq!(
        error.message,
        "\nSELECT Id FORM Case\n          ^\nERROR at Row:1:Column:11\nunexpected token: 'FORM'"
    );
}

#[test]
fn an_offset_beyond_two_thousand_is_refused() {
    assert_eq!(
        parse("SELECT Id FROM Case OFFSET 2001").unwrap_err().code,
        "NUMBER_OUTSIDE_VALID_RANGE"
    );
    assert!(parse("SELECT Id FROM Case OFFSET 2000").is_ok());
}

#[test]
fn what_is_no_query_is_refused_and_never_panics() {
    for query in [
        "",
        "SELECT",
        "SELECT FROM Case",
        "SELECT Id FROM",
        "SELECT Id FROM Case WHERE",
        "é",
        "SELECT Id FROM Case WHERE Id IN ()",
        "SELECT Id FROM Case LIMIT x",
        "SELECT Id FROM Case ORDER Id",
        "SELECT Id FROM Case;",
        "SELECT MAX() FROM Case",
        "SELECT SOUNDEX(Subject) FROM Case",
        "SELECT FIELDS(SOME) FROM Case",
        "SELECT (SELECT Id FROM Contacts FROM Case",
        "SELECT Id FROM Case WHERE Id IN (SELECT Id)",
        "SELECT Id FROM Case GROUP Status",
    ] {
        assert_eq!(parse(query).unwrap_err().code, "MALFORMED_QUERY", "{query}");
    }
    let deep = format!("SELECT Id FROM Case WHERE {}Id = null", "(".repeat(10_000));
    assert!(parse(&deep).is_err());
    let deep = format!("SELECT Id FROM Case WHERE {}Id = null", "NOT ".repeat(10_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn nulls_come_first_in_both_directions_unless_told_otherwise() {
    let schema = schema();
    let view = View::whole(schema.object("Case").unwrap());
    let sorted = |order: &str| {
        let query = parse(&format!("SELECT Id FROM Case ORDER BY {order}")).unwrap();
        let keys: Vec<_> = query
            .order
            .iter()
            .map(|term| view.sort_key(term).unwrap())
            .collect();
        let mut rows: Vec<Fields> = [json!({"Subject": "b"}), json!({}), json!({"Subject": "A"})]
            .iter()
            .map(row)
            .collect();
        rows.sort_by(|one, other| in_order(&keys, one, other, &|_| None));
        rows.iter()
            .map(|row| {
                row.get("Subject")
                    .and_then(Value::as_str)
                    .unwrap_or("-")
                    .to_owned()
            })
            .collect::<String>()
    };
    assert_eq!(sorted("Subject"), "-Ab");
    assert_eq!(sorted("Subject DESC"), "-bA");
    assert_eq!(sorted("Subject NULLS LAST"), "Ab-");
    assert_eq!(sorted("Subject DESC NULLS LAST"), "bA-");
}

#[test]
fn relative_dates_are_stretches_of_time() {
    let row = json!({"CreatedDate": "2024-07-23T23:59:59.000+0000", "Due__c": "2024-07-25"});
    let truths = [
        ("CreatedDate = YESTERDAY", true),
        ("CreatedDate = TODAY", false),
        ("CreatedDate != TODAY", true),
        ("CreatedDate < TODAY", true),
        ("CreatedDate < YESTERDAY", false),
        ("CreatedDate <= YESTERDAY", true),
        ("CreatedDate > YESTERDAY", false),
        ("CreatedDate >= last_n_days:1", true),
        ("CreatedDate = THIS_MONTH", true),
        ("Due__c = TOMORROW", true),
        ("Due__c > TODAY", true),
    ];
    for (condition, expected) in truths {
        assert_eq!(matches(condition, &row), expected, "{condition}");
    }
    assert_eq!(refused("Subject = TODAY").0, "INVALID_FIELD");
    assert_eq!(refused("CreatedDate = SOMEDAY").0, "MALFORMED_QUERY");
}

#[test]
fn queries_and_their_literals_have_a_longest_length() {
    let literal = |length: usize| format!("Subject = '{}'", "é".repeat(length));
    assert!(filter(&literal(LONGEST_LITERAL)).is_ok());
    assert_eq!(refused(&literal(LONGEST_LITERAL + 1)).0, "MALFORMED_QUERY");
    let query = |length: usize| format!("{}SELECT Id FROM Case", " ".repeat(length - 19));
    assert!(parse(&query(LONGEST_QUERY)).is_ok());
    assert_eq!(
        parse(&query(LONGEST_QUERY + 1)).unwrap_err().code,
        "MALFORMED_QUERY"
    );
}

#[test]
fn rows_that_can_only_have_certain_ids_are_told_by_the_condition() {
    let id = "00570000001ZwTiAAK";
    let ids = |condition: &str| -> Option<Vec<String>> {
        let filter = filter(condition).unwrap();
        filter
            .only_ids()
            .map(|ids| ids.into_iter().map(str::to_owned).collect())
    };
    assert_eq!(ids(&format!("Id = '{id}'")), Some(vec![id.to_owned()]));
    assert_eq!(
        ids(&format!("Subject = 'a' AND Id IN ('{id}', '{id}')")),
        Some(vec![id.to_owned()])
    );
    assert_eq!(ids(&format!("Subject = 'a' OR Id = '{id}'")), None);
    assert_eq!(ids(&format!("NOT Id = '{id}'")), None);
    assert_eq!(ids(&format!("Id NOT IN ('{id}')")), None);
}
