//! The Batch API.

use super::*;

fn inner(id: Value, method: &str, url: &str, sent: Option<&Value>) -> Value {
    let encoded = sent.map(|sent| STANDARD.encode(sent.to_string()));
    json!({"id": id, "method": method, "url": url, "body": encoded,
        "headers": [{"name": "Content-Type", "value": "application/json"}, {"name": "Accept", "value": "application/json"}]})
}

fn batch(bench: &mut Bench, inners: &[Value]) -> Value {
    let sent = json!({"batch_request_id": 1, "rest_requests": inners});
    let answer = bench.call("POST", "/api/now/v1/batch", Some(&sent));
    assert_eq!(answer.status(), 200);
    body(&answer)
}

fn inner_body(serviced: &Value) -> Value {
    serde_json::from_slice(&STANDARD.decode(serviced["body"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn inner_requests_are_served_in_order_each_with_its_own_outcome() {
    let mut bench = Bench::new();
    let id = bench.seed("incident", json!({}));
    let answer = batch(
        &mut bench,
        &[
            inner(
                json!(11),
                "POST",
                "/api/now/table/incident",
                Some(&json!({"short_description": "a"})),
            ),
            inner(
                json!("12"),
                "PATCH",
                &format!("/api/now/table/incident/{id}"),
                Some(&json!({"state": "7"})),
            ),
            inner(
                json!("13"),
                "GET",
                "/api/now/table/incident?sysparm_query=short_description%3Da",
                None,
            ),
        ],
    );
    assert_eq!(
        (&answer["batch_request_id"], &answer["unserviced_requests"]),
        (&json!("1"), &json!([]))
    );
    let serviced = answer["serviced_requests"].as_array().unwrap();
    let outcome = |one: &Value| {
        (
            text(one, "id"),
            one["status_code"].as_u64().unwrap(),
            text(one, "status_text"),
        )
    };
    assert_eq!(outcome(&serviced[0]), ("11".into(), 201, "Created".into()));
    assert_eq!(outcome(&serviced[1]), ("12".into(), 403, "Forbidden".into()));
    assert_eq!(inner_body(&serviced[1])["error"]["message"], "Operation Failed");
    assert_eq!(inner_body(&serviced[2])["result"].as_array().unwrap().len(), 1);
    assert!(
        serviced[0]["headers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|header| header["name"] == "Location")
    );
}

#[test]
fn what_the_thirty_seconds_do_not_reach_is_named_and_not_executed() {
    let mut bench = Bench::new();
    bench.instance.switches.batch_inner_millis = 12_000;
    let inners: Vec<Value> = (1..=4)
        .map(|id| inner(json!(id), "POST", "/api/now/table/incident", Some(&json!({}))))
        .collect();
    let answer = batch(&mut bench, &inners);
    assert_eq!(answer["serviced_requests"].as_array().unwrap().len(), 2);
    assert_eq!(answer["unserviced_requests"], json!(["3", "4"]));
    assert_eq!(bench.instance.rows("incident").len(), 2);
}

#[test]
fn inner_calls_are_counted_by_kind_and_the_batch_is_one_call() {
    let mut bench = Bench::new();
    let inners = [
        inner(json!("1"), "POST", "/api/now/table/incident", Some(&json!({}))),
        inner(json!("2"), "GET", "/api/now/table/incident", None),
    ];
    batch(&mut bench, &inners);
    let counts = bench.instance.inner_calls();
    assert_eq!(
        (counts.calls("servicenow.create"), counts.calls("servicenow.list")),
        (1, 1)
    );
    let outer = request("POST", "/api/now/batch", "sync", Some(&json!({})));
    assert_eq!(bench.instance.classify(&outer).name(), "servicenow.batch");
}

#[test]
fn a_batch_in_a_batch_is_refused_and_headers_may_be_left_out() {
    let mut bench = Bench::new();
    let mut nested = inner(
        json!("1"),
        "POST",
        "/api/now/v1/batch",
        Some(&json!({"rest_requests": []})),
    );
    nested["exclude_response_headers"] = json!(true);
    let answer = batch(&mut bench, &[nested]);
    assert_eq!(answer["serviced_requests"][0]["status_code"], 400);
    assert!(answer["serviced_requests"][0].get("headers").is_none());
}

#[test]
fn a_batch_that_cannot_be_read_is_400() {
    let mut bench = Bench::new();
    let answer = bench.call("POST", "/api/now/batch", Some(&json!({"batch_request_id": "1"})));
    assert_eq!(answer.status(), 400);
}
