//! Records with a file beside them: `multipart/form-data` bodies.
//!
//! REST API Developer Guide: "Insert or Update Blob Data". One part is the record as JSON, under whatever name; each
//! other part is a file, named by the field that it is the content of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::error::ApiError;
use crate::model::Fields;

/// The boundary of a `multipart/form-data` content type, if it is one.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"'))
}

/// The record that the parts make up; files become base64, as in a JSON body.
pub(crate) fn record(body: &[u8], boundary: &str) -> Result<Fields, ApiError> {
    let malformed =
        || ApiError::bad_request("INVALID_MULTIPART_REQUEST", "The multipart body cannot be read");
    let mut record = Fields::new();
    let delimiter = format!("--{boundary}");
    let mut rest = after(body, delimiter.as_bytes()).ok_or_else(malformed)?;
    while !rest.starts_with(b"--") {
        let end = [b"\r\n", delimiter.as_bytes()].concat();
        let part = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let length = position(part, &end).ok_or_else(malformed)?;
        let head = position(part, b"\r\n\r\n")
            .filter(|head| *head <= length)
            .ok_or_else(malformed)?;
        let content = part.get(head + 4..length).unwrap_or_default();
        let headers = String::from_utf8_lossy(part.get(..head).unwrap_or_default()).into_owned();
        let disposition = header(&headers, "content-disposition");
        if header(&headers, "content-type")
            .to_ascii_lowercase()
            .starts_with("application/json")
        {
            let given = serde_json::from_slice::<Value>(content).ok();
            let Some(Value::Object(fields)) = given else {
                return Err(malformed());
            };
            record.extend(fields);
        } else {
            let name = parameter(disposition, "name").ok_or_else(malformed)?;
            record.insert(name.to_owned(), Value::String(STANDARD.encode(content)));
            // A file's own name counts where the record names none.
            if let Some(file) = parameter(disposition, "filename") {
                let key = if name == "Body" { "Name" } else { "PathOnClient" };
                record
                    .entry(key)
                    .or_insert_with(|| Value::String(file.to_owned()));
            }
        }
        rest = part.get(length + end.len()..).unwrap_or_default();
    }
    Ok(record)
}

fn header<'a>(headers: &'a str, name: &str) -> &'a str {
    let lines = headers.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    found.next().map_or("", |(_, value)| value.trim())
}

fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_matches('"'))
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn after<'a>(haystack: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    haystack.get(position(haystack, needle)? + needle.len()..)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_and_its_file_are_read_whatever_the_file_holds() {
        let body = b"preamble\r\n--b1\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: \
            application/json\r\n\r\n{\"Title\": \"t\"}\r\n--b1\r\nContent-Disposition: form-data; name=\"VersionData\"; \
            filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n\r\n--x\r\n--b1--\r\n";
        let record = record(body, "b1").unwrap();
        assert_eq!(
            Value::Object(record),
            json!({"Title": "t", "VersionData": STANDARD.encode(b"\x00\xff\r\n\r\n--x"), "PathOnClient": "a.bin"})
        );
    }

    #[test]
    fn a_body_without_its_boundary_is_refused() {
        assert_eq!(
            record(b"nothing", "b1").unwrap_err().code,
            "INVALID_MULTIPART_REQUEST"
        );
        assert_eq!(
            record(b"--b1\r\nno end", "b1").unwrap_err().code,
            "INVALID_MULTIPART_REQUEST"
        );
        assert_eq!(
            boundary("multipart/form-data; charset=x; boundary=\"b1\""),
            Some("b1")
        );
        assert_eq!(boundary("application/json; boundary=b1"), None);
    }
}
