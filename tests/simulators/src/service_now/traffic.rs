//! What stands between a request and its answer: session queues and rate-limit rules.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

use super::ServiceNow;
use super::answer;
use super::errors::ApiError;
use super::request::Call;
use super::switches::Availability;
use super::users::Principal;
use crate::model::Response;

/// Queues of shared sessions and counts of the current hour.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    /// By session: when each request that still occupies it will be done.
    sessions: BTreeMap<String, Vec<Timestamp>>,
    /// By rule and user: the hour and the requests in it.
    hours: BTreeMap<(String, String), (i64, u32)>,
    /// When each request that has a thread, or waits for one, will be done; soonest first.
    serving: Vec<Timestamp>,
}

/// Where a request stands under a rate-limit rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowance {
    rule: String,
    per_hour: u32,
    /// Unix second at which the count begins anew.
    reset: i64,
}

impl ServiceNow {
    /// Whether the request must be dropped: it came with a session cookie, and too many requests already wait for
    /// that session. They are served one at a time.
    pub(super) fn session_overflows(&mut self, call: &Call<'_>, now: Timestamp) -> bool {
        let (Some(queue), Some(session)) = (self.switches.session_queue, call.session()) else {
            return false;
        };
        let waiting = self.traffic.sessions.entry(session.to_owned()).or_default();
        waiting.retain(|done| *done > now);
        if waiting.len() > queue.depth {
            return true;
        }
        let start = waiting.last().copied().unwrap_or(now);
        let done = start.saturating_add(SignedDuration::from_millis(queue.request_millis));
        waiting.push(done.unwrap_or(Timestamp::MAX));
        false
    }

    /// Whether the request must be turned away: every thread is busy and the queue before them full.
    pub(super) fn semaphores_overflow(&mut self, now: Timestamp) -> bool {
        let Some(semaphores) = self.switches.semaphores else {
            return false;
        };
        let serving = &mut self.traffic.serving;
        serving.retain(|done| *done > now);
        if serving.len() >= semaphores.threads + semaphores.queue {
            return true;
        }
        // It starts when all but one fewer than there are threads are done.
        let ahead = serving.len().checked_sub(semaphores.threads);
        let start = ahead.and_then(|ahead| serving.get(ahead)).copied().unwrap_or(now);
        let done = start.saturating_add(SignedDuration::from_millis(semaphores.request_millis));
        serving.push(done.unwrap_or(Timestamp::MAX));
        serving.sort_unstable();
        false
    }

    /// Counts the request under the first rule for its path; an error is the answer that denies it.
    pub(super) fn count_against_limits(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Option<Allowance>, Box<Response>> {
        let path = call.request.uri().path();
        let Some(limit) = self
            .switches
            .rate_limits
            .iter()
            .find(|limit| path.starts_with(&limit.path))
        else {
            return Ok(None);
        };
        let hour = now.as_second().div_euclid(3600);
        let counted = self
            .traffic
            .hours
            .entry((limit.rule.clone(), principal.user_name.clone()));
        let (counted_hour, count) = counted.or_insert((hour, 0));
        if *counted_hour != hour {
            (*counted_hour, *count) = (hour, 0);
        }
        *count += 1;
        let reset = (hour + 1) * 3600;
        let allowance = Allowance {
            rule: limit.rule.clone(),
            per_hour: limit.per_hour,
            reset,
        };
        if *count <= limit.per_hour {
            return Ok(Some(allowance));
        }
        let mut denied = ApiError::rate_limited(limit.per_hour).response();
        allowance.show(&mut denied);
        answer::set(&mut denied, "retry-after", &(reset - now.as_second()).to_string());
        Err(Box::new(denied))
    }

    /// Gives a client that came without a session one, as each answer of the platform does.
    pub(super) fn offer_session(&mut self, call: &Call<'_>, response: &mut Response) {
        if call.session().is_none() {
            let session = self.ids.next().to_uppercase();
            let cookie = format!("JSESSIONID={session}; Path=/; HttpOnly; SameSite=None; Secure");
            answer::set(response, "set-cookie", &cookie);
        }
    }
}

impl Allowance {
    /// The `X-RateLimit-*` headers.
    pub(super) fn show(&self, response: &mut Response) {
        answer::set(response, "x-ratelimit-limit", &self.per_hour.to_string());
        answer::set(response, "x-ratelimit-reset", &self.reset.to_string());
        answer::set(response, "x-ratelimit-rule", &self.rule);
    }
}

/// The answer to a request that a full session queue swallowed: it says nothing and was not executed.
pub(super) fn swallowed() -> Response {
    answer::empty(StatusCode::ACCEPTED)
}

/// What the web server in front of the instance says to an address it does not take: a page, not JSON.
pub(super) fn address_too_long() -> Response {
    let page = "<html><head><title>414 Request-URI Too Large</title></head>\
                <body><center><h1>414 Request-URI Too Large</h1></center></body></html>";
    let mut response = answer::empty(StatusCode::URI_TOO_LONG).map(|_| page.into());
    answer::set(&mut response, "content-type", "text/html");
    response
}

/// What comes instead of an answer while the instance is not there.
pub(super) fn unavailable(availability: Availability) -> Option<Response> {
    let (status, title) = match availability {
        Availability::Up => return None,
        Availability::Hibernating => (StatusCode::OK, "Your instance is hibernating"),
        Availability::Maintenance => (StatusCode::SERVICE_UNAVAILABLE, "Instance under maintenance"),
    };
    let page =
        format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}.</body></html>");
    let mut response = answer::empty(status).map(|_| page.into());
    answer::set(&mut response, "content-type", "text/html;charset=UTF-8");
    Some(response)
}
