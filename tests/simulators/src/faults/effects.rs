//! What a fault does to one call: on its way to the service, at the vendor's edge, or on its way back.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::model::Response;

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
    /// The service does not act; the client is sent elsewhere. What it carries there is its own doing.
    Redirect {
        /// The whole address.
        location: String,
        /// The status, 307 when not given: the client is to repeat the request, body and all.
        #[serde(default = "temporary_redirect")]
        status: u16,
    },
    /// The service acts; instead of its body come that many JSON arrays, each within the one before.
    DeepJson {
        /// How many.
        depth: usize,
    },
    /// The service acts; within the first text of its body stand bytes that are not UTF-8.
    InvalidUtf8,
    /// The service acts; before its own headers come others of that many bytes together, 8,000 at most each.
    HugeHeaders {
        /// How many bytes.
        bytes: usize,
    },
    /// The service acts; its body is followed by blanks, for as long as somebody reads. Without a wire: no answer.
    EndlessBody,
    /// The service acts; instead of its body comes a little gzip that unpacks to that much. Without a wire: no answer.
    GzipBomb {
        /// How much, in MiB. About a thousandth of it crosses the wire.
        mebibytes: u32,
    },
    /// The service acts; its body arrives byte by byte. Without a wire, at once.
    SlowDrip {
        /// The wait before each byte, in milliseconds.
        millis: u64,
    },
    /// The service acts; its `Content-Length` is a lie. A body that is longer arrives cut at that length; one that is
    /// shorter ends with the connection, which without a wire is no answer.
    ContentLength {
        /// What the header says.
        claimed: u64,
    },
}

fn temporary_redirect() -> u16 {
    StatusCode::TEMPORARY_REDIRECT.as_u16()
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

/// How an answer crosses the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Whole.
    Plain,
    /// Whole, after a wait.
    After(Duration),
    /// Byte by byte, with a wait before each.
    Dripping(Duration),
    /// Followed by blanks without end.
    Endless,
    /// As gzip that unpacks to that many MiB.
    Bomb(u32),
    /// Under a `Content-Length` of that many bytes.
    Claiming(u64),
}

pub(crate) fn accepted() -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

pub(crate) fn html_page() -> Response {
    let page = "<!DOCTYPE html><html><head><title>Please wait</title></head><body>Your instance is hibernating.\
                </body></html>";
    let mut response = Response::new(Bytes::from_static(page.as_bytes()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html;charset=UTF-8"));
    response
}

pub(crate) fn redirect(location: &str, status: u16) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

pub(crate) fn nested(response: Response, depth: usize) -> Response {
    response.map(|_| Bytes::from(["[".repeat(depth), "]".repeat(depth)].concat()))
}

pub(crate) fn not_utf8(response: Response) -> Response {
    response.map(|body| {
        let quote = body.iter().position(|byte| *byte == b'"');
        let (before, after) = body.split_at(quote.map_or(0, |quote| quote + 1));
        // A lone continuation byte, and a sequence that may never begin one.
        Bytes::from([before, b"\x80\xff", after].concat())
    })
}

pub(crate) fn with_huge_headers(mut response: Response, bytes: usize) -> Response {
    const EACH: usize = 8_000;
    let own = std::mem::take(response.headers_mut());
    let mut left = bytes;
    for number in 0.. {
        if left == 0 {
            break;
        }
        let length = left.min(EACH);
        left -= length;
        let name = HeaderName::from_bytes(format!("x-padding-{number}").as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&"x".repeat(length))) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().extend(own);
    response
}
