//! When so many records are concerned at once that a person is asked first, and what the person is asked.
//!
//! Pure: who counts and what follows is the engine's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::definition::Guard;
use super::ident::{RecordId, digest_of};
use super::side::Side;

/// Deletions of so long a time count together. They are found one after the other, and a job that deletes too much may
/// take its time: a guard that counted each find by itself would let all of them pass.
pub const DELETIONS_ADD_UP_FOR: Duration = Duration::from_hours(24);

/// What a guard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GuardKind {
    /// Pairs that end because a record of this side was deleted.
    Deletions,
    /// Linked records of this side that changed between two looks.
    Changes,
    /// Linked records of this side that went back to an older state: restored from a backup.
    Restored,
    /// Records of this side that a changed definition would rewrite.
    Remapped,
}

impl GuardKind {
    /// From how many pairs on *every single one of them* is an alarm by itself, whatever the limits say. A flow with
    /// two records may well see both deleted, or a hundred edited, by people.
    #[must_use]
    pub const fn every_one_from(self) -> u64 {
        match self {
            Self::Deletions => 3,
            Self::Changes | Self::Restored | Self::Remapped => 100,
        }
    }
}

/// A plan that a person has to approve. Ids only, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary {
    /// What there is too much of.
    pub kind: GuardKind,
    /// On which side.
    pub side: Side,
    /// How many records.
    pub count: u64,
    /// So many more ended in the day before, and nobody was asked: they count, though the plan is not about them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended_before: u64,
    /// Of how many pairs, those that ended before included.
    pub of: u64,
    /// The first of them.
    pub first: Vec<RecordId>,
    /// What approves this plan and no other. 16 hexadecimal characters.
    pub token: String,
}

impl PlanSummary {
    /// How many ids are shown.
    pub const SHOWN: usize = 5;

    /// The summary of a plan about these records. `basis` is what the plan depends on besides them.
    #[must_use]
    pub fn new(kind: GuardKind, side: Side, mut records: Vec<RecordId>, of: u64, basis: &str) -> Self {
        records.sort();
        records.dedup();
        let ids: Vec<&str> = records.iter().map(RecordId::as_str).collect();
        let token = digest_of(&format!("{kind:?}|{}|{basis}|{}", side.label(), ids.join(",")));
        Self {
            kind,
            side,
            count: u64::try_from(records.len()).unwrap_or(u64::MAX),
            ended_before: 0,
            of,
            first: records.iter().take(Self::SHOWN).cloned().collect(),
            token,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How many of `of` pairs this guard lets pass: the larger of its two limits.
#[must_use]
pub fn most(guard: Guard, of: u64) -> u64 {
    let share = of.saturating_mul(u64::from(guard.percent)) / 100;
    guard.records.max(share)
}

/// Are `count` of `of` pairs too many for this guard? More than the larger of its two limits, or every single one.
#[must_use]
pub fn exceeds(guard: Guard, kind: GuardKind, count: u64, of: u64) -> bool {
    count > most(guard, of) || (count >= of && count >= kind.every_one_from())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::definition::Guards;

    const GUARD: Guard = Guard {
        records: 20,
        percent: 5,
    };

    fn ids(numbers: &[u32]) -> Vec<RecordId> {
        numbers
            .iter()
            .map(|number| RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap())
            .collect()
    }

    #[test]
    fn the_larger_of_the_two_limits_counts() {
        let too_many = |count, of| exceeds(GUARD, GuardKind::Deletions, count, of);
        assert!(!too_many(20, 100) && too_many(21, 100));
        assert!(!too_many(500, 10_000) && too_many(501, 10_000));
    }

    #[test]
    fn an_emptied_side_is_an_alarm_even_where_the_limits_would_let_it_pass() {
        let wide = Guard {
            records: 1_000,
            percent: 100,
        };
        assert!(exceeds(wide, GuardKind::Deletions, 3, 3));
        assert!(
            !exceeds(wide, GuardKind::Deletions, 2, 2),
            "two records may go by hand"
        );
        assert!(!exceeds(wide, GuardKind::Deletions, 3, 4));
        assert!(exceeds(wide, GuardKind::Changes, 100, 100));
        assert!(!exceeds(Guards::default().changes, GuardKind::Changes, 50, 50));
    }

    proptest! {
        #[test]
        fn what_is_too_many_stays_too_many_when_more_are_added(count in 0_u64..3_000, more in 0_u64..3_000, of in 0_u64..3_000) {
            if exceeds(GUARD, GuardKind::Deletions, count, of) {
                prop_assert!(exceeds(GUARD, GuardKind::Deletions, count + more, of));
            }
        }

        /// A token is for one set of records, in whatever order they were found.
        #[test]
        fn a_token_approves_one_plan_and_no_other(numbers in proptest::collection::btree_set(0_u32..100, 1..20), other in 100_u32..200) {
            let numbers: Vec<u32> = numbers.into_iter().collect();
            let plan = |numbers: &[u32]| PlanSummary::new(GuardKind::Deletions, Side::ServiceNow, ids(numbers), 200, "");
            let mut turned = numbers.clone();
            turned.reverse();
            prop_assert_eq!(plan(&numbers), plan(&turned));
            let mut more = numbers.clone();
            more.push(other);
            prop_assert_ne!(plan(&numbers).token, plan(&more).token);
            prop_assert_ne!(plan(&numbers).token, plan(&numbers[1..]).token);
        }
    }
}
