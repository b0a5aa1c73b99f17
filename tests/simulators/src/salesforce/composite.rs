//! Many requests in one call: `composite`, whose requests can build on each other's answers, and `composite/batch`.
//!
//! REST API Developer Guide: "Composite", "Composite Batch". `collateSubrequests` is taken and changes nothing: the
//! requests are worked off in their order.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::dispatch::Call;
use super::error::{ApiError, respond};
use super::reference::{referred, resolved};
use super::routes::{Resource, Route, route};
use super::store::Store;
use super::{Salesforce, is_known_version, routes};
use crate::model::{Request, Response};

/// The most requests in one call.
const MOST: usize = 25;
/// The most of them that query, or that write many records.
const MOST_LARGE: usize = 5;
/// The headers of an answer that are told of each request's.
const TOLD: [(&HeaderName, &str); 3] = [
    (&LOCATION, "Location"),
    (&ETAG, "ETag"),
    (&LAST_MODIFIED, "Last-Modified"),
];

/// Where the org stood, to come back to.
pub(crate) struct Savepoint {
    store: Store,
    writes: usize,
}

/// What one request of a call came to.
struct Answer {
    status: StatusCode,
    body: Value,
    headers: Value,
}

impl Answer {
    /// Whether it failed, or a record in it did.
    fn failed(&self) -> bool {
        let item_failed = |item: &Value| item.get("success") == Some(&Value::Bool(false));
        self.status.is_client_error()
            || self.status.is_server_error()
            || self
                .body
                .as_array()
                .is_some_and(|items| items.iter().any(item_failed))
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let mut headers = serde_json::Map::new();
        for (name, told) in TOLD {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            if let Some(value) = value {
                headers.insert(told.to_owned(), json!(value));
            }
        }
        Self {
            status: response.status(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
            headers: Value::Object(headers),
        }
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Response::from(error).into()
    }
}

impl Salesforce {
    /// Where the org stands now.
    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint {
            store: self.store.clone(),
            writes: self.writes.len(),
        }
    }

    /// Undoes every write since.
    pub(crate) fn roll_back(&mut self, to: Savepoint) {
        self.store = to.store;
        self.writes.truncate(to.writes);
    }

    /// `POST composite`.
    pub(crate) fn composite(&mut self, body: &Value, call: &Call<'_>) -> Result<Response, ApiError> {
        let requests = listed(body, "compositeRequest")?;
        let ids = reference_ids(requests)?;
        let all_or_none = body.get("allOrNone") == Some(&Value::Bool(true));
        let savepoint = all_or_none.then(|| self.savepoint());
        let mut bodies: BTreeMap<&str, Value> = BTreeMap::new();
        let mut answers: Vec<Answer> = Vec::new();
        for (request, id) in requests.iter().zip(&ids) {
            let answer = self.composed(request, &bodies, all_or_none, call);
            let answer = answer.unwrap_or_else(Answer::from);
            let failed = answer.failed();
            if !failed {
                bodies.insert(id, answer.body.clone());
            }
            answers.push(answer);
            if failed && all_or_none {
                break;
            }
        }
        if let Some(savepoint) = savepoint
            && answers.last().is_some_and(Answer::failed)
        {
            self.roll_back(savepoint);
            let failure = answers.pop();
            let before = answers.len();
            answers = (0..requests.len()).map(|_| Answer::from(rolled_back())).collect();
            if let (Some(place), Some(failure)) = (answers.get_mut(before), failure) {
                *place = failure;
            }
        }
        let told: Vec<Value> = answers
            .into_iter()
            .zip(ids)
            .map(|(answer, id)| {
                json!({
                    "body": answer.body,
                    "httpHeaders": answer.headers,
                    "httpStatusCode": answer.status.as_u16(),
                    "referenceId": id,
                })
            })
            .collect();
        Ok(respond(StatusCode::OK, &json!({"compositeResponse": told})))
    }

    /// `POST composite/batch`: requests that know nothing of each other; each counts as a call.
    pub(crate) fn batch(&mut self, body: &Value, call: &Call<'_>) -> Result<Response, ApiError> {
        let requests = listed(body, "batchRequests")?;
        let halts = body.get("haltOnError") == Some(&Value::Bool(true));
        let mut failed = false;
        let mut results = Vec::new();
        for request in requests {
            let answer = if failed && halts {
                let message = "Batch processing halted per request";
                let code = "BATCH_PROCESSING_HALTED";
                Answer::from(ApiError::new(StatusCode::PRECONDITION_FAILED, code, message))
            } else {
                self.limits.count(call.now);
                let url = text(request, "url").trim_start_matches('/').to_owned();
                let url = if url.starts_with("services/") {
                    format!("/{url}")
                } else {
                    format!("/services/data/{url}")
                };
                let input = request.get("richInput").cloned().unwrap_or_default();
                let made = self.sent(text(request, "method"), &url, &input, None, call);
                made.map_or_else(Answer::from, Answer::from)
            };
            failed |= answer.failed();
            results.push(json!({"statusCode": answer.status.as_u16(), "result": answer.body}));
        }
        Ok(respond(
            StatusCode::OK,
            &json!({"hasErrors": failed, "results": results}),
        ))
    }

    /// One request of a composite call, with what it refers to put in.
    fn composed(
        &mut self,
        request: &Value,
        bodies: &BTreeMap<&str, Value>,
        all_or_none: bool,
        call: &Call<'_>,
    ) -> Result<Answer, ApiError> {
        let mut url = resolved(text(request, "url"), bodies)?;
        let mut body = request.get("body").cloned().unwrap_or_default();
        referred(&mut body, bodies)?;
        if all_or_none && url.contains("/composite/sobjects") {
            // The outer flag outweighs the inner one.
            if let Some(body) = body.as_object_mut() {
                body.insert("allOrNone".into(), Value::Bool(true));
            }
            url.push_str(if url.contains('?') { "&" } else { "?" });
            url.push_str("allOrNone=true");
        }
        let response = self.sent(
            text(request, "method"),
            &url,
            &body,
            request.get("httpHeaders"),
            call,
        )?;
        Ok(response.into())
    }

    /// Sends a request of the call's own through the model, as the call's user.
    fn sent(
        &mut self,
        method: &str,
        url: &str,
        body: &Value,
        headers: Option<&Value>,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let request = request_of(method, url, body, headers, call)?;
        let Route::Data { version, resource } = route(&request) else {
            return Err(ApiError::not_found());
        };
        if !is_known_version(&version) || !may_be_composed(&resource) {
            return Err(ApiError::not_found());
        }
        let outer = self.handling.replace(routes::kind(&request));
        let call = Call {
            request: &request,
            version: &version,
            ..*call
        };
        let answer = self.dispatch(&resource, &call);
        self.handling = outer;
        Ok(answer.unwrap_or_else(Response::from))
    }
}

fn may_be_composed(resource: &Resource) -> bool {
    !matches!(
        resource,
        Resource::Composite | Resource::Batch | Resource::Tree(_) | Resource::Nothing
    )
}

fn is_large(request: &Value) -> bool {
    let url = text(request, "url");
    ["/query", "/queryAll", "/composite/sobjects"]
        .iter()
        .any(|large| url.contains(large))
}

fn listed<'a>(body: &'a Value, key: &str) -> Result<&'a [Value], ApiError> {
    let requests = body.get(key).and_then(Value::as_array);
    let requests =
        requests.ok_or_else(|| ApiError::json_parser(format!("The request body requires '{key}'")))?;
    if requests.len() > MOST {
        let message = format!("The request cannot have more than {MOST} subrequests");
        return Err(ApiError::bad_request("LIMIT_EXCEEDED", message));
    }
    if requests.iter().filter(|request| is_large(request)).count() > MOST_LARGE {
        let message =
            format!("The request cannot have more than {MOST_LARGE} query or sObject collection subrequests");
        return Err(ApiError::bad_request("LIMIT_EXCEEDED", message));
    }
    Ok(requests)
}

/// The names of the requests: letters, digits and underscores, each its own.
fn reference_ids(requests: &[Value]) -> Result<Vec<&str>, ApiError> {
    let mut ids: Vec<&str> = Vec::with_capacity(requests.len());
    for request in requests {
        let id = text(request, "referenceId");
        let plain = !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || ids.contains(&id) {
            let message = format!(
                "Provided referenceId ('{id}') must be unique and of letters, numbers and underscores"
            );
            return Err(ApiError::json_parser(message));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn text<'a>(request: &'a Value, key: &str) -> &'a str {
    request.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn request_of(
    method: &str,
    url: &str,
    body: &Value,
    headers: Option<&Value>,
    call: &Call<'_>,
) -> Result<Request, ApiError> {
    let unusable = |what: &str| ApiError::json_parser(format!("The subrequest's {what} cannot be used"));
    let method =
        Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(|_| unusable("method"))?;
    let bytes = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    let mut request = http::Request::new(bytes);
    *request.method_mut() = method;
    *request.uri_mut() = encoded(url).parse().map_err(|_| unusable("url"))?;
    let inherited = call.request.headers().iter();
    let inherited =
        inherited.filter(|(name, _)| **name == AUTHORIZATION || name.as_str().starts_with("sforce-"));
    for (name, value) in inherited {
        request.headers_mut().insert(name, value.clone());
    }
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers.and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().insert(name, value);
        }
    }
    Ok(request)
}

/// An address may be given with blanks and quotes in it, as queries are.
fn encoded(url: &str) -> String {
    let mut encoded = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn rolled_back() -> ApiError {
    let message = "The transaction was rolled back since another operation in the same transaction failed.";
    ApiError::bad_request("PROCESSING_HALTED", message)
}
