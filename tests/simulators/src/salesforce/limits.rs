//! The daily request allowance, over a rolling day.

use std::collections::BTreeMap;

use http::HeaderValue;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::Response;

const HOUR: i64 = 3600;

/// Calls counted by the hour they fell in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    by_hour: BTreeMap<i64, u64>,
    used_elsewhere: u64,
}

impl Limits {
    /// Counts one call.
    pub fn count(&mut self, now: Timestamp) {
        let hour = now.as_second().div_euclid(HOUR);
        *self.by_hour.entry(hour).or_default() += 1;
        self.by_hour.retain(|&counted, _| counted > hour - 24);
    }

    /// How many calls the last 24 hours had, other applications' included.
    pub fn used(&self, now: Timestamp) -> u64 {
        let hour = now.as_second().div_euclid(HOUR);
        let ours: u64 = self.by_hour.range(hour - 23..=hour).map(|(_, count)| count).sum();
        ours + self.used_elsewhere
    }

    /// Says how many calls the customer's other applications have made.
    pub fn set_used_elsewhere(&mut self, used: u64) {
        self.used_elsewhere = used;
    }

    /// Puts `Sforce-Limit-Info` on a response.
    pub fn report(&self, response: &mut Response, now: Timestamp, allowed: u64) {
        let info = format!("api-usage={}/{allowed}", self.used(now));
        if let Ok(info) = HeaderValue::from_str(&info) {
            response.headers_mut().insert("Sforce-Limit-Info", info);
        }
    }

    /// The answer of the limits resource.
    pub fn to_json(&self, now: Timestamp, allowed: u64) -> Value {
        json!({
            "ConcurrentAsyncGetReportInstances": {"Max": 200, "Remaining": 200},
            "DailyApiRequests": {"Max": allowed, "Remaining": allowed.saturating_sub(self.used(now))},
            "DailyAsyncApexExecutions": {"Max": 250_000, "Remaining": 250_000},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DataStorageMB": {"Max": 1024, "Remaining": 1024},
            "FileStorageMB": {"Max": 1024, "Remaining": 1024},
        })
    }
}
