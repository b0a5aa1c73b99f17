//! A failing seed, told again with as little as it takes to fail.

use std::collections::BTreeSet;

use crate::run::{Outcome, run};
use crate::script::{Happening, Kind, Script};

/// A failing story and what the oracle finds in it.
pub struct Shrunk {
    pub script: Script,
    pub found: String,
    /// How many events happened before, and happen now.
    pub events: (usize, usize),
}

/// Takes events out of a failing script while it goes on to fail in the same way, the larger parts first, with at most
/// so many further runs. `None` where it does not fail.
pub fn shrink(script: &Script, mut runs: u32) -> Option<Shrunk> {
    let Outcome { verdict, happened } = run(script, false);
    let mut found = verdict.err()?;
    let mut events: Vec<Happening> = happened
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let before = events.len();
    // Traits last: a run without one of them draws other settings.
    for kinds in [
        &[Kind::Act, Kind::Crash, Kind::Change, Kind::Fault][..],
        &[Kind::Trait],
    ] {
        let mut size = events.len().div_ceil(2);
        while size > 0 && runs > 0 {
            let mut place = 0;
            while place < events.len() && runs > 0 {
                let end = (place + size).min(events.len());
                let without: Vec<Happening> = events
                    .iter()
                    .enumerate()
                    .filter(|(at, (kind, _))| !(place..end).contains(at) || !kinds.contains(kind))
                    .map(|(_, event)| *event)
                    .collect();
                if without.len() == events.len() {
                    place = end;
                    continue;
                }
                runs -= 1;
                let shorter = Script::only(script.seed, without.iter().copied().collect());
                match run(&shorter, false).verdict {
                    Err(other) if in_short(&other) == in_short(&found) => {
                        found = other;
                        events = without;
                    }
                    _ => place = end,
                }
            }
            size /= 2;
        }
    }
    Some(Shrunk {
        script: Script::only(script.seed, events.iter().copied().collect()),
        found,
        events: (before, events.len()),
    })
}

/// What was found, without the values and ids that differ from one telling to the next.
fn in_short(found: &str) -> String {
    let first = found.lines().next().unwrap_or_default();
    let words = first.split(' ').map(|word| {
        let is_name = word
            .chars()
            .all(|letter| letter.is_ascii_alphabetic() || "_⇄".contains(letter));
        if is_name { word } else { "…" }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_was_found_is_the_same_whatever_the_ids_and_values() {
    let of = |id: &str, value: &str| {
        in_short(&format!(
            "Subject ⇄ text of {id}: {value:?}, written on Salesforce, is lost"
        ))
    };
    assert_eq!(of("0a1b", "case 7"), of("ffee", "case 8"));
    assert_ne!(of("0a1b", "case 7"), in_short("at rest something was written"));
}
