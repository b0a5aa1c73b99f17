//! Salesforce's error codes as failures with a remedy. The codes decide, never the HTTP status alone: some codes come
//! with several (`UNABLE_TO_LOCK_ROW` with 400 and 500).
//!
//! Salesforce's own message texts are never repeated: they may hold a record's values (`STRING_TOO_LONG`), the query,
//! or whatever an administrator wrote into a validation rule. Code, field names and our remedy say enough.

use http::StatusCode;
use serde::Deserialize;

use crate::adapters::http::failure;
use crate::core::ident::FieldName;
use crate::ports::RemoteError;

/// One error of an answer. Single-record calls spell the code `errorCode`, collections `statusCode`.
#[derive(Deserialize)]
pub(super) struct ApiError {
    #[serde(alias = "errorCode", alias = "statusCode")]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    fields: Option<Vec<String>>,
}

impl ApiError {
    /// From `CODE:message:Field, Other --`, as the results of a bulk job spell it (Salesforce docs: Bulk API 2.0, Get
    /// Job Failed Record Results).
    pub(super) fn of_bulk(text: &str) -> Vec<Self> {
        let (code, rest) = text.split_once(':').unwrap_or((text, ""));
        let (message, fields) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let fields = fields.trim().trim_end_matches("--");
        vec![Self {
            code: code.trim().to_owned(),
            message: message.to_owned(),
            fields: Some(fields.split(',').map(|field| field.trim().to_owned()).collect()),
        }]
    }

    /// The code, if it looks like one: nothing else of an answer may reach a message.
    pub(super) fn code(&self) -> &str {
        let plausible = (1..=80).contains(&self.code.len())
            && self
                .code
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if plausible { &self.code } else { "an unknown code" }
    }

    /// Salesforce's text: to be searched for names and ids, never to be shown.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The fields that it names.
    pub(super) fn fields(&self) -> impl Iterator<Item = FieldName> + '_ {
        self.fields
            .iter()
            .flatten()
            .filter_map(|field| field.parse().ok())
    }
}

/// Whether one of the errors has this code.
pub(super) fn has_code(errors: &[ApiError], code: &str) -> bool {
    errors.iter().any(|error| error.code() == code)
}

/// A 401 that a new token will not cure (texts as jsforce knows them).
pub(super) fn is_final_session_refusal(body: &[u8]) -> bool {
    crate::adapters::http::call::json::<Vec<ApiError>>(body).is_ok_and(|errors| {
        errors.iter().any(|error| {
            error.message.contains("not valid for use with the REST API")
                || error.message.contains("not attached to Agent")
        })
    })
}

/// Salesforce does not take a token that it has just given.
pub(super) fn session_refused(source: &str) -> RemoteError {
    failure::unauthenticated(
        "SessionRefused",
        format!(
            "Salesforce does not take the session that it has just given for {source}: check in Setup > Users > (the \
             user) > Profile that API Enabled is set, that its password has not expired and that its login IP ranges \
             and hours allow the operator, and in Setup > Session Settings that sessions are not bound to another \
             address"
        ),
    )
}

/// The reason of a call that names something that Salesforce takes for no id.
pub(super) const MALFORMED_ID: &str = "MalformedId";

/// A call that failed as a whole. `asked` is what it was, as [`super::client::Ask::what`] says it; `about` is the
/// object.
pub(super) fn whole_call(asked: &str, about: &str, status: StatusCode, errors: &[ApiError]) -> RemoteError {
    let Some(error) = errors.first() else {
        return failure::transient(
            "UnexpectedStatus",
            format!("Salesforce answered {asked} with an empty error"),
        );
    };
    let code = error.code();
    let what = format!("Salesforce refused {asked} ({code})");
    match code {
        "REQUEST_LIMIT_EXCEEDED" if error.message.contains("Concurrent") => failure::throttled(
            "Throttled",
            format!("{what}: too many calls at the same time"),
            None,
        ),
        "REQUEST_LIMIT_EXCEEDED" => failure::throttled(
            "ApiLimitReached",
            format!(
                "{what}: the org's calls of the last 24 hours are used up, by us and every other integration; see \
                 Setup > System Overview > API Usage"
            ),
            None,
        ),
        "TXN_SECURITY_METERING_ERROR"
        | "SERVER_UNAVAILABLE"
        | "UNKNOWN_EXCEPTION"
        | "APEX_ERROR"
        | "QUERY_TIMEOUT"
        | "UNABLE_TO_LOCK_ROW"
        | "API_CURRENTLY_DISABLED"
        | "INVALID_QUERY_LOCATOR"
        | "OPERATION_TOO_LARGE" => failure::transient("ServiceUnavailable", what),
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => failure::unauthenticated(
            "PasswordExpired",
            format!(
                "{what}: the user's password has expired; set a new one (and put it into the Secret where it is used \
                 for signing in), or give the user a profile whose passwords never expire"
            ),
        ),
        "API_DISABLED_FOR_ORG" => failure::misconfigured(
            "ApiDisabled",
            format!(
                "{what}: give the user API Enabled in its profile or a permission set, and use an edition of \
                 Salesforce that has the API"
            ),
        ),
        "INVALID_TYPE" | "NOT_FOUND" => unknown_object(about),
        // The second is what SOQL says of an id in a filter.
        "MALFORMED_ID" | "INVALID_QUERY_FILTER_OPERATOR" => failure::misconfigured(
            "MalformedId",
            format!(
                "{what}: it names an id that is none of Salesforce's; look at the stamp fields of {about}"
            ),
        ),
        "INVALID_FIELD" => unknown_field(about, error),
        "INSUFFICIENT_ACCESS" | "INSUFFICIENT_ACCESS_OR_READONLY" => failure::misconfigured(
            "InsufficientAccess",
            format!("{what}: give the user's profile or a permission set Read on {about}"),
        ),
        "UNSUPPORTED_API_VERSION" => retired(&what),
        _ if status == StatusCode::GONE => retired(&what),
        _ if status.is_server_error() => failure::transient("ServiceUnavailable", what),
        _ => failure::misconfigured("RequestRefused", what),
    }
}

fn retired(what: &str) -> RemoteError {
    failure::misconfigured(
        "ApiVersionRetired",
        format!("{what}: this version of the REST API is retired; upgrade the operator"),
    )
}

/// There is no such object for our user.
pub(super) fn unknown_object(object: &str) -> RemoteError {
    failure::misconfigured(
        "UnknownObject",
        format!(
            "Salesforce has no object {object} that the connection's user can see: check its API name (custom objects \
             end in __c), or give the user's profile or a permission set Read on it"
        ),
    )
}

/// There is no such field for our user. The message is read for the name only: it repeats the query, values included.
fn unknown_field(object: &str, error: &ApiError) -> RemoteError {
    let named = error
        .message
        .split_once("No such column '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .and_then(|(name, _)| name.parse::<FieldName>().ok())
        .or_else(|| error.fields().next());
    let field = named.map_or_else(
        || "one of the fields asked for".to_owned(),
        |name| format!("the field {name}"),
    );
    failure::misconfigured(
        "UnknownField",
        format!(
            "{object} has no such field for the connection's user: {field}; check its API name (custom fields end in \
             __c), or give the user's profile or a permission set Read Access in the field-level security"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RemoteErrorKind;

    fn errors(json: &str) -> Vec<ApiError> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn both_spellings_of_the_code_are_read() {
        let read = errors(r#"[{"errorCode":"A_B"},{"statusCode":"C","message":"m","fields":["Name"]}]"#);
        assert_eq!(read.iter().map(ApiError::code).collect::<Vec<_>>(), ["A_B", "C"]);
    }

    #[test]
    fn an_error_of_a_bulk_job_is_read_like_any_other() {
        let read = |text: &str| {
            let errors = ApiError::of_bulk(text);
            let fields: Vec<String> = errors[0].fields().map(|field| field.to_string()).collect();
            (
                errors[0].code().to_owned(),
                errors[0].message().to_owned(),
                fields,
            )
        };
        let (code, _, fields) =
            read("REQUIRED_FIELD_MISSING:Required fields are missing: [Name, Tier__c]:Name, Tier__c --");
        assert_eq!(code, "REQUIRED_FIELD_MISSING");
        assert_eq!(fields, ["Name", "Tier__c"]);
        let (code, message, _) = read(
            "DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: 001D000000IqhSL:Ext__c --",
        );
        assert_eq!(code, "DUPLICATE_VALUE");
        assert!(message.ends_with("001D000000IqhSL"), "{message}");
        assert_eq!(read("Jane Roe, 12 Elm St").0, "an unknown code");
    }

    #[test]
    fn what_salesforce_repeats_of_a_query_is_not_repeated() {
        let secret = "Jane Roe, 12 Elm St";
        let query = format!(
            r#"[{{"errorCode":"INVALID_FIELD","message":
                "\nWHERE Name = '{secret}'\n^\nNo such column 'Foo__c' on entity 'Case'."}}]"#
        );
        let error = whole_call("query", "Case", StatusCode::BAD_REQUEST, &errors(&query));
        assert!(error.problem.message.contains("Foo__c"), "{error}");
        assert!(!error.problem.message.contains("Jane"), "{error}");
    }

    #[test]
    fn each_whole_call_failure_has_its_kind() {
        let kind = |code: &str, message: &str, status: u16| {
            let errors = errors(&format!(r#"[{{"errorCode":"{code}","message":"{message}"}}]"#));
            whole_call("query", "Case", StatusCode::from_u16(status).unwrap(), &errors)
        };
        assert_eq!(
            kind("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403).kind,
            RemoteErrorKind::Throttled
        );
        assert_eq!(
            kind("UNABLE_TO_LOCK_ROW", "", 500).kind,
            RemoteErrorKind::Transient
        );
        assert_eq!(
            kind("UNABLE_TO_LOCK_ROW", "", 400).kind,
            RemoteErrorKind::Transient
        );
        assert_eq!(
            kind("SERVER_UNAVAILABLE", "", 503).kind,
            RemoteErrorKind::Transient
        );
        assert_eq!(kind("SOMETHING_NEW", "", 500).kind, RemoteErrorKind::Transient);
        assert_eq!(
            kind("SOMETHING_NEW", "", 400).kind,
            RemoteErrorKind::Misconfigured
        );
        assert_eq!(
            kind("NOT_FOUND", "", 404).problem.reason.as_str(),
            "UnknownObject"
        );
        assert_eq!(
            kind("UNSUPPORTED_API_VERSION", "", 410).problem.reason.as_str(),
            "ApiVersionRetired"
        );
    }
}
