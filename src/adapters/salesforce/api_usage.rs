//! What Salesforce says of the org's calls of the last 24 hours: `Sforce-Limit-Info` on an answer, and the `limits`
//! resource (Salesforce docs: REST API, Limit Info Header and Limits).

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use crate::adapters::http::call;
pub use crate::core::budget::ApiUsage;

/// Hears what every answer says. Implementations keep a gauge; they never block.
pub trait ApiUsageObserver: Send + Sync {
    /// The org's calls, by everybody, in the last 24 hours; and up to how many of a day this connection may go.
    fn observe(&self, usage: ApiUsage, ceiling: u64);
}

/// From `Sforce-Limit-Info: api-usage=25/5000; per-app-api-usage=17/250(appName=x)`.
pub(super) fn from_headers(headers: &HeaderMap) -> Option<ApiUsage> {
    let text = headers.get("sforce-limit-info")?.to_str().ok()?;
    let (used, allowed) = text
        .split([';', ','])
        .find_map(|part| part.trim().strip_prefix("api-usage="))?
        .split_once('/')?;
    usage(used.trim().parse().ok()?, allowed.trim().parse().ok()?)
}

/// From the `limits` resource.
pub(super) fn from_limits(body: &Bytes) -> Option<ApiUsage> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Limits {
        daily_api_requests: Daily,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Daily {
        max: u64,
        remaining: u64,
    }
    let daily = call::json::<Limits>(body).ok()?.daily_api_requests;
    usage(daily.max.saturating_sub(daily.remaining), daily.max)
}

/// An org that allows nothing says nothing.
fn usage(used: u64, allowed: u64) -> Option<ApiUsage> {
    (allowed > 0).then_some(ApiUsage { used, allowed })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_orgs_usage_is_read_and_an_apps_own_is_not_taken_for_it() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("Sforce-Limit-Info", HeaderValue::from_static(text));
            from_headers(&headers)
        };
        let expected = Some(ApiUsage {
            used: 18,
            allowed: 5000,
        });
        assert_eq!(read("api-usage=18/5000"), expected);
        assert_eq!(
            read("api-usage=18/5000; per-app-api-usage=17/250(appName=x)"),
            expected
        );
        assert_eq!(
            read("per-app-api-usage=17/250(appName=x); api-usage=18/5000"),
            expected
        );
        assert_eq!(read("per-app-api-usage=17/250(appName=x)"), None);
        assert_eq!(read("api-usage=many"), None);
        assert_eq!(read("api-usage=0/0"), None);
        let limits = br#"{"DailyApiRequests":{"Max":15000,"Remaining":14998},"DataStorageMB":{"Max":1,"Remaining":1}}"#;
        let expected = ApiUsage {
            used: 2,
            allowed: 15_000,
        };
        assert_eq!(from_limits(&Bytes::from_static(limits)), Some(expected));
        assert_eq!(from_limits(&Bytes::from_static(b"{}")), None);
    }
}
