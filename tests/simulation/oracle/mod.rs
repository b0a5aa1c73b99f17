//! What must be true at the end. The oracle knows the manifests, the services' own audits and the journal; it uses
//! nothing of the engine's decisions.
//!
//! - [`records`]: every record has its one counterpart, and nothing was made or deleted that should not have been
//! - [`values`]: no value is lost, invented or left behind
//! - [`telling`]: what a reader of a failure needs

mod records;
pub mod telling;
mod values;

use std::collections::BTreeSet;

use serde_json::Value;
use syncflow::adapters::link_store::memory::MemoryState;
use syncflow::core::definition::{FieldDefinition, FlowDefinition, TruncatePolicy};
use syncflow::core::link::{JournalEntry, Phase};
use syncflow::core::side::{PerSide, Side};
use syncflow::engine::report::{FlowReport, FlowState};
use syncflow_simulators::{Actor, Admin, Fields, Write, WriteKind};

use crate::settings;
use crate::swarm::{Swarm, Trait};
use crate::world::{Event, World};

/// All that the oracle looks at.
pub struct Evidence<'a> {
    pub world: &'a World,
    pub state: &'a MemoryState,
    /// Everything that was ever in the journal.
    pub journal: &'a [JournalEntry],
    pub definition: &'a FlowDefinition,
    pub report: &'a FlowReport,
    pub swarm: &'a Swarm,
    /// Did the manifests ever say that edits at the target of one-way fields are left alone?
    pub drift_ignored: bool,
    /// Was link state ever lost or rolled back?
    pub lost_state: bool,
}

/// Judges a finished run. Returns how many edits nobody could have seen.
pub fn judge(evidence: &Evidence<'_>) -> Result<u64, String> {
    let report = evidence.report;
    if report.state != FlowState::Synced {
        return Err(format!("the flow ended as {:?}", report.state));
    }
    // A counterpart that was edited before it could be deleted waits for a person, by design.
    let mut stuck = report
        .quarantine
        .iter()
        .filter(|row| row.problem.reason.as_str() != "CounterpartEdited")
        // Made, deleted, forgotten with link state, made again and then undeleted: the elder is said to be a copy.
        .filter(|row| row.problem.reason.as_str() != "CopiedStamp" || !evidence.lost_state);
    if let Some(row) = stuck.next() {
        return Err(format!("a record is quarantined: {row:?}"));
    }
    records::nothing_doubled_or_deleted(evidence)?;
    records::everything_has_its_counterpart(evidence)?;
    let mut unseen = 0;
    for link in evidence.state.links() {
        let Some(pair) = link.pair() else { continue };
        let pair = pair.map(|_, id| id.as_str().to_owned());
        let mut parted = evidence.ever_deleted(&pair);
        for side in Side::BOTH {
            parted |= records::was_parted(evidence, side, &pair[side])?;
        }
        if parted {
            // What becomes of such a pair is the flow's `onDelete`; the records were looked at above.
            continue;
        }
        if link.phase != Phase::Active {
            return Err(format!(
                "link {} ended {:?} although both records are in the rules",
                link.id, link.phase
            ));
        }
        for field in &evidence.definition.fields {
            unseen += values::judge_field(evidence, link, &pair, field)
                .map_err(|found| format!("{found}\n{}", telling::story(evidence, &pair, field)))?;
        }
    }
    Ok(unseen)
}

/// Everything that was ever written on a side, by anyone.
pub fn writes(world: &World, side: Side) -> impl Iterator<Item = &Write> {
    world.events.iter().filter_map(move |event| match event {
        Event::Wrote { side: of, write, .. } if *of == side => Some(write),
        Event::Wrote { .. } | Event::Read { .. } => None,
    })
}

/// How many writes there were on both sides.
pub fn count_writes(world: &World) -> usize {
    Side::BOTH.iter().map(|side| writes(world, *side).count()).sum()
}

impl Evidence<'_> {
    /// Was one of these records ever deleted by a person?
    fn ever_deleted(&self, pair: &PerSide<String>) -> bool {
        Side::BOTH
            .iter()
            .any(|side| self.was_deleted(*side, &pair[*side]))
    }

    fn was_deleted(&self, side: Side, id: &str) -> bool {
        writes(self.world, side).any(|write| {
            write.id == id && write.kind == WriteKind::Deleted && matches!(write.actor, Actor::Person(_))
        })
    }

    /// By anyone: a person, or the flow after a person.
    fn is_deleted(&self, side: Side, id: &str) -> bool {
        writes(self.world, side).any(|write| write.id == id && write.kind == WriteKind::Deleted)
    }

    fn record(&self, side: Side, id: &str) -> Option<Fields> {
        match side {
            Side::Salesforce => self.world.salesforce.model.record("Case", id),
            Side::ServiceNow => self.world.service_now.model.record("incident", id),
        }
    }

    /// A stored value as text that is the same on both sides: `3`, `3.0` and `"3"` are one number, and what a rule of the
    /// service makes of every text is no other text. Where long texts are cut, a cut one stands for the whole.
    fn text(&self, field: &FieldDefinition, value: &Value) -> String {
        let mut text = text(value);
        if field.truncate == TruncatePolicy::Cut {
            text = settings::cut(field, text);
        }
        if self.swarm.has(Trait::Normaliser) && field.fields.salesforce.as_str() == "Subject" {
            text = settings::normalised(&text);
        }
        text
    }

    /// What was overwritten on a pair and is in the journal.
    fn journalled(&self, field: &FieldDefinition, pair: &PerSide<String>) -> BTreeSet<String> {
        let of_pair = |entry: &&JournalEntry| {
            Side::BOTH.iter().any(|side| {
                entry.ids[*side]
                    .as_ref()
                    .is_some_and(|id| id.as_str() == pair[*side])
            })
        };
        let lost = self.journal.iter().filter(of_pair);
        lost.map(|entry| self.text(field, &Value::String(entry.lost.clone())))
            .collect()
    }
}

fn stamp_field(side: Side) -> &'static str {
    match side {
        Side::Salesforce => "ServiceNow_Sys_Id__c",
        Side::ServiceNow => "correlation_id",
    }
}

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
