//! Answers that never end: what a server sends beyond reason is neither kept nor followed.

use super::changes::query;
use super::looking_up::{deletion, find, proven, stamped};
use super::*;
use crate::adapters::service_now::scan::MOST_LISTS;
use crate::ports::Remote;

/// So many rows are there, says the server.
const MANY: usize = 1 << 40;

#[tokio::test]
async fn a_look_up_by_id_whose_condition_is_dropped_ends_with_its_first_page() {
    let rows: Vec<Json> = (1..=1000).map(|number| row(number, "00:01")).collect();
    let bench = bench([listed(MANY, &rows)]);
    let error = bench
        .service_now
        .read_ids(&schema(), &[id(1), id(2)], &[])
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_look_up_by_value_whose_condition_is_dropped_ends_with_its_first_page() {
    let rows: Vec<Json> = (1..=1000).map(|number| stamped(number, "other")).collect();
    let bench = bench(proven().into_iter().chain([listed(MANY, &rows)]));
    let error = find(&bench, &["a"]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn more_matches_than_can_be_told_apart_are_not_all_read() {
    let pages = (0..20).map(|page| {
        let numbers = page * 1000 + 1..=page * 1000 + 1000;
        let rows: Vec<Json> = numbers.map(|number| stamped(number, "a")).collect();
        listed(MANY, &rows)
    });
    let bench = bench(proven().into_iter().chain(pages));
    let error = find(&bench, &["a"]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TooManyMatches");
    assert_eq!(bench.calls(), 2 + 11);
}

#[tokio::test]
async fn a_deletion_log_that_names_everything_is_not_read_to_its_end() {
    let page = |from: u32| {
        let rows: Vec<Json> = (from..from + 1000)
            .map(|number| deletion(number, "incident"))
            .collect();
        listed(MANY, &rows)
    };
    let bench = bench([listed(0, &[]), page(5000), page(6000), page(7000)]);
    let error = bench
        .service_now
        .read_ids(&schema(), &[id(1)], &[])
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "FilterIgnored");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn rows_that_are_counted_and_never_shown_are_not_followed_for_ever() {
    let endless = || bench((0..=MOST_LISTS).map(|_| listed(MANY, &[])));
    let changes = endless();
    let error = changes
        .service_now
        .read_changes(&query(None, 10))
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RowsHidden");
    assert_eq!(changes.calls(), MOST_LISTS);

    let ids = endless();
    let error = ids
        .service_now
        .read_ids(&schema(), &[id(1)], &[])
        .await
        .unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RowsHidden");
    assert_eq!(ids.calls(), MOST_LISTS);
}

#[tokio::test]
async fn a_count_that_goes_up_and_down_is_not_followed_for_ever() {
    let totals = [40_000, 20_000].into_iter().cycle();
    let bench = bench(totals.take(MOST_LISTS + 1).map(|total| listed(total, &[])));
    let asked = query(None, 10);
    let error = bench.service_now.read_changes(&asked).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RowsHidden");
}
