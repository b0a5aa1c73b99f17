//! Comparisons with the calendar: relative times, trends, and distances between two moments.
//!
//! Source: ServiceNow docs, "Operators available for filters and queries", the tables on dates. Which day a moment
//! falls on is the caller's time zone to say.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};
use std::cmp::Ordering;

use super::operator::Trend;
use super::script::Caller;
use crate::service_now::clock;

/// A stored UTC stamp as civil time in the caller's zone.
fn local(caller: &Caller<'_>, stored: &str) -> Option<DateTime> {
    let utc = clock::parse_stamp(stored)?.to_zoned(TimeZone::UTC).ok()?;
    Some(utc.with_time_zone(caller.zone.clone()).datetime())
}

fn holds(trend: Trend, ordering: Ordering) -> bool {
    match trend {
        Trend::On => ordering.is_eq(),
        Trend::Before => ordering.is_lt(),
        Trend::OnOrBefore => ordering.is_le(),
        Trend::After => ordering.is_gt(),
        Trend::OnOrAfter => ordering.is_ge(),
    }
}

fn span(unit: &str, count: i64) -> Option<Span> {
    Some(match unit {
        "minute" => Span::new().try_minutes(count).ok()?,
        "hour" => Span::new().try_hours(count).ok()?,
        "day" | "dayofweek" => Span::new().try_days(count).ok()?,
        "week" => Span::new().try_weeks(count).ok()?,
        "month" => Span::new().try_months(count).ok()?,
        "quarter" => Span::new().try_months(count.checked_mul(3)?).ok()?,
        "year" => Span::new().try_years(count).ok()?,
        _ => return None,
    })
}

/// `@hour@ago@1` or `@day@ahead@2`: how the stored moment lies to that one. "On" means within the same unit.
pub(super) fn relative(trend: Trend, stored: &str, argument: &str, caller: &Caller<'_>) -> bool {
    let mut parts = argument.trim_start_matches('@').split('@');
    let (Some(unit), Some(direction), Some(count)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let answer = || {
        let count: i64 = count.trim().parse().ok()?;
        let now = caller.now.to_zoned(caller.zone.clone()).datetime();
        let span = span(unit, count)?;
        let pivot = match direction {
            "ago" => now.checked_sub(span),
            "ahead" => now.checked_add(span),
            _ => return None,
        }
        .ok()?;
        let stored = local(caller, stored)?;
        let ordering = match trend {
            Trend::On => truncated(stored, unit).cmp(&truncated(pivot, unit)),
            _ => stored.cmp(&pivot),
        };
        Some(holds(trend, ordering))
    };
    answer().unwrap_or(false)
}

/// The unit that a moment lies in, as text that orders like the units do.
fn truncated(at: DateTime, unit: &str) -> String {
    let format = match unit {
        "minute" => "%Y-%m-%d %H:%M",
        "hour" => "%Y-%m-%d %H",
        "week" => "%G-%V",
        "month" => "%Y-%m",
        "quarter" => return format!("{}-{}", at.year(), (at.month() - 1) / 3),
        "year" => "%Y",
        _ => "%Y-%m-%d",
    };
    at.strftime(format).to_string()
}

/// `Monday@javascript:gs.datePart('dayofweek','monday','EE')`: how a part of the stored moment lies to that value.
pub(super) fn date_part(stored: &str, argument: &str, caller: &Caller<'_>) -> bool {
    let answer = || {
        let (_, arguments) = argument.split_once("gs.datePart(")?;
        let mut arguments = arguments
            .trim_end_matches([')', ';', ' '])
            .split(',')
            .map(|argument| argument.trim().trim_matches(['\'', '"']));
        let (part, wanted, trend) = (arguments.next()?, arguments.next()?, arguments.next()?);
        let stored = local(caller, stored)?;
        let ordering = part_of(stored, part)?.cmp(&named(part, wanted)?);
        Some(holds(Trend::named(trend)?, ordering))
    };
    answer().unwrap_or(false)
}

fn part_of(at: DateTime, part: &str) -> Option<i32> {
    Some(match part {
        "dayofweek" => i32::from(at.weekday().to_monday_one_offset()),
        "month" => i32::from(at.month()),
        "quarter" => i32::from((at.month() - 1) / 3 + 1),
        "year" => i32::from(at.year()),
        "week" => i32::from(at.date().iso_week_date().week()),
        "hour" => i32::from(at.hour()),
        _ => return None,
    })
}

/// A value of `gs.datePart` as a number: days and months go by name.
fn named(part: &str, wanted: &str) -> Option<i32> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    if let Ok(number) = wanted.parse() {
        return Some(number);
    }
    let names: &[&str] = match part {
        "dayofweek" => &DAYS,
        "month" => &MONTHS,
        _ => return None,
    };
    let wanted = wanted.to_ascii_lowercase();
    let at = names.iter().position(|name| wanted.starts_with(name))?;
    i32::try_from(at + 1).ok()
}

/// `day@before@1` after the other field's name: whether `stored` lies more (or less) than one day before `other`.
pub(super) fn apart(stored: &str, other: &str, argument: &str, more: bool) -> bool {
    let answer = || {
        let mut parts = argument.split('@');
        let (unit, direction, count) = (parts.next()?, parts.next()?, parts.next()?);
        let (one, other) = (clock::parse_stamp(stored)?, clock::parse_stamp(other)?);
        let distance = match direction {
            "before" => one.duration_until(other),
            "after" => other.duration_until(one),
            _ => return None,
        };
        let limit = one.duration_until(one.checked_add(span(unit, count.trim().parse().ok()?)?).ok()?);
        let ahead = distance >= SignedDuration::ZERO;
        Some(ahead && if more { distance > limit } else { distance < limit })
    };
    answer().unwrap_or(false)
}

/// `SAMEASother@day`: whether both moments lie in the same unit of the caller's calendar.
pub(super) fn same_unit(stored: &str, other: &str, unit: &str, caller: &Caller<'_>) -> bool {
    match (local(caller, stored), local(caller, other)) {
        (Some(one), Some(other)) => truncated(one, unit) == truncated(other, unit),
        _ => stored.is_empty() && other.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &TimeZone, test: impl Fn(&Caller<'_>) -> bool) -> bool {
        test(&Caller {
            sys_id: "u1",
            user_name: "abel",
            zone,
            now: "2026-11-24T10:20:30Z".parse().unwrap(),
        })
    }

    #[test]
    fn a_relative_time_lies_before_or_after_now() {
        let utc = TimeZone::UTC;
        let after = |stored: &str| {
            at(&utc, |caller| {
                relative(Trend::After, stored, "@hour@ago@1", caller)
            })
        };
        assert!(after("2026-11-24 09:20:31") && !after("2026-11-24 09:20:30") && !after(""));
        let ahead = |stored: &str| {
            at(&utc, |caller| {
                relative(Trend::Before, stored, "@dayofweek@ahead@2", caller)
            })
        };
        assert!(ahead("2026-11-26 10:20:29") && !ahead("2026-11-26 10:20:30"));
        let on = |stored: &str| at(&utc, |caller| relative(Trend::On, stored, "@month@ago@1", caller));
        assert!(on("2026-10-01 00:00:00") && on("2026-10-31 23:59:59") && !on("2026-11-01 00:00:00"));
    }

    #[test]
    fn a_part_of_a_date_is_taken_in_the_callers_zone() {
        let tokyo = TimeZone::fixed(jiff::tz::offset(9));
        let monday = "Monday@javascript:gs.datePart('dayofweek','monday','EE')";
        // 2026-11-23 is a Monday; at 16:00 UTC it is Tuesday in Tokyo.
        let is = |zone: &TimeZone, stored: &str| at(zone, |caller| date_part(stored, monday, caller));
        assert!(is(&TimeZone::UTC, "2026-11-23 16:00:00") && !is(&tokyo, "2026-11-23 16:00:00"));
        let later = "x@javascript:gs.datePart('month','october','GT')";
        assert!(at(&tokyo, |caller| date_part(
            "2026-11-01 00:00:00",
            later,
            caller
        )));
    }

    #[test]
    fn two_moments_are_more_or_less_than_so_far_apart() {
        let (one, other) = ("2026-11-20 00:00:00", "2026-11-22 00:00:00");
        assert!(apart(one, other, "day@before@1", true) && !apart(one, other, "day@before@1", false));
        assert!(!apart(one, other, "day@after@1", true) && !apart(one, other, "day@after@1", false));
        assert!(apart(one, other, "day@before@3", false));
        assert!(at(&TimeZone::UTC, |caller| same_unit(
            "2026-11-20 01:00:00",
            "2026-11-20 23:00:00",
            "day",
            caller
        )));
    }
}
