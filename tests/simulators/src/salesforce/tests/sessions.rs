//! Signing in, sessions, limits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::{INTEGRATION_PASSWORD, INTEGRATION_USER, UserState};
use super::*;

const GRANT: &str = "grant_type=client_credentials";

#[test]
fn a_token_answer_has_the_documented_keys_and_no_expiry() {
    let mut client = Client::new();
    let (status, body) = client.sign_in_with(&format!(
        "{GRANT}&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
    ));
    assert_eq!(status, StatusCode::OK);
    for key in [
        "access_token",
        "signature",
        "scope",
        "instance_url",
        "id",
        "issued_at",
    ] {
        assert!(body[key].is_string(), "{key}");
    }
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["issued_at"], START.as_millisecond().to_string());
    assert_eq!(body["instance_url"], "https://acme.my.salesforce.com");
    assert!(body.get("expires_in").is_none() && body.get("refresh_token").is_none());
}

#[test]
fn client_credentials_may_come_by_http_basic() {
    let mut client = Client::new();
    let basic = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    let request = http::Request::post("/services/oauth2/token/")
        .header("authorization", format!("Basic {basic}"))
        .body(GRANT.into())
        .unwrap();
    assert_eq!(client.send(&request).status(), StatusCode::OK);
}

#[test]
fn each_way_of_failing_to_sign_in_has_its_error() {
    let mut client = Client::new();
    let app = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let password = format!("grant_type=password&{app}&username={INTEGRATION_USER}&password=");
    let cases = [
        (
            format!("{GRANT}&client_id=nobody&client_secret=x"),
            "invalid_client_id",
        ),
        (
            format!("{GRANT}&client_id={CLIENT_ID}&client_secret=x"),
            "invalid_client",
        ),
        (format!("grant_type=magic&{app}"), "unsupported_grant_type"),
        (format!("{password}wrong"), "invalid_grant"),
        (
            format!("grant_type=password&{app}&username=nobody&password=x"),
            "invalid_grant",
        ),
    ];
    for (form, expected) in cases {
        let (status, body) = client.sign_in_with(&form);
        assert_eq!(
            (status, body["error"].as_str()),
            (StatusCode::BAD_REQUEST, Some(expected)),
            "{form}"
        );
        assert!(body["error_description"].is_string());
    }
    assert_eq!(
        client
            .sign_in_with(&format!("{password}{INTEGRATION_PASSWORD}"))
            .0,
        StatusCode::OK
    );

    client
        .org
        .set_user_state(INTEGRATION_USER, UserState::Locked)
        .unwrap();
    let (_, body) = client.sign_in_with(&format!("{password}{INTEGRATION_PASSWORD}"));
    assert_eq!(body["error_description"], "authentication failure");
    client
        .org
        .set_user_state(INTEGRATION_USER, UserState::Inactive)
        .unwrap();
    assert_eq!(
        client.sign_in_with(&format!("{GRANT}&{app}")).1["error"],
        "inactive_user"
    );
}

#[test]
fn ten_wrong_passwords_lock_a_user_out() {
    let mut client = Client::new();
    let form = |password: &str| {
        format!(
            "grant_type=password&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&username={INTEGRATION_USER}&password={password}"
        )
    };
    for _ in 0..10 {
        client.sign_in_with(&form("wrong"));
    }
    assert_eq!(
        client.sign_in_with(&form(INTEGRATION_PASSWORD)).1["error"],
        "invalid_grant"
    );
    assert_eq!(
        client.get("limits").0,
        StatusCode::UNAUTHORIZED,
        "open sessions end too"
    );
}

#[test]
fn a_session_ends_by_age_and_by_revocation() {
    let mut client = Client::new();
    assert_eq!(client.get("limits").0, StatusCode::OK);
    client.wait(7200);
    let (status, code, message) = client.refusal(Method::GET, "limits", &Value::Null);
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (401, "INVALID_SESSION_ID", "Session expired or invalid")
    );
    client.sign_in();
    assert_eq!(client.get("limits").0, StatusCode::OK);
    client.org.revoke_sessions();
    assert_eq!(client.get("limits").0, StatusCode::UNAUTHORIZED);
}

#[test]
fn a_call_without_a_token_or_with_an_expired_password_is_refused_in_its_own_words() {
    let mut client = Client::new();
    let request = http::Request::get("/services/data/v62.0/limits")
        .body(Bytes::new())
        .unwrap();
    let (status, body) = parts(&client.send(&request));
    assert_eq!(
        (status.as_u16(), &body[0]["errorCode"]),
        (401, &json!("INVALID_AUTH_HEADER"))
    );
    client
        .org
        .set_user_state(INTEGRATION_USER, UserState::PasswordExpired)
        .unwrap();
    let (status, code, _) = client.refusal(Method::GET, "limits", &Value::Null);
    assert_eq!(
        (status, code.as_str()),
        (403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD")
    );
}

#[test]
fn userinfo_names_the_organisation_and_the_user() {
    let mut client = Client::new();
    client.org.settings.organization_id = "00D000000000001EAA".into();
    client.sign_in();
    let request = http::Request::get("/services/oauth2/userinfo")
        .header("authorization", format!("Bearer {}", client.token))
        .body(Bytes::new())
        .unwrap();
    let (status, body) = parts(&client.send(&request));
    assert_eq!(
        (status, &body["organization_id"]),
        (StatusCode::OK, &json!("00D000000000001EAA"))
    );
    let users = client.records("SELECT Id, Username FROM User");
    assert!(
        users
            .iter()
            .any(|user| user["Id"] == body["user_id"] && user["Username"] == INTEGRATION_USER)
    );
}

#[test]
fn every_answer_tells_the_calls_used_and_the_day_has_an_end() {
    let mut client = Client::new();
    client.org.settings.daily_requests = 3;
    for used in 1..=3 {
        let request = client.request(Method::GET, "limits", &Value::Null);
        let response = client.send(&request);
        assert_eq!(
            response.headers()["sforce-limit-info"],
            format!("api-usage={used}/3")
        );
    }
    let (status, code, message) = client.refusal(Method::GET, "limits", &Value::Null);
    assert_eq!((status, code.as_str()), (403, "REQUEST_LIMIT_EXCEEDED"));
    assert_eq!(message, "TotalRequests Limit exceeded.");
    client.wait(25 * 3600);
    client.sign_in();
    assert_eq!(
        client.get("limits").1["DailyApiRequests"],
        json!({"Max": 3, "Remaining": 2})
    );
}

#[test]
fn versions_need_no_session_and_unknown_ones_are_not_found() {
    let mut client = Client::new();
    let request = http::Request::get("/services/data/").body(Bytes::new()).unwrap();
    let (_, body) = parts(&client.send(&request));
    assert_eq!(
        body.as_array().unwrap().last().unwrap(),
        &json!({"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"})
    );
    for version in ["v12.0", "v69.0", "latest"] {
        let request = http::Request::get(format!("/services/data/{version}/limits"))
            .body(Bytes::new())
            .unwrap();
        let (status, body) = parts(&client.send(&request));
        assert_eq!(
            (status.as_u16(), &body[0]["errorCode"]),
            (404, &json!("NOT_FOUND"))
        );
    }
}

#[test]
fn an_address_too_long_is_a_414_without_json() {
    let mut client = Client::new();
    let request = client.request(
        Method::GET,
        &query_path("query", &"x".repeat(16_400)),
        &Value::Null,
    );
    let response = client.send(&request);
    assert_eq!(response.status(), StatusCode::URI_TOO_LONG);
    assert!(response.body().starts_with(b"<"));
}
