//! Creating and updating: one outcome an item.

use std::collections::BTreeSet;

use syncflow::core::failure::FailureClass;
use syncflow::core::time::Instant;
use syncflow::ports::WriteOutcome;
use syncflow_simulators::salesforce::{FieldAccess, INTEGRATION_USER, RowLock, ValidationRule};

use super::*;

fn applied(outcome: &WriteOutcome) -> &RecordId {
    match outcome {
        WriteOutcome::Applied { id, .. } => id,
        other => panic!("not applied: {other:?}"),
    }
}

fn rejected(outcome: &WriteOutcome) -> &Problem {
    match outcome {
        WriteOutcome::Rejected(rejection) => &rejection.problem,
        other => panic!("not rejected: {other:?}"),
    }
}

fn with(number: u32, name: &str, value: Value) -> CreateItem {
    let mut item = new_case(number);
    item.fields.insert(field(name), value);
    item
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_was_sent() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let values = BTreeMap::from([
        (field("Subject"), Value::text("O'Hara \"x\" \\ ☃")),
        (field("Description"), Value::text("two\nlines")),
        (
            field("Effort__c"),
            Value::Number("1234567890.25".parse().unwrap()),
        ),
        (field("Due__c"), Value::Date("2026-02-28".parse().unwrap())),
        (
            field("Seen__c"),
            Value::DateTime(Instant::from_seconds(1_721_642_400)),
        ),
        (field("Urgent__c"), Value::Boolean(true)),
        (
            field("Tags__c"),
            Value::choices(["red".to_owned(), "blue".to_owned()]),
        ),
        (field("Tier__c"), Value::text("Gold")),
    ]);
    let mut item = new_case(1);
    item.fields.clone_from(&values);
    let outcomes = org.adapter.create(&schema, &[item]).await.unwrap();
    let id = applied(&outcomes[0]).clone();
    let names: Vec<FieldName> = values.keys().cloned().collect();
    let seen = org
        .adapter
        .read_ids(&schema, std::slice::from_ref(&id), &names)
        .await
        .unwrap();
    let record = seen[&id].present().unwrap();
    for (name, value) in &values {
        assert_eq!(record.value(name), Some(value), "{name}");
    }
    assert_eq!(org.stored(&id, "Stamp__c"), json!(stamp(1)));

    let cleared: BTreeMap<FieldName, Value> = names
        .iter()
        .filter(|name| name.as_str() != "Urgent__c")
        .map(|name| (name.clone(), Value::Null))
        .collect();
    let update = UpdateItem {
        id: id.clone(),
        fields: cleared.clone(),
        unmodified_since: None,
    };
    let outcomes = org.adapter.update(&schema, &[update]).await.unwrap();
    assert_eq!(applied(&outcomes[0]), &id);
    let seen = org
        .adapter
        .read_ids(&schema, std::slice::from_ref(&id), &names)
        .await
        .unwrap();
    let record = seen[&id].present().unwrap();
    assert!(
        cleared
            .keys()
            .all(|name| record.value(name) == Some(&Value::Null))
    );
}

#[tokio::test]
async fn each_item_of_a_batch_stands_or_falls_alone_with_its_reason_and_without_its_values() {
    let org = Org::start().await;
    org.edit(|org| {
        org.add_validation_rule(ValidationRule {
            object: "Case".to_owned(),
            when: "Priority = 'High'".to_owned(),
            message: "Call Jane Roe first".to_owned(),
            field: Some("Priority".to_owned()),
        })
        .unwrap();
        let required = Field {
            nillable: false,
            ..Field::new("Needed__c", FieldType::String)
        };
        org.add_custom_field("Case", required).unwrap();
    });
    let schema = org.schema().await;
    assert!(schema.fields[&field("Needed__c")].required_on_create);
    org.edit(|org| {
        org.set_field_access(INTEGRATION_USER, "Case", "Comments", FieldAccess::ReadOnly)
            .unwrap();
    });
    let needed = |number, name: &str, value: &str| {
        let mut item = with(number, name, Value::text(value));
        item.fields.insert(field("Needed__c"), Value::text("here"));
        item
    };
    let items = [
        needed(1, "Subject", "good"),
        new_case(2),
        needed(3, "Short__c", "Jane Roe, 12 Elm Street"),
        needed(4, "Tier__c", "Jane"),
        needed(5, "Priority", "High"),
        needed(6, "Comments", "Jane"),
        needed(7, "Subject", "also good"),
    ];
    let outcomes = org.adapter.create(&schema, &items).await.unwrap();
    applied(&outcomes[0]);
    applied(&outcomes[6]);
    for (index, reason, named) in [
        (1, "RequiredFieldMissing", "Needed__c"),
        (2, "TextTooLong", "Short__c"),
        (3, "ChoiceNotOffered", "Tier__c"),
        (4, "ValidationRule", "Priority"),
        (5, "FieldNotWritable", "Comments"),
    ] {
        let problem = rejected(&outcomes[index]);
        assert_eq!(problem.reason.as_str(), reason);
        assert_eq!(problem.class, FailureClass::HumanNeeded);
        assert!(problem.message.contains(named), "{}", problem.message);
        assert!(!problem.message.contains("Jane"), "{}", problem.message);
    }
    assert_eq!(org.count(), 2);
}

#[tokio::test]
async fn a_stamp_that_is_there_already_leads_to_the_record_that_has_it() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let first = org.adapter.create(&schema, &[new_case(1)]).await.unwrap();
    let again = org
        .adapter
        .create(&schema, &[new_case(1), new_case(2)])
        .await
        .unwrap();
    let WriteOutcome::Exists { id } = &again[0] else {
        panic!("made twice");
    };
    assert_eq!(id.as_ref(), Some(applied(&first[0])));
    applied(&again[1]);
    assert_eq!(org.count(), 2);
}

#[tokio::test]
async fn a_locked_row_passes_and_the_next_attempt_succeeds() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let id = org.seed(json!({"Subject": "a"}), 60);
    org.edit(|org| {
        org.lock_row(RowLock {
            id: Some(id.as_str().to_owned()),
            times: 1,
            during: None,
        });
    });
    let update = [change(&id, "Subject", Value::text("b"))];
    let outcomes = org.adapter.update(&schema, &update).await.unwrap();
    assert_eq!(rejected(&outcomes[0]).class, FailureClass::Transient);
    let outcomes = org.adapter.update(&schema, &update).await.unwrap();
    assert_eq!(applied(&outcomes[0]), &id);
}

#[tokio::test]
async fn an_update_of_a_deleted_or_absent_case_says_gone() {
    for missing in ["NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY"] {
        let org = Org::start().await;
        org.edit(|org| missing.clone_into(&mut org.settings.missing_record_code));
        let schema = org.schema().await;
        let deleted = org.seed(json!({"Subject": "a"}), 60);
        org.edit(|org| {
            org.delete_as_person("Case", deleted.as_str(), NOW, "Ada")
                .unwrap();
        });
        let absent = RecordId::parse(Side::Salesforce, "500000000000zzz").unwrap();
        let items = [deleted, absent].map(|id| change(&id, "Subject", Value::text("b")));
        for outcome in org.adapter.update(&schema, &items).await.unwrap() {
            let WriteOutcome::Rejected(rejection) = outcome else {
                panic!("written to nothing");
            };
            assert!(rejection.gone, "{}", rejection.problem.message);
        }
    }
}

#[tokio::test]
async fn a_full_batch_goes_in_one_call() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let items: Vec<CreateItem> = (0..200).map(new_case).collect();
    let outcomes = org.adapter.create(&schema, &items).await.unwrap();
    let ids: BTreeSet<&RecordId> = outcomes.iter().map(applied).collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(org.calls("salesforce.collections.create"), 1);
}
