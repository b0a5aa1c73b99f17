use super::*;
use crate::adapters::link_store::examples::link;
use crate::core::link::Phase;

type Stored = BTreeMap<Prefix, String>;

/// Some eight links of three fields a page.
const SMALL: Limits = Limits {
    links: 1_000,
    page_bytes: 4_096,
};

fn links(numbers: std::ops::Range<u64>, phase: Phase) -> Vec<Link> {
    numbers.map(|number| link(number, 3, phase)).collect()
}

fn read(stored: &Stored) -> (Layout, BTreeMap<LinkId, Phase>) {
    let (layout, links) = Layout::read(stored.clone()).unwrap();
    let count = links.len();
    let links: BTreeMap<LinkId, Phase> = links.into_iter().map(|link| (link.id, link.phase)).collect();
    assert_eq!(links.len(), count, "a link was read twice");
    assert_eq!(layout.links(), count);
    (layout, links)
}

fn plan(stored: &Stored, links: &[Link]) -> Vec<(Prefix, Page)> {
    let plan = read(stored).0.plan(links, SMALL).unwrap();
    plan.chains.into_iter().flatten().collect()
}

fn write(stored: &mut Stored, links: &[Link]) {
    for (prefix, page) in plan(stored, links) {
        stored.insert(prefix, page.body());
    }
}

fn filled(count: u64) -> Stored {
    let mut stored = Stored::new();
    for first in (0..count).step_by(10) {
        write(&mut stored, &links(first..count.min(first + 10), Phase::Active));
    }
    stored
}

#[test]
fn a_flow_begins_with_one_page() {
    assert_eq!(filled(5).len(), 1);
    assert!(filled(50).len() > 5);
}

#[test]
fn ten_thousand_links_stay_within_small_pages_and_are_all_read_back() {
    let mut stored = Stored::new();
    let mut layout = Layout::default();
    for first in (0..10_000).step_by(200) {
        let links: Vec<Link> = (first..first + 200)
            .map(|number| link(number, 10, Phase::Active))
            .collect();
        let plan = layout.plan(&links, Limits::default()).unwrap();
        let pages: Vec<_> = plan.chains.into_iter().flatten().collect();
        stored.extend(pages.iter().map(|(prefix, page)| (prefix.clone(), page.body())));
        layout.written(pages, plan.links);
    }
    assert_eq!(read(&stored).1.len(), 10_000);
    let largest = stored.values().map(String::len).max().unwrap();
    assert!(largest <= Limits::default().page_bytes, "{largest}");
    let leaves = stored.values().filter(|body| body.contains("leaf")).count();
    assert!(
        (128..=256).contains(&leaves),
        "{leaves} pages with links, {} in all",
        stored.len()
    );
}

#[test]
fn many_links_at_once_are_the_same_as_many_one_by_one() {
    let mut stored = Stored::new();
    write(&mut stored, &links(0..200, Phase::Active));
    assert_eq!(stored, filled(200));
}

#[test]
fn nothing_is_written_where_nothing_differs() {
    let stored = filled(50);
    assert!(plan(&stored, &links(0..50, Phase::Active)).is_empty());
    assert_eq!(plan(&stored, &links(7..8, Phase::Dormant)).len(), 1);
}

#[test]
fn a_change_that_is_cut_off_anywhere_loses_no_link_and_is_finished_by_the_next() {
    // From nothing, from one full page (which splits), and from many; so many at once that halves split again.
    for (before, changed) in [(0, 0..50), (6, 3..12), (6, 0..60), (40, 30..100)] {
        let stored = filled(before);
        let old = read(&stored).1;
        let change = links(changed.clone(), Phase::Dormant);
        let writes = plan(&stored, &change);
        for done in 0..=writes.len() {
            let mut stored = stored.clone();
            stored.extend(
                writes[..done]
                    .iter()
                    .map(|(prefix, page)| (prefix.clone(), page.body())),
            );
            let (_, found) = read(&stored);
            for (id, phase) in &old {
                let found = found.get(id).copied();
                assert!(
                    found == Some(*phase) || found == Some(Phase::Dormant),
                    "{before} {changed:?} {done}"
                );
            }
            write(&mut stored, &change);
            // A split that was cut off after the last link was in its place is finished by the next change.
            write(&mut stored, &links(0..1, Phase::Tombstone));
            let (layout, found) = read(&stored);
            let dormant = found.values().filter(|phase| **phase == Phase::Dormant).count();
            let tombstones = usize::from(changed.contains(&0));
            assert_eq!(dormant, change.len() - tombstones, "{before} {changed:?} {done}");
            assert!(layout.unfinished().is_empty(), "{before} {changed:?} {done}");
        }
    }
}

#[test]
fn a_deleted_page_takes_only_its_own_links_with_it() {
    let stored = filled(100);
    let all = read(&stored).1;
    for (prefix, body) in &stored {
        let mut stored = stored.clone();
        stored.remove(prefix);
        let lost = Page::parse(prefix, body).unwrap().1.len();
        let (_, found) = read(&stored);
        assert_eq!(found.len(), all.len() - lost, "{}", prefix.as_str());
        write(&mut stored, &links(0..100, Phase::Active));
        assert_eq!(read(&stored).1, all, "{}", prefix.as_str());
    }
}

#[test]
fn an_old_page_that_somebody_puts_back_does_not_hide_newer_ones() {
    let mut stored = filled(20);
    let backup = stored.clone();
    write(&mut stored, &links(0..100, Phase::Dormant));
    stored.extend(backup);
    let (_, found) = read(&stored);
    assert_eq!(found.len(), 100);
    assert!(found.values().all(|phase| *phase == Phase::Dormant));
    // Nor does it speak for one that is gone, where a split was finished beneath it.
    let beneath_split = |prefix: &&Prefix| {
        let parent = &prefix.0[..prefix.depth()];
        Prefix::parse(parent).is_some_and(|parent| stored[&parent].contains("\"split\""))
    };
    assert!(stored.keys().filter(beneath_split).count() > 5);
    for prefix in stored.keys().filter(beneath_split) {
        let mut stored = stored.clone();
        stored.remove(prefix);
        let (_, found) = read(&stored);
        assert!(
            found.values().all(|phase| *phase == Phase::Dormant),
            "{}",
            prefix.as_str()
        );
    }
}

#[test]
fn the_bound_is_refused_before_it_is_passed_and_known_links_stay_writable() {
    let (layout, _) = read(&filled(20));
    let bound = |links| Limits { links, ..SMALL };
    let refused = layout
        .plan(&links(10..26, Phase::Dormant), bound(25))
        .unwrap_err();
    assert_eq!(refused, StoreError::Full { links: 26, limit: 25 });
    assert_eq!(
        layout
            .plan(&links(10..25, Phase::Dormant), bound(25))
            .unwrap()
            .links,
        25
    );
    assert!(layout.plan(&links(0..20, Phase::Dormant), bound(5)).is_ok());
}

#[test]
fn a_link_that_is_larger_than_a_page_is_refused() {
    let giant = link(1, 200, Phase::Active);
    let refused = Layout::default().plan(&[giant], SMALL).unwrap_err();
    assert!(matches!(refused, StoreError::Full { .. }));
}

#[test]
fn a_page_that_cannot_be_understood_is_named_and_never_overwritten() {
    for broken in [
        "",
        "{}",
        r#"{"format":2,"state":"leaf","links":[]}"#,
        r#"{"format":1,"state":"melted"}"#,
        r#"{"format":1,"state":"leaf","links":[{}]}"#,
        r#"{"format":1,"state":"leaf","links":[{"id":"not hexadecimal"}]}"#,
        r#"{"format":1,"state":"leaf","links":[{"id":"0123456789abcdef"}]}"#,
    ] {
        let mut stored = filled(10);
        stored.insert(Prefix::parse("r").unwrap(), broken.to_owned());
        let refused = Layout::read(stored).unwrap_err();
        assert!(
            matches!(&refused, StoreError::Corrupt { page, .. } if page == "links-r"),
            "{refused}"
        );
    }
}

#[test]
fn a_link_in_a_page_of_another_range_is_refused() {
    let mut stored = filled(20);
    let (_, body) = stored
        .iter()
        .find(|(prefix, _)| prefix.as_str().starts_with("r0"))
        .unwrap();
    let body = body.clone();
    stored = BTreeMap::from([
        (Prefix::parse("r0").unwrap(), body.clone()),
        (Prefix::parse("r1").unwrap(), body),
    ]);
    assert!(matches!(Layout::read(stored), Err(StoreError::Corrupt { page, .. }) if page == "links-r1"));
}

/// Pages with versions, as the API server keeps them.
#[derive(Clone, Default)]
struct Versioned {
    pages: BTreeMap<Prefix, (u32, String)>,
    last_version: u32,
}

/// A process on its way through the writes of one change.
struct Process {
    known: BTreeMap<Prefix, u32>,
    writes: std::vec::IntoIter<(Prefix, Page)>,
    refused: bool,
}

impl Versioned {
    fn stored(&self) -> Stored {
        let pages = self.pages.iter();
        pages
            .map(|(prefix, (_, body))| (prefix.clone(), body.clone()))
            .collect()
    }

    /// A process that has read all pages as they are now, and is about to write these links.
    fn process(&self, links: &[Link]) -> Process {
        Process {
            known: self
                .pages
                .iter()
                .map(|(prefix, (version, _))| (prefix.clone(), *version))
                .collect(),
            writes: plan(&self.stored(), links).into_iter(),
            refused: false,
        }
    }
}

impl Process {
    /// Makes so many writes, or fewer if one is refused.
    fn write(&mut self, count: usize, store: &mut Versioned) {
        for _ in 0..count {
            if self.refused {
                return;
            }
            let Some((prefix, page)) = self.writes.next() else {
                return;
            };
            let current = store.pages.get(&prefix).map(|(version, _)| *version);
            if current != self.known.get(&prefix).copied() {
                self.refused = true;
                return;
            }
            store.last_version += 1;
            self.known.insert(prefix.clone(), store.last_version);
            store.pages.insert(prefix, (store.last_version, page.body()));
        }
    }
}

#[test]
fn of_two_that_write_at_once_none_undoes_what_the_other_was_told_is_durable() {
    for (before, slow, fast) in [
        (0, 0..30, 3..4),
        (0, 3..4, 0..30),
        (6, 0..30, 3..4),
        (6, 0..30, 0..30),
        (6, 3..4, 0..30),
        (30, 20..60, 10..50),
        (30, 20..60, 25..26),
    ] {
        let mut start = Versioned::default();
        start
            .process(&links(0..before, Phase::Active))
            .write(usize::MAX, &mut start);
        let slow_links = links(slow.clone(), Phase::Pending);
        let fast_links = links(fast.clone(), Phase::Dormant);
        let writes = start.process(&slow_links).writes.len();
        // The fast one gets in after each write of the slow one, with what it knew at the start or with what is there.
        for (pause, stale) in (0..=writes).flat_map(|pause| [(pause, true), (pause, false)]) {
            let scene =
                format!("{before}, {slow:?} stops after {pause} of {writes} for {fast:?}, stale: {stale}");
            let mut store = start.clone();
            let mut slow = store.process(&slow_links);
            let mut fast = store.process(&fast_links);
            slow.write(pause, &mut store);
            if !stale {
                fast = store.process(&fast_links);
            }
            fast.write(usize::MAX, &mut store);
            assert!(stale || !fast.refused, "{scene}");
            slow.write(usize::MAX, &mut store);
            let (_, found) = read(&store.stored());
            let durable =
                |links: &[Link], phase| links.iter().all(|link| found.get(&link.id) == Some(&phase));
            if !fast.refused {
                assert!(durable(&fast_links, Phase::Dormant), "{scene}");
            }
            if !slow.refused && fast.refused {
                assert!(durable(&slow_links, Phase::Pending), "{scene}");
            }
            assert!(
                slow.refused || fast.refused || !stale,
                "{scene}: both were told that theirs is durable"
            );
        }
    }
}
