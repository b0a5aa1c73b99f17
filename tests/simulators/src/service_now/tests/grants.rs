//! The OAuth grants beyond the password, and what guards an account.

use super::*;
use crate::jwt::tests::Signer;
use crate::service_now::AssertionAudience;

fn ask(bench: &mut Bench, form: &[(&str, &str)]) -> (u16, Value) {
    let client = [("client_id", "app"), ("client_secret", "shh")];
    let request = http::Request::post("/oauth_token.do")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(encoded(&[form, &client].concat())))
        .unwrap();
    let answer = bench.send(&request);
    (answer.status().as_u16(), body(&answer))
}

fn refresh(bench: &mut Bench, token: &str) -> (u16, Value) {
    ask(
        bench,
        &[("grant_type", "refresh_token"), ("refresh_token", token)],
    )
}

fn lists(bench: &mut Bench, token: &Value) -> u16 {
    let request = http::Request::get("/api/now/table/incident")
        .header("authorization", format!("Bearer {}", token.as_str().unwrap()))
        .body(Bytes::new())
        .unwrap();
    bench.send(&request).status().as_u16()
}

#[test]
fn a_consent_is_refreshed_with_the_same_token_unless_tokens_rotate() {
    let mut bench = Bench::new();
    bench.instance.register_client("app", "shh", None);
    let first = bench.instance.consent("app", "sync", bench.now);
    for _ in 0..2 {
        let (status, answer) = refresh(&mut bench, &first);
        assert_eq!(
            (status, answer["refresh_token"].as_str()),
            (200, Some(first.as_str()))
        );
        assert_eq!(lists(&mut bench, &answer["access_token"]), 200);
    }
    bench.instance.switches.rotates_refresh_tokens = true;
    let (_, answer) = refresh(&mut bench, &first);
    let second = answer["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    let (status, refused) = refresh(&mut bench, &first);
    assert_eq!((status, &refused["error"]), (401, &json!("invalid_grant")));
    assert_eq!(refresh(&mut bench, &second).0, 200);
}

/// A bench whose client has a key, and that key.
fn with_key(key_id: Option<&str>) -> (Bench, Signer) {
    let (mut bench, signer) = (Bench::new(), Signer::new());
    bench.instance.register_client("app", "shh", None);
    assert!(
        bench
            .instance
            .verify_assertions_with("app", &signer.public_pem(), key_id)
    );
    (bench, signer)
}

fn claims(bench: &Bench, audience: &str) -> Value {
    let now = bench.now.as_second();
    json!({"iss": "app", "aud": audience, "sub": "sync", "iat": now, "exp": now + 60})
}

fn assert_with(bench: &mut Bench, assertion: &str) -> (u16, Value) {
    ask(
        bench,
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion),
        ],
    )
}

#[test]
fn an_assertion_acts_as_its_subject_without_a_refresh_token() {
    let (mut bench, signer) = with_key(None);
    let assertion = signer.assert(&claims(&bench, "app"));
    let (status, answer) = assert_with(&mut bench, &assertion);
    assert_eq!((status, answer.get("refresh_token")), (200, None));
    assert_eq!(lists(&mut bench, &answer["access_token"]), 200);
}

#[test]
fn an_assertion_that_is_wrong_in_one_thing_is_refused() {
    let (mut bench, signer) = with_key(Some("k1"));
    let named = json!({"alg": "RS256", "kid": "k1"});
    let good = claims(&bench, "app");
    let now = bench.now.as_second();
    assert_eq!(assert_with(&mut bench, &signer.sign(&named, &good)).0, 200);
    assert_eq!(assert_with(&mut bench, &signer.assert(&good)).0, 401, "no kid");
    assert_eq!(
        assert_with(&mut bench, &Signer::new().sign(&named, &good)).0,
        401,
        "another key"
    );
    for (claim, value) in [
        ("aud", json!("https://acme.service-now.com/oauth_token.do")),
        ("iss", json!("somebody")),
        ("exp", json!(now - 301)),
        ("iat", json!(now + 301)),
        ("sub", json!("nobody")),
    ] {
        let mut bad = good.clone();
        bad[claim] = value;
        assert_eq!(
            assert_with(&mut bench, &signer.sign(&named, &bad)).0,
            401,
            "{claim}"
        );
    }
}

#[test]
fn the_audience_may_have_to_be_the_token_endpoint() {
    let (mut bench, signer) = with_key(None);
    bench.instance.switches.assertion_audience = AssertionAudience::TokenEndpoint;
    let endpoint = signer.assert(&claims(&bench, "https://acme.service-now.com/oauth_token.do"));
    assert_eq!(assert_with(&mut bench, &endpoint).0, 200);
    let client = signer.assert(&claims(&bench, "app"));
    assert_eq!(assert_with(&mut bench, &client).0, 401);
}

#[test]
fn enough_failures_in_a_row_lock_the_account_where_the_instance_has_it_so() {
    let mut bench = Bench::new();
    bench.instance.switches.lock_out_after = Some(3);
    let attempt = |bench: &mut Bench, password: &str| {
        let pair = STANDARD.encode(format!("sync:{password}"));
        let request = http::Request::get("/api/now/table/incident")
            .header("authorization", format!("Basic {pair}"))
            .body(Bytes::new())
            .unwrap();
        bench.send(&request).status().as_u16()
    };
    let said: Vec<u16> = [
        "wrong", "wrong", "secret", "wrong", "wrong", "secret", "wrong", "wrong", "wrong",
    ]
    .iter()
    .map(|password| attempt(&mut bench, password))
    .collect();
    assert_eq!(said, [401, 401, 200, 401, 401, 200, 401, 401, 401]);
    assert_eq!(attempt(&mut bench, "secret"), 401, "locked");
    let rows = bench.instance.rows("sys_user");
    let row = rows.iter().find(|row| row["user_name"] == "sync").unwrap();
    assert_eq!(row["locked_out"], "true");
}

#[test]
fn a_user_with_a_second_factor_is_told_so_by_a_header() {
    let mut bench = Bench::new();
    bench
        .instance
        .switches
        .multi_factor_users
        .insert("sync".to_owned());
    let answer = bench.get("/api/now/table/incident");
    assert_eq!(answer.status(), 401);
    assert_eq!(header(&answer, "x-mfa_token"), Some("invalid"));
}

#[test]
fn the_admin_door_reaches_the_grants() {
    let (mut bench, signer) = (Bench::new(), Signer::new());
    let now = bench.now;
    let client =
        json!({"clientId": "app", "secret": "shh", "certificate": signer.public_pem(), "keyId": "k1"});
    bench.instance.administer("client", &client, now).unwrap();
    let consent = json!({"clientId": "app", "userName": "sync"});
    let token = bench.instance.administer("consent", &consent, now).unwrap();
    assert_eq!(
        refresh(&mut bench, token["refreshToken"].as_str().unwrap()).0,
        200
    );
    let bad = json!({"clientId": "app", "secret": "shh", "certificate": "no PEM"});
    assert!(bench.instance.administer("client", &bad, now).is_err());
}
