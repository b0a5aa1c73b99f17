//! The daily request allowance, over a rolling day.

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::settings::Settings;
use crate::calls::CallKind;
use crate::model::Response;

const HOUR: i64 = 3600;

/// Why the service refuses a call whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusalReason {
    /// The day's requests are used up, whatever the counter says.
    TotalRequests,
    /// Too many calls at once.
    ConcurrentRequests,
    /// Too many long-running calls at once in the organisation.
    ConcurrentLongTransactions,
    /// The service is overloaded.
    ServerUnavailable,
    /// Something broke inside.
    UnknownException,
    /// The organisation may not use the API.
    ApiDisabled,
}

impl RefusalReason {
    fn error(self) -> ApiError {
        let (status, code, message) = match self {
            Self::TotalRequests => (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            Self::ConcurrentRequests => (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            ),
            Self::ConcurrentLongTransactions => (
                403,
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentPerOrgLongTxn Limit exceeded.",
            ),
            Self::ServerUnavailable => (
                503,
                "SERVER_UNAVAILABLE",
                "The server was unable to process the request, it is overloaded.",
            ),
            Self::UnknownException => (
                500,
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred. Please include this ErrorId if you contact support.",
            ),
            Self::ApiDisabled => (
                403,
                "API_DISABLED_FOR_ORG",
                "The REST API is not enabled for this Organization.",
            ),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        ApiError::new(status, code, message)
    }
}

/// Calls that will be refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallRefusal {
    /// Why.
    pub reason: RefusalReason,
    /// How many.
    pub times: u32,
    /// Which: a kind or a family of kinds, such as `salesforce.collections`; any when absent.
    #[serde(default)]
    pub during: Option<String>,
}

/// Calls counted by the hour they fell in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    by_hour: BTreeMap<i64, u64>,
    used_elsewhere: u64,
    refusals: Vec<CallRefusal>,
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

    /// Has calls refused.
    pub fn refuse(&mut self, refusal: CallRefusal) {
        self.refusals.push(refusal);
    }

    /// The error that a call of this kind is to be refused with, if any, counting down.
    pub fn refusal(&mut self, handling: Option<CallKind>) -> Option<ApiError> {
        let at_hand = |refusal: &&mut CallRefusal| {
            let during = refusal.during.as_deref();
            refusal.times > 0
                && during.is_none_or(|during| handling.is_some_and(|kind| kind.is_within(during)))
        };
        let refusal = self.refusals.iter_mut().find(at_hand)?;
        refusal.times -= 1;
        let error = refusal.reason.error();
        self.refusals.retain(|refusal| refusal.times > 0);
        Some(error)
    }

    /// Puts `Sforce-Limit-Info` on a response.
    pub fn report(&self, response: &mut Response, now: Timestamp, settings: &Settings) {
        let mut info = format!("api-usage={}/{}", self.used(now), settings.daily_requests);
        if let Some(allowed) = settings.per_app_requests {
            let ours = self.used(now).saturating_sub(self.used_elsewhere);
            let app = format!("; per-app-api-usage={ours}/{allowed}(appName=syncflow)");
            info.push_str(&app);
        }
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
