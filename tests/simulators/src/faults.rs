//! Faults: what the network and the vendor's edge do to calls, switched on from code or over the admin door.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::calls::CallKind;
use crate::model::Response;

/// What a client sees of a call.
#[derive(Debug)]
pub enum Delivered {
    /// A response arrived.
    Answer(Response),
    /// The connection was closed without one. The client cannot tell whether the service acted.
    NoAnswer,
}

impl Delivered {
    /// The response, if one arrived.
    pub fn answer(self) -> Option<Response> {
        match self {
            Self::Answer(response) => Some(response),
            Self::NoAnswer => None,
        }
    }
}

/// What a fault does to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "effect", deny_unknown_fields)]
pub enum Effect {
    /// The request never reaches the service; the connection is closed.
    LoseRequest,
    /// The service acts on the request; the connection is closed without the answer.
    LoseAnswer,
    /// The connection is closed at once; the service acts `millis` milliseconds later. What was looked for in vain
    /// after a time-out can still come to be.
    ActLater {
        /// How much later, in milliseconds.
        millis: u64,
    },
    /// The service does not act; this comes instead of its answer.
    #[serde(rename_all = "camelCase")]
    StatusBefore(CannedAnswer),
    /// The service acts; this comes instead of its answer (a gateway that gave up waiting).
    #[serde(rename_all = "camelCase")]
    StatusAfter(CannedAnswer),
    /// The service does not act; an HTML page with status 200 comes instead (a hibernating instance, a login page).
    HtmlPage,
    /// The service acts; only the first `bytes` bytes of its body arrive, under its own status.
    TruncateBody {
        /// How many bytes of the body are kept.
        bytes: usize,
    },
    /// The service acts and answers after `millis` milliseconds. Only the HTTP front waits; a simulation with a
    /// virtual clock gets the answer at once.
    Delay {
        /// The wait in milliseconds.
        millis: u64,
    },
    /// HTTP 202 with an empty body, and the request silently not executed (ServiceNow's session queue overflow).
    Accepted202,
}

/// A status, headers and body given instead of the service's own answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CannedAnswer {
    /// The HTTP status code.
    pub status: u16,
    /// The body, as is.
    #[serde(default)]
    pub body: String,
    /// Headers by name.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

impl CannedAnswer {
    /// The answer as a response. A header that HTTP does not allow is left out; an impossible status becomes 500.
    pub fn response(&self) -> Response {
        let mut response = Response::new(Bytes::from(self.body.clone()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// One fault: which calls, how many of them, and what happens to those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The kind or family of kinds that it hits (see [`CallKind::is_within`]); empty for every call.
    #[serde(default)]
    pub calls: String,
    /// How many matching calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many matching calls it hits after those; `None` for all until it is cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens to them.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Fault {
    /// A fault that hits the next matching call only.
    pub fn once(calls: impl Into<String>, effect: Effect) -> Self {
        Self {
            calls: calls.into(),
            skip: 0,
            times: Some(1),
            effect,
        }
    }

    /// A fault that hits every matching call until it is cleared.
    pub fn always(calls: impl Into<String>, effect: Effect) -> Self {
        Self {
            calls: calls.into(),
            skip: 0,
            times: None,
            effect,
        }
    }
}

/// The faults that are switched on, in the order they were added. A call is hit by the first that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Switches a fault on.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Switches every fault off.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The effect on the next call of this kind, if any, counting it down.
    pub(crate) fn strike(&mut self, kind: CallKind) -> Option<Effect> {
        let mut struck = None;
        for fault in &mut self.0 {
            if !kind.is_within(&fault.calls) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
            struck = Some(fault.effect.clone());
            break;
        }
        self.0.retain(|fault| fault.times != Some(0));
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: CallKind = CallKind::new("salesforce.query");
    const CREATE: CallKind = CallKind::new("salesforce.collections.create");

    #[test]
    fn a_fault_hits_as_many_matching_calls_as_it_says_after_those_it_lets_pass() {
        let mut faults = Faults::default();
        faults.add(Fault {
            calls: "salesforce.collections".into(),
            skip: 1,
            times: Some(2),
            effect: Effect::LoseAnswer,
        });
        assert_eq!(faults.strike(CREATE), None);
        assert_eq!(faults.strike(QUERY), None);
        assert_eq!(faults.strike(CREATE), Some(Effect::LoseAnswer));
        assert_eq!(faults.strike(CREATE), Some(Effect::LoseAnswer));
        assert_eq!(faults.strike(CREATE), None);
        assert!(faults.is_empty());
    }

    #[test]
    fn faults_are_read_from_the_admin_doors_json() {
        let read: Fault = serde_json::from_str(
            r#"{"calls":"salesforce.query","times":3,"effect":"statusBefore","status":503,"body":"<html>"}"#,
        )
        .unwrap();
        assert_eq!(read.times, Some(3));
        assert_eq!(
            read.effect,
            Effect::StatusBefore(CannedAnswer {
                status: 503,
                body: "<html>".into(),
                headers: vec![]
            })
        );
        let read: Fault = serde_json::from_str(r#"{"effect":"truncateBody","bytes":10}"#).unwrap();
        assert_eq!(read.effect, Effect::TruncateBody { bytes: 10 });
        assert!(serde_json::from_str::<Fault>(r#"{"effect":"explode"}"#).is_err());
    }
}
