//! How `status.conditions` changes: the rules that kstatus, flux and `kubectl wait` rely on.
//!
//! - `Ready` is always there. `Reconciling` and `Stalled` are there only while they are true.
//! - A condition's time changes when its status, its reason or its message changes, and only then; whole seconds.
//! - `Ready` stands first, the others by name, so that equal conditions are equal lists.
//! - Each carries the generation it was set for, so that a reader sees whether it is about the newest manifest.
//!
//! Pure: the time is given.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{Timestamp, Unit};

/// The longest message that is kept, in bytes; longer ones are cut at a character.
pub const MAX_MESSAGE: usize = 1024;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The object does what its manifest says.
    Ready,
    /// The operator is working towards it; present only while true.
    Reconciling,
    /// A person must act before the operator can go on; present only while true.
    Stalled,
    /// Something needs eyes but does not stop the object; present only while true.
    Warning,
}

impl ConditionType {
    /// The condition's `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Warning => "Warning",
        }
    }
}

/// A condition's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Not known yet.
    Unknown,
}

impl ConditionStatus {
    /// The condition's `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Stable `CamelCase` code.
    pub reason: String,
    /// A sentence for people; never a record's values.
    pub message: String,
}

impl Cause {
    /// A cause.
    pub fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// The whole verdict on an object: what its conditions should say now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    ready: (ConditionStatus, Cause),
    also: BTreeMap<ConditionType, Cause>,
}

impl Verdict {
    /// A verdict with `Ready` and nothing else.
    pub const fn new(ready: ConditionStatus, cause: Cause) -> Self {
        Self {
            ready: (ready, cause),
            also: BTreeMap::new(),
        }
    }

    /// The object does what its manifest says.
    pub const fn ready(cause: Cause) -> Self {
        Self::new(ConditionStatus::True, cause)
    }

    /// Not ready, and the operator is at work on it or waits for something that is expected to appear.
    #[must_use]
    pub fn reconciling(ready: ConditionStatus, cause: Cause) -> Self {
        Self::new(ready, cause.clone()).with(ConditionType::Reconciling, cause)
    }

    /// Not ready, until a person acts.
    #[must_use]
    pub fn stalled(cause: Cause) -> Self {
        Self::new(ConditionStatus::False, cause.clone()).with(ConditionType::Stalled, cause)
    }

    /// Adds a condition that is present only while true. `Ready` is not one of them and is left as it was.
    #[must_use]
    pub fn with(mut self, condition: ConditionType, cause: Cause) -> Self {
        if condition != ConditionType::Ready {
            self.also.insert(condition, cause);
        }
        self
    }

    /// The status of `Ready`, and why.
    pub const fn readiness(&self) -> (ConditionStatus, &Cause) {
        (self.ready.0, &self.ready.1)
    }

    /// The conditions to write: `previous` with this verdict for `generation`, at `now`.
    ///
    /// A condition that says what it said before keeps its time, so that writing it again changes nothing.
    #[must_use]
    pub fn conditions(
        &self,
        previous: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Vec<Condition> {
        let (status, cause) = &self.ready;
        std::iter::once((ConditionType::Ready, *status, cause))
            .chain(
                self.also
                    .iter()
                    .map(|(kind, cause)| (*kind, ConditionStatus::True, cause)),
            )
            .map(|(kind, status, cause)| {
                let mut condition = Condition {
                    type_: kind.as_str().to_owned(),
                    status: status.as_str().to_owned(),
                    reason: cause.reason.clone(),
                    message: trimmed(&cause.message).to_owned(),
                    observed_generation: generation,
                    last_transition_time: Time(whole_second(now)),
                };
                if let Some(before) = previous.iter().find(|before| says_the_same(before, &condition)) {
                    condition.last_transition_time = before.last_transition_time.clone();
                }
                condition
            })
            .collect()
    }
}

/// Finds a condition by its type.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// Is `Ready` true for this generation?
pub fn is_ready(conditions: &[Condition], generation: Option<i64>) -> bool {
    find(conditions, ConditionType::Ready).is_some_and(|ready| {
        ready.status == ConditionStatus::True.as_str() && ready.observed_generation == generation
    })
}

fn says_the_same(a: &Condition, b: &Condition) -> bool {
    a.type_ == b.type_ && a.status == b.status && a.reason == b.reason && a.message == b.message
}

fn whole_second(time: Timestamp) -> Timestamp {
    // Rounding to a second cannot fail except at the very end of the calendar, where the time itself will do.
    let rounding = k8s_openapi::jiff::TimestampRound::new()
        .smallest(Unit::Second)
        .mode(k8s_openapi::jiff::RoundMode::Trunc);
    time.round(rounding).unwrap_or(time)
}

/// A message as it may stand in `status`: without blanks around it, and cut at a character if it is longer than
/// [`MAX_MESSAGE`] bytes.
pub fn trimmed(message: &str) -> &str {
    let message = message.trim();
    message
        .get(..message.floor_char_boundary(MAX_MESSAGE))
        .unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cause(reason: &str) -> Cause {
        Cause::new(reason, format!("because of {reason}"))
    }

    #[test]
    fn ready_is_always_there_and_first() {
        let verdict =
            Verdict::stalled(cause("InvalidMapping")).with(ConditionType::Warning, cause("HiddenRows"));
        let types: Vec<_> = verdict
            .conditions(&[], Some(1), at("2026-01-01T00:00:00Z"))
            .into_iter()
            .map(|condition| (condition.type_, condition.status))
            .collect();
        let expected = [("Ready", "False"), ("Stalled", "True"), ("Warning", "True")];
        assert_eq!(
            types,
            expected.map(|(kind, status)| (kind.to_owned(), status.to_owned()))
        );
    }

    #[test]
    fn abnormal_conditions_vanish_when_they_are_no_longer_true() {
        let first = Verdict::stalled(cause("A")).conditions(&[], Some(1), at("2026-01-01T00:00:00Z"));
        let then = Verdict::ready(cause("Synced")).conditions(&first, Some(1), at("2026-01-01T00:01:00Z"));
        assert_eq!(then.len(), 1);
        assert!(find(&then, ConditionType::Stalled).is_none());
    }

    #[test]
    fn the_time_stays_while_nothing_is_said_anew_even_for_a_new_generation() {
        let verdict = Verdict::ready(cause("Synced"));
        let first = verdict.conditions(&[], Some(1), at("2026-01-01T00:00:00Z"));
        let then = verdict.conditions(&first, Some(2), at("2026-01-01T00:01:00Z"));
        assert_eq!(then[0].last_transition_time, first[0].last_transition_time);
        assert_eq!(then[0].observed_generation, Some(2));
    }

    #[test]
    fn the_time_changes_with_the_status_the_reason_or_the_message() {
        let first = Verdict::ready(cause("Synced")).conditions(&[], Some(1), at("2026-01-01T00:00:00Z"));
        for verdict in [
            Verdict::new(ConditionStatus::False, cause("Synced")),
            Verdict::ready(cause("InitialSync")),
            Verdict::ready(Cause::new("Synced", "something else")),
        ] {
            let then = verdict.conditions(&first, Some(1), at("2026-01-01T00:01:00Z"));
            assert_eq!(
                then[0].last_transition_time,
                Time(at("2026-01-01T00:01:00Z")),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn times_are_whole_seconds_never_in_the_future() {
        let now = at("2026-01-01T00:00:00.999Z");
        let conditions = Verdict::ready(cause("Synced")).conditions(&[], None, now);
        assert_eq!(
            conditions[0].last_transition_time,
            Time(at("2026-01-01T00:00:00Z"))
        );
    }

    #[test]
    fn a_long_message_is_cut_at_a_character_and_then_stays_the_same() {
        let verdict = Verdict::ready(Cause::new("Synced", format!("  {}", "é".repeat(1000))));
        let first = verdict.conditions(&[], Some(1), at("2026-01-01T00:00:00Z"));
        assert_eq!(first[0].message, "é".repeat(512));
        let then = verdict.conditions(&first, Some(1), at("2026-01-01T00:01:00Z"));
        assert_eq!(then, first);
    }

    #[test]
    fn ready_for_an_older_generation_is_not_ready() {
        let conditions = Verdict::ready(cause("Synced")).conditions(&[], Some(1), at("2026-01-01T00:00:00Z"));
        assert!(is_ready(&conditions, Some(1)));
        assert!(!is_ready(&conditions, Some(2)));
        assert!(!is_ready(&[], Some(1)));
    }
}
