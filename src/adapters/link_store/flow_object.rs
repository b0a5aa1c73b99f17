//! The `SyncFlow` object that owns link state, and the names and labels of what it owns.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::Api;
use kube::{Client, Resource, ResourceExt};

use super::api_call::Call;
use crate::api::SyncFlow;
use crate::core::ident::hex;
use crate::ports::StoreError;

pub use crate::api::FLOW_UID_LABEL;
/// Says what an object holds: `links`, `header`, `journal` or `key`.
pub const STATE_LABEL: &str = "syncflow.io/state";
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGER: &str = "syncflow";

/// The longest name of a flow that is part of the names of its objects as it is. The API server takes 253 characters,
/// and the longest ending is 24.
const MAX_FLOW_NAME: usize = 220;

/// One `SyncFlow` object, from its creation to its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowObject {
    namespace: String,
    name: String,
    uid: String,
}

impl FlowObject {
    /// The flow of that name and UID.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, uid: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
        }
    }

    /// Where it lives, and all that it owns.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The UID that the API server gave it.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The name of one of its objects: the flow's name and an ending. A name that leaves no room for the ending is
    /// cut and gets a hash instead.
    pub(super) fn child_name(&self, ending: &str) -> String {
        format!("{}-{ending}", self.stem())
    }

    /// The ending that [`FlowObject::child_name`] made a name with.
    pub(super) fn ending_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.stem())?.strip_prefix('-')
    }

    fn stem(&self) -> String {
        if self.name.len() <= MAX_FLOW_NAME {
            return self.name.clone();
        }
        let hash = digest::digest(&digest::SHA256, self.name.as_bytes());
        let kept: String = self.name.chars().take(MAX_FLOW_NAME - 17).collect();
        format!(
            "{}-{}",
            kept.trim_end_matches(['-', '.']),
            hex(&hash.as_ref()[..8])
        )
    }

    /// What selects its objects.
    pub(super) fn selector(&self) -> String {
        format!("{FLOW_UID_LABEL}={},{MANAGED_BY_LABEL}={MANAGER}", self.uid)
    }

    /// The metadata of one of its objects. Kubernetes deletes it after the flow; nothing waits for that.
    pub(super) fn child_metadata(&self, name: &str, state: &str) -> ObjectMeta {
        let labels = [
            (FLOW_UID_LABEL, self.uid.as_str()),
            (MANAGED_BY_LABEL, MANAGER),
            (STATE_LABEL, state),
        ];
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some(
                labels
                    .into_iter()
                    .map(|(label, value)| (label.to_owned(), value.to_owned()))
                    .collect::<BTreeMap<_, _>>(),
            ),
            owner_references: Some(vec![OwnerReference {
                api_version: SyncFlow::api_version(&()).into_owned(),
                kind: SyncFlow::kind(&()).into_owned(),
                name: self.name.clone(),
                uid: self.uid.clone(),
                controller: Some(true),
                block_owner_deletion: Some(false),
            }]),
            ..ObjectMeta::default()
        }
    }

    /// Does an object belong to this very flow?
    pub(super) fn owns(&self, object: &impl ResourceExt) -> bool {
        object.labels().get(FLOW_UID_LABEL) == Some(&self.uid)
    }

    /// May an object that has one of our names, and is not ours, be replaced? Only where it is left from a flow of
    /// this name that was deleted, and this flow is the one that exists now. Without the second half, a process that
    /// still works for the deleted flow would take the state of its successor.
    pub(super) async fn may_take_over(
        &self,
        client: &Client,
        object: &impl ResourceExt,
    ) -> Result<bool, StoreError> {
        if object.labels().get(MANAGED_BY_LABEL).map(String::as_str) != Some(MANAGER) || self.owns(object) {
            return Ok(false);
        }
        let call = Call {
            verb: "get",
            resource: "syncflows",
            name: &self.name,
        };
        let flows = Api::<SyncFlow>::namespaced(client.clone(), &self.namespace);
        let living = call.run(flows.get_metadata_opt(&self.name)).await?;
        Ok(living.and_then(|flow| flow.uid()).as_ref() == Some(&self.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_flows_and_an_ending_and_never_too_long() {
        let flow = FlowObject::new("crm", "cases", "1");
        assert_eq!(flow.child_name("links-r01"), "cases-links-r01");
        let long = FlowObject::new("crm", "x".repeat(253), "1");
        let other = FlowObject::new("crm", format!("{}y", "x".repeat(252)), "1");
        let longest = long.child_name("links-r0101010101010101");
        assert!(longest.len() <= 253, "{}", longest.len());
        assert_ne!(long.child_name("links-r"), other.child_name("links-r"));
        for flow in [&flow, &long] {
            assert_eq!(flow.ending_of(&flow.child_name("links-r01")), Some("links-r01"));
        }
        assert_eq!(flow.ending_of("cases2-links-r"), None);
    }
}
