use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::core::definition::{
    ConflictPolicy, Direction, DriftPolicy, ExitPolicy, FieldDirection, Guards, History, Matching,
    TruncatePolicy, UnmappedPolicy,
};
use crate::core::fingerprint::Fingerprinter;
use crate::core::flow::{FieldPair, FlowSide};
use crate::core::link::DefinitionHashes;
use crate::core::record::{DeletionProof, FieldContent, Version};
use crate::core::schema::FieldKind;
use crate::core::time::Instant;

const INCIDENT: &str = "6816f79cc0a8016401c5a33be04be441";

pub(in crate::core) fn flow(direction: Direction, on_delete: OnDelete) -> Flow {
    let side = |object: &str| FlowSide {
        object: object.parse().unwrap(),
        stamp_field: None,
        rules: Vec::new(),
        on_create: BTreeMap::new(),
        read_fields: BTreeSet::new(),
        kinds: BTreeMap::new(),
    };
    let fields = PerSide {
        salesforce: "Subject".parse().unwrap(),
        service_now: "short_description".parse().unwrap(),
    };
    Flow {
        direction,
        sides: PerSide {
            salesforce: side("Case"),
            service_now: side("incident"),
        },
        fields: vec![FieldPair {
            key: FieldKey::of(&fields.salesforce, &fields.service_now),
            fields,
            kinds: PerSide::from_fn(|_| FieldKind::Text { max_length: None }),
            direction: FieldDirection::TwoWay,
            values: Vec::new(),
            unmapped: UnmappedPolicy::Hold,
            truncate: TruncatePolicy::Quarantine,
            conflict: ConflictPolicy::MostRecent,
            drift: DriftPolicy::Revert,
        }],
        history: History::All,
        on_exit: ExitPolicy::PropagateThenUnlink,
        on_delete,
        guards: Guards::default(),
        guarded_writes: false,
        matching: Matching::CreateOnly,
        interval: Duration::from_mins(1),
        hashes: DefinitionHashes::default(),
    }
}

pub(in crate::core) fn incident(fields: &[(&str, &str)]) -> Record {
    Record {
        id: RecordId::parse(Side::ServiceNow, INCIDENT).unwrap(),
        version: Version {
            modified: Instant::from_seconds(10),
            mod_count: 1,
        },
        changed_at: Instant::from_seconds(10),
        created_at: Instant::from_seconds(1),
        fields: fields
            .iter()
            .map(|(field, value)| (field.parse().unwrap(), FieldContent::Value(Value::text(*value))))
            .collect(),
    }
}

struct Stage {
    flow: Flow,
    prints: Fingerprinter,
    link: Link,
    departure: Departure,
}

/// A pair that agrees on `agreed`, and whose case is gone.
fn stage(flow: Flow, agreed: Option<&str>) -> Stage {
    let prints = Fingerprinter::new(&[1; 32]);
    let case = RecordId::parse(Side::Salesforce, "500000000000001AAA").unwrap();
    let mut link = Link::begin(Side::Salesforce, &case);
    link.ids.service_now = Some(RecordId::parse(Side::ServiceNow, INCIDENT).unwrap());
    link.phase = Phase::Active;
    if let Some(agreed) = agreed {
        let pair = &flow.fields[0];
        let base = PerSide::from_fn(|side| print(&prints, &link, pair, side, &Value::text(agreed)));
        link.bases.insert(pair.key.clone(), base);
    }
    Stage {
        flow,
        prints,
        link,
        departure: Departure {
            side: Side::Salesforce,
            proof: DeletionProof::SoftDeleted,
            at: Instant::EPOCH,
            approved: false,
        },
    }
}

impl Stage {
    fn end(&self, counterpart: &Record) -> Ending {
        let context = PlanContext {
            flow: &self.flow,
            fingerprints: &self.prints,
            now: Instant::from_seconds(100),
            clock_offsets: PerSide::default(),
            flip_limit: 8,
        };
        end(&context, &self.link, &self.departure, counterpart)
    }
}

#[test]
fn a_counterpart_as_it_was_agreed_is_deleted_with_an_intent_and_a_snapshot() {
    let stage = stage(
        flow(Direction::TwoWay, OnDelete::DeleteCounterpart),
        Some("agreed"),
    );
    let Ending::Delete(link, id, journal) = stage.end(&incident(&[("short_description", "agreed")])) else {
        panic!("not deleted");
    };
    assert_eq!(id.as_str(), INCIDENT);
    let intent = link.intents.service_now.unwrap();
    assert!(matches!(intent.kind, IntentKind::Delete { pre_version } if pre_version.mod_count == 1));
    assert_eq!(journal[0].lost, r#"{"short_description":"agreed"}"#);
    assert_eq!(journal[0].cause, JournalCause::Deletion);
}

#[test]
fn a_counterpart_that_holds_anything_not_agreed_on_is_not_deleted() {
    let deleting = || flow(Direction::TwoWay, OnDelete::DeleteCounterpart);
    let edited = stage(deleting(), Some("agreed"));
    let hidden = edited.end(&incident(&[]));
    let edited = edited.end(&incident(&[("short_description", "an edit")]));
    let never_agreed = stage(deleting(), None).end(&incident(&[("short_description", "text")]));
    for ending in [edited, hidden, never_agreed] {
        let Ending::Edited(problem) = ending else {
            panic!("{ending:?}");
        };
        assert_eq!(problem.reason.as_str(), COUNTERPART_EDITED);
        assert!(problem.message.contains("short_description") && !problem.message.contains("an edit"));
    }
    let empty = stage(deleting(), None).end(&incident(&[("short_description", "")]));
    assert!(
        matches!(empty, Ending::Delete(..)),
        "an empty field cannot hold an edit"
    );
}

#[test]
fn a_deletion_travels_only_from_an_originating_side_and_only_from_a_pair_in_sync() {
    let record = incident(&[("short_description", "agreed")]);
    let one_way = stage(
        flow(Direction::ServiceNowToSalesforce, OnDelete::DeleteCounterpart),
        Some("agreed"),
    );
    assert!(matches!(one_way.end(&record), Ending::Bury));
    for phase in [Phase::Dormant, Phase::Pending] {
        let mut asleep = stage(
            flow(Direction::TwoWay, OnDelete::DeleteCounterpart),
            Some("agreed"),
        );
        asleep.link.phase = phase;
        assert!(matches!(asleep.end(&record), Ending::Bury), "{phase:?}");
    }
    let unlink = stage(flow(Direction::TwoWay, OnDelete::Unlink), Some("agreed"));
    assert!(matches!(unlink.end(&record), Ending::Bury));
}

#[test]
fn a_mark_is_written_once_and_what_it_overwrites_is_kept() {
    let marks = OnDelete::Mark(PerSide {
        salesforce: None,
        service_now: Some(("close_notes".parse().unwrap(), Value::text("gone"))),
    });
    let stage = stage(flow(Direction::TwoWay, marks), Some("agreed"));
    let Ending::Mark(_, write, journal) = stage.end(&incident(&[("close_notes", "before")])) else {
        panic!("not marked");
    };
    assert_eq!(write.fields.len(), 1);
    assert_eq!(journal[0].lost, r#"{"close_notes":"before"}"#);
    let Ending::Mark(_, _, journal) = stage.end(&incident(&[("close_notes", "")])) else {
        panic!("not marked");
    };
    assert!(journal.is_empty(), "an empty field loses nothing");
    let marked = incident(&[("close_notes", "gone ")]);
    assert!(matches!(stage.end(&marked), Ending::Bury));
    assert!(is_marked(&stage.flow, Side::ServiceNow, &marked));
}
