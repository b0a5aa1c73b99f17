//! No value is lost, invented or left behind.

use std::collections::BTreeSet;

use jiff::Timestamp;
use syncflow::core::definition::{FieldDefinition, FieldDirection};
use syncflow::core::ident::FieldKey;
use syncflow::core::link::Link;
use syncflow::core::side::{PerSide, Side};
use syncflow_simulators::{Actor, Write};

use super::Evidence;
use crate::settings::{CUT_MARK, SET_BY_RULES};
use crate::swarm::Trait;
use crate::world::{Event, World};

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Person,
    /// A service's own automation.
    Rule,
    Flow,
}

/// One write to one field of one pair, in the order of things.
#[derive(Debug)]
pub struct Touch {
    pub at: usize,
    /// Where its request was sent in the order of things.
    sent: usize,
    pub side: Side,
    pub who: Who,
    /// From when on readers could see it.
    visible: Timestamp,
    pub before: String,
    pub after: String,
    /// Is what was written the cut copy of a longer text?
    cut: bool,
}

impl Touch {
    fn is_foreign(&self) -> bool {
        self.who != Who::Flow
    }
}

/// Judges one field of one pair. Returns how many edits nobody could have seen.
pub fn judge_field(
    evidence: &Evidence<'_>,
    link: &Link,
    pair: &PerSide<String>,
    field: &FieldDefinition,
) -> Result<u64, String> {
    let finals = PerSide::from_fn(|side| {
        evidence
            .record(side, &pair[side])
            .and_then(|record| Some(evidence.text(field, record.get(field.fields[side].as_str())?)))
            .unwrap_or_default()
    });
    let touches = touches(evidence, pair, field);
    let label = format!(
        "{} ⇄ {} of {}",
        field.fields.salesforce, field.fields.service_now, link.id
    );
    if link
        .disputes
        .contains_key(&FieldKey::of(&field.fields.salesforce, &field.fields.service_now))
    {
        // Both keep what they hold until a person decides, and the flow says so.
        let said = evidence.report.open_conflicts > 0;
        return if said {
            Ok(0)
        } else {
            Err(format!(
                "{label}: a conflict waits for a person and nothing says so"
            ))
        };
    }
    converged(evidence, field, &finals, &touches).map_err(|why| format!("{label}: {why}"))?;
    not_invented(evidence, field, link, &touches).map_err(|why| format!("{label}: {why}"))?;
    if !field.values.is_empty() {
        // Choices are not unique, so which edit a value came from cannot be told.
        return Ok(0);
    }
    let journalled = evidence.journalled(field, pair);
    nothing_lost(evidence.world, pair, &finals, &touches, &journalled)
        .map_err(|why| format!("{label}: {why}"))
}

fn converged(
    evidence: &Evidence<'_>,
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
    let left_alone = evidence.drift_ignored
        && target.is_some_and(|target| {
            touches
                .iter()
                .any(|touch| touch.is_foreign() && touch.side == target)
        });
    // A source that never held anything wipes nothing that it meets.
    let met_filled = target.is_some_and(|target| {
        !touches
            .iter()
            .any(|touch| touch.side == target.other() && touch.is_foreign())
    });
    if equal || left_alone || met_filled {
        Ok(())
    } else {
        Err(format!("the sides differ at the end: {finals:?}"))
    }
}

/// Whatever the flow wrote, somebody had written on this pair before, or the flow's own manifest says it.
fn not_invented(
    evidence: &Evidence<'_>,
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
        let set = evidence.definition.sides[side]
            .on_create
            .iter()
            .filter(|set| set.field == field.fields[side]);
        known.extend(set.map(|set| set.value.as_str()));
    }
    for touch in touches {
        if !touch.is_foreign() && touch.cut && touch.side == Side::Salesforce {
            return Err(format!(
                "the cut copy {:?} was written over the whole",
                touch.after
            ));
        }
        // The service numbers its own records.
        if touch.is_foreign() || field.fields[touch.side].as_str() == "number" {
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
    pair: &PerSide<String>,
    finals: &PerSide<String>,
    touches: &[Touch],
    journalled: &BTreeSet<String>,
) -> Result<u64, String> {
    let mut unseen = 0;
    for (index, edit) in touches.iter().enumerate() {
        let kept = finals[edit.side] == edit.after || journalled.contains(&edit.after);
        // An empty field is no value that could be told apart, and a first meeting may fill it.
        if edit.who != Who::Person || kept || edit.after.is_empty() {
            continue;
        }
        let later = &touches[index + 1..];
        let superseded_here = later
            .iter()
            .any(|touch| touch.is_foreign() && touch.side == edit.side);
        let known_there = later
            .iter()
            .position(|touch| !touch.is_foreign() && touch.side != edit.side && touch.after == edit.after);
        let known_and_replaced = known_there.is_some_and(|at| {
            later[at..]
                .iter()
                .any(|touch| touch.is_foreign() && touch.side != edit.side)
        });
        if superseded_here || known_and_replaced {
            continue;
        }
        let overwritten = later
            .iter()
            .find(|touch| !touch.is_foreign() && touch.side == edit.side && touch.before == edit.after);
        let id = &pair[edit.side];
        let looked = overwritten.is_some_and(|touch| {
            let between = world.events.get(edit.at..touch.sent).unwrap_or_default();
            between
                .iter()
                .any(|event| matches!(event, Event::Read { side, at, ids } if *side == edit.side && *at >= edit.visible && ids.contains(id)))
        });
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
pub fn touches(evidence: &Evidence<'_>, pair: &PerSide<String>, field: &FieldDefinition) -> Vec<Touch> {
    let world = evidence.world;
    world
        .events
        .iter()
        .enumerate()
        .filter_map(|(at, event)| {
            let Event::Wrote { side, write, sent } = event else {
                return None;
            };
            let change = write
                .changed
                .get(field.fields[*side].as_str())
                .filter(|_| write.id == pair[*side])?;
            let after = evidence.text(field, &change.after);
            let who = match &write.actor {
                _ if SET_BY_RULES.contains(&after.as_str()) && evidence.set_by_rule(*side) => Who::Rule,
                Actor::Person(_) => Who::Person,
                Actor::Automation(_) => Who::Rule,
                Actor::Api(_) => Who::Flow,
            };
            Some(Touch {
                at,
                sent: *sent,
                side: *side,
                who,
                visible: visible_from(world, at, *side, write),
                before: evidence.text(field, &change.before),
                after,
                cut: super::text(&change.after).to_lowercase().ends_with(CUT_MARK),
            })
        })
        .collect()
}

impl Evidence<'_> {
    /// Does a rule of this side set fields in other people's writes?
    fn set_by_rule(&self, side: Side) -> bool {
        side == Side::Salesforce && self.swarm.has(Trait::Trigger)
    }
}

/// From when on readers see a write. The services' models show a row as it was before its last transactions, so another
/// edit before that moment hides this one for longer.
fn visible_from(world: &World, at: usize, side: Side, write: &Write) -> Timestamp {
    if world.shows_at_once(side) {
        // Whatever the service's clock says by then.
        return Timestamp::MIN;
    }
    let hidden_for = world.visible_after(side);
    let mut visible = write.at + hidden_for;
    for event in &world.events[at + 1..] {
        match event {
            Event::Wrote {
                side: other,
                write: next,
                ..
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
