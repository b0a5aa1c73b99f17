//! `SyncFlow`: which records are kept in sync, between which Connections, by which `FieldMapping`.
#![allow(
    clippy::duplicated_attributes,
    reason = "every printcolumn has a type_; they are not duplicates"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::policy::{Conflict, Drift, Guards, OnDelete, OnExit};
use super::reference::{ConnectionRef, FieldMappingRef};
use super::rule::{OnCreateValue, RecordRule};

/// One flow between one Salesforce object and one ServiceNow table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "syncflow.io",
    version = "v1alpha1",
    kind = "SyncFlow",
    plural = "syncflows",
    shortname = "sf",
    category = "sync",
    namespaced,
    status = "SyncFlowStatus",
    derive = "PartialEq",
    doc = "A SyncFlow keeps the records of one Salesforce object and one ServiceNow table in sync, for as long as it exists. Deleting it stops it and forgets its links; it never deletes a record on either side.",
    printcolumn(name = "Direction", type_ = "string", json_path = ".spec.direction"),
    printcolumn(name = "Salesforce", type_ = "string", json_path = ".spec.salesforce.object"),
    printcolumn(name = "ServiceNow", type_ = "string", json_path = ".spec.serviceNow.table"),
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
    printcolumn(name = "Linked", type_ = "integer", json_path = ".status.linked"),
    printcolumn(name = "Quarantined", type_ = "integer", json_path = ".status.quarantined"),
    printcolumn(name = "Conflicts", type_ = "integer", json_path = ".status.conflicts"),
    printcolumn(name = "Last Sync", type_ = "date", json_path = ".status.lastSyncTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.direction == 'SalesforceToServiceNow' || has(self.salesforce.stampField)")
        .message("salesforce.stampField is needed where the flow makes Salesforce records (direction TwoWay or ServiceNowToSalesforce): a text field that is an external id and unique"),
    validation = Rule::new("self.direction != 'SalesforceToServiceNow' || !has(self.salesforce.onCreate)")
        .message("salesforce.onCreate has no effect with direction SalesforceToServiceNow: the flow makes no Salesforce records"),
    validation = Rule::new("self.direction != 'ServiceNowToSalesforce' || !has(self.serviceNow.onCreate)")
        .message("serviceNow.onCreate has no effect with direction ServiceNowToSalesforce: the flow makes no ServiceNow records"),
    validation = Rule::new("!has(self.onDelete) || !has(self.onDelete.mark) || (has(self.onDelete.mark.serviceNow) == (self.direction != 'ServiceNowToSalesforce') && has(self.onDelete.mark.salesforce) == (self.direction != 'SalesforceToServiceNow'))")
        .message("onDelete.mark needs a field on each side that a deletion travels to (serviceNow unless the direction is ServiceNowToSalesforce, salesforce unless it is SalesforceToServiceNow), and none elsewhere"),
    validation = Rule::new("self.direction != 'ServiceNowToSalesforce' || !has(self.salesforce.rules)")
        .message("salesforce.rules have no effect with direction ServiceNowToSalesforce: rules select on the side whose records get a counterpart"),
    validation = Rule::new("self.direction != 'SalesforceToServiceNow' || !has(self.serviceNow.rules)")
        .message("serviceNow.rules have no effect with direction SalesforceToServiceNow: rules select on the side whose records get a counterpart"),
)]
#[serde(rename_all = "camelCase")]
pub struct SyncFlowSpec {
    /// Whose records, when people make them by hand and the rules let them in, get a counterpart on the other side.
    /// `TwoWay`: both sides'. `SalesforceToServiceNow`: Salesforce's only. `ServiceNowToSalesforce`: ServiceNow's
    /// only. Updates of linked records travel as each field's own direction says, whatever this is.
    pub direction: Direction,
    /// The `FieldMapping` that says which fields are kept equal.
    pub field_mapping_ref: FieldMappingRef,
    /// Which existing records are taken up. `All`: whatever the rules let in. `New`: only records made since the flow
    /// was first active, by each side's own clock.
    pub history: History,
    /// Time between two cycles, give or take some jitter: a whole number and a unit, `s`, `m` or `h`, from `10s` to
    /// `24h`. Each cycle costs a few API calls on both sides even when nothing has changed.
    #[serde(default)]
    pub interval: Interval,
    /// `true` stops the flow between two batches and keeps its links; edits made meanwhile are synced when it goes on.
    #[serde(default)]
    pub suspend: bool,
    /// The Salesforce side.
    pub salesforce: SalesforceSide,
    /// The ServiceNow side.
    pub service_now: ServiceNowSide,
    /// What happens when a linked record no longer meets the rules.
    #[serde(default)]
    pub on_exit: OnExit,
    /// What happens to an edit at the target of a one-way field, unless the field says otherwise.
    #[serde(default)]
    pub drift: Drift,
    /// What wins when a two-way field was changed on both sides, unless the field says otherwise.
    #[serde(default)]
    pub conflict: Conflict,
    /// How a counterpart is looked for before one is made. A record's stamp is looked up first in every mode.
    #[serde(default)]
    pub matching: Matching,
    /// What happens to the counterpart of a record that was deleted. Only positive proof counts as a deletion, given
    /// twice, never that a record is missing from a list.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// `true`: Salesforce itself refuses an update of a record that has moved since the operator's last look, to the
    /// second; the record is then read and planned again. It costs one call a record instead of one for 200, so it is
    /// for flows with few updates and busy people. ServiceNow has no such means: there the moment between the last look
    /// and the write stays, about one request long.
    #[serde(default)]
    pub guarded_writes: bool,
    /// How many records may be concerned at once before a person is asked. Where more are, the flow is `Blocked`:
    /// nothing is written, `status.heldPlan` says what would happen, and the annotation `syncflow.io/approve-plan` with
    /// its token lets that plan pass.
    #[serde(default)]
    pub guards: Guards,
}

/// Whose hand-made records get a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// Both sides'.
    TwoWay,
    /// Salesforce's only.
    SalesforceToServiceNow,
    /// ServiceNow's only.
    ServiceNowToSalesforce,
}

/// Which existing records a flow takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum History {
    /// Whatever the rules let in.
    All,
    /// Records made since the flow was first active.
    New,
}

/// The Salesforce side of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceSide {
    /// The Connection to the Salesforce org. Immutable: links hold the ids of that org's records.
    #[x_kube(validation = Rule::new("self == oldSelf").message("connectionRef is immutable: links hold ids of that org; make a new SyncFlow").reason(Reason::FieldValueForbidden))]
    pub connection_ref: ConnectionRef,
    /// API name of the object: `Case`, `Ticket__c`. Immutable.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("object is immutable: make a new SyncFlow").reason(Reason::FieldValueForbidden))]
    pub object: String,
    /// API name of the field that holds the partner's id on each record that the flow makes: a text field of at least
    /// 43 characters that is an external id and unique. It makes creation safe to repeat and lost links findable.
    /// Needed unless the direction is `SalesforceToServiceNow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    pub stamp_field: Option<String>,
    /// Which Salesforce records get a counterpart and are kept in sync: those that meet all of these. Without rules:
    /// all. A pair is in sync while the rules of either originating side hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub rules: Vec<RecordRule>,
    /// Set on a Salesforce record that this flow makes, where no mapped value came. They do not flow back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".into()]))]
    pub on_create: Vec<OnCreateValue>,
}

/// The ServiceNow side of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowSide {
    /// The Connection to the ServiceNow instance. Immutable: links hold the ids of that instance's records.
    #[x_kube(validation = Rule::new("self == oldSelf").message("connectionRef is immutable: links hold ids of that instance; make a new SyncFlow").reason(Reason::FieldValueForbidden))]
    pub connection_ref: ConnectionRef,
    /// Name of the table: `incident`, `u_ticket`. Immutable.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[a-z][a-z0-9_]{0,79}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("table is immutable: make a new SyncFlow").reason(Reason::FieldValueForbidden))]
    pub table: String,
    /// Name of the column that holds the partner's id on each record that the flow makes. Without it:
    /// `correlation_id`, where the table has that column (every task table does).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[a-z][a-z0-9_]{0,79}$"))]
    pub stamp_field: Option<String>,
    /// Which ServiceNow records get a counterpart and are kept in sync: those that meet all of these. Without rules:
    /// all. A pair is in sync while the rules of either originating side hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub rules: Vec<RecordRule>,
    /// Set on a ServiceNow record that this flow makes, where no mapped value came. They do not flow back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".into()]))]
    pub on_create: Vec<OnCreateValue>,
}

/// How a counterpart is looked for before one is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatchingMode {
    /// Only by stamp.
    #[default]
    CreateOnly,
    /// By `keys`, then made when there is none.
    MatchThenCreate,
}

/// How a counterpart is looked for before one is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.mode == 'MatchThenCreate') == has(self.keys)")
    .message("keys are for mode MatchThenCreate, which needs them"))]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    /// `CreateOnly`: a counterpart is made unless a stamp leads to one. `MatchThenCreate`: a record whose `keys` are
    /// all equal is taken as the counterpart, and one is made when there is none; with two or more such records the
    /// record is quarantined, never guessed.
    pub mode: MatchingMode,
    /// The pairs of fields that must all be equal, and not empty, for two records to match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub keys: Vec<MatchingKey>,
}

/// A pair of fields that must be equal for two records to match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchingKey {
    /// API name of the Salesforce field.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"))]
    pub salesforce: String,
    /// Name of the ServiceNow column.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[a-z][a-z0-9_]{0,79}$"))]
    pub service_now: String,
}

/// Where the flow stands. Never holds a record's values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncFlowStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pairs that are in sync: a record on each side, in the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<i64>,
    /// Records that cannot be synced now. They hold up nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<i64>,
    /// Conflicts decided since the flow began; each is in the conflict journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<i64>,
    /// The longest-standing quarantined records, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub quarantine: Vec<QuarantinedRecord>,
    /// Fields that were changed on both sides and wait for a person (`conflict: {policy: Manual}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_conflict_count: Option<i64>,
    /// The longest-standing of them, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub open_conflicts: Vec<OpenConflict>,
    /// The plan that a guard holds back, while the flow is `Blocked` by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_plan: Option<HeldPlan>,
    /// The end of the last cycle that changed something on either side. A quiet flow does not move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync_time: Option<Time>,
    /// The last value of the annotation `syncflow.io/sync-now` that a whole cycle has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub last_handled_sync_now: Option<String>,
    /// The requests of people that the flow has carried out last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_requests: Option<HandledRequests>,
    /// `Ready`, and only while true `Reconciling` and `Stalled`, and what needs eyes without stopping the flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Digests of the annotations that the flow has carried out last: `syncflow conflicts resolve` and `syncflow quarantine
/// release` wait for theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandledRequests {
    /// Of `syncflow.io/resolve-conflicts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub resolve_conflicts: Option<String>,
    /// Of `syncflow.io/release-quarantine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub release_quarantine: Option<String>,
}

/// A field that waits for a person, by the ids of its records; never its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenConflict {
    /// The Salesforce record.
    #[schemars(length(max = 18))]
    pub salesforce_id: String,
    /// The ServiceNow record.
    #[schemars(length(max = 32))]
    pub service_now_id: String,
    /// The Salesforce field.
    #[schemars(length(max = 100))]
    pub salesforce_field: String,
    /// The ServiceNow column.
    #[schemars(length(max = 100))]
    pub service_now_field: String,
    /// Since when.
    pub since: Time,
}

/// A plan that concerns so many records that a person has to approve it. Ids, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldPlan {
    /// As the value of the annotation `syncflow.io/approve-plan`, lets this plan pass and no other.
    #[schemars(length(max = 64))]
    pub token: String,
    /// `Deletions`: pairs that would end because their records of `side` were deleted. `Changes`: linked records of
    /// `side` that changed at once. `Restored`: linked records of `side` that went back to an older state.
    /// `Remapped`: records of `side` that the changed mapping would rewrite.
    pub kind: HeldPlanKind,
    /// `Salesforce` or `ServiceNow`.
    #[schemars(length(max = 16))]
    pub side: String,
    /// How many records are concerned.
    pub records: i64,
    /// Of how many pairs.
    pub of: i64,
    /// The first of them, by their ids on `side`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub first: Vec<String>,
}

/// What a held plan has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HeldPlanKind {
    /// Deletions.
    Deletions,
    /// Changes.
    Changes,
    /// Records that went back.
    Restored,
    /// Records that a changed mapping would rewrite.
    Remapped,
}

/// One record that cannot be synced now, by its ids; never its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedRecord {
    /// The Salesforce record, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 18))]
    pub salesforce_id: Option<String>,
    /// The ServiceNow record, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub service_now_id: Option<String>,
    /// Stable code of what is wrong.
    #[schemars(length(max = 255))]
    pub reason: String,
    /// What is wrong and what to do about it.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Since when.
    pub since: Time,
}
