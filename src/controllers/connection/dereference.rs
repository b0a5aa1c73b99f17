//! Reads the Secret that a Connection names (IO). Secrets are got by name, never listed and never watched: the
//! operator's role needs no right to look around. That a Secret changed is found by looking at its version every few
//! seconds; its content is only read when the version is new.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::validate::{Target, check_keys};
use crate::controllers::error::{ReconcileError, kube_call};
use crate::core::failure::Problem;

/// The UID and version of the Secret; a problem where there is none.
pub async fn secret_version(
    client: &Client,
    namespace: &str,
    target: &Target,
) -> Result<Result<String, Problem>, ReconcileError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = kube_call("get a Secret's metadata", api.get_metadata_opt(&target.secret)).await?;
    Ok(match found {
        Some(secret) => Ok(format!(
            "{}/{}",
            secret.metadata.uid.unwrap_or_default(),
            secret.metadata.resource_version.unwrap_or_default()
        )),
        None => Err(not_found(target)),
    })
}

/// Has the Secret all keys? Its values are dropped here.
pub async fn secret_keys(
    client: &Client,
    namespace: &str,
    target: &Target,
) -> Result<Result<(), Problem>, ReconcileError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = kube_call("get a Secret", api.get_opt(&target.secret)).await?;
    let Some(secret) = found else {
        return Ok(Err(not_found(target)));
    };
    let data = secret.data.unwrap_or_default();
    let present: BTreeSet<&str> = data
        .iter()
        .filter(|(_, value)| !value.0.is_empty())
        .map(|(key, _)| key.as_str())
        .collect();
    Ok(check_keys(target, &present))
}

fn not_found(target: &Target) -> Problem {
    Problem::waiting(
        "SecretNotFound",
        format!(
            "Secret {} does not exist in this namespace: create it with the keys {}",
            target.secret,
            target.method.keys().join(", ")
        ),
    )
}
