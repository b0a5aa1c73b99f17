//! What every link store promises.

use syncflow::core::link::{Link, Phase};
use syncflow::ports::{Snapshot, StoreChange, StoreError};

use crate::bench::Flow;
use crate::examples::{change, header, link, overwritten};

async fn load(flow: &dyn Flow) -> Snapshot {
    flow.process().load().await.unwrap()
}

fn only_header(conflicts: u64) -> StoreChange {
    StoreChange {
        header: Some(header(conflicts)),
        ..StoreChange::default()
    }
}

fn in_phase(snapshot: &Snapshot, phase: Phase) -> usize {
    snapshot.links.iter().filter(|link| link.phase == phase).count()
}

fn sorted(mut links: Vec<Link>) -> Vec<Link> {
    links.sort_by(|one, other| one.id.cmp(&other.id));
    links
}

pub async fn what_was_committed_is_loaded_by_any_process(flow: &dyn Flow) {
    let nothing = load(flow).await;
    assert!(nothing.header.is_none() && nothing.links.is_empty());

    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..40, Phase::Active, 1)).await.unwrap();
    // What a commit does not name stays.
    process.commit(change(30..50, Phase::Dormant, 2)).await.unwrap();
    let header_only = only_header(3);
    process.commit(header_only).await.unwrap();

    for snapshot in [load(flow).await, process.load().await.unwrap()] {
        let expected = [
            change(0..30, Phase::Active, 0).links,
            change(30..50, Phase::Dormant, 0).links,
        ];
        assert_eq!(sorted(snapshot.links), sorted(expected.concat()));
        assert_eq!(snapshot.header, Some(header(3)));
    }
}

pub async fn a_link_is_replaced_whole(flow: &dyn Flow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..1, Phase::Active, 1)).await.unwrap();
    let mut bare = link(0, 0, Phase::Tombstone);
    bare.ids.service_now = None;
    let replaced = StoreChange {
        links: vec![bare.clone()],
        ..StoreChange::default()
    };
    process.commit(replaced).await.unwrap();
    assert_eq!(load(flow).await.links, [bare]);
}

pub async fn nothing_can_be_committed_before_a_load(flow: &dyn Flow) {
    let refused = flow.process().commit(change(0..1, Phase::Active, 1)).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert!(load(flow).await.links.is_empty());
}

pub async fn a_stale_writer_is_refused_and_changes_nothing(flow: &dyn Flow) {
    let (first, second) = (flow.process(), flow.process());
    first.load().await.unwrap();
    first.commit(change(0..1, Phase::Pending, 1)).await.unwrap();
    second.load().await.unwrap();
    first.commit(change(0..1, Phase::Active, 2)).await.unwrap();

    // The same link, and the header alone.
    let header_only = only_header(9);
    for stale in [change(0..1, Phase::Tombstone, 9), header_only] {
        assert_eq!(second.commit(stale.clone()).await, Err(StoreError::Conflict));
        // It stays refused until it has loaded.
        assert_eq!(second.commit(stale).await, Err(StoreError::Conflict));
        let snapshot = load(flow).await;
        assert_eq!(in_phase(&snapshot, Phase::Active), 1);
        assert_eq!(snapshot.header, Some(header(2)));
        // What it loads now is what it may change, and then the other one is stale.
        second.load().await.unwrap();
        first.load().await.unwrap();
        first.commit(change(0..1, Phase::Dormant, 2)).await.unwrap();
        first.commit(change(0..1, Phase::Active, 3)).await.unwrap();
        first.commit(change(0..1, Phase::Active, 2)).await.unwrap();
    }
    second.load().await.unwrap();
    second.commit(change(0..1, Phase::Dormant, 5)).await.unwrap();
    assert_eq!(
        first.commit(change(0..1, Phase::Active, 6)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(load(flow).await.header, Some(header(5)));
}

pub async fn of_two_that_begin_a_flow_one_is_refused(flow: &dyn Flow) {
    let (first, second) = (flow.process(), flow.process());
    first.load().await.unwrap();
    second.load().await.unwrap();
    // Enough for many pages at once, so that the first one splits in its very first commit.
    first.commit(change(0..500, Phase::Active, 1)).await.unwrap();
    let rival = StoreChange {
        links: vec![link(0, 2, Phase::Dormant)],
        ..StoreChange::default()
    };
    assert_eq!(second.commit(rival).await, Err(StoreError::Conflict));
    second.load().await.unwrap();
    let header_only = only_header(2);
    first.commit(header_only).await.unwrap();
    assert_eq!(second.commit(only_header(3)).await, Err(StoreError::Conflict));
    let snapshot = load(flow).await;
    assert_eq!(in_phase(&snapshot, Phase::Active), 500);
    assert_eq!(snapshot.header, Some(header(2)));
}

pub async fn nothing_is_written_where_nothing_differs(flow: &dyn Flow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..300, Phase::Active, 1)).await.unwrap();
    let written = flow.state_of_writes().await;
    process.commit(change(0..300, Phase::Active, 1)).await.unwrap();
    process.commit(StoreChange::default()).await.unwrap();
    let other = flow.process();
    other.load().await.unwrap();
    other.commit(change(0..300, Phase::Active, 1)).await.unwrap();
    assert_eq!(flow.state_of_writes().await, written);

    process.commit(change(7..8, Phase::Dormant, 1)).await.unwrap();
    assert_ne!(flow.state_of_writes().await, written);
}

pub async fn a_commit_that_dies_anywhere_leaves_whole_links_and_the_header_last(flow: &dyn Flow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..600, Phase::Active, 1)).await.unwrap();
    let mut partial = 0;
    for writes in 0.. {
        // Every round changes every link, adds some so that pages split, and moves the header.
        let phase = [Phase::Dormant, Phase::Active][writes % 2];
        let (count, conflicts) = (600 + writes as u64 * 40, 2 + writes as u64);
        let before = load(flow).await;
        let mortal = flow.process_that_dies_after(writes);
        mortal.load().await.unwrap();
        let outcome = mortal.commit(change(0..count, phase, conflicts)).await;

        let after = load(flow).await;
        assert!(after.links.len() >= before.links.len());
        let moved = in_phase(&after, phase);
        if outcome.is_ok() {
            assert_eq!(after.header, Some(header(conflicts)));
            assert_eq!(moved as u64, count);
            assert!(partial >= 3, "only {partial} commits died on their way");
            return;
        }
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        assert_eq!(after.header, before.header, "the header moved first");
        partial += usize::from(moved > in_phase(&before, phase) && (moved as u64) < count);
        // The next process goes on from there.
        let next = flow.process();
        next.load().await.unwrap();
        next.commit(change(0..count, phase, conflicts)).await.unwrap();
        let after = load(flow).await;
        assert_eq!(in_phase(&after, phase) as u64, count);
        assert_eq!(after.links.len() as u64, count);
    }
}

pub async fn no_link_is_durable_before_the_value_that_it_overwrites(flow: &dyn Flow) {
    for writes in 0.. {
        let entries = flow.journal_entries().await;
        let mortal = flow.process_that_dies_after(writes);
        mortal.load().await.unwrap();
        let mut change = change(writes as u64..writes as u64 + 1, Phase::Active, 1 + writes as u64);
        change.journal = vec![overwritten(writes as u64, "lost")];
        let link = change.links[0].id.clone();
        let outcome = mortal.commit(change).await;
        let durable = load(flow).await.links.iter().any(|known| known.id == link);
        let journalled = flow.journal_entries().await - entries;
        assert!(journalled == 1 || !durable, "after {writes} writes");
        if outcome.is_ok() {
            assert!(durable && journalled == 1 && writes == 3);
            return;
        }
    }
}

pub async fn ten_thousand_links_fit_and_no_more(flow: &dyn Flow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..9_990, Phase::Active, 1)).await.unwrap();
    let written = flow.state_of_writes().await;
    let mut too_many = change(9_980..10_001, Phase::Dormant, 2);
    too_many.journal = vec![overwritten(1, "lost")];
    let full = StoreError::Full {
        links: 10_001,
        limit: 10_000,
    };
    assert_eq!(process.commit(too_many).await, Err(full));
    assert_eq!(
        flow.state_of_writes().await,
        written,
        "something of it was written"
    );

    process.load().await.unwrap();
    process
        .commit(change(9_980..10_000, Phase::Dormant, 2))
        .await
        .unwrap();
    let snapshot = load(flow).await;
    assert_eq!(snapshot.links.len(), 10_000);
    assert_eq!(in_phase(&snapshot, Phase::Dormant), 20);
    // A flow that is full goes on with what it has.
    process.commit(change(0..20, Phase::Tombstone, 3)).await.unwrap();
}

pub async fn lost_state_is_no_state_and_who_knew_it_is_refused(flow: &dyn Flow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..20, Phase::Active, 1)).await.unwrap();
    flow.erase().await;
    let refused = process.commit(change(0..20, Phase::Dormant, 2)).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    let nothing = process.load().await.unwrap();
    assert!(nothing.header.is_none() && nothing.links.is_empty());
    process.commit(change(0..20, Phase::Active, 1)).await.unwrap();
    assert_eq!(load(flow).await.links.len(), 20);
}
