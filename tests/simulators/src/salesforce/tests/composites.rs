//! Many requests in one call, and records with their children.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

impl Client {
    fn composite(&mut self, all_or_none: bool, requests: &Value) -> Vec<Value> {
        let body =
            json!({"allOrNone": all_or_none, "collateSubrequests": false, "compositeRequest": requests});
        let (status, body) = self.call(Method::POST, "composite", &body);
        assert_eq!(status, StatusCode::OK, "{body}");
        body["compositeResponse"].as_array().unwrap().clone()
    }
}

fn sub(id: &str, method: &str, path: &str, body: &Value) -> Value {
    let mut sub = json!({"referenceId": id, "method": method, "url": format!("/services/data/v62.0/{path}")});
    if !body.is_null() {
        sub["body"] = body.clone();
    }
    sub
}

/// An account and a case of it; the case's fields are given.
fn account_and_case(case: &Value) -> Value {
    json!([
        sub("account", "POST", "sobjects/Account", &json!({"Name": "a"})),
        sub("case", "POST", "sobjects/Case", case),
    ])
}

fn code(answer: &Value) -> &str {
    answer["body"][0]["errorCode"].as_str().unwrap_or("none")
}

#[test]
fn requests_build_on_each_others_answers() {
    let mut client = Client::new();
    let requests = json!([
        sub("account", "POST", "sobjects/Account", &json!({"Name": "a"})),
        sub(
            "case",
            "POST",
            "sobjects/Case",
            &json!({"AccountId": "@{account.id}", "Subject": "of @{account.id}"})
        ),
        sub(
            "edit",
            "PATCH",
            "sobjects/Case/@{case.id}",
            &json!({"Reason": "r"})
        ),
        sub(
            "found",
            "GET",
            "query?q=SELECT Id FROM Case WHERE AccountId = '@{account.id}'",
            &Value::Null
        ),
        sub(
            "read",
            "GET",
            "sobjects/Case/@{found.records[0].Id}?fields=Subject,Reason",
            &Value::Null
        ),
    ]);
    let answers = client.composite(false, &requests);
    let account = answers[0]["body"]["id"].as_str().unwrap();
    assert_eq!(
        answers[0],
        json!({
            "body": {"id": account, "success": true, "errors": []},
            "httpHeaders": {"Location": format!("/services/data/v62.0/sobjects/Account/{account}")},
            "httpStatusCode": 201,
            "referenceId": "account",
        })
    );
    assert_eq!(
        answers[2],
        json!({"body": null, "httpHeaders": {}, "httpStatusCode": 204, "referenceId": "edit"})
    );
    assert_eq!(answers[4]["body"]["Subject"], format!("of {account}"));
    assert_eq!(answers[4]["body"]["Reason"], "r");
    let used = client
        .send(&client.request(Method::GET, "limits", &Value::Null))
        .headers()["sforce-limit-info"]
        .clone();
    assert_eq!(used, "api-usage=2/100000", "all of them were one call");
}

#[test]
fn without_all_or_none_what_can_be_done_is_and_what_depends_on_a_failure_halts() {
    let mut client = Client::new();
    let requests = json!([
        sub("account", "POST", "sobjects/Account", &json!({})),
        sub(
            "case",
            "POST",
            "sobjects/Case",
            &json!({"AccountId": "@{account.id}"})
        ),
        sub("other", "POST", "sobjects/Case", &json!({"Subject": "alone"})),
    ]);
    let answers = client.composite(false, &requests);
    let statuses: Vec<&Value> = answers.iter().map(|answer| &answer["httpStatusCode"]).collect();
    assert_eq!(statuses, [&json!(400), &json!(400), &json!(201)]);
    assert_eq!(
        answers[0]["body"],
        json!([{
            "message": "Required fields are missing: [Name]",
            "errorCode": "REQUIRED_FIELD_MISSING",
            "fields": ["Name"],
        }])
    );
    assert_eq!(
        answers[1]["body"][0]["message"],
        "Invalid reference specified. No value for account.id found in account"
    );
    assert_eq!(client.org.records("Case").len(), 1);
}

#[test]
fn with_all_or_none_one_failure_undoes_everything() {
    let mut client = Client::new();
    let answers = client.composite(
        true,
        &account_and_case(&json!({"AccountId": "@{account.id}", "Level__c": "x"})),
    );
    assert_eq!(
        (code(&answers[0]), code(&answers[1])),
        ("PROCESSING_HALTED", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    );
    assert_eq!(answers[0]["httpStatusCode"], 400);
    assert!(client.org.records("Account").is_empty() && client.org.writes().is_empty());
    let answers = client.composite(true, &account_and_case(&json!({"AccountId": "@{account.id}"})));
    assert_eq!(answers[1]["httpStatusCode"], 201);
}

#[test]
fn the_outer_all_or_none_outweighs_the_one_of_a_collection_within() {
    let mut client = Client::new();
    let records = json!({"allOrNone": false, "records": [item(&json!({})), item(&json!({"Level__c": "x"}))]});
    let requests = json!([
        sub("account", "POST", "sobjects/Account", &json!({"Name": "a"})),
        sub("cases", "POST", "composite/sobjects", &records),
    ]);
    let answers = client.composite(true, &requests);
    assert_eq!(code(&answers[0]), "PROCESSING_HALTED");
    assert_eq!(
        answers[1]["body"][0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    assert!(client.org.writes().is_empty());
    let answers = client.composite(false, &requests);
    assert_eq!(
        (
            &answers[1]["body"][0]["success"],
            &answers[1]["body"][1]["success"]
        ),
        (&json!(true), &json!(false))
    );
}

#[test]
fn each_request_has_its_own_headers_and_tells_its_own() {
    let mut client = Client::new();
    let id = client.create_case(&json!({}));
    let mut requests = json!([
        sub("global", "GET", "sobjects", &Value::Null),
        sub(
            "edit",
            "PATCH",
            &format!("sobjects/Case/{id}"),
            &json!({"Subject": "a"})
        ),
    ]);
    requests[0]["httpHeaders"] = json!({"If-Modified-Since": "Mon, 22 Jul 2024 10:00:00 GMT"});
    requests[1]["httpHeaders"] = json!({"If-Unmodified-Since": "Mon, 22 Jul 2024 09:59:59 GMT"});
    let answers = client.composite(false, &requests);
    assert_eq!(
        (&answers[0]["body"], &answers[0]["httpStatusCode"]),
        (&Value::Null, &json!(304))
    );
    assert!(answers[0]["httpHeaders"]["Last-Modified"].is_string());
    assert_eq!(answers[1]["httpStatusCode"], 412);
}

#[test]
fn an_unknown_object_within_is_told_in_its_place() {
    let mut client = Client::new();
    let answers = client.composite(false, &json!([sub("foo", "GET", "sobjects/Foo", &Value::Null)]));
    assert_eq!(
        answers[0],
        json!({
            "body": [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}],
            "httpHeaders": {},
            "httpStatusCode": 404,
            "referenceId": "foo",
        })
    );
    let nested = client.composite(false, &json!([sub("inner", "POST", "composite", &json!({}))]));
    assert_eq!(nested[0]["httpStatusCode"], 404);
}

#[test]
fn too_many_requests_or_badly_named_ones_are_refused_whole() {
    let mut client = Client::new();
    let some = |count: usize, path: &str| -> Vec<Value> {
        (0..count)
            .map(|at| sub(&format!("r{at}"), "GET", path, &Value::Null))
            .collect()
    };
    let query = "query?q=SELECT Id FROM Case";
    let twice = vec![
        sub("r", "GET", "limits", &Value::Null),
        sub("r", "GET", "limits", &Value::Null),
    ];
    for (requests, code) in [
        (some(26, "limits"), "LIMIT_EXCEEDED"),
        (some(6, query), "LIMIT_EXCEEDED"),
        (twice, "JSON_PARSER_ERROR"),
        (
            vec![sub("not-plain", "GET", "limits", &Value::Null)],
            "JSON_PARSER_ERROR",
        ),
    ] {
        let refused = client.refusal(Method::POST, "composite", &json!({"compositeRequest": requests}));
        assert_eq!((refused.0, refused.1.as_str()), (400, code));
    }
    assert_eq!(client.composite(false, &json!(some(5, query))).len(), 5);
}

#[test]
fn a_batch_answers_each_request_and_halts_when_told_to() {
    let mut client = Client::new();
    let requests = json!([
        {"method": "POST", "url": "v62.0/sobjects/Case", "richInput": {"Subject": "a"}},
        {"method": "POST", "url": "v62.0/sobjects/Case", "richInput": {"Level__c": "x"}},
        {"method": "GET", "url": "v62.0/limits"},
    ]);
    for (halts, last) in [(false, 200), (true, 412)] {
        let body = json!({"haltOnError": halts, "batchRequests": requests});
        let (status, body) = client.call(Method::POST, "composite/batch", &body);
        assert_eq!((status, &body["hasErrors"]), (StatusCode::OK, &json!(true)));
        let statuses: Vec<&Value> = body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| &result["statusCode"])
            .collect();
        assert_eq!(statuses, [&json!(201), &json!(400), &json!(last)]);
    }
    assert_eq!(client.org.records("Case").len(), 2);
}

#[test]
fn a_tree_makes_parents_before_children_and_all_or_none() {
    let mut client = Client::new();
    let tree = |last_name: Value| {
        json!({"records": [{
            "attributes": {"type": "Account", "referenceId": "a1"},
            "Name": "a",
            "Contacts": {"records": [{"attributes": {"type": "Contact", "referenceId": "c1"}, "LastName": last_name}]},
        }]})
    };
    let (status, body) = client.call(Method::POST, "composite/tree/Account", &tree(Value::Null));
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body,
        json!({"hasErrors": true, "results": [{"referenceId": "c1", "errors": [{
            "statusCode": "REQUIRED_FIELD_MISSING",
            "message": "Required fields are missing: [LastName]",
            "fields": ["LastName"],
        }]}]})
    );
    assert!(client.org.records("Account").is_empty());

    let (status, body) = client.call(Method::POST, "composite/tree/Account", &tree(json!("b")));
    assert_eq!((status, &body["hasErrors"]), (StatusCode::CREATED, &json!(false)));
    let contact = &client.org.records("Contact")[0];
    assert_eq!(
        body["results"][0],
        json!({"referenceId": "a1", "id": contact["AccountId"]})
    );
    assert_eq!(body["results"][1]["id"], contact["Id"]);
    let strange =
        json!({"records": [{"attributes": {"referenceId": "a1"}, "Name": "a", "Things": {"records": []}}]});
    assert_eq!(
        client.refusal(Method::POST, "composite/tree/Account", &strange).1,
        "INVALID_FIELD"
    );
}
