//! The resources around the records: what there is, how much of it, and what is left of the day.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

#[test]
fn the_root_lists_the_resources_and_who_is_asking() {
    let mut client = Client::new();
    let (status, body) = client.get("");
    assert_eq!(status, StatusCode::OK);
    for name in ["sobjects", "query", "queryAll", "composite", "limits", "recent"] {
        assert_eq!(body[name], format!("/services/data/v62.0/{name}"), "{name}");
        assert_ne!(
            client
                .get(
                    body[name]
                        .as_str()
                        .unwrap()
                        .trim_start_matches("/services/data/v62.0/")
                )
                .0,
            StatusCode::NOT_FOUND,
            "{name}"
        );
    }
    let identity = body["identity"].as_str().unwrap();
    assert!(
        identity.starts_with("https://acme.my.salesforce.com/id/00D"),
        "{identity}"
    );
    let mut request = client.request(Method::GET, "", &Value::Null);
    *request.uri_mut() = identity.parse().unwrap();
    let (status, who) = parts(&client.send(&request));
    assert_eq!(
        (status, &who["id"], &who["username"]),
        (
            StatusCode::OK,
            &body["identity"],
            &json!("integration@acme.example")
        )
    );
}

#[test]
fn records_are_counted_by_object_and_an_object_without_any_is_left_out() {
    let mut client = Client::new();
    client.create_case(&json!({}));
    client.create_case(&json!({}));
    let (_, body) = client.get("limits/recordCount?sObjects=Case,Opportunity,Nothing");
    assert_eq!(body, json!({"sObjects": [{"count": 2, "name": "Case"}]}));
    let (_, body) = client.get("limits/recordCount");
    let names: Vec<&Value> = body["sObjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|counted| &counted["name"])
        .collect();
    assert_eq!(names, ["Case", "User"]);
}

#[test]
fn the_limits_and_every_answer_tell_what_is_left_of_the_day() {
    let mut client = Client::new();
    client.org.settings.daily_requests = 10;
    client.org.settings.per_app_requests = Some(5);
    let (_, limits) = client.get("limits");
    assert_eq!(limits["DailyApiRequests"], json!({"Max": 10, "Remaining": 9}));
    let request = client.request(Method::GET, "sobjects/Case/nothing", &Value::Null);
    let response = client.send(&request);
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        response.headers()["sforce-limit-info"],
        "api-usage=2/10; per-app-api-usage=2/5(appName=syncflow)"
    );
}

#[test]
fn leads_and_opportunities_are_there_as_recorded() {
    let mut client = Client::new();
    let refused = client.refusal(Method::POST, "sobjects/Lead", &json!({"FirstName": "Ann"}));
    assert_eq!(refused.2, "Required fields are missing: [LastName, Company]");
    let lead = json!({"FirstName": "Ann", "LastName": "Lee", "Company": "c"});
    let (_, made) = client.call(Method::POST, "sobjects/Lead", &lead);
    let lead = client.org.record("Lead", made["id"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&lead["Name"], &lead["IsConverted"]),
        (&json!("Ann Lee"), &json!(false))
    );
    let deal = json!({"Name": "o", "StageName": "Closed Won", "CloseDate": "2024-07-22", "Amount": 12.5});
    let (_, made) = client.call(Method::POST, "sobjects/Opportunity", &deal);
    let deal = client
        .org
        .record("Opportunity", made["id"].as_str().unwrap())
        .unwrap();
    assert_eq!((&deal["IsClosed"], &deal["IsWon"]), (&json!(true), &json!(true)));
}

#[test]
fn descriptions_that_were_recorded_have_entity_tags() {
    let mut client = Client::new();
    let request = client.request(Method::GET, "sobjects", &Value::Null);
    let response = client.send(&request);
    let tag = response.headers()["etag"].clone();
    let mut request = client.request(Method::GET, "sobjects", &Value::Null);
    request.headers_mut().insert("if-none-match", tag);
    assert_eq!(client.send(&request).status(), StatusCode::NOT_MODIFIED);
}
