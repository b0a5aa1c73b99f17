//! `FieldMapping`: which field is kept equal to which, which way updates travel, and how values translate.
#![allow(
    clippy::duplicated_attributes,
    reason = "every printcolumn has a type_; they are not duplicates"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{Conflict, Drift, Truncate, UnmappedPolicy};

/// Pairs of fields of one Salesforce object and one ServiceNow table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "syncflow.io",
    version = "v1alpha1",
    kind = "FieldMapping",
    plural = "fieldmappings",
    shortname = "fm",
    category = "sync",
    namespaced,
    status = "FieldMappingStatus",
    derive = "PartialEq",
    doc = "A FieldMapping says which fields of a Salesforce object and a ServiceNow table are kept equal, which way updates travel, and how values translate. SyncFlows in the same namespace use it by name.",
    printcolumn(name = "Salesforce", type_ = "string", json_path = ".spec.salesforceObject"),
    printcolumn(name = "ServiceNow", type_ = "string", json_path = ".spec.serviceNowTable"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct FieldMappingSpec {
    /// API name of the Salesforce object: `Case`, `Ticket__c`. A `SyncFlow` that uses this mapping must be for the same
    /// object. Immutable.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("salesforceObject is immutable: make a new FieldMapping").reason(Reason::FieldValueForbidden))]
    pub salesforce_object: String,
    /// Name of the ServiceNow table: `incident`, `u_ticket`. A `SyncFlow` that uses this mapping must be for the same
    /// table. Immutable.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[a-z][a-z0-9_]{0,79}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("serviceNowTable is immutable: make a new FieldMapping").reason(Reason::FieldValueForbidden))]
    pub service_now_table: String,
    /// The pairs of fields. Each field of a side is written by at most one pair; a field may be read by several.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(f, f.direction == 'ToServiceNow' || self.exists_one(g, g.direction != 'ToServiceNow' && g.salesforce.lowerAscii() == f.salesforce.lowerAscii()))")
            .message("a Salesforce field may be written by one pair only (direction TwoWay or ToSalesforce)"),
        validation = Rule::new("self.all(f, f.direction == 'ToSalesforce' || self.exists_one(g, g.direction != 'ToSalesforce' && g.serviceNow == f.serviceNow))")
            .message("a ServiceNow field may be written by one pair only (direction TwoWay or ToServiceNow)"),
    )]
    pub fields: Vec<FieldPair>,
}

/// Where updates of a field travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FieldDirection {
    /// Both ways.
    TwoWay,
    /// From ServiceNow to Salesforce only.
    ToSalesforce,
    /// From Salesforce to ServiceNow only.
    ToServiceNow,
}

/// A pair of fields that is kept equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!has(self.conflict) || self.direction == 'TwoWay'")
        .message("conflict is for a TwoWay field: in a one-way field the source always wins"),
    validation = Rule::new("!has(self.drift) || self.direction != 'TwoWay'")
        .message("drift is for a one-way field: a TwoWay field has no wrong side to edit"),
    validation = Rule::new("!has(self.unmapped) || has(self.values)")
        .message("unmapped needs values: without them every value is sent as it is"),
    validation = Rule::new("!has(self.truncate) || !has(self.values)")
        .message("truncate is for texts that are sent as they are: a field with values sends none that is too long"),
    validation = Rule::new("!has(self.unmapped) || !has(self.unmapped.default) || (has(self.unmapped.default.salesforce) == (self.direction != 'ToServiceNow') && has(self.unmapped.default.serviceNow) == (self.direction != 'ToSalesforce'))")
        .message("unmapped.default needs a value for each side that this pair writes, and none for a side that it does not"),
)]
#[serde(rename_all = "camelCase")]
pub struct FieldPair {
    /// API name of the Salesforce field.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    pub salesforce: String,
    /// Name of the ServiceNow column.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[a-z][a-z0-9_]{0,79}$"))]
    pub service_now: String,
    /// Where updates travel, in every flow that uses this mapping and whatever the flow's own direction.
    /// `TwoWay`: both ways. `ToSalesforce`: from ServiceNow to Salesforce only. `ToServiceNow`: from Salesforce to
    /// ServiceNow only.
    pub direction: FieldDirection,
    /// How values translate, for picklists and choices. Rows are read in order: towards a side, the first row with
    /// the other side's value gives the value. Two values that stand together in any row are equal and never
    /// rewritten. Without rows, values are sent as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<ValuePair>,
    /// What happens to a value that `values` lack. Without it: `Hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmapped: Option<Unmapped>,
    /// What happens to a text that is longer than the other side's field. Without it: `Quarantine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncate: Option<Truncate>,
    /// What wins when this field was changed on both sides. Without it: the flow's `conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
    /// What happens to an edit at the target of this one-way field. Without it: the flow's `drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
}

/// Two values that stand for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValuePair {
    /// The Salesforce value (a picklist value's API name).
    #[schemars(length(min = 1, max = 255))]
    pub salesforce: String,
    /// The ServiceNow value (a choice's value, not its label).
    #[schemars(length(min = 1, max = 255))]
    pub service_now: String,
}

/// What happens to a value that `values` lack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.policy == 'Default') == has(self.default)")
    .message("default is for policy Default, which needs it"))]
#[serde(rename_all = "camelCase")]
pub struct Unmapped {
    /// `Hold`: this field keeps the value last agreed on and waits, reported; the rest of the record syncs.
    /// `Quarantine`: the record waits as a whole. `PassThrough`: the value is sent as it is. `Default`: the `default`
    /// is sent instead.
    pub policy: UnmappedPolicy,
    /// The values that policy `Default` sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<UnmappedDefault>,
}

/// The values that policy `Default` sends, towards each side that the pair writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnmappedDefault {
    /// Sent to Salesforce for a ServiceNow value that no row has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub salesforce: Option<String>,
    /// Sent to ServiceNow for a Salesforce value that no row has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub service_now: Option<String>,
}

/// What the operator saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldMappingStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and only while true `Reconciling` and `Stalled`. Whether the fields exist is checked by each `SyncFlow`,
    /// against the org and the instance it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
