//! What calls were made, by kind.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// The kind of a call: a stable dotted name such as `salesforce.collections.create` or `servicenow.list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKind(&'static str);

impl CallKind {
    /// A kind by its dotted name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The dotted name.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Whether this kind is `family` or lies within it, at a dot: `salesforce.collections` holds
    /// `salesforce.collections.create` but not `salesforce.collectionsx`. The empty family holds every kind.
    pub fn is_within(self, family: &str) -> bool {
        family.is_empty()
            || self
                .0
                .strip_prefix(family)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Serialize for CallKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// Calls, and the record writes they caused, counted by kind since the start or the last [`CallCounts::reset`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallCounts {
    calls: BTreeMap<CallKind, u64>,
    records_written: BTreeMap<CallKind, u64>,
    effective_writes: BTreeMap<CallKind, u64>,
}

impl CallCounts {
    /// Counts one call that reached the service (or was lost on its way there).
    pub(crate) fn count_call(&mut self, kind: CallKind) {
        *self.calls.entry(kind).or_default() += 1;
    }

    /// Counts the records that one call wrote, and how many of those writes changed anything.
    pub(crate) fn count_writes(&mut self, kind: CallKind, written: u64, effective: u64) {
        if written > 0 {
            *self.records_written.entry(kind).or_default() += written;
        }
        if effective > 0 {
            *self.effective_writes.entry(kind).or_default() += effective;
        }
    }

    /// Calls of a kind or of a family of kinds (see [`CallKind::is_within`]).
    pub fn calls(&self, family: &str) -> u64 {
        within(&self.calls, family)
    }

    /// Records written by calls of a kind or family, effective or not.
    pub fn records_written(&self, family: &str) -> u64 {
        within(&self.records_written, family)
    }

    /// Writes by calls of a kind or family that changed something.
    pub fn effective_writes(&self, family: &str) -> u64 {
        within(&self.effective_writes, family)
    }

    /// Calls by kind.
    pub fn by_kind(&self) -> &BTreeMap<CallKind, u64> {
        &self.calls
    }

    /// Starts counting anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

fn within(counts: &BTreeMap<CallKind, u64>, family: &str) -> u64 {
    counts
        .iter()
        .filter(|(kind, _)| kind.is_within(family))
        .map(|(_, count)| count)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_of_kinds_ends_at_a_dot() {
        let kind = CallKind::new("salesforce.collections.create");
        assert!(kind.is_within("salesforce.collections"));
        assert!(kind.is_within("salesforce.collections.create"));
        assert!(kind.is_within(""));
        assert!(!kind.is_within("salesforce.coll"));
        assert!(!kind.is_within("servicenow"));
    }

    #[test]
    fn counts_add_up_over_a_family() {
        let mut counts = CallCounts::default();
        counts.count_call(CallKind::new("salesforce.query"));
        counts.count_call(CallKind::new("salesforce.query"));
        counts.count_call(CallKind::new("salesforce.collections.update"));
        counts.count_writes(CallKind::new("salesforce.collections.update"), 3, 2);
        assert_eq!(counts.calls("salesforce"), 3);
        assert_eq!(counts.calls("salesforce.query"), 2);
        assert_eq!(counts.records_written(""), 3);
        assert_eq!(counts.effective_writes("salesforce.collections"), 2);
    }
}
