//! The stores in memory.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncflow::adapters::link_store::journal::SealedEntry;
use syncflow::adapters::link_store::limits::Limits;
use syncflow::adapters::link_store::memory::{MemoryStore, StoreFault};
use syncflow::adapters::link_store::paged_store::{PageError, PageName, PagedStore, Pages, StoredPage};
use syncflow::ports::{LinkStore, StoreError};

use crate::bench::{Counting, DocumentFlow, Flow, Mortal, key};

/// A flow in a [`MemoryStore`].
pub struct Direct(MemoryStore);

impl Direct {
    pub fn flow(_name: &str) -> Ready<Self> {
        ready(Self(MemoryStore::new()))
    }
}

#[async_trait]
impl Flow for Direct {
    fn process(&self) -> Box<dyn LinkStore> {
        Box::new(self.0.handle())
    }

    fn process_that_dies_after(&self, writes: usize) -> Box<dyn LinkStore> {
        self.0.inject(StoreFault::CommitStopsAfter(writes));
        self.process()
    }

    async fn state_of_writes(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("writes".to_owned(), self.0.writes().to_string())])
    }

    async fn journal_entries(&self) -> usize {
        self.0.state().journal().count()
    }

    async fn erase(&self) {
        self.0.erase();
    }
}

/// A flow in pages in memory.
#[derive(Default)]
pub struct Paged {
    pages: MemoryPages,
    entropy: Arc<Counting>,
}

/// Documents with versions.
#[derive(Clone, Default)]
pub struct MemoryPages(Arc<Mutex<Documents>>);

#[derive(Default)]
struct Documents {
    pages: BTreeMap<PageName, (String, String)>,
    last_version: u64,
}

impl Paged {
    pub fn flow(_name: &str) -> Ready<Self> {
        ready(Self::default())
    }

    fn store<P: Pages>(&self, pages: P) -> PagedStore<P> {
        PagedStore::new(
            pages,
            &key(),
            &self.uid(),
            self.entropy.clone(),
            Limits::default(),
        )
    }
}

impl Documents {
    fn put(&mut self, name: &PageName, body: &str) -> String {
        self.last_version += 1;
        let version = self.last_version.to_string();
        self.pages
            .insert(name.clone(), (version.clone(), body.to_owned()));
        version
    }
}

#[async_trait]
impl Pages for MemoryPages {
    async fn list(&self) -> Result<Vec<StoredPage>, PageError> {
        let documents = self.0.lock().unwrap();
        let stored = documents.pages.iter().map(|(name, (version, body))| StoredPage {
            name: name.clone(),
            version: version.clone(),
            body: body.clone(),
        });
        Ok(stored.collect())
    }

    async fn create(&self, name: &PageName, body: &str) -> Result<String, PageError> {
        let mut documents = self.0.lock().unwrap();
        if documents.pages.contains_key(name) {
            return Err(StoreError::Conflict.into());
        }
        Ok(documents.put(name, body))
    }

    async fn replace(&self, name: &PageName, body: &str, version: &str) -> Result<String, PageError> {
        let mut documents = self.0.lock().unwrap();
        match documents.pages.get(name) {
            Some((current, _)) if current == version => Ok(documents.put(name, body)),
            _ => Err(StoreError::Conflict.into()),
        }
    }
}

#[async_trait]
impl Flow for Paged {
    fn process(&self) -> Box<dyn LinkStore> {
        Box::new(self.store(self.pages.clone()))
    }

    fn process_that_dies_after(&self, writes: usize) -> Box<dyn LinkStore> {
        Box::new(self.store(Mortal::new(self.pages.clone(), writes)))
    }

    async fn state_of_writes(&self) -> BTreeMap<String, String> {
        let pages = self.pages.list().await.unwrap();
        pages
            .into_iter()
            .map(|page| (page.name.to_string(), page.version))
            .collect()
    }

    async fn journal_entries(&self) -> usize {
        self.journal().await.len()
    }

    async fn erase(&self) {
        self.pages.0.lock().unwrap().pages.clear();
    }
}

#[async_trait]
impl DocumentFlow for Paged {
    async fn documents(&self) -> BTreeMap<String, String> {
        let pages = self.pages.list().await.unwrap();
        pages
            .into_iter()
            .map(|page| (page.name.to_string(), page.body))
            .collect()
    }

    async fn overwrite(&self, ending: &str, body: &str) {
        let name = PageName::parse(ending).unwrap();
        self.pages.0.lock().unwrap().put(&name, body);
    }

    async fn delete(&self, ending: &str) {
        let name = PageName::parse(ending).unwrap();
        self.pages.0.lock().unwrap().pages.remove(&name).unwrap();
    }

    async fn journal(&self) -> Vec<SealedEntry> {
        self.store(self.pages.clone()).journal().await.unwrap()
    }

    fn uid(&self) -> String {
        "uid-1".to_owned()
    }
}
