//! `Connection`: how to reach one Salesforce org or one ServiceNow instance, and as whom.
#![allow(
    clippy::duplicated_attributes,
    reason = "every printcolumn has a type_; they are not duplicates"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::sign_in::{SalesforceAuth, ServiceNowAuth};

/// How to reach one service. Exactly one of `salesforce` and `serviceNow`, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "syncflow.io",
    version = "v1alpha1",
    kind = "Connection",
    plural = "connections",
    shortname = "conn",
    category = "sync",
    namespaced,
    status = "ConnectionStatus",
    derive = "PartialEq",
    doc = "A Connection says how to reach one Salesforce org or one ServiceNow instance, and as whom. SyncFlows in the same namespace use it by name.",
    printcolumn(
        name = "Salesforce",
        type_ = "string",
        json_path = ".spec.salesforce.loginUrl"
    ),
    printcolumn(
        name = "ServiceNow",
        type_ = "string",
        json_path = ".spec.serviceNow.instanceUrl"
    ),
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
    printcolumn(
        name = "Identity",
        type_ = "string",
        json_path = ".status.identity",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("has(self.salesforce) != has(self.serviceNow)")
        .message("exactly one of salesforce and serviceNow must be set"),
    validation = Rule::new("has(self.salesforce) == has(oldSelf.salesforce)")
        .message("a Connection cannot change from one service to the other: make a new Connection").reason(Reason::FieldValueForbidden),
)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSpec {
    /// A Salesforce org.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salesforce: Option<SalesforceConnection>,
    /// A ServiceNow instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_now: Option<ServiceNowConnection>,
}

/// What a Connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// A Salesforce org.
    Salesforce(&'a SalesforceConnection),
    /// A ServiceNow instance.
    ServiceNow(&'a ServiceNowConnection),
}

impl ConnectionSpec {
    /// The one service that is set; `None` where both or neither are, which the API server refuses.
    pub const fn endpoint(&self) -> Option<Endpoint<'_>> {
        match (&self.salesforce, &self.service_now) {
            (Some(salesforce), None) => Some(Endpoint::Salesforce(salesforce)),
            (None, Some(service_now)) => Some(Endpoint::ServiceNow(service_now)),
            _ => None,
        }
    }
}

/// A Salesforce org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceConnection {
    /// Where to log in: the org's My Domain (`https://acme.my.salesforce.com`), or for anything but `clientCredentials`
    /// also `https://login.salesforce.com` and `https://test.salesforce.com`. No path. `http` is for tests on this
    /// machine only, and refused unless the operator was started with its flag for that.
    #[schemars(
        length(min = 1, max = 255),
        regex(
            pattern = r"^(https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|http://(127[.]0[.]0[.]1|localhost))(:[0-9]{1,5})?/?$"
        )
    )]
    pub login_url: String,
    /// As whom.
    pub auth: SalesforceAuth,
    /// How much of the org's daily API calls may be used up before this Connection stops. Without it, 80 per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_budget: Option<ApiBudget>,
}

/// A limit on the calls that a Connection may help to use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiBudget {
    /// Per cent of the org's calls in 24 hours, everybody's counted: at this mark the Connection sends nothing until
    /// calls leave the count. Well before it, changes are looked for less often, so that the rest is there for writing.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u8,
}

/// A ServiceNow instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowConnection {
    /// The instance: `https://acme.service-now.com`. No path. `http` is for tests on this machine only, and refused
    /// unless the operator was started with its flag for that.
    #[schemars(
        length(min = 1, max = 255),
        regex(
            pattern = r"^(https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|http://(127[.]0[.]0[.]1|localhost))(:[0-9]{1,5})?/?$"
        )
    )]
    pub instance_url: String,
    /// As whom.
    pub auth: ServiceNowAuth,
}

/// What the operator saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The organisation or instance that the credential leads to, pinned at first contact. A credential that leads
    /// elsewhere stops every flow that uses this Connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub identity: Option<String>,
    /// `Ready`, and only while true `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
