//! What the instance says about how much may be asked of it.
//!
//! A 429 comes from one of two places. A rate-limit rule counts requests of a user to a resource in each hour; its
//! answer names the rule and the moment when counting begins anew (ServiceNow docs: Inbound REST API rate limiting). The
//! semaphore set of the API is full: that answer names nothing, and passes by itself within seconds.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::adapters::http::call;
use crate::adapters::http::failure::{self, is_throttling};
use crate::core::time::Instant;
use crate::ports::RemoteError;

const RULE: &str = "x-ratelimit-rule";
const RESET: &str = "x-ratelimit-reset";

/// A rule's name is an administrator's text: so much of it is repeated.
const LONGEST_NAME: usize = 80;

fn header<'a>(response: &'a http::Response<Bytes>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok().map(str::trim)
}

/// Was the request refused because too many are at work, and not by a rule that counts them by the hour?
pub(super) fn slots_are_taken(response: &http::Response<Bytes>) -> bool {
    response.status() == StatusCode::TOO_MANY_REQUESTS
        && header(response, RULE).is_none()
        && header(response, RESET).is_none()
        && call::retry_after(response.headers()).is_none()
}

/// How long the instance asks us to wait: `Retry-After`, or until the rule counts anew, by the instance's own clock.
fn wait(response: &http::Response<Bytes>) -> Option<Duration> {
    call::retry_after(response.headers()).or_else(|| {
        let reset = Instant::from_seconds(header(response, RESET)?.parse().ok()?);
        Some(reset.since(call::server_time(response.headers())?))
    })
}

/// The refusal in words, where the status is one of too many requests.
pub(super) fn throttled(what: &str, response: &http::Response<Bytes>) -> Option<RemoteError> {
    if !is_throttling(response.status()) {
        return None;
    }
    let message = match header(response, RULE) {
        Some(rule) => {
            let rule: String = rule.chars().take(LONGEST_NAME).collect();
            format!(
                "ServiceNow refused {what}: the rate-limit rule {rule:?} allows this account no more requests in this \
                 hour. It goes on by itself; to avoid it, raise the rule's limit (System Web Services > REST > Rate \
                 Limit Rules) or the flows' interval"
            )
        }
        None => format!(
            "ServiceNow refused {what}: too many requests are at work there at the same time. It goes on by itself, \
             with fewer calls at a time"
        ),
    };
    Some(failure::throttled("Throttled", message, wait(response)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::scripted::{answer, with_header};

    #[test]
    fn a_rule_is_named_and_its_hour_is_waited_for_by_the_instances_clock() {
        // 10:00:00 by `Date`; the rule counts anew at 10:20:00.
        let refused = with_header(answer(429, ""), RULE, "All users");
        let refused = with_header(refused, RESET, "1795342800");
        assert!(!slots_are_taken(&refused));
        let error = throttled("a list of changes in incident", &refused).unwrap();
        assert_eq!(error.retry_after, Some(Duration::from_mins(20)));
        assert!(
            error.problem.message.contains("\"All users\""),
            "{}",
            error.problem.message
        );
        assert!(error.problem.message.contains("incident"));
    }

    #[test]
    fn retry_after_goes_before_the_rules_own_header() {
        let refused = with_header(answer(429, ""), RESET, "1795342800");
        let refused = with_header(refused, "retry-after", "7");
        assert_eq!(
            throttled("x", &refused).unwrap().retry_after,
            Some(Duration::from_secs(7))
        );
    }

    #[test]
    fn a_refusal_without_a_word_means_that_the_slots_are_taken() {
        let refused = answer(429, "");
        assert!(slots_are_taken(&refused));
        let error = throttled("x", &refused).unwrap();
        assert_eq!(error.retry_after, None);
        assert!(error.problem.message.contains("at the same time"));
        assert!(throttled("x", &answer(503, "")).is_none());
        assert!(!slots_are_taken(&answer(503, "")));
    }
}
