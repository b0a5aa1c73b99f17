//! What must be so in the end, found without the engine: from the records, the services' own audits and the journal.

use std::collections::BTreeSet;

use serde_json::Value;
use syncflow::core::side::Side;
use syncflow_simulators::{Actor, Model as _, Write, WriteKind};

use super::crowd::{Pair, Story, pair};
use crate::people::value;
use crate::world::World;

/// Every record has one counterpart, every one that was made was made once, and no edit is gone without a trace.
/// `journal` is what `syncflow conflicts list` shows.
pub fn judge(world: &World, stories: &[Story], journal: &Value) {
    let made = stories.len();
    assert_eq!(
        (world.cases().len(), world.incidents().len()),
        (made, made),
        "as many as people made, on both sides"
    );
    let audits = [
        world.org.simulator().model.writes().to_vec(),
        world.instance.simulator().model.writes().to_vec(),
    ];
    let created: Vec<&Write> = audits
        .iter()
        .flatten()
        .filter(|write| write.kind == WriteKind::Created && matches!(write.actor, Actor::Api(_)))
        .filter(|write| ["Case", "incident"].contains(&write.object.as_str()))
        .collect();
    assert_eq!(
        created.len(),
        made,
        "each was made once, and none was made and taken away again"
    );
    let stamps: BTreeSet<String> = world
        .incidents()
        .iter()
        .map(|incident| value(incident, "correlation_id").to_owned())
        .chain(
            world
                .cases()
                .iter()
                .map(|case| value(case, "ServiceNow_Sys_Id__c").to_owned()),
        )
        .filter(|stamp| stamp.contains(':'))
        .collect();
    assert!(stamps.len() >= made, "each made record names its own: {stamps:?}");

    let lost: BTreeSet<&str> = journal
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["lost"].as_str())
        .collect();
    for story in stories {
        let pair = pair(world, story).unwrap_or_else(|| panic!("no counterpart: {story:?}"));
        no_edit_is_gone(story, &pair, &audits, &lost);
    }
}

fn no_edit_is_gone(story: &Story, pair: &Pair, audits: &[Vec<Write>; 2], lost: &BTreeSet<&str>) {
    let stands = pair
        .agreed()
        .unwrap_or_else(|| panic!("the sides differ: {story:?} {:?}", pair.subjects));
    let last_of = |side: Side| {
        story
            .edits
            .iter()
            .rev()
            .find(|(of, _)| *of == side)
            .map(|(_, text)| text.as_str())
    };
    assert!(
        Side::BOTH.into_iter().any(|side| last_of(side) == Some(stands)),
        "{stands:?} is nobody's last word: {story:?}"
    );
    for (number, (side, text)) in story.edits.iter().enumerate() {
        let went_on = story.edits[number + 1..].iter().any(|(next, _)| next == side);
        let other = side.other();
        let arrived = audits[usize::from(other == Side::ServiceNow)]
            .iter()
            .any(|write| {
                write.id == pair.ids[&other]
                    && write.changed.values().any(|change| change.after == text.as_str())
            });
        assert!(
            text == stands || went_on || arrived || lost.contains(text.as_str()),
            "{text:?} is gone without a trace: {story:?}, {stands:?} stands"
        );
    }
}
