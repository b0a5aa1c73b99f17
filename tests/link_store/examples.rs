//! Links, headers and journal entries that promises are checked with.

use std::ops::Range;

use syncflow::core::fingerprint::Fingerprinter;
use syncflow::core::ident::{FieldKey, RecordId};
use syncflow::core::link::{Header, JournalCause, JournalEntry, Link, Phase};
use syncflow::core::side::{PerSide, Side};
use syncflow::core::time::Instant;
use syncflow::core::value::Value;
use syncflow::ports::StoreChange;

use crate::bench::key;

/// What every field of every record holds.
pub const CANARY: &str = "canary-7f3a: what a customer wrote";

/// The link of the `number`th pair of records, with so many fields in agreement.
pub fn link(number: u64, fields: usize, phase: Phase) -> Link {
    let salesforce = RecordId::parse(Side::Salesforce, &format!("500Hs{number:010}AAA")).unwrap();
    let service_now = RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap();
    let fingerprinter = Fingerprinter::new(key().bytes());
    let canary = Value::Text(CANARY.to_owned());
    let bases = (0..fields).map(|field| {
        let field = field_key(field);
        let base = PerSide::from_fn(|side| fingerprinter.of(salesforce.as_str(), &field, side, &canary));
        (field, base)
    });
    let mut link = Link::begin(Side::Salesforce, &salesforce);
    link.phase = phase;
    link.bases = bases.collect();
    link.ids.service_now = Some(service_now);
    link
}

/// A change of the links with these numbers, and a header that has counted so many conflicts.
pub fn change(numbers: Range<u64>, phase: Phase, conflicts: u64) -> StoreChange {
    StoreChange {
        links: numbers.map(|number| link(number, 2, phase)).collect(),
        journal: Vec::new(),
        header: Some(header(conflicts)),
    }
}

/// A header that has counted so many conflicts.
pub fn header(conflicts: u64) -> Header {
    Header {
        key_id: Fingerprinter::new(key().bytes()).key_id(),
        conflicts,
        ..Header::default()
    }
}

/// A value of the `number`th record that was overwritten.
pub fn overwritten(number: u64, lost: &str) -> JournalEntry {
    let link = link(number, 0, Phase::Active);
    JournalEntry {
        link: link.id,
        field: field_key(0),
        overwritten: Side::ServiceNow,
        ids: link.ids,
        at: Instant::from_seconds(1_790_000_000),
        cause: JournalCause::Conflict,
        lost: lost.to_owned(),
        kept: CANARY.to_owned(),
    }
}

fn field_key(field: usize) -> FieldKey {
    FieldKey::of(
        &format!("Field_{field}__c").parse().unwrap(),
        &format!("u_field_{field}").parse().unwrap(),
    )
}
