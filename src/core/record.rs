//! What was read: a record, and what we know of one that was or was not.

use std::collections::BTreeMap;

use super::ident::{FieldName, RecordId};
use super::time::Instant;
use super::value::Value;

/// One field of a record, as read. A field that is missing from [`Record::fields`] was *absent* from the answer:
/// not asked for, or hidden by a permission. Absent never counts as empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldContent {
    /// Read and understood; may be [`Value::Null`].
    Value(Value),
    /// Present but not of the field's kind (a number that does not parse): nothing is concluded from it.
    Unreadable,
}

/// How recent a reading of a record is. Ordered: a smaller version is an older reading of the same record (lagging
/// replicas answer with those).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// Salesforce `SystemModstamp`; ServiceNow `sys_updated_on`.
    pub modified: Instant,
    /// ServiceNow `sys_mod_count`; 0 on Salesforce.
    pub mod_count: u64,
}

/// A record as one answer showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// How recent the reading is.
    pub version: Version,
    /// When somebody (or something) last changed it, by the clock that conflicts are decided with: Salesforce
    /// `LastModifiedDate`, ServiceNow `sys_updated_on`.
    pub changed_at: Instant,
    /// When it was created.
    pub created_at: Instant,
    /// The fields that the answer held.
    pub fields: BTreeMap<FieldName, FieldContent>,
}

impl Record {
    /// The field's value, when it was in the answer and understood.
    #[must_use]
    pub fn value(&self, field: &FieldName) -> Option<&Value> {
        match self.fields.get(field)? {
            FieldContent::Value(value) => Some(value),
            FieldContent::Unreadable => None,
        }
    }
}

/// What is known of a record now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Not looked at in this cycle.
    Unread,
    /// Read in this cycle.
    Present(Record),
    /// Looked for by its id, not found, and the service proves that it was deleted.
    Gone(DeletionProof),
    /// Looked for by its id, not found, and nothing proves why: deleted, or hidden from our user.
    NotVisible,
}

impl Observation {
    /// The record, when it was read.
    #[must_use]
    pub const fn present(&self) -> Option<&Record> {
        match self {
            Self::Present(record) => Some(record),
            Self::Unread | Self::Gone(_) | Self::NotVisible => None,
        }
    }
}

/// Why we believe that a record was deleted. Absence from a list is never a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DeletionProof {
    /// Salesforce: `queryAll` shows the row with `IsDeleted = true`.
    SoftDeleted,
    /// Salesforce: the id answers `NOT_FOUND` or `ENTITY_IS_DELETED` to a user who can see the whole object.
    NotFound,
    /// ServiceNow: `sys_audit_delete` has a row for the `sys_id`.
    AuditRow,
}
