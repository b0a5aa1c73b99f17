//! Reads and writes under conditions.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

/// The moment of [`START`], and the second after it.
const AT_START: &str = "Mon, 22 Jul 2024 10:00:00 GMT";
const A_SECOND_LATER: &str = "Mon, 22 Jul 2024 10:00:01 GMT";

impl Client {
    fn call_if(
        &mut self,
        method: Method,
        path: &str,
        header: (&'static str, &str),
        body: &Value,
    ) -> Response {
        let mut request = self.request(method, path, body);
        request.headers_mut().insert(header.0, header.1.parse().unwrap());
        self.send(&request)
    }
}

#[test]
fn a_write_under_a_date_goes_through_only_if_nobody_wrote_after_it() {
    let mut client = Client::new();
    let path = format!("sobjects/Case/{}", client.create_case(&json!({"Subject": "a"})));
    let unmodified = ("if-unmodified-since", AT_START);
    client.wait(1);
    let response = client.call_if(Method::PATCH, &path, unmodified, &json!({"Subject": "b"}));
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    client.wait(1);
    let response = client.call_if(Method::PATCH, &path, unmodified, &json!({"Subject": "c"}));
    assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
    let response = client.call_if(
        Method::PATCH,
        &path,
        ("if-unmodified-since", A_SECOND_LATER),
        &json!({"Subject": "c"}),
    );
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[test]
fn two_writes_in_one_second_look_like_one() {
    let mut client = Client::new();
    let id = client.create_case(&json!({"Subject": "a"}));
    let path = format!("sobjects/Case/{id}");
    client.call(Method::PATCH, &path, &json!({"Subject": "a person's"}));
    let response = client.call_if(
        Method::PATCH,
        &path,
        ("if-unmodified-since", AT_START),
        &json!({"Subject": "ours"}),
    );
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(client.case(&id)["Subject"], "ours");
}

#[test]
fn what_cannot_be_understood_stops_a_write_and_not_a_read() {
    let mut client = Client::new();
    let path = format!("sobjects/Case/{}", client.create_case(&json!({"Subject": "a"})));
    let nonsense = ("if-unmodified-since", "yesterday");
    let response = client.call_if(Method::PATCH, &path, nonsense, &json!({"Subject": "b"}));
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let response = client.call_if(
        Method::GET,
        &path,
        ("if-modified-since", "yesterday"),
        &Value::Null,
    );
    assert_eq!(response.status(), StatusCode::OK);
}

#[test]
fn a_deletion_knows_no_conditions() {
    let mut client = Client::new();
    let path = format!("sobjects/Case/{}", client.create_case(&json!({})));
    client.wait(5);
    client.call(Method::PATCH, &path, &json!({"Subject": "b"}));
    let response = client.call_if(
        Method::DELETE,
        &path,
        ("if-unmodified-since", AT_START),
        &Value::Null,
    );
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[test]
fn a_read_of_what_the_client_knows_is_304_and_every_read_tells_the_date() {
    let mut client = Client::new();
    let path = format!("sobjects/Case/{}", client.create_case(&json!({})));
    let response = client.call_if(Method::GET, &path, ("if-modified-since", AT_START), &Value::Null);
    assert_eq!(
        (response.status(), response.body().len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    client.wait(1);
    client.call(Method::PATCH, &path, &json!({"Subject": "b"}));
    let response = client.call_if(Method::GET, &path, ("if-modified-since", AT_START), &Value::Null);
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["last-modified"], A_SECOND_LATER);
    assert!(response.headers().get("etag").is_none());
}

#[test]
fn accounts_have_entity_tags_that_see_what_dates_do_not() {
    let mut client = Client::new();
    let (_, made) = client.call(Method::POST, "sobjects/Account", &json!({"Name": "a"}));
    let path = format!("sobjects/Account/{}", made["id"].as_str().unwrap());
    let request = client.request(Method::GET, &path, &Value::Null);
    let tag = client.send(&request).headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let known = client.call_if(Method::GET, &path, ("if-none-match", &tag), &Value::Null);
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let edit = json!({"Name": "b"});
    let first = client.call_if(Method::PATCH, &path, ("if-match", &tag), &edit);
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    let second = client.call_if(Method::PATCH, &path, ("if-match", &tag), &edit);
    assert_eq!(second.status(), StatusCode::PRECONDITION_FAILED);
    let unquoted = client.call_if(Method::PATCH, &path, ("if-match", "abc"), &edit);
    assert_eq!(unquoted.status(), StatusCode::BAD_REQUEST);
    let any = client.call_if(Method::PATCH, &path, ("if-match", "*"), &edit);
    assert_eq!(any.status(), StatusCode::NO_CONTENT);
}

#[test]
fn a_describe_is_304_until_the_object_changes() {
    let mut client = Client::new();
    let path = "sobjects/Case/describe";
    let request = client.request(Method::GET, path, &Value::Null);
    let seen = client.send(&request).headers()["last-modified"]
        .to_str()
        .unwrap()
        .to_owned();
    client.wait(60);
    for path in [path, "sobjects"] {
        let response = client.call_if(Method::GET, path, ("if-modified-since", &seen), &Value::Null);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    client
        .org
        .add_custom_field("Case", Field::new("New__c", FieldType::String))
        .unwrap();
    for path in [path, "sobjects"] {
        let response = client.call_if(Method::GET, path, ("if-modified-since", &seen), &Value::Null);
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let other = client.call_if(
        Method::GET,
        "sobjects/Contact/describe",
        ("if-modified-since", &seen),
        &Value::Null,
    );
    assert_eq!(other.status(), StatusCode::NOT_MODIFIED);
}
