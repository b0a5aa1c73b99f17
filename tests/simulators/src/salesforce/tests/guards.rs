//! What stands between a client and a write: duplicate rules, approvals, record types, and limits on calls.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::RowLock;
use super::*;

impl Client {
    fn switch(&mut self, action: &str, body: &Value) -> Value {
        self.org.administer(action, body, self.now).unwrap()
    }

    fn create_saying(&mut self, header: &str, fields: &Value) -> (StatusCode, Value) {
        let mut request = self.request(Method::POST, "sobjects/Case", fields);
        request
            .headers_mut()
            .insert("sforce-duplicate-rule-header", header.parse().unwrap());
        parts(&self.send(&request))
    }
}

fn rule(action: &str) -> Value {
    json!({"object": "Case", "name": "Same_Mail", "fields": ["SuppliedEmail", "Subject"], "action": action})
}

#[test]
fn a_duplicate_is_refused_with_what_it_looks_like() {
    let mut client = Client::new();
    client.switch("duplicate-rules", &rule("alert"));
    let like = json!({"SuppliedEmail": "a@b.example", "Subject": "Help"});
    let id = client.create_case(&like);
    let (status, body) = client.call(
        Method::POST,
        "sobjects/Case",
        &json!({"SuppliedEmail": "A@B.example", "Subject": "help"}),
    );
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let error = &body[0];
    assert_eq!(
        (&error["errorCode"], &error["fields"]),
        (&json!("DUPLICATES_DETECTED"), &json!([]))
    );
    let found = &error["duplicateResult"];
    assert_eq!(
        (&found["allowSave"], &found["duplicateRule"]),
        (&json!(true), &json!("Same_Mail"))
    );
    let matched = &found["matchResults"][0]["matchRecords"][0]["record"];
    assert_eq!((&matched["Id"], matched.get("Subject")), (&json!(id), None));
    let (_, body) = client.create_saying("includeRecordDetails=true", &like);
    let matched = &body[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"];
    assert_eq!(matched["Subject"], "Help");
    client.create_case(&json!({"SuppliedEmail": "a@b.example"}));
    client.create_case(&json!({"SuppliedEmail": "a@b.example", "Subject": "Other"}));
}

#[test]
fn an_alert_can_be_waived_and_a_block_cannot() {
    let like = json!({"SuppliedEmail": "a@b.example", "Subject": "Help"});
    for (action, expected) in [("alert", 201), ("block", 400)] {
        let mut client = Client::new();
        client.create_case(&like);
        client.switch("duplicate-rules", &rule(action));
        let (status, _) = client.create_saying("allowSave=true; runAsCurrentUser=true", &like);
        assert_eq!(status.as_u16(), expected, "{action}");
        let by_a_person = client.org.seed("Case", &as_fields(&like), START);
        assert_eq!(by_a_person.is_ok(), action == "alert");
    }
}

#[test]
fn an_update_is_a_duplicate_only_if_it_becomes_one() {
    let mut client = Client::new();
    client.create_case(&json!({"SuppliedEmail": "a@b.example", "Subject": "Help"}));
    let other = client.create_case(&json!({"SuppliedEmail": "a@b.example", "Subject": "Other"}));
    client.switch("duplicate-rules", &rule("block"));
    let records = |subject: &str| json!({"records": [item(&json!({"id": other, "Subject": subject}))]});
    let (_, results) = client.call(Method::PATCH, "composite/sobjects", &records("Help"));
    assert_eq!(results[0]["errors"][0]["statusCode"], "DUPLICATES_DETECTED");
    let (_, results) = client.call(Method::PATCH, "composite/sobjects", &records("Other"));
    assert_eq!(results[0]["success"], true);
}

#[test]
fn a_record_in_approval_is_locked_to_clients_and_not_to_people() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let path = format!("sobjects/Case/{id}");
    client.switch(
        "approval-locks",
        &json!({"object": "Case", "id": id, "locked": true}),
    );
    for method in [Method::PATCH, Method::DELETE] {
        let (status, code, _) = client.refusal(method, &path, &json!({"Subject": "b"}));
        assert_eq!((status, code.as_str()), (400, "ENTITY_IS_LOCKED"));
    }
    client
        .org
        .edit_as_person("Case", &id, &as_fields(&json!({"Subject": "c"})), START, "alice")
        .unwrap();
    client.switch(
        "approval-locks",
        &json!({"object": "Case", "id": id, "locked": false}),
    );
    let (status, _) = client.call(Method::PATCH, &path, &json!({"Subject": "b"}));
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[test]
fn a_row_can_be_locked_to_some_calls_only() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    client.org.lock_row(RowLock {
        times: 1,
        during: Some("salesforce.collections".into()),
        ..RowLock::default()
    });
    let path = format!("sobjects/Case/{id}");
    assert_eq!(
        client.call(Method::PATCH, &path, &json!({})).0,
        StatusCode::NO_CONTENT
    );
    let records = json!({"records": [item(&json!({"id": id}))]});
    let (_, results) = client.call(Method::PATCH, "composite/sobjects", &records);
    assert_eq!(results[0]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");
}

#[test]
fn a_record_type_narrows_a_restricted_picklist_and_no_other() {
    let mut client = Client::new();
    let made = client.switch(
        "record-types",
        &json!({
            "object": "Case", "developerName": "Incident", "default": true,
            "picklists": {"Level__c": ["One"], "Status": ["New"]},
        }),
    );
    let wide = client.switch(
        "record-types",
        &json!({"object": "Case", "developerName": "Wide"}),
    );
    let id = client.create_case(&json!({"Level__c": "One", "Status": "Closed"}));
    assert_eq!(client.case(&id)["RecordTypeId"], made["id"]);
    let path = format!("sobjects/Case/{id}");
    let (_, code, message) = client.refusal(Method::PATCH, &path, &json!({"Level__c": "Two"}));
    assert_eq!(
        (code.as_str(), message.as_str()),
        (
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Level__c: bad value for restricted picklist field: Two"
        )
    );
    let edit = json!({"Level__c": "Two", "RecordTypeId": wide["id"]});
    assert_eq!(client.call(Method::PATCH, &path, &edit).0, StatusCode::NO_CONTENT);
    let (_, described) = client.get("sobjects/Case/describe");
    let names: Vec<&Value> = described["recordTypeInfos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|info| &info["developerName"])
        .collect();
    assert_eq!(names, ["Master", "Incident", "Wide"]);
    let unknown = json!({"RecordTypeId": "012000000000000AAA"});
    assert_eq!(
        client.refusal(Method::PATCH, &path, &unknown).1,
        "INVALID_CROSS_REFERENCE_KEY"
    );
}

#[test]
fn calls_are_refused_by_kind_count_and_reason() {
    let mut client = Client::new();
    for (reason, status, code, says) in [
        (
            "concurrentRequests",
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests",
        ),
        (
            "concurrentLongTransactions",
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentPerOrgLongTxn",
        ),
        ("totalRequests", 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests"),
        ("serverUnavailable", 503, "SERVER_UNAVAILABLE", "overloaded"),
        ("unknownException", 500, "UNKNOWN_EXCEPTION", "unexpected"),
        ("apiDisabled", 403, "API_DISABLED_FOR_ORG", "not enabled"),
    ] {
        client.switch(
            "call-refusals",
            &json!({"reason": reason, "times": 1, "during": "salesforce.record"}),
        );
        assert_eq!(client.get("limits").0, StatusCode::OK);
        let refused = client.refusal(Method::POST, "sobjects/Case", &json!({}));
        assert_eq!((refused.0, refused.1.as_str()), (status, code));
        assert!(refused.2.contains(says), "{}", refused.2);
        client.create_case(&json!({}));
    }
}
