//! What lies between the engine and its adapters in the simulation: smaller pages and batches, shorter times, and a
//! memory of what objects look like.
//!
//! The real sizes need a thousand records before a page is full, and the real times a quarter of an hour before a lost
//! write is settled. With a page of two, every run turns pages. What is sent and how is the adapters' own matter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use syncflow::core::ident::{FieldName, ObjectName, RecordId};
use syncflow::core::record::{Observation, Record};
use syncflow::core::schema::ObjectSchema;
use syncflow::core::side::Side;
use syncflow::core::time::Instant;
use syncflow::core::value::Value;
use syncflow::ports::{
    ChangePage, ChangeQuery, CreateItem, Deletions, Identity, Remote, RemoteError, RemoteLimits, UpdateItem,
    WriteOutcome,
};

use crate::process::Step;
use crate::world::{Shared, lock};

/// Sizes and times that take the place of the product's own.
#[derive(Clone, Copy, Debug)]
pub struct Squeeze {
    pub page: usize,
    pub read_ids: usize,
    pub write_batch: usize,
    pub write_timeout: Duration,
    pub longest_transaction: Duration,
}

impl Squeeze {
    /// Pages that are turned, and every usual batch in one call.
    pub const SCENES: Self = Self {
        page: 3,
        read_ids: 100,
        write_batch: 20,
        write_timeout: Duration::from_secs(5),
        longest_transaction: Duration::from_secs(20),
    };
}

/// An adapter in the simulation.
pub struct SimRemote {
    pub side: Side,
    pub inner: Arc<dyn Remote>,
    pub world: Shared,
}

impl SimRemote {
    /// Where the list of events ends now.
    fn events(&self) -> usize {
        lock(&self.world).events.len()
    }

    fn note_shown<'a>(&self, since: usize, shown: impl Iterator<Item = &'a RecordId>) {
        lock(&self.world).note_shown(self.side, since, shown);
    }
}

#[async_trait]
impl Remote for SimRemote {
    async fn identity(&self) -> Result<Identity, RemoteError> {
        self.inner.identity().await
    }

    /// A process that starts sees the schema that the one before it saw, until somebody changes it: asked anew now and
    /// then, since reading what never changes is most of what a run would do.
    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        let (known, generation) = lock(&self.world).known_schema(self.side);
        if let Some(known) = known {
            Step::default().await;
            return Ok(known);
        }
        let schema = self.inner.describe(object).await?;
        lock(&self.world).note_schema(self.side, generation, &schema);
        Ok(schema)
    }

    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        let begun = self.events();
        let page = self.inner.read_changes(query).await?;
        self.note_shown(begun, page.records.iter().map(|record| &record.id));
        Ok(page)
    }

    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        let begun = self.events();
        let observed = self.inner.read_ids(schema, ids, fields).await?;
        self.note_shown(begun, observed.keys());
        Ok(observed)
    }

    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        let begun = self.events();
        let found = self.inner.find(schema, field, values, fields).await?;
        self.note_shown(begun, found.iter().map(|record| &record.id));
        Ok(found)
    }

    async fn create(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.inner.create(schema, items).await
    }

    async fn update(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.inner.update(schema, items).await
    }

    async fn delete(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.inner.delete(schema, ids).await
    }

    async fn read_deletions(&self, schema: &ObjectSchema, since: Instant) -> Result<Deletions, RemoteError> {
        self.inner.read_deletions(schema, since).await
    }

    fn limits(&self) -> RemoteLimits {
        let limits = self.inner.limits();
        match lock(&self.world).squeeze {
            None => limits,
            Some(squeeze) => RemoteLimits {
                page: squeeze.page,
                read_ids: squeeze.read_ids,
                write_batch: squeeze.write_batch,
                bulk_create: None,
                write_timeout: squeeze.write_timeout,
                longest_transaction: squeeze.longest_transaction,
            },
        }
    }
}
