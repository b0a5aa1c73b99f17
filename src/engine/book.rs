//! Every link of the flow in memory, and what the store holds of it.
//!
//! The two differ between a plan and its commit. After any failed cycle the book is dropped and loaded again, so that
//! a failure leaves the same state behind as a crash.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::ident::{LinkId, RecordId};
use crate::core::link::{Link, Phase};
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;

/// Every link, by id and by record.
#[derive(Debug, Default)]
pub(super) struct Book {
    links: BTreeMap<LinkId, Link>,
    by_record: PerSide<BTreeMap<RecordId, LinkId>>,
    /// What was last committed or loaded, for links that differ from nothing.
    stored: BTreeMap<LinkId, Link>,
    /// A link that claimed a record of another.
    clash: Option<LinkId>,
}

impl Book {
    /// The book of what was loaded.
    pub(super) fn load(links: Vec<Link>) -> Self {
        let mut book = Self::default();
        for link in links {
            book.stored.insert(link.id.clone(), link.clone());
            book.put(link);
        }
        book
    }

    pub(super) fn get(&self, id: &LinkId) -> Option<&Link> {
        self.links.get(id)
    }

    /// The link of a record.
    pub(super) fn of_record(&self, side: Side, id: &RecordId) -> Option<&Link> {
        self.links.get(self.by_record[side].get(id)?)
    }

    /// Adds or replaces a link, in memory.
    pub(super) fn put(&mut self, link: Link) {
        // Where link state was lost, a counterpart may be made again: the record it had before is nobody's then.
        if let Some(known) = self.links.get(&link.id) {
            for (side, id) in known.ids.iter() {
                if let Some(id) = id.as_ref().filter(|id| link.ids[side].as_ref() != Some(*id))
                    && self.by_record[side].get(id) == Some(&link.id)
                {
                    self.by_record[side].remove(id);
                }
            }
        }
        for (side, id) in link.ids.iter() {
            if let Some(id) = id {
                let before = self.by_record[side].insert(id.clone(), link.id.clone());
                if before.is_some_and(|owner| owner != link.id) {
                    self.clash = Some(link.id.clone());
                }
            }
        }
        self.links.insert(link.id.clone(), link);
    }

    /// The link as the store holds it.
    pub(super) fn stored(&self, id: &LinkId) -> Option<&Link> {
        self.stored.get(id)
    }

    /// A link that claims a record of another, if there is one.
    pub(super) const fn clash(&self) -> Option<&LinkId> {
        self.clash.as_ref()
    }

    /// Does the store know this link?
    pub(super) fn is_stored(&self, id: &LinkId) -> bool {
        self.stored.contains_key(id)
    }

    /// Drops a link that was never stored.
    pub(super) fn forget(&mut self, id: &LinkId) {
        if let Some(link) = self.links.remove(id) {
            for (side, record) in link.ids.iter() {
                if let Some(record) = record {
                    self.by_record[side].remove(record);
                }
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.links.len()
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// Of these links, those that the store does not hold as they are.
    pub(super) fn unstored<'a>(&self, ids: impl IntoIterator<Item = &'a LinkId>) -> Vec<Link> {
        let ids: BTreeSet<&LinkId> = ids.into_iter().collect();
        ids.into_iter()
            .filter_map(|id| self.links.get(id))
            .filter(|link| {
                self.stored
                    .get(&link.id)
                    .is_none_or(|stored| stored.differs_materially(link))
            })
            .cloned()
            .collect()
    }

    /// Notes that these are now in the store.
    pub(super) fn note_stored(&mut self, links: &[Link]) {
        for link in links {
            self.stored.insert(link.id.clone(), link.clone());
        }
    }

    /// Links with a write whose outcome is not known.
    pub(super) fn with_intents(&self) -> BTreeSet<LinkId> {
        self.ids_where(Link::has_intent)
    }

    /// Links with a change that was put off.
    pub(super) fn deferred(&self) -> BTreeSet<LinkId> {
        self.ids_where(|link| link.deferred)
    }

    /// Links one of whose records was proven to be deleted, and what that means is not done yet. One in quarantine
    /// waits for its time.
    pub(super) fn departing(&self, now: Instant) -> BTreeSet<LinkId> {
        self.ids_where(|link| {
            link.phase != Phase::Tombstone
                && link.departure.is_some()
                && !link.has_intent()
                && link.quarantine.as_ref().is_none_or(|row| row.retry_at <= now)
        })
    }

    /// Quarantined links whose time has come, the longest-waiting first.
    pub(super) fn due(&self, now: Instant, at_most: usize) -> BTreeSet<LinkId> {
        let mut due: Vec<(Instant, &LinkId)> = self
            .links
            .values()
            .filter(|link| link.phase != Phase::Tombstone && link.departure.is_none())
            .filter_map(|link| Some((link.quarantine.as_ref()?.retry_at, &link.id)))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort();
        due.into_iter().take(at_most).map(|(_, id)| id.clone()).collect()
    }

    /// The next links of a walk over all of them, in the order of their ids.
    pub(super) fn after(&self, after: Option<&LinkId>, at_most: usize) -> Vec<LinkId> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.links
            .range::<LinkId, _>((from, std::ops::Bound::Unbounded))
            .map(|(id, _)| id.clone())
            .take(at_most)
            .collect()
    }

    /// The next links of a walk that goes round and round: never fewer than there are, up to `at_most`.
    pub(super) fn round(&self, after: Option<&LinkId>, at_most: usize) -> Vec<LinkId> {
        let mut ids = self.after(after, at_most);
        let from_the_beginning = at_most.min(self.links.len()).saturating_sub(ids.len());
        ids.extend(self.after(None, from_the_beginning));
        ids
    }

    fn ids_where(&self, wanted: impl Fn(&Link) -> bool) -> BTreeSet<LinkId> {
        self.links
            .values()
            .filter(|link| wanted(link))
            .map(|link| link.id.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_a_link_let_go_is_nobodys() {
        let id = |number: u32| RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap();
        let case = RecordId::parse(Side::Salesforce, "500000000000001AAA").unwrap();
        let mut link = Link::begin(Side::Salesforce, &case);
        link.ids.service_now = Some(id(1));
        let mut book = Book::load(vec![link.clone()]);
        link.ids.service_now = Some(id(2));
        book.put(link.clone());
        assert!(book.of_record(Side::ServiceNow, &id(1)).is_none());
        assert_eq!(book.of_record(Side::ServiceNow, &id(2)), Some(&link));
    }
}
