//! The classes that every error of this crate falls into: who must act next.

use serde::{Deserialize, Serialize};

/// Who must act before the failed thing can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureClass {
    /// A person must change something (a manifest, a permission, a credential). Retried slowly, reported at once.
    HumanNeeded,
    /// Something that is expected to appear has not yet (a Secret, a Connection, another step). Retried on its change.
    Waiting,
    /// The same attempt may succeed later (time-out, 5xx, throttling). Retried with back-off.
    Transient,
}

/// A problem that a user can read and act on: shown in conditions, events and quarantine rows.
///
/// Never holds a record's values; names of objects, fields, ids and remedies only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Who must act.
    pub class: FailureClass,
    /// Stable `CamelCase` code, the reason of a condition.
    pub reason: Reason,
    /// What is wrong, where, and what to do about it.
    pub message: String,
}

impl Problem {
    /// A problem that a person must solve.
    pub fn human(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::HumanNeeded,
            reason: Reason::new(reason),
            message: message.into(),
        }
    }

    /// A problem that solves itself when what is missing appears.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Waiting,
            reason: Reason::new(reason),
            message: message.into(),
        }
    }

    /// A problem that a later attempt may not meet.
    pub fn transient(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Transient,
            reason: Reason::new(reason),
            message: message.into(),
        }
    }
}

/// A stable `CamelCase` reason code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(std::borrow::Cow<'static, str>);

impl Reason {
    /// A reason from a literal.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(code))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
