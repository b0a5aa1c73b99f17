//! One poll for all flows that read the same object over the same connection.
//!
//! Polling per flow does not scale: a thousand flows over twenty objects need twenty polls an interval, not a thousand
//! (sync-engines §C). Flows of one connection share a session, and this sits in front of it: a poll that another flow
//! made a moment ago, from at least as far back and with at least the fields asked for, is answered from memory. An
//! answer that is a moment old is what the asker would have got had it asked a moment earlier, so nothing can be missed
//! by it; [`ChangePage::age`] says how old it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::core::ident::{FieldName, ObjectName, RecordId};
use crate::core::record::{Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{
    ChangePage, ChangeQuery, Clock, CreateItem, Deletions, Identity, Remote, RemoteError, RemoteErrorKind,
    RemoteLimits, UpdateItem, WriteOutcome,
};

/// A service whose polls are shared by its flows.
pub struct SharedReads {
    inner: Arc<dyn Remote>,
    clock: Arc<dyn Clock>,
    objects: Mutex<BTreeMap<ObjectName, Arc<Mutex<Poll>>>>,
}

/// What is known of one object's polls.
#[derive(Default)]
struct Poll {
    /// Every field that some flow asked for.
    fields: BTreeSet<FieldName>,
    last: Option<Answer>,
}

struct Answer {
    fields: BTreeSet<FieldName>,
    from: Instant,
    read_at: Duration,
    page: ChangePage,
}

impl SharedReads {
    /// Shares the polls of `inner`.
    pub fn new(inner: Arc<dyn Remote>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            objects: Mutex::default(),
        }
    }

    /// Answers a poll that begins with a whole second.
    async fn poll(&self, query: &ChangeQuery, from: Instant) -> Result<ChangePage, RemoteError> {
        let object = {
            let mut objects = self.objects.lock().await;
            Arc::clone(objects.entry(query.schema.object.clone()).or_default())
        };
        // Held over the call: who asks meanwhile waits for this answer instead of asking too.
        let mut poll = object.lock().await;
        let wanted: BTreeSet<FieldName> = query.fields.iter().cloned().collect();
        poll.fields.extend(wanted.iter().cloned());
        let now = self.clock.monotonic();
        if let Some(answer) = poll
            .last
            .as_ref()
            .and_then(|answer| answer.serve(&wanted, from, query, now))
        {
            return Ok(answer);
        }
        let together = ChangeQuery {
            fields: poll.fields.iter().cloned().collect(),
            ..query.clone()
        };
        let page = match self.inner.read_changes(&together).await {
            Err(error) if error.kind == RemoteErrorKind::Misconfigured && poll.fields != wanted => {
                // Another flow's field may be the trouble. One flow's trouble is not the next one's.
                poll.fields = wanted;
                poll.last = None;
                return self.inner.read_changes(query).await;
            }
            other => other?,
        };
        if page.complete {
            let fields = poll.fields.clone();
            poll.last = Some(Answer {
                fields,
                from,
                read_at: now,
                page: page.clone(),
            });
        }
        Ok(page)
    }
}

impl Answer {
    /// The part of this answer that answers a poll from `from`, when it holds all of it.
    fn serve(
        &self,
        wanted: &BTreeSet<FieldName>,
        from: Instant,
        query: &ChangeQuery,
        now: Duration,
    ) -> Option<ChangePage> {
        let age = now.saturating_sub(self.read_at);
        let holds = self.from <= from && self.fields.is_superset(wanted) && age < query.max_age;
        let records: Vec<Record> = holds.then(|| {
            self.page
                .records
                .iter()
                .filter(|record| record.version.modified >= from)
                .cloned()
                .collect()
        })?;
        (records.len() <= query.limit).then(|| ChangePage {
            records,
            age,
            ..self.page.clone()
        })
    }
}

#[async_trait]
impl Remote for SharedReads {
    async fn identity(&self) -> Result<Identity, RemoteError> {
        self.inner.identity().await
    }

    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        self.inner.describe(object).await
    }

    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        match (&query.after, query.created_from) {
            (Some((from, None)), None) => self.poll(query, *from).await,
            // A first scan, or the next page of a long one: nobody else reads just that.
            _ => self.inner.read_changes(query).await,
        }
    }

    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        self.inner.read_ids(schema, ids, fields).await
    }

    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        self.inner.find(schema, field, values, fields).await
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
        self.inner.limits()
    }
}

#[cfg(test)]
mod tests;
