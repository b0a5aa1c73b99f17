//! Requests under conditions: only if the record is, or is not, as the client knows it.
//!
//! REST API Developer Guide, "Conditional Request Headers": dates for every record and for describes, entity tags for
//! accounts only. The status is documented and the error code of a 400 or 412 is not: it is ours. Dates have whole seconds, so two writes in one second look like one. `DELETE` knows no conditions.

use http::header::{
    ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use serde_json::Value;

use super::error::ApiError;
use super::schema::Object;
use crate::model::{Fields, Response};

/// Where the resource stands that a condition speaks of.
pub(crate) struct Version {
    modified: Timestamp,
    tag: Option<String>,
}

impl Version {
    /// Of a record.
    pub fn of_record(object: &Object, record: &Fields) -> Self {
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
        let modified = text("LastModifiedDate").parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let tag = (object.name == "Account").then(|| tag(record));
        Self { modified, tag }
    }

    /// Of a description, whose tag is as good as its date.
    pub fn of_description(modified: Timestamp) -> Self {
        let tag = hash(&modified.to_string());
        Self {
            modified,
            tag: Some(tag),
        }
    }

    /// Tells the version on an answer.
    pub fn tell(&self, response: &mut Response) {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.modified);
        if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
            response.headers_mut().insert(LAST_MODIFIED, date);
        }
        let tag = self.tag.as_ref().and_then(|tag| HeaderValue::from_str(tag).ok());
        if let Some(tag) = tag {
            response.headers_mut().insert(ETAG, tag);
        }
    }

    /// Whether a reader that sent these headers knows this version already: 304 then. What cannot be understood is no
    /// condition to a read.
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        if let (Some(tag), Some(known)) = (&self.tag, text(headers, &IF_NONE_MATCH)) {
            return names(known, tag);
        }
        let since = text(headers, &IF_MODIFIED_SINCE).and_then(date);
        since.is_some_and(|since| self.modified <= since)
    }

    /// Whether a read under these headers may go on: 412 if it asked for a version that is no more.
    pub fn allows_read(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let modified = text(headers, &IF_UNMODIFIED_SINCE)
            .and_then(date)
            .is_some_and(|known| self.modified > known);
        let (tag, listed) = (self.tag.as_ref(), text(headers, &IF_MATCH));
        let unmatched = tag.zip(listed).is_some_and(|(tag, listed)| !names(listed, tag));
        if modified {
            return Err(failed(&IF_UNMODIFIED_SINCE));
        }
        if unmatched {
            return Err(failed(&IF_MATCH));
        }
        Ok(())
    }

    /// Whether a write under these headers may go on: 412 if the record is no longer what the client knew.
    pub fn allows_write(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if let Some(known) = headers.get(IF_UNMODIFIED_SINCE) {
            let known = known.to_str().ok().and_then(date);
            let known = known.ok_or_else(|| invalid(&IF_UNMODIFIED_SINCE))?;
            if self.modified > known {
                return Err(failed(&IF_UNMODIFIED_SINCE));
            }
        }
        let Some(tag) = &self.tag else { return Ok(()) };
        for (header, wanted) in [(IF_MATCH, true), (IF_NONE_MATCH, false)] {
            let Some(listed) = headers.get(&header) else {
                continue;
            };
            let listed = listed.to_str().ok().filter(|listed| are_tags(listed));
            let listed = listed.ok_or_else(|| invalid(&header))?;
            if names(listed, tag) != wanted {
                return Err(failed(&header));
            }
        }
        Ok(())
    }
}

/// 304: what the client has is what stands here.
pub(crate) fn not_modified() -> Response {
    let mut response = Response::new(bytes::Bytes::new());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn failed(header: &HeaderName) -> ApiError {
    let message = format!("The condition of the request's {header} header does not hold");
    ApiError::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", message)
}

fn invalid(header: &HeaderName) -> ApiError {
    let message = format!("The value of the request's {header} header is not valid");
    ApiError::bad_request("INVALID_HEADER_VALUE", message)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

fn tag(record: &Fields) -> String {
    hash(&Value::Object(record.clone()).to_string())
}

/// A hash in quotes, of the form recorded: `"baf7f695"`.
fn hash(content: &str) -> String {
    let hash = content.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("\"{hash:08x}\"")
}

/// Whether a header's list of tags, or a star, names this one. A suffix that tells of compression does not count.
fn names(listed: &str, tag: &str) -> bool {
    let bare = |tag: &str| {
        let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
        tag.trim_end_matches("--gzip")
            .trim_end_matches("-gzip")
            .to_owned()
    };
    listed.trim() == "*" || listed.split(',').any(|listed| bare(listed) == bare(tag))
}

fn are_tags(listed: &str) -> bool {
    let is_tag = |tag: &str| {
        let tag = tag.trim().trim_start_matches("W/");
        tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')
    };
    listed.trim() == "*" || listed.split(',').all(is_tag)
}
