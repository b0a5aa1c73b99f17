//! Tells an observer about every attempt: to which side, what for, how it went and how long it took.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::failure::is_throttling;
use crate::core::side::Side;
use crate::ports::{CallPolicy, Clock, Transport, TransportError};

/// Hears of every attempt. Implementations count; they never block.
pub trait CallObserver: Send + Sync {
    /// One attempt is over. An attempt whose caller went away is not reported.
    fn observe(&self, call: CallReport);
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// The service called.
    pub side: Side,
    /// [`CallPolicy::action`], or `other` for a request without a policy.
    pub action: &'static str,
    /// How it went.
    pub outcome: CallOutcome,
    /// From handing the request over to the whole answer.
    pub duration: Duration,
}

/// How an attempt went, by what the wire shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallOutcome {
    /// 2xx.
    Ok,
    /// 3xx: never followed.
    Redirect,
    /// 401.
    Unauthenticated,
    /// 420 or 429.
    Throttled,
    /// Another 4xx.
    ClientError,
    /// 5xx, and 1xx that should not be seen.
    ServerError,
    /// [`TransportError::NotSent`].
    NotSent,
    /// [`TransportError::NoAnswer`].
    NoAnswer,
    /// [`TransportError::Refused`].
    Refused,
    /// [`TransportError::TooLarge`].
    TooLarge,
}

impl CallOutcome {
    /// The value of a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Redirect => "redirect",
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled => "throttled",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::NotSent => "not_sent",
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
        }
    }

    fn of(result: &Result<http::Response<Bytes>, TransportError>) -> Self {
        match result {
            Ok(response) => match response.status() {
                status if status.is_success() => Self::Ok,
                status if status.is_redirection() => Self::Redirect,
                http::StatusCode::UNAUTHORIZED => Self::Unauthenticated,
                status if is_throttling(status) => Self::Throttled,
                status if status.is_client_error() => Self::ClientError,
                _ => Self::ServerError,
            },
            Err(TransportError::NotSent(_)) => Self::NotSent,
            Err(TransportError::NoAnswer(_)) => Self::NoAnswer,
            Err(TransportError::Refused { .. }) => Self::Refused,
            Err(TransportError::TooLarge { .. }) => Self::TooLarge,
        }
    }
}

/// A transport that reports every attempt. Put it beneath [`super::retry::Retrying`], so that each attempt counts.
pub struct Metered {
    inner: Arc<dyn Transport>,
    side: Side,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
}

impl Metered {
    /// Reports the calls of `inner` as calls to `side`.
    pub fn new(
        inner: Arc<dyn Transport>,
        side: Side,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CallObserver>,
    ) -> Self {
        Self {
            inner,
            side,
            clock,
            observer,
        }
    }
}

#[async_trait]
impl Transport for Metered {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let action = request
            .extensions()
            .get::<CallPolicy>()
            .map_or("other", |policy| policy.action);
        let began = self.clock.monotonic();
        let result = self.inner.send(request).await;
        self.observer.observe(CallReport {
            side: self.side,
            action,
            outcome: CallOutcome::of(&result),
            duration: self.clock.monotonic().saturating_sub(began),
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::scripted::{Script, TestClock, answer, read_request};
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<CallReport>>);

    impl CallObserver for Heard {
        fn observe(&self, call: CallReport) {
            self.0.lock().unwrap().push(call);
        }
    }

    #[tokio::test]
    async fn every_attempt_is_reported_with_its_outcome_and_duration() {
        let clock = Arc::new(TestClock::default());
        let script = Script::new([
            Ok(answer(200, "{}")),
            Ok(answer(302, "")),
            Ok(answer(401, "")),
            Ok(answer(429, "")),
            Ok(answer(404, "")),
            Ok(answer(503, "")),
            Err(TransportError::NotSent("no route".into())),
            Err(TransportError::NoAnswer("reset".into())),
            Err(TransportError::TooLarge { limit: 1 }),
        ])
        .taking(clock.clone(), Duration::from_secs(2));
        let heard = Arc::new(Heard::default());
        let metered = Metered::new(Arc::new(script), Side::ServiceNow, clock, heard.clone());
        for _ in 0..9 {
            let _ = metered.send(read_request("list")).await;
        }
        let heard = heard.0.lock().unwrap();
        let outcomes: Vec<_> = heard.iter().map(|call| call.outcome.label()).collect();
        assert_eq!(
            outcomes,
            [
                "ok",
                "redirect",
                "unauthenticated",
                "throttled",
                "client_error",
                "server_error",
                "not_sent",
                "no_answer",
                "too_large"
            ]
        );
        assert!(heard.iter().all(|call| {
            call.side == Side::ServiceNow && call.action == "list" && call.duration == Duration::from_secs(2)
        }));
    }
}
