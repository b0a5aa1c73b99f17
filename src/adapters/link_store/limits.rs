//! How much a flow may remember.
//!
//! One changed link rewrites its whole page, and etcd keeps every revision until it compacts: pages are small, and the
//! number of links is bounded. Flows beyond the bound belong in a database behind the same port.

use std::collections::BTreeSet;

use crate::core::ident::LinkId;
use crate::core::link::Link;
use crate::ports::StoreError;

/// The most links that one flow may have. A link is never forgotten, so tombstones count.
pub const MAX_LINKS: usize = 10_000;

/// From so many links on a flow is reported as close to its bound: nine tenths of [`MAX_LINKS`].
pub const NEAR_LIMIT: usize = MAX_LINKS / 10 * 9;

/// Is a flow with so many links close to its bound? To be reported before [`StoreError::Full`] stops it.
#[must_use]
pub const fn near_limit(links: usize) -> bool {
    links >= NEAR_LIMIT
}

/// Refuses a change that would bring a flow over its bound, before anything of it is written. Links that exist may
/// always be changed, also where the bound was passed by an older version of this program.
pub(super) fn admit(known: usize, limit: usize, added: &BTreeSet<&LinkId>) -> Result<(), StoreError> {
    let links = known.saturating_add(added.len());
    if added.is_empty() || links <= limit {
        Ok(())
    } else {
        Err(StoreError::Full { links, limit })
    }
}

/// The ids of a change that a store does not know yet.
pub(super) fn added(links: &[Link], mut known: impl FnMut(&LinkId) -> bool) -> BTreeSet<&LinkId> {
    links
        .iter()
        .map(|link| &link.id)
        .filter(|id| !known(id))
        .collect()
}
