//! A flow as its manifests say it, names parsed, nothing looked up yet: what the controllers hand to a worker.
//!
//! It is compiled against both schemas into a [`super::flow::Flow`] before the first write.

use std::time::Duration;

use super::ident::{FieldName, ObjectName};
use super::side::PerSide;

/// Who originates: whose hand-made records get a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both sides.
    TwoWay,
    /// Salesforce only.
    SalesforceToServiceNow,
    /// ServiceNow only.
    ServiceNowToSalesforce,
}

impl Direction {
    /// May a hand-made record of this side get a counterpart?
    #[must_use]
    pub const fn originates(self, side: super::side::Side) -> bool {
        use super::side::Side;
        match self {
            Self::TwoWay => true,
            Self::SalesforceToServiceNow => matches!(side, Side::Salesforce),
            Self::ServiceNowToSalesforce => matches!(side, Side::ServiceNow),
        }
    }
}

/// Where updates of one field travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldDirection {
    /// Both ways.
    TwoWay,
    /// From ServiceNow to Salesforce only.
    ToSalesforce,
    /// From Salesforce to ServiceNow only.
    ToServiceNow,
}

impl FieldDirection {
    /// May this field be written on `side`?
    #[must_use]
    pub const fn writes(self, side: super::side::Side) -> bool {
        use super::side::Side;
        match self {
            Self::TwoWay => true,
            Self::ToSalesforce => matches!(side, Side::Salesforce),
            Self::ToServiceNow => matches!(side, Side::ServiceNow),
        }
    }
}

/// Which existing records a flow takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Whatever the rules let in.
    All,
    /// Records made since the flow's first activation.
    New,
}

/// What wins when a two-way field changed on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// The side with the most recent foreign change; a tie goes to Salesforce.
    MostRecent,
    /// Salesforce.
    PreferSalesforce,
    /// ServiceNow.
    PreferServiceNow,
    /// Neither: both keep what they hold until a person decides.
    Manual,
}

/// What happens to a text that is longer than the target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruncatePolicy {
    /// The record is quarantined.
    Quarantine,
    /// The target gets the beginning, with a marker at its end. Such a copy never flows back.
    Cut,
}

/// What happens to an edit at the target of a one-way field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftPolicy {
    /// Put right, and journalled.
    Revert,
    /// Left alone until the source changes.
    Ignore,
}

/// What happens when a linked record leaves the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitPolicy {
    /// The change that made it leave is still sent, then the link sleeps.
    PropagateThenUnlink,
    /// The link sleeps at once.
    Unlink,
    /// The link stays awake.
    KeepSyncing,
}

/// What happens to the counterpart of a record that was proven to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletePolicy {
    /// It stays, unlinked for good.
    Unlink,
    /// It is deleted too, unless somebody has edited it since.
    DeleteCounterpart,
    /// It stays, unlinked for good, with a field set that says so.
    Mark(PerSide<Option<MarkDefinition>>),
}

/// The field that marks a record whose counterpart was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkDefinition {
    /// The field set.
    pub field: FieldName,
    /// Its value, as plain text.
    pub value: String,
}

/// How many records may be concerned at once before a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// So many records pass whatever their share.
    pub records: u64,
    /// So large a share of the flow's pairs passes, in percent.
    pub percent: u8,
}

/// The guards of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Pairs that would end because a record was deleted.
    pub deletions: Guard,
    /// Linked records that changed on one side between two looks.
    pub changes: Guard,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            deletions: Guard {
                records: 20,
                percent: 5,
            },
            changes: Guard {
                records: 200,
                percent: 50,
            },
        }
    }
}

/// How a counterpart is looked for before one is made. Stamps are looked up first in every mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matching {
    /// Only by stamp.
    CreateOnly,
    /// By these pairs of fields, all equal; made when there is none.
    MatchThenCreate {
        /// Pairs (Salesforce field, ServiceNow field), at least one.
        keys: Vec<PerSide<FieldName>>,
    },
}

/// What happens to a value that the table lacks, per field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnmappedPolicy {
    /// The field keeps its base and waits, reported; the rest of the record syncs.
    Hold,
    /// The record is quarantined.
    Quarantine,
    /// The value is sent as it is.
    PassThrough,
    /// These values are sent instead, towards each side.
    Default(PerSide<Option<String>>),
}

/// A row of a value table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePair {
    /// The two values that stand together, by side.
    pub values: PerSide<String>,
}

/// A pair of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDefinition {
    /// The field on each side.
    pub fields: PerSide<FieldName>,
    /// Where updates travel.
    pub direction: FieldDirection,
    /// The value table, in order; empty when values are sent as they are.
    pub values: Vec<ValuePair>,
    /// What happens to a value that a non-empty table lacks.
    pub unmapped: UnmappedPolicy,
    /// What happens to a text that is longer than the target holds.
    pub truncate: TruncatePolicy,
    /// This field's own conflict policy.
    pub conflict: Option<ConflictPolicy>,
    /// This field's own drift policy.
    pub drift: Option<DriftPolicy>,
}

/// A comparison, with its operands in the form the operator needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal to one of these.
    In(Vec<String>),
    /// Equal to none of these (an empty field is not in any list).
    NotIn(Vec<String>),
    /// Equal.
    Equals(String),
    /// Not equal (an empty field differs from every value).
    NotEquals(String),
    /// Text contains, case-insensitively.
    Contains(String),
    /// Text starts with, case-insensitively.
    StartsWith(String),
    /// Date or instant not before. A date means its midnight in UTC.
    OnOrAfter(String),
    /// Date or instant before.
    Before(String),
    /// Number greater than.
    GreaterThan(String),
    /// Number less than.
    LessThan(String),
    /// Not empty.
    Exists,
    /// Empty.
    DoesNotExist,
}

/// One condition of a side's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDefinition {
    /// The field looked at.
    pub field: FieldName,
    /// The comparison.
    pub operator: Operator,
}

/// A value that a record gets when the flow makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnCreateDefinition {
    /// The field set.
    pub field: FieldName,
    /// The value, as plain text.
    pub value: String,
}

/// One side of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideDefinition {
    /// The object or table.
    pub object: ObjectName,
    /// Where stamps are written on this side. `None`: `correlation_id` on ServiceNow where the table has it; no
    /// stamp field on Salesforce (then the flow must not make Salesforce records).
    pub stamp_field: Option<FieldName>,
    /// All must hold.
    pub rules: Vec<RuleDefinition>,
    /// Set on records that this flow makes on this side.
    pub on_create: Vec<OnCreateDefinition>,
}

/// A flow, as its manifests say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowDefinition {
    /// Who originates.
    pub direction: Direction,
    /// Each side.
    pub sides: PerSide<SideDefinition>,
    /// The pairs of fields.
    pub fields: Vec<FieldDefinition>,
    /// Which existing records are taken up.
    pub history: History,
    /// The flow's conflict policy.
    pub conflict: ConflictPolicy,
    /// The flow's drift policy.
    pub drift: DriftPolicy,
    /// What happens when a record leaves the rules.
    pub on_exit: ExitPolicy,
    /// What happens to the counterpart of a deleted record.
    pub on_delete: DeletePolicy,
    /// How many records may be concerned at once.
    pub guards: Guards,
    /// Are updates refused by the service where the record has moved since our last look (Salesforce only)?
    pub guarded_writes: bool,
    /// How a counterpart is looked for.
    pub matching: Matching,
    /// Time between two cycles, before jitter.
    pub interval: Duration,
}
