//! Switches for some calls only: how an instance behaves towards calls of one kind, now and then.
//!
//! A habit names the calls it is about, by kind as they are counted (`servicenow.list`, `servicenow.batch`; the calls
//! inside a batch have kinds of their own), which of them it takes, and how the switches stand while it answers one.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

use super::ServiceNow;
use super::ids::mix;
use super::switches::Switches;
use crate::calls::CallKind;

/// What changes while the instance answers a call.
type Change = Arc<dyn Fn(&mut Switches) + Send + Sync>;

/// Switches for some calls.
#[derive(Clone)]
pub struct Habit {
    calls: String,
    skip: u32,
    times: Option<u32>,
    percent: u32,
    change: Change,
}

impl fmt::Debug for Habit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Habit")
            .field("calls", &self.calls)
            .field("skip", &self.skip)
            .field("times", &self.times)
            .field("percent", &self.percent)
            .finish_non_exhaustive()
    }
}

impl Habit {
    /// Changes the switches for every call of that kind or family of kinds (see [`CallKind::is_within`]).
    pub fn new(calls: &str, change: impl Fn(&mut Switches) + Send + Sync + 'static) -> Self {
        Self {
            calls: calls.to_owned(),
            skip: 0,
            times: None,
            percent: 100,
            change: Arc::new(change),
        }
    }

    /// The same for that many calls only.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The same after that many calls have passed as usual.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The same for about that share of the calls, 0 to 100; which of them, the instance's seed decides.
    #[must_use]
    pub fn percent(mut self, percent: u32) -> Self {
        self.percent = percent;
        self
    }

    /// A habit as the admin door spells it; an error is a switch that does not exist or does not stand like that.
    pub(super) fn read(body: &Value) -> Result<Self, serde_json::Error> {
        let HabitBody {
            calls,
            skip,
            times,
            percent,
            switches,
        } = HabitBody::deserialize(body)?;
        changed(&Switches::default(), &switches)?;
        let change = move |standing: &mut Switches| {
            // Read once already, so it reads again.
            if let Ok(changed) = changed(standing, &switches) {
                *standing = changed;
            }
        };
        Ok(Self {
            skip,
            times,
            percent,
            ..Self::new(&calls, change)
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HabitBody {
    calls: String,
    #[serde(default)]
    skip: u32,
    times: Option<u32>,
    #[serde(default = "always")]
    percent: u32,
    switches: Map<String, Value>,
}

fn always() -> u32 {
    100
}

/// The switches with some of them set anew, by name.
pub(super) fn changed(
    switches: &Switches,
    changes: &Map<String, Value>,
) -> Result<Switches, serde_json::Error> {
    let mut all = serde_json::to_value(switches)?;
    for (name, value) in changes {
        all[name.as_str()] = value.clone();
    }
    serde_json::from_value(all)
}

/// The habits of an instance, in the order added: each call follows the first that takes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Habits {
    all: Vec<Habit>,
    /// Calls drawn for so far, which decides the share that a habit takes.
    drawn: u64,
}

impl Habits {
    pub(super) fn add(&mut self, habit: Habit) {
        self.all.push(habit);
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    fn take(&mut self, kind: CallKind) -> Option<Change> {
        let mut taken = None;
        for habit in &mut self.all {
            if !kind.is_within(&habit.calls) {
                continue;
            }
            if habit.skip > 0 {
                habit.skip -= 1;
                continue;
            }
            self.drawn += 1;
            if habit.percent < 100 && mix(self.drawn) % 100 >= u64::from(habit.percent) {
                continue;
            }
            if let Some(times) = &mut habit.times {
                *times = times.saturating_sub(1);
            }
            taken = Some(Arc::clone(&habit.change));
            break;
        }
        self.all.retain(|habit| habit.times != Some(0));
        taken
    }
}

impl ServiceNow {
    /// Adds a habit.
    pub fn add_habit(&mut self, habit: Habit) {
        self.habits.add(habit);
    }

    /// Ends every habit.
    pub fn clear_habits(&mut self) {
        self.habits.clear();
    }

    /// Answers a call with the switches as the habit for its kind, if any, sets them.
    pub(super) fn by_habit<T>(&mut self, kind: CallKind, answer: impl FnOnce(&mut Self) -> T) -> T {
        let Some(change) = self.habits.take(kind) else {
            return answer(self);
        };
        let usual = self.switches.clone();
        change(&mut self.switches);
        let answered = answer(self);
        self.switches = usual;
        answered
    }
}
