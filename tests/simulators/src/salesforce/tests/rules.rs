//! Validation rules, triggers, row locks, and the admin door's vocabulary.

use http::{Method, StatusCode};
use serde_json::json;

use super::super::{RowLock, Trigger, ValidationRule};
use super::*;
use crate::model::AdminError;

fn rule(when: &str, message: &str, field: Option<&str>) -> ValidationRule {
    ValidationRule {
        object: "Case".into(),
        when: when.into(),
        message: message.into(),
        field: field.map(str::to_owned),
    }
}

#[test]
fn broken_validation_rules_are_all_told_with_the_administrators_texts() {
    let mut client = Client::new();
    client
        .org
        .add_validation_rule(rule(
            "Priority = 'High' AND Subject = null",
            "Say what is urgent",
            Some("Subject"),
        ))
        .unwrap();
    client
        .org
        .add_validation_rule(rule("Priority = 'High'", "Ask first", None))
        .unwrap();
    let (status, body) = client.call(Method::POST, "sobjects/Case", &json!({"Priority": "High"}));
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let code = "FIELD_CUSTOM_VALIDATION_EXCEPTION";
    assert_eq!(
        body,
        json!([
            {"message": "Say what is urgent", "errorCode": code, "fields": ["Subject"]},
            {"message": "Ask first", "errorCode": code, "fields": []},
        ])
    );
    client.create_case(&json!({"Priority": "Low"}));
}

#[test]
fn a_trigger_rewrites_what_is_saved_in_the_same_write() {
    let mut client = Client::new();
    let trigger = Trigger {
        object: "Case".into(),
        name: "Escalate".into(),
        when: Some("Subject LIKE '%outage%'".into()),
        set: as_fields(&json!({"Priority": "High"})),
    };
    client.org.add_trigger(trigger).unwrap();
    let id = client.create_case(&json!({"Subject": "An OUTAGE", "Priority": "Low"}));
    assert_eq!(client.case(&id)["Priority"], "High");
    assert_eq!(client.org.writes().len(), 1);
    let id = client.create_case(&json!({"Subject": "Nothing much", "Priority": "Low"}));
    assert_eq!(client.case(&id)["Priority"], "Low");
}

#[test]
fn a_locked_row_refuses_writes_until_it_is_free() {
    let mut client = Client::new();
    let (held, free) = (client.create_case(&json!({})), client.create_case(&json!({})));
    client.org.lock_row(RowLock {
        id: Some(held.clone()),
        times: 1,
        during: None,
    });
    let records = json!({"records": [item(&json!({"id": free, "Subject": "a"})), item(&json!({"id": held, "Subject": "a"}))]});
    let (_, results) = client.call(Method::PATCH, "composite/sobjects", &records);
    assert_eq!(results[0]["success"], true);
    assert_eq!(
        results[1]["errors"][0],
        json!({
            "statusCode": "UNABLE_TO_LOCK_ROW",
            "message": format!("unable to obtain exclusive access to this record or 1 records: {held}"),
            "fields": [],
        })
    );
    let path = format!("sobjects/Case/{held}");
    assert_eq!(
        client.call(Method::PATCH, &path, &json!({"Subject": "a"})).0,
        StatusCode::NO_CONTENT
    );
    client.org.settings.row_lock_status = 500;
    client.org.lock_row(RowLock {
        times: 1,
        ..RowLock::default()
    });
    assert_eq!(client.refusal(Method::PATCH, &path, &json!({})).0, 500);
}

#[test]
fn the_admin_doors_vocabulary_does_what_the_code_does() {
    let mut client = Client::new();
    let mut administer = |action: &str, body: Value| client.org.administer(action, &body, START);
    administer(
        "fields",
        json!({"object": "Case", "field": {"name": "New__c", "type": "string", "length": 10}}),
    )
    .unwrap();
    administer("objects", json!({"name": "Ticket__c", "label": "Ticket"})).unwrap();
    administer("access", json!({"user": "integration@acme.example", "object": "Case", "field": "New__c", "access": "readOnly"})).unwrap();
    administer(
        "users",
        json!({"user": "bob@acme.example", "password": "x", "state": "locked"}),
    )
    .unwrap();
    administer(
        "validation-rules",
        json!({"object": "Case", "when": "Subject = 'x'", "message": "No x"}),
    )
    .unwrap();
    administer(
        "triggers",
        json!({"object": "Case", "name": "t", "set": {"Reason": "y"}}),
    )
    .unwrap();
    administer("row-locks", json!({"times": 1})).unwrap();
    administer("clear-rules", Value::Null).unwrap();
    let settings = administer("settings", json!({"largestPage": 7})).unwrap();
    assert_eq!(
        (&settings["largestPage"], &settings["rowLockStatus"]),
        (&json!(7), &json!(400))
    );
    assert_eq!(
        administer("nonsense", Value::Null),
        Err(AdminError::UnknownAction("nonsense".into()))
    );
    assert!(matches!(
        administer("settings", json!({"nonsense": 1})),
        Err(AdminError::Invalid(_))
    ));
    let unknown = administer(
        "triggers",
        json!({"object": "Case", "name": "t", "set": {"Nothing": "y"}}),
    );
    assert_eq!(
        unknown,
        Err(AdminError::UnknownField {
            object: "Case".into(),
            field: "Nothing".into()
        })
    );
    let new = client.org.object("Case").unwrap().field("New__c").unwrap();
    assert_eq!((new.length, new.custom), (10, true));
    assert_eq!(client.org.settings.largest_page, 7);
    assert_eq!(
        client
            .refusal(Method::POST, "sobjects/Case", &json!({"New__c": "a"}))
            .1,
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
}
