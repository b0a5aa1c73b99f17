//! The laws of saas-apis H9: what both services spell differently is one value, and is never rewritten.

use proptest::prelude::*;

use super::*;
use crate::core::definition::{ConflictPolicy, DriftPolicy, FieldDirection};
use crate::core::ident::FieldKey;
use crate::core::schema::ChoiceSet;

const TEXT: FieldKind = FieldKind::Text { max_length: None };

fn pair(salesforce: FieldKind, service_now: FieldKind) -> FieldPair {
    let fields = PerSide {
        salesforce: "A__c".parse().unwrap(),
        service_now: "b".parse().unwrap(),
    };
    FieldPair {
        key: FieldKey::of(&fields.salesforce, &fields.service_now),
        fields,
        kinds: PerSide {
            salesforce,
            service_now,
        },
        direction: FieldDirection::TwoWay,
        values: Vec::new(),
        unmapped: UnmappedPolicy::Hold,
        truncate: TruncatePolicy::Quarantine,
        conflict: ConflictPolicy::MostRecent,
        drift: DriftPolicy::Revert,
    }
}

fn equal(pair: &FieldPair, salesforce: &Value, service_now: &Value) -> bool {
    pair.equal(PerSide {
        salesforce,
        service_now,
    })
}

proptest! {
    /// `3`, `3.0` and `"3.00"` are one number, wherever they are kept.
    #[test]
    fn a_number_and_its_spellings_as_text_are_one_value(number in any::<i32>(), zeros in 0_u32..5) {
        let number = Decimal::from(number);
        let padded = format!("{number}{}{}", if zeros > 0 { "." } else { "" }, "0".repeat(zeros as usize));
        let pair = pair(FieldKind::Number { scale: None }, TEXT);
        prop_assert!(equal(&pair, &Value::Number(number), &Value::text(padded)));
        let other = Value::text(format!("{number}1"));
        prop_assert!(!equal(&pair, &Value::Number(number), &other));
    }

    /// An instant is one, in whatever zone a text spells it.
    #[test]
    fn an_instant_is_one_in_every_time_zone(seconds in 0_i64..4_000_000_000, hours in -12_i8..=14) {
        let at = Instant::from_seconds(seconds);
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(hours));
        let local = at.timestamp().to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        prop_assert!(equal(&pair(FieldKind::DateTime, TEXT), &Value::DateTime(at), &Value::text(local)));
    }

    /// Salesforce's two spellings of an id.
    #[test]
    fn an_id_of_15_and_of_18_characters_is_one(short in "[a-zA-Z0-9]{15}") {
        let long = RecordId::parse(Side::Salesforce, &short).unwrap();
        let reference = pair(FieldKind::Reference, TEXT);
        let (short, long) = (Value::text(short), Value::text(long.as_str()));
        prop_assert!(equal(&reference, &short, &long) && equal(&reference, &long, &short));
    }

    #[test]
    fn an_address_is_one_whatever_its_case(name in "[a-zA-Z]{1,8}", host in "[a-zA-Z]{1,8}") {
        let address = format!("{name}@{host}.example");
        let pair = pair(TEXT, TEXT);
        let lower = Value::text(address.to_lowercase());
        prop_assert!(equal(&pair, &lower, &Value::text(address.clone())));
        let sentence = format!("write to {address}");
        let lowered = Value::text(sentence.to_lowercase());
        prop_assert_eq!(
            equal(&pair, &lowered, &Value::text(sentence.clone())),
            sentence == sentence.to_lowercase(),
            "only a whole address is one"
        );
    }

    /// The order of a multi-select says nothing, also where one side keeps it as text.
    #[test]
    fn the_order_of_choices_does_not_count(mut choices in proptest::collection::vec("[a-e]{1,3}", 1..6)) {
        let set = Value::choices(choices.clone());
        choices.reverse();
        let kinds = || FieldKind::MultiChoice(ChoiceSet { values: choices.iter().cloned().collect(), restricted: true });
        prop_assert!(equal(&pair(kinds(), kinds()), &set, &Value::choices(choices.clone())));
        prop_assert!(equal(&pair(kinds(), TEXT), &set, &Value::text(choices.join(";"))));
    }

    /// Line ends and blanks at either end come and go with every screen that a text passes.
    #[test]
    fn line_ends_and_blanks_around_a_text_do_not_count(lines in proptest::collection::vec("[a-c]{1,5}", 1..4), blanks in "[ \\t\\r\\n]{0,4}") {
        let unix = Value::text(lines.join("\n"));
        let dos = Value::text(format!("{}{blanks}", lines.join("\r\n")));
        prop_assert!(equal(&pair(TEXT, TEXT), &unix, &dos));
    }

    /// What was carried across is equal to what it was carried from: nothing that we write is a change.
    #[test]
    fn what_was_carried_across_is_equal(text in "\\PC{0,40}", number in any::<i32>(), scale in 0_u32..4) {
        for side in Side::BOTH {
            let texts = pair(FieldKind::Text { max_length: Some(40) }, FieldKind::Text { max_length: Some(40) });
            let numbers = pair(FieldKind::Number { scale: Some(2) }, FieldKind::Number { scale: Some(2) });
            for (pair, value) in [(texts, Value::text(text.clone())), (numbers, Value::Number(Decimal::new(i64::from(number), scale)))] {
                let carried = pair.translate(side, &value).unwrap();
                let both = PerSide::from_fn(|this| if this == side { &carried } else { &value });
                prop_assert!(pair.equal(both));
                prop_assert_eq!(pair.translate(side, &carried).unwrap(), carried.clone());
            }
        }
    }
}

#[test]
fn empty_is_empty_on_both_sides_and_false_only_where_there_is_no_empty() {
    let texts = pair(TEXT, TEXT);
    assert!(equal(&texts, &Value::text(""), &Value::Null));
    assert!(equal(&texts, &Value::text(" \r\n"), &Value::Null));
    let checkbox = pair(FieldKind::Boolean, TEXT);
    assert!(equal(&checkbox, &Value::Boolean(true), &Value::text("true")));
    assert!(equal(&checkbox, &Value::Boolean(false), &Value::Null));
    assert!(!equal(&checkbox, &Value::Boolean(true), &Value::Null));
}

#[test]
fn what_differs_differs() {
    let texts = pair(TEXT, TEXT);
    for (one, other) in [("a", "b"), ("A", "a"), ("a b", "ab"), ("3", "3.0")] {
        assert!(
            !equal(&texts, &Value::text(one), &Value::text(other)),
            "{one} {other}"
        );
    }
}
