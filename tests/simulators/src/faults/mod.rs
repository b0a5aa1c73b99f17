//! Faults: what the network and the vendor's edge do to calls, switched on from code or over the admin door.

pub(crate) mod effects;

use serde::{Deserialize, Serialize};

use crate::calls::CallKind;

use crate::model::Response;

pub use effects::{CannedAnswer, Effect};

/// What a client sees of a call.
#[derive(Debug)]
pub enum Delivered {
    /// A response arrived.
    Answer(Response),
    /// The connection was closed without one. The client cannot tell whether the service acted.
    NoAnswer,
}

impl Delivered {
    /// The response, if one arrived.
    pub fn answer(self) -> Option<Response> {
        match self {
            Self::Answer(response) => Some(response),
            Self::NoAnswer => None,
        }
    }
}

/// One fault: which calls, how many of them, how likely, and what happens to those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What it is switched off by; empty when it needs no name of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The kind or family of kinds that it hits (see [`CallKind::is_within`]); empty for every call.
    #[serde(default)]
    pub calls: String,
    /// How many matching calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many matching calls it hits after those; `None` for all until it is cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely it is to hit a matching call; `None` for certainly. A call that it lets go does not count as hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
    /// What happens to them.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Fault {
    /// A fault that hits the next matching call only.
    pub fn once(calls: impl Into<String>, effect: Effect) -> Self {
        Self::always(calls, effect).times(1)
    }

    /// A fault that hits every matching call until it is cleared.
    pub fn always(calls: impl Into<String>, effect: Effect) -> Self {
        Self {
            name: String::new(),
            calls: calls.into(),
            skip: 0,
            times: None,
            chance: None,
            effect,
        }
    }

    /// The same under a name: it replaces the one that has that name, and is switched off by it.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { name, ..self }
    }

    /// The same, after that many matching calls have passed.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// The same, for that many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        let times = Some(times);
        Self { times, ..self }
    }

    /// The same, for so many of a thousand matching calls, which ones decided by the seed alone.
    #[must_use]
    pub fn with_chance(self, permille: u16, seed: u64) -> Self {
        let chance = Some(Chance { permille, seed });
        Self { chance, ..self }
    }
}

/// How likely a fault is to hit, and the numbers that decide each time: a simulator draws none of its own, so that the
/// same seed hits the same calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chance {
    /// Of a thousand calls, how many are hit: 0 to 1000.
    pub permille: u16,
    /// Where its numbers begin. Moves on with each call that is decided.
    #[serde(default)]
    pub seed: u64,
}

impl Chance {
    /// The next decision: `SplitMix64`.
    fn hits(&mut self) -> bool {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.seed;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        drawn % 1000 < u64::from(self.permille)
    }
}

/// The faults that are switched on, in the order they were added. A call is hit by the first that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Switches a fault on, in the place of the one that has its name.
    pub fn add(&mut self, fault: Fault) {
        if !fault.name.is_empty() {
            self.switch_off(&fault.name);
        }
        self.0.push(fault);
    }

    /// Switches off the fault of that name, and says whether it was on.
    pub fn switch_off(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|fault| fault.name != name);
        self.0.len() < before
    }

    /// Switches every fault off.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The effect on the next call of this kind, if any, counting it down.
    pub(crate) fn strike(&mut self, kind: CallKind) -> Option<Effect> {
        let mut struck = None;
        for fault in &mut self.0 {
            if !kind.is_within(&fault.calls) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.chance.as_mut().is_some_and(|chance| !chance.hits()) {
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
            struck = Some(fault.effect.clone());
            break;
        }
        self.0.retain(|fault| fault.times != Some(0));
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: CallKind = CallKind::new("salesforce.query");
    const CREATE: CallKind = CallKind::new("salesforce.collections.create");

    #[test]
    fn a_fault_hits_as_many_matching_calls_as_it_says_after_those_it_lets_pass() {
        let mut faults = Faults::default();
        faults.add(
            Fault::always("salesforce.collections", Effect::LoseAnswer)
                .after(1)
                .times(2),
        );
        assert_eq!(faults.strike(CREATE), None);
        assert_eq!(faults.strike(QUERY), None);
        assert_eq!(faults.strike(CREATE), Some(Effect::LoseAnswer));
        assert_eq!(faults.strike(CREATE), Some(Effect::LoseAnswer));
        assert_eq!(faults.strike(CREATE), None);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_probable_fault_hits_its_share_of_calls_and_the_same_ones_for_the_same_seed() {
        let hits = |permille, seed| {
            let mut faults = Faults::default();
            faults.add(Fault::always("", Effect::LoseAnswer).with_chance(permille, seed));
            let calls = (0..10_000).map(|_| faults.strike(QUERY).is_some());
            calls.collect::<Vec<_>>()
        };
        let share = |hits: &[bool]| hits.iter().filter(|hit| **hit).count();
        assert_eq!(hits(250, 7), hits(250, 7));
        assert_ne!(hits(250, 7), hits(250, 8));
        assert!((2_300..2_700).contains(&share(&hits(250, 7))));
        assert_eq!((share(&hits(0, 7)), share(&hits(1000, 7))), (0, 10_000));
    }

    #[test]
    fn a_probable_fault_leaves_the_calls_it_lets_go_to_the_others_and_counts_only_hits() {
        let mut faults = Faults::default();
        faults.add(Fault::once("", Effect::LoseAnswer).with_chance(500, 1));
        faults.add(Fault::always("", Effect::LoseRequest));
        let struck: Vec<Effect> = (0..50).filter_map(|_| faults.strike(QUERY)).collect();
        assert_eq!(struck.len(), 50);
        let first = struck.iter().filter(|effect| **effect == Effect::LoseAnswer);
        assert_eq!(first.count(), 1);
    }

    #[test]
    fn a_named_fault_is_replaced_and_switched_off_by_its_name() {
        let mut faults = Faults::default();
        faults.add(Fault::always("", Effect::LoseAnswer).named("h06"));
        faults.add(Fault::always("", Effect::LoseRequest).named("h06"));
        assert_eq!(faults.strike(QUERY), Some(Effect::LoseRequest));
        assert!(faults.switch_off("h06") && !faults.switch_off("h06"));
        assert_eq!(faults.strike(QUERY), None);
    }

    #[test]
    fn faults_are_read_from_the_admin_doors_json() {
        let read: Fault = serde_json::from_str(
            r#"{"calls":"salesforce.query","times":3,"effect":"statusBefore","status":503,"body":"<html>"}"#,
        )
        .unwrap();
        assert_eq!(read.times, Some(3));
        assert_eq!(
            read.effect,
            Effect::StatusBefore(CannedAnswer {
                status: 503,
                body: "<html>".into(),
                headers: vec![]
            })
        );
        let read: Fault = serde_json::from_str(r#"{"effect":"truncateBody","bytes":10}"#).unwrap();
        assert_eq!(read.effect, Effect::TruncateBody { bytes: 10 });
        let read: Fault = serde_json::from_str(
            r#"{"name":"flaky","chance":{"permille":50,"seed":3},"effect":"redirect","location":"https://else.example/"}"#,
        )
        .unwrap();
        let location = "https://else.example/".to_owned();
        let elsewhere = Effect::Redirect {
            location,
            status: 307,
        };
        assert_eq!(
            read,
            Fault::always("", elsewhere).named("flaky").with_chance(50, 3)
        );
        assert!(serde_json::from_str::<Fault>(r#"{"effect":"explode"}"#).is_err());
    }
}
