//! What a service says about an object's fields: from Salesforce's describe, or ServiceNow's `sys_dictionary` and
//! `sys_choice`.

use std::collections::{BTreeMap, BTreeSet};

use super::ident::{FieldName, ObjectName};
use super::side::Side;

/// An object or table as its service describes it to our user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSchema {
    /// The side it lives on.
    pub side: Side,
    /// Its API name.
    pub object: ObjectName,
    /// May our user create records? `None` where the service does not say before the attempt (ServiceNow).
    pub createable: Option<bool>,
    /// May our user change records? `None` where the service does not say before the attempt.
    pub updateable: Option<bool>,
    /// May our user delete records? `None` where the service does not say before the attempt.
    pub deletable: Option<bool>,
    /// Every field that our user can see, inherited ones included.
    pub fields: BTreeMap<FieldName, FieldSchema>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "seven independent facts that the describe states one by one"
)]
pub struct FieldSchema {
    /// What it holds.
    pub kind: FieldKind,
    /// May our user read it? False where it is known to exist and no record shows it.
    pub readable: bool,
    /// May our user set it on a new record?
    pub createable: bool,
    /// May our user change it on an existing record?
    pub updateable: bool,
    /// Must a new record bring a value (no default helps)?
    pub required_on_create: bool,
    /// Does the service refuse a second record with the same value?
    pub unique: bool,
    /// Is it indexed as an external id (Salesforce)?
    pub external_id: bool,
    /// Can it stand in a filter?
    pub filterable: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text of at most `max_length` characters (`None`: no limit known).
    Text {
        /// In characters.
        max_length: Option<u32>,
    },
    /// A number. `scale` is the digits after the point (`Some(0)` for integers, `None` when not limited).
    Number {
        /// Digits after the point.
        scale: Option<u32>,
    },
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
    /// An instant.
    DateTime,
    /// One of a set of values.
    Choice(ChoiceSet),
    /// Any number of a set of values (Salesforce multi-select picklist, ServiceNow choice list).
    MultiChoice(ChoiceSet),
    /// The id of another record. Text of an id, never resolved in this version.
    Reference,
    /// A kind that cannot be synced in this version, with the service's own name for it.
    Unsupported(String),
}

/// The values of a choice field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceSet {
    /// Active values (not labels).
    pub values: BTreeSet<String>,
    /// True when the service itself refuses other values. Where it does not (Case.Status), we still hold a value
    /// that the list lacks: a value nobody can pick in the UI is a mistake, not data.
    pub restricted: bool,
}

impl FieldKind {
    /// The word for this kind in messages.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Number { .. } => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Choice(_) => "choice",
            Self::MultiChoice(_) => "multiple choice",
            Self::Reference => "reference",
            Self::Unsupported(name) => name,
        }
    }
}
