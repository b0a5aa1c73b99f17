//! Errors as the REST API words them.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::settings::ItemErrorKey;
use crate::model::Response;

/// One error: HTTP status, `errorCode`, message, and the fields it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    /// `Some` for errors of record writes, which always carry the key, be it empty.
    pub fields: Option<Vec<String>>,
    /// What duplicate rules found.
    pub duplicate_result: Option<Box<Value>>,
}

impl ApiError {
    /// An error of a request as a whole.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            fields: None,
            duplicate_result: None,
        }
    }

    /// A 400 of a request as a whole.
    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A 400 of a record write, about some of its fields.
    pub fn on_fields(code: &str, message: impl Into<String>, fields: &[&str]) -> Self {
        Self {
            fields: Some(fields.iter().map(|&field| field.to_owned()).collect()),
            ..Self::bad_request(code, message)
        }
    }

    /// The address leads nowhere, or to no such record.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "The requested resource does not exist",
        )
    }

    /// The session is unknown, revoked or expired.
    pub fn invalid_session() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "INVALID_SESSION_ID",
            "Session expired or invalid",
        )
    }

    /// The body is not what the resource reads.
    pub fn json_parser(message: impl Into<String>) -> Self {
        Self::bad_request("JSON_PARSER_ERROR", message)
    }

    /// As one element of a whole request's error array: the key of the code is `errorCode`.
    pub fn to_json(&self) -> Value {
        let mut json = json!({"message": self.message, "errorCode": self.code});
        if let Some(fields) = &self.fields {
            json["fields"] = json!(fields);
        }
        if let Some(result) = &self.duplicate_result {
            json["duplicateResult"] = Value::clone(result);
        }
        json
    }

    /// As one element of an item's `errors` in a collections answer, where the code stands under `key`.
    pub fn to_item_json(&self, key: ItemErrorKey) -> Value {
        json!({
            key.name(): self.code,
            "message": self.message,
            "fields": self.fields.clone().unwrap_or_default(),
        })
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Self {
        respond(error.status, &json!([error.to_json()]))
    }
}

/// A JSON response.
pub(crate) fn respond(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json;charset=UTF-8"),
    );
    response
}

/// A response without a body.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
