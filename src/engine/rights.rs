//! A right that is missing is the flow's trouble, not that of a thousand records.
//!
//! ServiceNow tells what a user may write only when it refuses (access controls). When it refuses everything of a kind
//! on a side, that is said once, for the flow, with the table and the right; the changes are kept, and one record at a
//! time is tried until one passes. A right that others' writes have proven is that one record's matter again.

use std::collections::{BTreeMap, BTreeSet};

use super::processing::put_quarantined;
use super::session::Session;
use crate::core::failure::Problem;
use crate::core::ident::LinkId;
use crate::core::link::Link;
use crate::core::side::Side;

/// What is done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

/// What is known of a right.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Proven,
    Refused(Problem),
}

/// What this session has learnt about what its user may do.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    known: BTreeMap<(Side, Verb), Standing>,
    /// Tried in this cycle although it was refused before.
    tried: BTreeSet<(Side, Verb)>,
    /// The record that was tried last: the next one is another, or one record's own trouble would stand for all.
    last: BTreeMap<(Side, Verb), LinkId>,
}

impl Rights {
    /// Another try for each refused right.
    pub(super) fn begin_cycle(&mut self) {
        let tried = std::mem::take(&mut self.tried);
        // Around once: the next one is the first again.
        self.last.retain(|right, _| tried.contains(right));
    }

    /// May this record be tried? Of a right that was refused, one record in each cycle.
    pub(super) fn may_try(&mut self, side: Side, verb: Verb, id: &LinkId) -> bool {
        let right = (side, verb);
        if !matches!(self.known.get(&right), Some(Standing::Refused(_))) {
            return true;
        }
        if self.tried.contains(&right) || self.last.get(&right).is_some_and(|last| id <= last) {
            return false;
        }
        self.tried.insert(right);
        self.last.insert(right, id.clone());
        true
    }

    /// Learns from one call. True when what was refused is the flow's trouble.
    fn learn(&mut self, side: Side, verb: Verb, applied: usize, refused: &[Problem]) -> bool {
        let right = (side, verb);
        if applied > 0 {
            self.known.insert(right, Standing::Proven);
            return false;
        }
        let Some(problem) = refused.first() else {
            return false;
        };
        let of_one = refused.len() == 1 && self.known.get(&right) == Some(&Standing::Proven);
        if !of_one {
            self.known.insert(right, Standing::Refused(problem.clone()));
        }
        !of_one
    }

    /// The right that the flow lacks, if it lacks one.
    pub(super) fn missing(&self) -> Option<&Problem> {
        self.known.values().find_map(|standing| match standing {
            Standing::Refused(problem) => Some(problem),
            Standing::Proven => None,
        })
    }
}

/// Is this the refusal of somebody who may not do such a thing at all, without a field to blame?
pub(super) fn is_about_rights(problem: &Problem) -> bool {
    matches!(problem.reason.as_str(), "MissingRight" | "InsufficientAccess")
}

/// What follows for records whose write was refused for want of a right. Their intents are gone already.
pub(super) fn conclude(
    session: &mut Session<'_>,
    side: Side,
    verb: Verb,
    applied: usize,
    refused: Vec<(Link, Problem)>,
) {
    let problems: Vec<Problem> = refused.iter().map(|(_, problem)| problem.clone()).collect();
    let of_the_flow = session.rights.learn(side, verb, applied, &problems);
    for (link, problem) in refused {
        if of_the_flow {
            // A departure is taken up again by itself; anything else is remembered as put off.
            session.book.put(Link {
                deferred: verb != Verb::Delete,
                ..link
            });
        } else {
            put_quarantined(session, link, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ident::RecordId;

    const RIGHT: (Side, Verb) = (Side::ServiceNow, Verb::Update);

    fn link(number: u8) -> LinkId {
        LinkId::of(
            Side::ServiceNow,
            &RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap(),
        )
    }

    fn refusal() -> Problem {
        Problem::human("MissingRight", "no")
    }

    #[test]
    fn what_is_refused_altogether_is_the_flows_trouble_until_one_record_passes() {
        let mut rights = Rights::default();
        assert!(rights.learn(RIGHT.0, RIGHT.1, 0, &[refusal(), refusal()]));
        assert_eq!(rights.missing(), Some(&refusal()));
        assert!(!rights.learn(RIGHT.0, RIGHT.1, 1, &[]));
        assert_eq!(rights.missing(), None);
        assert!(
            !rights.learn(RIGHT.0, RIGHT.1, 0, &[refusal()]),
            "one record's own trouble"
        );
        assert!(
            rights.learn(RIGHT.0, RIGHT.1, 0, &[refusal(), refusal()]),
            "the right was taken away"
        );
    }

    #[test]
    fn a_refused_right_is_tried_with_one_record_a_cycle_and_each_time_with_another() {
        let mut rights = Rights::default();
        let mut links: Vec<LinkId> = (0..3).map(link).collect();
        links.sort();
        assert!(links.iter().all(|id| rights.may_try(RIGHT.0, RIGHT.1, id)));
        rights.learn(RIGHT.0, RIGHT.1, 0, &[refusal()]);
        let mut tried = Vec::new();
        for _ in 0..5 {
            rights.begin_cycle();
            tried.extend(
                links
                    .iter()
                    .filter(|id| rights.may_try(RIGHT.0, RIGHT.1, id))
                    .cloned(),
            );
        }
        assert_eq!(tried[..3], links[..]);
        assert!(
            tried.len() >= 4 && tried[3] == links[0],
            "around once, and a cycle to notice it"
        );
    }
}
