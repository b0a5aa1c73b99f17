//! Rules: which records of a side the flow is for.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a rule compares a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// Equal to one of `values`.
    In,
    /// Equal to none of `values`; an empty field is in no list.
    NotIn,
    /// Equal to `value`.
    Equals,
    /// Not equal to `value`; an empty field differs from every value.
    NotEquals,
    /// Text contains `value`, whatever its case.
    Contains,
    /// Text starts with `value`, whatever its case.
    StartsWith,
    /// Date or time not before `value`.
    OnOrAfter,
    /// Date or time before `value`.
    Before,
    /// Number greater than `value`.
    GreaterThan,
    /// Number less than `value`.
    LessThan,
    /// The field is not empty.
    Exists,
    /// The field is empty.
    DoesNotExist,
}

/// One condition that a record of a side must meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == has(self.values)")
        .message("operators In and NotIn need values, and no other operator takes them"),
    validation = Rule::new("(self.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist']) != has(self.value)")
        .message("operators In, NotIn, Exists and DoesNotExist take no value, and every other operator needs one"),
    validation = Rule::new("!(self.operator in ['OnOrAfter', 'Before']) || !has(self.value) || self.value.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?$')")
        .message("operators OnOrAfter and Before need a date (2024-07-22) or a time with its zone (2024-07-22T08:00:00Z)"),
    validation = Rule::new("!(self.operator in ['GreaterThan', 'LessThan']) || !has(self.value) || self.value.matches('^-?[0-9]+([.][0-9]+)?$')")
        .message("operators GreaterThan and LessThan need a number, in quotes"),
)]
#[serde(rename_all = "camelCase")]
pub struct RecordRule {
    /// API name of the field that is looked at, on this side. It need not be mapped.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    pub field: String,
    /// How the field is compared. `In`, `NotIn`: with `values`. `Equals`, `NotEquals`: with `value`.
    /// `Contains`, `StartsWith`: text, whatever its case. `OnOrAfter`, `Before`: a date or a time; a date means
    /// its midnight in UTC. `GreaterThan`, `LessThan`: numbers. `Exists`, `DoesNotExist`: whether the field has a
    /// value at all. An empty field is in no list and differs from every value.
    pub operator: Operator,
    /// What the field is compared with. Needed by every operator except `In`, `NotIn`, `Exists` and `DoesNotExist`.
    /// The value as the API gives it, not as a form shows it: a picklist's API name, a ServiceNow choice's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub value: Option<String>,
    /// What the field is compared with by `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
}

/// A value that a record gets when the flow makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnCreateValue {
    /// API name of the field that is set.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    pub field: String,
    /// The value, as the API takes it. Numbers and booleans in quotes.
    #[schemars(length(min = 1, max = 1000))]
    pub value: String,
}
