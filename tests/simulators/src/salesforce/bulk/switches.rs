//! What is configurable about jobs: how long they take, and what goes wrong with them.

use serde::{Deserialize, Serialize};

/// The switches of the Bulk API 2.0. Over the admin door: `{"bulk": {…}}` in `settings`; what is left out there has its
/// default again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BulkSwitches {
    /// How long a job waits after its upload before it is in progress, in seconds.
    pub queued_seconds: i64,
    /// How long a job is in progress, in seconds; its rows are spread over that time.
    pub running_seconds: i64,
    /// How many rows are written at once. Automation runs on 200 (Salesforce docs: Bulk API 2.0).
    pub rows_per_chunk: usize,
    /// Jobs in progress stop after so many rows and stay in progress, for as long as this is set.
    pub stuck_after_rows: Option<usize>,
    /// Jobs fail after so many rows; the rest stay unprocessed.
    pub fails_after_rows: Option<usize>,
    /// What a job says that fails so.
    pub failure: String,
    /// Whether the rows of finished jobs are gone though the jobs are not.
    pub results_lost: bool,
    /// Whether results come in another order than the rows were uploaded in, as they may.
    pub results_out_of_order: bool,
    /// The longest upload, in bytes (Salesforce docs: 150 MB, counted in base64 by some).
    pub most_upload_bytes: usize,
    /// How many query jobs may be made within 24 hours (Salesforce docs: 10 000).
    pub query_jobs_per_day: usize,
    /// The most rows in one page of a query job's results, whatever is asked for.
    pub results_page: usize,
    /// Whether users have the permission to delete for good.
    pub hard_delete_is_allowed: bool,
    /// How long a finished job is kept, in days (Salesforce docs: 7).
    pub kept_days: i64,
}

impl Default for BulkSwitches {
    fn default() -> Self {
        Self {
            queued_seconds: 0,
            running_seconds: 1,
            rows_per_chunk: 200,
            stuck_after_rows: None,
            fails_after_rows: None,
            failure: "InternalServerError : System unavailable".into(),
            results_lost: false,
            results_out_of_order: true,
            most_upload_bytes: 150_000_000,
            query_jobs_per_day: 10_000,
            results_page: 50_000,
            hard_delete_is_allowed: true,
            kept_days: 7,
        }
    }
}
