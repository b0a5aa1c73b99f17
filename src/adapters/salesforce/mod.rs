//! Salesforce behind [`crate::ports::Remote`]: the REST API, with JSON, and jobs of Bulk API 2.0.
//!
//! ```text
//!   remote ─▶ describe, look_up ────────────────┐
//!          ─▶ backfill ─▶ changes ──────────────┤
//!          │           └▶ bulk                  ├─▶ client ─▶ session ─▶ auth
//!          ─▶ write ─▶ collections, guarded ────┤      └─▶ meter
//!          │       └─▶ ingest ─▶ bulk           │
//!          ─▶ deletions ────────────────────────┘
//! ```
//!
//! - [`remote`]: the port, call by call
//! - [`client`]: one request with the session's token; signs in again once when the token is no longer taken
//! - [`session`], [`auth`], [`token_refusal`]: one sign-in at a time, its grants, and what each refusal means
//! - [`meter`], [`api_usage`]: the share of the org's daily calls that the connection may help to use up
//! - [`describe`], [`look_up`], [`changes`], [`query`], [`deletions`]: what is asked for, and how the answer is read
//! - [`write`], [`collections`], [`guarded`]: what is changed. Composite carries guarded updates only: Collections needs
//!   fewer calls for everything else, and the references between subrequests, its one advantage, are never needed
//! - [`bulk`], [`backfill`], [`ingest`], [`csv`]: jobs, where they need fewer calls
//! - [`convert`]: JSON to values and back, by the field's kind
//! - [`errors`], [`rejection`]: Salesforce's error codes, of a whole call and of one record, as failures with a remedy
//!
//! Nothing here reads a clock for deciding about records, spawns a task or draws a random number: time is the `Date`
//! header of Salesforce's own answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use self::backfill::Backfills;
use crate::adapters::credential::{CredentialSource, SalesforceCredential};
use crate::adapters::refused::RefusalRest;
use crate::adapters::turn::Turns;
use crate::core::budget::Share;
use crate::core::ident::ObjectName;
use crate::ports::{Clock, Transport, WRITE_TIMEOUT};

pub mod api_usage;
mod auth;
mod backfill;
mod bulk;
mod changes;
mod client;
mod collections;
mod convert;
mod csv;
mod deletions;
mod describe;
mod errors;
mod guarded;
mod ingest;
mod look_up;
mod meter;
mod query;
mod rejection;
mod remote;
mod session;
#[cfg(test)]
mod tests;
mod token_refusal;
mod write;

/// Where and as whom.
#[derive(Clone)]
pub struct SalesforceConfig {
    /// Where sign-in happens: the org's My Domain (`https://acme.my.salesforce.com`), or, for anything but client
    /// credentials, `https://login.salesforce.com` or `https://test.salesforce.com`.
    pub login_url: Url,
    /// Where the credential is read.
    pub credential: Arc<dyn CredentialSource<SalesforceCredential>>,
    /// The version of the REST API, such as `62.0`.
    pub api_version: String,
    /// How much of the org's daily calls this connection may help to use up.
    pub api_share: Share,
    /// From which sizes on bulk jobs are used.
    pub bulk: BulkRules,
    /// How long a refused credential rests.
    pub refusal_rest: RefusalRest,
    /// What its sign-ins share with those of the connection's other sessions.
    pub turns: Turns,
    /// How long a write may take, signing in included. Salesforce cuts most transactions off sooner, but a batch of 200
    /// records with triggers may use two minutes. What takes longer is of unknown outcome.
    pub write_timeout: Duration,
}

/// From which sizes on a bulk job needs fewer calls than the calls it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkRules {
    /// Rows left in a scan. A job costs about seven calls and one for each 10,000 rows; pages cost one for each 2,000.
    pub query_from: u64,
    /// Records made in one call. A job costs about nine calls, Collections one for each 200; and a job is begun when
    /// Salesforce likes.
    pub ingest_from: usize,
    /// The most records made in one call: what a job works off as one of its batches.
    pub ingest_most: usize,
}

impl Default for BulkRules {
    fn default() -> Self {
        Self {
            query_from: 50_000,
            ingest_from: 2_000,
            ingest_most: 10_000,
        }
    }
}

impl SalesforceConfig {
    /// The version that this adapter was written against. Salesforce keeps versions for years and answers 410 for a
    /// retired one.
    pub const API_VERSION: &'static str = "62.0";

    /// With the default API version, budget and rest.
    pub fn new(login_url: Url, credential: Arc<dyn CredentialSource<SalesforceCredential>>) -> Self {
        Self {
            login_url,
            credential,
            api_version: Self::API_VERSION.to_owned(),
            api_share: Share::DEFAULT,
            bulk: BulkRules::default(),
            refusal_rest: RefusalRest::default(),
            turns: Turns::default(),
            write_timeout: WRITE_TIMEOUT,
        }
    }
}

/// One org, spoken to with one connection's credential.
pub struct Salesforce {
    client: client::Client,
    /// Whether an object has a deletion log, as its last describe said.
    replicated: Mutex<BTreeMap<ObjectName, bool>>,
    backfills: Backfills,
    bulk: BulkRules,
}

impl Salesforce {
    /// Calls through `transport`. The clock only measures how long a refused sign-in is remembered.
    pub fn new(config: SalesforceConfig, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self {
            backfills: Backfills::new(config.bulk),
            bulk: config.bulk,
            client: client::Client::new(config, transport, clock),
            replicated: Mutex::default(),
        }
    }

    /// Tells `observer` what every answer says of the org's daily calls.
    #[must_use]
    pub fn with_usage_observer(mut self, observer: Arc<dyn api_usage::ApiUsageObserver>) -> Self {
        self.client.observe_usage(observer);
        self
    }
}
