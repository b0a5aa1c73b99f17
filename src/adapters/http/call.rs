//! Building requests, and reading answers without trusting them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use jiff::fmt::rfc2822;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded;

use crate::core::time::Instant;
use crate::ports::{CallPolicy, TransportError};

/// A request with its policy as an extension. [`TransportError::NotSent`] where the URL is longer than HTTP libraries
/// take (64 KiB).
pub fn request(
    method: Method,
    url: &Url,
    policy: CallPolicy,
    headers: HeaderMap,
    body: Bytes,
) -> Result<http::Request<Bytes>, TransportError> {
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url
        .as_str()
        .parse()
        .map_err(|_| TransportError::NotSent("the URL of the request is not valid or too long".to_owned()))?;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(policy);
    Ok(request)
}

/// `Authorization: Bearer …`, marked as sensitive so that no debug output shows it.
pub fn bearer(token: &SecretString) -> Result<HeaderValue, TransportError> {
    sensitive(format!("Bearer {}", token.expose_secret()))
}

/// `Authorization: Basic …`, marked as sensitive so that no debug output shows it.
pub fn basic(user: &str, password: &SecretString) -> Result<HeaderValue, TransportError> {
    use base64::Engine as _;
    let pair = format!("{user}:{}", password.expose_secret());
    sensitive(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    ))
}

fn sensitive(text: String) -> Result<HeaderValue, TransportError> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        TransportError::NotSent("the credential holds characters that no header takes".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of `Content-Type` and `Accept` for JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A form as `application/x-www-form-urlencoded`, with its content type put into `headers`.
pub fn form(headers: &mut HeaderMap, fields: &[(&str, &str)]) -> Bytes {
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    Bytes::from(form.finish())
}

/// Why a body could not be read as what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Nothing, or blanks.
    #[error("an empty body")]
    Empty,
    /// A page for people: a gateway's error, a sign-in page, a hibernating instance.
    #[error("an HTML page instead of JSON")]
    Html,
    /// JSON that ends too early.
    #[error("JSON that was cut off")]
    Truncated,
    /// Not JSON, or JSON nested deeper than 128 levels.
    #[error("a body that is not JSON")]
    NotJson,
    /// JSON of another shape.
    #[error("JSON of an unexpected shape")]
    UnexpectedShape,
}

/// Reads a JSON body, borrowing from it where the type does. Depth is limited by the parser (128), size by the
/// transport.
pub fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BodyFault> {
    let start = body.trim_ascii_start();
    // A byte order mark is no JSON, but some gateways' pages begin with one.
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    match start.first() {
        None => return Err(BodyFault::Empty),
        Some(b'<') => return Err(BodyFault::Html),
        Some(_) => {}
    }
    serde_json::from_slice(start).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => BodyFault::Truncated,
        serde_json::error::Category::Data => BodyFault::UnexpectedShape,
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => BodyFault::NotJson,
    })
}

/// The service's clock, from the `Date` header.
pub fn server_time(headers: &HeaderMap) -> Option<Instant> {
    http_date(headers.get(DATE)?)
}

/// How long the service asks us to wait: `Retry-After`, in seconds or as a date by the service's own clock.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    if let Some(seconds) = value.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(value)?.since(server_time(headers)?))
}

fn http_date(value: &HeaderValue) -> Option<Instant> {
    rfc2822::parse(value.to_str().ok()?)
        .ok()
        .map(|zoned| Instant::from(zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_body_is_told_apart_from_pages_and_torn_answers() {
        let read = |body: &str| json::<BTreeMap<String, u8>>(body.as_bytes());
        assert_eq!(read(r#" {"a":1}"#), Ok(BTreeMap::from([("a".to_owned(), 1)])));
        assert_eq!(
            read("\u{feff}{\"a\":1}"),
            Ok(BTreeMap::from([("a".to_owned(), 1)]))
        );
        assert_eq!(read(" \r\n"), Err(BodyFault::Empty));
        assert_eq!(read("\n<!DOCTYPE html>"), Err(BodyFault::Html));
        assert_eq!(read(r#"{"a":1"#), Err(BodyFault::Truncated));
        assert_eq!(read("oops"), Err(BodyFault::NotJson));
        assert_eq!(read("[1]"), Err(BodyFault::UnexpectedShape));
        assert_eq!(
            json::<serde_json::Value>("[".repeat(100_000).as_bytes()),
            Err(BodyFault::NotJson)
        );
        assert_eq!(json::<serde_json::Value>(b"\"\xff\""), Err(BodyFault::NotJson));
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_by_the_servers_clock() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("17"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(17)));
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from_static("Sun, 06 Nov 1994 08:50:37 GMT"),
        );
        assert_eq!(retry_after(&headers), None);
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(server_time(&headers), Some(Instant::from_seconds(784_111_777)));
        assert_eq!(retry_after(&headers), Some(Duration::from_mins(1)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("soon"));
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn no_debug_output_shows_a_credential() {
        let token = SecretString::from("s3cret");
        let headers = [bearer(&token).unwrap(), basic("u", &token).unwrap()];
        assert!(!format!("{headers:?}").contains("Bearer"));
        assert_eq!(headers[1].to_str().unwrap(), "Basic dTpzM2NyZXQ=");
        assert!(bearer(&SecretString::from("a\nb")).is_err());
    }
}
