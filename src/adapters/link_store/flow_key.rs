//! The secret key of a flow: fingerprints and the journal are made under it.
//!
//! It lives in the Secret `<flow>-sync-key`, owned by the `SyncFlow`. Without it nothing in the link state can be
//! compared with anything, so a lost key is lost state: the engine sees it by
//! [`crate::core::link::Header::key_id`] and finds its pairs again by their stamps.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};

use super::api_call::{Call, Failure};
use super::flow_object::FlowObject;
use crate::ports::{Entropy, StoreError};

/// The type of the Secret, so that people and policies can tell it from their own.
pub const SECRET_TYPE: &str = "syncflow.io/flow-key";

/// The entry that holds the key.
const ENTRY: &str = "key";

/// 32 random bytes that never leave the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Its bytes. Not to be shown to anybody.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name of the Secret that holds the key of this flow.
    #[must_use]
    pub fn secret_name(flow: &FlowObject) -> String {
        flow.child_name("sync-key")
    }

    /// Reads the flow's key, if it has one. Makes none. [`StoreError::Forbidden`] for whoever may not read it.
    pub async fn find(client: &Client, flow: &FlowObject) -> Result<Option<Self>, StoreError> {
        let name = Self::secret_name(flow);
        let call = Call {
            verb: "get",
            resource: "secrets",
            name: &name,
        };
        let secrets = Api::<Secret>::namespaced(client.clone(), flow.namespace());
        let found = call.run(secrets.get_opt(&name)).await?;
        found
            .filter(|secret| flow.owns(secret))
            .map(|secret| read(&name, &secret))
            .transpose()
    }

    /// Reads the flow's key, and makes one where there is none.
    ///
    /// A Secret of a deleted flow of the same name is replaced: its key belongs to state that is gone.
    /// [`StoreError::Corrupt`] where the Secret holds something else than a key.
    pub async fn ensure(
        client: &Client,
        flow: &FlowObject,
        entropy: &dyn Entropy,
    ) -> Result<Self, StoreError> {
        let name = Self::secret_name(flow);
        let secrets = Api::<Secret>::namespaced(client.clone(), flow.namespace());
        let call = |verb| Call {
            verb,
            resource: "secrets",
            name: &name,
        };
        // Twice, since another process may make it between our look and our write.
        for _ in 0..2 {
            let found = call("get").run(secrets.get_opt(&name)).await?;
            let stale = match found {
                Some(secret) if flow.owns(&secret) => return read(&name, &secret),
                Some(secret) if flow.may_take_over(client, &secret).await? => secret.resource_version(),
                Some(_) => return Err(StoreError::Conflict),
                None => None,
            };
            let key = Self::random(entropy);
            let mut secret = Secret {
                metadata: flow.child_metadata(&name, "key"),
                type_: Some(SECRET_TYPE.to_owned()),
                data: Some(BTreeMap::from([(ENTRY.to_owned(), ByteString(key.0.to_vec()))])),
                ..Secret::default()
            };
            let params = PostParams::default();
            let written = if stale.is_some() {
                secret.metadata.resource_version = stale;
                call("update").run(secrets.replace(&name, &params, &secret)).await
            } else {
                call("create").run(secrets.create(&params, &secret)).await
            };
            match written {
                Ok(_) => return Ok(key),
                Err(Failure::Exists | Failure::Outdated | Failure::Missing) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(StoreError::Conflict)
    }
}

fn read(name: &str, secret: &Secret) -> Result<SecretKey, StoreError> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(ENTRY));
    bytes
        .and_then(|bytes| <[u8; 32]>::try_from(bytes.0.as_slice()).ok())
        .map(SecretKey)
        .ok_or_else(|| StoreError::Corrupt {
            page: format!("Secret {name}"),
            why: format!(
                "its entry {ENTRY:?} is not 32 bytes. Put the key back, or delete the Secret: a new key is made and \
                 every pair is found again by its stamps"
            ),
        })
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}
