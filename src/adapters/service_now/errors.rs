//! The instance's errors, told as something a person can act on.
//!
//! An error is `{"error":{"message":…,"detail":…},"status":"failure"}` (ServiceNow docs: REST API), where `detail` may be
//! null. Its free text can hold what somebody wrote into a record, so only what has a known structure is repeated:
//! labels of fields, names of business rules.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::limits;
use super::row::MissingSystemField;
use crate::adapters::http::call::{self, BodyFault};
use crate::adapters::http::failure::{self, misconfigured};
use crate::core::side::Side;
use crate::ports::RemoteError;

/// The words of an error.
#[derive(Clone, Default, Deserialize)]
pub(super) struct VendorError {
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) detail: Option<String>,
}

impl VendorError {
    pub(super) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    pub(super) fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or_default()
    }

    pub(super) fn says(&self, words: &str) -> bool {
        self.message().contains(words) || self.detail().contains(words)
    }
}

/// An answer that is an error.
#[derive(Deserialize)]
struct ErrorBody {
    error: VendorError,
}

/// The error in a body, `None` where the body is none of ServiceNow's.
pub(super) fn vendor_error(body: &[u8]) -> Option<VendorError> {
    call::json::<ErrorBody>(body).ok().map(|body| body.error)
}

/// What a refused read of a table means; `secret` names our account.
pub(super) fn refused_read(
    what: &str,
    table: &str,
    secret: &str,
    response: &http::Response<Bytes>,
) -> RemoteError {
    let status = response.status();
    if let Some(throttled) = limits::throttled(what, response) {
        return throttled;
    }
    let Some(error) = vendor_error(response.body()) else {
        return foreign_page(what, response);
    };
    match status {
        StatusCode::BAD_REQUEST if error.says("Invalid table") => unknown_table(table),
        StatusCode::FORBIDDEN if error.says("Insufficient rights to query") => misconfigured(
            "MissingRight",
            format!(
                "the account in {secret} may not filter {table} by a field that this flow filters by. In ServiceNow, \
                 give it read and query_range access to sys_id, sys_updated_on, sys_created_on, the stamp field and \
                 the match fields of {table} (System Security > Access Control)."
            ),
        ),
        StatusCode::FORBIDDEN => missing_read(table, secret),
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_ACCEPTABLE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => misconfigured(
            "RequestRefused",
            format!(
                "ServiceNow refuses to read {table} (HTTP {}). Check that the Table API is active for this account \
                 (System Web Services > REST API Access Policies).",
                status.as_u16()
            ),
        ),
        _ => failure::status(Side::ServiceNow, what, response),
    }
}

/// A refusal that does not come from ServiceNow's API.
pub(super) fn foreign_page(what: &str, response: &http::Response<Bytes>) -> RemoteError {
    let status = response.status();
    match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => misconfigured(
            "UnexpectedPage",
            format!(
                "the instance answered {what} with HTTP {} and no error of its API. Check instanceUrl, a proxy in \
                 between, and IP Address Access Control in ServiceNow.",
                status.as_u16()
            ),
        ),
        _ => failure::status(Side::ServiceNow, what, response),
    }
}

/// There is no such table.
pub(super) fn unknown_table(table: &str) -> RemoteError {
    misconfigured(
        "UnknownObject",
        format!(
            "ServiceNow has no table {table}. Use the table's name, not its label, as shown in System Definition > \
             Tables."
        ),
    )
}

/// A field that no row shows, though it was asked for: a field that our user may not read is left out of the row, key
/// and all (ServiceNow docs: REST API).
pub(super) fn hidden_field(table: &str, field: &str, secret: &str) -> RemoteError {
    misconfigured(
        "MissingRight",
        format!(
            "the account in {secret} cannot read {table}.{field}: no record shows it. Give it read access to that field \
             (System Security > Access Control, a rule of type record and operation read on {table}.{field})."
        ),
    )
}

/// Our user may not read a table, or sees none of its rows.
pub(super) fn missing_read(table: &str, secret: &str) -> RemoteError {
    let remedy = match table {
        "sys_db_object" | "sys_dictionary" | "sys_choice" => {
            "Give it a role that may read the data dictionary (such as personalize_dictionary), or a read access \
             control on sys_db_object, sys_dictionary and sys_choice."
        }
        "sys_audit_delete" => {
            "Without it, deletions are neither found soon nor proven. Give the account a role, and that role a read \
             access control on sys_audit_delete (System Security > Access Control)."
        }
        _ => {
            "Give it a role that may read the table (such as itil for incidents), or a read access control (System \
             Security > Access Control)."
        }
    };
    misconfigured(
        "MissingRight",
        format!("the account in {secret} may not read {table}. {remedy}"),
    )
}

/// Rows that were counted and not shown, where all of them are needed.
pub(super) fn hidden_rows(table: &str, secret: &str, why: &str, hidden: u64) -> RemoteError {
    misconfigured(
        "RowsHidden",
        format!(
            "{hidden} rows of {table} that {why} are hidden from the account in {secret} by access controls. Give it \
             read access to all rows of {table} that the flow may concern."
        ),
    )
}

/// One list after another that counts rows and shows none.
pub(super) fn nothing_shown(table: &str, secret: &str, lists: usize) -> RemoteError {
    misconfigured(
        "RowsHidden",
        format!(
            "{lists} lists of {table} in a row counted rows and showed none to the account in {secret}. Give it read \
             access to the rows of {table} that the flow may concern; if it has that, check what answers in \
             ServiceNow's place."
        ),
    )
}

/// A system column that our user may not read.
pub(super) fn missing_system_field(table: &str, secret: &str, missing: MissingSystemField) -> RemoteError {
    let MissingSystemField(field) = missing;
    misconfigured(
        "MissingRight",
        format!(
            "the account in {secret} cannot read {field} of {table}, without which changes cannot be followed. Give \
             it read access to that field."
        ),
    )
}

/// The instance answered with rows that the query excludes, or in another order.
pub(super) fn filter_ignored(table: &str, what: &str) -> RemoteError {
    misconfigured(
        "FilterIgnored",
        format!(
            "ServiceNow ignored part of a query on {table} ({what}), so that what it answers cannot be trusted. In \
             ServiceNow, give the account query_match and query_range access to sys_id, sys_updated_on and \
             sys_created_on of {table} (System Security > Access Control), and to the fields of the flow's stamp and \
             matching keys."
        ),
    )
}

/// The answer lacks a header that we rely on.
pub(super) fn missing_header(header: &str) -> RemoteError {
    misconfigured(
        "HeaderMissing",
        format!(
            "the instance's answers lack the header {header}. Something between the operator and ServiceNow removes \
             it: check the proxy."
        ),
    )
}

/// HTTP 202: queued behind other requests of a session, and never carried out (ServiceNow KB3047080).
pub(super) fn not_executed(what: &str) -> RemoteError {
    failure::transient(
        "NotExecuted",
        format!("ServiceNow answered {what} with HTTP 202: it did not carry the request out"),
    )
}

/// A list that the platform broke off, even at its smallest size.
pub(super) fn broken_list(what: &str, table: &str, fault: Option<BodyFault>) -> RemoteError {
    match fault {
        Some(fault) => failure::body(Side::ServiceNow, what, StatusCode::OK, fault),
        None => failure::transient(
            "ExecutionTimeExceeded",
            format!("ServiceNow broke off a list of {table}: its maximum execution time was exceeded"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_detail_is_understood() {
        let error =
            vendor_error(br#"{"error":{"message":"Invalid table foo","detail":null},"status":"failure"}"#);
        assert!(error.unwrap().says("Invalid table"));
        assert!(vendor_error(b"<html>").is_none());
        assert!(vendor_error(br#"{"result":{}}"#).is_none());
    }
}
