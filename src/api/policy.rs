//! Policies: what the operator does where there is more than one right thing to do.
//!
//! Each is an object with a `policy`, so that a policy can grow operands without a new field beside it. A variant
//! stands here only when it works.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What wins when a two-way field was changed on both sides to different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictPolicy {
    /// The side with the most recent change that the flow did not make itself.
    #[default]
    MostRecent,
    /// Salesforce.
    PreferSalesforce,
    /// ServiceNow.
    PreferServiceNow,
}

/// What wins when a two-way field was changed on both sides to different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// `MostRecent`: the side with the most recent change that the flow did not make itself, each side's time
    /// corrected by that server's own clock; a tie goes to Salesforce. `PreferSalesforce`: Salesforce.
    /// `PreferServiceNow`: ServiceNow. The losing value is kept in the conflict journal.
    pub policy: ConflictPolicy,
}

/// What happens to an edit at the target of a one-way field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Put right, and journalled.
    #[default]
    Revert,
    /// Left alone until the source changes.
    Ignore,
}

/// What happens to an edit at the target of a one-way field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// `Revert`: the edit is overwritten with the source's value, and journalled. `Ignore`: the edit stays until the
    /// source changes.
    pub policy: DriftPolicy,
}

/// What happens when a linked record leaves the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExitPolicy {
    /// The change that made it leave is still sent, then the link sleeps.
    #[default]
    PropagateThenUnlink,
    /// The link sleeps at once.
    Unlink,
    /// The link stays awake.
    KeepSyncing,
}

/// What happens when a linked record leaves the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnExit {
    /// `PropagateThenUnlink`: the change that made the record leave is still sent, then the pair rests.
    /// `Unlink`: the pair rests at once. `KeepSyncing`: the pair stays in sync for good. A resting pair that comes
    /// back into the rules goes on as the same pair.
    pub policy: ExitPolicy,
}

/// What happens to the counterpart of a record that was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletePolicy {
    /// The counterpart stays, unlinked for good.
    #[default]
    Unlink,
}

/// What happens to the counterpart of a record that was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnDelete {
    /// `Unlink`: the counterpart stays as it is, and never gets a new counterpart.
    pub policy: DeletePolicy,
}

/// What happens to a value that a field's `values` lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnmappedPolicy {
    /// The field keeps its last agreed value and waits; the rest of the record syncs.
    #[default]
    Hold,
    /// The record is quarantined.
    Quarantine,
    /// The value is sent as it is.
    PassThrough,
    /// The `default` is sent instead.
    Default,
}
