//! The two systems, and a value for each.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// One of the two systems that a flow connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// A Salesforce org.
    Salesforce,
    /// A ServiceNow instance.
    ServiceNow,
}

impl Side {
    /// Both sides, in the order in which everything is done and shown.
    pub const BOTH: [Self; 2] = [Self::Salesforce, Self::ServiceNow];

    /// The counterpart's side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Salesforce => Self::ServiceNow,
            Self::ServiceNow => Self::Salesforce,
        }
    }

    /// The lower-case name used in stamps, metric labels and log fields.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::ServiceNow => "servicenow",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Salesforce => "Salesforce",
            Self::ServiceNow => "ServiceNow",
        })
    }
}

/// One value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerSide<T> {
    /// The value that belongs to Salesforce.
    pub salesforce: T,
    /// The value that belongs to ServiceNow.
    pub service_now: T,
}

impl<T> PerSide<T> {
    /// Builds both values from their side.
    pub fn from_fn(mut build: impl FnMut(Side) -> T) -> Self {
        Self {
            salesforce: build(Side::Salesforce),
            service_now: build(Side::ServiceNow),
        }
    }

    /// Changes both values, each knowing its side.
    pub fn map<U>(self, mut change: impl FnMut(Side, T) -> U) -> PerSide<U> {
        PerSide {
            salesforce: change(Side::Salesforce, self.salesforce),
            service_now: change(Side::ServiceNow, self.service_now),
        }
    }

    /// Borrows both values.
    pub const fn as_ref(&self) -> PerSide<&T> {
        PerSide {
            salesforce: &self.salesforce,
            service_now: &self.service_now,
        }
    }

    /// Both values with their sides, Salesforce first.
    pub fn iter(&self) -> impl Iterator<Item = (Side, &T)> {
        [
            (Side::Salesforce, &self.salesforce),
            (Side::ServiceNow, &self.service_now),
        ]
        .into_iter()
    }
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Salesforce => &self.salesforce,
            Side::ServiceNow => &self.service_now,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Salesforce => &mut self.salesforce,
            Side::ServiceNow => &mut self.service_now,
        }
    }
}
