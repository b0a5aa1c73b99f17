//! Sends reads again after a failure that may pass. A write is never sent twice here: whether it had its effect is for
//! the engine to find out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;

use super::call::retry_after;
use super::failure::is_throttling;
use crate::ports::{CallPolicy, Clock, Effect, Entropy, Transport, TransportError};

/// Attempts of a read after the first, by default.
pub const RETRIES: u32 = 3;

/// How often and how long reads are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: u32,
    /// The upper end of the first wait; it doubles with each.
    pub base: Duration,
    /// The upper end of every wait that the service did not ask for.
    pub cap: Duration,
    /// The longest `Retry-After` that is waited for here; a longer one goes to the caller, who has other work.
    pub longest_retry_after: Duration,
    /// No wait begins that would end later than this after the first attempt began.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: RETRIES,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(8),
            longest_retry_after: Duration::from_secs(30),
            total: Duration::from_mins(1),
        }
    }
}

/// A transport that sends reads again, with full-jitter exponential back-off.
pub struct Retrying {
    inner: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    policy: RetryPolicy,
}

impl Retrying {
    /// Sends the reads of `inner` again as `policy` says.
    pub fn new(
        inner: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        policy: RetryPolicy,
    ) -> Self {
        Self {
            inner,
            clock,
            entropy,
            policy,
        }
    }

    /// Up to `limit`, evenly drawn: waits that are all alike would bring the whole fleet back at once.
    fn jitter(&self, limit: Duration) -> Duration {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.entropy.next_u64() % millis.saturating_add(1))
    }

    /// How long to wait before the next attempt; `None` when this result is final.
    fn wait(&self, attempt: u32, result: &Result<http::Response<Bytes>, TransportError>) -> Option<Duration> {
        let back_off = || {
            let ceiling = self.policy.base.saturating_mul(1 << attempt.min(16));
            self.jitter(ceiling.min(self.policy.cap))
        };
        match result {
            Err(TransportError::NotSent(_) | TransportError::NoAnswer(_)) => Some(back_off()),
            Ok(response) if may_pass(response.status()) => match retry_after(response.headers()) {
                None => Some(back_off()),
                Some(asked) if asked <= self.policy.longest_retry_after => {
                    Some(asked + self.jitter(self.policy.base))
                }
                Some(_) => None,
            },
            Ok(_) | Err(TransportError::Refused { .. } | TransportError::TooLarge { .. }) => None,
        }
    }
}

/// 401 is not among them: signing in again is for the adapter, which has the credential.
fn may_pass(status: StatusCode) -> bool {
    is_throttling(status) || matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

#[async_trait]
impl Transport for Retrying {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let reads = request
            .extensions()
            .get::<CallPolicy>()
            .is_some_and(|policy| policy.effect == Effect::Read);
        if !reads {
            return self.inner.send(request).await;
        }
        let began = self.clock.monotonic();
        let mut attempt = 0;
        loop {
            let result = self.inner.send(request.clone()).await;
            if attempt == self.policy.retries {
                return result;
            }
            let Some(wait) = self.wait(attempt, &result) else {
                return result;
            };
            let spent = self.clock.monotonic().saturating_sub(began);
            if spent.saturating_add(wait) > self.policy.total {
                return result;
            }
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{
        Script, TestClock, TestEntropy, answer, read_request, with_header, write_request,
    };
    use super::*;

    type Answers = Vec<Result<http::Response<Bytes>, TransportError>>;

    struct Run {
        result: Result<http::Response<Bytes>, TransportError>,
        attempts: usize,
        waits: Vec<Duration>,
    }

    async fn run(request: http::Request<Bytes>, answers: Answers) -> Run {
        let clock = Arc::new(TestClock::default());
        let script = Arc::new(Script::new(answers));
        let retrying = Retrying::new(
            script.clone(),
            clock.clone(),
            Arc::new(TestEntropy(u64::MAX)),
            RetryPolicy::default(),
        );
        let result = retrying.send(request).await;
        Run {
            result,
            attempts: script.requests().len(),
            waits: clock.sleeps(),
        }
    }

    fn reset() -> Result<http::Response<Bytes>, TransportError> {
        Err(TransportError::NoAnswer("reset".into()))
    }

    #[tokio::test]
    async fn a_read_is_sent_again_after_what_may_pass_until_it_succeeds() {
        let answers = vec![
            Err(TransportError::NotSent("refused".into())),
            reset(),
            Ok(answer(503, "<html>")),
            Ok(answer(200, "{}")),
        ];
        let run = run(read_request("query"), answers).await;
        assert_eq!(run.result.unwrap().status(), 200);
        assert_eq!(run.attempts, 4);
    }

    #[tokio::test]
    async fn a_read_has_at_most_three_more_attempts_and_no_wait_exceeds_its_ceiling() {
        let run = run(
            read_request("query"),
            vec![reset(), reset(), reset(), reset(), reset()],
        )
        .await;
        assert!(run.result.is_err());
        assert_eq!(run.attempts, 4);
        let ceilings = [500, 1000, 2000].map(Duration::from_millis);
        assert!(
            run.waits
                .iter()
                .zip(ceilings)
                .all(|(wait, ceiling)| *wait <= ceiling)
        );
        assert_eq!(run.waits.len(), 3);
    }

    #[tokio::test]
    async fn a_write_is_sent_once_whatever_comes() {
        for first in [
            reset(),
            Err(TransportError::NotSent("refused".into())),
            Ok(answer(503, "")),
            Ok(with_header(answer(429, ""), "retry-after", "1")),
        ] {
            let run = run(write_request("create"), vec![first, Ok(answer(200, "{}"))]).await;
            assert_eq!(run.attempts, 1);
            assert!(run.waits.is_empty());
        }
    }

    #[tokio::test]
    async fn a_request_without_a_policy_counts_as_a_write() {
        let run = run(http::Request::new(Bytes::new()), vec![reset(), reset()]).await;
        assert_eq!(run.attempts, 1);
    }

    #[tokio::test]
    async fn an_answer_that_another_attempt_cannot_better_is_final() {
        for status in [200, 302, 400, 401, 403, 404, 501] {
            let run = run(read_request("query"), vec![Ok(answer(status, ""))]).await;
            assert_eq!(run.result.unwrap().status(), status);
            assert_eq!(run.attempts, 1, "{status}");
        }
        let run = run(
            read_request("query"),
            vec![Err(TransportError::TooLarge { limit: 9 })],
        )
        .await;
        assert_eq!(run.attempts, 1);
    }

    #[tokio::test]
    async fn a_short_retry_after_is_waited_for_and_a_long_one_goes_to_the_caller() {
        let short = with_header(answer(429, ""), "retry-after", "20");
        let run_short = run(read_request("query"), vec![Ok(short), Ok(answer(200, "{}"))]).await;
        assert_eq!(run_short.result.unwrap().status(), 200);
        assert!(run_short.waits[0] >= Duration::from_secs(20));

        let long = with_header(answer(503, ""), "retry-after", "45");
        let run_long = run(read_request("query"), vec![Ok(long), Ok(answer(200, "{}"))]).await;
        assert_eq!(run_long.result.unwrap().status(), 503);
        assert!(run_long.waits.is_empty());
    }

    #[tokio::test]
    async fn the_whole_is_bounded_even_when_every_wait_was_asked_for() {
        let busy = || Ok(with_header(answer(429, ""), "retry-after", "25"));
        let run = run(read_request("query"), vec![busy(), busy(), busy(), busy()]).await;
        assert_eq!(run.result.unwrap().status(), 429);
        assert_eq!(run.attempts, 3);
        assert!(run.waits.iter().sum::<Duration>() <= Duration::from_mins(1));
    }
}
