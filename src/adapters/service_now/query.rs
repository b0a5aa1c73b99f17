//! Encoded queries: the filter language of the Table API.
//!
//! `a^b` is *and*, `^NQ` is *or* between whole groups, and there is no escape for `^` inside a value (ServiceNow docs:
//! Encoded query strings). So a filter is kept as a list of groups, and a value reaches a query only as a [`Literal`],
//! which holds nothing that could change the query's meaning.

use crate::adapters::service_now::convert;
use crate::core::ident::{FieldName, RecordId};
use crate::core::time::Instant;

/// The longest value that is written into a query whole, in characters. Past about 10 000 bytes of query string an
/// instance answers with an HTML page (that is where ServiceNow's own `PySNC` switches to the Batch API).
const LONGEST_LITERAL: usize = 200;

/// The longest `IN` list, in bytes as percent-encoded in the worst case.
const LONGEST_LIST: usize = 6_000;

/// Text that means itself inside an encoded query.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Literal(String);

impl Literal {
    /// The text, where it can stand in a query: no `^` (ends the condition), no `javascript:` (would be run), no
    /// control character, no blank at either end (trimmed away), and not the word `NULL` (means empty).
    fn new(text: &str) -> Option<Self> {
        let harmless = !text.is_empty()
            && text.chars().count() <= LONGEST_LITERAL
            && text.trim() == text
            && text != "NULL"
            && !text.contains('^')
            && !text.chars().any(char::is_control)
            && !text.to_ascii_lowercase().contains("javascript:");
        harmless.then(|| Self(text.to_owned()))
    }

    /// The longest part of a text that can stand in a query.
    fn part_of(text: &str) -> Option<Self> {
        let mut best: Option<Self> = None;
        let pieces = text.split(|at: char| at == '^' || at == ':' || at.is_control());
        for piece in pieces {
            let piece: String = piece.trim().chars().take(LONGEST_LITERAL).collect();
            let piece = piece.trim_end();
            // `NULL` as a whole would mean empty; a part of it does not.
            let piece = if piece == "NULL" { "NUL" } else { piece };
            let longer = best.as_ref().is_none_or(|best| piece.len() > best.0.len());
            if longer && let Some(literal) = Self::new(piece) {
                best = Some(literal);
            }
        }
        best
    }
}

/// One comparison.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Condition(String);

impl Condition {
    /// The field is equal to the literal, by the database's collation.
    fn equals(field: &str, literal: &Literal) -> Self {
        Self(format!("{field}={}", literal.0))
    }

    /// The field contains the literal.
    fn contains(field: &str, literal: &Literal) -> Self {
        Self(format!("{field}LIKE{}", literal.0))
    }

    /// The field is one of these names, which come from the platform's own tables.
    pub(super) fn one_of<'a>(field: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names
            .into_iter()
            .filter(|name| !name.contains(['^', ',']))
            .collect();
        Self(format!("{field}IN{}", names.join(",")))
    }

    /// The field is equal to a name.
    pub(super) fn is(field: &str, name: &str) -> Self {
        Self::one_of(field, [name])
    }

    /// The field has no value.
    pub(super) fn empty(field: &str) -> Self {
        Self(format!("{field}ISEMPTY"))
    }

    /// The field has a value.
    pub(super) fn not_empty(field: &str) -> Self {
        Self(format!("{field}ISNOTEMPTY"))
    }

    /// The field is at this instant.
    pub(super) fn at(field: &str, instant: Instant) -> Self {
        Self(format!("{field}={}", convert::instant_text(instant)))
    }

    /// The field is at or after this instant.
    pub(super) fn not_before(field: &str, instant: Instant) -> Self {
        Self(format!("{field}>={}", convert::instant_text(instant)))
    }

    /// The field is after this instant.
    pub(super) fn after(field: &str, instant: Instant) -> Self {
        Self(format!("{field}>{}", convert::instant_text(instant)))
    }

    /// The field is at or before this instant.
    pub(super) fn until(field: &str, instant: Instant) -> Self {
        Self(format!("{field}<={}", convert::instant_text(instant)))
    }

    /// The `sys_id` sorts after this one.
    pub(super) fn id_after(id: &RecordId) -> Self {
        Self(format!("sys_id>{id}"))
    }

    /// The `sys_id` sorts after every possible one.
    pub(super) fn id_after_all() -> Self {
        Self(format!("sys_id>{}", "z".repeat(32)))
    }
}

/// Which rows: any of the groups, each a list of conditions that all hold. No group has fewer conditions than the
/// filter it was made from: `^NQ` binds loosest, so what is common to all groups stands in each of them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Filter {
    groups: Vec<Vec<Condition>>,
}

impl Filter {
    /// Every row.
    pub(super) fn everything() -> Self {
        Self {
            groups: vec![Vec::new()],
        }
    }

    /// Rows for which this condition holds.
    pub(super) fn of(condition: Condition) -> Self {
        Self {
            groups: vec![vec![condition]],
        }
    }

    /// Of these rows, those for which the condition holds too.
    #[must_use]
    pub(super) fn and(mut self, condition: &Condition) -> Self {
        for group in &mut self.groups {
            group.push(condition.clone());
        }
        self
    }

    /// These rows and those.
    #[must_use]
    pub(super) fn or(mut self, other: Self) -> Self {
        self.groups.extend(other.groups);
        self
    }

    /// The query's text, with the order of the rows.
    pub(super) fn encoded(&self, order: &[Order]) -> String {
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|group| {
                let conditions: Vec<&str> = group.iter().map(|condition| condition.0.as_str()).collect();
                conditions.join("^")
            })
            .collect();
        let mut text = groups.join("^NQ");
        for order in order {
            if !text.is_empty() {
                text.push('^');
            }
            match order {
                Order::Ascending(field) => {
                    text.push_str("ORDERBY");
                    text.push_str(field);
                }
                Order::Descending(field) => {
                    text.push_str("ORDERBYDESC");
                    text.push_str(field);
                }
            }
        }
        text
    }
}

/// One sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Smallest first.
    Ascending(&'static str),
    /// Largest first.
    Descending(&'static str),
}

/// One question of a look-up.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Rows that may hold one of the values.
    pub(super) filter: Filter,
    /// True when the filter also lets rows through that hold none of them.
    pub(super) wider: bool,
}

/// A value that no query can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unaskable;

/// The questions that together find every row whose field has one of the values, as the service spells them.
///
/// Most values go into `IN` lists. One with a comma is asked alone; one that a query cannot hold (a caret, a script, a
/// long text) is looked for by its longest harmless part, and the rows are compared again.
pub(super) fn questions<'a>(
    field: &FieldName,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Question>, Unaskable> {
    let field = field.as_str();
    let mut questions = Vec::new();
    let mut list: Vec<String> = Vec::new();
    let mut size = 0;
    let close = |list: &mut Vec<String>, questions: &mut Vec<Question>| {
        if !list.is_empty() {
            let condition = Condition(format!("{field}IN{}", list.join(",")));
            questions.push(Question {
                filter: Filter::of(condition),
                wider: false,
            });
            list.clear();
        }
    };
    for value in values {
        match Literal::new(value) {
            Some(literal) if literal.0.contains(',') => {
                let filter = Filter::of(Condition::equals(field, &literal));
                questions.push(Question { filter, wider: false });
            }
            Some(literal) => {
                let weight = literal.0.len() * 3 + 3;
                if size + weight > LONGEST_LIST {
                    close(&mut list, &mut questions);
                    size = 0;
                }
                size += weight;
                list.push(literal.0);
            }
            None => {
                let part = Literal::part_of(value).ok_or(Unaskable)?;
                let filter = Filter::of(Condition::contains(field, &part));
                questions.push(Question { filter, wider: true });
            }
        }
    }
    close(&mut list, &mut questions);
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::side::Side;

    fn field() -> FieldName {
        "correlation_id".parse().unwrap()
    }

    fn texts(values: &[&str]) -> Vec<String> {
        let questions = questions(&field(), values.iter().copied()).unwrap();
        questions
            .iter()
            .map(|question| question.filter.encoded(&[]))
            .collect()
    }

    #[test]
    fn what_is_common_stands_in_every_group() {
        let instant = Instant::from_seconds(1_700_000_000);
        let id = RecordId::parse(Side::ServiceNow, "6816f79cc0a8016401c5a33be04be441").unwrap();
        let common = Filter::everything().and(&Condition::not_before("sys_created_on", Instant::EPOCH));
        let later = common.clone().and(&Condition::after("sys_updated_on", instant));
        let same = common
            .and(&Condition::at("sys_updated_on", instant))
            .and(&Condition::id_after(&id));
        let order = [Order::Ascending("sys_updated_on"), Order::Ascending("sys_id")];
        assert_eq!(
            later.or(same).encoded(&order),
            "sys_created_on>=1970-01-01 00:00:00^sys_updated_on>2023-11-14 22:13:20\
             ^NQsys_created_on>=1970-01-01 00:00:00^sys_updated_on=2023-11-14 22:13:20\
             ^sys_id>6816f79cc0a8016401c5a33be04be441^ORDERBYsys_updated_on^ORDERBYsys_id"
        );
    }

    #[test]
    fn plain_values_share_a_list_and_one_with_a_comma_is_asked_alone() {
        assert_eq!(
            texts(&["a", "b,c", "d"]),
            ["correlation_id=b,c", "correlation_idINa,d"]
        );
    }

    #[test]
    fn a_value_that_a_query_cannot_hold_is_looked_for_by_its_longest_harmless_part() {
        assert_eq!(texts(&["ab^ORactive=true"]), ["correlation_idLIKEORactive=true"]);
        assert_eq!(
            texts(&["javascript:gs.getUserID()"]),
            ["correlation_idLIKEgs.getUserID()"]
        );
        assert_eq!(texts(&["NULL"]), ["correlation_idLIKENUL"]);
        assert_eq!(
            texts(&[&"x".repeat(300)])[0].len(),
            "correlation_idLIKE".len() + 200
        );
        assert!(questions(&field(), ["^^"]).is_err());
    }

    #[test]
    fn long_lists_are_split() {
        let long: Vec<String> = (0..90).map(|number| format!("{number:0>150}")).collect();
        let asked = texts(&long.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(asked.len() > 5);
        assert!(asked.iter().all(|text| text.len() < 10_000));
    }

    proptest! {
        #[test]
        fn no_value_can_change_the_meaning_of_a_query(value in ".{1,40}|[a-z^]{1,9}|javascript:[a-z.()]{1,9}") {
            if let Ok(questions) = questions(&field(), [value.as_str()]) {
                for question in questions {
                    let text = question.filter.encoded(&[]);
                    prop_assert!(!text.contains('^'));
                    prop_assert!(!text.to_ascii_lowercase().contains("javascript:"));
                    prop_assert!(!text.chars().any(char::is_control));
                }
            }
        }
    }
}
