//! The way to the API server, with the rights of whoever calls, and what belongs to a flow there.

use std::collections::BTreeMap;

use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config, ResourceExt};

use super::{CommandError, FlowArgs};
use crate::adapters::link_store::flow_key::SecretKey;
use crate::adapters::link_store::flow_object::FlowObject;
use crate::adapters::link_store::reader::StateReader;
use crate::api::{FieldMapping, SyncFlow};
use crate::core::ident::{FieldKey, FieldName};
use crate::core::side::PerSide;

/// A flow, and the way to what belongs to it.
pub struct Cluster {
    client: Client,
    namespace: String,
    /// The flow as it was read.
    pub flow: SyncFlow,
}

impl Cluster {
    /// Finds the flow.
    pub async fn connect(args: &FlowArgs) -> Result<Self, CommandError> {
        let options = KubeConfigOptions {
            context: args.context.clone(),
            ..KubeConfigOptions::default()
        };
        // A kubeconfig first; inside a Pod, its account.
        let config = match Config::from_kubeconfig(&options).await {
            Ok(config) => config,
            Err(error) if args.context.is_some() => return Err(CommandError::NoCluster(error.to_string())),
            Err(_) => Config::infer()
                .await
                .map_err(|error| CommandError::NoCluster(error.to_string()))?,
        };
        let namespace = args
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| CommandError::NoCluster(error.to_string()))?;
        let flows: Api<SyncFlow> = Api::namespaced(client.clone(), &namespace);
        let found = flows
            .get_opt(&args.flow)
            .await
            .map_err(|source| call(format!("get syncflows {}", args.flow), source))?;
        let flow = found.ok_or_else(|| CommandError::NoFlow {
            name: args.flow.clone(),
            namespace: namespace.clone(),
        })?;
        Ok(Self {
            client,
            namespace,
            flow,
        })
    }

    /// The `SyncFlows` of the flow's namespace.
    pub fn flows(&self) -> Api<SyncFlow> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Reads the flow's link state.
    pub fn state(&self) -> StateReader {
        StateReader::new(self.client.clone(), self.object())
    }

    /// The flow's key.
    pub async fn key(&self) -> Result<SecretKey, CommandError> {
        let object = self.object();
        SecretKey::find(&self.client, &object)
            .await?
            .ok_or_else(|| CommandError::NoKey {
                secret: SecretKey::secret_name(&object),
            })
    }

    /// The flow's UID: the journal is authenticated with it.
    pub fn uid(&self) -> String {
        self.flow.uid().unwrap_or_default()
    }

    /// The names of the mapped fields, by the keys under which link state knows them. Empty when the mapping is gone.
    pub async fn fields(&self) -> Result<BTreeMap<FieldKey, PerSide<String>>, CommandError> {
        let name = &self.flow.spec.field_mapping_ref.name;
        let mappings: Api<FieldMapping> = Api::namespaced(self.client.clone(), &self.namespace);
        let mapping = mappings
            .get_opt(name)
            .await
            .map_err(|source| call(format!("get fieldmappings {name}"), source))?;
        let pairs = mapping.into_iter().flat_map(|mapping| mapping.spec.fields);
        Ok(pairs
            .filter_map(|pair| {
                let salesforce: FieldName = pair.salesforce.parse().ok()?;
                let service_now: FieldName = pair.service_now.parse().ok()?;
                let names = PerSide {
                    salesforce: pair.salesforce,
                    service_now: pair.service_now,
                };
                Some((FieldKey::of(&salesforce, &service_now), names))
            })
            .collect())
    }

    fn object(&self) -> FlowObject {
        FlowObject::new(&self.namespace, self.flow.name_any(), self.uid())
    }
}

/// A failed call, with what was attempted.
pub(super) fn call(what: String, source: kube::Error) -> CommandError {
    CommandError::Call {
        what,
        source: Box::new(source),
    }
}
