//! What happened in a run, counted: a campaign can say what it contained, and one in which something never happened
//! proves nothing about it.

use std::collections::BTreeMap;
use std::fmt;

use crate::swarm::Trait;
use crate::trouble::Mishap;

/// Something that somebody did, or that befell the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Made,
    Edited,
    Deleted,
    Undeleted,
    /// A case was merged into another.
    Merged,
    /// Somebody picked a side in a conflict that waited.
    Resolved,
    /// Somebody approved a plan that a guard held back.
    Approved,
    /// The flow deleted a counterpart.
    DeletedByFlow,
    /// The flow marked a counterpart.
    MarkedByFlow,
    /// SIGKILL.
    Killed,
    /// SIGSTOP, until after another has taken over.
    Stopped,
    /// The worker was told to stop, and did when it had finished what was sent.
    Drained,
    Suspended,
    ManifestsEdited,
    StateCopied,
    /// Link state was erased, or fell back to a copy.
    StateLost,
    StoreFailed,
    RightsChanged,
    RefusalsChanged,
    ClockSetBack,
}

impl Deed {
    const ALL: [Self; 20] = [
        Self::Made,
        Self::Edited,
        Self::Deleted,
        Self::Undeleted,
        Self::Merged,
        Self::Resolved,
        Self::Approved,
        Self::DeletedByFlow,
        Self::MarkedByFlow,
        Self::Killed,
        Self::Stopped,
        Self::Drained,
        Self::Suspended,
        Self::ManifestsEdited,
        Self::StateCopied,
        Self::StateLost,
        Self::StoreFailed,
        Self::RightsChanged,
        Self::RefusalsChanged,
        Self::ClockSetBack,
    ];
}

/// How often everything happened.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    deeds: BTreeMap<Deed, u64>,
    mishaps: BTreeMap<Mishap, u64>,
    traits: BTreeMap<Trait, u64>,
}

impl Counts {
    pub fn note(&mut self, deed: Deed) {
        *self.deeds.entry(deed).or_default() += 1;
    }

    pub fn note_mishap(&mut self, mishap: Mishap) {
        *self.mishaps.entry(mishap).or_default() += 1;
    }

    pub fn note_trait(&mut self, drawn: Trait) {
        *self.traits.entry(drawn).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        sum(&mut self.deeds, &other.deeds);
        sum(&mut self.mishaps, &other.mishaps);
        sum(&mut self.traits, &other.traits);
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        absent(&self.deeds, Deed::ALL, &mut missing);
        absent(&self.mishaps, Mishap::ALL, &mut missing);
        absent(&self.traits, Trait::ALL.map(|(one, _)| one), &mut missing);
        missing
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "deeds: {:?}", self.deeds)?;
        write!(formatter, "\nfaults: {:?}", self.mishaps)?;
        write!(formatter, "\ntraits: {:?}", self.traits)
    }
}

fn sum<K: Copy + Ord>(into: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, count) in other {
        *into.entry(*key).or_default() += count;
    }
}

fn absent<K: fmt::Debug + Ord>(
    counted: &BTreeMap<K, u64>,
    all: impl IntoIterator<Item = K>,
    missing: &mut Vec<String>,
) {
    let never = all.into_iter().filter(|key| !counted.contains_key(key));
    missing.extend(never.map(|key| format!("{key:?}")));
}
