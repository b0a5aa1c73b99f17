//! What is remembered about a pair of records. About a flow as a whole: [`super::header`]; what was overwritten:
//! [`super::journal`].
//!
//! Nothing here holds a value of a record: bases and intents are keyed fingerprints.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::failure::{Problem, Reason};
use super::fingerprint::Fingerprint;
use super::ident::{FieldKey, LinkId, RecordId};
use super::record::{DeletionProof, Version};
use super::side::{PerSide, Side};
use super::time::Instant;

pub use super::header::{ChosenIds, Cursor, DefinitionHashes, Header, Scan, Sweep};
pub use super::journal::{JournalCause, JournalEntry};

/// The pairing of one record on each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its identity.
    pub id: LinkId,
    /// The side of the record it began with.
    pub origin: Side,
    /// The record on each side; the counterpart's is `None` until it is known.
    pub ids: PerSide<Option<RecordId>>,
    /// Where it stands.
    pub phase: Phase,
    /// Per pair of fields: what each side held when they last agreed. A pair without an entry has no base: its next
    /// comparison is a first meeting (equal: adopted; unequal: the conflict policy).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<FieldKey, PerSide<Fingerprint>>,
    /// The newest version of each record that was taken into account. An older reading is dropped.
    #[serde(default)]
    pub seen: PerSide<Option<Version>>,
    /// When each record was last changed by somebody else than this flow.
    #[serde(default)]
    pub last_foreign_change: PerSide<Option<Instant>>,
    /// Writes that were persisted before they were sent and are not settled yet, by target.
    #[serde(default)]
    pub intents: PerSide<Option<Intent>>,
    /// Why it cannot be synced now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Did this side's rules hold when it was last looked at? A flip is what takes a link out of the flow, or back.
    #[serde(default)]
    pub in_rules: PerSide<bool>,
    /// Pairs of fields that are not in sync although the record is: they wait for a value that the mapping can carry,
    /// or the other side kept only a part. With the reason code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<FieldKey, Reason>,
    /// Conflicts that wait for a person (`conflict: {policy: Manual}`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disputes: BTreeMap<FieldKey, Dispute>,
    /// Pairs of fields whose sides were left unequal when their base was taken.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tolerated: BTreeSet<FieldKey>,
    /// Has a change that was read and planned, and not sent yet although the cursor may have passed it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deferred: bool,
    /// What the pending writes overwrite and is in the journal already: trying the same again adds nothing to it. Kept
    /// value by value, since the next attempt may overwrite others: an edit of the same second has the same version.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub journalled: BTreeSet<Fingerprint>,
    /// One of the records was proven to be deleted; what that means for the other is not done yet, or is done (in a
    /// tombstone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<Departure>,
    /// Writes that answered the answer to our own last write: the loop breaker's count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flips: Option<Flips>,
}

/// A conflict that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    /// When it arose, by our clock.
    pub since: Instant,
    /// What each side held then, or when both had moved on.
    pub held: PerSide<Fingerprint>,
    /// The side that a person picked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<Side>,
}

/// The proven deletion of one record of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Departure {
    /// The side whose record is gone.
    pub side: Side,
    /// What proves it.
    pub proof: DeletionProof,
    /// When that was first seen, by our clock.
    pub at: Instant,
    /// The guard does not count it: a person has approved the plan that it is part of, or both records are gone and
    /// nothing hangs on it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub approved: bool,
}

/// A run of writes that each undid, or answered, what the other side made of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flips {
    /// The side that was written last.
    pub last: Side,
    /// When, by our clock.
    pub at: Instant,
    /// How many in a row.
    pub count: u32,
    /// How often the record was stopped for it since it was last at peace.
    #[serde(default)]
    pub stops: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Link {
    /// A link that begins with this record and knows no counterpart yet.
    #[must_use]
    pub fn begin(origin: Side, id: &RecordId) -> Self {
        let mut ids = PerSide::default();
        ids[origin] = Some(id.clone());
        Self {
            id: LinkId::of(origin, id),
            origin,
            ids,
            phase: Phase::Pending,
            bases: BTreeMap::new(),
            seen: PerSide::default(),
            last_foreign_change: PerSide::default(),
            intents: PerSide::default(),
            quarantine: None,
            in_rules: PerSide::default(),
            held: BTreeMap::new(),
            disputes: BTreeMap::new(),
            tolerated: BTreeSet::new(),
            deferred: false,
            journalled: BTreeSet::new(),
            departure: None,
            flips: None,
        }
    }

    /// The record that it began with. Every link knows it.
    #[must_use]
    pub fn origin_id(&self) -> Option<&RecordId> {
        self.ids[self.origin].as_ref()
    }

    /// Both records, when both are known.
    #[must_use]
    pub fn pair(&self) -> Option<PerSide<&RecordId>> {
        Some(PerSide {
            salesforce: self.ids.salesforce.as_ref()?,
            service_now: self.ids.service_now.as_ref()?,
        })
    }

    /// A record whose counterpart is neither known nor being made: it has to be looked for again before one is made.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.phase == Phase::Pending && self.pair().is_none() && !self.has_intent()
    }

    /// Was its record deleted before it had a counterpart? Then nothing keeps it from getting one when it is undeleted.
    #[must_use]
    pub fn is_buried_alone(&self) -> bool {
        self.phase == Phase::Tombstone && self.pair().is_none()
    }

    /// Is a write under way whose outcome is not known?
    #[must_use]
    pub fn has_intent(&self) -> bool {
        self.intents.iter().any(|(_, intent)| intent.is_some())
    }
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The counterpart is being made (an intent says how).
    Pending,
    /// In sync, or on the way there.
    Active,
    /// Left the rules; comes back as it was.
    Dormant,
    /// One record is gone: the link only remembers that the other never originates again.
    Tombstone,
}

/// A write that was persisted before it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// What was to be written.
    pub kind: IntentKind,
    /// Our clock when it was persisted; it may have been sent a little later, or never.
    pub prepared_at: Instant,
    /// Fingerprints of what each pair of fields was to hold, on both sides, once written.
    pub fields: BTreeMap<FieldKey, IntendedField>,
}

impl Intent {
    /// True when it makes the counterpart.
    #[must_use]
    pub const fn is_creation(&self) -> bool {
        matches!(self.kind, IntentKind::Create { .. })
    }
}

/// What an intent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IntentKind {
    /// Make the counterpart.
    Create {
        /// The `sys_id` that we chose (ServiceNow, where the table honours it).
        chosen: Option<RecordId>,
    },
    /// Change the record.
    Update {
        /// The version that the plan was made for.
        pre_version: Version,
    },
    /// Delete the record, because its counterpart was deleted.
    Delete {
        /// The version that the plan was made for.
        pre_version: Version,
    },
    /// Set the field that says that the counterpart was deleted.
    Mark {
        /// The version that the plan was made for.
        pre_version: Version,
    },
}

/// One field of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntendedField {
    /// What the target holds once the write is applied.
    pub sent: Fingerprint,
    /// What the target held before (`None` for a creation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Fingerprint>,
    /// What the other side held when the write was planned.
    pub from: Fingerprint,
    /// An earlier attempt, which may have been applied, carried another value: what stands at the target may be
    /// that one, so a difference is not taken for somebody's edit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restated: bool,
}

/// One record that cannot be synced now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// What is wrong and what to do about it.
    pub problem: Problem,
    /// When it began.
    pub since: Instant,
    /// How often it was tried.
    pub attempts: u32,
    /// Not tried again before this, unless one of the records changes.
    pub retry_at: Instant,
}
