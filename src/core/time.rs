//! Instants as a server states them, in whole seconds.
//!
//! Both services stamp their records to the second (Salesforce audit fields always end in `.000`; ServiceNow prints
//! no fraction), so a finer instant would promise an order that does not exist.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An instant in UTC, in whole seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(i64);

impl Instant {
    /// Before every record of either service.
    pub const EPOCH: Self = Self(0);

    /// From seconds since the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The instant `by` later; a fraction of a second in `by` is dropped.
    #[must_use]
    pub const fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(by.as_secs()))
    }

    /// The instant `by` earlier, never before the epoch; a fraction of a second in `by` is dropped.
    #[must_use]
    pub const fn earlier(self, by: Duration) -> Self {
        let seconds = self.0.saturating_sub_unsigned(by.as_secs());
        Self(if seconds < 0 { 0 } else { seconds })
    }

    /// How long after `other` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, other: Self) -> Duration {
        let seconds = self.0.saturating_sub(other.0);
        Duration::from_secs(if seconds < 0 { 0 } else { seconds.unsigned_abs() })
    }

    /// The same instant as a [`Timestamp`].
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_second(self.0).unwrap_or(Timestamp::MAX)
    }
}

impl From<Timestamp> for Instant {
    /// Drops the fraction of a second.
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_second())
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC, such as `2026-11-22T01:02:03Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.timestamp(), f)
    }
}
