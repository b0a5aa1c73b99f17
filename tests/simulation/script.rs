//! What may happen in a run: everything that its seed draws, or only the events that a shorter story needs.
//!
//! Every event has a number that does not depend on the others, so a failing seed is told again without those that do
//! not matter: `1207: act 14, act 90, crash 97, fault 31`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A trait that the run has: a habit of a service, a way in which things go wrong.
    Trait,
    /// Somebody does something; numbered by the step of the run.
    Act,
    /// The process dies or is stopped; numbered by the step of the run.
    Crash,
    /// An administrator changes something; numbered by the step of the run.
    Change,
    /// A call goes wrong; numbered by the call.
    Fault,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Trait, "trait"),
        (Self::Act, "act"),
        (Self::Crash, "crash"),
        (Self::Change, "change"),
        (Self::Fault, "fault"),
    ];

    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, word)| word)
    }
}

/// One event of a run.
pub type Happening = (Kind, u64);

/// A seed, and which of its events happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub seed: u64,
    only: Option<BTreeSet<Happening>>,
}

impl Script {
    /// Everything that the seed draws.
    pub fn whole(seed: u64) -> Self {
        Self { seed, only: None }
    }

    /// Of what the seed draws, only these.
    pub fn only(seed: u64, events: BTreeSet<Happening>) -> Self {
        Self {
            seed,
            only: Some(events),
        }
    }

    pub fn allows(&self, event: Happening) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&event))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.seed)?;
        for (place, (kind, number)) in self.only.iter().flatten().enumerate() {
            let mark = if place == 0 { ":" } else { "," };
            write!(formatter, "{mark} {} {number}", kind.word())?;
        }
        if self.only.as_ref().is_some_and(BTreeSet::is_empty) {
            write!(formatter, ":")?;
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (seed, events) = text
            .split_once(':')
            .map_or((text, None), |(seed, rest)| (seed, Some(rest)));
        let seed = seed.trim().parse().map_err(|_| format!("{seed:?} is no seed"))?;
        let Some(events) = events else {
            return Ok(Self::whole(seed));
        };
        let event = |text: &str| {
            let (word, number) = text
                .trim()
                .split_once(' ')
                .ok_or_else(|| format!("{text:?} is no event"))?;
            let kind = Kind::ALL.iter().find(|(_, known)| *known == word);
            let (kind, _) = kind.ok_or_else(|| format!("{word:?} is no kind of event"))?;
            let number = number
                .trim()
                .parse()
                .map_err(|_| format!("{number:?} is no number"))?;
            Ok((*kind, number))
        };
        let events = events.split(',').filter(|text| !text.trim().is_empty());
        Ok(Self::only(
            seed,
            events.map(event).collect::<Result<_, String>>()?,
        ))
    }
}

#[test]
fn a_script_is_written_as_it_is_read() {
    for text in ["7", "7:", "1207: act 14, act 90, crash 97, fault 31"] {
        assert_eq!(text.parse::<Script>().unwrap().to_string(), text);
    }
    assert!("x".parse::<Script>().is_err() && "1: flood 3".parse::<Script>().is_err());
    let script: Script = "1: act 2".parse().unwrap();
    assert!(
        script.allows((Kind::Act, 2)) && !script.allows((Kind::Act, 3)) && !script.allows((Kind::Fault, 2))
    );
}
