//! Pages for people where JSON was expected, told by what they say.
//!
//! A developer instance that nobody used for some hours hibernates and answers every request with HTTP 200 and a page
//! about it; an instance in maintenance does the like (ServiceNow docs: Personal developer instances). And an address
//! that leads to another service, or to a proxy's sign-in page, answers with something that no ServiceNow would.

use bytes::Bytes;

use crate::adapters::http::call::{self, BodyFault};
use crate::adapters::http::failure;
use crate::ports::RemoteError;

/// So much of a page is looked at.
const LOOKED_AT: usize = 64 * 1024;

/// What a page says about the instance, where it is one that is known.
pub(super) fn of_the_instance(host: &str, body: &[u8]) -> Option<RemoteError> {
    if call::json::<serde::de::IgnoredAny>(body) != Err(BodyFault::Html) {
        return None;
    }
    let page = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]).to_lowercase();
    if page.contains("hibernat") {
        // Somebody must wake it; but the flows go on as soon as that is done, so that it is asked again and again.
        return Some(failure::transient(
            "InstanceHibernating",
            format!(
                "the ServiceNow instance {host} hibernates, as developer instances do when nobody uses them: sign in at \
                 developer.servicenow.com and wake it up. Then the flows go on by themselves"
            ),
        ));
    }
    let maintained = [
        "maintenance",
        "being upgraded",
        "upgrade in progress",
        "being restored",
    ];
    maintained.iter().any(|words| page.contains(words)).then(|| {
        failure::transient(
            "InstanceMaintenance",
            format!(
                "the ServiceNow instance {host} shows a page about maintenance in place of its API. The flows go on by \
                 themselves when it is over"
            ),
        )
    })
}

/// What answers at the Connection's address, where it is certainly not ServiceNow's API.
pub(super) fn of_another_service(host: &str, response: &http::Response<Bytes>) -> Option<RemoteError> {
    let what = if is_salesforce(response.body()) {
        "answers as Salesforce does"
    } else if call::json::<serde::de::IgnoredAny>(response.body()) == Err(BodyFault::Html)
        && (response.status().is_success() || response.status() == http::StatusCode::NOT_FOUND)
    {
        "answers with a web page where ServiceNow's REST API should be"
    } else {
        return None;
    };
    Some(failure::misconfigured(
        "NotServiceNow",
        format!(
            "{host} {what}. Check instanceUrl of the Connection: it must be the instance's own address, such as \
             https://acme.service-now.com, and nothing in between may ask for a sign-in of its own."
        ),
    ))
}

/// Salesforce's errors are a list of objects with an `errorCode` (Salesforce docs: REST API, Status codes and errors).
fn is_salesforce(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct SalesforceError {
        #[serde(rename = "errorCode")]
        _code: serde::de::IgnoredAny,
    }
    call::json::<Vec<SalesforceError>>(body).is_ok_and(|errors| !errors.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::scripted::answer;
    use crate::ports::RemoteErrorKind;

    #[test]
    fn a_hibernating_instance_says_who_must_wake_it() {
        let page = b"<html><body>Your instance is hibernating</body></html>";
        let error = of_the_instance("dev1.service-now.com", page).unwrap();
        assert_eq!(error.problem.reason.as_str(), "InstanceHibernating");
        assert_eq!(error.kind, RemoteErrorKind::Transient, "it is tried again soon");
        assert!(error.problem.message.contains("developer.servicenow.com"));
    }

    #[test]
    fn maintenance_passes_and_an_unknown_page_is_nobodys() {
        let error = of_the_instance("h", b"<html>Scheduled Maintenance").unwrap();
        assert_eq!(error.problem.reason.as_str(), "InstanceMaintenance");
        assert!(of_the_instance("h", b"<html>Sign in</html>").is_none());
        assert!(of_the_instance("h", b"{\"maintenance\":1}").is_none());
    }

    #[test]
    fn another_service_is_told_by_its_errors_or_its_page() {
        for (status, body) in [
            (
                401,
                r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
            ),
            (
                404,
                r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
            ),
            (200, "<!doctype html>"),
            (404, "<html>not found"),
        ] {
            let error = of_another_service("acme.my.salesforce.com", &answer(status, body)).unwrap();
            assert_eq!(error.problem.reason.as_str(), "NotServiceNow");
            assert!(error.problem.message.contains("acme.my.salesforce.com"));
        }
        for (status, body) in [
            (200, r#"{"result":[]}"#),
            (401, r#"{"error":{"message":"User Not Authenticated"}}"#),
            (503, "<html>"),
            (403, "<html>"),
            (200, "[]"),
        ] {
            assert!(
                of_another_service("h", &answer(status, body)).is_none(),
                "{status} {body}"
            );
        }
    }
}
