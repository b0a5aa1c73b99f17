//! The Batch API: several requests in one, served one after the other until 30 seconds are used up.
//!
//! Source: ServiceNow docs, "Batch API". Not atomic; what was not reached is named in `unserviced_requests`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ServiceNow;
use super::answer;
use super::errors::ApiError;
use super::request::{Call, Resource};
use super::users::Principal;
use crate::model::{Request, Response};

/// The transaction quota of a batch in milliseconds.
const QUOTA_MILLIS: u64 = 30_000;

/// One inner request.
struct Inner {
    id: String,
    request: Request,
    exclude_headers: bool,
}

impl ServiceNow {
    pub(super) fn batch(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        if call.method != Method::POST {
            return Err(ApiError::method());
        }
        call.check_write_headers()?;
        let body = call.json_object()?;
        let Some(Value::Array(asked)) = body.get("rest_requests") else {
            return Err(ApiError::unreadable("rest_requests is missing"));
        };
        let inners: Vec<Inner> = asked.iter().map(inner).collect::<Result<_, _>>()?;
        let mut used = 0;
        let (mut serviced, mut unserviced) = (Vec::new(), Vec::new());
        let mut cancelled = false;
        for one in inners {
            let kind = super::kind(&Call::of(&one.request));
            let served = self.by_habit(kind, |instance| {
                let cost = instance.switches.batch_inner_millis;
                // The transaction ends with the first request that does not fit: the later ones are not tried.
                cancelled |= used + cost > QUOTA_MILLIS;
                used += cost;
                (!cancelled).then(|| instance.serve_inner(&one, principal, cost, now))
            });
            match served {
                Some(served) => serviced.push(served),
                None => unserviced.push(one.id),
            }
        }
        let answer = json!({
            "batch_request_id": text_of(body.get("batch_request_id")),
            "serviced_requests": serviced,
            "unserviced_requests": unserviced,
        });
        Ok(answer::json(StatusCode::OK, &answer))
    }

    fn serve_inner(&mut self, inner: &Inner, principal: &Principal, cost: u64, now: Timestamp) -> Value {
        let call = Call::of(&inner.request);
        self.inner_calls.count_call(super::kind(&call));
        let served = if call.resource() == Resource::Batch {
            // A batch in a batch is refused.
            Err(ApiError::no_resource(call.request.uri().path()))
        } else {
            self.dispatch(&call, principal, now)
        };
        let response = served.unwrap_or_else(|error| error.response());
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(inner.id));
        shown.insert("body".to_owned(), json!(STANDARD.encode(response.body())));
        shown.insert("status_code".to_owned(), json!(response.status().as_u16()));
        shown.insert(
            "status_text".to_owned(),
            json!(response.status().canonical_reason().unwrap_or_default()),
        );
        if !inner.exclude_headers {
            let headers = response.headers().iter().filter_map(|(name, value)| {
                Some(json!({"name": spelled(name.as_str()), "value": value.to_str().ok()?}))
            });
            shown.insert("headers".to_owned(), Value::Array(headers.collect()));
        }
        shown.insert("execution_time".to_owned(), json!(cost));
        Value::Object(shown)
    }
}

/// `content-type` as `Content-Type`: header names inside a body keep the platform's spelling.
fn spelled(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    name.split('-').map(part).collect::<Vec<String>>().join("-")
}

/// Ids may be sent as numbers; they come back as strings.
fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn inner(asked: &Value) -> Result<Inner, ApiError> {
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    let bad = |what: &str| ApiError::unreadable(&format!("rest_requests: {what}"));
    let uri: Uri = text("url").unwrap_or_default().parse().map_err(|_| bad("url"))?;
    let method: Method = text("method")
        .unwrap_or("GET")
        .parse()
        .map_err(|_| bad("method"))?;
    let body = text("body")
        .map(|encoded| STANDARD.decode(encoded))
        .transpose()
        .map_err(|_| bad("body"))?;
    let mut request = Request::new(Bytes::from(body.unwrap_or_default()));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for header in asked
        .get("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let part = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let name: HeaderName = part("name").parse().map_err(|_| bad("headers"))?;
        let value: HeaderValue = part("value").parse().map_err(|_| bad("headers"))?;
        request.headers_mut().append(name, value);
    }
    let exclude_headers = asked
        .get("exclude_response_headers")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Ok(Inner {
        id: text_of(asked.get("id")),
        request,
        exclude_headers,
    })
}
