//! What a proven deletion of one record means for the other.
//!
//! A deletion travels only from a side whose hand-made records originate: in a one-way flow, deleting the copy never
//! deletes the original. And only a pair that was in sync is concerned: one that sleeps was let go by its rules.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::{check_cell, known};
use super::definition::{DeletePolicy, FlowDefinition};
use super::failure::Problem;
use super::fingerprint::Fingerprint;
use super::flow::{Flow, OnDelete};
use super::ident::{FieldKey, FieldName, RecordId};
use super::journal::{JournalCause, JournalEntry};
use super::link::{Departure, Intent, IntentKind, Link, Phase};
use super::mapping::parse;
use super::plan::{PlanContext, PlannedWrite, print};
use super::record::Record;
use super::schema::ObjectSchema;
use super::side::{PerSide, Side};
use super::value::Value;

/// The reason code of a record that is not deleted after its counterpart, because somebody has edited it.
pub const COUNTERPART_EDITED: &str = "CounterpartEdited";

/// What happens to a pair one of whose records is gone.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The link becomes a tombstone; nothing is written.
    Bury,
    /// The counterpart is deleted: the link with that intent, and what the record held.
    Delete(Box<Link>, RecordId, Vec<JournalEntry>),
    /// The counterpart is marked: the link with that intent, and what the mark overwrites.
    Mark(Box<Link>, PlannedWrite, Vec<JournalEntry>),
    /// The counterpart was edited since both agreed: deleting it would lose the edit.
    Edited(Problem),
}

/// Checks the policy against both schemas.
pub(super) fn compile_on_delete(
    definition: &FlowDefinition,
    schemas: PerSide<&ObjectSchema>,
    problems: &mut Vec<Problem>,
) -> OnDelete {
    match &definition.on_delete {
        DeletePolicy::Unlink => OnDelete::Unlink,
        DeletePolicy::DeleteCounterpart => OnDelete::DeleteCounterpart,
        DeletePolicy::Mark(marks) => OnDelete::Mark(PerSide::from_fn(|side| {
            let mark = marks[side].as_ref()?;
            let field = known(schemas[side], &mark.field, "in onDelete.mark", problems)?;
            let name = format!("{}.{}", schemas[side].object, mark.field);
            check_cell(&mark.value, field, &name, problems);
            parse(&mark.value, &field.kind).map(|value| (mark.field.clone(), value))
        })),
    }
}

impl Flow {
    /// Does the deletion of a record of this side do anything to its counterpart?
    #[must_use]
    pub const fn deletes_after(&self, side: Side) -> bool {
        self.direction.originates(side) && !matches!(self.on_delete, OnDelete::Unlink)
    }
}

/// Decides what happens to `counterpart`, whose partner was proven to be deleted.
#[must_use]
pub fn end(context: &PlanContext<'_>, link: &Link, departure: &Departure, counterpart: &Record) -> Ending {
    let target = departure.side.other();
    if link.phase != Phase::Active || !context.flow.deletes_after(departure.side) {
        return Ending::Bury;
    }
    match &context.flow.on_delete {
        OnDelete::Unlink => Ending::Bury,
        OnDelete::DeleteCounterpart => {
            if let Some(problem) = edited(context, link, target, counterpart) {
                return Ending::Edited(problem);
            }
            let kind = IntentKind::Delete {
                pre_version: counterpart.version,
            };
            let held = snapshot(context, target, counterpart);
            let (mark, journal) = journal(context, link, target, &held);
            Ending::Delete(
                Box::new(intending(context, link, target, kind, mark)),
                counterpart.id.clone(),
                journal,
            )
        }
        OnDelete::Mark(marks) => {
            let Some((field, value)) = &marks[target] else {
                return Ending::Bury;
            };
            let current = counterpart.value(field);
            if current.is_some_and(|current| current.same_as(value)) {
                return Ending::Bury;
            }
            let kind = IntentKind::Mark {
                pre_version: counterpart.version,
            };
            let held: BTreeMap<&FieldName, &Value> = current
                .filter(|current| !current.is_null())
                .map(|current| (field, current))
                .into_iter()
                .collect();
            let (mark, journal) = journal(context, link, target, &held);
            let write = PlannedWrite {
                id: counterpart.id.clone(),
                fields: BTreeMap::from([(field.clone(), value.clone())]),
            };
            Ending::Mark(
                Box::new(intending(context, link, target, kind, mark)),
                write,
                journal,
            )
        }
    }
}

/// Does the record carry the mark of this flow already?
#[must_use]
pub fn is_marked(flow: &Flow, side: Side, record: &Record) -> bool {
    let OnDelete::Mark(marks) = &flow.on_delete else {
        return false;
    };
    marks[side]
        .as_ref()
        .is_some_and(|(field, value)| record.value(field).is_some_and(|current| current.same_as(value)))
}

fn intending(
    context: &PlanContext<'_>,
    link: &Link,
    target: Side,
    kind: IntentKind,
    journalled: Fingerprint,
) -> Link {
    let mut next = link.clone();
    next.quarantine = None;
    next.deferred = false;
    next.journalled = BTreeSet::from([journalled]);
    next.intents[target] = Some(Intent {
        kind,
        prepared_at: context.now,
        fields: BTreeMap::new(),
    });
    next
}

/// Names the fields that hold something else than what was last agreed, or whose agreement is not known.
fn edited(context: &PlanContext<'_>, link: &Link, target: Side, counterpart: &Record) -> Option<Problem> {
    let fields: Vec<&str> = context
        .flow
        .fields
        .iter()
        .filter(
            |pair| match (counterpart.value(&pair.fields[target]), link.bases.get(&pair.key)) {
                (Some(value), Some(base)) => {
                    print(context.fingerprints, link, pair, target, value) != base[target]
                }
                // Never agreed on: an empty field cannot hold an edit, anything else may.
                (Some(value), None) => !value.canonical().is_null(),
                // Not shown: nothing says that it is as it was.
                (None, _) => true,
            },
        )
        .map(|pair| pair.fields[target].as_str())
        .collect();
    (!fields.is_empty()).then(|| {
        let object = &context.flow.sides[target].object;
        Problem::human(
            COUNTERPART_EDITED,
            format!(
                "its {} record was deleted, but {object} {} holds edits in {} that were never synced, so it is not \
                 deleted; delete it by hand, or keep it by releasing this record from quarantine",
                target.other(),
                counterpart.id,
                fields.join(", ")
            ),
        )
    })
}

/// The mapped fields that the record holds, by name.
fn snapshot<'a>(
    context: &'a PlanContext<'_>,
    side: Side,
    record: &'a Record,
) -> BTreeMap<&'a FieldName, &'a Value> {
    context
        .flow
        .fields
        .iter()
        .filter_map(|pair| Some((&pair.fields[side], record.value(&pair.fields[side])?)))
        .filter(|(_, value)| !value.is_null())
        .collect()
}

fn journal(
    context: &PlanContext<'_>,
    link: &Link,
    side: Side,
    held: &BTreeMap<&FieldName, &Value>,
) -> (Fingerprint, Vec<JournalEntry>) {
    let fields: serde_json::Map<String, serde_json::Value> = held
        .iter()
        .map(|(field, value)| (field.to_string(), serde_json::Value::String(value.plain())))
        .collect();
    let lost = serde_json::Value::Object(fields).to_string();
    let origin = link.origin_id().map_or("", RecordId::as_str);
    let whole = Value::Text(lost.clone());
    let mark = context
        .fingerprints
        .of(origin, &FieldKey::whole_record(), side, &whole);
    if held.is_empty() || link.journalled.contains(&mark) {
        return (mark, Vec::new());
    }
    let entry = JournalEntry {
        link: link.id.clone(),
        field: FieldKey::whole_record(),
        overwritten: side,
        ids: link.ids.clone(),
        at: context.now,
        cause: JournalCause::Deletion,
        lost,
        kept: String::new(),
    };
    (mark, vec![entry])
}

#[cfg(test)]
pub(super) mod tests;
