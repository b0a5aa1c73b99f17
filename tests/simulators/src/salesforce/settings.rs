//! What is configurable about an org: its identity, its limits, and the facts on which sources disagree.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::bulk::BulkSwitches;
use super::error::ApiError;
use super::query::CursorValues;

/// How a body fails in which one record's field has the wrong JSON type. No source settles it; both are ways a parser
/// can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WrongType {
    /// The record's own result carries the error.
    #[default]
    PerItem,
    /// The whole call is a 400.
    WholeRequest,
}

/// Under which key the errors of a collection's items tell their code. The vendor's samples have `statusCode`, the errors
/// of single records `errorCode`; both have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemErrorKey {
    /// As in the SOAP API's results.
    #[default]
    StatusCode,
    /// As in single records' errors.
    ErrorCode,
}

impl ItemErrorKey {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StatusCode => "statusCode",
            Self::ErrorCode => "errorCode",
        }
    }
}

/// Sessions that the token endpoint gives and the REST API does not take, in the two texts that a new token does not
/// cure (jsforce knows them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SessionRefusal {
    /// Every session is taken.
    #[default]
    None,
    /// `This session is not valid for use with the REST API`.
    NotForRestApi,
    /// `Connected app is not attached to Agent`.
    NotAttachedToAgent,
}

/// The settings of one org, each with a default that suits most tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question with the answers yes and no"
)]
pub struct Settings {
    /// The organisation's id, 18 characters.
    pub organization_id: String,
    /// The `instance_url` of token answers; the address that was asked when absent.
    pub instance_url: Option<String>,
    /// How long a session lasts, in seconds.
    pub session_seconds: i64,
    /// Sessions that no new token cures.
    pub session_refusal: SessionRefusal,
    /// Token requests count as sent to `login.salesforce.com`, where client credentials are not served. By their host
    /// they count so anyway; this is for tests that have no such host.
    pub asked_at_login_host: bool,
    /// Whether *Allow OAuth Username-Password Flows* is on; new orgs have it off.
    pub username_password_flow: bool,
    /// The `aud` of assertions, besides the org's own address: `https://login.salesforce.com`, or in a sandbox
    /// `https://test.salesforce.com`.
    pub audience: String,
    /// How far ahead the `exp` of an assertion may be, in seconds.
    pub longest_assertion_seconds: i64,
    /// Requests allowed in 24 hours.
    pub daily_requests: u64,
    /// What the client's own app may use of them, told beside the org's count when set. Nothing enforces it.
    pub per_app_requests: Option<u64>,
    /// Whether a new comment moves the stamps of its case. No source settles it.
    pub comments_touch_cases: bool,
    /// Most rows in a page of a query. The service may always give fewer than the client hoped for.
    pub largest_page: usize,
    /// How long a query's cursor lasts, in seconds.
    pub cursor_seconds: i64,
    /// How many cursors a user may have open before the oldest is lost.
    pub cursors_per_user: usize,
    /// Whether later pages show rows as they stood when the query was asked, or as they stand by then.
    pub cursor_values: CursorValues,
    /// Whether a page has any number of rows up to its size, as the service may do at any time, and not always as many
    /// as fit. Always the same number at the same place.
    pub uneven_pages: bool,
    /// How far the users' clocks are ahead of UTC, in minutes: what `TODAY` means in a query.
    pub user_utc_offset_minutes: i32,
    /// How long jobs of the Bulk API take, and what goes wrong with them.
    pub bulk: BulkSwitches,
    /// People's and automations' writes are stamped when made but seen by readers only so many seconds later.
    pub late_commit_seconds: i64,
    /// The HTTP status of `UNABLE_TO_LOCK_ROW`: 400 and 500 have both been seen.
    pub row_lock_status: u16,
    /// The `errorCode` of a write to a record that is not there: `NOT_FOUND` or `INVALID_CROSS_REFERENCE_KEY`.
    pub missing_record_code: String,
    /// The HTTP status of `ENTITY_IS_DELETED`: 404, and 400 has been seen.
    pub deleted_record_status: u16,
    /// How long a deleted record can be undeleted and found with `queryAll`, in days.
    pub recycle_bin_days: u32,
    /// Whether the delete log still tells of a record that is gone for good. If not, `earliestDateAvailable` moves up to
    /// its deletion. The vendor says that an emptied recycle bin shortens what can be asked for, and also that the log is
    /// kept apart from the records.
    pub hard_deletes_are_logged: bool,
    /// The most ids in one answer of `updated` or `deleted`; one more is `EXCEEDED_ID_LIMIT`.
    pub most_replicated_ids: usize,
    /// Under which key a collection's items tell the code of an error.
    pub item_error_key: ItemErrorKey,
    /// Whether `DUPLICATE_VALUE` names the field and the record that holds the value; `<unknown>` where the user may not
    /// see that record.
    pub duplicates_are_named: bool,
    /// How a wrongly typed field fails a collection.
    pub wrong_type_fails: WrongType,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            organization_id: "00D5g0000004XyZEAU".into(),
            instance_url: None,
            session_seconds: 7200,
            session_refusal: SessionRefusal::None,
            asked_at_login_host: false,
            username_password_flow: true,
            audience: "https://login.salesforce.com".into(),
            longest_assertion_seconds: 300,
            daily_requests: 100_000,
            per_app_requests: None,
            comments_touch_cases: true,
            largest_page: 2000,
            cursor_seconds: 900,
            cursors_per_user: 10,
            cursor_values: CursorValues::AsOfQuery,
            uneven_pages: false,
            user_utc_offset_minutes: 0,
            bulk: BulkSwitches::default(),
            late_commit_seconds: 0,
            row_lock_status: 400,
            missing_record_code: "NOT_FOUND".into(),
            deleted_record_status: 404,
            recycle_bin_days: 15,
            hard_deletes_are_logged: true,
            most_replicated_ids: 600_000,
            item_error_key: ItemErrorKey::StatusCode,
            duplicates_are_named: true,
            wrong_type_fails: WrongType::PerItem,
        }
    }
}

impl Settings {
    /// Until when a cursor lasts that is opened now.
    pub(crate) fn cursor_expiry(&self, now: Timestamp) -> Timestamp {
        now.checked_add(SignedDuration::from_secs(self.cursor_seconds))
            .unwrap_or(now)
    }

    /// The error of a write to a record that is not there.
    pub(crate) fn missing_record_on_write(&self) -> ApiError {
        let message = match self.missing_record_code.as_str() {
            "INVALID_CROSS_REFERENCE_KEY" => "invalid cross reference id",
            _ => "The requested resource does not exist",
        };
        ApiError {
            fields: Some(Vec::new()),
            ..ApiError::new(StatusCode::NOT_FOUND, &self.missing_record_code, message)
        }
    }

    /// The error of a read or a write of a record in the recycle bin.
    pub(crate) fn deleted_record(&self) -> ApiError {
        let status = StatusCode::from_u16(self.deleted_record_status).unwrap_or(StatusCode::NOT_FOUND);
        ApiError {
            fields: Some(Vec::new()),
            ..ApiError::new(status, "ENTITY_IS_DELETED", "entity is deleted")
        }
    }
}
