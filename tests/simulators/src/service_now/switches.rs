//! Behaviours that differ between instances or that no source settles, and hazards that can be switched on.
//!
//! The defaults are a current instance as the vendor documents it, with nothing going wrong. What the network and the
//! edge do (lost answers, HTML pages, 429 and 5xx, 202) are faults of the simulator in front of the model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What an instance does with a query condition on a field that does not exist or may not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InvalidQuery {
    /// The condition is dropped and the rest runs, which may return every row (ServiceNow docs: encoded query).
    Ignored,
    /// 403 `Insufficient rights to query records`, as newer instances answer non-admin users.
    Forbidden,
    /// No rows: `glide.invalid_query.returns_no_rows` is true.
    NoRows,
}

/// What a read of a table that the user may not read answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeniedTable {
    /// 403 `User Not Authorized`.
    Forbidden,
    /// 200 with no rows and the full `X-Total-Count`.
    EmptyPage,
}

/// Whether a `sys_id` in the body of a POST becomes the row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChosenSysId {
    /// It does.
    Honoured,
    /// The server makes its own.
    Ignored,
    /// It does for admins: `glide.rest.table_api.admin_only_sys_fields` is true.
    AdminOnly,
    /// The request is refused with 403.
    Refused,
}

/// What happens to text that is longer than its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LongText {
    /// It is cut without a word (recalled, not documented).
    Cut,
    /// The database refuses the write.
    Refused,
}

/// What happens to a value for a field that the user may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnwritableField {
    /// It is dropped without a word (recalled, not documented).
    Dropped,
    /// The whole write is refused with 403.
    Refused,
}

/// Whether the instance is there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Availability {
    /// It answers.
    Up,
    /// A developer instance that sleeps: a page with status 200, to every request.
    Hibernating,
    /// The edge answers for it: 503 and a page.
    Maintenance,
}

/// The threads that serve API requests (semaphores of the set `API_INT`), and the queue before them. One more request
/// is answered 429, unlike a rate limit without headers (whether headers are there no source settles).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Semaphores {
    /// Requests served at a time.
    pub threads: usize,
    /// Requests that may wait for a thread.
    pub queue: usize,
    /// How long one request takes.
    pub request_millis: i64,
}

/// The `aud` that an assertion must have; the vendor's pages name both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AssertionAudience {
    /// The client id.
    ClientId,
    /// The address of the token endpoint.
    TokenEndpoint,
}

/// What happens to requests that share a session cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionQueue {
    /// Requests that may wait for the session; one more is answered 202 and never executed.
    pub depth: usize,
    /// How long one request occupies the session.
    pub request_millis: i64,
}

/// One inbound REST rate-limit rule, counted per user over each clock hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// `X-RateLimit-Rule`.
    pub rule: String,
    /// Path prefix of the resource it guards, such as `/api/now/table`.
    pub path: String,
    /// Requests allowed in an hour.
    pub per_hour: u32,
}

/// The behaviours of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent instance property, named for a test to set"
)]
pub struct Switches {
    /// Query conditions on fields that do not exist or may not be read.
    pub invalid_query: InvalidQuery,
    /// Reading a table without the right to.
    pub denied_table: DeniedTable,
    /// A `sys_id` chosen by the client.
    pub chosen_sys_id: ChosenSysId,
    /// An update that changes nothing still moves `sys_updated_on` and `sys_mod_count`.
    pub no_op_update_bumps: bool,
    /// `glide.rest.choice.allow_non_existing_value`.
    pub allow_non_existing_choice: bool,
    /// The database keeps characters of up to three bytes only.
    pub drops_four_byte_characters: bool,
    /// `^^` in a query value stands for a caret.
    pub caret_escape: bool,
    /// Plain times in queries are read in the caller's time zone; the vendor's staff say UTC, which is the default.
    pub query_times_are_local: bool,
    /// Rows that tie under `ORDERBY` come in another order on each call (H2).
    pub shuffles_ties: bool,
    /// `glide.authenticate.api.user.reset_password.mandatory`: users who must reset their password get 401.
    pub reset_password_mandatory: bool,
    /// `glide.oauth.inbound.client.credential.grant_type.enabled`.
    pub client_credentials_enabled: bool,
    /// Each use of a refresh token gives a new one and kills the old one at once.
    pub rotates_refresh_tokens: bool,
    /// The life of access tokens, in seconds.
    pub access_token_seconds: i64,
    /// The `aud` of assertions.
    pub assertion_audience: AssertionAudience,
    /// So many failed sign-ins of a user in a row lock the account (the security lock-out of the instance); never
    /// when absent.
    pub lock_out_after: Option<u32>,
    /// Users who must give a second factor, by `user_name`: their password alone is 401 with `X-MFA_TOKEN: invalid`.
    pub multi_factor_users: BTreeSet<String>,
    /// Deletions are written to `sys_audit_delete`.
    pub audits_deletes: bool,
    /// An undeleted row counts as updated; otherwise it comes back with its old stamps.
    pub undelete_bumps: bool,
    /// The out-of-box data policy: an incident is resolved or closed only with a code and notes.
    pub close_policy: bool,
    /// Seconds until list queries see a write, though it carries the stamp of its moment (H3).
    pub late_commit_seconds: i64,
    /// Seconds by which the replica that answers reads lags (H3).
    pub replica_lag_seconds: i64,
    /// The longest address the front of the instance takes, in characters; a longer one gets an HTML page.
    pub longest_address: usize,
    /// Simulated duration of one inner call of a batch, which has 30 seconds in all.
    pub batch_inner_millis: u64,
    /// The 202 trap of shared session cookies (§3 of the vendor's KB3047080); off when absent.
    pub session_queue: Option<SessionQueue>,
    /// Inbound rate-limit rules.
    pub rate_limits: Vec<RateLimit>,
    /// Lists with more rows than this end in the 200 with a truncated body and an error; off when absent.
    pub truncates_lists_over: Option<usize>,
    /// Whether the instance is there at all.
    pub availability: Availability,
    /// Threads for API requests; without end when absent.
    pub semaphores: Option<Semaphores>,
    /// Text longer than its column.
    pub long_text: LongText,
    /// Values for fields that the user may not write.
    pub unwritable_field: UnwritableField,
    /// ISO 8601 times are read as well (recalled: they are not).
    pub parses_iso_times: bool,
    /// An incident on hold needs a reason, and a comment where it waits for its caller.
    pub hold_policy: bool,
    /// Closed and canceled incidents may be changed by administrators only.
    pub closed_is_read_only: bool,
    /// A comment by its caller takes an incident off hold.
    pub caller_reply_resumes: bool,
    /// A change goes through its states one after the other.
    pub change_model: bool,
    /// Days after its last update that a resolved incident is closed; never when absent.
    pub auto_close_days: Option<i64>,
    /// Seconds until rows sent with `insertMultiple` are transformed.
    pub import_delay_seconds: i64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            invalid_query: InvalidQuery::Ignored,
            denied_table: DeniedTable::Forbidden,
            chosen_sys_id: ChosenSysId::Honoured,
            no_op_update_bumps: false,
            allow_non_existing_choice: false,
            drops_four_byte_characters: false,
            caret_escape: false,
            query_times_are_local: false,
            shuffles_ties: false,
            reset_password_mandatory: true,
            client_credentials_enabled: true,
            rotates_refresh_tokens: false,
            access_token_seconds: 1800,
            assertion_audience: AssertionAudience::ClientId,
            lock_out_after: None,
            multi_factor_users: BTreeSet::new(),
            audits_deletes: true,
            undelete_bumps: false,
            close_policy: true,
            late_commit_seconds: 0,
            replica_lag_seconds: 0,
            longest_address: 16_384,
            batch_inner_millis: 0,
            session_queue: None,
            rate_limits: Vec::new(),
            truncates_lists_over: None,
            availability: Availability::Up,
            semaphores: None,
            long_text: LongText::Cut,
            unwritable_field: UnwritableField::Dropped,
            parses_iso_times: false,
            hold_policy: false,
            closed_is_read_only: false,
            caller_reply_resumes: false,
            change_model: false,
            auto_close_days: None,
            import_delay_seconds: 1,
        }
    }
}
