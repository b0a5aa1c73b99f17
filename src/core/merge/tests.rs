use proptest::prelude::*;

use super::*;
use crate::core::definition::{TruncatePolicy, ValuePair};
use crate::core::ident::FieldKey;
use crate::core::schema::FieldKind;

fn pair(direction: FieldDirection, conflict: ConflictPolicy, drift: DriftPolicy) -> FieldPair {
    let fields = PerSide {
        salesforce: "A__c".parse().unwrap(),
        service_now: "b".parse().unwrap(),
    };
    FieldPair {
        key: FieldKey::of(&fields.salesforce, &fields.service_now),
        fields,
        kinds: PerSide::from_fn(|_| FieldKind::Text { max_length: Some(20) }),
        direction,
        values: Vec::new(),
        unmapped: UnmappedPolicy::Hold,
        truncate: TruncatePolicy::Quarantine,
        conflict,
        drift,
    }
}

/// Few values, so that equal ones meet often; among them are spellings of one value.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::text("a")),
        Just(Value::text("a ")),
        Just(Value::text("b")),
        Just(Value::text("line\r\nline")),
        Just(Value::text("line\nline")),
        Just(Value::text("longer than the twenty characters that fit")),
    ]
}

fn direction() -> impl Strategy<Value = FieldDirection> {
    prop_oneof![
        Just(FieldDirection::TwoWay),
        Just(FieldDirection::ToSalesforce),
        Just(FieldDirection::ToServiceNow)
    ]
}

fn policy() -> impl Strategy<Value = ConflictPolicy> {
    prop_oneof![
        Just(ConflictPolicy::MostRecent),
        Just(ConflictPolicy::PreferSalesforce),
        Just(ConflictPolicy::PreferServiceNow),
        Just(ConflictPolicy::Manual)
    ]
}

fn drift() -> impl Strategy<Value = DriftPolicy> {
    prop_oneof![Just(DriftPolicy::Revert), Just(DriftPolicy::Ignore)]
}

fn base() -> impl Strategy<Value = Option<PerSide<Value>>> {
    proptest::option::of((value(), value()).prop_map(|(salesforce, service_now)| PerSide {
        salesforce,
        service_now,
    }))
}

fn foreign(salesforce: i64, service_now: i64) -> ForeignChanges {
    PerSide {
        salesforce: Some(Instant::from_seconds(salesforce)),
        service_now: Some(Instant::from_seconds(service_now)),
    }
}

/// The decision on what both sides hold, against a base.
fn decided(
    pair: &FieldPair,
    current: &PerSide<Value>,
    base: Option<&PerSide<Value>>,
    foreign: ForeignChanges,
) -> Decision {
    let changed = base.map(|base| PerSide::from_fn(|side| !base[side].same_as(&current[side])));
    let state = FieldState {
        current: current.as_ref().map(|_, value| Some(value)),
        changed,
        tolerated: false,
        dispute: None,
    };
    decide(pair, &state, foreign)
}

fn mirrored<T>(pair: PerSide<T>) -> PerSide<T> {
    PerSide {
        salesforce: pair.service_now,
        service_now: pair.salesforce,
    }
}

proptest! {
    /// A decision, once carried out, leaves nothing to decide: an echo cannot loop.
    #[test]
    fn deciding_again_after_acting_keeps_everything(
        salesforce in value(), service_now in value(), base in base(),
        direction in direction(), policy in policy(), drift in drift(), when in 0_i64..20,
    ) {
        let pair = pair(direction, policy, drift);
        let mut current = PerSide { salesforce, service_now };
        let foreign = foreign(10, when);
        match decided(&pair, &current, base.as_ref(), foreign) {
            Decision::Write { side, value, .. } => current[side] = value,
            Decision::Adopt | Decision::Tolerate => {}
            // Nothing was done, so the same is decided as long as nothing changes.
            decision @ (Decision::Keep | Decision::Hold(_) | Decision::Quarantine(_) | Decision::Dispute) => {
                prop_assert_eq!(decided(&pair, &current, base.as_ref(), foreign), decision);
                return Ok(());
            }
        }
        prop_assert_eq!(decided(&pair, &current, Some(&current.clone()), foreign), Decision::Keep);
    }

    /// Equal values are never written, whatever changed.
    #[test]
    fn values_that_mean_the_same_are_never_written(
        value in value(), base in base(), direction in direction(), policy in policy(), drift in drift(),
    ) {
        let pair = pair(direction, policy, drift);
        let current = PerSide { salesforce: value.clone(), service_now: value };
        let decision = decided(&pair, &current, base.as_ref(), PerSide::default());
        prop_assert!(matches!(decision, Decision::Adopt | Decision::Keep), "{decision:?}");
    }

    /// Which side is called which changes nothing but the names, as long as there is no tie.
    #[test]
    fn a_two_way_decision_commutes_in_its_sides(
        salesforce in value(), service_now in value(), base in base(), earlier in 0_i64..100, gap in 3_i64..50,
    ) {
        let pair = pair(FieldDirection::TwoWay, ConflictPolicy::MostRecent, DriftPolicy::Revert);
        let current = PerSide { salesforce, service_now };
        let foreign = foreign(earlier, earlier + gap);
        let one = decided(&pair, &current, base.as_ref(), foreign);
        let other = decided(&pair, &mirrored(current), base.map(mirrored).as_ref(), mirrored(foreign));
        let renamed = match other {
            Decision::Write { side, value, journal, conflict } => {
                Decision::Write { side: side.other(), value, journal, conflict }
            }
            same => same,
        };
        prop_assert_eq!(one, renamed);
    }

    /// What somebody else wrote is never overwritten without a trace.
    #[test]
    fn a_changed_value_that_is_overwritten_is_journalled(
        salesforce in value(), service_now in value(), base in base(),
        direction in direction(), policy in policy(), drift in drift(), when in 0_i64..20,
    ) {
        let pair = pair(direction, policy, drift);
        let current = PerSide { salesforce, service_now };
        let foreign = foreign(10, when);
        if let Decision::Write { side, journal, .. } = decided(&pair, &current, base.as_ref(), foreign) {
            let somebodys = base.is_none_or(|base| !base[side].same_as(&current[side]));
            prop_assert!(journal.is_some() || !somebodys || current[side].is_null());
        }
    }

    /// A one-way pair writes one side only.
    #[test]
    fn a_one_way_field_is_never_written_at_its_source(
        salesforce in value(), service_now in value(), base in base(), policy in policy(), drift in drift(),
    ) {
        let pair = pair(FieldDirection::ToServiceNow, policy, drift);
        let current = PerSide { salesforce, service_now };
        if let Decision::Write { side, .. } = decided(&pair, &current, base.as_ref(), PerSide::default()) {
            prop_assert_eq!(side, Side::ServiceNow);
        }
    }
}

#[test]
fn an_unseen_field_is_not_an_empty_one() {
    let pair = pair(
        FieldDirection::TwoWay,
        ConflictPolicy::MostRecent,
        DriftPolicy::Revert,
    );
    let value = Value::text("a");
    for current in [
        PerSide {
            salesforce: None,
            service_now: Some(&value),
        },
        PerSide {
            salesforce: Some(&value),
            service_now: None,
        },
    ] {
        for changed in [
            None,
            Some(PerSide {
                salesforce: true,
                service_now: true,
            }),
        ] {
            let state = FieldState {
                current,
                changed,
                tolerated: false,
                dispute: None,
            };
            assert_eq!(decide(&pair, &state, PerSide::default()), Decision::Keep);
        }
    }
}

#[test]
fn what_was_tolerated_is_journalled_when_the_source_overwrites_it() {
    let pair = pair(
        FieldDirection::ToServiceNow,
        ConflictPolicy::MostRecent,
        DriftPolicy::Ignore,
    );
    let (source, target) = (Value::text("b"), Value::text("a"));
    let state = FieldState {
        current: PerSide {
            salesforce: Some(&source),
            service_now: Some(&target),
        },
        changed: Some(PerSide {
            salesforce: true,
            service_now: false,
        }),
        tolerated: true,
        dispute: None,
    };
    let decision = decide(&pair, &state, PerSide::default());
    assert!(
        matches!(
            decision,
            Decision::Write {
                journal: Some(JournalCause::Drift),
                ..
            }
        ),
        "{decision:?}"
    );
}

#[test]
fn any_two_values_of_one_row_are_equal_and_the_first_row_gives_the_value() {
    let mut pair = pair(
        FieldDirection::TwoWay,
        ConflictPolicy::MostRecent,
        DriftPolicy::Revert,
    );
    pair.values = [
        ("Web", "virtual_agent"),
        ("Web", "self-service"),
        ("Phone", "phone"),
    ]
    .map(|(salesforce, service_now)| ValuePair {
        values: PerSide {
            salesforce: salesforce.into(),
            service_now: service_now.into(),
        },
    })
    .to_vec();
    let web = Value::text("Web");
    for spelled in ["virtual_agent", "self-service"] {
        let there = Value::text(spelled);
        assert!(pair.equal(PerSide {
            salesforce: &web,
            service_now: &there
        }));
        assert_eq!(pair.translate(Side::Salesforce, &there), Ok(web.clone()));
    }
    assert_eq!(
        pair.translate(Side::ServiceNow, &web),
        Ok(Value::text("virtual_agent"))
    );
    assert!(!pair.equal(PerSide {
        salesforce: &web,
        service_now: &Value::text("phone")
    }));
}

/// Both sides changed to something else, under `Manual`.
fn manual(dispute: Option<OpenDispute>) -> Decision {
    let pair = pair(
        FieldDirection::TwoWay,
        ConflictPolicy::Manual,
        DriftPolicy::Revert,
    );
    let (salesforce, service_now) = (Value::text("a"), Value::text("b"));
    let state = FieldState {
        current: PerSide {
            salesforce: Some(&salesforce),
            service_now: Some(&service_now),
        },
        changed: Some(PerSide {
            salesforce: true,
            service_now: true,
        }),
        tolerated: false,
        dispute,
    };
    decide(&pair, &state, foreign(10, 20))
}

#[test]
fn under_manual_a_conflict_is_nobodys_to_decide_but_a_persons() {
    let moved = |salesforce, service_now| PerSide {
        salesforce,
        service_now,
    };
    let open = |moved, pick| Some(OpenDispute { moved, pick });
    for undecided in [
        None,
        open(moved(false, false), None),
        open(moved(true, true), None),
    ] {
        assert_eq!(manual(undecided), Decision::Dispute, "{undecided:?}");
    }
    let loser = |decision: Decision| match decision {
        Decision::Write {
            side,
            journal: Some(JournalCause::Conflict),
            conflict: true,
            ..
        } => side,
        other => panic!("{other:?}"),
    };
    for side in Side::BOTH {
        let picked = open(moved(false, false), Some(side));
        assert_eq!(loser(manual(picked)), side.other(), "a person picked {side}");
    }
    let edited_again = open(moved(true, false), None);
    assert_eq!(loser(manual(edited_again)), Side::ServiceNow);
}

mod cut_copies {
    use super::*;
    use crate::core::truncate::{CUT_MARKER, cut};

    const LIMIT: u32 = 40;

    /// Salesforce holds forty characters, `ServiceNow` any number.
    fn cutting(conflict: ConflictPolicy) -> FieldPair {
        let mut pair = pair(FieldDirection::TwoWay, conflict, DriftPolicy::Revert);
        pair.truncate = TruncatePolicy::Cut;
        pair.kinds.salesforce = FieldKind::Text {
            max_length: Some(LIMIT),
        };
        pair.kinds.service_now = FieldKind::Text { max_length: None };
        pair
    }

    fn text() -> impl Strategy<Value = String> {
        "[a-d \\n]{1,90}"
    }

    proptest! {
        /// Whatever is remembered, or nothing at all, and whoever is newer: the whole is never overwritten with its cut
        /// copy, nor with anything that ends as one.
        #[test]
        fn a_cut_copy_never_flows_back(
            whole in text(), edited in text(), base in base(), policy in policy(), when in 0_i64..20,
        ) {
            let pair = cutting(policy);
            for copy in [cut(&whole, LIMIT), cut(&edited, LIMIT)] {
                let current = PerSide { salesforce: Value::text(copy), service_now: Value::text(whole.clone()) };
                let decision = decided(&pair, &current, base.as_ref(), foreign(10, when));
                let flows_back = matches!(decision, Decision::Write { side: Side::ServiceNow, .. });
                prop_assert!(!flows_back, "{decision:?}");
            }
        }

        /// With no memory at all, a copy and its whole are known to belong together.
        #[test]
        fn a_whole_and_its_copy_are_equal_and_nothing_is_written(whole in "[a-d]{41,90}", policy in policy()) {
            let pair = cutting(policy);
            let current = PerSide { salesforce: Value::text(cut(&whole, LIMIT)), service_now: Value::text(whole) };
            prop_assert_eq!(decided(&pair, &current, None, foreign(10, 20)), Decision::Adopt);
        }
    }

    #[test]
    fn an_edit_of_a_cut_copy_waits_and_one_without_the_marker_replaces_the_whole() {
        let pair = cutting(ConflictPolicy::MostRecent);
        let whole = Value::text("a".repeat(60));
        let base = PerSide {
            salesforce: Value::text(cut(&"a".repeat(60), LIMIT)),
            service_now: whole.clone(),
        };
        let edit = |text: String| {
            let current = PerSide {
                salesforce: Value::text(text),
                service_now: whole.clone(),
            };
            decided(&pair, &current, Some(&base), foreign(20, 10))
        };
        assert_eq!(
            edit(format!("edited {CUT_MARKER}")),
            Decision::Hold(Untranslatable::CutCopy)
        );
        assert!(matches!(
            edit("edited".to_owned()),
            Decision::Write {
                side: Side::ServiceNow,
                ..
            }
        ));
    }
}
