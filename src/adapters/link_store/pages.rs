//! How links are spread over pages: a binary trie over the bits of their ids.
//!
//! A flow begins with one page. One that would grow over its bound is split in two by the next bit of the ids, so that
//! a small flow has few pages and a large one has many small ones, whatever the number of its fields. Ids are hashes,
//! so pages fill evenly. A page that was split stays behind, empty: it is what a rival with an older view runs into.
//!
//! **Reading.** For each id, start at the root and follow its bits. A page with links and nothing beneath it is the
//! id's home. A split page, or a gap with pages beneath it, is passed. A page with links *and* pages beneath it is a
//! split that was cut off: it still speaks for those parts of its range whose page is not there yet. So every link has
//! one place, whichever pages are there, and a page that somebody deletes takes only its own links with it.
//!
//! **Splitting** takes these steps, each of them safe to be the last: the page is marked `splitting` with its links
//! unchanged (its version moves, so every rival's write to it fails from here on); each half is created (a rival that
//! does the same is refused, since it exists); the page becomes `split` and loses its links. The next change of any
//! link finishes a split that was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::encoding::{self, FORMAT};
use super::limits::Limits;
use crate::core::ident::LinkId;
use crate::core::link::Link;
use crate::ports::StoreError;

/// How many bits of an id are used: 65,536 pages, far more than the links that are admitted.
const MAX_DEPTH: usize = 16;

/// The range of ids that begin with these bits. Written as the page's name: `r` for the root, `r01` beneath it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(String);

/// The leading bits of an id.
struct Bits(String);

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    state: PageState,
    items: Items,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum PageState {
    /// Holds the links of its range.
    Leaf,
    /// Held the links of its range until now; its halves are being made.
    Splitting,
    /// Holds nothing; its halves do.
    Split,
}

/// The pages of a flow, as they were read or last written.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pages: BTreeMap<Prefix, Page>,
    links: usize,
}

/// What a change writes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Within a chain the order counts; chains may be written in any order, or at once.
    pub(super) chains: Vec<Vec<(Prefix, Page)>>,
    /// How many links there are afterwards.
    pub(super) links: usize,
}

/// Links in their written form. Shared, since a page that changes keeps most of them.
type Items = BTreeMap<LinkId, Arc<str>>;

/// Where the links of some range are, and where they belong.
struct Home {
    /// The page that they belong to; it may not exist yet.
    prefix: Prefix,
    /// The page that holds those which exist; another than `prefix` where a split was cut off.
    source: Option<Prefix>,
}

impl Prefix {
    fn root() -> Self {
        Self("r".to_owned())
    }

    /// Reads a page's name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let bits = name.strip_prefix('r')?;
        let valid = bits.len() <= MAX_DEPTH && bits.bytes().all(|bit| matches!(bit, b'0' | b'1'));
        valid.then(|| Self(name.to_owned()))
    }

    /// The name of the page.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn depth(&self) -> usize {
        self.0.len() - 1
    }

    /// The half of this range that `bits` belongs to; `None` where ids are not told apart any further.
    fn towards(&self, bits: &Bits) -> Option<Self> {
        let bit = bits.0.get(self.depth()..=self.depth())?;
        Some(Self(format!("{}{bit}", self.0)))
    }

    fn covers(&self, bits: &Bits) -> bool {
        bits.0.starts_with(&self.0[1..])
    }
}

impl Bits {
    fn of(id: &LinkId) -> Result<Self, String> {
        let leading = id.as_str().get(..MAX_DEPTH / 4);
        let number = leading.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        number
            .map(|number| Self(format!("{number:016b}")))
            .ok_or_else(|| format!("{:?} is not the id of a link", id.as_str()))
    }
}

impl Page {
    fn split() -> Self {
        Self {
            state: PageState::Split,
            items: Items::new(),
        }
    }

    /// The document to store.
    pub(super) fn body(&self) -> String {
        let state = match self.state {
            PageState::Leaf => "leaf",
            PageState::Splitting => "splitting",
            PageState::Split => "split",
        };
        let links: Vec<&str> = self.items.values().map(|item| &**item).collect();
        format!(
            r#"{{"format":{FORMAT},"state":"{state}","links":[{}]}}"#,
            links.join(",")
        )
    }

    /// Reads a document, and the links in it.
    fn parse(prefix: &Prefix, body: &str) -> Result<(Self, Vec<Link>), String> {
        #[derive(Deserialize)]
        struct Document {
            state: PageState,
            links: Vec<Value>,
        }
        let document: Document = encoding::parse(body)?;
        let mut items = Items::new();
        let mut links = Vec::new();
        for value in document.links {
            let item = value.to_string().into();
            let link = encoding::decode_link(value)?;
            let misplaced = !prefix.covers(&Bits::of(&link.id)?);
            if items.insert(link.id.clone(), item).is_some() || misplaced {
                return Err(format!(
                    "link {} does not belong in it, or is in it twice",
                    link.id
                ));
            }
            links.push(link);
        }
        let state = document.state;
        Ok((Self { state, items }, links))
    }
}

impl Layout {
    /// Makes sense of all pages of a flow. Fails with the page that cannot be understood: to go on without it would
    /// be to overwrite it.
    pub(super) fn read(
        bodies: impl IntoIterator<Item = (Prefix, String)>,
    ) -> Result<(Self, Vec<Link>), StoreError> {
        let mut layout = Self::default();
        let mut found = Vec::new();
        for (prefix, body) in bodies {
            let (page, links) = Page::parse(&prefix, &body).map_err(|why| corrupt(&prefix, &why))?;
            layout.pages.insert(prefix.clone(), page);
            found.push((prefix, links));
        }
        let mut links = Vec::new();
        for (prefix, found) in found {
            for link in found {
                let bits = Bits::of(&link.id).map_err(|why| corrupt(&prefix, &why))?;
                if layout.home(&bits).source.as_ref() == Some(&prefix) {
                    links.push(link);
                }
            }
        }
        layout.links = links.len();
        links.sort_by(|one, other| one.id.cmp(&other.id));
        Ok((layout, links))
    }

    /// What it takes to write these links. Nothing where nothing differs.
    pub(super) fn plan(&self, links: &[Link], limits: Limits) -> Result<Plan, StoreError> {
        let mut changes: BTreeMap<Prefix, Items> = BTreeMap::new();
        let mut homes: BTreeMap<Prefix, Option<Prefix>> = BTreeMap::new();
        for link in links {
            let bits = Bits::of(&link.id).map_err(|why| corrupt(&Prefix::root(), &why))?;
            let home = self.home(&bits);
            let written = encoding::encode_link(link).map_err(|why| corrupt(&home.prefix, &why))?;
            changes
                .entry(home.prefix.clone())
                .or_default()
                .insert(link.id.clone(), written.into());
            homes.insert(home.prefix, home.source);
        }
        let mut pages: BTreeMap<Prefix, (Items, Items)> = BTreeMap::new();
        let mut added = 0;
        for (prefix, changed) in changes {
            let source = homes.get(&prefix).and_then(Option::as_ref);
            let old = self.items_within(source, &prefix);
            let differs = changed.iter().any(|(id, item)| old.get(id) != Some(item));
            if differs {
                added += changed.keys().filter(|id| !old.contains_key(*id)).count();
                let mut new = old.clone();
                new.extend(changed);
                pages.insert(prefix, (old, new));
            }
        }
        let links = self.links + added;
        limits.admit(self.links, added)?;
        if pages.is_empty() {
            return Ok(Plan {
                chains: Vec::new(),
                links,
            });
        }
        let unfinished = self.unfinished();
        for source in &unfinished {
            for prefix in self.ranges_to_move(source) {
                let old = self.items_within(Some(source), &prefix);
                pages.entry(prefix).or_insert_with(|| (old.clone(), old));
            }
        }
        let mut chains = Vec::new();
        for (prefix, (old, new)) in pages {
            let mut chain = Vec::new();
            self.place(prefix, old, new, limits.page_bytes, &mut chain)
                .map_err(|()| StoreError::Full {
                    links,
                    limit: links - 1,
                })?;
            chains.push(chain);
        }
        if !unfinished.is_empty() {
            let halves = chains.into_iter().flatten();
            let done = unfinished.into_iter().map(|prefix| (prefix, Page::split()));
            chains = vec![halves.chain(done).collect()];
        }
        Ok(Plan { chains, links })
    }

    /// Those links of `source` that belong to `range`.
    fn items_within(&self, source: Option<&Prefix>, range: &Prefix) -> Items {
        let items = source
            .and_then(|source| self.pages.get(source))
            .map(|page| &page.items);
        items
            .into_iter()
            .flatten()
            .filter(|(id, _)| Bits::of(id).is_ok_and(|bits| range.covers(&bits)))
            .map(|(id, item)| (id.clone(), Arc::clone(item)))
            .collect()
    }

    /// The ranges that a page still speaks for though its split began.
    fn ranges_to_move(&self, source: &Prefix) -> BTreeSet<Prefix> {
        let items = self.pages.get(source).map(|page| &page.items);
        items
            .into_iter()
            .flatten()
            .filter_map(|(id, _)| Some(self.home(&Bits::of(id).ok()?)))
            .filter(|home| home.source.as_ref() == Some(source))
            .map(|home| home.prefix)
            .collect()
    }

    /// Takes note of what was written.
    pub(super) fn written(&mut self, pages: impl IntoIterator<Item = (Prefix, Page)>, links: usize) {
        self.pages.extend(pages);
        self.links = links;
    }

    /// How many links there are.
    pub(super) const fn links(&self) -> usize {
        self.links
    }

    /// Writes a range: as one page, or as halves where it is too much for one. Fails where ids are told apart no
    /// further: then these links are larger than any page may be.
    fn place(
        &self,
        prefix: Prefix,
        old: Items,
        new: Items,
        page_bytes: usize,
        chain: &mut Vec<(Prefix, Page)>,
    ) -> Result<(), ()> {
        let page = Page {
            state: PageState::Leaf,
            items: new,
        };
        if page.body().len() <= page_bytes {
            chain.push((prefix, page));
            return Ok(());
        }
        // A rival's write to this page fails from its first write on. Links that exist stay readable until both halves
        // are there; where there are none, and no page, the empty page is written first.
        let moves = !old.is_empty() || self.pages.contains_key(&prefix);
        let first = if moves {
            Page {
                state: PageState::Splitting,
                items: old.clone(),
            }
        } else {
            Page::split()
        };
        chain.push((prefix.clone(), first));
        let mut old = halves(&prefix, old)?;
        for (half, new) in halves(&prefix, page.items)? {
            let old = old.remove(&half).unwrap_or_default();
            self.place(half, old, new, page_bytes, chain)?;
        }
        if moves {
            chain.push((prefix, Page::split()));
        }
        Ok(())
    }

    fn home(&self, bits: &Bits) -> Home {
        let mut prefix = Prefix::root();
        let mut source = None;
        loop {
            let beneath = self.has_pages_beneath(&prefix);
            match self.pages.get(&prefix).map(|page| page.state) {
                Some(PageState::Leaf) if !beneath => {
                    return Home {
                        source: Some(prefix.clone()),
                        prefix,
                    };
                }
                Some(PageState::Leaf | PageState::Splitting) => source = Some(prefix.clone()),
                Some(PageState::Split) => source = None,
                None if beneath => {}
                None => return Home { prefix, source },
            }
            match prefix.towards(bits) {
                Some(half) => prefix = half,
                None => return Home { prefix, source },
            }
        }
    }

    fn has_pages_beneath(&self, prefix: &Prefix) -> bool {
        // Names order a page before everything beneath it, and that before everything else.
        self.pages
            .range((Bound::Excluded(prefix), Bound::Unbounded))
            .next()
            .is_some_and(|(next, _)| next.0.starts_with(&prefix.0))
    }

    /// The pages whose split was cut off.
    fn unfinished(&self) -> Vec<Prefix> {
        let cut_off = |prefix: &Prefix, state| match state {
            PageState::Leaf => self.has_pages_beneath(prefix),
            PageState::Splitting => true,
            PageState::Split => false,
        };
        self.pages
            .iter()
            .filter(|(prefix, page)| cut_off(prefix, page.state))
            .map(|(prefix, _)| prefix.clone())
            .collect()
    }
}

fn halves(prefix: &Prefix, items: Items) -> Result<BTreeMap<Prefix, Items>, ()> {
    let mut halves: BTreeMap<Prefix, Items> = BTreeMap::new();
    for (id, item) in items {
        let bits = Bits::of(&id).map_err(|_| ())?;
        let half = prefix.towards(&bits).ok_or(())?;
        halves.entry(half).or_default().insert(id, item);
    }
    Ok(halves)
}

fn corrupt(prefix: &Prefix, why: &str) -> StoreError {
    StoreError::Corrupt {
        page: format!("links-{}", prefix.as_str()),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
