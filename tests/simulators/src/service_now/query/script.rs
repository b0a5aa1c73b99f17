//! The `javascript:gs.…` values that filters are saved with.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::service_now::clock;

/// What a script may know about the caller.
#[derive(Debug, Clone)]
pub(in crate::service_now) struct Caller<'a> {
    pub(in crate::service_now) sys_id: &'a str,
    pub(in crate::service_now) user_name: &'a str,
    pub(in crate::service_now) zone: &'a TimeZone,
    pub(in crate::service_now) now: Timestamp,
}

/// The value of the right-hand side of a condition: the text itself, or what its script returns. An unknown script
/// returns nothing, as the sandbox does.
pub(super) fn value(text: &str, caller: &Caller<'_>) -> String {
    let Some(script) = text.strip_prefix("javascript:") else {
        return text.to_owned();
    };
    let script = script.trim().trim_end_matches(';').trim_start_matches("gs.");
    let Some((name, rest)) = script.split_once('(') else {
        return String::new();
    };
    let arguments: Vec<&str> = rest
        .trim_end_matches(')')
        .split(',')
        .map(|argument| argument.trim().trim_matches(['\'', '"']))
        .filter(|argument| !argument.is_empty())
        .collect();
    run(name.trim(), &arguments, caller).unwrap_or_default()
}

fn run(name: &str, arguments: &[&str], caller: &Caller<'_>) -> Option<String> {
    let now = caller.now.to_zoned(caller.zone.clone()).datetime();
    let count = arguments
        .first()
        .and_then(|argument| argument.parse::<i64>().ok());
    let days_ago = |days: i64| back(now, Span::new().try_days(days));
    let hours_ago = |hours: i64| back(now, Span::new().try_hours(hours));
    let minutes_ago = |minutes: i64| back(now, Span::new().try_minutes(minutes));
    let months_ago = |months: i64| back(now, Span::new().try_months(months));
    let day_start = |days: i64| days_ago(days).map(|at| at.date().at(0, 0, 0, 0));
    let day_end = |days: i64| days_ago(days).map(|at| at.date().at(23, 59, 59, 0));
    let month = now.date().first_of_month();
    let at = match (name, count) {
        ("getUserID", _) => return Some(caller.sys_id.to_owned()),
        ("getUserName", _) => return Some(caller.user_name.to_owned()),
        ("now" | "nowDateTime", _) => Some(now.with().subsec_nanosecond(0).build().ok()?),
        ("beginningOfToday", _) => day_start(0),
        ("endOfToday", _) => day_end(0),
        ("beginningOfYesterday", _) => day_start(1),
        ("endOfYesterday", _) => day_end(1),
        ("daysAgoStart", Some(days)) => day_start(days),
        ("daysAgoEnd", Some(days)) => day_end(days),
        ("daysAgo", Some(days)) => days_ago(days),
        ("hoursAgo", Some(hours)) => hours_ago(hours),
        ("hoursAgoStart", Some(hours)) => hours_ago(hours).map(|at| at.date().at(at.hour(), 0, 0, 0)),
        ("hoursAgoEnd", Some(hours)) => hours_ago(hours).map(|at| at.date().at(at.hour(), 59, 59, 0)),
        ("minutesAgo" | "minutesAgoStart" | "minutesAgoEnd", Some(minutes)) => minutes_ago(minutes),
        ("monthsAgo", Some(months)) => months_ago(months),
        ("monthsAgoStart", Some(months)) => {
            months_ago(months).map(|at| at.date().first_of_month().at(0, 0, 0, 0))
        }
        ("monthsAgoEnd", Some(months)) => {
            months_ago(months).map(|at| at.date().last_of_month().at(23, 59, 59, 0))
        }
        ("beginningOfTomorrow", _) => day_start(-1),
        ("endOfTomorrow", _) => day_end(-1),
        ("beginningOfThisMonth", _) => Some(month.at(0, 0, 0, 0)),
        ("endOfThisMonth", _) => Some(month.last_of_month().at(23, 59, 59, 0)),
        ("beginningOfThisYear", _) => Some(now.date().first_of_year().at(0, 0, 0, 0)),
        ("endOfThisYear", _) => Some(now.date().last_of_year().at(23, 59, 59, 0)),
        // Unlike plain text, which is UTC, this is in the caller's time zone.
        ("dateGenerate", _) => generated(arguments),
        _ => None,
    };
    clock::stored_from(caller.zone, at?)
}

fn back(now: DateTime, span: Result<Span, jiff::Error>) -> Option<DateTime> {
    now.checked_sub(span.ok()?).ok()
}

fn generated(arguments: &[&str]) -> Option<DateTime> {
    let date = clock::parse_date(arguments.first()?)?;
    let time = match arguments.get(1) {
        None | Some(&"start") => Time::midnight(),
        Some(&"end") => Time::new(23, 59, 59, 0).ok()?,
        Some(text) => Time::strptime("%H:%M:%S", text).ok()?,
    };
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_at(zone: &TimeZone, text: &str) -> String {
        let now = "2026-11-22T10:20:30Z".parse().unwrap();
        value(
            text,
            &Caller {
                sys_id: "u1",
                user_name: "abel",
                zone,
                now,
            },
        )
    }

    #[test]
    fn plain_text_is_itself_and_scripts_are_run() {
        let utc = TimeZone::UTC;
        assert_eq!(run_at(&utc, "2026-11-22 01:02:03"), "2026-11-22 01:02:03");
        assert_eq!(run_at(&utc, "javascript:gs.getUserID()"), "u1");
        assert_eq!(
            run_at(&utc, "javascript:gs.daysAgoStart(2)"),
            "2026-11-20 00:00:00"
        );
        assert_eq!(
            run_at(&utc, "javascript:gs.endOfThisMonth()"),
            "2026-11-30 23:59:59"
        );
        assert_eq!(
            run_at(&utc, "javascript:gs.monthsAgoStart(1)"),
            "2026-10-01 00:00:00"
        );
        assert_eq!(run_at(&utc, "javascript:gs.daysAgo(9223372036854775807)"), "");
        assert_eq!(run_at(&utc, "javascript:gs.unknownThing()"), "");
    }

    #[test]
    fn a_generated_date_is_in_the_callers_time_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let text = "javascript:gs.dateGenerate('2026-11-22','03:00:00')";
        assert_eq!(run_at(&zone, text), "2026-11-22 01:00:00");
    }
}
