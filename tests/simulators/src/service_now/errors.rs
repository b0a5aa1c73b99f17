//! The errors of the REST API, as worded by the platform.
//!
//! Always `{"error":{"message":…,"detail":…},"status":"failure"}`; `detail` may be null.

use http::StatusCode;
use serde_json::json;

use super::answer;
use crate::model::Response;

/// The detail of an answer that asks for a second factor, which the header `X-MFA_TOKEN` tells too.
const SECOND_FACTOR: &str = "Multi-factor authentication token is required";

/// One error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) detail: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, message: &str, detail: Option<&str>) -> Self {
        Self {
            status,
            message: message.to_owned(),
            detail: detail.map(str::to_owned),
        }
    }

    /// No credentials, wrong ones, an expired token, or a user who may not sign in.
    pub(super) fn not_authenticated() -> Self {
        let detail = Some("Required to provide Auth information");
        Self::new(StatusCode::UNAUTHORIZED, "User Not Authenticated", detail)
    }

    /// A password alone is not enough for this user.
    pub(super) fn second_factor() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "User Not Authenticated",
            Some(SECOND_FACTOR),
        )
    }

    /// The user may not use the table at all.
    pub(super) fn not_authorized() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "User Not Authorized",
            Some("Failed API level ACL Validation"),
        )
    }

    /// An ACL forbids the write; `operation` is `Insert`, `Update` or `Delete`.
    pub(super) fn acl(operation: &str) -> Self {
        let detail = format!("ACL Exception {operation} Failed due to security constraints");
        Self::new(StatusCode::FORBIDDEN, "Operation Failed", Some(&detail))
    }

    /// A query names a field that does not exist or may not be read, and the instance says so.
    pub(super) fn query_rights() -> Self {
        let detail = Some("Field(s) present in the query do not have permission to be read");
        Self::new(
            StatusCode::FORBIDDEN,
            "Insufficient rights to query records",
            detail,
        )
    }

    /// A before rule aborted the write. What the rule told the user is not returned.
    pub(super) fn business_rule(table: &str, name: &str, rule_id: &str) -> Self {
        let detail = format!(
            "Operation against file '{table}' was aborted by Business Rule '{name}^{rule_id}'. \
             Business Rule Stack:{name}"
        );
        Self::new(StatusCode::FORBIDDEN, "Operation Failed", Some(&detail))
    }

    /// A data policy wants values for these columns, by label.
    pub(super) fn mandatory(labels: &[String]) -> Self {
        let detail = format!(
            "Data Policy Exception: The following fields are mandatory: {}",
            labels.join(", ")
        );
        Self::new(StatusCode::FORBIDDEN, "Operation Failed", Some(&detail))
    }

    /// A data policy makes this column read-only.
    pub(super) fn policy_read_only(label: &str) -> Self {
        let detail = format!("Data Policy Exception: {label} is read only");
        Self::new(StatusCode::FORBIDDEN, "Operation Failed", Some(&detail))
    }

    /// The database refused: a `sys_id` or a unique column that exists already. `operation` is `insert` or `update`.
    pub(super) fn database(operation: &str, table: &str, display: &str) -> Self {
        let detail = format!("Error during {operation} of {table} ({display})");
        Self::new(StatusCode::FORBIDDEN, "Operation Failed", Some(&detail))
    }

    /// No such row, or one that the user may not see: the same answer.
    pub(super) fn no_record() -> Self {
        let detail = Some("Record doesn't exist or ACL restricts the record retrieval");
        Self::new(StatusCode::NOT_FOUND, "No Record found", detail)
    }

    /// No such table.
    pub(super) fn invalid_table(table: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &format!("Invalid table {table}"), None)
    }

    /// The body is not what the API reads.
    pub(super) fn unreadable(detail: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Exception while reading request",
            Some(detail),
        )
    }

    /// No API at that path.
    pub(super) fn no_resource(path: &str) -> Self {
        let message = "Requested URI does not represent any resource";
        Self::new(StatusCode::BAD_REQUEST, message, Some(path))
    }

    /// The API at that path does not know the method.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not supported", None)
    }

    /// `Content-Type` is not one the API reads.
    pub(super) fn content_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", None)
    }

    /// `Accept` names nothing the API writes.
    pub(super) fn not_acceptable() -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "Not acceptable", None)
    }

    /// A rate-limit rule denies the request.
    pub(super) fn rate_limited(per_hour: u32) -> Self {
        let detail = format!("Rate limit of {per_hour} requests per hour for Table API exceeded");
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Rate limit exceeded",
            Some(&detail),
        )
    }

    /// No thread is free for the request (recalled from no source but the status).
    pub(super) fn too_many_requests() -> Self {
        let detail = Some("Maximum number of concurrent requests exceeded");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail)
    }

    /// The error as a response.
    pub(super) fn response(&self) -> Response {
        let body = json!({
            "error": {"message": self.message, "detail": self.detail},
            "status": "failure",
        });
        let mut response = answer::json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            answer::set(&mut response, "www-authenticate", "BASIC realm=\"Service-now\"");
        }
        if self.detail.as_deref() == Some(SECOND_FACTOR) {
            answer::set(&mut response, "x-mfa_token", "invalid");
        }
        response
    }
}
