//! A flow's link state in small documents with versions, wherever those are kept.
//!
//! All that makes state safe is here, once: what is written in which order, and on which condition. Where documents
//! are kept is behind [`Pages`]: `ConfigMaps` in production, memory in tests.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};

use super::encoding;
use super::flow_key::SecretKey;
use super::journal::{self, Cipher, JournalError, Ring, SealedEntry};
use super::limits::Limits;
use super::pages::{Layout, Page, Plan, Prefix};
use crate::core::link::{Header, JournalEntry};
use crate::ports::{Entropy, LinkStore, Snapshot, StoreChange, StoreError};

/// Pages written at the same time. The API server answers in milliseconds; this keeps a commit of two hundred links
/// in as many pages below a second and leaves the server to others.
const CONCURRENT_WRITES: usize = 8;

/// Where documents are kept. Each has a version that moves with every write.
#[async_trait]
pub trait Pages: Send + Sync {
    /// Every document.
    async fn list(&self) -> Result<Vec<StoredPage>, PageError>;

    /// Writes a document that is not there yet, and returns its version. [`StoreError::Conflict`] if it is there.
    async fn create(&self, name: &PageName, body: &str) -> Result<String, PageError>;

    /// Writes a document if it still has this version, and returns the new one. [`StoreError::Conflict`] if it has
    /// another, or is gone.
    async fn replace(&self, name: &PageName, body: &str, version: &str) -> Result<String, PageError>;
}

/// A document as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// Which.
    pub name: PageName,
    /// Its version.
    pub version: String,
    /// Its content.
    pub body: String,
}

/// The name of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageName {
    /// What is remembered about the flow as a whole.
    Header,
    /// The links of a range of ids.
    Links(Prefix),
    /// One part of the journal.
    Journal(u8),
}

/// Why a document could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    /// It is larger than the place where it is kept allows.
    TooLarge,
    /// Anything else.
    Store(StoreError),
}

/// A flow's link state in documents.
pub struct PagedStore<P> {
    pages: P,
    cipher: Cipher,
    entropy: Arc<dyn Entropy>,
    limits: Limits,
    /// What was read, and written since. `None`: not loaded yet, or a commit ended in the unknown.
    view: Mutex<Option<View>>,
}

#[derive(Default)]
struct View {
    versions: BTreeMap<PageName, String>,
    header: Option<Header>,
    layout: Layout,
    journal: Ring,
}

impl<P: Pages> PagedStore<P> {
    /// The state of the flow with this UID, kept in `pages`.
    pub fn new(pages: P, key: &SecretKey, flow_uid: &str, entropy: Arc<dyn Entropy>, limits: Limits) -> Self {
        Self {
            pages,
            cipher: Cipher::new(key, flow_uid),
            entropy,
            limits,
            view: Mutex::new(None),
        }
    }

    /// The journal as it is kept, oldest entry first, without the parts that cannot be read. [`Cipher::open`] makes
    /// sense of an entry. Does not touch what commits are conditional on.
    pub async fn journal(&self) -> Result<Vec<SealedEntry>, StoreError> {
        let mut entries = Vec::new();
        for page in self.list().await? {
            if matches!(page.name, PageName::Journal(_)) {
                entries.extend(journal::read_part(&page.body).unwrap_or_default());
            }
        }
        entries.sort_by_key(|entry| entry.clear.sequence);
        Ok(entries)
    }

    /// Where the documents are kept.
    pub const fn pages(&self) -> &P {
        &self.pages
    }

    async fn list(&self) -> Result<Vec<StoredPage>, StoreError> {
        self.pages.list().await.map_err(|error| match error {
            PageError::TooLarge => StoreError::Unavailable("the list of pages is too large".to_owned()),
            PageError::Store(error) => error,
        })
    }

    fn view(&self) -> MutexGuard<'_, Option<View>> {
        // Nothing panics while it holds the lock; were it to, the view is still whole.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write_all(
        &self,
        view: &mut View,
        plan: Plan,
        journal: Vec<JournalEntry>,
        header: Option<Header>,
    ) -> Result<(), PageError> {
        if !journal.is_empty() {
            self.write_journal(view, journal).await?;
        }
        self.write_links(view, plan).await?;
        match header {
            Some(header) => self.write_header(view, header).await,
            None => Ok(()),
        }
    }

    async fn write(
        &self,
        versions: &BTreeMap<PageName, String>,
        name: &PageName,
        body: &str,
    ) -> Result<String, PageError> {
        match versions.get(name) {
            Some(version) => self.pages.replace(name, body, version).await,
            None => self.pages.create(name, body).await,
        }
    }

    async fn write_journal(&self, view: &mut View, entries: Vec<JournalEntry>) -> Result<(), PageError> {
        let mut sealed = Vec::new();
        for (sequence, entry) in (view.journal.next_sequence()..).zip(entries) {
            sealed.push(self.cipher.seal(sequence, entry, &*self.entropy)?);
        }
        for (slot, body) in view.journal.append(sealed)? {
            let name = PageName::Journal(slot);
            let version = self.write(&view.versions, &name, &body).await?;
            view.versions.insert(name, version);
        }
        Ok(())
    }

    async fn write_links(&self, view: &mut View, plan: Plan) -> Result<(), PageError> {
        let versions = &view.versions;
        let failed = AtomicBool::new(false);
        // After a failure nothing new is begun, but what was begun is waited for: a write that arrives after the next
        // load would be one more conflict.
        let results: Vec<Result<Written, PageError>> = stream::iter(plan.chains)
            .take_while(|_| ready(!failed.load(Ordering::Relaxed)))
            .map(|chain| self.write_chain(versions, chain))
            .buffer_unordered(CONCURRENT_WRITES)
            .inspect_err(|_| failed.store(true, Ordering::Relaxed))
            .collect()
            .await;
        let written: Vec<Written> = results.into_iter().collect::<Result<_, _>>()?;
        for written in written {
            view.versions.extend(written.versions);
            view.layout.written(written.pages, plan.links);
        }
        Ok(())
    }

    /// Writes pages one after another; a page may come twice.
    async fn write_chain(
        &self,
        versions: &BTreeMap<PageName, String>,
        chain: Vec<(Prefix, Page)>,
    ) -> Result<Written, PageError> {
        let mut known: BTreeMap<PageName, String> = chain
            .iter()
            .map(|(prefix, _)| PageName::Links(prefix.clone()))
            .filter_map(|name| Some((name.clone(), versions.get(&name)?.clone())))
            .collect();
        for (prefix, page) in &chain {
            let name = PageName::Links(prefix.clone());
            let version = self.write(&known, &name, &page.body()).await?;
            known.insert(name, version);
        }
        Ok(Written {
            versions: known,
            pages: chain,
        })
    }

    async fn write_header(&self, view: &mut View, header: Header) -> Result<(), PageError> {
        if view.header.as_ref() == Some(&header) {
            return Ok(());
        }
        let body = encoding::encode_header(&header).map_err(|why| corrupt(&PageName::Header, why))?;
        let version = self.write(&view.versions, &PageName::Header, &body).await?;
        view.versions.insert(PageName::Header, version);
        view.header = Some(header);
        Ok(())
    }
}

/// What a chain left behind.
struct Written {
    versions: BTreeMap<PageName, String>,
    pages: Vec<(Prefix, Page)>,
}

#[async_trait]
impl<P: Pages> LinkStore for PagedStore<P> {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        let mut view = View::default();
        let mut pages = Vec::new();
        for StoredPage { name, version, body } in self.list().await? {
            match &name {
                PageName::Header => {
                    let header = encoding::decode_header(&body).map_err(|why| corrupt(&name, why))?;
                    view.header = Some(header);
                }
                PageName::Links(prefix) => pages.push((prefix.clone(), body)),
                PageName::Journal(slot) => view.journal.read(*slot, &body),
            }
            view.versions.insert(name, version);
        }
        let (layout, links) = Layout::read(pages)?;
        view.layout = layout;
        let header = view.header.clone();
        *self.view() = Some(view);
        Ok(Snapshot { header, links })
    }

    async fn commit(&self, change: StoreChange) -> Result<(), StoreError> {
        // Taken, and given back at the end: a commit that fails or is dropped on its way leaves a store that must
        // load again, since it cannot know what it wrote.
        let Some(mut view) = self.view().take() else {
            return Err(StoreError::Conflict);
        };
        // Planned before anything is written: a flow that is full must not even journal.
        let plan = view.layout.plan(&change.links, self.limits)?;
        let full = StoreError::Full {
            links: plan.links,
            limit: view.layout.links(),
        };
        match self
            .write_all(&mut view, plan, change.journal, change.header)
            .await
        {
            Ok(()) => {
                *self.view() = Some(view);
                Ok(())
            }
            Err(PageError::TooLarge) => Err(full),
            Err(PageError::Store(error)) => Err(error),
        }
    }

    fn capacity(&self) -> usize {
        self.limits.links
    }
}

impl PageName {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "sync-state" {
            return Some(Self::Header);
        }
        if let Some(slot) = text.strip_prefix("journal-") {
            return slot.parse().ok().map(Self::Journal);
        }
        Prefix::parse(text.strip_prefix("links-")?).map(Self::Links)
    }

    /// What such a document holds, in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Links(_) => "links",
            Self::Journal(_) => "journal",
        }
    }
}

impl fmt::Display for PageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("sync-state"),
            Self::Links(prefix) => write!(f, "links-{}", prefix.as_str()),
            Self::Journal(slot) => write!(f, "journal-{slot}"),
        }
    }
}

impl From<JournalError> for PageError {
    fn from(error: JournalError) -> Self {
        Self::Store(corrupt(&PageName::Journal(0), error.to_string()))
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn corrupt(page: &PageName, why: String) -> StoreError {
    StoreError::Corrupt {
        page: page.to_string(),
        why,
    }
}
