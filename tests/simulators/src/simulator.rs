//! A service with the world around it: faults on the way, and calls counted.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;

use crate::calls::CallCounts;
use crate::faults::{Delivered, Effect, Faults};
use crate::model::{Actor, Model, Request, Response};

/// A model with faults in front of it and its calls counted: what the HTTP front and the simulation share.
#[derive(Debug, Default)]
pub struct Simulator<M> {
    /// The service itself.
    pub model: M,
    /// What goes wrong on the way to it and back.
    pub faults: Faults,
    /// The calls made so far.
    pub calls: CallCounts,
}

impl<M: Model> Simulator<M> {
    /// A service with no faults and no calls yet.
    pub fn new(model: M) -> Self {
        Self {
            model,
            faults: Faults::default(),
            calls: CallCounts::default(),
        }
    }

    /// Delivers a request at the service's moment `now` and says what its client sees, at once: a delay fault is
    /// ignored, since only a caller knows what waiting means.
    pub fn deliver(&mut self, request: &Request, now: Timestamp) -> Delivered {
        self.deliver_timed(request, now).1
    }

    /// As [`Simulator::deliver`], with the time the client has to wait for it.
    pub fn deliver_timed(&mut self, request: &Request, now: Timestamp) -> (Duration, Delivered) {
        let kind = self.model.classify(request);
        self.calls.count_call(kind);
        let mut delay = Duration::ZERO;
        let response = match self.faults.strike(kind) {
            None => self.act(request, now),
            Some(Effect::LoseRequest) => return (delay, Delivered::NoAnswer),
            Some(Effect::LoseAnswer) => {
                self.act(request, now);
                return (delay, Delivered::NoAnswer);
            }
            Some(Effect::StatusBefore(canned)) => canned.response(),
            Some(Effect::StatusAfter(canned)) => {
                self.act(request, now);
                canned.response()
            }
            Some(Effect::HtmlPage) => html_page(),
            Some(Effect::TruncateBody { bytes }) => self
                .act(request, now)
                .map(|body| body.slice(..bytes.min(body.len()))),
            Some(Effect::Delay { millis }) => {
                delay = Duration::from_millis(millis);
                self.act(request, now)
            }
            Some(Effect::Accepted202) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::ACCEPTED;
                response
            }
        };
        (delay, Delivered::Answer(dated(response, now)))
    }

    fn act(&mut self, request: &Request, now: Timestamp) -> Response {
        let kind = self.model.classify(request);
        let seen = self.model.writes().len();
        let response = self.model.handle(request, now);
        let written = self.model.writes().get(seen..).unwrap_or_default();
        // What the service's automations did meanwhile is not the client's doing.
        let made = written
            .iter()
            .filter(|write| matches!(write.actor, Actor::Api(_)));
        let effective = made.clone().filter(|write| write.is_effective()).count();
        self.calls
            .count_writes(kind, made.count() as u64, effective as u64);
        response
    }
}

fn html_page() -> Response {
    let page = "<!DOCTYPE html><html><head><title>Please wait</title></head><body>Your instance is hibernating.\
                </body></html>";
    let mut response = Response::new(Bytes::from_static(page.as_bytes()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html;charset=UTF-8"));
    response
}

/// Both vendors send `Date`, and a client may only trust the server's clock: so it is the service's `now`, not the
/// machine's.
fn dated(mut response: Response, now: Timestamp) -> Response {
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().entry(DATE).or_insert(date);
    }
    response
}
