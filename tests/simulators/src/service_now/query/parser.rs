//! The encoded-query grammar.
//!
//! ```text
//! query := group (^NQ group)* ; group := any (^ any)* ; any := condition (^OR condition)*
//! ```
//! `^OR` binds to the condition before it, tighter than `^`. `^ORDERBYf` and `^ORDERBYDESCf` may stand anywhere and
//! sort the whole result; a closing `^EQ` says nothing.

use super::{AnyOf, Condition, EncodedQuery, Group, Operator, OrderBy};

/// Written form of each operator. Among those that fit at one place the longest wins, so order does not matter.
const OPERATORS: [(&str, Operator); 31] = [
    ("=", Operator::Equals),
    ("!=", Operator::NotEquals),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
    ("IN", Operator::In),
    ("NOT IN", Operator::NotIn),
    ("LIKE", Operator::Like),
    ("*", Operator::Like),
    ("CONTAINS", Operator::Like),
    ("NOT LIKE", Operator::NotLike),
    ("NOTLIKE", Operator::NotLike),
    ("!*", Operator::NotLike),
    ("DOES NOT CONTAIN", Operator::NotLike),
    ("STARTSWITH", Operator::StartsWith),
    ("ENDSWITH", Operator::EndsWith),
    ("%", Operator::EndsWith),
    ("ISEMPTY", Operator::IsEmpty),
    ("ISNOTEMPTY", Operator::IsNotEmpty),
    ("EMPTYSTRING", Operator::EmptyString),
    ("ANYTHING", Operator::Anything),
    ("BETWEEN", Operator::Between),
    ("SAMEAS", Operator::SameAs),
    ("NSAMEAS", Operator::NotSameAs),
    ("GT_FIELD", Operator::GreaterThanField),
    ("MORETHAN", Operator::GreaterThanField),
    ("LT_FIELD", Operator::LessThanField),
    ("LESSTHAN", Operator::LessThanField),
    ("ON", Operator::On),
    ("NOTON", Operator::NotOn),
];

/// Stands for an escaped caret while the text is taken apart; no query contains it.
const CARET: char = '\u{1}';

/// Reads a query. Names and operators are case-sensitive. With `caret_escape`, `^^` stands for a caret in a value.
pub(in crate::service_now) fn parse(text: &str, caret_escape: bool) -> EncodedQuery {
    let text = if caret_escape {
        text.replace("^^", &CARET.to_string())
    } else {
        text.to_owned()
    };
    let mut query = EncodedQuery {
        groups: vec![Group::default()],
        ..EncodedQuery::default()
    };
    for part in text.split('^').filter(|part| !part.is_empty()) {
        if part == "EQ" {
            continue;
        }
        if let Some(order) = order_by(part) {
            query.order.push(order);
        } else if let Some(rest) = part.strip_prefix("NQ") {
            query.groups.push(Group::default());
            take(&mut query, rest, false);
        } else if let Some(rest) = part.strip_prefix("OR") {
            take(&mut query, rest, true);
        } else {
            take(&mut query, part, false);
        }
    }
    query
}

fn take(query: &mut EncodedQuery, text: &str, or: bool) {
    if text.is_empty() || text == "EQ" {
        return;
    }
    if let Some(order) = order_by(text) {
        query.order.push(order);
        return;
    }
    let Some(condition) = condition(text) else {
        query.unreadable.push(text.to_owned());
        return;
    };
    let Some(group) = query.groups.last_mut() else {
        return;
    };
    match group.all.last_mut() {
        Some(bound) if or => bound.any.push(condition),
        _ => group.all.push(AnyOf { any: vec![condition] }),
    }
}

fn order_by(part: &str) -> Option<OrderBy> {
    let rest = part.strip_prefix("ORDERBY")?;
    let (descending, field) = rest
        .strip_prefix("DESC")
        .map_or((false, rest), |field| (true, field));
    Some(OrderBy {
        field: field.to_owned(),
        descending,
    })
}

/// A field name, then the longest operator that begins where the name ends, then the value.
fn condition(text: &str) -> Option<Condition> {
    let lower =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter);
    let name_end = text.find(|letter| !lower(letter)).unwrap_or(text.len());
    // Names are lower-case, so the operator begins at the first letter that is not; only for a name that is itself in
    // capitals (no such column exists, but queries with typing errors do) the symbol decides.
    let splits = std::iter::once(name_end)
        .chain(text.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_.".contains(letter)));
    let (end, (written, operator)) = splits
        .filter(|end| *end > 0)
        .find_map(|end| operator_at(text.get(end..)?).map(|operator| (end, operator)))?;
    Some(Condition {
        field: text.get(..end)?.to_owned(),
        operator,
        value: text.get(end + written.len()..)?.replace(CARET, "^"),
    })
}

fn operator_at(text: &str) -> Option<(&'static str, Operator)> {
    OPERATORS
        .iter()
        .filter(|(written, _)| text.starts_with(written))
        .max_by_key(|(written, _)| written.len())
        .map(|(written, operator)| (*written, *operator))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> (String, Operator, String) {
        let query = parse(text, false);
        assert_eq!(query.unreadable, Vec::<String>::new(), "{text}");
        let condition = query.conditions().next().unwrap().clone();
        (condition.field, condition.operator, condition.value)
    }

    fn shape(text: &str) -> Vec<Vec<Vec<String>>> {
        let groups = parse(text, false).groups;
        let any = |any_of: AnyOf| any_of.any.into_iter().map(|one| one.field).collect();
        groups
            .into_iter()
            .map(|group| group.all.into_iter().map(any).collect())
            .collect()
    }

    #[test]
    fn the_longest_operator_after_the_name_is_meant() {
        for (text, field, operator, value) in [
            ("state!=7", "state", Operator::NotEquals, "7"),
            ("sys_mod_count>=3", "sys_mod_count", Operator::GreaterOrEqual, "3"),
            ("stateNOT IN6,7", "state", Operator::NotIn, "6,7"),
            ("nameINincident,task", "name", Operator::In, "incident,task"),
            (
                "short_descriptionNOT LIKEx y",
                "short_description",
                Operator::NotLike,
                "x y",
            ),
            (
                "short_description*mail",
                "short_description",
                Operator::Like,
                "mail",
            ),
            (
                "caller_id.emailENDSWITH.org",
                "caller_id.email",
                Operator::EndsWith,
                ".org",
            ),
            ("sys_idISEMPTY", "sys_id", Operator::IsEmpty, ""),
            ("close_codeISNOTEMPTY", "close_code", Operator::IsNotEmpty, ""),
            (
                "opened_atSAMEASsys_created_on",
                "opened_at",
                Operator::SameAs,
                "sys_created_on",
            ),
            (
                "opened_atNSAMEASsys_created_on",
                "opened_at",
                Operator::NotSameAs,
                "sys_created_on",
            ),
            (
                "sys_updated_on>2026-11-22 01:02:03",
                "sys_updated_on",
                Operator::Greater,
                "2026-11-22 01:02:03",
            ),
            ("priorityBETWEEN1@3", "priority", Operator::Between, "1@3"),
            ("number=", "number", Operator::Equals, ""),
            ("AAAA=BBBB", "AAAA", Operator::Equals, "BBBB"),
            ("u_url=a=b", "u_url", Operator::Equals, "a=b"),
        ] {
            assert_eq!(
                one(text),
                (field.to_owned(), operator, value.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn or_binds_to_the_condition_before_it() {
        assert_eq!(
            shape("a=1^b=2^ORc=3^d=4"),
            [[vec!["a"], vec!["b", "c"], vec!["d"]]]
        );
    }

    #[test]
    fn nq_joins_whole_groups() {
        assert_eq!(
            shape("a=1^b=2^NQc=3^ORd=4"),
            [vec![vec!["a"], vec!["b"]], vec![vec!["c", "d"]]]
        );
    }

    #[test]
    fn order_may_stand_anywhere_and_eq_says_nothing() {
        let query = parse("ORDERBYsys_updated_on^a=1^ORDERBYDESCnumber^NQb=2^EQ", false);
        let order: Vec<_> = query
            .order
            .iter()
            .map(|key| (key.field.as_str(), key.descending))
            .collect();
        assert_eq!(order, [("sys_updated_on", false), ("number", true)]);
        assert_eq!(query.groups.len(), 2);
    }

    #[test]
    fn a_doubled_caret_is_a_caret_only_where_the_instance_takes_it_so() {
        assert_eq!(parse("a=x^^b", true).conditions().next().unwrap().value, "x^b");
        assert_eq!(parse("a=x^^b=2", false).conditions().count(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_kept_apart() {
        let query = parse("active=true^what is this^RLQUERYt.f,>=1", false);
        assert_eq!(query.conditions().count(), 1);
        assert_eq!(query.unreadable.len(), 2);
    }

    #[test]
    fn an_empty_query_is_one_group_that_holds_for_every_row() {
        assert_eq!(parse("", false).groups, [Group::default()]);
    }

    fn written(query: &EncodedQuery) -> String {
        let operator = |operator: Operator| {
            OPERATORS
                .iter()
                .find(|(_, known)| *known == operator)
                .map_or("", |(written, _)| *written)
        };
        let condition = |one: &Condition| format!("{}{}{}", one.field, operator(one.operator), one.value);
        let any = |any_of: &AnyOf| any_of.any.iter().map(condition).collect::<Vec<_>>().join("^OR");
        let group = |group: &Group| group.all.iter().map(any).collect::<Vec<_>>().join("^");
        let order = query.order.iter().map(|key| {
            let direction = if key.descending { "DESC" } else { "" };
            format!("^ORDERBY{direction}{}", key.field)
        });
        query.groups.iter().map(group).collect::<Vec<_>>().join("^NQ") + &order.collect::<String>()
    }

    fn a_condition() -> impl Strategy<Value = Condition> {
        let operator = (0..OPERATORS.len()).prop_map(|index| OPERATORS[index].1);
        // A value may hold anything but a caret; one that begins like the rest of an operator would read as that.
        (
            "[a-z][a-z_]{0,8}(\\.[a-z_]{1,8})?",
            operator,
            "([a-z0-9 ][a-zA-Z0-9 @,.:-]{0,12})?",
        )
            .prop_map(|(field, operator, value)| Condition {
                field,
                operator,
                value,
            })
    }

    proptest! {
        #[test]
        fn every_query_reads_back_as_it_was_written(
            groups in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(a_condition(), 1..3), 1..4), 1..4),
            order in prop::collection::vec(("[a-z_]{1,8}", any::<bool>()), 0..3),
        ) {
            let group = |all: Vec<Vec<Condition>>| {
                Group { all: all.into_iter().map(|any| AnyOf { any }).collect() }
            };
            let query = EncodedQuery {
                groups: groups.into_iter().map(group).collect(),
                order: order.into_iter().map(|(field, descending)| OrderBy { field, descending }).collect(),
                unreadable: Vec::new(),
            };
            prop_assert_eq!(parse(&written(&query), false), query);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,60}", escape in any::<bool>()) {
            prop_assert!(!parse(&text, escape).groups.is_empty());
        }
    }
}
