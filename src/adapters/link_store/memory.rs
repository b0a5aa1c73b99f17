//! Link state in memory, for the simulation and for tests.
//!
//! It keeps the promises of the store on the API server, and breaks in the same places: state is split into pages that
//! are versioned one by one, and a commit writes them one after another. Between two writes there is an `.await`, so a
//! commit that is dropped there is a process that died with a part of its commit written. Several handles over the
//! same state are several processes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;

use super::limits::Limits;
use crate::core::ident::LinkId;
use crate::core::link::{Header, JournalEntry, Link};
use crate::core::planted::{Bug, planted};
use crate::ports::{LinkStore, Snapshot, StoreChange, StoreError};

/// How many journal entries are kept; the oldest give way.
const JOURNAL_ENTRIES: usize = 1_000;

/// One process's view of a flow's link state in memory. [`MemoryStore::handle`] makes another process.
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    /// What this handle knows and makes its commits conditional on. `None`: not loaded yet, or a commit ended in the
    /// unknown.
    view: Mutex<Option<View>>,
}

/// A copy of all that is durable, for a later [`MemoryStore::restore`].
#[derive(Clone, Default)]
pub struct MemoryState {
    pages: BTreeMap<char, Arc<BTreeMap<LinkId, Link>>>,
    journal: Arc<VecDeque<JournalEntry>>,
    header: Option<Header>,
}

/// What goes wrong at the next call that it applies to. Faults apply in the order in which they were injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The next load fails.
    LoadFails,
    /// The next commit fails with nothing written.
    CommitFailsBefore,
    /// The next commit fails with everything written: the answer was lost.
    CommitFailsAfter,
    /// The next commit fails after so many writes (journal, pages and header count one each). One that needs no more
    /// writes than this succeeds.
    CommitStopsAfter(usize),
}

#[derive(Default)]
struct Shared {
    current: View,
    /// Never goes back, so that a version is never met twice, not even after a restore.
    last_version: u64,
    writes: u64,
    faults: VecDeque<StoreFault>,
}

/// A state with the version of each part; 0 where there is none.
#[derive(Clone, Default)]
struct View {
    state: MemoryState,
    versions: Versions,
}

#[derive(Clone, Default)]
struct Versions {
    pages: BTreeMap<char, u64>,
    journal: u64,
    header: u64,
}

/// One write of a commit.
enum Write {
    Journal(Vec<JournalEntry>),
    Page(char, Vec<Link>),
    Header(Box<Header>),
}

impl MemoryStore {
    /// A flow that never ran.
    #[must_use]
    pub fn new() -> Self {
        Self::over(Arc::default())
    }

    /// Another process over the same state. It has loaded nothing yet.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self::over(Arc::clone(&self.shared))
    }

    fn over(shared: Arc<Mutex<Shared>>) -> Self {
        Self {
            shared,
            view: Mutex::new(None),
        }
    }

    /// How many writes were made since the beginning, through all handles. Does not grow at rest.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shared().writes
    }

    /// A copy of what is durable now.
    #[must_use]
    pub fn state(&self) -> MemoryState {
        self.shared().current.state.clone()
    }

    /// Puts a copy in the place of what is durable, as the restore of a backup does. Every handle that had loaded is
    /// stale from now on.
    pub fn restore(&self, state: MemoryState) {
        let mut shared = self.shared();
        shared.last_version += 1;
        let version = shared.last_version;
        shared.current = View {
            state,
            versions: Versions {
                // Pages that are absent now get a version too: who knew them must not find them as they were.
                pages: "0123456789abcdef".chars().map(|page| (page, version)).collect(),
                journal: version,
                header: version,
            },
        };
    }

    /// Loses everything, as the deletion of every page does.
    pub fn erase(&self) {
        self.restore(MemoryState::default());
    }

    /// Lets something go wrong.
    pub fn inject(&self, fault: StoreFault) {
        self.shared().faults.push_back(fault);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Nothing panics while it holds the lock; were it to, each part is still whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> MutexGuard<'_, Option<View>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryState {
    /// Every link, in the order of their ids.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.pages.values().flat_map(|page| page.values())
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The journal, oldest first.
    pub fn journal(&self) -> impl Iterator<Item = &JournalEntry> {
        self.journal.iter()
    }

    fn link(&self, id: &LinkId) -> Option<&Link> {
        self.pages.get(&page_of(id))?.get(id)
    }
}

impl Shared {
    /// Takes the first fault that `applies`.
    fn fault(&mut self, applies: impl Fn(StoreFault) -> bool) -> Option<StoreFault> {
        let place = self.faults.iter().position(|fault| applies(*fault))?;
        self.faults.remove(place)
    }

    /// Makes one write durable if its part is still as `view` knew it, and brings `view` up to date.
    fn apply(&mut self, write: Write, view: &mut View) -> Result<(), StoreError> {
        let (current, known) = match &write {
            Write::Journal(_) => (&mut self.current.versions.journal, &mut view.versions.journal),
            Write::Page(page, _) => (
                self.current.versions.pages.entry(*page).or_default(),
                view.versions.pages.entry(*page).or_default(),
            ),
            Write::Header(_) => (&mut self.current.versions.header, &mut view.versions.header),
        };
        if current != known && !planted(Bug::PageWithoutVersion) {
            return Err(StoreError::Conflict);
        }
        self.last_version += 1;
        self.writes += 1;
        *current = self.last_version;
        *known = self.last_version;
        // Equal versions are equal content, so the view's part with the change is what the state holds from now on.
        match write {
            Write::Journal(entries) => {
                let journal = Arc::make_mut(&mut view.state.journal);
                journal.extend(entries);
                let excess = journal.len().saturating_sub(JOURNAL_ENTRIES);
                journal.drain(..excess);
                self.current.state.journal = Arc::clone(&view.state.journal);
            }
            Write::Page(name, links) => {
                let page = view.state.pages.entry(name).or_default();
                Arc::make_mut(page).extend(links.into_iter().map(|link| (link.id.clone(), link)));
                self.current.state.pages.insert(name, Arc::clone(page));
            }
            Write::Header(header) => {
                view.state.header = Some(*header);
                self.current.state.header.clone_from(&view.state.header);
            }
        }
        Ok(())
    }
}

impl View {
    /// What a change writes where nothing was changed by others, in the order in which it is written.
    fn plan(&self, change: StoreChange) -> Result<Vec<Write>, StoreError> {
        let added: BTreeSet<&LinkId> = change.links.iter().map(|link| &link.id).collect();
        let added = added
            .into_iter()
            .filter(|id| self.state.link(id).is_none())
            .count();
        Limits::default().admit(self.state.links().count(), added)?;
        let mut writes = Vec::new();
        if !change.journal.is_empty() {
            writes.push(Write::Journal(change.journal));
        }
        let mut pages: BTreeMap<char, Vec<Link>> = BTreeMap::new();
        for link in change.links {
            if self.state.link(&link.id) != Some(&link) {
                pages.entry(page_of(&link.id)).or_default().push(link);
            }
        }
        writes.extend(pages.into_iter().map(|(page, links)| Write::Page(page, links)));
        writes.extend(
            change
                .header
                .filter(|header| self.state.header.as_ref() != Some(header))
                .map(|header| Write::Header(Box::new(header))),
        );
        Ok(writes)
    }
}

#[async_trait]
impl LinkStore for MemoryStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        breathe().await;
        let mut shared = self.shared();
        if shared.fault(|fault| fault == StoreFault::LoadFails).is_some() {
            return Err(broken());
        }
        let view = shared.current.clone();
        drop(shared);
        let snapshot = Snapshot {
            header: view.state.header.clone(),
            links: view.state.links().cloned().collect(),
        };
        *self.view() = Some(view);
        Ok(snapshot)
    }

    async fn commit(&self, change: StoreChange) -> Result<(), StoreError> {
        // Taken, and given back at the end: a commit that fails or is dropped on its way leaves a handle that must
        // load again, since it cannot know what it wrote.
        let Some(mut view) = self.view().take() else {
            return Err(StoreError::Conflict);
        };
        breathe().await;
        let fault = self.shared().fault(|fault| fault != StoreFault::LoadFails);
        if fault == Some(StoreFault::CommitFailsBefore) {
            return Err(broken());
        }
        for (done, write) in view.plan(change)?.into_iter().enumerate() {
            if fault == Some(StoreFault::CommitStopsAfter(done)) {
                return Err(broken());
            }
            self.shared().apply(write, &mut view)?;
            breathe().await;
        }
        if fault == Some(StoreFault::CommitFailsAfter) {
            return Err(broken());
        }
        *self.view() = Some(view);
        Ok(())
    }

    fn capacity(&self) -> usize {
        Limits::default().links
    }
}

/// The page of a link: its id is a hash, so its first digit spreads links evenly.
fn page_of(id: &LinkId) -> char {
    id.as_str().chars().next().unwrap_or('0')
}

fn broken() -> StoreError {
    StoreError::Unavailable("injected fault".to_owned())
}

/// Gives way once: a place where the caller may be dropped.
async fn breathe() {
    let mut given_way = false;
    poll_fn(|context| {
        if given_way {
            return Poll::Ready(());
        }
        given_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::link_store::examples::link;
    use crate::core::link::Phase;

    fn change(numbers: std::ops::Range<u64>, phase: Phase) -> StoreChange {
        StoreChange {
            links: numbers.map(|number| link(number, 2, phase)).collect(),
            journal: Vec::new(),
            header: Some(Header {
                conflicts: 1,
                ..Header::default()
            }),
        }
    }

    #[tokio::test]
    async fn every_fault_leaves_what_its_name_says_and_a_handle_that_must_load_again() {
        for (fault, links, header) in [
            (StoreFault::CommitFailsBefore, 0, false),
            (StoreFault::CommitStopsAfter(0), 0, false),
            (StoreFault::CommitStopsAfter(1), 1, false),
            (StoreFault::CommitFailsAfter, 1, true),
        ] {
            let store = MemoryStore::new();
            store.load().await.unwrap();
            store.inject(fault);
            let failed = store.commit(change(0..1, Phase::Active)).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{fault:?}");
            assert_eq!(store.state().links().count(), links, "{fault:?}");
            assert_eq!(store.state().header().is_some(), header, "{fault:?}");
            assert_eq!(
                store.commit(StoreChange::default()).await,
                Err(StoreError::Conflict)
            );
            store.load().await.unwrap();
            store.commit(change(0..1, Phase::Active)).await.unwrap();
            assert_eq!(store.state().links().count(), 1, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_commit_dropped_between_two_writes_leaves_whole_pages_and_the_old_header() {
        let mut partial = 0;
        for polls in 0..20 {
            let store = MemoryStore::new();
            store.load().await.unwrap();
            let mut commit = store.commit(change(0..20, Phase::Active));
            for _ in 0..polls {
                if futures::poll!(&mut commit).is_ready() {
                    break;
                }
            }
            drop(commit);
            let state = store.state();
            let links = state.links().count();
            assert!(state.header().is_none() || links == 20);
            partial += usize::from((1..20).contains(&links));
        }
        assert!(partial > 5, "only {partial} of the drops hit a commit on its way");
    }

    #[tokio::test]
    async fn a_restored_state_is_as_it_was_copied_and_makes_every_handle_stale() {
        let store = MemoryStore::new();
        store.load().await.unwrap();
        store.commit(change(0..20, Phase::Active)).await.unwrap();
        let copy = store.state();
        store.commit(change(0..20, Phase::Dormant)).await.unwrap();
        store.restore(copy);
        assert_eq!(
            store.commit(change(0..1, Phase::Tombstone)).await,
            Err(StoreError::Conflict)
        );
        let links = store.load().await.unwrap().links;
        assert_eq!(links.len(), 20);
        assert!(links.iter().all(|link| link.phase == Phase::Active));
    }
}
