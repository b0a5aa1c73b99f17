//! `Sforce-Limit-Info`: the only place where Salesforce says how many of the org's calls of the last 24 hours are used.

use http::HeaderMap;

/// Hears what every answer says. Implementations keep a gauge; they never block.
pub trait ApiUsageObserver: Send + Sync {
    /// The org's calls, by everybody, in the last 24 hours.
    fn observe(&self, usage: ApiUsage);
}

/// The org's calls in the last 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiUsage {
    /// Used by everybody.
    pub used: u64,
    /// Allowed for everybody.
    pub allowed: u64,
}

impl ApiUsage {
    /// From `Sforce-Limit-Info: api-usage=25/5000; per-app-api-usage=17/250(appName=x)`.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("sforce-limit-info")?.to_str().ok()?;
        let (used, allowed) = text
            .split([';', ','])
            .find_map(|part| part.trim().strip_prefix("api-usage="))?
            .split_once('/')?;
        Some(Self {
            used: used.trim().parse().ok()?,
            allowed: allowed.trim().parse().ok()?,
        })
    }
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
            ApiUsage::from_headers(&headers)
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
    }
}
