//! One flow's loop: open a session, then cycle after cycle until told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::cycle::{self, Pace};
use super::report::{DisputeRow, FlowReport, FlowState, QuarantineRow};
use super::requests::Requests;
use super::session::{CycleError, Progress, Session};
use super::tuning::Tuning;
use crate::core::definition::FlowDefinition;
use crate::core::failure::{Problem, Reason};
use crate::core::link::{Link, Phase};
use crate::core::mapping::CUT_COPY_EDITED;
use crate::core::plan::FIELD_CUT;
use crate::core::side::PerSide;
use crate::ports::{Clock, Entropy, Fence, LinkStore, Remote};

/// All that a worker needs.
#[derive(Clone)]
pub struct WorkerParts {
    /// The flow, as its manifests say it. A worker lives as long as its definition: a new one gets a new worker.
    pub definition: FlowDefinition,
    /// Both services.
    pub remotes: PerSide<Arc<dyn Remote>>,
    /// This flow's link state.
    pub store: Arc<dyn LinkStore>,
    /// The secret key under which this flow's values are fingerprinted.
    pub key: [u8; 32],
    /// Our clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The right to write.
    pub fence: Arc<dyn Fence>,
}

/// What a worker is told while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Finish what was sent, commit it, and return.
    pub stop: bool,
    /// What a person asks of the flow.
    pub requests: Requests,
}

/// One flow's loop.
pub struct Worker {
    parts: WorkerParts,
    tuning: Tuning,
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(parts: WorkerParts) -> Self {
        Self {
            parts,
            tuning: Tuning::default(),
        }
    }

    /// The same worker with other times and sizes.
    #[must_use]
    pub fn with_tuning(self, tuning: Tuning) -> Self {
        Self { tuning, ..self }
    }

    /// Runs until [`Control::stop`]. Publishes a report whenever it changed. Never panics, never gives up: what fails
    /// is reported and tried again with back-off.
    pub async fn run(self, mut control: watch::Receiver<Control>, reports: watch::Sender<FlowReport>) {
        let mut session = None;
        let mut pace = Pace::default();
        let mut failures = 0_u32;
        let mut report = reports.borrow().clone();
        loop {
            let told = control.borrow_and_update().clone();
            if told.stop {
                return;
            }
            let progress = |session: &Session<'_>| {
                let mut report = reports.borrow().clone();
                self.describe(session, &mut report);
                publish(&reports, &report);
            };
            let outcome = self.one_cycle(&mut session, &mut pace, &control, &progress).await;
            let wait = match outcome {
                Ok(()) => {
                    failures = 0;
                    if let Some(session) = &session {
                        self.describe(session, &mut report);
                        report.handled_sync_now.clone_from(&told.requests.sync_now);
                    }
                    report.last_good_cycle = Some(self.parts.clock.now());
                    self.jittered(self.parts.definition.interval)
                }
                Err(CycleError::Stopped) => return,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if let Some(session) = &session {
                        self.describe(session, &mut report);
                    }
                    let problem = error.problem();
                    tracing::warn!(
                        reason = problem.reason.as_str(),
                        message = problem.message,
                        "the cycle failed"
                    );
                    report.state = FlowState::Failing(problem);
                    report.held_plan = error.held_plan();
                    self.after_failure(&error, failures)
                }
            };
            publish(&reports, &report);
            if self.pause(&mut control, &told, wait).await.is_err() {
                return;
            }
        }
    }

    async fn one_cycle<'a>(
        &'a self,
        session: &mut Option<Session<'a>>,
        pace: &mut Pace,
        control: &watch::Receiver<Control>,
        progress: Progress<'_>,
    ) -> Result<(), CycleError> {
        let now = self.parts.clock.monotonic();
        let stale = |session: &Session<'_>| {
            session.rights_in_doubt || now.saturating_sub(session.checked_at) >= self.tuning.recheck_every
        };
        let mut current = match session.take() {
            Some(current) if !stale(&current) => current,
            _ => Session::open(&self.parts, &self.tuning, control.clone()).await?,
        };
        let asked_now = control
            .borrow()
            .requests
            .sync_now
            .as_deref()
            .is_some_and(|token| pace.handles(token));
        let outcome = cycle::run(&mut current, pace, asked_now, progress).await;
        // After a failure, what is in memory may be ahead of what is stored: then begin again from what is stored.
        if outcome.is_ok() || current.put_off {
            *session = Some(current);
        }
        outcome
    }

    /// Waits, but not past a change of what we are told. An error means that nobody is there to tell us anything.
    async fn pause(
        &self,
        control: &mut watch::Receiver<Control>,
        told: &Control,
        wait: Duration,
    ) -> Result<(), watch::error::RecvError> {
        let sleep = self.parts.clock.sleep(wait);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                biased;
                changed = control.changed() => {
                    changed?;
                    if *control.borrow() != *told {
                        return Ok(());
                    }
                }
                () = &mut sleep => return Ok(()),
            }
        }
    }

    /// Between nine and eleven tenths, so that flows of one interval do not poll in step.
    fn jittered(&self, interval: Duration) -> Duration {
        let parts = u32::try_from(self.parts.entropy.next_u64() % 201).unwrap_or(100) + 900;
        interval.saturating_mul(parts) / 1000
    }

    fn after_failure(&self, error: &CycleError, failures: u32) -> Duration {
        let (first, longest) = self.tuning.retry;
        let wait = if error.needs_a_person() {
            // The remedy is often outside Kubernetes, where nothing tells us of it.
            self.parts.definition.interval.min(longest)
        } else {
            first
                .saturating_mul(1 << failures.saturating_sub(1).min(10))
                .min(longest)
        };
        self.jittered(wait).max(error.retry_after().unwrap_or_default())
    }

    fn describe(&self, session: &Session<'_>, report: &mut FlowReport) {
        let links = || session.book.links().filter(|link| link.phase != Phase::Tombstone);
        report.linked = count(links().filter(|link| link.phase == Phase::Active && link.pair().is_some()));
        let mut stuck: Vec<&Link> = links().filter(|link| link.quarantine.is_some()).collect();
        report.quarantined = count(stuck.iter());
        stuck.sort_by_key(|link| (link.quarantine.as_ref().map(|row| row.since), link.id.clone()));
        report.quarantine = stuck
            .into_iter()
            .filter_map(|link| {
                let row = link.quarantine.as_ref()?;
                Some(QuarantineRow {
                    ids: link.ids.clone(),
                    problem: row.problem.clone(),
                    since: row.since,
                })
            })
            .take(FlowReport::QUARANTINE_ROWS)
            .collect();
        report.held_plan = None;
        report.handled = session.header.handled.clone();
        let disputes = disputes(session);
        report.open_conflicts = count(disputes.iter());
        report.disputes = disputes;
        report.disputes.truncate(FlowReport::DISPUTE_ROWS);
        report.conflicts = session.header.conflicts;
        report.identities = session.header.identities.clone();
        report.warnings.clone_from(&session.warnings);
        report.warnings.extend(held(session));
        report.warnings.extend(undecided(report.open_conflicts));
        let known = session.book.links().count();
        report
            .warnings
            .extend(nearly_full(known, self.parts.store.capacity()));
        if session.writes > 0 {
            report.last_change = Some(self.parts.clock.now());
        }
        report.state = if session.header.initial_sync_done.iter().all(|(_, done)| *done) {
            FlowState::Synced
        } else {
            FlowState::InitialSync
        };
        if let Some(missing) = session.rights.missing() {
            report.state = FlowState::Failing(missing.clone());
        }
    }
}

/// An unchanged report wakes nobody.
fn publish(reports: &watch::Sender<FlowReport>, report: &FlowReport) {
    reports.send_if_modified(|current| {
        let differs = current != report;
        if differs {
            current.clone_from(report);
        }
        differs
    });
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

/// Conflicts that wait for a person, the oldest first.
fn disputes(session: &Session<'_>) -> Vec<DisputeRow> {
    let mut rows = Vec::new();
    // Of a pair one of whose records is gone there is nothing to decide: what becomes of it is the flow's `onDelete`.
    let waiting = |link: &&Link| link.phase == Phase::Active && link.departure.is_none();
    for link in session.book.links().filter(waiting) {
        let Some(pair) = link.pair() else { continue };
        for field in &session.flow.fields {
            if let Some(dispute) = link.disputes.get(&field.key) {
                rows.push(DisputeRow {
                    ids: pair.map(|_, id| id.clone()),
                    fields: field.fields.clone(),
                    since: dispute.since,
                });
            }
        }
    }
    rows.sort_by(|a, b| (a.since, &a.ids).cmp(&(b.since, &b.ids)));
    rows
}

fn undecided(open: u64) -> Option<Problem> {
    (open > 0).then(|| {
        Problem::human(
            "ConflictsOpen",
            format!(
                "{open} fields were changed on both sides and wait for a person: pick a side with syncflow conflicts \
                 resolve, or edit one of them again; status.openConflicts says which"
            ),
        )
    })
}

/// Said from nine tenths on: once the store is full, nothing new is synced.
fn nearly_full(links: usize, capacity: usize) -> Option<Problem> {
    (links >= capacity / 10 * 9).then(|| {
        Problem::human(
            "StateNearLimit",
            format!(
                "the flow has {links} links, those of deleted records included, and its store holds {capacity}; narrow \
                 its rules, or divide its records among several SyncFlows by rules"
            ),
        )
    })
}

/// Fields that are not in sync although their record is: one warning for each pair of fields and reason.
fn held(session: &Session<'_>) -> Vec<Problem> {
    let awake = || session.book.links().filter(|link| link.phase != Phase::Tombstone);
    let mut warnings = Vec::new();
    for pair in &session.flow.fields {
        let names = format!("{} ⇄ {}", pair.fields.salesforce, pair.fields.service_now);
        let reasons = || {
            awake()
                .filter_map(|link| link.held.get(&pair.key))
                .map(Reason::as_str)
        };
        let cut = count(reasons().filter(|reason| *reason == FIELD_CUT));
        let edited_copies = count(reasons().filter(|reason| *reason == CUT_COPY_EDITED));
        let waiting = count(reasons()) - cut - edited_copies;
        if edited_copies > 0 {
            warnings.push(Problem::human(
                CUT_COPY_EDITED,
                format!(
                    "on {edited_copies} records the cut copy of {names} was edited and waits; take the marker at its \
                     end away to let it replace the whole, or edit the whole"
                ),
            ));
        }
        if waiting > 0 {
            warnings.push(Problem::human(
                "FieldsOnHold",
                format!(
                    "{waiting} records hold back {names} because a value has no counterpart; add a row to the field's \
                     values in the FieldMapping"
                ),
            ));
        }
        if cut > 0 {
            warnings.push(Problem::human(
                FIELD_CUT,
                format!(
                    "of {cut} records one side kept only the beginning of {names}; lengthen the field there, or shorten \
                     the values"
                ),
            ));
        }
    }
    warnings
}
