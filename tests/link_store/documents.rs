//! What every store promises that keeps documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syncflow::adapters::link_store::flow_key::SecretKey;
use syncflow::adapters::link_store::journal::Cipher;
use syncflow::core::link::Phase;
use syncflow::ports::{StoreChange, StoreError};

use crate::bench::{DocumentFlow, key};
use crate::examples::{CANARY, change, link, overwritten};

pub async fn no_document_is_larger_than_64_kibibytes(flow: &dyn DocumentFlow) {
    let process = flow.process();
    process.load().await.unwrap();
    // Batches of all sizes, of flows with few and with many fields.
    let mut next = 0;
    for (count, fields) in [(1, 0), (50, 10), (200, 10), (3, 150), (200, 40), (100, 2)] {
        let change = StoreChange {
            links: (next..next + count)
                .map(|number| link(number, fields, Phase::Active))
                .collect(),
            journal: (0..count / 4)
                .map(|number| overwritten(number, &CANARY.repeat(40)))
                .collect(),
            header: None,
        };
        next += count;
        process.commit(change).await.unwrap();
        for (name, body) in flow.documents().await {
            assert!(body.len() <= 64 * 1024, "{name} has {} bytes", body.len());
        }
    }
    assert_eq!(flow.process().load().await.unwrap().links.len(), 554);
}

pub async fn no_value_of_a_record_can_be_read_in_a_document(flow: &dyn DocumentFlow) {
    let process = flow.process();
    process.load().await.unwrap();
    let mut change = change(0..20, Phase::Active, 1);
    change.journal = vec![overwritten(1, CANARY)];
    process.commit(change).await.unwrap();
    let documents = flow.documents().await;
    assert!(documents.len() >= 3);
    for (name, body) in documents {
        // Base64 of a text holds that of its middle, at one of three offsets.
        let mut hidden = vec![CANARY.to_owned()];
        hidden.extend((0..3).map(|offset| STANDARD.encode(&CANARY[offset..offset + 24])));
        for hidden in hidden {
            assert!(!body.contains(&hidden), "{name} holds {hidden:?}");
        }
    }
}

pub async fn what_was_overwritten_can_be_read_with_the_key_only(flow: &dyn DocumentFlow) {
    let process = flow.process();
    process.load().await.unwrap();
    for number in 0..3 {
        let mut change = change(number..number + 1, Phase::Active, number);
        change.journal = vec![overwritten(number, CANARY)];
        process.commit(change).await.unwrap();
    }
    let journal = flow.journal().await;
    let owner = Cipher::new(&key(), &flow.uid());
    let thief = Cipher::new(&SecretKey::new([8; 32]), &flow.uid());
    let elsewhere = Cipher::new(&key(), "another flow");
    assert_eq!(journal.len(), 3);
    for (number, entry) in (0..).zip(&journal) {
        assert_eq!(entry.clear.sequence, number);
        assert!(owner.open(entry).unwrap() == overwritten(number, CANARY));
        assert!(thief.open(entry).is_err() && elsewhere.open(entry).is_err());
    }
}

pub async fn the_journal_is_bounded(flow: &dyn DocumentFlow) {
    let lost = CANARY.repeat(200);
    let mut written = 0;
    for _ in 0..12 {
        let process = flow.process();
        process.load().await.unwrap();
        let change = StoreChange {
            journal: (written..written + 10)
                .map(|number| overwritten(number, &lost))
                .collect(),
            ..StoreChange::default()
        };
        process.commit(change).await.unwrap();
        written += 10;
    }
    let journal = flow.journal().await;
    let numbers: Vec<u64> = journal.iter().map(|entry| entry.clear.sequence).collect();
    let oldest = numbers[0];
    assert!(oldest > 0 && written - oldest >= 40, "{oldest} of {written}");
    assert_eq!(numbers, (oldest..written).collect::<Vec<_>>(), "a gap");
    let parts = flow
        .documents()
        .await
        .into_keys()
        .filter(|name| name.starts_with("journal"));
    assert_eq!(parts.count(), 8);
}

pub async fn a_document_that_cannot_be_read_stops_the_load_and_stays(flow: &dyn DocumentFlow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..5, Phase::Active, 1)).await.unwrap();
    let whole = flow.documents().await;
    for (ending, phase) in [("sync-state", Phase::Dormant), ("links-r", Phase::Tombstone)] {
        for body in ["", "by hand", r#"{"format":99}"#] {
            flow.overwrite(ending, body).await;
            let Err(StoreError::Corrupt { page, why }) = flow.process().load().await else {
                panic!("{ending} with {body:?} was read");
            };
            assert_eq!(page, ending);
            assert!(body != r#"{"format":99}"# || why.contains("format 99"), "{why}");
            // Whoever had loaded it does not write over it either.
            let refused = process.commit(change(0..5, phase, 2)).await;
            assert_eq!(refused, Err(StoreError::Conflict));
            assert_eq!(flow.documents().await[ending], body);
        }
        flow.overwrite(ending, &whole[ending]).await;
        process.load().await.unwrap();
    }
}

pub async fn a_deleted_page_loses_its_own_links_only(flow: &dyn DocumentFlow) {
    let process = flow.process();
    process.load().await.unwrap();
    process.commit(change(0..500, Phase::Active, 1)).await.unwrap();
    let documents = flow.documents().await;
    let (page, body) = documents
        .iter()
        .find(|(name, body)| name.starts_with("links-") && body.contains("leaf"))
        .unwrap();
    let lost = body.matches("\"id\":").count();
    flow.delete(page).await;
    let snapshot = process.load().await.unwrap();
    assert!(lost > 0 && snapshot.header.is_some());
    assert_eq!(snapshot.links.len(), 500 - lost);
    process.commit(change(0..500, Phase::Active, 1)).await.unwrap();
    assert_eq!(flow.documents().await, documents);
}
