//! What a user may see and change.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::{FieldAccess, INTEGRATION_USER, ObjectRights};
use super::*;

#[test]
fn a_hidden_field_vanishes_from_describe_queries_and_writes() {
    let mut client = Client::new();
    client
        .org
        .set_field_access(INTEGRATION_USER, "Case", "Stamp__c", FieldAccess::Hidden)
        .unwrap();
    let (_, described) = client.get("sobjects/Case/describe");
    assert!(
        described["fields"]
            .as_array()
            .unwrap()
            .iter()
            .all(|field| field["name"] != "Stamp__c")
    );
    let path = query_path("query", "SELECT Stamp__c FROM Case");
    assert_eq!(
        client.refusal(Method::GET, &path, &Value::Null).1,
        "INVALID_FIELD"
    );
    assert_eq!(
        client
            .refusal(Method::POST, "sobjects/Case", &json!({"Stamp__c": "a"}))
            .1,
        "INVALID_FIELD"
    );
    let id = client.create_case(&json!({}));
    assert!(
        client
            .get(&format!("sobjects/Case/{id}"))
            .1
            .get("Stamp__c")
            .is_none()
    );
}

#[test]
fn a_read_only_field_is_described_so_and_its_write_is_refused() {
    let mut client = Client::new();
    client
        .org
        .set_field_access(INTEGRATION_USER, "Case", "Stamp__c", FieldAccess::ReadOnly)
        .unwrap();
    let (_, described) = client.get("sobjects/Case/describe");
    let stamp = described["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == "Stamp__c")
        .unwrap();
    assert_eq!(
        (&stamp["createable"], &stamp["updateable"]),
        (&json!(false), &json!(false))
    );
    let refused = client.refusal(Method::POST, "sobjects/Case", &json!({"Stamp__c": "a"}));
    assert_eq!(refused.1, "INVALID_FIELD_FOR_INSERT_UPDATE");
    let id = client.seed_case(&json!({"Stamp__c": "a"}));
    assert_eq!(
        client.case(&id)["Stamp__c"],
        "a",
        "people are not bound by the integration user's rights"
    );
    client
        .org
        .set_field_access(INTEGRATION_USER, "Case", "Stamp__c", FieldAccess::Write)
        .unwrap();
    assert_eq!(
        client
            .call(Method::POST, "sobjects/Case", &json!({"Stamp__c": "b"}))
            .0,
        StatusCode::CREATED
    );
}

#[test]
fn missing_object_rights_show_in_describe_and_in_refusals() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    let path = format!("sobjects/Case/{id}");
    let rights = ObjectRights {
        create: false,
        update: false,
        delete: false,
        ..ObjectRights::default()
    };
    client
        .org
        .set_object_rights(INTEGRATION_USER, "Case", rights)
        .unwrap();
    let (_, described) = client.get("sobjects/Case/describe");
    assert_eq!(
        (&described["createable"], &described["updateable"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        client.refusal(Method::POST, "sobjects/Case", &json!({})),
        (
            400,
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY".into(),
            "entity type cannot be inserted: Case".into()
        )
    );
    assert_eq!(
        client.refusal(Method::PATCH, &path, &json!({})).1,
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );
    assert_eq!(
        client.refusal(Method::DELETE, &path, &Value::Null).1,
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );

    let rights = ObjectRights {
        read: false,
        ..ObjectRights::default()
    };
    client
        .org
        .set_object_rights(INTEGRATION_USER, "Case", rights)
        .unwrap();
    assert_eq!(client.get("sobjects/Case/describe").0, StatusCode::NOT_FOUND);
    let query = query_path("query", "SELECT Id FROM Case");
    assert_eq!(
        client.refusal(Method::GET, &query, &Value::Null).1,
        "INVALID_TYPE"
    );
    let body = json!({"records": [item(&json!({}))]});
    let (_, results) = client.call(Method::POST, "composite/sobjects", &body);
    assert_eq!(results[0]["errors"][0]["statusCode"], "INVALID_TYPE");
}
