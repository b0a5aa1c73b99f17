//! Link state in `ConfigMaps` beside the `SyncFlow` that owns them.
//!
//! Read with one list by label, page by page, when a worker starts and after a conflict; never watched and never
//! cached: link state is the largest thing that the operator keeps, and nobody else has a reason to change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, ResourceExt};

use super::api_call::{Call, Failure};
use super::flow_key::SecretKey;
use super::flow_object::FlowObject;
use super::limits::Limits;
use super::paged_store::{PageError, PageName, PagedStore, Pages, StoredPage};
use crate::ports::{Entropy, StoreError};

/// The entry of a `ConfigMap` that holds its document.
const ENTRY: &str = "state";

/// `ConfigMaps` read with one call: a few megabytes at most.
const LIST_PAGE: u32 = 50;

/// The store that the operator uses.
pub type ConfigMapStore = PagedStore<ConfigMapPages>;

/// The `ConfigMaps` of one flow.
pub struct ConfigMapPages {
    client: Client,
    flow: FlowObject,
}

impl ConfigMapStore {
    /// The link state of a flow. Nothing is read or written before [`crate::ports::LinkStore::load`].
    pub fn in_config_maps(
        client: Client,
        flow: FlowObject,
        key: &SecretKey,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let uid = flow.uid().to_owned();
        Self::new(
            ConfigMapPages::new(client, flow),
            key,
            &uid,
            entropy,
            Limits::default(),
        )
    }
}

impl ConfigMapPages {
    /// The pages of a flow.
    #[must_use]
    pub const fn new(client: Client, flow: FlowObject) -> Self {
        Self { client, flow }
    }

    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), self.flow.namespace())
    }

    fn object(&self, name: &PageName, body: &str, version: Option<String>) -> ConfigMap {
        let mut metadata = self
            .flow
            .child_metadata(&self.flow.child_name(&name.to_string()), name.kind());
        metadata.resource_version = version;
        ConfigMap {
            metadata,
            data: Some(BTreeMap::from([(ENTRY.to_owned(), body.to_owned())])),
            ..ConfigMap::default()
        }
    }

    async fn write(&self, object: &ConfigMap) -> Result<String, Failure> {
        let name = object.name_any();
        let params = PostParams::default();
        let api = self.api();
        let call = |verb| Call {
            verb,
            resource: "configmaps",
            name: &name,
        };
        let written = if object.resource_version().is_some() {
            call("update").run(api.replace(&name, &params, object)).await?
        } else {
            call("create").run(api.create(&params, object)).await?
        };
        written.resource_version().ok_or_else(|| {
            Failure::Store(StoreError::Unavailable(format!(
                "{name} came back without a version"
            )))
        })
    }

    /// The version of the object that stands in the way of a new page, if it is left from a deleted flow.
    async fn leftover(&self, name: &str) -> Result<Option<String>, StoreError> {
        let call = Call {
            verb: "get",
            resource: "configmaps",
            name,
        };
        let Some(found) = call.run(self.api().get_opt(name)).await? else {
            return Ok(None);
        };
        if self.flow.may_take_over(&self.client, &found).await? {
            Ok(found.resource_version())
        } else {
            Ok(None)
        }
    }
}

#[async_trait]
impl Pages for ConfigMapPages {
    async fn list(&self) -> Result<Vec<StoredPage>, PageError> {
        let call = Call {
            verb: "list",
            resource: "configmaps",
            name: "",
        };
        let mut params = ListParams::default()
            .labels(&self.flow.selector())
            .limit(LIST_PAGE);
        let mut pages = Vec::new();
        loop {
            let list = call.run(self.api().list(&params)).await?;
            for object in list.items {
                let name = object.name_any();
                // What somebody else labelled with our label is not ours to read.
                let Some(page) = self.flow.ending_of(&name).and_then(PageName::parse) else {
                    continue;
                };
                let version = object.resource_version().unwrap_or_default();
                let body = object.data.and_then(|mut data| data.remove(ENTRY));
                pages.push(StoredPage {
                    name: page,
                    version,
                    body: body.unwrap_or_default(),
                });
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(pages),
            }
        }
    }

    async fn create(&self, name: &PageName, body: &str) -> Result<String, PageError> {
        let object = self.object(name, body, None);
        match self.write(&object).await {
            Err(Failure::Exists) => {}
            answer => return Ok(answer?),
        }
        match self.leftover(&object.name_any()).await? {
            Some(version) => Ok(self.write(&self.object(name, body, Some(version))).await?),
            None => Err(StoreError::Conflict.into()),
        }
    }

    async fn replace(&self, name: &PageName, body: &str, version: &str) -> Result<String, PageError> {
        Ok(self
            .write(&self.object(name, body, Some(version.to_owned())))
            .await?)
    }
}

impl From<Failure> for PageError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge => Self::TooLarge,
            failure => Self::Store(failure.into()),
        }
    }
}
