//! What the grammar promises.

use proptest::prelude::*;

use super::operator::OPERATORS;
use super::*;

fn one(text: &str) -> (String, Operator, String) {
    let query = parse(text, false);
    assert_eq!(query.unreadable, Vec::<String>::new(), "{text}");
    let condition = query.conditions().next().unwrap().clone();
    (condition.field, condition.operator, condition.value)
}

fn shape(text: &str) -> Vec<Vec<Vec<String>>> {
    let groups = parse(text, false).groups;
    let field = |term: Term| match term {
        Term::Compare(condition) => condition.field,
        other => panic!("{other:?}"),
    };
    let any = |any_of: AnyOf| any_of.any.into_iter().map(field).collect();
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
    let query = parse("active=true^what is this^RLQUERYt.f", false);
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
    let term = |term: &Term| match term {
        Term::Compare(one) => condition(one),
        other => panic!("{other:?}"),
    };
    let any = |any_of: &AnyOf| any_of.any.iter().map(term).collect::<Vec<_>>().join("^OR");
    let group = |group: &Group| group.all.iter().map(any).collect::<Vec<_>>().join("^");
    let order = query.order.iter().map(|key| {
        let direction = if key.descending { "DESC" } else { "" };
        format!("^ORDERBY{direction}{}", key.field)
    });
    query.groups.iter().map(group).collect::<Vec<_>>().join("^NQ") + &order.collect::<String>()
}

fn a_condition() -> impl Strategy<Value = Term> {
    let operator = (0..OPERATORS.len()).prop_map(|index| OPERATORS[index].1);
    // A value may hold anything but a caret; one that begins like the rest of an operator would read as that.
    (
        "[a-z][a-z_]{0,8}(\\.[a-z_]{1,8})?",
        operator,
        "([a-z0-9 ][a-zA-Z0-9 @,.:-]{0,12})?",
    )
        .prop_map(|(field, operator, value)| {
            Term::from(Condition {
                field,
                operator,
                value,
            })
        })
}

proptest! {
    #[test]
    fn every_query_reads_back_as_it_was_written(
        groups in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(a_condition(), 1..3), 1..4), 1..4),
        order in prop::collection::vec(("[a-z_]{1,8}", any::<bool>()), 0..3),
    ) {
        let group = |all: Vec<Vec<Term>>| {
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

fn only_related(query: &EncodedQuery) -> &Related {
    match query.groups[0].all.last().unwrap().any.last().unwrap() {
        Term::Related(related) => related,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_join_takes_the_rest_as_the_query_of_the_other_table_but_for_the_order() {
    let query = parse(
        "active=true^JOINsys_user.sys_id=sys_user_group.manager!active=true^nameLIKEx^ORDERBYname",
        false,
    );
    let join = only_related(&query);
    assert_eq!(
        (join.field.as_str(), join.table.as_str(), join.reference.as_str()),
        ("sys_id", "sys_user_group", "manager")
    );
    assert_eq!((join.operator, join.count), (Operator::GreaterOrEqual, 1));
    assert_eq!(join.query.conditions().count(), 2);
    assert_eq!((query.conditions().count(), query.order.len()), (1, 1));
}

#[test]
fn a_related_list_query_ends_where_it_says_and_counts() {
    let query = parse(
        "RLQUERYsys_group_has_role.group,>0,m2m^role.nameLIKEadmin^ENDRLQUERY^active=true",
        false,
    );
    let group = &query.groups[0];
    assert_eq!(group.all.len(), 2);
    let Term::Related(list) = &group.all[0].any[0] else {
        panic!("{group:?}")
    };
    assert_eq!(
        (list.operator, list.count, list.table.as_str()),
        (Operator::Greater, 0, "sys_group_has_role")
    );
    assert_eq!(list.query.conditions().next().unwrap().field, "role.name");
}

#[test]
fn words_are_searched_for_by_their_own_term() {
    let query = parse("123TEXTQUERY321=disk full^active=true", false);
    assert_eq!(query.groups[0].all[0].any[0], Term::Text("disk full".into()));
}
