//! The `CustomResourceDefinition`s, as they are committed under `crds/` and printed by `syncflow crds`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::{Connection, FieldMapping, SyncFlow};

/// Every kind, in the order in which a reader meets them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![Connection::crd(), FieldMapping::crd(), SyncFlow::crd()]
}

/// The kinds as YAML documents.
pub fn crds_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut out = String::new();
    for crd in crds() {
        out.push_str("---\n");
        out.push_str(&serde_saphyr::to_string(&crd)?);
    }
    Ok(out)
}
