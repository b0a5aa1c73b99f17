//! What the promises need of a store beside the port.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use syncflow::adapters::link_store::flow_key::SecretKey;
use syncflow::adapters::link_store::journal::SealedEntry;
use syncflow::adapters::link_store::paged_store::{PageError, PageName, Pages, StoredPage};
use syncflow::ports::{Entropy, LinkStore, StoreError};

/// One flow without state, in some store.
#[async_trait]
pub trait Flow: Send + Sync {
    /// A process that has loaded nothing yet.
    fn process(&self) -> Box<dyn LinkStore>;
    /// One that fails after so many writes.
    fn process_that_dies_after(&self, writes: usize) -> Box<dyn LinkStore>;
    /// Changes whenever something is written.
    async fn state_of_writes(&self) -> BTreeMap<String, String>;
    /// How many entries the journal has.
    async fn journal_entries(&self) -> usize;
    /// Loses everything.
    async fn erase(&self);
}

/// One flow whose state is in documents.
#[async_trait]
pub trait DocumentFlow: Flow {
    /// Every document by its ending.
    async fn documents(&self) -> BTreeMap<String, String>;
    /// Changes a document as a person with an editor does.
    async fn overwrite(&self, ending: &str, body: &str);
    /// Deletes a document.
    async fn delete(&self, ending: &str);
    /// The journal as it is kept.
    async fn journal(&self) -> Vec<SealedEntry>;
    /// The UID of the flow.
    fn uid(&self) -> String;
}

/// The key of every flow here.
pub fn key() -> SecretKey {
    SecretKey::new([7; 32])
}

/// Numbers that never repeat.
#[derive(Default)]
pub struct Counting(AtomicUsize);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (byte, random) in buffer.iter_mut().zip(number.iter().cycle()) {
            *byte = *random;
        }
    }
}

/// Pages whose process dies after so many writes.
pub struct Mortal<P> {
    pages: P,
    writes_left: AtomicUsize,
}

impl<P> Mortal<P> {
    pub const fn new(pages: P, writes: usize) -> Self {
        Self {
            pages,
            writes_left: AtomicUsize::new(writes),
        }
    }

    fn live(&self) -> Result<(), PageError> {
        self.writes_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(drop)
            .map_err(|_| StoreError::Unavailable("the process died".to_owned()).into())
    }
}

#[async_trait]
impl<P: Pages> Pages for Mortal<P> {
    async fn list(&self) -> Result<Vec<StoredPage>, PageError> {
        self.pages.list().await
    }

    async fn create(&self, name: &PageName, body: &str) -> Result<String, PageError> {
        self.live()?;
        self.pages.create(name, body).await
    }

    async fn replace(&self, name: &PageName, body: &str, version: &str) -> Result<String, PageError> {
        self.live()?;
        self.pages.replace(name, body, version).await
    }
}
