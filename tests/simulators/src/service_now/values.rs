//! What becomes of a value on its way into a column.
//!
//! The platform answers 200 to almost everything; a value that does not fit is cut, converted or left out, and
//! only the returned record shows it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use std::str::FromStr;

use super::clock;
use super::ids::is_sys_id;
use super::schema::{Choice, Column, InternalType};
use super::switches::{LongText, Switches};

/// What a sent value does to the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// The column gets this value.
    Set(String),
    /// The value is dropped without a word and the column keeps what it had.
    Dropped,
    /// The database refuses it for its length.
    TooLong,
}

/// The stored form of a sent value; `choices` are those of the column.
pub(super) fn take(column: &Column, sent: &str, choices: &[&Choice], switches: &Switches) -> Taken {
    if column.choice.restricts() {
        return take_choice(column, sent, choices, switches);
    }
    if sent.is_empty() {
        return Taken::Set(
            if column.internal_type == InternalType::Boolean {
                "false"
            } else {
                ""
            }
            .to_owned(),
        );
    }
    let stored = match &column.internal_type {
        InternalType::Boolean => Some(matches!(sent.to_ascii_lowercase().as_str(), "true" | "1").to_string()),
        InternalType::Integer => number(sent, 0),
        InternalType::Decimal => number(sent, 2),
        InternalType::Float => number(sent, 7),
        // ServiceNow docs, "Special data handling": UTC, `yyyy-MM-dd HH:mm:ss`. ISO 8601 is not parsed.
        InternalType::DateTime => time(sent, switches).map(clock::civil_stamp),
        InternalType::Date => time(sent, switches).map(|at| at.date().to_string()),
        InternalType::Guid => is_sys_id(sent).then(|| sent.to_ascii_lowercase()),
        _ if too_long(sent, column.max_length, switches) => return Taken::TooLong,
        _ => Some(cut(sent, column.max_length, switches)),
    };
    stored.map_or(Taken::Dropped, Taken::Set)
}

fn time(sent: &str, switches: &Switches) -> Option<DateTime> {
    let iso = || {
        let at = sent
            .parse::<Timestamp>()
            .ok()
            .filter(|_| switches.parses_iso_times)?;
        Some(at.to_zoned(TimeZone::UTC).datetime())
    };
    clock::parse_stamp(sent).or_else(iso)
}

fn too_long(sent: &str, max_length: usize, switches: &Switches) -> bool {
    switches.long_text == LongText::Refused && max_length > 0 && sent.chars().count() > max_length
}

/// `""` clears, except choice fields (ServiceNow docs: Table API, special data handling); a value outside the list
/// is not set while `glide.rest.choice.allow_non_existing_value` is false.
fn take_choice(column: &Column, sent: &str, choices: &[&Choice], switches: &Switches) -> Taken {
    if sent.is_empty() {
        return Taken::Dropped;
    }
    let known = choices.iter().any(|choice| choice.value == sent);
    if known || switches.allow_non_existing_choice {
        Taken::Set(cut(sent, column.max_length, switches))
    } else {
        Taken::Dropped
    }
}

/// A number with so many places and no trailing zeros.
fn number(sent: &str, places: u32) -> Option<String> {
    let number = Decimal::from_str(sent.trim()).ok()?;
    Some(number.round_dp(places).normalize().to_string())
}

fn cut(sent: &str, max_length: usize, switches: &Switches) -> String {
    let kept = sent
        .chars()
        .filter(|letter| !switches.drops_four_byte_characters || letter.len_utf8() < 4);
    if max_length == 0 {
        kept.collect()
    } else {
        kept.take(max_length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Taken {
        Taken::Set(text.to_owned())
    }

    #[test]
    fn text_longer_than_the_column_is_cut_without_an_error() {
        let column = Column::string("u_short", 3);
        assert_eq!(take(&column, "äbcd", &[], &Switches::default()), set("äbc"));
    }

    #[test]
    fn an_empty_value_clears_a_column_but_not_a_choice() {
        assert_eq!(
            take(&Column::string("u_text", 10), "", &[], &Switches::default()),
            set("")
        );
        assert_eq!(
            take(&Column::choice("u_pick"), "", &[], &Switches::default()),
            Taken::Dropped
        );
    }

    #[test]
    fn an_unknown_choice_is_not_set_unless_allowed() {
        let column = Column::choice("u_pick");
        let red = Choice::new("u_t", "u_pick", "red", "Red", 1);
        let mut switches = Switches::default();
        assert_eq!(take(&column, "red", &[&red], &switches), set("red"));
        assert_eq!(take(&column, "blue", &[&red], &switches), Taken::Dropped);
        switches.allow_non_existing_choice = true;
        assert_eq!(take(&column, "blue", &[&red], &switches), set("blue"));
        assert_eq!(take(&column, "", &[&red], &switches), Taken::Dropped);
    }

    #[test]
    fn numbers_lose_trailing_zeros_and_extra_places() {
        assert_eq!(
            take(&Column::decimal("u_cost"), "4.50", &[], &Switches::default()),
            set("4.5")
        );
        assert_eq!(
            take(&Column::integer("u_count"), "3.0", &[], &Switches::default()),
            set("3")
        );
        assert_eq!(
            take(&Column::integer("u_count"), "three", &[], &Switches::default()),
            Taken::Dropped
        );
    }

    #[test]
    fn an_iso_8601_time_is_not_taken() {
        let column = Column::date_time("due_date");
        assert_eq!(
            take(&column, "2026-01-02T03:04:05Z", &[], &Switches::default()),
            Taken::Dropped
        );
        assert_eq!(
            take(&column, "2026-01-02 03:04:05", &[], &Switches::default()),
            set("2026-01-02 03:04:05")
        );
    }

    #[test]
    fn an_instance_may_refuse_long_text_and_read_iso_times() {
        let switches = Switches {
            long_text: LongText::Refused,
            parses_iso_times: true,
            ..Switches::default()
        };
        let column = Column::string("u_short", 3);
        assert_eq!(take(&column, "abcd", &[], &switches), Taken::TooLong);
        assert_eq!(take(&column, "äbc", &[], &switches), set("äbc"));
        assert_eq!(
            take(
                &Column::date_time("due_date"),
                "2026-01-02T03:04:05+02:00",
                &[],
                &switches
            ),
            set("2026-01-02 01:04:05")
        );
    }

    #[test]
    fn four_byte_characters_vanish_where_the_database_cannot_hold_them() {
        let switches = Switches {
            drops_four_byte_characters: true,
            ..Switches::default()
        };
        assert_eq!(
            take(&Column::string("u_text", 10), "a😀b", &[], &switches),
            set("ab")
        );
    }
}
