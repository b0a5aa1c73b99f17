//! What is remembered about a flow as a whole: whose records it is about, how far it has read, what it waits for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::guard::PlanSummary;
use super::ident::{FieldKey, LinkId, RecordId};
use super::side::PerSide;
use super::time::Instant;

/// What is remembered about a flow as a whole. Written last in every commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Which key the fingerprints were made with.
    pub key_id: String,
    /// The definition that bases and cursors belong to.
    pub definition: DefinitionHashes,
    /// A sweep of every link that is under way, and the last link it has passed: after a change of the definition,
    /// or of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// The org and instance that the links belong to, pinned at first contact.
    pub identities: PerSide<Option<String>>,
    /// Each side's clock at first activation: `history: New` starts here.
    pub activated_at: PerSide<Option<Instant>>,
    /// How far each side was read.
    pub cursors: PerSide<Cursor>,
    /// Does the ServiceNow table honour a `sys_id` that we choose?
    pub chosen_ids: ChosenIds,
    /// Has every row that the rules let in been read once, on each side?
    pub initial_sync_done: PerSide<bool>,
    /// The requests of people that were carried out last: each is carried out once.
    #[serde(default, skip_serializing_if = "Handled::is_empty")]
    pub handled: Handled,
    /// A plan that a guard holds back, until a person approves it or it is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_plan: Option<HeldPlan>,
    /// Conflicts decided so far.
    pub conflicts: u64,
}

/// Digests of the requests that were carried out last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// To decide conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<String>,
    /// To release records from quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

impl Handled {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A plan that a guard holds back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPlan {
    /// What the person is shown.
    pub summary: PlanSummary,
    /// Of changes: those made until then, by that side's clock, are the plan; later ones are counted anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

/// Identifies the parts of a definition that state depends on. When one differs from what is stored, differences
/// between records are no edits: pairs that changed meet as for the first time, and rules are applied anew (I12).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionHashes {
    /// Of each pair of fields: kinds, direction, value table.
    pub pairs: BTreeMap<FieldKey, String>,
    /// Of what decides which records are taken up and which links are awake.
    pub rules: String,
    /// Of everything: what was refused under another definition is tried again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub whole: String,
}

/// A pass over every link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// Links up to this one are done.
    pub after: Option<LinkId>,
    /// What it would rewrite was counted, and may be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permitted: bool,
}

/// Whether a ServiceNow table honours the `sys_id` of a creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChosenIds {
    /// Not seen yet: the next creation goes alone.
    #[default]
    Unknown,
    /// Seen to honour it.
    Honoured,
    /// Seen to ignore it.
    Ignored,
}

/// How far a side was read.
///
/// A scan pages through `(modified, id)`. Between scans only `floor` counts: everything older was seen, and the next
/// scan starts an overlap before it, since rows become visible late. Within a scan `position` is the last row of the
/// last whole page, so that ten thousand rows of one second cannot hold the scan in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// Everything modified before this was seen. `None`: nothing was read yet.
    pub floor: Option<Instant>,
    /// The scan in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

/// A scan that has not reached its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// The server's clock when the scan began: the next floor is never later than this.
    pub began_at: Instant,
    /// The last row of the last whole page.
    pub position: (Instant, RecordId),
}
