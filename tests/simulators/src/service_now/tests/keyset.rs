//! Keyset paging, the way a client reads changes.

use proptest::prelude::*;
use std::collections::BTreeSet;

use super::*;

/// Reads every row by keyset over `(sys_updated_on, sys_id)` in the one-query form with `^NQ`.
fn read_all(bench: &mut Bench, limit: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let (mut stamp, mut last) = ("1970-01-01 00:00:00".to_owned(), String::new());
    loop {
        let query = format!(
            "sys_updated_on>{stamp}^NQsys_updated_on={stamp}^sys_id>{last}^ORDERBYsys_updated_on^ORDERBYsys_id"
        );
        let limit_text = limit.to_string();
        let parameters = encoded(&[("sysparm_query", &query), ("sysparm_limit", &limit_text)]);
        let page = body(&bench.get(&format!("/api/now/table/incident?{parameters}")));
        let rows = page["result"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| text(row, "sys_id")));
        let Some(end) = rows.last() else { return seen };
        (stamp, last) = (text(end, "sys_updated_on"), text(end, "sys_id"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn keyset_paging_visits_each_row_once_however_stamps_tie(
        seconds in prop::collection::vec(0_i64..4, 0..30),
        limit in 1_usize..7,
        shuffle in any::<bool>(),
    ) {
        let mut bench = Bench::new();
        bench.instance.switches.shuffles_ties = shuffle;
        let mut made = BTreeSet::new();
        for second in seconds {
            bench.wait(second);
            made.insert(bench.seed("incident", json!({})));
        }
        let seen = read_all(&mut bench, limit);
        prop_assert_eq!(seen.len(), made.len());
        prop_assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
    }
}
