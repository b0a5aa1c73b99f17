//! What a field holds, in a form that means the same on both sides.
//!
//! Equality of [`Value`] is exact; what counts as *the same value* across systems is [`Value::canonical`]: two values
//! are the same when their canonical forms are equal. Canonicalising twice changes nothing.

use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::planted::{Bug, planted};
use super::time::Instant;

/// A field's content. There is no empty text: an empty string *is* [`Value::Null`] on both services (Salesforce
/// stores `""` as null, ServiceNow prints null as `""`).
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Explicitly empty.
    Null,
    /// Text, also the value (not the label) of a choice, a picklist or a reference.
    Text(String),
    /// A number of any scale.
    Number(Decimal),
    /// True or false.
    Boolean(bool),
    /// A calendar date without a zone.
    Date(Date),
    /// An instant in UTC, whole seconds.
    DateTime(Instant),
    /// A set of choices, kept sorted and without repeats: order does not count on either service.
    Choices(Vec<String>),
}

impl Value {
    /// Text, or null when it is empty.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Null
        } else {
            Self::Text(text)
        }
    }

    /// A set of choices, or null when there are none.
    pub fn choices(choices: impl IntoIterator<Item = String>) -> Self {
        let mut choices: Vec<String> = choices.into_iter().filter(|choice| !choice.is_empty()).collect();
        choices.sort_unstable();
        choices.dedup();
        if choices.is_empty() {
            Self::Null
        } else {
            Self::Choices(choices)
        }
    }

    /// True for [`Value::Null`].
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The form in which values are compared and fingerprinted: line ends as LF, no blanks at either end of a text
    /// (Salesforce trims them), numbers without trailing zeros, blank text as null.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            _ if planted(Bug::ComparedRaw) => self.clone(),
            Self::Text(text) => Self::text(text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()),
            Self::Number(number) => Self::Number(number.normalize()),
            Self::Choices(choices) => Self::choices(choices.iter().map(|choice| choice.trim().to_owned())),
            Self::Null | Self::Boolean(_) | Self::Date(_) | Self::DateTime(_) => self.clone(),
        }
    }

    /// True when both mean the same thing, whichever system spelled them.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }

    /// The value as plain text: how value tables and rules spell it. Null is the empty string, numbers have no
    /// trailing zeros, instants are RFC 3339 in UTC, sets are joined with `;`.
    #[must_use]
    pub fn plain(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.normalize().to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Date(date) => date.to_string(),
            Self::DateTime(instant) => instant.to_string(),
            Self::Choices(choices) => choices.join(";"),
        }
    }
}

/// Shows the kind and size only: record contents never reach logs.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Number(_) => f.write_str("Number(…)"),
            Self::Boolean(_) => f.write_str("Boolean(…)"),
            Self::Date(_) => f.write_str("Date(…)"),
            Self::DateTime(_) => f.write_str("DateTime(…)"),
            Self::Choices(choices) => write!(f, "Choices({} items)", choices.len()),
        }
    }
}

#[cfg(test)]
mod tests;
