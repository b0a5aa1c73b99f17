//! The encoded-query grammar.
//!
//! ```text
//! query := group (^NQ group)* ; group := any (^ any)* ; any := condition (^OR condition)*
//! ```
//! `^OR` binds to the condition before it, tighter than `^`. `^ORDERBYf` and `^ORDERBYDESCf` may stand anywhere and
//! sort the whole result; a closing `^EQ` says nothing. `JOIN…!` takes the rest of the text as the query of the other
//! table, `RLQUERY…` what stands before `^ENDRLQUERY`.

use super::operator::{Operator, operator_at};
use super::{AnyOf, Condition, EncodedQuery, Group, OrderBy, Related, Term};

/// Stands for an escaped caret while the text is taken apart; no query contains it.
const CARET: char = '\u{1}';

/// How a search for words is written, with the operator that always follows.
const TEXT_QUERY: &str = "123TEXTQUERY321=";

/// Reads a query. Names and operators are case-sensitive. With `caret_escape`, `^^` stands for a caret in a value.
pub(in crate::service_now) fn parse(text: &str, caret_escape: bool) -> EncodedQuery {
    let escaped;
    let text = if caret_escape {
        escaped = text.replace("^^", &CARET.to_string());
        &escaped
    } else {
        text
    };
    let parts: Vec<&str> = text.split('^').filter(|part| !part.is_empty()).collect();
    read(&parts)
}

fn read(parts: &[&str]) -> EncodedQuery {
    let mut query = EncodedQuery {
        groups: vec![Group::default()],
        ..EncodedQuery::default()
    };
    let mut rest = parts;
    while let Some((part, following)) = rest.split_first() {
        rest = following;
        let (begins_group, part) = match part.strip_prefix("NQ") {
            Some(part) => (true, part),
            None => (false, *part),
        };
        if begins_group {
            query.groups.push(Group::default());
        }
        let (or, part) = match part.strip_prefix("OR").filter(|_| !part.starts_with("ORDERBY")) {
            Some(part) => (true, part),
            None => (false, part),
        };
        if part.is_empty() || part == "EQ" {
            continue;
        }
        if let Some(order) = order_by(part) {
            query.order.push(order);
        } else if let Some(words) = part.strip_prefix(TEXT_QUERY) {
            add(&mut query, Term::Text(words.replace(CARET, "^")), or);
        } else if let Some(header) = part.strip_prefix("JOIN") {
            // Sorting concerns the whole result even at the end of the other table's query.
            let (order, inner): (Vec<&str>, Vec<&str>) =
                rest.iter().partition(|part| order_by(part).is_some());
            query.order.extend(order.into_iter().filter_map(order_by));
            rest = &[];
            match join(header, &inner) {
                Some(join) => add(&mut query, Term::Related(join), or),
                None => query.unreadable.push(part.to_owned()),
            }
        } else if let Some(header) = part.strip_prefix("RLQUERY") {
            let end = rest.iter().position(|part| *part == "ENDRLQUERY");
            let inner = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            match related_list(header, inner) {
                Some(related) => add(&mut query, Term::Related(related), or),
                None => query.unreadable.push(part.to_owned()),
            }
        } else if let Some(condition) = condition(part) {
            add(&mut query, condition.into(), or);
        } else {
            query.unreadable.push(part.to_owned());
        }
    }
    query
}

fn add(query: &mut EncodedQuery, term: Term, or: bool) {
    let Some(group) = query.groups.last_mut() else {
        return;
    };
    match group.all.last_mut() {
        Some(bound) if or => bound.any.push(term),
        _ => group.all.push(AnyOf { any: vec![term] }),
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

/// `sys_user.sys_id=sys_user_group.manager!active=true`: the row is kept where any row of the other table fits.
fn join(header: &str, following: &[&str]) -> Option<Related> {
    let (columns, first) = header.split_once('!')?;
    let (own, other) = columns.split_once('=')?;
    let (_, field) = own.split_once('.')?;
    let (table, reference) = other.split_once('.')?;
    let first = std::iter::once(first).filter(|part| !part.is_empty());
    let inner: Vec<&str> = first.chain(following.iter().copied()).collect();
    Some(Related {
        field: field.to_owned(),
        table: table.to_owned(),
        reference: reference.to_owned(),
        operator: Operator::GreaterOrEqual,
        count: 1,
        query: read(&inner),
    })
}

/// `sys_group_has_role.group,>0,m2m`: as many rows of the related list as that.
fn related_list(header: &str, inner: &[&str]) -> Option<Related> {
    let mut parts = header.split(',');
    let (table, reference) = parts.next()?.split_once('.')?;
    let many = parts.next()?;
    let (written, operator) = operator_at(many)?;
    Some(Related {
        field: "sys_id".to_owned(),
        table: table.to_owned(),
        reference: reference.to_owned(),
        operator,
        count: many.get(written.len()..)?.parse().ok()?,
        query: read(inner),
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
