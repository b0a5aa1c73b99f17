//! A flow compiled against both schemas: every field exists, has a kind, and every policy is resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::definition::{
    ConflictPolicy, Direction, DriftPolicy, ExitPolicy, FieldDirection, Guards, History, Matching, Operator,
    TruncatePolicy, UnmappedPolicy, ValuePair,
};
use super::ident::{FieldKey, FieldName, ObjectName};
use super::link::DefinitionHashes;
use super::schema::FieldKind;
use super::side::{PerSide, Side};
use super::value::Value;

/// A flow that may run.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Who originates.
    pub direction: Direction,
    /// Each side.
    pub sides: PerSide<FlowSide>,
    /// The pairs of fields, in the order of the manifest.
    pub fields: Vec<FieldPair>,
    /// Which existing records are taken up.
    pub history: History,
    /// What happens when a record leaves the rules.
    pub on_exit: ExitPolicy,
    /// What happens to the counterpart of a deleted record.
    pub on_delete: OnDelete,
    /// How many records may be concerned at once.
    pub guards: Guards,
    /// Are updates refused by the service where the record has moved since our last look (Salesforce only)?
    pub guarded_writes: bool,
    /// How a counterpart is looked for.
    pub matching: Matching,
    /// Time between two cycles, before jitter.
    pub interval: Duration,
    /// Identifies what stored state depends on.
    pub hashes: DefinitionHashes,
}

/// What happens to the counterpart of a deleted record, checked against both schemas.
#[derive(Clone, Debug)]
pub enum OnDelete {
    /// It stays, unlinked for good.
    Unlink,
    /// It is deleted too.
    DeleteCounterpart,
    /// This field of it gets this value. `None` for a side whose records are never marked.
    Mark(PerSide<Option<(FieldName, Value)>>),
}

/// One side of a compiled flow.
#[derive(Clone, Debug)]
pub struct FlowSide {
    /// The object or table.
    pub object: ObjectName,
    /// Where stamps are written. `None` only where the flow makes no record on this side.
    pub stamp_field: Option<FieldName>,
    /// All must hold.
    pub rules: Vec<Rule>,
    /// Set on records that this flow makes, where no mapped value came.
    pub on_create: BTreeMap<FieldName, Value>,
    /// Every field that must be in each reading: mapped, rule, stamp and match fields.
    pub read_fields: BTreeSet<FieldName>,
    /// The kinds of `read_fields` and of `on_create` fields.
    pub kinds: BTreeMap<FieldName, FieldKind>,
}

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The field looked at.
    pub field: FieldName,
    /// The comparison.
    pub operator: Operator,
}

/// A compiled pair of fields.
#[derive(Clone, Debug)]
pub struct FieldPair {
    /// Its identity in link state.
    pub key: FieldKey,
    /// The field on each side.
    pub fields: PerSide<FieldName>,
    /// What the field holds on each side.
    pub kinds: PerSide<FieldKind>,
    /// Where updates travel.
    pub direction: FieldDirection,
    /// The value table, in order.
    pub values: Vec<ValuePair>,
    /// What happens to a value that a non-empty table lacks.
    pub unmapped: UnmappedPolicy,
    /// What happens to a text that is longer than the target holds.
    pub truncate: TruncatePolicy,
    /// What wins when both sides changed.
    pub conflict: ConflictPolicy,
    /// What happens to an edit at the target.
    pub drift: DriftPolicy,
}

impl Flow {
    /// The sides whose hand-made records get a counterpart.
    pub fn originating(&self) -> impl Iterator<Item = Side> + '_ {
        Side::BOTH
            .into_iter()
            .filter(|side| self.direction.originates(*side))
    }

    /// Does the flow make records on this side?
    #[must_use]
    pub const fn makes(&self, side: Side) -> bool {
        self.direction.originates(side.other())
    }
}
