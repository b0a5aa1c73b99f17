//! What the org promises over its API, a promise a test.

mod bulk_ingest;
mod bulk_jobs;
mod bulk_search;
mod composites;
mod conditions;
mod cursors;
mod deletions;
mod describes;
mod files;
mod grants;
mod guards;
mod paging;
mod queries;
mod relationships;
mod replication;
mod resources;
mod rights;
mod rules;
mod sessions;
mod upserts;
mod writes;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{CLIENT_ID, CLIENT_SECRET, Field, FieldType, Salesforce};
use crate::model::{Admin, Fields, Model, Request, Response};

/// 2024-07-22 10:00:00 UTC.
const START: Timestamp = Timestamp::constant(1_721_642_400, 0);

/// A client of a fresh org with a stamp field on Case, signed in, and a clock that only moves when told.
struct Client {
    org: Salesforce,
    token: String,
    now: Timestamp,
}

impl Client {
    fn new() -> Self {
        let mut org = Salesforce::new();
        org.add_custom_field("Case", Field::unique_external_id("Stamp__c", 64))
            .unwrap();
        org.add_custom_field("Case", Field::picklist("Level__c", &["One", "Two"], true))
            .unwrap();
        org.add_custom_field(
            "Case",
            Field {
                scale: 2,
                ..Field::new("Cost__c", FieldType::Double)
            },
        )
        .unwrap();
        let mut client = Self {
            org,
            token: String::new(),
            now: START,
        };
        client.sign_in();
        client
    }

    fn sign_in(&mut self) {
        let form =
            format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
        let (status, body) = self.sign_in_with(&form);
        assert_eq!(status, StatusCode::OK, "{body}");
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    fn sign_in_with(&mut self, form: &str) -> (StatusCode, Value) {
        let request = http::Request::post("/services/oauth2/token")
            .header("host", "acme.my.salesforce.com")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form.to_owned()))
            .unwrap();
        parts(&self.org.handle(&request, self.now))
    }

    fn send(&mut self, request: &Request) -> Response {
        self.org.handle(request, self.now)
    }

    fn request(&self, method: Method, path: &str, body: &Value) -> Request {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        http::Request::builder()
            .method(method)
            .uri(format!("/services/data/v62.0/{path}"))
            .header("host", "acme.my.salesforce.com")
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json;charset=UTF-8")
            .body(body)
            .unwrap()
    }

    fn call(&mut self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(method, path, body);
        parts(&self.send(&request))
    }

    fn get(&mut self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, &Value::Null)
    }

    fn query(&mut self, soql: &str) -> (StatusCode, Value) {
        self.get(&query_path("query", soql))
    }

    /// The records of a query that must succeed.
    fn records(&mut self, soql: &str) -> Vec<Value> {
        let (status, body) = self.query(soql);
        assert_eq!(status, StatusCode::OK, "{body}");
        body["records"].as_array().unwrap().clone()
    }

    /// Makes a case over the API.
    fn create_case(&mut self, fields: &Value) -> String {
        let (status, body) = self.call(Method::POST, "sobjects/Case", fields);
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// The one error of a call that must be refused: status, code, message.
    fn refusal(&mut self, method: Method, path: &str, body: &Value) -> (u16, String, String) {
        let (status, body) = self.call(method, path, body);
        assert!(
            status.is_client_error() || status.is_server_error(),
            "{status} {body}"
        );
        let text = |key: &str| body[0][key].as_str().unwrap_or_default().to_owned();
        (status.as_u16(), text("errorCode"), text("message"))
    }

    fn seed_case(&mut self, fields: &Value) -> String {
        self.org.seed("Case", &as_fields(fields), self.now).unwrap()
    }

    fn case(&self, id: &str) -> Fields {
        self.org.record("Case", id).unwrap()
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

fn query_path(resource: &str, soql: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", soql)
        .finish();
    format!("{resource}?{query}")
}

fn as_fields(fields: &Value) -> Fields {
    fields.as_object().unwrap().clone()
}

fn parts(response: &Response) -> (StatusCode, Value) {
    let body = if response.body().is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(response.body()).unwrap()
    };
    (response.status(), body)
}

fn item(fields: &Value) -> Value {
    let mut item = json!({"attributes": {"type": "Case"}});
    item.as_object_mut().unwrap().extend(as_fields(fields));
    item
}
