//! The port, call by call.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::client::Ask;
use super::describe::Described;
use super::{Salesforce, changes, collections, deletions, describe, look_up, query, write};
use crate::adapters::http::{call, failure};
use crate::core::ident::{FieldName, ObjectName, RecordId};
use crate::core::record::{Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{
    BulkCreate, ChangePage, ChangeQuery, CreateItem, Deletions, Identity, Remote, RemoteError, RemoteLimits,
    UpdateItem, WriteOutcome,
};

#[async_trait]
impl Remote for Salesforce {
    async fn identity(&self) -> Result<Identity, RemoteError> {
        #[derive(Deserialize)]
        struct UserInfo {
            organization_id: String,
        }
        const ACTION: &str = "identity";
        // OAuth's own resource, which Salesforce does not count: a connection is still proven when its budget is used up.
        let ask = Ask {
            purpose: None,
            ..Ask::read(
                ACTION,
                "the question who we are signed in as",
                "/services/oauth2/userinfo".to_owned(),
            )
        };
        let response = self.client.read(&ask, "the signed-in user").await?;
        let body = |fault| failure::body(Side::Salesforce, &ask.what, response.status(), fault);
        let info: UserInfo = call::json(response.body()).map_err(body)?;
        let id = RecordId::parse(Side::Salesforce, &info.organization_id)
            .map_err(|_| body(call::BodyFault::UnexpectedShape))?;
        Ok(Identity {
            id: id.as_str().to_owned(),
            server_time: call::server_time(response.headers())
                .ok_or_else(|| query::no_server_time(&ask.what))?,
        })
    }

    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        let described = describe::describe(&self.client, object).await?;
        self.note_replicated(&described);
        Ok(described.schema)
    }

    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        self.backfills.read(&self.client, query).await
    }

    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        look_up::read_ids(&self.client, schema, ids, fields).await
    }

    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        look_up::find(&self.client, schema, field, values, fields).await
    }

    async fn create(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        write::create(&self.client, schema, items, self.bulk).await
    }

    async fn update(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        write::update(&self.client, schema, items).await
    }

    async fn delete(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        write::delete(&self.client, schema, ids).await
    }

    async fn read_deletions(&self, schema: &ObjectSchema, since: Instant) -> Result<Deletions, RemoteError> {
        if !self.is_replicated(&schema.object).await? {
            return Ok(deletions::not_replicated(schema));
        }
        let now = match self.client.last_server_time() {
            Some(now) => now,
            None => self.identity().await?.server_time,
        };
        deletions::read(&self.client, schema, since, now).await
    }

    fn limits(&self) -> RemoteLimits {
        RemoteLimits {
            page: changes::PAGE,
            read_ids: look_up::LOOK_UP,
            write_batch: collections::LARGEST_BATCH,
            bulk_create: Some(BulkCreate {
                from: self.bulk.ingest_from,
                most: self.bulk.ingest_most,
            }),
            write_timeout: self.client.write_timeout(),
            // A synchronous call is cut off after 10 minutes (Salesforce docs: API request limits, time-outs).
            longest_transaction: Duration::from_mins(10),
        }
    }
}

impl Salesforce {
    fn note_replicated(&self, described: &Described) {
        self.replicated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(described.schema.object.clone(), described.replicateable);
    }

    /// Whether the object has a deletion log.
    async fn is_replicated(&self, object: &ObjectName) -> Result<bool, RemoteError> {
        let known = self
            .replicated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(object)
            .copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let described = describe::describe(&self.client, object).await?;
        self.note_replicated(&described);
        Ok(described.replicateable)
    }
}
