//! What the model promises, by topic; each test is named after its promise.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a test reads best with its `json!` written in place"
)]

mod access;
mod aggregates;
mod attachments;
mod automation;
mod batch;
mod grants;
mod habits;
mod hazards;
mod imports;
mod keyset;
mod queries;
mod reading;
mod schema;
mod scripted_rules;
mod signing_in;
mod states;
mod table_parameters;
mod writing;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::ServiceNow;
use crate::model::{Admin, Fields, Model, Request, Response};

/// An instance with the service account `sync` (role `itil`) and the administrator `admin`, and a clock.
struct Bench {
    instance: ServiceNow,
    now: Timestamp,
    user: &'static str,
}

impl Bench {
    fn new() -> Self {
        let now: Timestamp = "2026-11-22T01:02:03Z".parse().unwrap();
        let mut instance = ServiceNow::new("https://acme.service-now.com", 7, now);
        instance.add_user("sync", "secret", &["itil"]);
        instance.add_user("admin", "secret", &["admin"]);
        Self {
            instance,
            now,
            user: "sync",
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn send(&mut self, request: &Request) -> Response {
        self.instance.handle(request, self.now)
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let request = request(method, path, self.user, body);
        self.send(&request)
    }

    fn get(&mut self, path: &str) -> Response {
        self.call("GET", path, None)
    }

    /// The rows a list query gives.
    fn list(&mut self, table: &str, query: &str) -> Vec<Value> {
        let path = format!("/api/now/table/{table}?{}", encoded(&[("sysparm_query", query)]));
        let response = self.get(&path);
        assert_eq!(response.status(), 200);
        body(&response)["result"].as_array().unwrap().clone()
    }

    /// One column of the rows a list query gives.
    fn column(&mut self, table: &str, query: &str, column: &str) -> Vec<String> {
        let rows = self.list(table, query);
        rows.iter()
            .map(|row| row[column].as_str().unwrap().to_owned())
            .collect()
    }

    fn post(&mut self, table: &str, fields: Value) -> Response {
        self.call("POST", &format!("/api/now/table/{table}"), Some(&fields))
    }

    fn patch(&mut self, table: &str, sys_id: &str, fields: Value) -> Response {
        self.call(
            "PATCH",
            &format!("/api/now/table/{table}/{sys_id}"),
            Some(&fields),
        )
    }

    /// The row a client's POST made.
    fn created(&mut self, table: &str, fields: Value) -> Value {
        let response = self.post(table, fields);
        assert_eq!(response.status(), 201, "{:?}", response.body());
        body(&response)["result"].clone()
    }

    /// The row after a client's PATCH.
    fn patched(&mut self, table: &str, sys_id: &str, fields: Value) -> Value {
        let response = self.patch(table, sys_id, fields);
        assert_eq!(response.status(), 200, "{:?}", response.body());
        body(&response)["result"].clone()
    }

    fn seed(&mut self, table: &str, fields: Value) -> String {
        self.instance.seed(table, &object(fields), self.now).unwrap()
    }

    fn edit(&mut self, table: &str, sys_id: &str, fields: Value) {
        self.instance
            .edit_as_person(table, sys_id, &object(fields), self.now, "abel")
            .unwrap();
    }
}

fn object(fields: Value) -> Fields {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("not an object: {other}"),
    }
}

fn request(method: &str, path: &str, user: &str, body: Option<&Value>) -> Request {
    let credentials = STANDARD.encode(format!("{user}:secret"));
    let builder = http::Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Basic {credentials}"))
        .header("accept", "application/json");
    let builder = if body.is_some() {
        builder.header("content-type", "application/json")
    } else {
        builder
    };
    builder
        .body(body.map_or_else(Bytes::new, |body| body.to_string().into()))
        .unwrap()
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn error(response: &Response) -> (u16, String, Option<String>) {
    let body = body(response);
    assert_eq!(body["status"], "failure");
    let text = |name: &str| body["error"][name].as_str().map(str::to_owned);
    (
        response.status().as_u16(),
        text("message").unwrap(),
        text("detail"),
    )
}

fn text(row: &Value, column: &str) -> String {
    row[column]
        .as_str()
        .unwrap_or_else(|| panic!("{column} of {row}"))
        .to_owned()
}

#[test]
fn the_same_seed_and_calls_give_the_same_answers() {
    let run = || {
        let mut bench = Bench::new();
        bench.created("incident", json!({"short_description": "a"}));
        bench.get("/api/now/table/incident").body().clone()
    };
    assert_eq!(run(), run());
}
