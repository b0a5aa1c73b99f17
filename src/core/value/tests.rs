use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::core::fingerprint::Fingerprinter;
use crate::core::ident::FieldKey;
use crate::core::side::Side;

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        "[ a-c\r\n]{0,6}".prop_map(Value::text),
        (any::<i32>(), 0_u32..6)
            .prop_map(|(number, scale)| Value::Number(Decimal::new(i64::from(number), scale))),
        any::<bool>().prop_map(Value::Boolean),
        (0_i64..4_000_000_000).prop_map(|seconds| Value::DateTime(Instant::from_seconds(seconds))),
        proptest::collection::vec("[a-c]{0,2}", 0..4).prop_map(Value::choices),
    ]
}

proptest! {
    #[test]
    fn canonicalising_twice_changes_nothing(value in any_value()) {
        let once = value.canonical();
        prop_assert_eq!(once.canonical(), once);
    }

    /// A fingerprint tells change exactly where the values differ.
    #[test]
    fn fingerprints_are_equal_exactly_where_values_mean_the_same(one in any_value(), other in any_value()) {
        let prints = Fingerprinter::new(&[3; 32]);
        let field = FieldKey::of(&"A".parse().unwrap(), &"b".parse().unwrap());
        let print = |value: &Value| prints.of("500", &field, Side::Salesforce, value);
        prop_assert_eq!(print(&one) == print(&other), one.same_as(&other));
    }

    /// Numbers are equal however many zeros they end in.
    #[test]
    fn trailing_zeros_do_not_count(number in any::<i32>(), zeros in 1_u32..6) {
        let plain = Decimal::from(number);
        let padded = Decimal::new(i64::from(number) * 10_i64.pow(zeros), zeros);
        prop_assert!(Value::Number(plain).same_as(&Value::Number(padded)));
    }
}

#[test]
fn spellings_of_one_value_are_the_same_and_different_values_are_not() {
    let same = [("a\r\nb", "a\nb"), (" a", "a"), ("a\t ", "a"), ("\n\n", "")];
    for (one, other) in same {
        assert!(Value::text(one).same_as(&Value::text(other)), "{one:?} {other:?}");
    }
    assert!(!Value::text("a b").same_as(&Value::text("ab")));
    assert!(!Value::text("3").same_as(&Value::Number(Decimal::from(3))));
    assert!(
        Value::choices(["b".to_owned(), "a".to_owned()])
            .same_as(&Value::choices(["a".to_owned(), "b".to_owned()]))
    );
}

#[test]
fn a_value_does_not_show_itself_in_debug_output() {
    let shown = format!(
        "{:?}",
        [Value::text("secret"), Value::choices(["secret".to_owned()])]
    );
    assert!(!shown.contains("secret"), "{shown}");
}
