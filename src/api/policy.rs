//! Policies: what the operator does where there is more than one right thing to do.
//!
//! Each is an object with a `policy`, so that a policy can grow operands without a new field beside it. A variant
//! stands here only when it works.

use kube::KubeSchema;
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
    /// Neither, until a person decides.
    Manual,
}

/// What wins when a two-way field was changed on both sides to different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// `MostRecent`: the side with the most recent change that the flow did not make itself, each side's time
    /// corrected by that server's own clock; a tie goes to Salesforce. `PreferSalesforce`: Salesforce.
    /// `PreferServiceNow`: ServiceNow. The losing value is kept in the conflict journal. `Manual`: neither is
    /// overwritten, and the field is shown in `status.openConflicts`, until a person picks a side
    /// (`syncflow conflicts resolve`), makes both equal, or edits the field on one side again.
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
    /// The counterpart is deleted too.
    DeleteCounterpart,
    /// The counterpart stays, unlinked for good, with a field set that says so.
    Mark,
}

/// What happens to the counterpart of a record that was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.policy == 'Mark') == has(self.mark)")
    .message("mark is for policy Mark, which needs it"))]
#[serde(rename_all = "camelCase")]
pub struct OnDelete {
    /// `Unlink`: the counterpart stays as it is, and never gets a new counterpart. `DeleteCounterpart`: it is deleted
    /// too (on Salesforce into the recycle bin), unless its mapped fields hold edits that were never synced: then it is
    /// quarantined. `Mark`: it stays, and the field of `mark` is set. A deletion travels only from a side whose records
    /// get a counterpart (`direction`), and only while the pair is in the rules; otherwise it is as with `Unlink`.
    pub policy: DeletePolicy,
    /// The field that policy `Mark` sets on the counterpart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// The fields that policy `Mark` sets: on the ServiceNow counterpart of a deleted Salesforce record, and the other way
/// round. Each is needed where the direction lets such a deletion travel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Set on a Salesforce record whose ServiceNow counterpart was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salesforce: Option<MarkField>,
    /// Set on a ServiceNow record whose Salesforce counterpart was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_now: Option<MarkField>,
}

/// A field and the value that it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkField {
    /// API name of the field that is set. It need not be mapped.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    pub field: String,
    /// The value, as the API takes it. Numbers and booleans in quotes.
    #[schemars(length(min = 1, max = 1000))]
    pub value: String,
}

/// How many records may be concerned at once before a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// So many records pass, whatever their share.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub records: i32,
    /// So large a share of the flow's pairs passes, in percent. The larger of the two limits counts.
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
}

/// Guards against accidents that concern many records at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guards {
    /// Pairs that would end because one of their records was deleted, whatever `onDelete` says, together with those that
    /// ended so in the 24 hours before. Default: 20 records, or 5 percent if that is more. All of three or more are too
    /// many in any case.
    #[serde(default = "Guards::deletions")]
    pub deletions: Guard,
    /// Linked records that changed on one side since the last cycle. Default: 200 records, or 50 percent if that is
    /// more. All of a hundred or more are too many in any case.
    #[serde(default = "Guards::changes")]
    pub changes: Guard,
}

impl Guards {
    const fn deletions() -> Guard {
        Guard {
            records: 20,
            percent: 5,
        }
    }

    const fn changes() -> Guard {
        Guard {
            records: 200,
            percent: 50,
        }
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            deletions: Self::deletions(),
            changes: Self::changes(),
        }
    }
}

/// What happens to a text that is longer than the other side's field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TruncatePolicy {
    /// The record is quarantined.
    #[default]
    Quarantine,
    /// The other side gets the beginning, with a marker.
    Cut,
}

/// What happens to a text that is longer than the other side's field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Truncate {
    /// `Quarantine`: the record waits until the text is shortened or the field lengthened. `Cut`: the other side gets
    /// the beginning of the text and the marker `... [cut]`. A text that ends with the marker never flows back, so a
    /// cut copy cannot replace the whole; whoever wants that takes the marker away.
    pub policy: TruncatePolicy,
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
