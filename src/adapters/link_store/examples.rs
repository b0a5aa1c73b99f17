//! Links for the tests of this folder.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::core::failure::{Problem, Reason};
use crate::core::fingerprint::{Fingerprint, Fingerprinter};
use crate::core::ident::{FieldKey, RecordId};
use crate::core::link::{
    Flips, IntendedField, Intent, IntentKind, JournalCause, JournalEntry, Link, Phase, Quarantine,
};
use crate::core::record::Version;
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::core::value::Value;
use crate::ports::Entropy;

const NOW: Instant = Instant::from_seconds(1_790_000_000);

/// A settled link between the `number`th records, with bases for so many fields.
pub fn link(number: u64, fields: usize, phase: Phase) -> Link {
    let salesforce = RecordId::parse(Side::Salesforce, &format!("500Hs{number:010}AAA")).unwrap();
    let service_now = RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap();
    let bases = (0..fields)
        .map(|field| {
            let key = key(field);
            let base = PerSide::from_fn(|side| fingerprint(&salesforce, &key, side, "base"));
            (key, base)
        })
        .collect();
    Link {
        ids: PerSide {
            salesforce: Some(salesforce.clone()),
            service_now: Some(service_now),
        },
        phase,
        bases,
        seen: PerSide::from_fn(|side| {
            Some(Version {
                modified: NOW,
                mod_count: if side == Side::ServiceNow { 12 } else { 0 },
            })
        }),
        last_foreign_change: PerSide::from_fn(|_| Some(NOW)),
        in_rules: PerSide::from_fn(|_| true),
        ..Link::begin(Side::Salesforce, &salesforce)
    }
}

/// A link that has every optional part.
pub fn link_with_everything(number: u64, fields: usize) -> Link {
    let mut link = link(number, fields, Phase::Active);
    let origin = link.ids.salesforce.clone().unwrap();
    let fields: BTreeMap<FieldKey, IntendedField> = link
        .bases
        .keys()
        .map(|key| {
            let intended = IntendedField {
                sent: fingerprint(&origin, key, Side::ServiceNow, "sent"),
                before: (key != &self::key(0)).then(|| fingerprint(&origin, key, Side::ServiceNow, "before")),
                from: fingerprint(&origin, key, Side::Salesforce, "from"),
                restated: false,
            };
            (key.clone(), intended)
        })
        .collect();
    link.intents = PerSide {
        salesforce: Some(Intent {
            kind: IntentKind::Create { chosen: None },
            prepared_at: NOW,
            fields: fields.clone(),
        }),
        service_now: Some(Intent {
            kind: IntentKind::Update {
                pre_version: Version {
                    modified: NOW,
                    mod_count: 12,
                },
            },
            prepared_at: NOW,
            fields,
        }),
    };
    link.quarantine = Some(Quarantine {
        problem: Problem::human("RequiredField", "Case.Subject is empty: fill it in"),
        since: NOW,
        attempts: 3,
        retry_at: NOW,
    });
    link.held = BTreeMap::from([(key(0), Reason::new("UnmappedValue"))]);
    link.deferred = true;
    link.flips = Some(Flips {
        last: Side::Salesforce,
        at: NOW,
        count: 2,
        stops: 1,
    });
    link
}

/// A value that was overwritten in ServiceNow.
pub fn journal_entry(number: u64, lost: &str) -> JournalEntry {
    let link = link(number, 1, Phase::Active);
    JournalEntry {
        link: link.id,
        field: key(0),
        overwritten: Side::ServiceNow,
        ids: link.ids,
        at: NOW,
        cause: JournalCause::Conflict,
        lost: lost.to_owned(),
        kept: "the kept value".to_owned(),
    }
}

/// Never the same bytes twice in a row.
#[derive(Default)]
pub struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        if let Some(first) = buffer.first_mut() {
            *first = self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn key(field: usize) -> FieldKey {
    FieldKey::of(
        &format!("Field_{field}__c").parse().unwrap(),
        &format!("u_field_{field}").parse().unwrap(),
    )
}

fn fingerprint(origin: &RecordId, key: &FieldKey, side: Side, value: &str) -> Fingerprint {
    Fingerprinter::new(&[7; 32]).of(origin.as_str(), key, side, &Value::Text(value.to_owned()))
}
