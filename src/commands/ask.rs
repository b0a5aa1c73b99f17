//! Puts a request on a flow, as an annotation, and waits until its worker has carried it out.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

use super::CommandError;
use super::cluster::{Cluster, call};
use crate::api::SyncFlow;
use crate::api::sync_flow::HandledRequests;
use crate::core::ident::digest_of;

/// How long a request is waited for: a cycle begins at once, and may have much to read.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The annotation.
    pub annotation: &'a str,
    /// What is asked, as the annotation spells it.
    pub asked: &'a str,
    /// Where the flow says which it has carried out.
    pub handled: fn(&HandledRequests) -> Option<&String>,
}

impl Request<'_> {
    /// Asks, and waits. A request of somebody else that was not carried out yet is kept in front of ours.
    pub async fn put(self, cluster: &Cluster) -> Result<(), CommandError> {
        let before = cluster.flow.annotations().get(self.annotation);
        let open = before.filter(|text| !self.is_handled(&cluster.flow, text));
        let text = annotation(
            open.map(String::as_str),
            self.asked,
            &jiff::Timestamp::now().to_string(),
        );
        let name = cluster.flow.name_any();
        let patch = json!({"metadata": {"annotations": {self.annotation: text}}});
        cluster
            .flows()
            .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map_err(|source| call(format!("patch syncflows {name}"), source))?;
        let carried_out = |flow: Option<&SyncFlow>| flow.is_some_and(|flow| self.is_handled(flow, &text));
        let waiting = await_condition(cluster.flows(), &name, carried_out);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(CommandError::NoCluster(error.to_string())),
            Err(_) => Err(CommandError::NotCarriedOut {
                seconds: PATIENCE.as_secs(),
            }),
        }
    }

    fn is_handled(self, flow: &SyncFlow, text: &str) -> bool {
        let status = flow.status.as_ref();
        status
            .and_then(|status| status.handled_requests.as_ref())
            .and_then(self.handled)
            .is_some_and(|digest| *digest == digest_of(text))
    }
}

/// The new text: what is still open, what is asked now, and what tells this request from another.
fn annotation(open: Option<&str>, asked: &str, nonce: &str) -> String {
    let open = open.map_or("", |text| text.split('#').next().unwrap_or_default());
    let parts: Vec<&str> = open
        .split(',')
        .chain(asked.split(','))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    format!("{}#{nonce}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_open_is_asked_again_with_what_is_new() {
        assert_eq!(annotation(None, "500A=salesforce", "2"), "500A=salesforce#2");
        assert_eq!(
            annotation(Some("500A=salesforce#1"), "500B=servicenow", "2"),
            "500A=salesforce,500B=servicenow#2"
        );
    }
}
