//! What no source settles about the service: whichever way it is, a record is made, changed, read and deleted, and what
//! is not there or locked is told in the same way.

use syncflow::core::failure::FailureClass;
use syncflow::core::time::Instant;
use syncflow::ports::{Rejection, WriteOutcome};
use syncflow_simulators::salesforce::{ItemErrorKey, RowLock, Settings};

use super::*;

type Switch = (&'static str, fn(&mut Settings));

const SWITCHES: [Switch; 5] = [
    ("as recalled", |_| {}),
    ("a locked row is 500", |settings| settings.row_lock_status = 500),
    ("a deleted record is 400", |settings| {
        settings.deleted_record_status = 400;
    }),
    ("an item tells its code as errorCode", |settings| {
        settings.item_error_key = ItemErrorKey::ErrorCode;
    }),
    ("a missing record is a missing reference", |settings| {
        "INVALID_CROSS_REFERENCE_KEY".clone_into(&mut settings.missing_record_code);
    }),
];

fn rejection<'a>(outcome: &'a WriteOutcome, switch: &str) -> &'a Rejection {
    match outcome {
        WriteOutcome::Rejected(rejection) => rejection,
        other => panic!("{switch}: not rejected: {other:?}"),
    }
}

/// The change, and the same one only where nobody changed the record since.
fn both_ways(id: &RecordId, to: &str) -> [UpdateItem; 2] {
    let plain = change(id, "Subject", Value::text(to));
    let guarded = UpdateItem {
        unmodified_since: Some(Instant::from_seconds(NOW.as_second() + 60)),
        ..plain.clone()
    };
    [plain, guarded]
}

async fn update(org: &Org, schema: &ObjectSchema, item: UpdateItem) -> WriteOutcome {
    org.adapter.update(schema, &[item]).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_record_lives_its_life_whichever_way_the_unsettled_facts_are() {
    for (switch, set) in SWITCHES {
        let org = Org::start().await;
        org.edit(|org| set(&mut org.settings));
        let schema = org.schema().await;
        let made = org.adapter.create(&schema, &[new_case(1)]).await.unwrap();
        let WriteOutcome::Applied { id, .. } = &made[0] else {
            panic!("{switch}: {made:?}");
        };
        let again = org.adapter.create(&schema, &[new_case(1)]).await.unwrap();
        assert!(
            matches!(&again[0], WriteOutcome::Exists { id: Some(first) } if first == id),
            "{switch}: {again:?}"
        );
        for item in both_ways(id, "new") {
            org.edit(|org| {
                org.lock_row(RowLock {
                    id: Some(id.as_str().to_owned()),
                    times: 1,
                    during: None,
                });
            });
            let locked = update(&org, &schema, item.clone()).await;
            let locked = rejection(&locked, switch);
            assert_eq!(locked.problem.reason.as_str(), "RowLocked", "{switch}");
            assert_eq!(locked.problem.class, FailureClass::Transient, "{switch}");
            assert!(!locked.gone, "{switch}");
            let changed = update(&org, &schema, item).await;
            assert!(
                matches!(&changed, WriteOutcome::Applied { id: done, .. } if done == id),
                "{switch}: {changed:?}"
            );
        }
        let wanted = fields(&["Subject"]);
        let look = async || {
            org.adapter
                .read_ids(&schema, std::slice::from_ref(id), &wanted)
                .await
                .unwrap()
        };
        let seen = look().await;
        assert_eq!(
            seen[id].present().unwrap().value(&wanted[0]),
            Some(&Value::text("new")),
            "{switch}"
        );
        let deleted = org
            .adapter
            .delete(&schema, std::slice::from_ref(id))
            .await
            .unwrap();
        assert!(
            matches!(&deleted[0], WriteOutcome::Applied { .. }),
            "{switch}: {deleted:?}"
        );
        assert!(look().await[id].present().is_none(), "{switch}");
        let absent = RecordId::parse(Side::Salesforce, "500000000000zzz").unwrap();
        for nowhere in [id, &absent] {
            for item in both_ways(nowhere, "newer") {
                let outcome = update(&org, &schema, item).await;
                assert!(rejection(&outcome, switch).gone, "{switch}: {outcome:?}");
            }
            let outcomes = org
                .adapter
                .delete(&schema, std::slice::from_ref(nowhere))
                .await
                .unwrap();
            assert!(rejection(&outcomes[0], switch).gone, "{switch}: {outcomes:?}");
        }
    }
}
