//! What was overwritten or deleted, by whose rule, kept so that a person can get it back.

use serde::{Deserialize, Serialize};

use super::ident::{FieldKey, LinkId, RecordId};
use super::side::{PerSide, Side};
use super::time::Instant;

/// A value that was overwritten, for the journal. Encrypted by the store; bounded; never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// The link.
    pub link: LinkId,
    /// The pair of fields.
    pub field: FieldKey,
    /// The side whose value was overwritten.
    pub overwritten: Side,
    /// The records.
    pub ids: PerSide<Option<RecordId>>,
    /// When, by our clock.
    pub at: Instant,
    /// Why the other value won.
    pub cause: JournalCause,
    /// The value that was overwritten, as plain text.
    pub lost: String,
    /// The value that replaced it, as plain text.
    pub kept: String,
}

/// Shows where and why, never the values.
impl std::fmt::Debug for JournalEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalEntry")
            .field("link", &self.link)
            .field("field", &self.field)
            .field("overwritten", &self.overwritten)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// Why a value was overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JournalCause {
    /// Both sides changed; the policy decided.
    Conflict,
    /// Both sides held different values when they first met; the policy decided.
    FirstMeeting,
    /// The target of a one-way field was edited, and put right.
    Drift,
    /// The target accepted a value and holds another one, which is more than another way of writing it: a rule there, or
    /// somebody's edit in the moment of a write that was not allowed. The value that was sent is lost there.
    NotKept,
    /// The record was deleted, or marked, because its counterpart was deleted. The lost value is a JSON object of the
    /// fields that it held.
    Deletion,
}
