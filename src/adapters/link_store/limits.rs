//! How much a flow may remember.
//!
//! One changed link rewrites its whole page, and etcd keeps every revision until it compacts: pages are small, and the
//! number of links is bounded. Flows beyond the bound belong in a database behind the same port.

use crate::ports::StoreError;

/// The bounds of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most links that one flow may have. A link is never forgotten, so tombstones count.
    pub links: usize,
    /// The largest page, in bytes.
    pub page_bytes: usize,
}

impl Limits {
    /// Refuses a change that would bring a flow over its bound, before anything of it is written. Links that exist
    /// may always be changed, also where the bound was passed by an older version of this program.
    pub(super) const fn admit(self, known: usize, added: usize) -> Result<(), StoreError> {
        let links = known.saturating_add(added);
        if added == 0 || links <= self.links {
            Ok(())
        } else {
            Err(StoreError::Full {
                links,
                limit: self.links,
            })
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: 10_000,
            page_bytes: 64 * 1024,
        }
    }
}
