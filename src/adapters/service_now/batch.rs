//! The wire form of the Batch API (ServiceNow docs: Batch API).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::{Deserialize, Serialize};

use super::pace::Lap;
use super::send::Request;

/// What is sent: each inner request under its place in the list as its id.
#[derive(Serialize)]
pub(super) struct Batch<'a> {
    batch_request_id: &'a str,
    rest_requests: Vec<Inner<'a>>,
}

impl<'a> Batch<'a> {
    /// These writes, in this order.
    pub(super) fn of(requests: &'a [Request]) -> Self {
        Self {
            batch_request_id: "1",
            rest_requests: requests.iter().enumerate().map(Inner::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct Inner<'a> {
    id: String,
    method: &'a str,
    url: &'a str,
    headers: [Header; 2],
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    exclude_response_headers: bool,
}

#[derive(Serialize)]
struct Header {
    name: &'static str,
    value: &'static str,
}

impl<'a> Inner<'a> {
    fn of((index, request): (usize, &'a Request)) -> Self {
        let json = "application/json";
        Self {
            id: index.to_string(),
            method: request.method.as_str(),
            url: &request.path,
            headers: [
                Header {
                    name: "Content-Type",
                    value: json,
                },
                Header {
                    name: "Accept",
                    value: json,
                },
            ],
            body: STANDARD.encode(&request.body),
            // A new record's address is among them.
            exclude_response_headers: request.method != Method::POST,
        }
    }
}

/// What comes back. Items that are not in the list were not answered.
#[derive(Deserialize)]
pub(super) struct Answer {
    /// In the order in which they were carried out.
    pub(super) serviced_requests: Vec<Serviced>,
}

impl Answer {
    /// How long the batch took: as measured, or as the platform says where that is more.
    pub(super) fn lap(&self, items: usize, took: Duration) -> Lap {
        let times = || self.serviced_requests.iter().map(|one| one.execution_time);
        let told = times().fold(0_u64, u64::saturating_add);
        Lap {
            items,
            took: took.max(Duration::from_millis(told)),
            slowest: Duration::from_millis(times().max().unwrap_or_default()),
            left: items.saturating_sub(self.serviced_requests.len()),
        }
    }
}

/// The answer to one inner request.
#[derive(Deserialize)]
pub(super) struct Serviced {
    /// As sent.
    pub(super) id: String,
    /// Its own HTTP status.
    pub(super) status_code: u16,
    /// Base64.
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    headers: Vec<ResponseHeader>,
    /// In milliseconds.
    #[serde(default)]
    execution_time: u64,
}

impl Serviced {
    /// The value of a header, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = self
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.as_str())
    }
}

#[derive(Deserialize)]
struct ResponseHeader {
    name: String,
    value: String,
}
