//! Opens a flow's link state in the cluster: its key, and the `ConfigMaps` beside its `SyncFlow`.

use std::sync::Arc;

use async_trait::async_trait;
use kube::Client;

use super::supervisor::{OpenState, StateOpener};
use crate::adapters::link_store::config_map::ConfigMapStore;
use crate::adapters::link_store::flow_key::SecretKey;
use crate::adapters::link_store::flow_object::FlowObject;
use crate::controllers::context::FlowKey;
use crate::core::failure::Problem;
use crate::ports::Entropy;

/// Link state in `ConfigMaps`.
pub struct ConfigMapState {
    client: Client,
    entropy: Arc<dyn Entropy>,
}

impl ConfigMapState {
    /// Beside the flows that this client reaches.
    pub fn new(client: Client, entropy: Arc<dyn Entropy>) -> Self {
        Self { client, entropy }
    }
}

#[async_trait]
impl StateOpener for ConfigMapState {
    async fn open(&self, flow: &FlowKey) -> Result<OpenState, Problem> {
        let object = FlowObject::new(&flow.namespace, &flow.name, &flow.uid);
        let key = SecretKey::ensure(&self.client, &object, self.entropy.as_ref())
            .await
            .map_err(|error| error.problem())?;
        let entropy = Arc::clone(&self.entropy);
        Ok(OpenState {
            key: *key.bytes(),
            store: Arc::new(ConfigMapStore::in_config_maps(
                self.client.clone(),
                object,
                &key,
                entropy,
            )),
        })
    }
}
