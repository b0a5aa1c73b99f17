//! A session that tells when its service no longer takes the credential, so that its Connection is proven at once and
//! not only at its next turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::core::ident::{FieldName, ObjectName, RecordId};
use crate::core::record::{Observation, Record};
use crate::core::schema::ObjectSchema;
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::{
    ChangePage, ChangeQuery, CreateItem, Deletions, Identity, Remote, RemoteError, RemoteErrorKind,
    RemoteLimits, UpdateItem, WriteOutcome,
};

/// A session that tells.
pub struct Watchful {
    inner: Arc<dyn Remote>,
    refused: Box<dyn Fn() + Send + Sync>,
}

impl Watchful {
    /// Calls `refused` each time a call of a flow ends with [`RemoteErrorKind::Unauthenticated`].
    pub fn new(inner: Arc<dyn Remote>, refused: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            inner,
            refused: Box::new(refused),
        }
    }

    fn watch<T>(&self, result: Result<T, RemoteError>) -> Result<T, RemoteError> {
        if let Err(error) = &result
            && error.kind == RemoteErrorKind::Unauthenticated
        {
            (self.refused)();
        }
        result
    }
}

#[async_trait]
impl Remote for Watchful {
    /// The proof itself: its outcome is told by who asked for it.
    async fn identity(&self) -> Result<Identity, RemoteError> {
        self.inner.identity().await
    }

    async fn describe(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        self.watch(self.inner.describe(object).await)
    }

    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        self.watch(self.inner.read_changes(query).await)
    }

    async fn read_ids(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
        fields: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        self.watch(self.inner.read_ids(schema, ids, fields).await)
    }

    async fn find(
        &self,
        schema: &ObjectSchema,
        field: &FieldName,
        values: &[Value],
        fields: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        self.watch(self.inner.find(schema, field, values, fields).await)
    }

    async fn create(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.watch(self.inner.create(schema, items).await)
    }

    async fn update(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.watch(self.inner.update(schema, items).await)
    }

    async fn delete(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        self.watch(self.inner.delete(schema, ids).await)
    }

    async fn read_deletions(&self, schema: &ObjectSchema, since: Instant) -> Result<Deletions, RemoteError> {
        self.watch(self.inner.read_deletions(schema, since).await)
    }

    fn limits(&self) -> RemoteLimits {
        self.inner.limits()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::core::failure::Problem;

    /// A session whose service takes no credential.
    pub(crate) struct Refusing;

    fn refused<T>() -> Result<T, RemoteError> {
        Err(RemoteError {
            problem: Problem::human("CredentialRejected", "remedy"),
            kind: RemoteErrorKind::Unauthenticated,
            retry_after: None,
        })
    }

    #[async_trait]
    impl Remote for Refusing {
        async fn identity(&self) -> Result<Identity, RemoteError> {
            refused()
        }

        async fn describe(&self, _: &ObjectName) -> Result<ObjectSchema, RemoteError> {
            refused()
        }

        async fn read_changes(&self, _: &ChangeQuery) -> Result<ChangePage, RemoteError> {
            refused()
        }

        async fn read_ids(
            &self,
            _: &ObjectSchema,
            _: &[RecordId],
            _: &[FieldName],
        ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
            refused()
        }

        async fn find(
            &self,
            _: &ObjectSchema,
            _: &FieldName,
            _: &[Value],
            _: &[FieldName],
        ) -> Result<Vec<Record>, RemoteError> {
            refused()
        }

        async fn create(&self, _: &ObjectSchema, _: &[CreateItem]) -> Result<Vec<WriteOutcome>, RemoteError> {
            refused()
        }

        async fn update(&self, _: &ObjectSchema, _: &[UpdateItem]) -> Result<Vec<WriteOutcome>, RemoteError> {
            refused()
        }

        async fn delete(&self, _: &ObjectSchema, _: &[RecordId]) -> Result<Vec<WriteOutcome>, RemoteError> {
            refused()
        }

        async fn read_deletions(&self, _: &ObjectSchema, _: Instant) -> Result<Deletions, RemoteError> {
            refused()
        }

        fn limits(&self) -> RemoteLimits {
            RemoteLimits {
                page: 1,
                read_ids: 1,
                write_batch: 1,
                bulk_create: None,
                write_timeout: Duration::from_secs(1),
                longest_transaction: Duration::from_secs(1),
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_in_use_is_told_and_that_of_a_proof_is_not() {
        let told = Arc::new(AtomicU32::new(0));
        let telling = Arc::clone(&told);
        let session = Watchful::new(Arc::new(Refusing), move || {
            telling.fetch_add(1, Ordering::SeqCst);
        });
        assert!(session.identity().await.is_err());
        assert_eq!(told.load(Ordering::SeqCst), 0);
        assert!(session.describe(&"Case".parse().unwrap()).await.is_err());
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
