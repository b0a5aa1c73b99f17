use std::collections::BTreeMap;

use super::*;
use crate::core::ident::RecordId;
use crate::core::record::{FieldContent, Version};
use crate::core::side::Side;

fn record(field: &str, value: Value) -> Record {
    let at = Instant::from_seconds(0);
    Record {
        id: RecordId::parse(Side::ServiceNow, &"a".repeat(32)).unwrap(),
        version: Version {
            modified: at,
            mod_count: 0,
        },
        changed_at: at,
        created_at: at,
        fields: BTreeMap::from([(field.parse().unwrap(), FieldContent::Value(value))]),
    }
}

fn holds_for(operator: Operator, value: Value) -> bool {
    let rules = [Rule {
        field: "f".parse().unwrap(),
        operator,
    }];
    evaluate(&rules, &record("f", value)) == Verdict::Holds
}

fn date_time(text: &str) -> Value {
    Value::DateTime(instant(text).unwrap())
}

#[test]
fn every_operator_holds_for_what_it_says_and_for_nothing_else() {
    let list = || vec!["a".to_owned(), "b".to_owned()];
    let text = |text: &str| Value::text(text);
    let number = |text: &str| Value::Number(text.parse().unwrap());
    let cases = [
        (Operator::In(list()), text("b"), text("c")),
        (Operator::NotIn(list()), text("c"), text("a")),
        (Operator::NotIn(list()), Value::Null, text("b")),
        (Operator::Equals("a".into()), text("a"), text("A")),
        (Operator::Equals("3".into()), number("3.0"), number("3.1")),
        (
            Operator::Equals("true".into()),
            Value::Boolean(true),
            Value::Boolean(false),
        ),
        (Operator::NotEquals("a".into()), Value::Null, text("a")),
        (
            Operator::Contains("fire".into()),
            text("The FIRE is out"),
            text("smoke"),
        ),
        (
            Operator::StartsWith("urgent".into()),
            text("Urgent: x"),
            text("not urgent"),
        ),
        (
            Operator::OnOrAfter("2024-07-22".into()),
            date_time("2024-07-22T00:00:00Z"),
            date_time("2024-07-21T23:59:59Z"),
        ),
        (
            Operator::OnOrAfter("2024-07-22".into()),
            Value::Date("2024-07-22".parse().unwrap()),
            Value::Null,
        ),
        (
            Operator::Before("2024-07-22".into()),
            date_time("2024-07-21T23:59:59Z"),
            date_time("2024-07-22T00:00:00Z"),
        ),
        (Operator::GreaterThan("10".into()), number("10.5"), number("10")),
        (Operator::GreaterThan("9".into()), text("10"), text("9")),
        (Operator::LessThan("10".into()), number("9.9"), number("10")),
        (Operator::Exists, text("x"), text("   ")),
        (Operator::DoesNotExist, Value::Null, text("x")),
    ];
    for (operator, inside, outside) in cases {
        assert!(holds_for(operator.clone(), inside), "{operator:?}");
        assert!(!holds_for(operator.clone(), outside), "{operator:?}");
    }
}

#[test]
fn a_hidden_rule_field_is_unknown_unless_another_rule_fails_anyway() {
    let rule = |field: &str, operator| Rule {
        field: field.parse().unwrap(),
        operator,
    };
    let row = record("seen", Value::text("x"));
    let hidden = rule("hidden", Operator::Exists);
    let holds = rule("seen", Operator::Exists);
    let fails = rule("seen", Operator::DoesNotExist);
    assert_eq!(
        evaluate(&[hidden.clone(), holds], &row),
        Verdict::Unknown("hidden".parse().unwrap())
    );
    assert_eq!(evaluate(&[hidden, fails], &row), Verdict::Fails);
}
