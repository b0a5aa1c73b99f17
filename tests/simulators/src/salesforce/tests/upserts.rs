//! Records by a key of the customer's own: one a call, and many.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::ItemErrorKey;
use super::*;

const KEYED: &str = "sobjects/Case/Stamp__c";

impl Client {
    fn upsert(&mut self, value: &str, fields: &Value) -> (StatusCode, Value) {
        self.call(Method::PATCH, &format!("{KEYED}/{value}"), fields)
    }

    /// Upserts cases in one collection by a field.
    fn upsert_many(&mut self, field: &str, all_or_none: bool, cases: &[Value]) -> Value {
        let records: Vec<Value> = cases.iter().map(item).collect();
        let body = json!({"allOrNone": all_or_none, "records": records});
        let (status, body) = self.call(Method::PATCH, &format!("composite/sobjects/Case/{field}"), &body);
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// A second field that names cases, and does not have to be unique.
    fn with_loose_key(mut self) -> Self {
        let field = Field {
            external_id: true,
            ..Field::new("Loose__c", FieldType::String)
        };
        self.org.add_custom_field("Case", field).unwrap();
        self
    }
}

fn code(result: &Value) -> &str {
    result["errors"][0]["statusCode"].as_str().unwrap_or("none")
}

#[test]
fn an_upsert_makes_the_record_once_and_updates_it_from_then_on() {
    let mut client = Client::new();
    let (status, made) = client.upsert("abc", &json!({"Subject": "a"}));
    assert_eq!(status, StatusCode::CREATED);
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        made,
        json!({"id": id, "success": true, "errors": [], "created": true})
    );
    assert_eq!(
        client.upsert("ABC", &json!({"Subject": "b"})),
        (
            StatusCode::OK,
            json!({"id": id, "success": true, "errors": [], "created": false})
        )
    );
    let case = client.case(&id);
    assert_eq!(
        (&case["Subject"], &case["Stamp__c"]),
        (&json!("b"), &json!("abc"))
    );
    assert_eq!(client.org.records("Case").len(), 1);
}

#[test]
fn versions_before_46_answer_an_upsert_that_updates_with_204() {
    let mut client = Client::new();
    client.upsert("abc", &json!({}));
    let mut request = client.request(Method::PATCH, &format!("{KEYED}/abc"), &json!({"Subject": "b"}));
    *request.uri_mut() = "/services/data/v45.0/sobjects/Case/Stamp__c/abc".parse().unwrap();
    assert_eq!(
        parts(&client.send(&request)),
        (StatusCode::NO_CONTENT, Value::Null)
    );
}

#[test]
fn a_value_of_several_records_is_300_with_their_addresses_and_writes_nothing() {
    let mut client = Client::new().with_loose_key();
    let ids = [(); 2].map(|()| client.create_case(&json!({"Loose__c": "x"})));
    let urls: Vec<String> = ids
        .iter()
        .map(|id| format!("/services/data/v62.0/sobjects/Case/{id}"))
        .collect();
    let written = client.org.writes().len();
    let path = "sobjects/Case/Loose__c/x";
    for (method, body) in [
        (Method::PATCH, json!({"Subject": "a"})),
        (Method::GET, Value::Null),
        (Method::DELETE, Value::Null),
    ] {
        assert_eq!(
            client.call(method, path, &body),
            (StatusCode::MULTIPLE_CHOICES, json!(urls))
        );
    }
    assert_eq!(client.org.writes().len(), written);
    let results = client.upsert_many("Loose__c", false, &[json!({"Loose__c": "x"})]);
    assert_eq!(code(&results[0]), "DUPLICATE_EXTERNAL_ID");
}

#[test]
fn update_only_makes_nothing() {
    let mut client = Client::new();
    let refused = client.refusal(Method::PATCH, &format!("{KEYED}/abc?updateOnly=true"), &json!({}));
    assert_eq!((refused.0, refused.1.as_str()), (404, "NOT_FOUND"));
    assert!(client.org.records("Case").is_empty());
    client.upsert("abc", &json!({}));
    let (status, _) = client.upsert("abc?updateOnly=true", &json!({"Subject": "a"}));
    assert_eq!(status, StatusCode::OK);
}

#[test]
fn a_posted_id_field_creates_and_a_patched_one_updates() {
    let mut client = Client::new();
    let (status, made) = client.call(Method::POST, "sobjects/Case/Id", &json!({"Subject": "a"}));
    assert_eq!(status, StatusCode::CREATED);
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("sobjects/Case/Id/{id}");
    assert_eq!(
        client.call(Method::PATCH, &path, &json!({"Subject": "b"})).0,
        StatusCode::OK
    );
    assert_eq!(client.case(&id)["Subject"], "b");
    client.call(Method::DELETE, &path, &Value::Null);
    assert_eq!(
        client.refusal(Method::PATCH, &path, &json!({})).1,
        "ENTITY_IS_DELETED"
    );
    assert_eq!(
        client
            .refusal(Method::PATCH, "sobjects/Case/Id/500000000000000AAA", &json!({}))
            .1,
        "NOT_FOUND"
    );
}

#[test]
fn a_value_may_hold_a_slash_encoded_or_not() {
    let mut client = Client::new();
    let (_, made) = client.upsert("a/b%20c", &json!({}));
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(client.case(&id)["Stamp__c"], "a/b c");
    let (status, again) = client.upsert("a%2Fb%20c", &json!({}));
    assert_eq!((status, &again["id"]), (StatusCode::OK, &json!(id)));
}

#[test]
fn what_the_address_names_may_not_stand_in_the_body() {
    let mut client = Client::new();
    for (body, field) in [
        (json!({"Id": "500000000000000AAA"}), "Id"),
        (json!({"Stamp__c": "abc"}), "Stamp__c"),
    ] {
        let refused = client.refusal(Method::PATCH, &format!("{KEYED}/abc"), &body);
        let message = format!("The {field} field should not be specified in the sobject data.");
        assert_eq!(refused, (400, "INVALID_FIELD".into(), message));
    }
    let results = client.upsert_many(
        "Stamp__c",
        false,
        &[json!({"Id": "500000000000000AAA", "Stamp__c": "abc"})],
    );
    assert_eq!(code(&results[0]), "INVALID_FIELD");
    assert!(client.org.records("Case").is_empty());
}

#[test]
fn only_fields_that_name_records_take_part() {
    let mut client = Client::new();
    for path in ["sobjects/Case/Subject/a", "sobjects/Case/Nothing/a"] {
        let refused = client.refusal(Method::PATCH, path, &json!({}));
        assert_eq!((refused.0, refused.1.as_str()), (404, "NOT_FOUND"));
    }
    let body = json!({"records": [item(&json!({"Subject": "a"}))]});
    let refused = client.refusal(Method::PATCH, "composite/sobjects/Case/Subject", &body);
    assert_eq!(refused.0, 404);
}

#[test]
fn a_record_is_read_and_deleted_by_its_key() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Stamp__c": "abc", "Subject": "a"}));
    let (status, body) = client.get(&format!("{KEYED}/abc?fields=Subject"));
    assert_eq!(
        (status, &body["Id"], &body["Subject"]),
        (StatusCode::OK, &json!(id), &json!("a"))
    );
    assert_eq!(
        client
            .call(Method::DELETE, &format!("{KEYED}/abc"), &Value::Null)
            .0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        client
            .refusal(Method::GET, &format!("{KEYED}/abc"), &Value::Null)
            .1,
        "NOT_FOUND"
    );
}

#[test]
fn an_upsert_that_looked_too_early_meets_the_unique_field_or_makes_a_second_record() {
    let mut client = Client::new().with_loose_key();
    let id = client.create_case(&json!({"Stamp__c": "abc", "Loose__c": "x"}));
    client.org.administer("upsert-races", &json!(1), START).unwrap();
    let (status, code, message) = client.refusal(Method::PATCH, &format!("{KEYED}/abc"), &json!({}));
    assert_eq!((status, code.as_str()), (400, "DUPLICATE_VALUE"));
    assert!(message.ends_with(&id[..15]), "{message}");
    assert_eq!(client.upsert("abc", &json!({})).0, StatusCode::OK);

    client.org.race_upserts(1);
    let (status, _) = client.call(Method::PATCH, "sobjects/Case/Loose__c/x", &json!({}));
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(client.org.records("Case").len(), 2);
}

#[test]
fn an_upsert_does_not_see_what_has_not_committed() {
    let mut client = Client::new();
    client.org.settings.late_commit_seconds = 60;
    client.seed_case(&json!({"Stamp__c": "abc"}));
    assert_eq!(
        client
            .refusal(Method::PATCH, &format!("{KEYED}/abc"), &json!({}))
            .1,
        "DUPLICATE_VALUE"
    );
    client.wait(60);
    assert_eq!(client.upsert("abc", &json!({})).0, StatusCode::OK);
}

#[test]
fn a_collection_upserts_each_record_by_its_own_key() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Stamp__c": "one"}));
    let results = client.upsert_many(
        "Stamp__c",
        false,
        &[
            json!({"Stamp__c": "one", "Subject": "1"}),
            json!({"Stamp__c": "two", "Subject": "2"}),
            json!({"Subject": "3"}),
            json!({"Stamp__c": "four", "Level__c": "x"}),
        ],
    );
    assert_eq!(
        results[0],
        json!({"id": id, "success": true, "errors": [], "created": false})
    );
    assert_eq!(results[1]["created"], true);
    assert_eq!(code(&results[2]), "MISSING_ARGUMENT");
    assert_eq!(code(&results[3]), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST");
    assert_eq!(client.case(&id)["Subject"], "1");
    assert_eq!(client.org.records("Case").len(), 2);
}

#[test]
fn a_collection_upserts_by_id_too() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    let results = client.upsert_many(
        "Id",
        false,
        &[json!({"Id": id, "Subject": "1"}), json!({"Subject": "2"})],
    );
    assert_eq!(
        (&results[0]["created"], &results[1]["created"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(client.case(&id)["Subject"], "1");
}

#[test]
fn a_key_given_twice_in_one_upsert_is_refused_both_times() {
    let mut client = Client::new();
    let twice = json!({"Stamp__c": "abc"});
    let results = client.upsert_many("Stamp__c", false, &[twice.clone(), twice]);
    assert_eq!(
        (code(&results[0]), code(&results[1])),
        ("DUPLICATE_VALUE", "DUPLICATE_VALUE")
    );
    assert!(client.org.records("Case").is_empty());
}

#[test]
fn all_or_none_undoes_an_upserted_collection() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Stamp__c": "one", "Subject": "before"}));
    let cases = [
        json!({"Stamp__c": "one", "Subject": "after"}),
        json!({"Stamp__c": "two", "Level__c": "x"}),
    ];
    let results = client.upsert_many("Stamp__c", true, &cases);
    assert_eq!(code(&results[0]), "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(client.case(&id)["Subject"], "before");
    assert_eq!(client.org.writes().len(), 1);
}

#[test]
fn all_or_none_undoes_deletions_as_well() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    for (all_or_none, left) in [(true, 1), (false, 0)] {
        let path = format!("composite/sobjects?ids={id},500000000000000AAA&allOrNone={all_or_none}");
        let (status, results) = client.call(Method::DELETE, &path, &Value::Null);
        assert_eq!(status, StatusCode::OK);
        assert_eq!(results[0]["success"], !all_or_none);
        assert_eq!(code(&results[1]), "NOT_FOUND");
        assert_eq!(client.org.records("Case").len(), left);
    }
}

#[test]
fn records_of_too_many_types_in_turn_are_refused_whole() {
    let mut client = Client::new();
    let account = json!({"attributes": {"type": "Account"}, "Name": "a"});
    let mixed = |runs: usize| -> Vec<Value> {
        (0..runs)
            .map(|at| {
                if at % 2 == 0 {
                    item(&json!({}))
                } else {
                    account.clone()
                }
            })
            .collect()
    };
    let body = json!({"records": mixed(11)});
    let refused = client.refusal(Method::POST, "composite/sobjects", &body);
    assert_eq!((refused.0, refused.1.as_str()), (400, "LIMIT_EXCEEDED"));
    assert!(client.org.writes().is_empty());
    let (_, results) = client.call(Method::POST, "composite/sobjects", &json!({"records": mixed(10)}));
    assert!(
        results
            .as_array()
            .unwrap()
            .iter()
            .all(|result| result["success"] == true)
    );
}

#[test]
fn records_are_retrieved_by_address_as_by_body() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let path = format!("composite/sobjects/Case?ids=500000000000000AAA,{id}&fields=Subject,Status");
    let (status, records) = client.get(&path);
    assert_eq!((status, &records[0]), (StatusCode::OK, &Value::Null));
    assert_eq!(
        (&records[1]["Subject"], &records[1]["Status"]),
        (&json!("a"), &json!("New"))
    );
}

#[test]
fn an_items_errors_tell_their_code_under_the_key_that_is_switched() {
    let mut client = Client::new();
    client.org.settings.item_error_key = ItemErrorKey::ErrorCode;
    let results = client.upsert_many("Stamp__c", false, &[json!({})]);
    assert_eq!(results[0]["errors"][0]["errorCode"], "MISSING_ARGUMENT");
    assert!(results[0]["errors"][0].get("statusCode").is_none());
}

#[test]
fn a_deleted_record_is_refused_with_the_status_that_is_switched() {
    let mut client = Client::new();
    let path = format!("sobjects/Case/{}", client.create_case(&json!({})));
    client.call(Method::DELETE, &path, &Value::Null);
    for (switched, expected) in [(404, 404), (400, 400)] {
        client.org.settings.deleted_record_status = switched;
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let (status, code, _) = client.refusal(method, &path, &json!({}));
            assert_eq!((status, code.as_str()), (expected, "ENTITY_IS_DELETED"));
        }
    }
}

#[test]
fn a_post_that_says_it_means_patch_is_one() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    let path = format!("sobjects/Case/{id}?_HttpMethod=PATCH");
    assert_eq!(
        client.call(Method::POST, &path, &json!({"Subject": "a"})).0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(client.case(&id)["Subject"], "a");
}
