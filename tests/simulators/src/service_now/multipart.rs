//! `multipart/form-data`, as `POST /attachment/upload` takes it (RFC 7578).

use bytes::Bytes;

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// There for files only.
    pub(super) file_name: Option<String>,
    /// `text/plain` where the part does not say.
    pub(super) content_type: String,
    pub(super) content: Bytes,
}

/// The parts of a form, in the order sent; `None` where the body is not one.
pub(super) fn parts(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("boundary="))?
        .trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = body.slice(find(body, delimiter.as_bytes())? + delimiter.len()..);
    let between = format!("\r\n{delimiter}");
    while rest.starts_with(b"\r\n") {
        let end = find(&rest, between.as_bytes())?;
        // A part's headers follow the line end; an empty part would begin with the blank line itself.
        let part = rest.slice(2.min(end)..end);
        parts.push(read(&part)?);
        rest = rest.slice(end + between.len()..);
    }
    rest.starts_with(b"--").then_some(parts)
}

fn read(part: &Bytes) -> Option<Part> {
    let blank = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(part.get(..blank)?).ok()?;
    let header = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let disposition = header("content-disposition")?;
    let parameter = |name: &str| {
        let mut parameters = disposition
            .split(';')
            .filter_map(|one| one.trim().split_once('='));
        parameters
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.trim_matches('"').to_owned())
    };
    Some(Part {
        name: parameter("name")?,
        file_name: parameter("filename"),
        content_type: header("content-type").unwrap_or("text/plain").to_owned(),
        content: part.slice(blank + 4..),
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--B\r\nContent-Disposition: form-data; name=\"table_name\"\r\n\r\nincident\r\n--B\r\n\
        Content-Disposition: form-data; name=\"uploadFile\"; filename=\"a.txt\"\r\nContent-Type: text/csv\r\n\r\n\
        one\r\n--two\r\n\r\n--B--\r\n";

    #[test]
    fn a_form_is_taken_apart_and_its_file_kept_to_the_byte() {
        let parts = parts("multipart/form-data; boundary=\"B\"", &Bytes::from(FORM)).unwrap();
        assert_eq!(
            (parts[0].name.as_str(), &parts[0].content[..]),
            ("table_name", &b"incident"[..])
        );
        assert_eq!(parts[0].file_name, None);
        assert_eq!(
            (parts[1].file_name.as_deref(), parts[1].content_type.as_str()),
            (Some("a.txt"), "text/csv")
        );
        assert_eq!(&parts[1].content[..], b"one\r\n--two\r\n");
    }

    #[test]
    fn what_is_no_form_or_has_no_end_is_refused() {
        assert_eq!(parts("text/plain", &Bytes::from(FORM)), None);
        assert_eq!(
            parts("multipart/form-data; boundary=B", &Bytes::from(&FORM[..120])),
            None
        );
        assert_eq!(parts("multipart/form-data; boundary=C", &Bytes::from(FORM)), None);
    }
}
