//! The grants of the token endpoint, and sessions that the REST API does not take.

use http::Method;
use serde_json::{Value, json};

use super::super::{AppPolicy, INTEGRATION_PASSWORD, INTEGRATION_USER, SessionRefusal, UserState};
use super::*;
use crate::jwt::tests::Signer;

fn refreshing(token: &str) -> String {
    format!(
        "grant_type=refresh_token&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&refresh_token={token}"
    )
}

fn asserting(assertion: &str) -> String {
    format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}")
}

fn error(client: &mut Client, form: &str) -> (String, String) {
    let (status, body) = client.sign_in_with(form);
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    (text("error"), text("error_description"))
}

fn dead() -> (String, String) {
    ("invalid_grant".into(), "expired access/refresh token".into())
}

fn rotate(client: &mut Client) {
    let policy = AppPolicy {
        rotates_refresh_tokens: true,
        ..AppPolicy::default()
    };
    client.org.set_app_policy(CLIENT_ID, policy).unwrap();
}

#[test]
fn a_refresh_token_serves_again_and_again_and_its_answer_holds_none() {
    let mut client = Client::new();
    let token = client.org.consent(CLIENT_ID, INTEGRATION_USER).unwrap();
    for _ in 0..3 {
        let (status, body) = client.sign_in_with(&refreshing(&token));
        assert_eq!((status, body.get("refresh_token")), (StatusCode::OK, None));
    }
    client.org.revoke_consents();
    assert_eq!(error(&mut client, &refreshing(&token)), dead());
}

#[test]
fn a_rotated_refresh_token_dies_at_once_and_its_use_ends_the_whole_consent() {
    let mut client = Client::new();
    rotate(&mut client);
    let first = client.org.consent(CLIENT_ID, INTEGRATION_USER).unwrap();
    let (_, body) = client.sign_in_with(&refreshing(&first));
    let second = body["refresh_token"].as_str().unwrap().to_owned();
    client.token = body["access_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(client.get("limits").0, StatusCode::OK);
    assert_eq!(error(&mut client, &refreshing(&first)), dead());
    assert_eq!(error(&mut client, &refreshing(&second)), dead());
    assert_eq!(
        client.get("limits").0,
        StatusCode::UNAUTHORIZED,
        "its session ends too"
    );
}

#[test]
fn a_secret_is_needed_for_a_refresh_unless_the_app_says_otherwise() {
    let mut client = Client::new();
    let token = client.org.consent(CLIENT_ID, INTEGRATION_USER).unwrap();
    let bare = format!("grant_type=refresh_token&client_id={CLIENT_ID}&refresh_token={token}");
    assert_eq!(error(&mut client, &bare).0, "invalid_client");
    let policy = AppPolicy {
        secret_for_refresh: false,
        ..AppPolicy::default()
    };
    client.org.set_app_policy(CLIENT_ID, policy).unwrap();
    assert_eq!(client.sign_in_with(&bare).0, StatusCode::OK);
}

#[test]
fn client_credentials_are_not_served_where_all_orgs_log_in() {
    let mut client = Client::new();
    let form = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let at = |host: &str| {
        http::Request::post("/services/oauth2/token")
            .header("host", host)
            .body(Bytes::from(form.clone()))
            .unwrap()
    };
    for (host, expected) in [
        ("login.salesforce.com", 400),
        ("test.salesforce.com:443", 400),
        ("acme.my.salesforce.com", 200),
    ] {
        assert_eq!(client.send(&at(host)).status(), expected, "{host}");
    }
    client.org.settings.asked_at_login_host = true;
    assert_eq!(
        error(&mut client, &form).1,
        "request not supported on this domain"
    );
}

/// A client whose app has a key, and that key.
fn with_key() -> (Client, Signer) {
    let (mut client, signer) = (Client::new(), Signer::new());
    client
        .org
        .set_certificate(CLIENT_ID, &signer.public_pem())
        .unwrap();
    (client, signer)
}

fn claims(client: &Client) -> Value {
    json!({
        "iss": CLIENT_ID, "sub": INTEGRATION_USER, "aud": "https://login.salesforce.com",
        "exp": client.now.as_second() + 180,
    })
}

#[test]
fn an_assertion_signs_its_user_in_by_the_login_host_or_the_orgs_own_address() {
    let (mut client, signer) = with_key();
    let mut own = claims(&client);
    own["aud"] = json!("https://acme.my.salesforce.com");
    for claims in [claims(&client), own] {
        let (status, body) = client.sign_in_with(&asserting(&signer.assert(&claims)));
        assert_eq!((status, body.get("refresh_token")), (StatusCode::OK, None));
        client.token = body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(client.get("limits").0, StatusCode::OK);
    }
}

#[test]
fn each_fault_of_an_assertion_has_its_text() {
    let (mut client, signer) = with_key();
    let now = client.now.as_second();
    for (claim, value, expected) in [
        ("iss", json!("somebody"), "client identifier invalid"),
        ("aud", json!("https://test.salesforce.com"), "audience is invalid"),
        ("exp", json!(now), "expired authorization code"),
        ("exp", json!(now + 301), "invalid assertion"),
        ("sub", json!("nobody@acme.example"), "authentication failure"),
    ] {
        let mut bad = claims(&client);
        bad[claim] = value;
        let refused = error(&mut client, &asserting(&signer.assert(&bad)));
        assert_eq!(refused.1, expected, "{claim}");
    }
    let forged = Signer::new().assert(&claims(&client));
    assert_eq!(error(&mut client, &asserting(&forged)).1, "invalid assertion");
    assert_eq!(
        error(&mut client, &asserting("no assertion")).1,
        "invalid assertion"
    );
    let policy = AppPolicy {
        approved_users: Some(["somebody@acme.example".to_owned()].into()),
        ..AppPolicy::default()
    };
    client.org.set_app_policy(CLIENT_ID, policy).unwrap();
    let good = asserting(&signer.assert(&claims(&client)));
    assert_eq!(error(&mut client, &good).1, "user hasn't approved this consumer");
}

#[test]
fn a_user_who_may_not_sign_in_is_refused_by_every_grant() {
    let (mut client, signer) = with_key();
    let token = client.org.consent(CLIENT_ID, INTEGRATION_USER).unwrap();
    let forms = [
        refreshing(&token),
        asserting(&signer.assert(&claims(&client))),
        format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"),
    ];
    for (state, expected) in [
        (UserState::Locked, "user is locked"),
        (UserState::Inactive, "user is inactive"),
    ] {
        client.org.set_user_state(INTEGRATION_USER, state).unwrap();
        for form in &forms {
            assert_eq!(error(&mut client, form).1, expected, "{form}");
        }
    }
}

#[test]
fn an_org_can_have_passwords_blocked() {
    let mut client = Client::new();
    client.org.settings.username_password_flow = false;
    let form = format!(
        "grant_type=password&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&username={INTEGRATION_USER}\
         &password={INTEGRATION_PASSWORD}"
    );
    assert_eq!(error(&mut client, &form).1, "authentication failure");
}

#[test]
fn a_session_that_no_new_token_cures_is_refused_in_its_text_by_the_rest_api_only() {
    let mut client = Client::new();
    for (refusal, text) in [
        (
            SessionRefusal::NotForRestApi,
            "This session is not valid for use with the REST API",
        ),
        (
            SessionRefusal::NotAttachedToAgent,
            "Connected app is not attached to Agent",
        ),
    ] {
        client.org.settings.session_refusal = refusal;
        client.sign_in();
        let said = client.refusal(Method::GET, "limits", &Value::Null);
        assert_eq!(said, (401, "INVALID_SESSION_ID".to_owned(), text.to_owned()));
    }
}

fn soap(client: &mut Client, version: &str, password: &str) -> (u16, String) {
    let envelope = format!(
        r#"<?xml version="1.0" encoding="utf-8" ?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">
        <env:Body><n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>{INTEGRATION_USER}</n1:username>
        <n1:password>{password}</n1:password></n1:login></env:Body></env:Envelope>"#
    );
    let request = http::Request::post(format!("/services/Soap/u/{version}"))
        .header("host", "acme.my.salesforce.com")
        .body(Bytes::from(envelope))
        .unwrap();
    let response = client.send(&request);
    (
        response.status().as_u16(),
        String::from_utf8(response.body().to_vec()).unwrap(),
    )
}

#[test]
fn login_over_soap_opens_a_session_until_the_version_that_has_it_no_more() {
    let mut client = Client::new();
    let (status, body) = soap(&mut client, "62.0", INTEGRATION_PASSWORD);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<serverUrl>https://acme.my.salesforce.com/services/Soap/u/62.0/00D"));
    let (_, rest) = body.split_once("<sessionId>").unwrap();
    rest.split_once('<').unwrap().0.clone_into(&mut client.token);
    assert_eq!(client.get("limits").0, StatusCode::OK);
    let (status, body) = soap(&mut client, "62.0", "wrong");
    assert_eq!(status, 500);
    assert!(
        body.contains("<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>"),
        "{body}"
    );
    assert_eq!(soap(&mut client, "66.0", INTEGRATION_PASSWORD).0, 500);
}

#[test]
fn the_admin_door_reaches_the_grants() {
    let (mut client, signer) = (Client::new(), Signer::new());
    let app = json!({
        "clientId": "other", "secret": "s", "certificate": signer.public_pem(),
        "policy": {"approvedUsers": [], "rotatesRefreshTokens": true},
    });
    client.org.administer("apps", &app, START).unwrap();
    let mut claims = claims(&client);
    claims["iss"] = json!("other");
    let form = asserting(&signer.assert(&claims));
    assert_eq!(error(&mut client, &form).1, "user hasn't approved this consumer");
    let consent = json!({"clientId": "other", "user": INTEGRATION_USER});
    let token = client.org.administer("consents", &consent, START).unwrap();
    let form = format!(
        "grant_type=refresh_token&client_id=other&client_secret=s&refresh_token={}",
        token["refreshToken"].as_str().unwrap()
    );
    assert!(client.sign_in_with(&form).1["refresh_token"].is_string());
}
