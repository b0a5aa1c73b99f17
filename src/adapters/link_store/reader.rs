//! Reads a flow's link state for a person, without ever writing it.

use kube::Client;

use super::config_map::ConfigMapPages;
use super::flow_object::FlowObject;
use super::journal::{self, SealedEntry};
use super::paged_store::{PageError, PageName, Pages, StoredPage};
use super::pages::Layout;
use crate::core::link::Link;
use crate::ports::StoreError;

/// Reads the link state of one flow.
pub struct StateReader(ConfigMapPages);

impl StateReader {
    /// Of this flow.
    #[must_use]
    pub const fn new(client: Client, flow: FlowObject) -> Self {
        Self(ConfigMapPages::new(client, flow))
    }

    /// Every link, as it is stored now.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        let pages = self.pages().await?;
        let pages = pages.into_iter().filter_map(|page| match page.name {
            PageName::Links(prefix) => Some((prefix, page.body)),
            PageName::Header | PageName::Journal(_) => None,
        });
        let (_, links) = Layout::read(pages.collect::<Vec<_>>())?;
        Ok(links)
    }

    /// The journal as it is kept, oldest entry first, without the parts that cannot be read.
    /// [`journal::Cipher::open`] makes sense of an entry.
    pub async fn journal(&self) -> Result<Vec<SealedEntry>, StoreError> {
        let mut entries = Vec::new();
        for page in self.pages().await? {
            if matches!(page.name, PageName::Journal(_)) {
                entries.extend(journal::read_part(&page.body).unwrap_or_default());
            }
        }
        entries.sort_by_key(|entry| entry.clear.sequence);
        Ok(entries)
    }

    async fn pages(&self) -> Result<Vec<StoredPage>, StoreError> {
        self.0.list().await.map_err(|error| match error {
            PageError::TooLarge => StoreError::Unavailable("the list of pages is too large".to_owned()),
            PageError::Store(error) => error,
        })
    }
}
