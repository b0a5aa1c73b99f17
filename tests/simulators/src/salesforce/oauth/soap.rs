//! `login()` of the SOAP API, which simple-salesforce and jsforce use when they are given a user name and a password
//! and nothing else. It goes with Summer '27; the last version that has it is 65.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use jiff::Timestamp;

use crate::model::{Request, Response};
use crate::salesforce::{Salesforce, base_url};

/// The last version that has `login()`.
const LAST_VERSION: u32 = 65;

impl Salesforce {
    /// `POST /services/Soap/u/{version}`. Anything but `login()` is refused.
    pub(crate) fn soap(&mut self, version: &str, request: &Request, now: Timestamp) -> Response {
        let body = String::from_utf8_lossy(request.body());
        let (Some(name), Some(password)) = (element(&body, "username"), element(&body, "password")) else {
            return fault(
                "sf:UNKNOWN_EXCEPTION",
                "UNKNOWN_EXCEPTION: only login is served here",
            );
        };
        let major = version
            .split('.')
            .next()
            .and_then(|number| number.parse::<u32>().ok());
        if major.is_none_or(|major| major > LAST_VERSION) {
            let message = "UNSUPPORTED_API_VERSION: Invalid Api version specified on URL";
            return fault("sf:UNSUPPORTED_API_VERSION", message);
        }
        let Ok(user) = self.admit(&name, Some(&password)) else {
            let message = "INVALID_LOGIN: Invalid username, password, security token; or user locked out.";
            return fault("sf:INVALID_LOGIN", message);
        };
        let session = self.sessions.open(&user, None, &self.settings, now);
        let base = self
            .settings
            .instance_url
            .clone()
            .unwrap_or_else(|| base_url(request));
        let id = self
            .directory
            .user(&user)
            .map(|user| user.id.clone())
            .unwrap_or_default();
        let organization = &self.settings.organization_id;
        let server = format!(
            "{base}/services/Soap/u/{version}/{}",
            organization.get(..15).unwrap_or(organization)
        );
        let seconds = self.settings.session_seconds;
        envelope(
            StatusCode::OK,
            &format!(
                "<loginResponse><result><metadataServerUrl>{}</metadataServerUrl><passwordExpired>false</passwordExpired>\
                 <sandbox>false</sandbox><serverUrl>{server}</serverUrl><sessionId>{session}</sessionId>\
                 <userId>{id}</userId><userInfo><organizationId>{organization}</organizationId>\
                 <sessionSecondsValid>{seconds}</sessionSecondsValid><userFullName>{user}</userFullName>\
                 <userId>{id}</userId><userName>{user}</userName></userInfo></result></loginResponse>",
                server.replace("/Soap/u/", "/Soap/m/"),
            ),
        )
    }
}

fn fault(code: &str, message: &str) -> Response {
    let short = code.trim_start_matches("sf:");
    envelope(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!(
            "<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{message}</faultstring><detail><sf:LoginFault>\
             <sf:exceptionCode>{short}</sf:exceptionCode><sf:exceptionMessage>{}</sf:exceptionMessage>\
             </sf:LoginFault></detail></soapenv:Fault>",
            message.split_once(": ").map_or(message, |(_, text)| text),
        ),
    )
}

fn envelope(status: StatusCode, body: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    );
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=UTF-8"));
    response
}

/// The text of the first element of that name, whatever its namespace prefix.
fn element(xml: &str, name: &str) -> Option<String> {
    let (before, rest) = xml
        .split_once(&format!("{name}>"))
        .filter(|(before, _)| before.ends_with('<') || before.ends_with(':'))?;
    let prefix = before.rsplit('<').next().unwrap_or_default();
    let (text, _) = rest.split_once(&format!("</{prefix}{name}>"))?;
    let unescaped = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escaped, plain)| {
        text.replace(escaped, plain)
    });
    Some(unescaped)
}
