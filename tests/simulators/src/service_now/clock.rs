//! Times as the platform writes them: one-second resolution, plain text, UTC.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// `YYYY-MM-DD HH:MM:SS` in UTC; fractions of a second are cut, not rounded.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What a stored stamp means; `None` for anything else, ISO 8601 with a `T` or an offset included.
pub(super) fn parse_stamp(text: &str) -> Option<DateTime> {
    let date_time = DateTime::strptime("%Y-%m-%d %H:%M:%S", text);
    date_time
        .ok()
        .or_else(|| parse_date(text).map(|date| date.at(0, 0, 0, 0)))
}

/// What a stored date means; `None` for anything else.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    // strptime takes `2024-7-1` as well; the platform stores ten characters.
    if text.len() == 10 {
        Date::strptime("%Y-%m-%d", text).ok()
    } else {
        None
    }
}

/// The stored form of a civil time.
pub(super) fn civil_stamp(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A stored UTC stamp as a person in `zone` reads it; text that is no stamp is left alone.
pub(super) fn shown_in(zone: &TimeZone, text: &str) -> String {
    let utc = parse_stamp(text).and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    utc.map_or_else(
        || text.to_owned(),
        |at| civil_stamp(at.with_time_zone(zone.clone()).datetime()),
    )
}

/// A civil time typed by a person in `zone`, as it is stored.
pub(super) fn stored_from(zone: &TimeZone, typed: DateTime) -> Option<String> {
    typed.to_zoned(zone.clone()).ok().map(|at| stamp(at.timestamp()))
}

/// The zone of that name, UTC where the machine does not know it.
pub(super) fn zone(name: &str) -> TimeZone {
    if name.is_empty() || name == "GMT" || name == "UTC" {
        return TimeZone::UTC;
    }
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// `at` moved by whole seconds, staying in range.
pub(super) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// The value of a `Date` header.
pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_whole_seconds_in_utc() {
        let at: Timestamp = "2026-11-22T01:02:03.987Z".parse().unwrap();
        assert_eq!(stamp(at), "2026-11-22 01:02:03");
        assert_eq!(http_date(at), "Sun, 22 Nov 2026 01:02:03 GMT");
    }

    #[test]
    fn iso_8601_is_not_a_stamp() {
        assert!(parse_stamp("2026-11-22T01:02:03Z").is_none());
        assert!(parse_stamp("2026-11-22 01:02:03").is_some());
        assert!(parse_stamp("2026-11-22").is_some());
    }
}
