//! A service with the world around it: faults on the way, and calls counted.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::calls::CallCounts;
use crate::faults::{Delivered, Effect, Faults};
use crate::model::{Actor, Model, Request, Response};

/// A model with faults in front of it and its calls counted: what the HTTP front and the simulation share.
#[derive(Debug, Clone, Default)]
pub struct Simulator<M> {
    /// The service itself.
    pub model: M,
    /// What goes wrong on the way to it and back.
    pub faults: Faults,
    /// The calls made so far.
    pub calls: CallCounts,
    /// Requests whose connection is gone but that the service will still act on, soonest first.
    underway: Vec<(Timestamp, Request)>,
}

impl<M: Model> Simulator<M> {
    /// A service with no faults and no calls yet.
    pub fn new(model: M) -> Self {
        Self {
            model,
            faults: Faults::default(),
            calls: CallCounts::default(),
            underway: Vec::new(),
        }
    }

    /// Delivers a request at the service's moment `now` and says what its client sees, at once: a delay fault is
    /// ignored, since only a caller knows what waiting means.
    pub fn deliver(&mut self, request: &Request, now: Timestamp) -> Delivered {
        self.deliver_timed(request, now).1
    }

    /// As [`Simulator::deliver`], with the time the client has to wait for it.
    pub fn deliver_timed(&mut self, request: &Request, now: Timestamp) -> (Duration, Delivered) {
        self.settle(now);
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
            Some(Effect::ActLater { millis }) => {
                let later = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
                let due = now.checked_add(later).unwrap_or(now);
                let after = self.underway.partition_point(|(other, _)| *other <= due);
                self.underway.insert(after, (due, request.clone()));
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

    /// Lets the service act on what is due by `now` of requests whose connection is long gone. Every delivery does this
    /// first; call it before looking at the model itself.
    pub fn settle(&mut self, now: Timestamp) {
        let due = self.underway.partition_point(|(due, _)| *due <= now);
        let due: Vec<(Timestamp, Request)> = self.underway.drain(..due).collect();
        for (moment, request) in due {
            self.act(&request, moment);
        }
    }

    /// Whether a request is still underway to the service.
    pub fn is_settled(&self) -> bool {
        self.underway.is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;
    use crate::model::Admin as _;
    use crate::salesforce::{CLIENT_ID, CLIENT_SECRET, Salesforce};

    const START: Timestamp = Timestamp::constant(1_721_642_400, 0);

    fn at(seconds: i64) -> Timestamp {
        START.checked_add(SignedDuration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn a_request_given_up_on_can_still_be_acted_on_later_and_only_once() {
        let mut simulator = Simulator::new(Salesforce::new());
        let form =
            format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
        let sign_in = http::Request::post("/services/oauth2/token")
            .body(Bytes::from(form))
            .unwrap();
        let answer = simulator.deliver(&sign_in, START).answer().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let create = http::Request::post("/services/data/v62.0/sobjects/Case")
            .header(
                "authorization",
                format!("Bearer {}", answer["access_token"].as_str().unwrap()),
            )
            .header("content-type", "application/json")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        simulator.faults.add(Fault::once(
            "salesforce.record.create",
            Effect::ActLater { millis: 30_000 },
        ));

        assert!(simulator.deliver(&create, START).answer().is_none());
        simulator.settle(at(29));
        assert!(simulator.model.records("Case").is_empty() && !simulator.is_settled());
        simulator.settle(at(45));
        simulator.settle(at(60));
        let cases = simulator.model.records("Case");
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0]["CreatedDate"], "2024-07-22T10:00:30.000+0000");
        assert_eq!(simulator.calls.calls("salesforce.record.create"), 1);
        assert_eq!(simulator.calls.effective_writes(""), 1);
    }
}
