//! Queries over the API.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_record_in_an_answer_has_its_attributes_first_and_only_the_fields_asked_for() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "Printer", "Cost__c": 3}));
    let request = client.request(
        Method::GET,
        &query_path("query", "SELECT id, SUBJECT, Cost__c, Reason FROM Case"),
        &Value::Null,
    );
    let response = client.send(&request);
    let expected = format!(
        r#"{{"totalSize":1,"done":true,"records":[{{"attributes":{{"type":"Case","url":"/services/data/v62.0/sobjects/Case/{id}"}},"Id":"{id}","Subject":"Printer","Cost__c":3.0,"Reason":null}}]}}"#
    );
    assert_eq!(String::from_utf8_lossy(response.body()), expected);
}

#[test]
fn a_count_has_no_records() {
    let mut client = Client::new();
    client.create_case(&json!({}));
    client.create_case(&json!({}));
    let (_, body) = client.query("SELECT COUNT() FROM Case");
    assert_eq!(body, json!({"totalSize": 2, "done": true, "records": []}));
}

#[test]
fn moments_come_out_with_whole_seconds_and_a_plain_offset() {
    let mut client = Client::new();
    client.now = "2024-07-22T10:00:00.987Z".parse().unwrap();
    client.create_case(&json!({}));
    let records =
        client.records("SELECT CreatedDate, SystemModstamp, LastModifiedDate, ClosedDate FROM Case");
    assert_eq!(records[0]["CreatedDate"], "2024-07-22T10:00:00.000+0000");
    assert_eq!(records[0]["SystemModstamp"], records[0]["LastModifiedDate"]);
    assert_eq!(records[0]["ClosedDate"], Value::Null);
}

#[test]
fn queries_that_are_wrong_are_refused_with_their_codes() {
    let mut client = Client::new();
    let cases = [
        (
            "SELECT Id FORM Case",
            "MALFORMED_QUERY",
            "unexpected token: 'FORM'",
        ),
        (
            "SELECT Nothing FROM Case",
            "INVALID_FIELD",
            "No such column 'Nothing' on entity 'Case'.",
        ),
        (
            "SELECT Id FROM Nothing",
            "INVALID_TYPE",
            "sObject type 'Nothing' is not supported.",
        ),
        (
            "SELECT Id FROM Case WHERE Description = 'x'",
            "INVALID_FIELD",
            "can not be filtered in a query call",
        ),
        (
            "SELECT Id, id FROM Case",
            "INVALID_FIELD",
            "duplicate field selected: Id",
        ),
        (
            "SELECT Id FROM Case OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        (
            "SELECT Nobody.Name FROM Case",
            "INVALID_FIELD",
            "Didn't understand relationship 'Nobody' in field path.",
        ),
    ];
    for (soql, expected, wording) in cases {
        let (status, code, message) = client.refusal(Method::GET, &query_path("query", soql), &Value::Null);
        assert_eq!((status, code.as_str()), (400, expected), "{soql}");
        assert!(message.contains(wording), "{message}");
    }
    assert_eq!(
        client.refusal(Method::GET, "query", &Value::Null).1,
        "MALFORMED_QUERY"
    );
}

#[test]
fn the_recycle_bin_shows_in_query_all_alone_and_gives_records_back_under_their_ids() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    client.org.delete_as_person("Case", &id, START, "alice").unwrap();
    assert!(client.records("SELECT Id FROM Case").is_empty());
    let (_, all) = client.get(&query_path(
        "queryAll",
        "SELECT Id, IsDeleted FROM Case WHERE IsDeleted = true",
    ));
    assert_eq!(
        (&all["records"][0]["Id"], &all["records"][0]["IsDeleted"]),
        (&json!(id), &json!(true))
    );
    let (status, code, message) = client.refusal(Method::GET, &format!("sobjects/Case/{id}"), &Value::Null);
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (404, "ENTITY_IS_DELETED", "entity is deleted")
    );
    client.wait(1);
    client
        .org
        .undelete_as_person("Case", &id, client.now, "alice")
        .unwrap();
    assert_eq!(
        client.records("SELECT Id, SystemModstamp FROM Case")[0]["SystemModstamp"],
        "2024-07-22T10:00:01.000+0000"
    );
}

#[test]
fn other_peoples_late_commits_show_up_behind_the_stamps_they_carry() {
    let mut client = Client::new();
    let old = client.seed_case(&json!({"Subject": "before"}));
    client.wait(10);
    client.org.settings.late_commit_seconds = 60;
    let new = client.seed_case(&json!({"Subject": "made"}));
    let edit = as_fields(&json!({"Subject": "after"}));
    client
        .org
        .edit_as_person("Case", &old, &edit, client.now, "alice")
        .unwrap();
    let soql = "SELECT Id, Subject, SystemModstamp FROM Case ORDER BY Id";

    client.wait(59);
    let seen = client.records(soql);
    assert_eq!((seen.len(), &seen[0]["Subject"]), (1, &json!("before")));
    assert_eq!(
        client.get(&format!("sobjects/Case/{new}")).0,
        StatusCode::NOT_FOUND
    );
    client.wait(1);
    let seen = client.records(soql);
    assert_eq!((seen.len(), &seen[0]["Subject"]), (2, &json!("after")));
    assert!(
        seen.iter()
            .all(|record| record["SystemModstamp"] == "2024-07-22T10:00:10.000+0000")
    );
}

#[test]
fn a_single_record_is_read_whole_or_by_named_fields() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let (_, whole) = client.get(&format!("sobjects/Case/{id}"));
    assert_eq!(
        (&whole["Subject"], &whole["Status"], &whole["Priority"]),
        (&json!("a"), &json!("New"), &json!("Medium"))
    );
    let (_, some) = client.get(&format!("sobjects/Case/{}?fields=Subject", &id[..15]));
    assert_eq!(
        some.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["attributes", "Subject", "Id"]
    );
    let missing = client.refusal(Method::GET, "sobjects/Case/500000000000000AAA", &Value::Null);
    assert_eq!(
        missing,
        (
            404,
            "NOT_FOUND".into(),
            "The requested resource does not exist".into()
        )
    );
}

#[test]
fn a_compound_address_is_put_together_from_its_parts() {
    let mut client = Client::new();
    let fields = json!({"Name": "Acme", "BillingCity": "Oslo", "BillingStreet": "Storgata 1"});
    client.org.seed("Account", &as_fields(&fields), START).unwrap();
    let record = &client.records("SELECT BillingAddress, ShippingAddress FROM Account")[0];
    assert_eq!(
        (
            &record["BillingAddress"]["city"],
            &record["BillingAddress"]["street"]
        ),
        (&json!("Oslo"), &json!("Storgata 1"))
    );
    assert_eq!(record["ShippingAddress"], Value::Null);
}
