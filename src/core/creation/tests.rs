use super::*;
use crate::core::definition::Direction;
use crate::core::deletion::tests::{flow, incident};
use crate::core::fingerprint::Fingerprinter;
use crate::core::flow::OnDelete;
use crate::core::time::Instant;

/// A creation was sent with one value, and prepared again with `newer` when its answer did not come; then the record of
/// the first attempt arrives. Is the origin's newer value known to be a change?
fn newer_value_is_a_change(newer: &Value, arrived: &str) -> bool {
    let flow = flow(Direction::TwoWay, OnDelete::Unlink);
    let prints = Fingerprinter::new(&[1; 32]);
    let context = PlanContext {
        flow: &flow,
        fingerprints: &prints,
        now: Instant::from_seconds(100),
        clock_offsets: PerSide::default(),
        flip_limit: 8,
    };
    let case = RecordId::parse(Side::Salesforce, "500000000000001AAA").unwrap();
    let mut link = Link::begin(Side::Salesforce, &case);
    let pair = &flow.fields[0];
    let of = |link: &Link, side| print(&prints, link, pair, side, newer);
    let field = IntendedField {
        sent: of(&link, Side::ServiceNow),
        before: None,
        from: of(&link, Side::Salesforce),
        restated: true,
    };
    link.intents[Side::ServiceNow] = Some(Intent {
        kind: IntentKind::Create { chosen: None },
        prepared_at: Instant::from_seconds(90),
        fields: BTreeMap::from([(pair.key.clone(), field)]),
    });
    let record = incident(&[("short_description", arrived)]);
    let shown = Some((&record, Attribution::Found));
    let (next, journal) = complete_creation(&context, &link, &record.id, shown);
    assert_eq!(journal.len(), 1, "what gives way is in the journal");
    next.bases[&pair.key].salesforce != of(&link, Side::Salesforce)
}

#[test]
fn what_the_origin_became_while_its_counterpart_was_underway_is_a_change_also_where_it_is_nothing() {
    assert!(newer_value_is_a_change(&Value::text("newer"), "older"));
    assert!(newer_value_is_a_change(&Value::Null, "older"));
}
