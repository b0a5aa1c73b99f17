//! Keyset paging visits every row once, however stamps tie.

use proptest::prelude::*;
use serde_json::json;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keyset_paging_over_stamp_and_id_visits_each_row_once_and_in_order(
        seconds in proptest::collection::vec(0_i64..6, 0..60),
        page in 1_usize..9,
    ) {
        let mut client = Client::new();
        let mut made = Vec::new();
        for second in seconds {
            let at = START.checked_add(SignedDuration::from_secs(second)).unwrap();
            made.push((at, client.org.seed("Case", &as_fields(&json!({})), at).unwrap()));
        }
        made.sort();
        let mut visited = Vec::new();
        let mut after: Option<(String, String)> = None;
        loop {
            let filter = after.as_ref().map_or_else(String::new, |(stamp, id)| {
                let stamp = stamp.replace(".000+0000", "Z");
                format!("WHERE (SystemModstamp = {stamp} AND Id > '{id}') OR SystemModstamp > {stamp}")
            });
            let records = client.records(&format!(
                "SELECT Id, SystemModstamp FROM Case {filter} ORDER BY SystemModstamp, Id LIMIT {page}"
            ));
            let Some(last) = records.last() else { break };
            let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
            after = Some((text(last, "SystemModstamp"), text(last, "Id")));
            visited.extend(records.iter().map(|record| text(record, "Id")));
        }
        prop_assert_eq!(visited, made.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    }
}
