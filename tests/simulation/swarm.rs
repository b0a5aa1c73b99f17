//! What a seed draws of habits and troubles. Each seed has its own subset: a run in which everything goes wrong at once
//! seldom gets to the state in which one thing going wrong would matter.

use std::collections::BTreeSet;

use crate::chance::Chance;
use crate::script::{Kind, Script};
use crate::trouble::{Mishap, Trouble};

/// One thing that a run may have about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trait {
    /// Requests and answers are lost.
    LostCalls,
    /// Services act on requests long after nobody waits for them any more.
    LateActs,
    /// Gateways, login pages, rate limits, broken answers.
    Errors,
    /// ServiceNow's 202 and batches that are not served to their end.
    Unserviced,
    /// Sessions end early, and rows are locked.
    LocksAndSessions,
    /// The process is killed.
    Crashes,
    /// The process is stopped, another takes over, and the first wakes.
    Zombies,
    /// The store fails, before or after it wrote.
    StoreFaults,
    /// Link state is rolled back to a copy, or erased.
    StateLoss,
    /// The manifests are edited.
    ConfigEdits,
    /// Small pages, look-ups and batches.
    SmallPages,
    /// Each service's clock is minutes off.
    Skew,
    /// People's writes are seen late.
    LateCommits,
    /// Reads are answered by a replica that lags.
    ReplicaLag,
    /// Rows of one second come in another order each time.
    ShuffledTies,
    /// ServiceNow makes its own ids.
    IdsIgnored,
    /// A business rule rewrites what it gets.
    Normaliser,
    /// A business rule edits the record some seconds later.
    AsyncRule,
    /// A trigger sets a mapped field.
    Trigger,
    /// People use values that the value table lacks.
    UnmappedValues,
    /// People write texts that the other side cannot hold.
    LongTexts,
    /// People delete and undelete.
    Deletions,
    /// Rights are taken away and given back.
    Permissions,
    /// A rule refuses some writes.
    Refusals,
    /// Conflicts wait for a person.
    ManualConflicts,
    /// Writes go out only if nobody was there since the last look.
    GuardedWrites,
    /// Most answers to writes are lost.
    Unanswered,
    /// Something between us and a service delivers some writes twice.
    DoubleDelivery,
    /// People merge cases.
    Merges,
    /// Each service's clock runs faster or slower than ours.
    ClockDrift,
    /// A service's clock is set back.
    ClockSetBack,
    /// The flow is suspended for a while.
    Suspensions,
    /// Texts that the other side cannot hold whole are cut.
    CutTexts,
    /// Guards let only few deletions and changes pass, and somebody approves the rest.
    Guards,
}

impl Trait {
    /// Every one, and how many of a thousand runs have it.
    pub const ALL: [(Self, u64); 34] = [
        (Self::LostCalls, 700),
        (Self::LateActs, 250),
        (Self::Errors, 300),
        (Self::Unserviced, 250),
        (Self::LocksAndSessions, 250),
        (Self::Crashes, 600),
        (Self::Zombies, 250),
        (Self::StoreFaults, 200),
        (Self::StateLoss, 150),
        (Self::ConfigEdits, 150),
        (Self::SmallPages, 500),
        (Self::Skew, 250),
        (Self::LateCommits, 350),
        (Self::ReplicaLag, 150),
        (Self::ShuffledTies, 300),
        (Self::IdsIgnored, 350),
        (Self::Normaliser, 200),
        (Self::AsyncRule, 150),
        (Self::Trigger, 150),
        (Self::UnmappedValues, 200),
        (Self::LongTexts, 150),
        (Self::Deletions, 300),
        (Self::Permissions, 150),
        (Self::Refusals, 150),
        (Self::ManualConflicts, 100),
        (Self::GuardedWrites, 150),
        (Self::Unanswered, 350),
        (Self::DoubleDelivery, 200),
        (Self::Merges, 250),
        (Self::ClockDrift, 200),
        (Self::ClockSetBack, 150),
        (Self::Suspensions, 150),
        (Self::CutTexts, 150),
        (Self::Guards, 150),
    ];
}

/// The traits of a run.
#[derive(Clone, Debug, Default)]
pub struct Swarm(BTreeSet<Trait>);

impl Swarm {
    /// These and no others.
    pub fn of(traits: &[Trait]) -> Self {
        Self(traits.iter().copied().collect())
    }

    /// What the seed draws, as far as the script lets it. Also tells the numbers of what was drawn.
    pub fn draw(script: &Script) -> (Self, Vec<u64>) {
        let mut numbers = Vec::new();
        let mut traits = BTreeSet::new();
        for (number, (one, of_thousand)) in (0..).zip(Trait::ALL) {
            let drawn = Chance::of(script.seed, "trait", number).permille(of_thousand);
            if drawn && script.allows((Kind::Trait, number)) {
                numbers.push(number);
                traits.insert(one);
            }
        }
        (Self(traits), numbers)
    }

    pub fn has(&self, one: Trait) -> bool {
        self.0.contains(&one)
    }

    /// Every trait, in order.
    pub fn all(&self) -> impl Iterator<Item = Trait> {
        self.0.iter().copied()
    }

    /// What goes wrong with calls.
    pub fn trouble(&self) -> Trouble {
        let mut trouble = Trouble::default();
        let mut add = |of: Trait, lines: &[(Mishap, u64, u64)]| {
            if self.has(of) {
                for (mishap, reads, writes) in lines {
                    trouble.add(*mishap, *reads, *writes);
                }
            }
        };
        add(
            Trait::LostCalls,
            &[
                (Mishap::Refused, 7, 8),
                (Mishap::RequestLost, 7, 15),
                (Mishap::AnswerLost, 10, 60),
            ],
        );
        add(Trait::LateActs, &[(Mishap::ActsLater, 0, 60)]);
        add(
            Trait::Errors,
            &[
                (Mishap::ErrorBefore, 10, 20),
                (Mishap::ErrorAfter, 5, 30),
                (Mishap::HtmlPage, 5, 10),
                (Mishap::Throttled, 10, 20),
                (Mishap::Truncated, 10, 20),
            ],
        );
        add(
            Trait::Unserviced,
            &[(Mishap::Accepted, 5, 50), (Mishap::BatchCut, 0, 60)],
        );
        add(
            Trait::LocksAndSessions,
            &[(Mishap::SessionEnds, 10, 10), (Mishap::RowLocked, 0, 150)],
        );
        add(Trait::Unanswered, &[(Mishap::AnswerLost, 0, 300)]);
        add(Trait::DoubleDelivery, &[(Mishap::DeliveredTwice, 0, 150)]);
        trouble
    }
}
