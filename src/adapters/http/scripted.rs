//! A transport, a clock and a source of chance for tests: nothing but what the test wrote down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::core::time::Instant;
use crate::ports::{CallPolicy, Clock, Effect, Entropy, Transport, TransportError};

type Answer = Result<http::Response<Bytes>, TransportError>;

/// Gives its answers in order and keeps the requests. Answers [`TransportError::NotSent`] when it has none left.
pub struct Script {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<http::Request<Bytes>>>,
    taking: Option<(Arc<TestClock>, Duration)>,
}

impl Script {
    /// Will give these answers.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            requests: Mutex::default(),
            taking: None,
        }
    }

    /// Each answer takes this long by `clock`.
    pub fn taking(mut self, clock: Arc<TestClock>, each: Duration) -> Self {
        self.taking = Some((clock, each));
        self
    }

    /// What was sent so far.
    pub fn requests(&self) -> Vec<http::Request<Bytes>> {
        self.requests.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Answer {
        self.requests.lock().unwrap().push(request);
        // Others get their turn, as they do while a real call is on its way.
        tokio::task::yield_now().await;
        if let Some((clock, each)) = &self.taking {
            clock.advance(*each);
        }
        self.answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| Err(TransportError::NotSent("the script has no answer left".into())))
    }
}

/// A clock that moves when told to, and when somebody sleeps.
#[derive(Default)]
pub struct TestClock {
    passed: Mutex<Duration>,
    sleeps: Mutex<Vec<Duration>>,
}

impl TestClock {
    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }

    /// Every sleep so far.
    pub fn sleeps(&self) -> Vec<Duration> {
        self.sleeps.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_seconds(1_700_000_000).later(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        *self.passed.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.sleeps.lock().unwrap().push(duration);
        self.advance(duration);
    }
}

/// Always the same number.
pub struct TestEntropy(pub u64);

impl Entropy for TestEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, random) in buffer.iter_mut().zip(self.0.to_le_bytes().iter().cycle()) {
            *byte = *random;
        }
    }
}

/// An answer of this status and body.
pub fn answer(status: u16, body: &str) -> http::Response<Bytes> {
    http::Response::builder()
        .status(status)
        .header("date", "Sun, 22 Nov 2026 10:00:00 GMT")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

/// The answer with one more header.
pub fn with_header(
    mut answer: http::Response<Bytes>,
    name: &'static str,
    value: &'static str,
) -> http::Response<Bytes> {
    answer
        .headers_mut()
        .insert(name, http::HeaderValue::from_static(value));
    answer
}

/// A request that only reads.
pub fn read_request(action: &'static str) -> http::Request<Bytes> {
    request(action, Effect::Read)
}

/// A request that changes something.
pub fn write_request(action: &'static str) -> http::Request<Bytes> {
    request(action, Effect::Write)
}

fn request(action: &'static str, effect: Effect) -> http::Request<Bytes> {
    let mut request = http::Request::new(Bytes::new());
    request.extensions_mut().insert(CallPolicy {
        action,
        effect,
        timeout: Duration::from_secs(30),
    });
    request
}
