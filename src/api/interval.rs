//! The time between two cycles, as a manifest says it: `30s`, `5m`, `1h`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number and a unit (`s`, `m` or `h`), 10 seconds to 24 hours. Keeps the spelling of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Interval {
    text: String,
    duration: Duration,
}

/// Why a text is not an interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interval {0:?} must be a whole number and a unit, s, m or h, from 10s to 24h: for example 60s")]
pub struct InvalidInterval(String);

impl Interval {
    /// The shortest time between two cycles.
    pub const MIN: Duration = Duration::from_secs(10);
    /// The longest time between two cycles.
    pub const MAX: Duration = Duration::from_hours(24);

    /// The interval as a length of time, from [`Interval::MIN`] to [`Interval::MAX`].
    pub const fn as_duration(&self) -> Duration {
        self.duration
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self {
            text: "60s".to_owned(),
            duration: Duration::from_mins(1),
        }
    }
}

impl FromStr for Interval {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, InvalidInterval> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Interval {
    type Error = InvalidInterval;

    fn try_from(text: String) -> Result<Self, InvalidInterval> {
        match parse(&text) {
            Some(duration) => Ok(Self { text, duration }),
            None => Err(InvalidInterval(text)),
        }
    }
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds_each: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<u64>().ok()?.checked_mul(seconds_each)?;
    let duration = Duration::from_secs(seconds);
    (Interval::MIN..=Interval::MAX)
        .contains(&duration)
        .then_some(duration)
}

impl From<Interval> for String {
    fn from(interval: Interval) -> Self {
        interval.text
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 6,
            "pattern": "^[1-9][0-9]{0,4}[smh]$",
            "x-kubernetes-validations": [{
                "rule": "duration(self) >= duration('10s') && duration(self) <= duration('24h')",
                "message": "must be from 10s to 24h",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_minutes_and_hours() {
        for (text, seconds) in [
            ("10s", 10),
            ("60s", 60),
            ("5m", 300),
            ("24h", 86_400),
            ("86400s", 86_400),
        ] {
            assert_eq!(
                text.parse::<Interval>().unwrap().as_duration(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_interval_or_out_of_range() {
        for text in [
            "",
            "s",
            "9s",
            "25h",
            "86401s",
            "060s",
            "1m30s",
            "60",
            "60S",
            "-60s",
            "1.5m",
            "60 s",
            "99999999999999999999h",
        ] {
            assert!(text.parse::<Interval>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn keeps_the_spelling_of_the_manifest() {
        let interval: Interval = serde_json::from_value(serde_json::json!("2m")).unwrap();
        assert_eq!(serde_json::to_value(&interval).unwrap(), serde_json::json!("2m"));
    }

    #[test]
    fn is_a_minute_when_nothing_is_said() {
        assert_eq!("60s".parse::<Interval>().unwrap(), Interval::default());
    }
}
