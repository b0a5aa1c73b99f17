//! Bulk jobs against the simulated org: what they cost, and that no row is lost, doubled or guessed.

use std::collections::BTreeSet;
use std::time::Duration;

use syncflow::adapters::salesforce::BulkRules;
use syncflow::ports::{ChangePage, ChangeQuery, WriteOutcome};

use super::*;

/// An org whose adapter takes jobs for small amounts.
async fn org() -> Org {
    let org = Org::start_as(client_credentials(CLIENT_SECRET), |config| SalesforceConfig {
        bulk: BulkRules {
            query_from: 60,
            ingest_from: 201,
            ingest_most: 1_000,
        },
        ..config
    })
    .await;
    org.edit(|model| {
        model.add_custom_object("Ticket__c", "Ticket");
        for field in [
            Field::unique_external_id("Stamp__c", 64),
            Field {
                length: 255,
                ..Field::new("Subject__c", FieldType::String)
            },
            Field {
                length: 10,
                ..Field::new("Short__c", FieldType::String)
            },
        ] {
            model.add_custom_field("Ticket__c", field).unwrap();
        }
    });
    org
}

async fn ticket(org: &Org) -> ObjectSchema {
    org.adapter.describe(&"Ticket__c".parse().unwrap()).await.unwrap()
}

fn new_ticket(number: u32) -> CreateItem {
    CreateItem {
        chosen: None,
        stamp: (field("Stamp__c"), stamp(number)),
        fields: BTreeMap::from([(
            field("Subject__c"),
            Value::text(format!("a, \"b\"\nticket {number}")),
        )]),
    }
}

fn tickets(org: &Org) -> Vec<serde_json::Value> {
    let records = org.front.simulator().model.records("Ticket__c");
    records.into_iter().map(serde_json::Value::Object).collect()
}

fn scan(schema: &ObjectSchema, after: Option<&ChangePage>) -> ChangeQuery {
    ChangeQuery {
        schema: schema.clone(),
        fields: fields(&[
            "Subject",
            "Effort__c",
            "Due__c",
            "Seen__c",
            "Urgent__c",
            "Tags__c",
        ]),
        after: after.map(|page| {
            let last = page.records.last().unwrap();
            (last.version.modified, Some(last.id.clone()))
        }),
        created_from: None,
        max_age: Duration::ZERO,
        limit: 20,
    }
}

#[tokio::test]
async fn a_long_scan_by_a_job_sees_every_record_and_what_was_edited_meanwhile() {
    let org = org().await;
    let schema = org.schema().await;
    let ids: BTreeSet<RecordId> = (0..400)
        .map(|number| {
            org.seed(
                json!({
                    "Subject": format!("a, \"b\"\ncase {number}"), "Effort__c": 4.5, "Due__c": "2026-02-28",
                    "Seen__c": "2024-07-22T10:00:00.000+0000", "Urgent__c": true, "Tags__c": "red;blue",
                }),
                10_000 - i64::from(number / 7),
            )
        })
        .collect();
    let edited = ids.iter().next_back().unwrap().clone();
    let mut pages: Vec<ChangePage> = Vec::new();
    while pages.last().is_none_or(|page| !page.complete) {
        let page = org
            .adapter
            .read_changes(&scan(&schema, pages.last()))
            .await
            .unwrap();
        pages.push(page);
        if pages.len() == 8 {
            let later = NOW + SignedDuration::try_from(org.clock.monotonic()).unwrap();
            let edit = Fields::from_iter([("Subject".to_owned(), json!("edited"))]);
            org.edit(|model| {
                model
                    .edit_as_person("Case", edited.as_str(), &edit, later, "Anna")
                    .unwrap();
            });
        }
        org.clock.sleep(Duration::from_secs(6)).await;
        assert!(pages.len() < 100, "a scan that does not end");
    }
    assert_eq!(org.calls("salesforce.bulk.query.create"), 1);
    assert_eq!(org.calls("salesforce.bulk.query.results"), 1);
    assert!(
        org.calls("salesforce.query") < 10,
        "{}",
        org.calls("salesforce.query")
    );
    let rows: Vec<_> = pages.iter().flat_map(|page| &page.records).collect();
    let seen: BTreeSet<RecordId> = rows.iter().map(|record| record.id.clone()).collect();
    assert_eq!(seen, ids);
    assert_eq!(rows.len(), 401, "each once, and the edited one again");
    let last = rows.last().unwrap();
    assert_eq!(last.id, edited);
    assert_eq!(last.value(&field("Subject")), Some(&Value::text("edited")));
    for name in ["Effort__c", "Due__c", "Seen__c", "Urgent__c", "Tags__c"] {
        let values: BTreeSet<String> = rows
            .iter()
            .map(|record| record.value(&field(name)).unwrap().plain())
            .collect();
        assert_eq!(
            values.len(),
            1,
            "{name}: by a page and by a job alike: {values:?}"
        );
    }
}

#[tokio::test]
async fn many_records_are_made_by_one_job_and_each_has_its_own_outcome() {
    let org = org().await;
    let schema = ticket(&org).await;
    let mut items: Vec<CreateItem> = (0..300).map(new_ticket).collect();
    org.adapter.create(&schema, &items[7..8]).await.unwrap();
    items[11]
        .fields
        .insert(field("Short__c"), Value::text("much too long for it"));
    let before = org.calls("salesforce");
    let outcomes = org.adapter.create(&schema, &items).await.unwrap();
    assert!(org.calls("salesforce") - before <= 10);
    assert_eq!(org.calls("salesforce.bulk.ingest.create"), 1);
    assert_eq!(outcomes.len(), 300);
    let made = tickets(&org);
    assert_eq!(made.len(), 299);
    for (number, outcome) in (0..300).zip(&outcomes) {
        let stands = made
            .iter()
            .find(|record| record["Stamp__c"] == json!(stamp(number)));
        match (number, outcome) {
            (7, WriteOutcome::Exists { id: Some(id) }) => {
                assert_eq!(stands.unwrap()["Id"], json!(id.as_str()));
            }
            (11, WriteOutcome::Rejected(refused)) => {
                assert_eq!(refused.problem.reason.as_str(), "TextTooLong");
                assert!(stands.is_none());
            }
            (_, WriteOutcome::Applied { id, .. }) => {
                let stands = stands.unwrap();
                assert_eq!(stands["Id"], json!(id.as_str()));
                assert_eq!(stands["Subject__c"], json!(format!("a, \"b\"\nticket {number}")));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_job_that_does_not_end_is_stopped_and_its_rest_is_made_once() {
    let org = org().await;
    let schema = ticket(&org).await;
    org.edit(|model| model.settings.bulk.stuck_after_rows = Some(100));
    let items: Vec<CreateItem> = (0..250).map(new_ticket).collect();
    let outcomes = org.adapter.create(&schema, &items).await.unwrap();
    let made = tickets(&org).len();
    assert!(made < 250);
    let mut unknown = Vec::new();
    for (item, outcome) in items.iter().zip(&outcomes) {
        match outcome {
            WriteOutcome::Applied { .. } => {}
            WriteOutcome::Unknown { .. } => unknown.push(item.clone()),
            other => panic!("guessed: {other:?}"),
        }
    }
    assert!(outcomes.len() - unknown.len() <= made);
    org.edit(|model| model.settings.bulk.stuck_after_rows = None);
    org.clock.sleep(Duration::from_hours(1)).await;
    for batch in unknown.chunks(200) {
        for outcome in org.adapter.create(&schema, batch).await.unwrap() {
            assert!(
                matches!(
                    outcome,
                    WriteOutcome::Applied { .. } | WriteOutcome::Exists { id: Some(_) }
                ),
                "{outcome:?}"
            );
        }
    }
    let stamps: BTreeSet<String> = tickets(&org)
        .iter()
        .map(|record| record["Stamp__c"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((stamps.len(), tickets(&org).len()), (250, 250));
}

#[tokio::test]
async fn a_job_whose_results_are_lost_leaves_every_record_unknown_and_none_is_made_twice() {
    let org = org().await;
    let schema = ticket(&org).await;
    org.edit(|model| model.settings.bulk.results_lost = true);
    let items: Vec<CreateItem> = (0..250).map(new_ticket).collect();
    let outcomes = org.adapter.create(&schema, &items).await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Unknown { .. }))
    );
    assert_eq!(tickets(&org).len(), 250, "it was done all the same");
    let again = org.adapter.create(&schema, &items[..200]).await.unwrap();
    assert!(
        again
            .iter()
            .all(|outcome| matches!(outcome, WriteOutcome::Exists { id: Some(_) }))
    );
    assert_eq!(tickets(&org).len(), 250);
}

#[tokio::test]
async fn what_a_failed_job_did_not_come_to_is_tried_again_and_what_it_did_is_known() {
    let org = org().await;
    let schema = ticket(&org).await;
    org.edit(|model| model.settings.bulk.fails_after_rows = Some(200));
    let items: Vec<CreateItem> = (0..250).map(new_ticket).collect();
    let outcomes = org.adapter.create(&schema, &items).await.unwrap();
    let applied = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, WriteOutcome::Applied { .. }))
        .count();
    let put_off = outcomes
        .iter()
        .filter(|outcome| {
            matches!(outcome, WriteOutcome::Rejected(refused) if refused.problem.reason.as_str() == "ServiceUnavailable")
        })
        .count();
    assert_eq!((applied, applied + put_off), (tickets(&org).len(), 250));
}
