//! Describing, and reading pages, ids and matches.

use syncflow::core::record::{DeletionProof, Observation};
use syncflow::core::schema::FieldKind;
use syncflow::core::time::Instant;
use syncflow::ports::{ChangeQuery, RemoteErrorKind};
use syncflow_simulators::salesforce::{FieldAccess, INTEGRATION_USER, ObjectRights};

use super::*;

/// Reads page after page, as the engine does, until one is complete.
async fn all_changes(org: &Org, limit: usize, created_from: Option<Instant>) -> (Vec<RecordId>, usize) {
    let mut query = ChangeQuery {
        schema: org.schema().await,
        fields: fields(&["Subject", "Description"]),
        after: None,
        created_from,
        max_age: std::time::Duration::ZERO,
        limit,
    };
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let page = org.adapter.read_changes(&query).await.unwrap();
        pages += 1;
        if let Some(last) = page.records.last() {
            query.after = Some((last.version.modified, Some(last.id.clone())));
        }
        ids.extend(page.records.into_iter().map(|record| record.id));
        if page.complete {
            return (ids, pages);
        }
    }
}

#[tokio::test]
async fn the_describe_becomes_kinds_and_rights() {
    let org = Org::start().await;
    org.edit(|org| {
        for (name, access) in [
            ("Description", FieldAccess::Hidden),
            ("Priority", FieldAccess::ReadOnly),
        ] {
            org.set_field_access(INTEGRATION_USER, "Case", name, access)
                .unwrap();
        }
    });
    let schema = org.schema().await;
    assert_eq!(schema.object.as_str(), "Case");
    let of = |name: &str| &schema.fields[&field(name)];
    assert!(!schema.fields.contains_key(&field("Description")));
    assert!(!of("Priority").updateable && !of("Priority").createable);
    assert!(of("Subject").updateable);
    assert_eq!(
        of("Subject").kind,
        FieldKind::Text {
            max_length: Some(255)
        }
    );
    assert_eq!(of("Effort__c").kind, FieldKind::Number { scale: Some(2) });
    assert_eq!(of("Due__c").kind, FieldKind::Date);
    assert_eq!(of("Seen__c").kind, FieldKind::DateTime);
    assert_eq!(of("Urgent__c").kind, FieldKind::Boolean);
    assert_eq!(of("AccountId").kind, FieldKind::Reference);
    assert_eq!(of("Tags__c").kind.word(), "multiple choice");
    let FieldKind::Choice(tier) = &of("Tier__c").kind else {
        panic!("not a choice");
    };
    assert!(tier.restricted && tier.values.contains("Gold"));
    let stamp = of("Stamp__c");
    assert!(stamp.unique && stamp.external_id);
    assert_eq!(stamp.kind, FieldKind::Text { max_length: Some(64) });
    assert!(!of("SystemModstamp").updateable);
}

#[tokio::test]
async fn an_object_that_is_not_there_or_not_readable_is_named() {
    let org = Org::start().await;
    let no_read = ObjectRights {
        read: false,
        ..ObjectRights::default()
    };
    org.edit(|org| {
        org.set_object_rights(INTEGRATION_USER, "Account", no_read)
            .unwrap();
    });
    for object in ["Tikcet__c", "Account"] {
        let error = org.adapter.describe(&object.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
        assert_eq!(error.problem.reason.as_str(), "UnknownObject");
        assert!(error.problem.message.contains(object), "{error}");
    }
}

#[tokio::test]
async fn rows_of_one_second_are_each_read_once_over_pages_smaller_than_the_second() {
    let org = Org::start().await;
    let mut seeded: Vec<RecordId> = (0..7)
        .map(|number| org.seed(json!({"Subject": format!("same second {number}")}), 60))
        .collect();
    seeded.push(org.seed(json!({"Subject": "later"}), 59));
    let (read, pages) = all_changes(&org, 3, None).await;
    assert_eq!(read, seeded);
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_service_that_gives_fewer_rows_than_asked_hides_none() {
    let org = Org::start().await;
    org.edit(|org| org.settings.largest_page = 2);
    let seeded: Vec<RecordId> = (0..5)
        .map(|number| org.seed(json!({"Subject": "x"}), 60 - number))
        .collect();
    let (read, _) = all_changes(&org, 2000, None).await;
    assert_eq!(read, seeded);
}

#[tokio::test]
async fn a_page_begins_at_the_creation_date_and_deleted_rows_are_not_on_it() {
    let org = Org::start().await;
    org.seed(json!({"Subject": "old"}), 3600);
    let kept = org.seed(json!({"Subject": "new"}), 60);
    let deleted = org.seed(json!({"Subject": "deleted"}), 60);
    org.edit(|org| {
        org.delete_as_person("Case", deleted.as_str(), NOW, "Ada")
            .unwrap();
    });
    let from = Instant::from_seconds(NOW.as_second() - 60);
    let (read, _) = all_changes(&org, 100, Some(from)).await;
    assert_eq!(read, [kept]);
}

#[tokio::test]
async fn an_edit_moves_a_row_behind_the_key_and_it_is_seen_again() {
    let org = Org::start().await;
    let first = org.seed(json!({"Subject": "a"}), 60);
    let second = org.seed(json!({"Subject": "b"}), 50);
    let mut query = ChangeQuery {
        schema: org.schema().await,
        fields: fields(&["Subject"]),
        after: None,
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit: 1,
    };
    let page = org.adapter.read_changes(&query).await.unwrap();
    assert_eq!(page.records[0].id, first);
    org.edit(|org| {
        let change = json!({"Subject": "c"});
        org.edit_as_person("Case", first.as_str(), change.as_object().unwrap(), NOW, "Ada")
            .unwrap();
    });
    query.after = Some((page.records[0].version.modified, Some(first.clone())));
    query.limit = 10;
    let page = org.adapter.read_changes(&query).await.unwrap();
    let ids: Vec<_> = page.records.iter().map(|record| &record.id).collect();
    assert_eq!(ids, [&second, &first]);
    assert_eq!(page.records[1].changed_at.seconds(), NOW.as_second());
    assert!(page.complete);
}

#[tokio::test]
async fn a_field_that_was_hidden_since_is_a_misconfiguration_that_names_it() {
    let org = Org::start().await;
    let query = ChangeQuery {
        schema: org.schema().await,
        fields: fields(&["Subject", "Effort__c"]),
        after: None,
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit: 10,
    };
    org.edit(|org| {
        org.set_field_access(INTEGRATION_USER, "Case", "Effort__c", FieldAccess::Hidden)
            .unwrap();
    });
    let error = org.adapter.read_changes(&query).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "UnknownField");
    assert!(error.problem.message.contains("Effort__c"), "{error}");
}

#[tokio::test]
async fn a_deleted_case_is_gone_an_absent_one_is_not_visible_and_a_restored_one_is_back() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let (kept, deleted) = (
        org.seed(json!({"Subject": "a"}), 60),
        org.seed(json!({"Subject": "b"}), 60),
    );
    let absent = RecordId::parse(Side::Salesforce, "500000000000zzz").unwrap();
    org.edit(|org| {
        org.delete_as_person("Case", deleted.as_str(), NOW, "Ada")
            .unwrap();
    });
    let ids = [kept.clone(), deleted.clone(), absent.clone()];
    let seen = org
        .adapter
        .read_ids(&schema, &ids, &fields(&["Subject"]))
        .await
        .unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(
        seen[&kept].present().unwrap().value(&field("Subject")),
        Some(&Value::text("a"))
    );
    assert_eq!(seen[&deleted], Observation::Gone(DeletionProof::SoftDeleted));
    assert_eq!(seen[&absent], Observation::NotVisible);

    org.edit(|org| {
        org.undelete_as_person("Case", deleted.as_str(), NOW, "Ada")
            .unwrap();
    });
    let seen = org
        .adapter
        .read_ids(&schema, std::slice::from_ref(&deleted), &[])
        .await
        .unwrap();
    assert!(seen[&deleted].present().is_some());
}

#[tokio::test]
async fn a_look_up_finds_exactly_what_has_the_text_whatever_the_text() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let odd = [
        "O'Hara \"quoted\" \\ back",
        "' OR Subject != '",
        "50% _wild_ ünïcödé ☃ + & # ?",
        "line\nbreak",
    ];
    let ids: Vec<RecordId> = odd
        .iter()
        .map(|text| org.seed(json!({"Subject": text}), 60))
        .collect();
    org.seed(json!({"Subject": "another"}), 60);
    for (text, id) in odd.iter().zip(&ids) {
        let found = org
            .adapter
            .find(
                &schema,
                &field("Subject"),
                &[Value::text(*text)],
                &fields(&["Subject"]),
            )
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].id, *id);
        assert_eq!(found[0].value(&field("Subject")), Some(&Value::text(*text)));
    }
}

#[tokio::test]
async fn a_look_up_is_complete_over_pages_and_outlives_a_forgotten_cursor() {
    let org = Org::start().await;
    let schema = org.schema().await;
    org.edit(|org| org.settings.largest_page = 2);
    for _ in 0..5 {
        org.seed(json!({"Subject": "same"}), 60);
    }
    org.fault(once(
        "salesforce.query.more",
        Effect::StatusBefore(CannedAnswer {
            status: 400,
            body: r#"[{"errorCode":"INVALID_QUERY_LOCATOR","message":"invalid query locator"}]"#.to_owned(),
            headers: Vec::new(),
        }),
    ));
    let found = org
        .adapter
        .find(&schema, &field("Subject"), &[Value::text("same")], &[])
        .await
        .unwrap();
    assert_eq!(found.len(), 5);
}

#[tokio::test]
async fn two_hundred_ids_fit_into_a_look_up() {
    let org = Org::start().await;
    let schema = org.schema().await;
    let ids: Vec<RecordId> = (0..200).map(|_| org.seed(json!({"Subject": "x"}), 60)).collect();
    let seen = org
        .adapter
        .read_ids(&schema, &ids, &fields(&["Subject"]))
        .await
        .unwrap();
    assert!(ids.iter().all(|id| seen[id].present().is_some()));
    assert_eq!(org.calls("salesforce.queryall"), 1);
}
