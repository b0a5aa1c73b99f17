//! How stored values compare.
//!
//! Text compares as in the database's default collation: letter case and trailing blanks do not count. Numbers
//! compare as numbers; dates are text that sorts by time. A null has no order, equals only another null, and is
//! matched by the negations (`!=`, `NOT IN`, `NOT LIKE`), which the platform widens by "or is null".

use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::str::FromStr;

use super::Operator;
use super::script::{self, Caller};

/// One comparison of a stored value, where the right-hand side is known.
pub(super) struct Comparison<'a> {
    pub(super) stored: &'a str,
    pub(super) wanted: &'a str,
    /// Compare as numbers.
    pub(super) numeric: bool,
    pub(super) caller: &'a Caller<'a>,
}

impl Comparison<'_> {
    fn is_null(&self) -> bool {
        self.stored.is_empty()
    }

    fn order(&self, against: &str) -> Option<Ordering> {
        let comparable = !(self.is_null() || self.numeric && against.is_empty());
        comparable.then(|| compare(self.stored, against, self.numeric))
    }

    fn equals(&self, against: &str) -> bool {
        compare(self.stored, against, self.numeric) == Ordering::Equal
    }

    /// Whether the comparison holds. Those that need more than two values are the evaluator's.
    pub(super) fn holds(&self, operator: Operator) -> bool {
        let null = self.is_null();
        let ordering = || self.order(self.wanted);
        let text = |test: fn(&str, &str) -> bool| test(&folded(self.stored), &folded(self.wanted));
        let listed = || self.wanted.split(',').any(|one| self.equals(one.trim()));
        match operator {
            Operator::Equals | Operator::SameAs => self.equals(self.wanted),
            Operator::NotEquals | Operator::NotSameAs => !self.equals(self.wanted),
            Operator::Less | Operator::LessThanField => ordering() == Some(Ordering::Less),
            Operator::LessOrEqual | Operator::LessOrEqualsField => ordering().is_some_and(Ordering::is_le),
            Operator::Greater | Operator::GreaterThanField => ordering() == Some(Ordering::Greater),
            Operator::GreaterOrEqual | Operator::GreaterOrEqualsField => {
                ordering().is_some_and(Ordering::is_ge)
            }
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Like => !null && text(|text, part| text.contains(part)),
            Operator::NotLike => null || !text(|text, part| text.contains(part)),
            Operator::StartsWith => !null && text(|text, part| text.starts_with(part)),
            Operator::EndsWith => !null && text(|text, part| text.ends_with(part)),
            Operator::IsEmpty | Operator::EmptyString => null,
            Operator::IsNotEmpty => !null,
            Operator::Anything => true,
            Operator::Between => self.between(),
            Operator::On => self.on(),
            Operator::NotOn => !self.on(),
            // A query sees no change, and the rest is decided before it comes here.
            Operator::MoreThan
            | Operator::LessThan
            | Operator::Relative(_)
            | Operator::DatePart
            | Operator::InstanceOf
            | Operator::Dynamic
            | Operator::Changes => false,
        }
    }

    fn within(&self, low: &str, high: &str) -> bool {
        self.order(low).is_some_and(Ordering::is_ge) && self.order(high).is_some_and(Ordering::is_le)
    }

    fn between(&self) -> bool {
        let script = |end: &str| script::value(end, self.caller);
        self.wanted
            .split_once('@')
            .is_some_and(|(low, high)| self.within(&script(low), &script(high)))
    }

    /// `Today@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()`: a label, then the first and last second.
    fn on(&self) -> bool {
        let mut ends = self
            .wanted
            .split('@')
            .skip(1)
            .map(|part| script::value(part, self.caller));
        match (ends.next(), ends.next()) {
            (Some(first), Some(last)) => self.within(&first, &last),
            _ => false,
        }
    }
}

/// Orders two stored values, as numbers where both are.
pub(super) fn compare(one: &str, other: &str, numeric: bool) -> Ordering {
    if numeric && let (Ok(one), Ok(other)) = (Decimal::from_str(one), Decimal::from_str(other)) {
        return one.cmp(&other);
    }
    let (one, other) = (one.trim_end_matches(' '), other.trim_end_matches(' '));
    if one.is_ascii() && other.is_ascii() {
        return one
            .bytes()
            .map(|byte| byte.to_ascii_lowercase())
            .cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    one.to_lowercase().cmp(&other.to_lowercase())
}

/// Text as the database compares it.
pub(super) fn folded(text: &str) -> String {
    text.trim_end_matches(' ').to_lowercase()
}
