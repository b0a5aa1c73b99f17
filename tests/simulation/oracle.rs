//! What must be true at the end. The oracle knows the manifests, the services' own audits and the journal; it uses
//! nothing of the engine's decisions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use syncflow::adapters::link_store::memory::MemoryState;
use syncflow::core::definition::{DriftPolicy, FieldDefinition, FieldDirection, FlowDefinition};
use syncflow::core::ident::Stamp;
use syncflow::core::link::{Link, Phase};
use syncflow::core::side::{PerSide, Side};
use syncflow::engine::report::{FlowReport, FlowState};
use syncflow_simulators::{Actor, Admin, Fields, Write, WriteKind};

use crate::people::ids;
use crate::world::{Event, World};

/// One write to one field of one pair, in the order of things.
#[derive(Debug)]
struct Touch {
    at: usize,
    side: Side,
    by_person: bool,
    /// From when on readers could see it.
    visible: Timestamp,
    before: String,
    after: String,
}

/// Judges a finished run. Returns how many edits nobody could have seen.
pub fn judge(
    world: &World,
    state: &MemoryState,
    definition: &FlowDefinition,
    report: &FlowReport,
) -> Result<u64, String> {
    if report.state != FlowState::Synced {
        return Err(format!("the flow ended as {:?}", report.state));
    }
    if report.quarantined > 0 {
        return Err(format!("records were quarantined: {:?}", report.quarantine));
    }
    no_duplicates(world)?;
    everything_has_its_counterpart(world, state, definition)?;
    let mut unseen = 0;
    for link in state.links() {
        let Some(pair) = link.pair() else { continue };
        if link.phase != Phase::Active {
            return Err(format!(
                "link {} ended {:?} although both records are in the rules",
                link.id, link.phase
            ));
        }
        let pair = pair.map(|_, id| id.as_str().to_owned());
        for field in &definition.fields {
            unseen += judge_field(world, state, definition, link, &pair, field)
                .map_err(|found| format!("{found}\n{}", story(world, &pair, field)))?;
        }
    }
    Ok(unseen)
}

/// No record was made twice for the same origin, and none for nobody.
fn no_duplicates(world: &World) -> Result<(), String> {
    let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in &world.events {
        let Event::Wrote { side, write } = event else {
            continue;
        };
        if write.kind != WriteKind::Created || !matches!(write.actor, Actor::Api(_)) {
            continue;
        }
        let record = record(world, *side, &write.id).ok_or("a record that the flow made is gone")?;
        let stamp = record.get(stamp_field(*side)).map_or_else(String::new, text);
        let Some(stamp) = Stamp::parse(&stamp) else {
            return Err(format!("{side} {} was made without a stamp", write.id));
        };
        if self::record(world, stamp.side, stamp.id.as_str()).is_none() {
            return Err(format!(
                "{side} {} was made for {} {}, which does not exist",
                write.id, stamp.side, stamp.id
            ));
        }
        made.entry(stamp.to_string()).or_default().push(write.id.clone());
    }
    match made.iter().find(|(_, records)| records.len() > 1) {
        Some((stamp, records)) => Err(format!("{stamp} got {} counterparts: {records:?}", records.len())),
        None => Ok(()),
    }
}

/// At the end every record is in the rules of its side, so every hand-made one of an originating side is linked.
fn everything_has_its_counterpart(
    world: &World,
    state: &MemoryState,
    definition: &FlowDefinition,
) -> Result<(), String> {
    for side in Side::BOTH {
        let linked: BTreeSet<&str> = state
            .links()
            .filter(|link| link.pair().is_some())
            .filter_map(|link| Some(link.ids[side].as_ref()?.as_str()))
            .collect();
        for id in ids(world, side) {
            if definition.direction.originates(side) && !linked.contains(id.as_str()) {
                return Err(format!("{side} {id} is in the rules and has no counterpart"));
            }
        }
    }
    Ok(())
}

fn judge_field(
    world: &World,
    state: &MemoryState,
    definition: &FlowDefinition,
    link: &Link,
    pair: &PerSide<String>,
    field: &FieldDefinition,
) -> Result<u64, String> {
    let finals = PerSide::from_fn(|side| {
        record(world, side, &pair[side]).map_or_else(String::new, |record| {
            record
                .get(field.fields[side].as_str())
                .map_or_else(String::new, text)
        })
    });
    let touches = touches(world, pair, field);
    let label = format!(
        "{} ⇄ {} of {}",
        field.fields.salesforce, field.fields.service_now, link.id
    );
    converged(definition, field, &finals, &touches).map_err(|why| format!("{label}: {why}"))?;
    not_invented(definition, field, link, &touches).map_err(|why| format!("{label}: {why}"))?;
    if !field.values.is_empty() {
        // Choices are not unique, so which edit a value came from cannot be told.
        return Ok(0);
    }
    let journalled: BTreeSet<&str> = state
        .journal()
        .filter(|entry| entry.link == link.id)
        .map(|entry| entry.lost.as_str())
        .collect();
    nothing_lost(world, &finals, &touches, &journalled).map_err(|why| format!("{label}: {why}"))
}

fn converged(
    definition: &FlowDefinition,
    field: &FieldDefinition,
    finals: &PerSide<String>,
    touches: &[Touch],
) -> Result<(), String> {
    let equal =
        finals.salesforce == finals.service_now || field.values.iter().any(|row| row.values == *finals);
    let target = match field.direction {
        FieldDirection::TwoWay => None,
        FieldDirection::ToSalesforce => Some(Side::Salesforce),
        FieldDirection::ToServiceNow => Some(Side::ServiceNow),
    };
    // With `Ignore` an edit at the target stands until the source changes.
    let left_alone = definition.drift == DriftPolicy::Ignore
        && target.is_some_and(|target| {
            touches
                .iter()
                .any(|touch| touch.by_person && touch.side == target)
        });
    // A source that never held anything wipes nothing that it meets.
    let met_filled = target.is_some_and(|target| {
        !touches
            .iter()
            .any(|touch| touch.side == target.other() && touch.by_person)
    });
    if equal || left_alone || met_filled {
        Ok(())
    } else {
        Err(format!("the sides differ at the end: {finals:?}"))
    }
}

/// Whatever the flow wrote, somebody had written on this pair before, or the flow's own manifest says it.
fn not_invented(
    definition: &FlowDefinition,
    field: &FieldDefinition,
    link: &Link,
    touches: &[Touch],
) -> Result<(), String> {
    let mut known: BTreeSet<&str> = BTreeSet::from([""]);
    known.extend(
        field
            .values
            .iter()
            .flat_map(|row| [row.values.salesforce.as_str(), row.values.service_now.as_str()]),
    );
    for side in Side::BOTH {
        let set = definition.sides[side]
            .on_create
            .iter()
            .filter(|set| set.field == field.fields[side]);
        known.extend(set.map(|set| set.value.as_str()));
    }
    for touch in touches {
        if touch.by_person {
            known.insert(&touch.after);
        } else if field.fields[touch.side].as_str() == "number" {
            // The service numbers its own records.
            known.insert(&touch.after);
        } else if !known.contains(touch.after.as_str()) {
            return Err(format!(
                "{} got {:?}, which nobody wrote on link {}",
                touch.side, touch.after, link.id
            ));
        }
    }
    Ok(())
}

/// Every value that a user wrote is final, or superseded by a later edit that knew it, or in the journal.
fn nothing_lost(
    world: &World,
    finals: &PerSide<String>,
    touches: &[Touch],
    journalled: &BTreeSet<&str>,
) -> Result<u64, String> {
    let mut unseen = 0;
    for (index, edit) in touches.iter().enumerate() {
        if !edit.by_person || finals[edit.side] == edit.after || journalled.contains(edit.after.as_str()) {
            continue;
        }
        let later = &touches[index + 1..];
        let superseded_here = later
            .iter()
            .any(|touch| touch.by_person && touch.side == edit.side);
        let known_there = later
            .iter()
            .position(|touch| !touch.by_person && touch.side != edit.side && touch.after == edit.after);
        let known_and_replaced = known_there.is_some_and(|at| {
            later[at..]
                .iter()
                .any(|touch| touch.by_person && touch.side != edit.side)
        });
        if superseded_here || known_and_replaced {
            continue;
        }
        let overwritten = later
            .iter()
            .find(|touch| !touch.by_person && touch.side == edit.side && touch.before == edit.after);
        let looked = overwritten.is_some_and(|touch| {
            world.events[edit.at..touch.at]
                .iter()
                .any(|event| matches!(event, Event::Read { side, at } if *side == edit.side && *at >= edit.visible))
        });
        // An empty field is no value that could be told apart, and a first meeting may fill it.
        if edit.after.is_empty() {
            continue;
        }
        if overwritten.is_some() && !looked {
            unseen += 1;
            continue;
        }
        return Err(format!(
            "{:?}, written on {}, is lost: finally {finals:?}, not in the journal",
            edit.after, edit.side
        ));
    }
    Ok(unseen)
}

/// Every write to this field of this pair, on both sides, in order.
fn touches(world: &World, pair: &PerSide<String>, field: &FieldDefinition) -> Vec<Touch> {
    world
        .events
        .iter()
        .enumerate()
        .filter_map(|(at, event)| {
            let Event::Wrote { side, write } = event else {
                return None;
            };
            let change = write
                .changed
                .get(field.fields[*side].as_str())
                .filter(|_| write.id == pair[*side])?;
            Some(Touch {
                at,
                side: *side,
                by_person: matches!(write.actor, Actor::Person(_)),
                visible: visible_from(world, at, *side, write),
                before: text(&change.before),
                after: text(&change.after),
            })
        })
        .collect()
}

/// From when on readers see a write. The services' models show a row as it was before its last transactions, so another
/// edit before that moment hides this one for longer.
fn visible_from(world: &World, at: usize, side: Side, write: &Write) -> Timestamp {
    let hidden_for = world.visible_after(side);
    let mut visible = write.at + hidden_for;
    for event in &world.events[at + 1..] {
        match event {
            Event::Wrote {
                side: other,
                write: next,
            } if *other == side && next.id == write.id => {
                if next.at > visible {
                    break;
                }
                visible = next.at + hidden_for;
            }
            Event::Wrote { .. } | Event::Read { .. } => {}
        }
    }
    visible
}

/// The history of one field of one pair, for a reader of a failure.
fn story(world: &World, pair: &PerSide<String>, field: &FieldDefinition) -> String {
    let lines: Vec<String> = touches(world, pair, field)
        .iter()
        .map(|touch| {
            let who = if touch.by_person { "person" } else { "flow" };
            format!(
                "  {:>5} {who:>6} {}: {:?} -> {:?}",
                touch.at, touch.side, touch.before, touch.after
            )
        })
        .collect();
    lines.join("\n")
}

/// Prints everything that happened.
pub fn tell(world: &World, state: &MemoryState, definition: &FlowDefinition) {
    println!("{definition:#?}");
    for (at, event) in world.events.iter().enumerate() {
        if let Event::Read { side, at: moment } = event {
            println!("{at:>5} {moment} {side} was read");
        }
        if let Event::Wrote { side, write } = event {
            println!(
                "{at:>5} {} {side} {} {:?} {:?} {:?}",
                write.at, write.id, write.kind, write.actor, write.changed
            );
        }
    }
    for link in state.links() {
        println!("{link:?}");
    }
    for entry in state.journal() {
        println!("{entry:?} lost {:?} kept {:?}", entry.lost, entry.kept);
    }
}

fn stamp_field(side: Side) -> &'static str {
    match side {
        Side::Salesforce => "ServiceNow_Sys_Id__c",
        Side::ServiceNow => "correlation_id",
    }
}

fn record(world: &World, side: Side, id: &str) -> Option<Fields> {
    match side {
        Side::Salesforce => world.salesforce.model.record("Case", id),
        Side::ServiceNow => world.service_now.model.record("incident", id),
    }
}

/// A stored value as text that is the same on both sides: `3`, `3.0` and `"3"` are one number.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), |float| float.to_string()),
        Value::Object(reference) => reference.get("value").map_or_else(String::new, text),
        other => other.to_string(),
    }
}
