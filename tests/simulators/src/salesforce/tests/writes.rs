//! Writes over the API: single records and collections.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::WrongType;
use super::*;
use crate::model::{Actor, WriteKind};

fn collection(client: &mut Client, method: Method, records: &[Value]) -> Vec<Value> {
    let (status, body) = client.call(
        method,
        "composite/sobjects",
        &json!({"allOrNone": false, "records": records}),
    );
    assert_eq!(status, StatusCode::OK, "{body}");
    body.as_array().unwrap().clone()
}

#[test]
fn a_create_answers_201_with_the_id_and_a_location() {
    let mut client = Client::new();
    let request = client.request(Method::POST, "sobjects/Case/", &json!({"Subject": "a"}));
    let response = client.send(&request);
    let (status, body) = parts(&response);
    assert_eq!(status, StatusCode::CREATED);
    let id = body["id"].as_str().unwrap();
    assert_eq!(body, json!({"id": id, "success": true, "errors": []}));
    assert!(id.len() == 18 && id.starts_with("500"));
    assert_eq!(
        response.headers()["location"],
        format!("/services/data/v62.0/sobjects/Case/{id}")
    );
}

#[test]
fn the_server_numbers_cases_and_fills_in_what_was_left_out() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    client.create_case(&json!({}));
    let case = client.case(&id);
    assert_eq!(case["CaseNumber"], "00001001");
    assert_eq!(
        (&case["Status"], &case["Priority"], &case["IsClosed"]),
        (&json!("New"), &json!("Medium"), &json!(false))
    );
    assert_eq!(case["OwnerId"], case["CreatedById"]);
    assert_eq!(client.org.records("Case")[1]["CaseNumber"], "00001002");
}

#[test]
fn an_update_answers_204_and_moves_the_stamps_even_when_it_changes_nothing() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    client.wait(5);
    let path = format!("sobjects/Case/{id}");
    assert_eq!(
        client.call(Method::PATCH, &path, &json!({"Subject": "a"})),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    assert_eq!(client.case(&id)["SystemModstamp"], "2024-07-22T10:00:05.000+0000");
    assert_eq!(
        client.case(&id)["LastModifiedDate"],
        "2024-07-22T10:00:05.000+0000"
    );
    assert_eq!(client.case(&id)["CreatedDate"], "2024-07-22T10:00:00.000+0000");
    let write = client.org.writes().last().unwrap();
    assert!(write.kind == WriteKind::Updated && !write.is_effective());
}

#[test]
fn null_clears_a_field_and_an_empty_string_does_too() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a", "Reason": "b"}));
    client.call(
        Method::PATCH,
        &format!("sobjects/Case/{id}"),
        &json!({"Subject": null, "Reason": ""}),
    );
    assert_eq!(
        (&client.case(&id)["Subject"], &client.case(&id)["Reason"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_closed_case_says_when_and_an_opened_one_no_longer() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    let path = format!("sobjects/Case/{id}");
    client.call(Method::PATCH, &path, &json!({"Status": "Closed"}));
    assert_eq!(
        (&client.case(&id)["IsClosed"], &client.case(&id)["ClosedDate"]),
        (&json!(true), &json!("2024-07-22T10:00:00.000+0000"))
    );
    client.call(Method::PATCH, &path, &json!({"Status": "New"}));
    assert_eq!(
        (&client.case(&id)["IsClosed"], &client.case(&id)["ClosedDate"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn each_refusal_of_a_record_has_its_code_message_and_fields() {
    let mut client = Client::new();
    let cases = [
        (
            json!({"Nothing": 1}),
            "INVALID_FIELD",
            "No such column 'Nothing' on sobject of type Case",
            json!([]),
        ),
        (
            json!({"CaseNumber": "1", "CreatedDate": "2020-01-01T00:00:00Z"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "Unable to create/update fields: CaseNumber, CreatedDate. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
            json!(["CaseNumber", "CreatedDate"]),
        ),
        (
            json!({"SuppliedPhone": "1".repeat(41)}),
            "STRING_TOO_LONG",
            "Phone: data value too large: 11111111111111111111111111111111111111111 (max length=40)",
            json!(["SuppliedPhone"]),
        ),
        (
            json!({"Level__c": "Three"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Level__c: bad value for restricted picklist field: Three",
            json!(["Level__c"]),
        ),
        (
            json!({"AccountId": "nonsense"}),
            "MALFORMED_ID",
            "Account ID: id value of incorrect type: nonsense",
            json!(["AccountId"]),
        ),
        (
            json!({"AccountId": "001000000000001"}),
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
            json!(["AccountId"]),
        ),
    ];
    for (fields, code, message, about) in cases {
        let (status, body) = client.call(Method::POST, "sobjects/Case", &fields);
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(
            body,
            json!([{"message": message, "errorCode": code, "fields": about}])
        );
    }
    let refused = client.refusal(Method::POST, "sobjects/Contact", &json!({"FirstName": "Ann"}));
    assert_eq!(
        refused,
        (
            400,
            "REQUIRED_FIELD_MISSING".into(),
            "Required fields are missing: [LastName]".into()
        )
    );
    assert!(client.org.writes().is_empty());
}

#[test]
fn bodies_that_are_no_json_or_not_said_to_be_are_refused() {
    let mut client = Client::new();
    let mut request = client.request(Method::POST, "sobjects/Case", &Value::Null);
    *request.body_mut() = Bytes::from_static(b"{\"Subject\": ");
    let (status, body) = parts(&client.send(&request));
    assert_eq!(
        (status.as_u16(), &body[0]["errorCode"]),
        (400, &json!("JSON_PARSER_ERROR"))
    );
    request
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(client.send(&request).status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        client
            .refusal(Method::POST, "sobjects/Case", &json!({"Subject": 3}))
            .1,
        "JSON_PARSER_ERROR"
    );
}

#[test]
fn a_value_of_a_unique_field_is_taken_whatever_its_case_and_the_refusal_names_the_holder() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Stamp__c": "Abc"}));
    let refused = client.refusal(Method::POST, "sobjects/Case", &json!({"Stamp__c": "aBC"}));
    let message = format!(
        "duplicate value found: Stamp__c duplicates value on record with id: {}",
        &id[..15]
    );
    assert_eq!(refused, (400, "DUPLICATE_VALUE".into(), message));
    let path = format!("sobjects/Case/{id}");
    assert_eq!(
        client.call(Method::PATCH, &path, &json!({"Stamp__c": "abc"})).0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        client.call(Method::DELETE, &path, &Value::Null).0,
        StatusCode::NO_CONTENT
    );
    let other = client.create_case(&json!({"Stamp__c": "ABC"}));
    client
        .org
        .undelete_as_person("Case", &id, START, "alice")
        .unwrap();
    assert_eq!(
        client.case(&id)["Stamp__c"],
        Value::Null,
        "what another took meanwhile is lost"
    );
    assert_eq!(client.case(&other)["Stamp__c"], "ABC");
}

#[test]
fn a_duplicate_of_what_the_user_may_not_see_is_unknown() {
    let mut client = Client::new();
    client.org.settings.duplicates_are_named = false;
    client.create_case(&json!({"Stamp__c": "a"}));
    let refused = client.refusal(Method::POST, "sobjects/Case", &json!({"Stamp__c": "a"}));
    assert_eq!(refused.1, "DUPLICATE_VALUE");
    assert_eq!(
        refused.2,
        "duplicate value found: <unknown> duplicates value on record with id: <unknown>"
    );
}

#[test]
fn writes_to_what_is_not_there_or_deleted_are_not_found() {
    let mut client = Client::new();
    let gone = client.create_case(&json!({}));
    client.call(Method::DELETE, &format!("sobjects/Case/{gone}"), &Value::Null);
    let missing = "sobjects/Case/500000000000000AAA";
    for method in [Method::PATCH, Method::DELETE] {
        assert_eq!(
            client
                .refusal(method.clone(), &format!("sobjects/Case/{gone}"), &json!({}))
                .1,
            "ENTITY_IS_DELETED"
        );
        let (status, code, _) = client.refusal(method, missing, &json!({}));
        assert_eq!((status, code.as_str()), (404, "NOT_FOUND"));
    }
    client.org.settings.missing_record_code = "INVALID_CROSS_REFERENCE_KEY".into();
    assert_eq!(
        client.refusal(Method::PATCH, missing, &json!({})).1,
        "INVALID_CROSS_REFERENCE_KEY"
    );
}

#[test]
fn a_collection_answers_each_record_in_its_place_under_status_code() {
    let mut client = Client::new();
    let results = collection(
        &mut client,
        Method::POST,
        &[
            item(&json!({"Subject": "a"})),
            item(&json!({"Level__c": "x"})),
            json!({"attributes": {"type": "Nothing"}}),
        ],
    );
    let id = results[0]["id"].as_str().unwrap();
    assert_eq!(results[0], json!({"id": id, "success": true, "errors": []}));
    assert_eq!(
        results[1],
        json!({"success": false, "errors": [{
            "statusCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "message": "Level__c: bad value for restricted picklist field: x",
            "fields": ["Level__c"],
        }]})
    );
    assert_eq!(results[2]["errors"][0]["statusCode"], "INVALID_TYPE");
    assert_eq!(client.org.records("Case").len(), 1);
}

#[test]
fn a_collection_updates_by_id_and_deletes_by_list() {
    let mut client = Client::new();
    let (one, two) = (client.create_case(&json!({})), client.create_case(&json!({})));
    let records = [
        item(&json!({"id": one, "Subject": "1"})),
        item(&json!({"Id": two, "Subject": "2"})),
        item(&json!({"Subject": "3"})),
        item(&json!({"id": "500000000000000AAA", "Subject": "4"})),
        item(&json!({"id": "x", "Subject": "5"})),
    ];
    let results = collection(&mut client, Method::PATCH, &records);
    let codes: Vec<&str> = results[2..]
        .iter()
        .map(|result| result["errors"][0]["statusCode"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["MISSING_ARGUMENT", "NOT_FOUND", "MALFORMED_ID"]);
    assert_eq!(
        (&client.case(&one)["Subject"], &client.case(&two)["Subject"]),
        (&json!("1"), &json!("2"))
    );
    let (_, deleted) = client.call(
        Method::DELETE,
        &format!("composite/sobjects?ids={one},{two}&allOrNone=false"),
        &Value::Null,
    );
    assert_eq!(deleted[1], json!({"id": two, "success": true, "errors": []}));
    assert!(client.org.records("Case").is_empty());
}

#[test]
fn all_or_none_undoes_everything_and_says_so_of_each() {
    let mut client = Client::new();
    let body = json!({"allOrNone": true, "records": [item(&json!({"Stamp__c": "a"})), item(&json!({"Level__c": "x"}))]});
    let (_, results) = client.call(Method::POST, "composite/sobjects", &body);
    assert_eq!(
        results[0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    );
    assert!(client.org.records("Case").is_empty() && client.org.writes().is_empty());
    client.create_case(&json!({"Stamp__c": "a"}));
}

#[test]
fn a_wrongly_typed_field_fails_its_record_or_the_whole_call_as_switched() {
    let mut client = Client::new();
    let records =
        json!({"records": [item(&json!({"Subject": "fine"})), item(&json!({"IsEscalated": "perhaps"}))]});
    client.org.settings.wrong_type_fails = WrongType::WholeRequest;
    let (status, code, _) = client.refusal(Method::POST, "composite/sobjects", &records);
    assert_eq!((status, code.as_str()), (400, "JSON_PARSER_ERROR"));
    assert!(client.org.records("Case").is_empty());
    client.org.settings.wrong_type_fails = WrongType::PerItem;
    let (_, results) = client.call(Method::POST, "composite/sobjects", &records);
    assert_eq!(results[0]["success"], true);
    assert_eq!(results[1]["errors"][0]["statusCode"], "JSON_PARSER_ERROR");
}

#[test]
fn more_than_two_hundred_records_are_refused_whole() {
    let mut client = Client::new();
    let records: Vec<Value> = (0..201).map(|_| item(&json!({}))).collect();
    let refused = client.refusal(Method::POST, "composite/sobjects", &json!({"records": records}));
    assert_eq!((refused.0, refused.1.as_str()), (400, "LIMIT_EXCEEDED"));
    assert!(client.org.records("Case").is_empty());
}

#[test]
fn records_are_retrieved_by_id_with_null_for_each_that_is_not_there() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let body = json!({"ids": ["500000000000000AAA", id, &id[..15]], "fields": ["Subject"]});
    let (status, records) = client.call(Method::POST, "composite/sobjects/Case", &body);
    assert_eq!((status, &records[0]), (StatusCode::OK, &Value::Null));
    assert_eq!(
        (&records[1]["Id"], &records[1]["Subject"]),
        (&json!(id), &json!("a"))
    );
    assert_eq!(records[2], records[1]);
}

#[test]
fn the_history_tells_who_changed_what() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let edit = as_fields(&json!({"Subject": "b", "Priority": "Medium"}));
    client
        .org
        .edit_as_person("Case", &id, &edit, START, "alice")
        .unwrap();
    let [made, edited] = client.org.writes() else {
        panic!("two writes")
    };
    assert_eq!(
        (made.kind, &made.actor),
        (WriteKind::Created, &Actor::Api("integration@acme.example".into()))
    );
    assert_eq!(
        (edited.kind, &edited.actor),
        (WriteKind::Updated, &Actor::Person("alice".into()))
    );
    assert_eq!(edited.changed.keys().collect::<Vec<_>>(), ["Subject"]);
    assert_eq!(
        (
            &edited.changed["Subject"].before,
            &edited.changed["Subject"].after
        ),
        (&json!("a"), &json!("b"))
    );
}
