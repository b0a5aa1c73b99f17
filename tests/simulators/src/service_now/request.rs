//! What a request asks for: its path, its `sysparm_*` parameters, its headers and its body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::errors::ApiError;
use crate::model::Request;

/// The largest body the REST API reads.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Query parameters. One that is empty counts as absent, as clients that always send all of them rely on.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let present = pairs.filter(|(_, value)| !value.is_empty());
        Self(
            present
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A boolean in any letter case; anything but `true` is false.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A number that is not negative; anything else counts as absent.
    pub(super) fn count(&self, name: &str) -> Option<usize> {
        self.get(name).and_then(|value| value.trim().parse().ok())
    }

    /// Parameters that are not `sysparm_*`: filters of the form `name=value`.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = self.0.iter().filter(|(name, _)| !name.starts_with("sysparm_"));
        others.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A request taken apart.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    /// The method, after `X-HTTP-Method-Override`.
    pub(super) method: Method,
    /// The segments of the path, without empty ones: a trailing slash does not count.
    pub(super) path: Vec<&'a str>,
    pub(super) parameters: Parameters,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    /// `/api/now[/v1|/v2]/table/{table}[/{sys_id}]`.
    Table {
        table: &'a str,
        sys_id: Option<&'a str>,
        /// Version 1 answers an empty list with 404.
        version_1: bool,
    },
    /// `/api/now[/v1]/batch`.
    Batch,
    /// `/api/now[/v1]/stats/{table}`.
    Stats { table: &'a str },
    /// `/api/now[/v1]/attachment…`.
    Attachment(AttachmentPart<'a>),
    /// `/api/now[/v1]/import/{staging table}`, and its `insertMultiple` or the `sys_id` of a row.
    Import { staging: &'a str, rest: Option<&'a str> },
    /// `/oauth_token.do`.
    Token,
    /// Nothing the simulator has.
    Unknown,
}

/// What follows `/attachment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttachmentPart<'a> {
    /// Nothing.
    List,
    /// A `sys_id`, or one of the words `file` and `upload`.
    Metadata(&'a str),
    /// `{sys_id}/file`.
    Content(&'a str),
}

impl<'a> Call<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let overriding = header(request, "x-http-method-override");
        let method = overriding.and_then(|name| name.to_ascii_uppercase().parse().ok());
        Self {
            request,
            method: method.unwrap_or_else(|| request.method().clone()),
            path: request
                .uri()
                .path()
                .split('/')
                .filter(|segment| !segment.is_empty())
                .collect(),
            parameters: Parameters::of(request),
        }
    }

    pub(super) fn resource(&self) -> Resource<'a> {
        let (version_1, rest) = match self.path.as_slice() {
            ["oauth_token.do"] => return Resource::Token,
            ["api", "now", "v1", rest @ ..] => (true, rest),
            ["api", "now", "v2", rest @ ..] | ["api", "now", rest @ ..] => (false, rest),
            _ => return Resource::Unknown,
        };
        match *rest {
            ["table", table] => Resource::Table {
                table,
                sys_id: None,
                version_1,
            },
            ["table", table, sys_id] => Resource::Table {
                table,
                sys_id: Some(sys_id),
                version_1,
            },
            ["batch"] => Resource::Batch,
            ["stats", table] => Resource::Stats { table },
            ["attachment"] => Resource::Attachment(AttachmentPart::List),
            ["attachment", one] => Resource::Attachment(AttachmentPart::Metadata(one)),
            ["attachment", one, "file"] => Resource::Attachment(AttachmentPart::Content(one)),
            ["import", staging] => Resource::Import { staging, rest: None },
            ["import", staging, rest] => Resource::Import {
                staging,
                rest: Some(rest),
            },
            _ => Resource::Unknown,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        header(self.request, name)
    }

    /// The session the client sends back, if any.
    pub(super) fn session(&self) -> Option<&'a str> {
        let cookies = self.header(COOKIE.as_str())?;
        cookies
            .split(';')
            .find_map(|cookie| cookie.trim().strip_prefix("JSESSIONID="))
    }

    /// User name and password of basic authentication.
    pub(super) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header(AUTHORIZATION.as_str())?.split_once(' ');
        let (_, encoded) = encoded.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        decoded
            .split_once(':')
            .map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The token of bearer authentication.
    pub(super) fn bearer(&self) -> Option<&'a str> {
        let (scheme, token) = self.header(AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Whether the body is in the given media type.
    pub(super) fn has_content_type(&self, media_type: &str) -> bool {
        self.header(CONTENT_TYPE.as_str())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case(media_type))
    }

    /// Refuses a write whose headers or size the API does not take.
    pub(super) fn check_write_headers(&self) -> Result<(), ApiError> {
        let accept = self.header(ACCEPT.as_str()).unwrap_or("*/*");
        if !accept.contains("json") && !accept.contains("*/*") && !accept.contains("application/*") {
            return Err(ApiError::not_acceptable());
        }
        // PySNC posts a new record without fields as nothing at all, without a type, and instances take it.
        let body = self.request.body();
        if !body.is_empty() && !self.has_content_type("application/json") {
            return Err(ApiError::content_type());
        }
        let length = body.len();
        if length > MAX_BODY {
            return Err(ApiError::unreadable(&format!(
                "Rejected large REST payload with content-length = {length} bytes. Max allowed: {MAX_BODY} bytes."
            )));
        }
        Ok(())
    }

    /// The JSON object in the body; an empty body is an empty object.
    pub(super) fn json_object(&self) -> Result<Map<String, Value>, ApiError> {
        if self.request.body().is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(self.request.body()) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(ApiError::unreadable("The payload is not a JSON object")),
            Err(error) => Err(ApiError::unreadable(&format!(
                "The payload is not valid JSON. {error}"
            ))),
        }
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
