//! What a reader of a failure needs.

use syncflow::adapters::link_store::memory::MemoryState;
use syncflow::core::definition::FieldDefinition;
use syncflow::core::side::PerSide;

use super::Evidence;
use super::values::{Who, touches};
use crate::world::Event;

/// The history of one field of one pair.
pub fn story(evidence: &Evidence<'_>, pair: &PerSide<String>, field: &FieldDefinition) -> String {
    let lines: Vec<String> = touches(evidence, pair, field)
        .iter()
        .map(|touch| {
            let who = match touch.who {
                Who::Person => "person",
                Who::Rule => "rule",
                Who::Flow => "flow",
            };
            format!(
                "  {:>5} {who:>6} {}: {:?} -> {:?}",
                touch.at, touch.side, touch.before, touch.after
            )
        })
        .collect();
    lines.join("\n")
}

/// Prints everything that happened.
pub fn tell(evidence: &Evidence<'_>) {
    println!("{:#?}", evidence.definition);
    for (at, event) in evidence.world.events.iter().enumerate() {
        match event {
            Event::Read {
                side,
                at: moment,
                ids,
            } => println!("{at:>5} {moment} {side} was read: {ids:?}"),
            Event::Wrote { side, write, sent } => println!(
                "{at:>5} {} {side} {} {:?} {:?} {:?} (sent at {sent})",
                write.at, write.id, write.kind, write.actor, write.changed
            ),
        }
    }
    for link in evidence.state.links() {
        println!("{link:?}");
    }
    for entry in evidence.journal {
        println!("{entry:?} lost {:?} kept {:?}", entry.lost, entry.kept);
    }
    println!("{:#?}", evidence.report);
}

/// Prints the links that differ, as they are now.
pub fn tell_changes(before: &MemoryState, after: &MemoryState) {
    for link in after.links() {
        if before.links().all(|known| known != link) {
            println!("      stored: {link:?}");
        }
    }
}
