//! What a cycle works with, and how it comes to be: state loaded, org and instance pinned, schemas described, the
//! flow compiled, and the traces of an earlier definition cleared away.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use super::book::Book;
use super::invariants::violated;
use super::regression;
use super::requests::Requests;
use super::rights::Rights;
use super::tuning::Tuning;
use super::worker::{Control, WorkerParts};
use crate::core::compile::compile;
use crate::core::failure::Problem;
use crate::core::fingerprint::Fingerprinter;
use crate::core::flow::Flow;
use crate::core::guard::{GuardKind, PlanSummary};
use crate::core::ident::{FieldName, LinkId, RecordId};
use crate::core::link::{Header, Intent, JournalEntry, Link, Sweep};
use crate::core::plan::PlanContext;
use crate::core::schema::ObjectSchema;
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::ports::{Identity, RemoteError, RemoteErrorKind, StoreChange, StoreError};

/// What two links over one record violate.
const ONE_LINK: &str = "a record belongs to at most one link";

/// Why a cycle could not be finished.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum CycleError {
    /// A service failed, or refuses us.
    #[error("{side}: {error}")]
    Remote { side: Side, error: RemoteError },
    /// Link state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// We were told to stop; what was not sent yet is kept for the next worker.
    #[error("the worker was told to stop")]
    Stopped,
    /// The flow cannot run as it is.
    #[error("{}: {}", .0.reason, .0.message)]
    Blocked(Problem),
    /// A guard holds back what the flow would do next.
    #[error("a guard holds back a plan")]
    Held(Box<PlanSummary>),
}

impl CycleError {
    /// The problem as a user reads it.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Self::Remote { error, .. } => error.problem.clone(),
            Self::Blocked(problem) => problem.clone(),
            Self::Held(plan) => held_back(plan),
            Self::Stopped => Problem::waiting("Stopped", self.to_string()),
            Self::Store(error) => error.problem(),
        }
    }

    /// The plan that a person has to approve.
    pub(super) fn held_plan(&self) -> Option<PlanSummary> {
        match self {
            Self::Held(plan) => Some(plan.as_ref().clone()),
            Self::Remote { .. } | Self::Store(_) | Self::Stopped | Self::Blocked(_) => None,
        }
    }

    /// Was the call refused for what it held, so that one item may be at fault?
    pub(super) fn may_be_about_one_item(&self) -> bool {
        matches!(self, Self::Remote { error, .. }
        if error.kind == RemoteErrorKind::Misconfigured
            && matches!(
                error.problem.reason.as_str(),
                "RequestRefused" | "BatchRefused" | "BatchTooLarge" | "UnexpectedStatus"
            ))
    }

    /// Does the service, or our share of its calls, ask us to wait?
    pub(super) fn is_throttled(&self) -> bool {
        matches!(self, Self::Remote { error, .. } if error.kind == RemoteErrorKind::Throttled)
    }

    /// Does another process own the state by now?
    pub(super) fn owns_nothing(&self) -> bool {
        matches!(self, Self::Remote { error, .. } if error.kind == RemoteErrorKind::NotPermitted)
    }

    /// How long the service asked us to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Remote { error, .. } => error.retry_after,
            Self::Store(_) | Self::Blocked(_) | Self::Held(_) | Self::Stopped => None,
        }
    }

    /// Does only slow retrying make sense, since a person must act first?
    pub(super) fn needs_a_person(&self) -> bool {
        match self {
            Self::Remote { error, .. } => {
                matches!(
                    error.kind,
                    RemoteErrorKind::Unauthenticated | RemoteErrorKind::Misconfigured
                )
            }
            Self::Store(error) => !matches!(error, StoreError::Conflict | StoreError::Unavailable(_)),
            Self::Blocked(_) | Self::Held(_) => true,
            Self::Stopped => false,
        }
    }
}

/// Gives a [`RemoteError`] its side.
pub(super) trait OnSide<T> {
    fn on(self, side: Side) -> Result<T, CycleError>;
}

impl<T> OnSide<T> for Result<T, RemoteError> {
    fn on(self, side: Side) -> Result<T, CycleError> {
        self.map_err(|error| CycleError::Remote { side, error })
    }
}

/// Hears how far a long cycle has come.
pub(super) type Progress<'a> = &'a (dyn Fn(&Session<'_>) + Send + Sync);

/// A flow that is ready to run.
pub(super) struct Session<'a> {
    pub(super) parts: &'a WorkerParts,
    pub(super) tuning: &'a Tuning,
    pub(super) flow: Flow,
    pub(super) schemas: PerSide<ObjectSchema>,
    pub(super) fields: PerSide<Vec<FieldName>>,
    pub(super) prints: Fingerprinter,
    pub(super) header: Header,
    pub(super) book: Book,
    /// Each server's clock minus ours, in seconds, as of its last answer.
    pub(super) clock_offsets: PerSide<i64>,
    /// Our monotonic clock when identity and schemas were last checked.
    pub(super) checked_at: Duration,
    /// Was a field refused that could be written when the flow was compiled? Then it is compiled again before the next
    /// cycle, and says at once all that is missing.
    pub(super) rights_in_doubt: bool,
    /// What the last cycle noticed that needs eyes but stops nothing.
    pub(super) warnings: Vec<Problem>,
    /// What was noticed while the session was opened.
    pub(super) noticed_at_open: Vec<Problem>,
    /// Effective writes of this cycle, for *last sync*.
    pub(super) writes: u64,
    /// Were known records of each side seen in this cycle, before anything is made or deleted there?
    pub(super) access_checked: PerSide<bool>,
    /// What this session has learnt about what its user may do.
    pub(super) rights: Rights,
    /// Was a record of this side seen in an older state than one we acted on, long after?
    pub(super) went_back: PerSide<bool>,
    /// Was the outcome of a write of this cycle left to be found out by looking?
    pub(super) unsettled: bool,
    /// Did the last cycle do all it could, and a service lets us read the rest later? Then memory and store agree.
    pub(super) put_off: bool,
    stored_header: Option<Header>,
    control: watch::Receiver<Control>,
}

impl<'a> Session<'a> {
    /// Opens a session. No service is written to, and nothing is stored but the header and cleared bases.
    pub(super) async fn open(
        parts: &'a WorkerParts,
        tuning: &'a Tuning,
        control: watch::Receiver<Control>,
    ) -> Result<Self, CycleError> {
        let identities = PerSide {
            salesforce: parts.remotes.salesforce.identity().await.on(Side::Salesforce)?,
            service_now: parts.remotes.service_now.identity().await.on(Side::ServiceNow)?,
        };
        let schemas = PerSide {
            salesforce: describe(parts, Side::Salesforce).await?,
            service_now: describe(parts, Side::ServiceNow).await?,
        };
        let flow = compile(&parts.definition, schemas.as_ref())
            .map_err(|problems| CycleError::Blocked(all_of(&problems)))?;
        let snapshot = parts.store.load().await?;
        let fields = PerSide::from_fn(|side| flow.sides[side].read_fields.iter().cloned().collect());
        let mut session = Self {
            parts,
            tuning,
            flow,
            schemas,
            fields,
            prints: Fingerprinter::new(&parts.key),
            header: snapshot.header.clone().unwrap_or_default(),
            book: Book::load(snapshot.links),
            clock_offsets: PerSide::default(),
            checked_at: parts.clock.monotonic(),
            rights_in_doubt: false,
            warnings: Vec::new(),
            noticed_at_open: Vec::new(),
            writes: 0,
            access_checked: PerSide::default(),
            rights: Rights::default(),
            went_back: PerSide::default(),
            unsettled: false,
            put_off: false,
            stored_header: snapshot.header,
            control,
        };
        if let Some(clash) = session.book.clash() {
            return Err(violated(ONE_LINK, Some(clash)));
        }
        session.pin(&identities)?;
        session.adopt_definition().await?;
        session.noticed_at_open = std::mem::take(&mut session.warnings);
        Ok(session)
    }

    /// Pins the org and the instance at first contact; a credential that leads elsewhere stops the flow.
    fn pin(&mut self, identities: &PerSide<Identity>) -> Result<(), CycleError> {
        for (side, identity) in identities.iter() {
            self.pin_one(side, identity)?;
        }
        Ok(())
    }

    /// Compares one side's answer with the pinned identity, and pins it at first contact.
    pub(super) fn pin_one(&mut self, side: Side, identity: &Identity) -> Result<(), CycleError> {
        self.note_server_time(side, identity.server_time);
        regression::check_clock(self, side, identity.server_time);
        match &self.header.identities[side] {
            Some(pinned) if *pinned != identity.id => Err(CycleError::Blocked(Problem::human(
                "IdentityChanged",
                format!(
                    "this flow's links belong to {side} {pinned}, but the connection now leads to {}; point the \
                     Connection back, or make a new SyncFlow for the other one",
                    identity.id
                ),
            ))),
            Some(_) => Ok(()),
            None => {
                self.header.identities[side] = Some(identity.id.clone());
                self.header.activated_at[side] = Some(identity.server_time);
                Ok(())
            }
        }
    }

    /// What people ask of the flow now.
    pub(super) fn requests(&self) -> Requests {
        self.control.borrow().requests.clone()
    }

    /// Bases of pairs that changed are void, other rules are applied from the beginning, and another key means that
    /// every base is lost: differences then meet as for the first time instead of passing for edits (I12, I13).
    async fn adopt_definition(&mut self) -> Result<(), CycleError> {
        let key_id = self.prints.key_id();
        let fresh = self.header.key_id.is_empty();
        let lost_key = !fresh && self.header.key_id != key_id;
        let old = std::mem::replace(&mut self.header.definition, self.flow.hashes.clone());
        self.header.key_id = key_id;
        let changed_rules = !fresh && old.rules != self.flow.hashes.rules;
        let changed_pairs = !fresh && old.pairs != self.flow.hashes.pairs;
        if changed_rules {
            self.header.cursors = PerSide::default();
        }
        if !fresh && old.whole != self.flow.hashes.whole {
            self.retry_quarantined().await?;
        }
        if lost_key || changed_pairs || changed_rules {
            self.header.sweep = Some(Sweep::default());
            let links: Vec<Link> = self.book.links().cloned().collect();
            let mut touched = BTreeSet::new();
            for mut link in links {
                link.bases
                    .retain(|key, _| !lost_key && old.pairs.get(key) == self.flow.hashes.pairs.get(key));
                link.held
                    .retain(|key, _| self.flow.hashes.pairs.contains_key(key));
                for side in Side::BOTH {
                    if let Some(intent) = &mut link.intents[side] {
                        // What was sent under an earlier mapping is no agreement under this one.
                        intent
                            .fields
                            .retain(|key, _| old.pairs.get(key) == self.flow.hashes.pairs.get(key));
                    }
                }
                if lost_key {
                    // Fingerprints of another key compare with nothing: what was sent is found out by looking.
                    link.intents = PerSide::from_fn(|side| {
                        link.intents[side]
                            .clone()
                            .filter(Intent::is_creation)
                            .map(|mut intent| {
                                intent.fields.clear();
                                intent
                            })
                    });
                }
                touched.insert(link.id.clone());
                self.book.put(link);
            }
            self.commit(&touched, Vec::new()).await?;
        }
        // Also when nothing changed: a first header pins identities and activation before the first read.
        self.commit_header().await
    }

    /// What was refused under another definition may pass under this one.
    async fn retry_quarantined(&mut self) -> Result<(), CycleError> {
        let now = self.parts.clock.now();
        let links: Vec<Link> = self
            .book
            .links()
            .filter(|link| link.quarantine.is_some())
            .cloned()
            .collect();
        let ids = links.iter().map(|link| link.id.clone()).collect();
        for mut link in links {
            if let Some(row) = &mut link.quarantine {
                row.retry_at = row.retry_at.min(now);
            }
            self.book.put(link);
        }
        self.commit(&ids, Vec::new()).await
    }

    /// The planning context at this moment.
    pub(super) fn context(&self) -> PlanContext<'_> {
        PlanContext {
            flow: &self.flow,
            fingerprints: &self.prints,
            now: self.parts.clock.now(),
            clock_offsets: self.clock_offsets,
            flip_limit: self.tuning.flip_limit,
        }
    }

    /// Learns how far a server's clock is from ours.
    pub(super) fn note_server_time(&mut self, side: Side, server_time: Instant) {
        self.clock_offsets[side] = server_time.seconds() - self.parts.clock.now().seconds();
    }

    /// Makes these links durable, where they differ from what is stored, and the journal before them.
    pub(super) async fn commit(
        &mut self,
        links: &BTreeSet<LinkId>,
        journal: Vec<JournalEntry>,
    ) -> Result<(), CycleError> {
        if let Some(clash) = self.book.clash() {
            return Err(violated(ONE_LINK, Some(clash)));
        }
        let links = self.book.unstored(links);
        if links.is_empty() && journal.is_empty() {
            return Ok(());
        }
        self.parts
            .store
            .commit(StoreChange {
                links: links.clone(),
                journal,
                header: None,
            })
            .await?;
        self.book.note_stored(&links);
        Ok(())
    }

    /// Makes the header durable, where it differs from what is stored. Always after the links it speaks of.
    pub(super) async fn commit_header(&mut self) -> Result<(), CycleError> {
        if self.stored_header.as_ref() == Some(&self.header) {
            return Ok(());
        }
        let change = StoreChange {
            header: Some(self.header.clone()),
            ..StoreChange::default()
        };
        self.parts.store.commit(change).await?;
        self.stored_header = Some(self.header.clone());
        Ok(())
    }

    /// Makes what was learnt of chosen ids durable at once: it decides how a lost answer is settled.
    pub(super) async fn commit_chosen(&mut self) -> Result<(), CycleError> {
        if self
            .stored_header
            .as_ref()
            .is_some_and(|stored| stored.chosen_ids == self.header.chosen_ids)
        {
            return Ok(());
        }
        self.commit_header().await
    }

    /// Fails once the worker is told to stop. Asked where a cycle can end without loss: between pages, and between
    /// batches.
    pub(super) fn go_on(&self) -> Result<(), CycleError> {
        if self.control.borrow().stop {
            return Err(CycleError::Stopped);
        }
        Ok(())
    }

    /// Adds a warning once.
    pub(super) fn warn(&mut self, problem: Problem) {
        if !self.warnings.contains(&problem) && self.warnings.len() < 20 {
            self.warnings.push(problem);
        }
    }
}

/// What a held plan is about, and how to let it pass.
fn held_back(plan: &PlanSummary) -> Problem {
    let PlanSummary {
        side,
        count,
        of,
        first,
        token,
        ..
    } = plan;
    let what = match plan.kind {
        GuardKind::Deletions => {
            let before = match plan.ended_before {
                0 => String::new(),
                before => format!(", after {before} others in the day before"),
            };
            format!("{count} of {of} pairs would end because their {side} records were deleted{before}")
        }
        GuardKind::Remapped => {
            format!("the changed definition would rewrite the {side} records of {count} of {of} pairs")
        }
        GuardKind::Restored => {
            format!(
                "{count} of {of} linked records went back to an older state on {side} (restored from a backup?)"
            )
        }
        GuardKind::Changes => {
            format!("{count} of {of} linked records changed on {side} since the last cycle")
        }
    };
    let first: Vec<&str> = first.iter().map(RecordId::as_str).collect();
    Problem::human(
        "Blocked",
        format!(
            "{what}, more than the flow's guards let pass, and nothing is written; the first are {}. If that is right, \
             set the annotation syncflow.io/approve-plan to {token}; if not, put it right at the service",
            first.join(", ")
        ),
    )
}

async fn describe(parts: &WorkerParts, side: Side) -> Result<ObjectSchema, CycleError> {
    parts.remotes[side]
        .describe(&parts.definition.sides[side].object)
        .await
        .on(side)
}

/// All problems of a flow as one: the first one's reason, every message.
fn all_of(problems: &[Problem]) -> Problem {
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    problems.first().map_or_else(
        || Problem::human("InvalidMapping", "the flow does not compile"),
        |first| Problem {
            message: messages.join("; "),
            ..first.clone()
        },
    )
}
