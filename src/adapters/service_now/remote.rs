//! [`Remote`] for ServiceNow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::client::{self, Client, WriteTimes};
use super::pace::{FIRST, MOST_CALLS};
use super::sign_in::SignIn;
use crate::adapters::credential::{CredentialSource, ServiceNowCredential};
use crate::adapters::refused::RefusalRest;
use crate::adapters::turn::Turns;
use crate::core::ident::{FieldName, ObjectName, RecordId};
use crate::core::record::{Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{
    ChangePage, ChangeQuery, Clock, CreateItem, Deletions, Identity, Remote, RemoteError, RemoteLimits,
    Transport, UpdateItem, WRITE_TIMEOUT, WriteOutcome,
};

/// What the engine plans with.
///
/// - `page`: a list of 1000 rows stays well within the 60 s quota of REST transactions
/// - `read_ids`: 100 ids make a query string of some 3500 bytes; past 10 000 instances answer with an HTML page
/// - `write_batch`: where a connection begins; it then follows what the instance is seen to take, see
///   [`Remote::limits`] of [`ServiceNow`]
/// - `write_timeout`: the time until a write is sent, and the time it may take
/// - `longest_transaction`: the quota after which the platform cancels a REST transaction is 60 s (ServiceNow docs:
///   Transaction quotas)
pub const LIMITS: RemoteLimits = RemoteLimits {
    page: 1000,
    read_ids: 100,
    write_batch: FIRST * MOST_CALLS,
    bulk_create: None,
    write_timeout: WriteTimes::within(WRITE_TIMEOUT).total(),
    longest_transaction: Duration::from_mins(1),
};

/// Which instance.
#[derive(Clone, Debug)]
pub struct ServiceNowConfig {
    /// `https://acme.service-now.com`; a path, where a proxy asks for one, is kept.
    pub instance_url: Url,
}

/// One instance, spoken to with one connection's account.
pub struct ServiceNow {
    client: Client,
}

impl ServiceNow {
    /// Nothing is called before the first use. `transport` retries what only reads; `clock` tells when a token ends.
    pub fn new(
        config: ServiceNowConfig,
        credential: Arc<dyn CredentialSource<ServiceNowCredential>>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let token_url = client::at(&config.instance_url, "/oauth_token.do");
        let sign_in = SignIn::new(token_url, credential, Arc::clone(&transport), Arc::clone(&clock));
        Self {
            client: Client::new(config.instance_url, transport, clock, sign_in),
        }
    }

    /// Has a write take at most so long: a quarter of it until it is sent, half of it for the call.
    #[must_use]
    pub const fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.client.write_times = WriteTimes::within(timeout);
        self
    }

    /// Has a refused credential rest for so long, and sign-ins take turns with those of the connection's other sessions.
    #[must_use]
    pub fn with_sign_in_manners(mut self, rest: RefusalRest, turns: Turns) -> Self {
        self.client.sign_in.set_manners(rest, turns);
        self
    }
}

#[async_trait]
impl Remote for ServiceNow {
    async fn identity(&self) -> Result<Identity, RemoteError> {
        self.client.instance().await
    }

    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        let mut schema = self.client.dictionary(object).await?;
        self.client.probe_filters(object.as_str()).await?;
        self.client.probe_rows(&mut schema).await?;
        Ok(schema)
    }

    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        self.client.changes(query).await
    }

    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        self.client.by_ids(schema, ids, fields).await
    }

    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        self.client.by_values(schema, field, values, fields).await
    }

    async fn create(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.client.create_records(schema, items).await
    }

    async fn update(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.client.update_records(schema, items).await
    }

    async fn delete(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.client.delete_records(schema, ids).await
    }

    async fn read_deletions(&self, schema: &ObjectSchema, since: Instant) -> Result<Deletions, RemoteError> {
        self.client.deletions_since(schema, since).await
    }

    /// [`LIMITS`], with as many items of a write as the instance is seen to carry out in good time.
    fn limits(&self) -> RemoteLimits {
        RemoteLimits {
            write_batch: self.client.write_batch(),
            write_timeout: self.client.write_times.total(),
            ..LIMITS
        }
    }
}
