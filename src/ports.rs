//! What the engine needs from outside, and what adapters need beneath them.
//!
//! Nothing behind these traits may be assumed to be reliable: every call may fail, and a future that is dropped at an
//! `.await` is the same as a crash there.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::core::failure::{FailureClass, Problem};
use crate::core::ident::{FieldName, ObjectName, RecordId};
use crate::core::link::{Header, JournalEntry, Link};
use crate::core::record::{Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::time::Instant;
use crate::core::value::Value;

// ---------------------------------------------------------------------------------------------------------------
// Beneath the adapters
// ---------------------------------------------------------------------------------------------------------------

/// Carries one HTTP request. In production it is reqwest; in the simulation it calls the pure model of the service.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends the request once, or, where its [`CallPolicy`] says that it only reads, again after a passing failure.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>;
}

/// How a request may be treated on its way. Set by the adapter as an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallPolicy {
    /// A stable, low-cardinality name of the call for metrics, such as `query` or `collections_update`.
    pub action: &'static str,
    /// Does the call change anything at the service? A write has one attempt.
    pub effect: Effect,
    /// How long the whole call may take.
    pub timeout: Duration,
}

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// May be sent again.
    Read,
    /// One attempt only: its outcome may be unknown.
    Write,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request certainly did not reach the service (refused connection, unknown host, no lease, …).
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// The request may have reached the service, and may still be at work there.
    #[error("no answer came: {0}")]
    NoAnswer(String),
    /// The host is not on the allow-list, or not https.
    #[error("the host {host} is refused: {why}")]
    Refused {
        /// The host.
        host: String,
        /// Which rule refuses it and how to allow it.
        why: String,
    },
    /// The answer is larger than we accept. The request had its effect.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
}

// ---------------------------------------------------------------------------------------------------------------
// Time, chance, the right to write
// ---------------------------------------------------------------------------------------------------------------

/// Our own clock. Only differences and back-off use it; what happened at a service is told by that service's clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall-clock now, whole seconds, UTC.
    fn now(&self) -> Instant;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// Random numbers: for jitter and for nonces. Seeded in the simulation.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// 64 random bits.
    fn next_u64(&self) -> u64 {
        let mut buffer = [0; 8];
        self.fill(&mut buffer);
        u64::from_le_bytes(buffer)
    }
}

/// The right to write: held while this process holds the Lease.
pub trait Fence: Send + Sync {
    /// True when the right certainly lasts for another `duration`. Asked before every write batch.
    fn permits(&self, duration: Duration) -> bool;
}

// ---------------------------------------------------------------------------------------------------------------
// The services
// ---------------------------------------------------------------------------------------------------------------

/// One service, spoken to with one connection's credential. Object-safe: a worker holds `Arc<dyn Remote>`.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Who answers, and what its clock says. One cheap call; also proves that the credential works.
    async fn identity(&self) -> Result<Identity, RemoteError>;

    /// Describes an object or table to our user. [`RemoteError`] with reason `UnknownObject` where there is none.
    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError>;

    /// One page of rows in the order `(modified, id)`, strictly after `after`. The adapter proves that order and
    /// filter were honoured, and fails with reason `FilterIgnored` where they were not.
    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError>;

    /// What is known of these records now. Every id asked for is a key of the answer. At most
    /// [`RemoteLimits::read_ids`] ids a call.
    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError>;

    /// Records whose `field` equals one of `values` (exactly, after the service's own collation; the caller compares
    /// again). Complete: never a part. At most [`RemoteLimits::read_ids`] values a call.
    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError>;

    /// Makes records, one attempt. One outcome per item, in the order of the items. At most
    /// [`RemoteLimits::write_batch`] items. An error means that **nothing** was sent.
    async fn create(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError>;

    /// Changes records, one attempt. As [`Remote::create`].
    async fn update(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError>;

    /// Deletes records (Salesforce: into the recycle bin), one attempt. As [`Remote::create`]; a record that is gone
    /// already is a [`Rejection`] with `gone`.
    async fn delete(&self, schema: &ObjectSchema, ids: &[RecordId])
    -> Result<Vec<WriteOutcome>, RemoteError>;

    /// What the service's own deletion log names since `since`, by its clock. Hints only: each is proven with
    /// [`Remote::read_ids`] before anything follows from it.
    async fn read_deletions(&self, schema: &ObjectSchema, since: Instant) -> Result<Deletions, RemoteError>;

    /// Sizes and times that the engine plans with.
    fn limits(&self) -> RemoteLimits;
}

/// How long one write call may take where nothing else is configured. The Lease has to outlast it.
pub const WRITE_TIMEOUT: Duration = Duration::from_mins(2);

/// Sizes and times of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteLimits {
    /// Rows of a page of changes.
    pub page: usize,
    /// Ids or values of one look-up.
    pub read_ids: usize,
    /// Items of one write call.
    pub write_batch: usize,
    /// Larger calls that make records, where the service has a way that pays.
    pub bulk_create: Option<BulkCreate>,
    /// How long one write call may take until we give up waiting.
    pub write_timeout: Duration,
    /// How long after that a write may still be applied by the service (its longest transaction).
    pub longest_transaction: Duration,
}

/// A way to make many records by one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkCreate {
    /// It pays from so many on.
    pub from: usize,
    /// The most that one call takes.
    pub most: usize,
}

impl RemoteLimits {
    /// Items of the next call that makes records, when so many wait.
    #[must_use]
    pub fn create_batch(&self, waiting: usize) -> usize {
        match self.bulk_create {
            Some(bulk) if waiting >= bulk.from => bulk.most,
            _ => self.write_batch,
        }
    }
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Salesforce: the 18-character organisation id. ServiceNow: the instance id.
    pub id: String,
    /// The service's clock at the answer (`Date` header).
    pub server_time: Instant,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct ChangeQuery {
    /// The described object.
    pub schema: ObjectSchema,
    /// The fields that the rows must hold, besides the system fields.
    pub fields: Vec<FieldName>,
    /// Start strictly after this row; `None` for the id means: every row of that second and later.
    pub after: Option<(Instant, Option<RecordId>)>,
    /// Only records created at or after this (both services index it and it never changes).
    pub created_from: Option<Instant>,
    /// At most so many rows.
    pub limit: usize,
    /// An answer that another flow got so recently will do. Zero asks the service itself.
    pub max_age: Duration,
}

/// A whole page.
#[derive(Clone, Debug)]
pub struct ChangePage {
    /// In the order `(modified, id)`.
    pub records: Vec<Record>,
    /// True when the page proves that there is nothing after it now.
    pub complete: bool,
    /// The service's clock when it answered.
    pub server_time: Instant,
    /// Rows that the service counted and did not show (ServiceNow ACLs).
    pub hidden_rows: u64,
    /// How long ago the service answered, when another flow's poll answers this one.
    pub age: Duration,
}

/// A record to make.
#[derive(Clone, Debug)]
pub struct CreateItem {
    /// The id to ask for (ServiceNow).
    pub chosen: Option<RecordId>,
    /// The stamp field and its content.
    pub stamp: (FieldName, String),
    /// The fields to set.
    pub fields: BTreeMap<FieldName, Value>,
}

/// A record to change.
#[derive(Clone, Debug)]
pub struct UpdateItem {
    /// Which.
    pub id: RecordId,
    /// The fields to set; [`Value::Null`] clears.
    pub fields: BTreeMap<FieldName, Value>,
    /// Only if the record was not modified after this moment, where the service can be asked that (Salesforce's
    /// `If-Unmodified-Since`, whole seconds). Refused for that reason, the item is a transient [`Rejection`] with
    /// reason [`MOVED_MEANWHILE`].
    pub unmodified_since: Option<Instant>,
}

/// The reason code of a guarded update that came too late: the record is read and planned again.
pub const MOVED_MEANWHILE: &str = "MovedMeanwhile";

/// What a deletion log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletions {
    /// Every deletion since the asked moment that the service had finished by `covered_until`.
    Log {
        /// Ids of deleted records, in no order, some perhaps undeleted since.
        ids: Vec<RecordId>,
        /// Where the next question begins, by the service's clock.
        covered_until: Instant,
    },
    /// The log does not reach back so far, or is not for our user's eyes: only the sweep of linked ids finds deletions.
    Unavailable {
        /// Why, and how to change it.
        why: Problem,
    },
}

/// What became of one item of a write.
#[derive(Clone, Debug)]
pub enum WriteOutcome {
    /// Applied.
    Applied {
        /// The record's id.
        id: RecordId,
        /// The record as the answer to this very write showed it (ServiceNow shows it, Salesforce does not).
        read_back: Option<Record>,
    },
    /// A unique field already has this value in another record: the creation had happened before.
    Exists {
        /// The record that has it, where the service names it.
        id: Option<RecordId>,
    },
    /// Certainly not applied.
    Rejected(Rejection),
    /// May have been applied, or may yet be. Never sent again blindly.
    Unknown {
        /// What was seen instead of an answer.
        detail: String,
    },
}

/// Why an item was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What is wrong, with the remedy. Class `HumanNeeded` for this record's data or rights, `Transient` for a row
    /// lock and the like.
    pub problem: Problem,
    /// True when the record is gone.
    pub gone: bool,
}

/// A call that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", problem.reason, problem.message)]
pub struct RemoteError {
    /// What is wrong, with the remedy.
    pub problem: Problem,
    /// What kind of failure it is.
    pub kind: RemoteErrorKind,
    /// How long the service asks us to wait.
    pub retry_after: Option<Duration>,
}

/// What kind of failure a [`RemoteError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteErrorKind {
    /// Time-outs, 5xx, HTML instead of JSON, truncated answers.
    Transient,
    /// 429, request limits, exhausted budgets.
    Throttled,
    /// 401, locked user, password needs reset, wrong client.
    Unauthenticated,
    /// Unknown object or field, missing right, ignored filter: the whole flow cannot go on.
    Misconfigured,
    /// This process may no longer write (lease).
    NotPermitted,
}

impl RemoteError {
    /// Who must act.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        self.problem.class
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Link state
// ---------------------------------------------------------------------------------------------------------------

/// Where a flow's links are kept. Each store instance belongs to one flow.
#[async_trait]
pub trait LinkStore: Send + Sync {
    /// Everything, as it stands. Also makes this instance's later commits conditional on what it loaded.
    async fn load(&self) -> Result<Snapshot, StoreError>;

    /// Makes the change durable: the journal first (so that no intent is durable without the value that it will
    /// overwrite), then the links page by page, then the header. Either every part was written when it returns `Ok`,
    /// or an unknown part was: then [`LinkStore::load`] tells, and until it did every further commit of this instance
    /// is a [`StoreError::Conflict`]. Writes nothing where nothing differs. [`StoreError::Conflict`] when another
    /// writer was there: load and plan again. [`StoreError::Full`] before anything is written.
    async fn commit(&self, change: StoreChange) -> Result<(), StoreError>;

    /// The most links that it holds; one more is [`StoreError::Full`]. To be reported before it is reached.
    fn capacity(&self) -> usize;
}

/// All that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// `None` for a flow that never ran, or whose state was lost.
    pub header: Option<Header>,
    /// Every link.
    pub links: Vec<Link>,
}

/// What a commit changes.
#[derive(Clone, Default)]
pub struct StoreChange {
    /// Links to write, new or changed.
    pub links: Vec<Link>,
    /// Overwritten values, to be kept encrypted before the overwriting write is sent.
    pub journal: Vec<JournalEntry>,
    /// The new header, written last.
    pub header: Option<Header>,
}

impl fmt::Debug for StoreChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreChange")
            .field("links", &self.links.len())
            .field("journal", &self.journal.len())
            .field("header", &self.header.is_some())
            .finish()
    }
}

/// Why link state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another writer changed a page since it was loaded.
    #[error("link state was changed by another writer; it is loaded again")]
    Conflict,
    /// The flow has more links than the store holds.
    #[error("the flow has {links} links; this store holds at most {limit}")]
    Full {
        /// How many there would be.
        links: usize,
        /// How many fit.
        limit: usize,
    },
    /// A page cannot be understood: edited by hand, or written by a newer version.
    #[error("link state page {page} cannot be read: {why}")]
    Corrupt {
        /// The page's name.
        page: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store did not answer, or answered with an error that may pass.
    #[error("link state is not reachable: {0}")]
    Unavailable(String),
    /// The store refuses us.
    #[error("link state is refused: {0}")]
    Forbidden(String),
}

impl StoreError {
    /// The problem as a user reads it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        match self {
            Self::Conflict => Problem::transient("LinkStateConflict", text),
            Self::Full { .. } => Problem::human("LinkStateFull", text),
            Self::Corrupt { .. } => Problem::human("LinkStateCorrupt", text),
            Self::Unavailable(_) => Problem::transient("LinkStateUnavailable", text),
            Self::Forbidden(_) => Problem::human("LinkStateForbidden", text),
        }
    }
}
