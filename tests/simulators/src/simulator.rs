//! A service with the world around it: faults on the way, and calls counted.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};

use crate::calls::{CallCounts, CallKind};
use crate::faults::effects::{self, Effect, Passage};
use crate::faults::{Delivered, Faults};
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

    /// Delivers a request at the service's moment `now` and says what its client sees, at once: what a fault does to
    /// the wire itself becomes what a client without one would make of it (see [`Effect`]).
    pub fn deliver(&mut self, request: &Request, now: Timestamp) -> Delivered {
        let Some((response, passage)) = self.carry(request, now) else {
            return Delivered::NoAnswer;
        };
        match passage {
            Passage::Plain | Passage::After(_) | Passage::Dripping(_) => Delivered::Answer(response),
            Passage::Endless | Passage::Bomb(_) => Delivered::NoAnswer,
            Passage::Claiming(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > response.body().len() {
                    return Delivered::NoAnswer;
                }
                Delivered::Answer(response.map(|body| body.slice(..length)))
            }
        }
    }

    /// Delivers a request, and says what comes back and how it is to cross the wire; `None` when nothing does.
    pub(crate) fn carry(&mut self, request: &Request, now: Timestamp) -> Option<(Response, Passage)> {
        self.settle(now);
        let kind = self.model.classify(request);
        self.calls.count_call(kind);
        let mut passage = Passage::Plain;
        let response = match self.faults.strike(kind) {
            None => self.act(request, now),
            Some(Effect::LoseRequest) => return None,
            Some(Effect::LoseAnswer) => {
                self.act(request, now);
                return None;
            }
            Some(Effect::ActLater { millis }) => {
                let later = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
                let due = now.checked_add(later).unwrap_or(now);
                let after = self.underway.partition_point(|(other, _)| *other <= due);
                self.underway.insert(after, (due, request.clone()));
                return None;
            }
            Some(Effect::StatusBefore(canned)) => canned.response(),
            Some(Effect::StatusAfter(canned)) => {
                self.act(request, now);
                canned.response()
            }
            Some(Effect::HtmlPage) => effects::html_page(),
            Some(Effect::Accepted202) => effects::accepted(),
            Some(Effect::Redirect { location, status }) => effects::redirect(&location, status),
            Some(Effect::TruncateBody { bytes }) => self
                .act(request, now)
                .map(|body| body.slice(..bytes.min(body.len()))),
            Some(Effect::DeepJson { depth }) => effects::nested(self.act(request, now), depth),
            Some(Effect::InvalidUtf8) => effects::not_utf8(self.act(request, now)),
            Some(Effect::HugeHeaders { bytes }) => effects::with_huge_headers(self.act(request, now), bytes),
            Some(Effect::Delay { millis }) => {
                passage = Passage::After(Duration::from_millis(millis));
                self.act(request, now)
            }
            Some(Effect::SlowDrip { millis }) => {
                passage = Passage::Dripping(Duration::from_millis(millis));
                self.act(request, now)
            }
            Some(Effect::EndlessBody) => {
                passage = Passage::Endless;
                self.act(request, now)
            }
            Some(Effect::GzipBomb { mebibytes }) => {
                passage = Passage::Bomb(mebibytes);
                self.act(request, now)
            }
            Some(Effect::ContentLength { claimed }) => {
                passage = Passage::Claiming(claimed);
                self.act(request, now)
            }
        };
        Some((dated(response, now), passage))
    }

    /// Lets the service do what is due by `now`: act on requests whose connection is long gone, and run its jobs. Every
    /// delivery does this first; call it before looking at the model itself.
    pub fn settle(&mut self, now: Timestamp) {
        let due = self.underway.partition_point(|(due, _)| *due <= now);
        let due: Vec<(Timestamp, Request)> = self.underway.drain(..due).collect();
        for (moment, request) in due {
            self.run(moment);
            self.act(&request, moment);
        }
        self.run(now);
    }

    fn run(&mut self, now: Timestamp) {
        let seen = self.model.writes().len();
        if let Some(kind) = self.model.settle(now) {
            self.count_writes(kind, seen);
        }
    }

    /// Whether a request is still underway to the service.
    pub fn is_settled(&self) -> bool {
        self.underway.is_empty()
    }

    fn act(&mut self, request: &Request, now: Timestamp) -> Response {
        if request.method() != Method::HEAD {
            return self.act_on(request, now);
        }
        // What GET would answer, without its body.
        let mut get = request.clone();
        *get.method_mut() = Method::GET;
        let mut response = self.act_on(&get, now);
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response.map(|_| Bytes::new())
    }

    fn act_on(&mut self, request: &Request, now: Timestamp) -> Response {
        let kind = self.model.classify(request);
        let seen = self.model.writes().len();
        let response = self.model.handle(request, now);
        self.count_writes(kind, seen);
        response
    }

    /// Counts the writes after the first `seen`.
    fn count_writes(&mut self, kind: CallKind, seen: usize) {
        let written = self.model.writes().get(seen..).unwrap_or_default();
        // What the service's automations did meanwhile is not the client's doing.
        let made = written
            .iter()
            .filter(|write| matches!(write.actor, Actor::Api(_)));
        let effective = made.clone().filter(|write| write.is_effective()).count();
        self.calls
            .count_writes(kind, made.count() as u64, effective as u64);
    }
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
    fn without_a_wire_hostile_answers_are_what_a_client_would_make_of_them() {
        let versions = http::Request::get("/services/data").body(Bytes::new()).unwrap();
        let mut simulator = Simulator::new(Salesforce::new());
        let mut seen = |effect| {
            simulator.faults.add(Fault::once("", effect));
            let answer = simulator.deliver(&versions, START).answer();
            answer.map(http::Response::into_body)
        };
        let honest = seen(Effect::Delay { millis: 5 }).unwrap();
        assert_eq!(seen(Effect::EndlessBody), None);
        assert_eq!(seen(Effect::GzipBomb { mebibytes: 100_000 }), None);
        assert_eq!(seen(Effect::ContentLength { claimed: 1 << 40 }), None);
        assert_eq!(
            seen(Effect::ContentLength { claimed: 7 }),
            Some(honest.slice(..7))
        );
        assert_eq!(seen(Effect::SlowDrip { millis: 1000 }), Some(honest.clone()));
        assert_eq!(seen(Effect::HugeHeaders { bytes: 20_000 }), Some(honest));
        assert_eq!(seen(Effect::DeepJson { depth: 3 }).unwrap(), "[[[]]]");
        assert!(std::str::from_utf8(&seen(Effect::InvalidUtf8).unwrap()).is_err());
    }

    #[test]
    fn head_is_what_get_is_without_its_body() {
        let mut simulator = Simulator::new(Salesforce::new());
        let head = http::Request::head("/services/data").body(Bytes::new()).unwrap();
        let answer = simulator.deliver(&head, START).answer().unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.body().is_empty() && answer.headers()["content-length"] != "0");
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
