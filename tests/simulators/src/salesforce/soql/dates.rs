//! Relative dates: `TODAY`, `LAST_N_DAYS:7` and their like (Salesforce docs: SOQL, Date Formats and Date Literals).
//!
//! Each is a stretch of whole days, weeks, months, quarters or years around today, by the user's own calendar. Weeks
//! start on Sunday and fiscal years on the first of January, as in a new American org.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

/// What relative dates count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// A stretch of time around today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelativeDate {
    unit: Unit,
    /// Where it starts, in units from the start of the present one.
    from: i32,
    /// Where it ends, likewise, not included.
    to: i32,
}

/// The moment of a query, and how far the user's clock is from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub now: Timestamp,
    pub utc_offset_minutes: i32,
}

impl RelativeDate {
    /// Reads one by its name and number; `None` when it is none.
    pub fn parse(word: &str) -> Option<Self> {
        let upper = word.to_ascii_uppercase();
        let (name, number) = match upper.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<i32>().ok().filter(|n| *n < 100_000)?)),
            None => (upper.as_str(), None),
        };
        let name = name.replace("FISCAL_", "");
        let of = |unit, from, to| Some(Self { unit, from, to });
        let Some(n) = number else {
            return match name.as_str() {
                "TODAY" => of(Unit::Day, 0, 1),
                "YESTERDAY" => of(Unit::Day, -1, 0),
                "TOMORROW" => of(Unit::Day, 1, 2),
                "LAST_90_DAYS" => of(Unit::Day, -90, 1),
                "NEXT_90_DAYS" => of(Unit::Day, 1, 91),
                _ => {
                    let (which, unit) = name.split_once('_')?;
                    let unit = unit_named(unit)?;
                    match which {
                        "LAST" => of(unit, -1, 0),
                        "THIS" => of(unit, 0, 1),
                        "NEXT" => of(unit, 1, 2),
                        _ => None,
                    }
                }
            };
        };
        if let Some(unit) = name.strip_prefix("LAST_N_") {
            let unit = unit_named(unit.strip_suffix('S')?)?;
            // The days alone take in the present one.
            return of(unit, -n, i32::from(unit == Unit::Day));
        }
        if let Some(unit) = name.strip_prefix("NEXT_N_") {
            return of(unit_named(unit.strip_suffix('S')?)?, 1, n + 1);
        }
        let unit = name.strip_prefix("N_")?.strip_suffix("S_AGO")?;
        of(unit_named(unit)?, -n, 1 - n)
    }

    /// Its first day and the day after its last one; `None` beyond the calendar's ends.
    pub fn days(self, calendar: Calendar) -> Option<(Date, Date)> {
        let start = self.unit.start(calendar.today()?)?;
        let at = |count: i32| start.checked_add(self.unit.times(count)?).ok();
        Some((at(self.from)?, at(self.to)?))
    }
}

impl Calendar {
    fn offset(self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.utc_offset_minutes))
    }

    /// The day it is for the user.
    fn today(self) -> Option<Date> {
        let there = self.now.checked_add(self.offset()).ok()?;
        Some(Offset::UTC.to_datetime(there).date())
    }

    /// When a day starts for the user.
    pub fn start_of(self, day: Date) -> Option<Timestamp> {
        let there = Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
        there.checked_sub(self.offset()).ok()
    }
}

impl Unit {
    /// The first day of the unit that `day` lies in.
    fn start(self, day: Date) -> Option<Date> {
        let first_of_month = day.first_of_month();
        match self {
            Self::Day => Some(day),
            Self::Week => {
                let since_sunday = i64::from(day.weekday().to_sunday_zero_offset());
                day.checked_sub(since_sunday.days()).ok()
            }
            Self::Month => Some(first_of_month),
            Self::Quarter => {
                let since_quarter = i64::from((first_of_month.month() - 1) % 3);
                first_of_month.checked_sub(since_quarter.months()).ok()
            }
            Self::Year => Some(day.first_of_year()),
        }
    }

    fn times(self, count: i32) -> Option<Span> {
        let span = Span::new();
        match self {
            Self::Day => span.try_days(count).ok(),
            Self::Week => span.try_weeks(count).ok(),
            Self::Month => span.try_months(count).ok(),
            Self::Quarter => span.try_months(count.checked_mul(3)?).ok(),
            Self::Year => span.try_years(count).ok(),
        }
    }
}

fn unit_named(name: &str) -> Option<Unit> {
    Some(match name {
        "DAY" => Unit::Day,
        "WEEK" => Unit::Week,
        "MONTH" => Unit::Month,
        "QUARTER" => Unit::Quarter,
        "YEAR" => Unit::Year,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wednesday, 2024-07-24, 23:30 UTC.
    fn days(word: &str, utc_offset_minutes: i32) -> String {
        let now = "2024-07-24T23:30:00Z".parse().unwrap();
        let calendar = Calendar {
            now,
            utc_offset_minutes,
        };
        let (from, to) = RelativeDate::parse(word).unwrap().days(calendar).unwrap();
        format!("{from}..{to}")
    }

    #[test]
    fn each_relative_date_is_the_stretch_that_the_reference_says() {
        let stretches = [
            ("today", "2024-07-24..2024-07-25"),
            ("YESTERDAY", "2024-07-23..2024-07-24"),
            ("TOMORROW", "2024-07-25..2024-07-26"),
            ("LAST_WEEK", "2024-07-14..2024-07-21"),
            ("THIS_WEEK", "2024-07-21..2024-07-28"),
            ("THIS_MONTH", "2024-07-01..2024-08-01"),
            ("LAST_MONTH", "2024-06-01..2024-07-01"),
            ("LAST_QUARTER", "2024-04-01..2024-07-01"),
            ("NEXT_FISCAL_QUARTER", "2024-10-01..2025-01-01"),
            ("THIS_YEAR", "2024-01-01..2025-01-01"),
            ("LAST_N_DAYS:7", "2024-07-17..2024-07-25"),
            ("NEXT_N_DAYS:7", "2024-07-25..2024-08-01"),
            ("N_DAYS_AGO:1", "2024-07-23..2024-07-24"),
            ("LAST_N_WEEKS:2", "2024-07-07..2024-07-21"),
            ("LAST_N_MONTHS:2", "2024-05-01..2024-07-01"),
            ("N_YEARS_AGO:1", "2023-01-01..2024-01-01"),
            ("LAST_90_DAYS", "2024-04-25..2024-07-25"),
        ];
        for (word, expected) in stretches {
            assert_eq!(days(word, 0), expected, "{word}");
        }
    }

    #[test]
    fn today_is_the_users_own() {
        assert_eq!(days("TODAY", 60), "2024-07-25..2024-07-26");
        let calendar = Calendar {
            now: "2024-07-24T23:30:00Z".parse().unwrap(),
            utc_offset_minutes: 60,
        };
        let start = calendar.start_of(calendar.today().unwrap()).unwrap();
        assert_eq!(start.to_string(), "2024-07-24T23:00:00Z");
    }

    #[test]
    fn what_is_no_relative_date_is_none() {
        for word in [
            "SOON",
            "LAST_N_DAYS",
            "LAST_N_DAYS:999999999",
            "TODAY:3",
            "LAST_N_DAY:3",
            "N_AGO:1",
        ] {
            assert_eq!(RelativeDate::parse(word), None, "{word}");
        }
    }
}
