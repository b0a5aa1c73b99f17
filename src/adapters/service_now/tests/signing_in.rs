use std::time::Duration;

use futures::future::join;

use super::*;
use crate::adapters::http::scripted::with_header;
use crate::ports::{Remote, RemoteErrorKind, Transport};

fn properties() -> Answer {
    listed(1, &[json!({"name": "instance_id", "value": "0123abcd"})])
}

fn token(token: &str, lasts: &Json) -> Answer {
    ok(&json!({"access_token": token, "token_type": "Bearer", "expires_in": lasts}))
}

fn unauthorized() -> Answer {
    refused(
        401,
        "User Not Authenticated",
        "Required to provide Auth information",
    )
}

fn authorization(bench: &Bench, place: usize) -> String {
    let requests = bench.script.requests();
    requests[place].headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_basic_credential_goes_with_every_call_and_no_cookie_does() {
    let bench = bench([
        Ok(with_header(
            properties().unwrap(),
            "set-cookie",
            "JSESSIONID=1; Path=/",
        )),
        properties(),
    ]);
    bench.service_now.identity().await.unwrap();
    bench.service_now.identity().await.unwrap();
    for request in bench.script.requests() {
        assert_eq!(request.headers()["authorization"], "Basic c3luY2Zsb3c6cmlnaHQ=");
        assert!(!request.headers().contains_key("cookie"));
    }
}

#[tokio::test]
async fn a_401_names_what_to_check_and_the_same_password_is_not_sent_again() {
    let bench = bench([unauthorized()]);
    let error = bench.service_now.identity().await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
    assert_eq!(error.problem.reason.as_str(), "CredentialRejected");
    for words in [
        "User Administration > Users",
        "Password needs reset",
        "Locked out",
        "Secret servicenow-user",
    ] {
        assert!(error.problem.message.contains(words), "{}", error.problem.message);
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_password_that_was_changed_in_the_secret_is_read_again_on_401() {
    let bench = bench([properties(), unauthorized(), properties()]);
    bench.service_now.identity().await.unwrap();
    bench.secret.put(Ok(basic("new")));
    bench.service_now.identity().await.unwrap();
    assert_ne!(authorization(&bench, 1), authorization(&bench, 2));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_the_problem_reported() {
    let bench = bench([]);
    bench.secret.put(Err(Problem::waiting(
        "SecretNotFound",
        "no Secret servicenow-user",
    )));
    let error = bench.service_now.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "SecretNotFound");
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn a_second_factor_has_its_own_reason() {
    let asked = Ok(with_header(unauthorized().unwrap(), "x-mfa_token", "invalid"));
    let error = bench([asked]).service_now.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "MultiFactorRequired");
}

#[tokio::test]
async fn one_token_serves_until_shortly_before_its_end() {
    let bench = bench_of(
        Secret::oauth(),
        [
            token("one", &json!(1799)),
            properties(),
            properties(),
            token("two", &json!("1799")),
            properties(),
        ],
    );
    bench.service_now.identity().await.unwrap();
    bench.service_now.identity().await.unwrap();
    bench.clock.advance(Duration::from_secs(1790));
    bench.service_now.identity().await.unwrap();
    let requests = bench.script.requests();
    assert_eq!(requests[0].uri().path(), "/oauth_token.do");
    assert_eq!(
        requests[0].headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    let form = std::str::from_utf8(requests[0].body()).unwrap();
    assert!(form.contains("grant_type=password") && form.contains("client_secret=client+secret"));
    assert_eq!(authorization(&bench, 2), "Bearer one");
    assert_eq!(authorization(&bench, 4), "Bearer two");
}

#[tokio::test]
async fn a_token_that_is_said_to_end_at_once_still_serves_more_than_one_call() {
    for lasts in [0, 60] {
        let answers = [token("one", &json!(lasts)), properties(), properties()];
        let bench = bench_of(Secret::oauth(), answers);
        bench.service_now.identity().await.unwrap();
        bench.service_now.identity().await.unwrap();
        assert_eq!(authorization(&bench, 2), "Bearer one");
    }
}

/// Lets other calls go on while it waits for an answer.
struct Slow(Arc<Script>);

#[async_trait]
impl Transport for Slow {
    async fn send(&self, request: http::Request<Bytes>) -> Answer {
        tokio::task::yield_now().await;
        let answer = self.0.send(request).await;
        tokio::task::yield_now().await;
        answer
    }
}

#[tokio::test]
async fn calls_that_meet_a_401_together_sign_in_once() {
    let script = Arc::new(Script::new([
        token("old", &json!(1799)),
        unauthorized(),
        unauthorized(),
        token("new", &json!(1799)),
        properties(),
        properties(),
    ]));
    let config = ServiceNowConfig {
        instance_url: "https://acme.service-now.com".parse().unwrap(),
    };
    let slow = Arc::new(Slow(script.clone()));
    let service_now = ServiceNow::new(config, Secret::oauth(), slow, Arc::new(TestClock::default()));
    let (first, second) = join(service_now.identity(), service_now.identity()).await;
    first.unwrap();
    second.unwrap();
    let paths: Vec<String> = script
        .requests()
        .iter()
        .map(|request| request.uri().path().to_owned())
        .collect();
    let (token, call) = ("/oauth_token.do", "/api/now/table/sys_properties");
    assert_eq!(paths, [token, call, call, token, call, call]);
}

#[tokio::test]
async fn a_refused_token_request_names_the_account_or_the_client() {
    for (code, reason) in [
        ("access_denied", "CredentialRejected"),
        ("invalid_grant", "CredentialRejected"),
        ("server_error", "CredentialRejected"),
        ("invalid_client", "OauthClientRejected"),
    ] {
        let body = json!({"error": code, "error_description": code}).to_string();
        let bench = bench_of(Secret::oauth(), [Ok(answer(401, &body))]);
        let error = bench.service_now.identity().await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
        assert_eq!(error.problem.reason.as_str(), reason, "{code}");
    }
}

#[tokio::test]
async fn no_error_shows_the_credential() {
    let bench = bench([unauthorized()]);
    let error = bench.service_now.identity().await.unwrap_err();
    assert!(!format!("{error:?}").contains("syncflow:"));
    assert!(!format!("{error:?}").contains("c3luY2Zsb3c6cmlnaHQ="));
}

#[tokio::test]
async fn the_instance_is_named_by_its_id_then_its_name_then_its_host() {
    let named = |name: &str, value: &str| json!({"name": name, "value": value});
    for (rows, expected) in [
        (
            vec![named("instance_name", "acme"), named("instance_id", "0123abcd")],
            "0123abcd",
        ),
        (
            vec![named("instance_name", "acme"), named("instance_id", "")],
            "acme",
        ),
        (vec![], "acme.service-now.com"),
    ] {
        let identity = bench([listed(2, &rows)]).service_now.identity().await.unwrap();
        assert_eq!(identity.id, expected);
        assert_eq!(identity.server_time.to_string(), "2026-11-22T10:00:00Z");
    }
    let denied = refused(403, "User Not Authorized", "Failed API level ACL Validation");
    let identity = bench([denied]).service_now.identity().await.unwrap();
    assert_eq!(identity.id, "acme.service-now.com");
}
