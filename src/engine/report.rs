//! What a worker says about its flow: the raw material of `status`, metrics and events.

use crate::core::failure::Problem;
use crate::core::guard::PlanSummary;
use crate::core::header::Handled;
use crate::core::ident::{FieldName, RecordId};
use crate::core::side::PerSide;
use crate::core::time::Instant;

/// A flow, as its worker sees it now. Compared before it is published: an unchanged report wakes nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowReport {
    /// Where the flow stands.
    pub state: FlowState,
    /// Links with a record on each side that are not asleep.
    pub linked: u64,
    /// Records that cannot be synced now.
    pub quarantined: u64,
    /// Conflicts decided since the flow began.
    pub conflicts: u64,
    /// Fields that wait for a person to decide a conflict.
    pub open_conflicts: u64,
    /// The longest-standing of them, at most [`FlowReport::DISPUTE_ROWS`].
    pub disputes: Vec<DisputeRow>,
    /// The longest-standing quarantined records, at most [`FlowReport::QUARANTINE_ROWS`].
    pub quarantine: Vec<QuarantineRow>,
    /// Our clock at the end of the last cycle that changed something on either side.
    pub last_change: Option<Instant>,
    /// Our clock at the end of the last cycle that read everything and settled it: the flow's pulse. The only part that
    /// moves at rest, so it is no part of `status`.
    pub last_good_cycle: Option<Instant>,
    /// The last sync-now request that a whole cycle has answered.
    pub handled_sync_now: Option<String>,
    /// The requests of people that were carried out last.
    pub handled: Handled,
    /// What does not stop the flow but needs eyes: fields on hold, rows hidden by permissions, a store nearly full.
    pub warnings: Vec<Problem>,
    /// The plan that a guard holds back, while one does.
    pub held_plan: Option<PlanSummary>,
    /// The org and the instance that the flow is pinned to.
    pub identities: PerSide<Option<String>>,
}

impl FlowReport {
    /// How many quarantined records are shown; the count is of all.
    pub const QUARANTINE_ROWS: usize = 10;
    /// How many open conflicts are shown; the count is of all.
    pub const DISPUTE_ROWS: usize = 10;
}

/// Where a flow stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FlowState {
    /// The worker has not finished a cycle yet.
    #[default]
    Starting,
    /// Existing records are being taken up for the first time.
    InitialSync,
    /// The last cycle read everything there was, and settled it.
    Synced,
    /// The last cycle could not be finished.
    Failing(Problem),
}

/// One field that waits for a person to decide a conflict. No values, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeRow {
    /// The records.
    pub ids: PerSide<RecordId>,
    /// The fields.
    pub fields: PerSide<FieldName>,
    /// Since when.
    pub since: Instant,
}

/// One record that cannot be synced now. No values, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The record on each side, as far as known.
    pub ids: PerSide<Option<RecordId>>,
    /// What is wrong and what to do about it.
    pub problem: Problem,
    /// Since when.
    pub since: Instant,
}
