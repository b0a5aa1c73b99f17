//! Basic authentication and OAuth.

use super::*;

fn flag(bench: &mut Bench, user: &str, column: &str, value: &str) {
    let rows = bench.instance.rows("sys_user");
    let row = rows.iter().find(|row| row["user_name"] == user).unwrap();
    bench.edit("sys_user", &row["sys_id"].clone(), json!({column: value}));
}

fn token(bench: &mut Bench, form: &[(&str, &str)]) -> Response {
    let request = http::Request::post("/oauth_token.do")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(encoded(form)))
        .unwrap();
    bench.send(&request)
}

fn with_token(bench: &mut Bench, token: &str) -> u16 {
    let request = http::Request::get("/api/now/table/incident")
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::new())
        .unwrap();
    bench.send(&request).status().as_u16()
}

const PASSWORD: [(&str, &str); 5] = [
    ("grant_type", "password"),
    ("client_id", "app"),
    ("client_secret", "shh"),
    ("username", "sync"),
    ("password", "secret"),
];

#[test]
fn wrong_or_missing_credentials_are_401_with_the_documented_body() {
    let mut bench = Bench::new();
    bench.user = "nobody";
    let answer = bench.get("/api/now/table/incident");
    let detail = Some("Required to provide Auth information".to_owned());
    assert_eq!(error(&answer), (401, "User Not Authenticated".to_owned(), detail));
    assert!(header(&answer, "www-authenticate").unwrap().starts_with("BASIC"));
    let bare = http::Request::get("/api/now/table/incident")
        .body(Bytes::new())
        .unwrap();
    assert_eq!(bench.send(&bare).status(), 401);
}

#[test]
fn a_user_who_is_locked_out_or_inactive_or_must_reset_the_password_is_401_until_that_is_put_right() {
    for (column, bad, good) in [
        ("locked_out", "true", "false"),
        ("active", "false", "true"),
        ("password_needs_reset", "true", "false"),
    ] {
        let mut bench = Bench::new();
        flag(&mut bench, "sync", column, bad);
        assert_eq!(bench.get("/api/now/table/incident").status(), 401, "{column}");
        flag(&mut bench, "sync", column, good);
        assert_eq!(bench.get("/api/now/table/incident").status(), 200, "{column}");
    }
}

#[test]
fn a_password_that_needs_a_reset_does_not_matter_where_the_instance_does_not_enforce_it() {
    let mut bench = Bench::new();
    flag(&mut bench, "sync", "password_needs_reset", "true");
    bench.instance.switches.reset_password_mandatory = false;
    assert_eq!(bench.get("/api/now/table/incident").status(), 200);
}

#[test]
fn the_password_grant_gives_a_token_and_the_same_one_while_it_lives() {
    let mut bench = Bench::new();
    bench.instance.register_client("app", "shh", None);
    let first = body(&token(&mut bench, &PASSWORD));
    assert_eq!(first["expires_in"], 1799);
    assert_eq!(
        (&first["token_type"], &first["scope"]),
        (&json!("Bearer"), &json!("useraccount"))
    );
    let access = text(&first, "access_token");
    assert_eq!(with_token(&mut bench, &access), 200);
    bench.wait(600);
    let second = body(&token(&mut bench, &PASSWORD));
    assert_eq!(
        (&second["access_token"], &second["expires_in"]),
        (&first["access_token"], &json!(1199))
    );
    bench.wait(1200);
    assert_eq!(with_token(&mut bench, &access), 401);
    assert_ne!(
        body(&token(&mut bench, &PASSWORD))["access_token"],
        first["access_token"]
    );
}

#[test]
fn a_refresh_token_gives_a_new_access_token() {
    let mut bench = Bench::new();
    bench.instance.register_client("app", "shh", None);
    let first = body(&token(&mut bench, &PASSWORD));
    let refresh = text(&first, "refresh_token");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("client_secret", "shh"),
        ("refresh_token", refresh.as_str()),
    ];
    let second = body(&token(&mut bench, &form));
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(with_token(&mut bench, &text(&second, "access_token")), 200);
    bench.instance.revoke_tokens();
    let refused = token(&mut bench, &form);
    assert_eq!(
        (refused.status().as_u16(), body(&refused)["error"].clone()),
        (401, json!("invalid_grant"))
    );
}

#[test]
fn client_credentials_act_as_the_application_user_without_a_refresh_token() {
    let mut bench = Bench::new();
    bench.instance.register_client("app", "shh", Some("sync"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "app"),
        ("client_secret", "shh"),
    ];
    let answer = body(&token(&mut bench, &form));
    assert!(answer.get("refresh_token").is_none());
    assert_eq!(with_token(&mut bench, &text(&answer, "access_token")), 200);
    bench.instance.switches.client_credentials_enabled = false;
    assert_eq!(token(&mut bench, &form).status(), 401);
}

#[test]
fn a_token_dies_with_its_users_right_to_sign_in() {
    let mut bench = Bench::new();
    bench.instance.register_client("app", "shh", None);
    let access = text(&body(&token(&mut bench, &PASSWORD)), "access_token");
    flag(&mut bench, "sync", "locked_out", "true");
    assert_eq!(with_token(&mut bench, &access), 401);
    assert_eq!(body(&token(&mut bench, &PASSWORD))["error"], "access_denied");
}

#[test]
fn a_token_request_must_be_a_form_with_a_known_client() {
    let mut bench = Bench::new();
    assert_eq!(body(&token(&mut bench, &PASSWORD))["error"], "invalid_client");
    let as_json = request(
        "POST",
        "/oauth_token.do",
        "sync",
        Some(&json!({"grant_type": "password"})),
    );
    assert_eq!(bench.send(&as_json).status(), 401);
}
