//! The grants beyond the password: what is sent, what is kept before what, and what rests.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;

use super::*;
use crate::adapters::credential::RefreshToken;
use crate::adapters::jwt::tests::private_key;
use crate::adapters::refused::RefusalRest;
use crate::adapters::turn::Turns;
use crate::ports::{Remote, RemoteErrorKind};

fn properties() -> Answer {
    listed(1, &[json!({"name": "instance_id", "value": "0123abcd"})])
}

fn token(access: &str, refresh: Option<&str>) -> Answer {
    let mut body = json!({"access_token": access, "token_type": "Bearer", "expires_in": 1799});
    if let Some(refresh) = refresh {
        body["refresh_token"] = json!(refresh);
    }
    ok(&body)
}

fn denied(error: &str) -> Answer {
    let body = json!({"error": error, "error_description": "access_denied"});
    Ok(answer(401, &body.to_string()))
}

fn unauthorized() -> Answer {
    refused(
        401,
        "User Not Authenticated",
        "Required to provide Auth information",
    )
}

/// Keeps what is rotated; fails first where a test says so.
struct Rotating {
    newest: Mutex<String>,
    fails: Mutex<u32>,
}

#[async_trait]
impl CredentialSource<ServiceNowCredential> for Rotating {
    async fn credential(&self) -> Result<ServiceNowCredential, Problem> {
        Ok(ServiceNowCredential::RefreshToken {
            client_id: "client".to_owned(),
            client_secret: "secret".into(),
            refresh_token: RefreshToken {
                token: self.newest.lock().unwrap().clone().into(),
                lineage: "seed".to_owned(),
            },
        })
    }

    fn name(&self) -> &'static str {
        "Secret servicenow-user"
    }

    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        let mut fails = self.fails.lock().unwrap();
        if *fails > 0 {
            *fails -= 1;
            return Err(Problem::transient("RotationNotStored", "not now"));
        }
        next.token
            .expose_secret()
            .clone_into(&mut self.newest.lock().unwrap());
        Ok(())
    }
}

fn rotating(answers: impl IntoIterator<Item = Answer>) -> (ServiceNow, Arc<Rotating>, Arc<Script>) {
    let script = Arc::new(Script::new(answers));
    let source = Arc::new(Rotating {
        newest: Mutex::new("first".to_owned()),
        fails: Mutex::default(),
    });
    let config = ServiceNowConfig {
        instance_url: "https://acme.service-now.com/".parse().unwrap(),
    };
    let clock = Arc::new(TestClock::default());
    let service_now = ServiceNow::new(config, source.clone(), script.clone(), clock);
    (service_now, source, script)
}

fn form(script: &Script, place: usize, key: &str) -> String {
    url::form_urlencoded::parse(script.requests()[place].body())
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn the_same_refresh_token_again_is_not_kept_and_a_new_one_is_before_it_is_used() {
    let (service_now, source, script) = rotating([
        token("one", Some("first")),
        properties(),
        unauthorized(),
        token("two", Some("second")),
        properties(),
    ]);
    *source.fails.lock().unwrap() = 1;
    service_now.identity().await.unwrap();
    let error = service_now.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RotationNotStored");
    assert_eq!(script.requests().len(), 4, "the new access token was not used");
    assert_eq!(*source.newest.lock().unwrap(), "first");
}

#[tokio::test]
async fn a_dead_refresh_token_asks_for_a_new_consent_once() {
    let (service_now, _, script) = rotating([denied("invalid_grant")]);
    for _ in 0..10 {
        let error = service_now.identity().await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
        assert_eq!(error.problem.reason.as_str(), "ConsentNeeded");
    }
    assert_eq!(script.requests().len(), 1);
}

fn jwt(audience: Option<&str>) -> Arc<Secret> {
    Arc::new(Secret(Mutex::new(Ok(ServiceNowCredential::JwtBearer {
        client_id: "client".to_owned(),
        client_secret: None,
        username: "syncflow".to_owned(),
        private_key: private_key(),
        key_id: Some("k1".to_owned()),
        audience: audience.map(str::to_owned),
    }))))
}

#[tokio::test]
async fn an_assertion_names_the_client_twice_and_its_key_unless_the_manifest_says_otherwise() {
    for (audience, expected) in [(None, "client"), (Some("elsewhere"), "elsewhere")] {
        let bench = bench_of(jwt(audience), [token("one", None), properties()]);
        bench.service_now.identity().await.unwrap();
        let assertion = form(&bench.script, 0, "assertion");
        let part = |place: usize| -> Json {
            let part = assertion.split('.').nth(place).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(part(0)["kid"], "k1");
        assert_eq!(
            (&part(1)["iss"], &part(1)["aud"], &part(1)["sub"]),
            (&json!("client"), &json!(expected), &json!("syncflow"))
        );
        assert_eq!(form(&bench.script, 0, "client_id"), "client");
    }
}

#[tokio::test]
async fn each_grant_that_is_refused_says_what_to_click() {
    let client = Arc::new(Secret(Mutex::new(Ok(
        ServiceNowCredential::OauthClientCredentials {
            client_id: "client".to_owned(),
            client_secret: "secret".into(),
        },
    ))));
    for (secret, reason, remedy) in [
        (client, "CredentialRejected", "OAuth Application User"),
        (jwt(None), "AssertionRejected", "JWT verifier map"),
    ] {
        // The script's clock is not ours, so an assertion is tried twice.
        let bench = bench_of(secret, [denied("invalid_grant"), denied("invalid_grant")]);
        let problem = bench.service_now.identity().await.unwrap_err().problem;
        assert_eq!(problem.reason.as_str(), reason);
        assert!(problem.message.contains(remedy), "{}", problem.message);
    }
}

#[tokio::test]
async fn a_refused_password_rests_longer_each_time_and_a_changed_one_is_tried_at_once() {
    let bench = bench([unauthorized(), unauthorized(), unauthorized(), properties()]);
    let attempts = |bench: &Bench| bench.calls();
    for (wait, expected) in [(0, 1), (59, 1), (1, 2), (3599, 2), (1, 3), (7199, 3)] {
        bench.clock.advance(Duration::from_secs(wait));
        for _ in 0..3 {
            bench.service_now.identity().await.unwrap_err();
        }
        assert_eq!(attempts(&bench), expected, "after {wait} s more");
    }
    bench.secret.put(Ok(basic("new")));
    bench.service_now.identity().await.unwrap();
}

#[tokio::test]
async fn calls_that_are_refused_together_count_once() {
    let script = Arc::new(Script::new([unauthorized(), unauthorized(), properties()]));
    let config = ServiceNowConfig {
        instance_url: "https://acme.service-now.com/".parse().unwrap(),
    };
    let clock = Arc::new(TestClock::default());
    let service_now = ServiceNow::new(config, Secret::basic("right"), script.clone(), clock.clone())
        .with_sign_in_manners(RefusalRest::new(Duration::from_hours(1)), Turns::default());
    let (first, second) = futures::future::join(service_now.identity(), service_now.identity()).await;
    assert!(first.is_err() && second.is_err());
    clock.advance(Duration::from_mins(1));
    service_now.identity().await.unwrap();
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn one_call_finds_out_whether_a_refused_password_is_good_again() {
    let bench = bench([
        unauthorized(),
        unauthorized(),
        properties(),
        properties(),
        properties(),
    ]);
    bench.service_now.identity().await.unwrap_err();
    bench.clock.advance(Duration::from_mins(1));
    let both = || futures::future::join(bench.service_now.identity(), bench.service_now.identity());
    let (first, second) = both().await;
    assert!(first.is_err() && second.is_err());
    assert_eq!(bench.calls(), 2, "a second failed sign-in, and not a third");
    bench.clock.advance(Duration::from_hours(1));
    let (first, second) = both().await;
    assert!(first.is_ok() && second.is_ok());
}

#[tokio::test]
async fn an_answer_from_before_the_door_does_not_clear_a_refused_password() {
    for (answered, clears) in [
        (Ok(answer(503, "")), false),
        (Ok(answer(200, "<html>hibernating</html>")), false),
        (refused(429, "Rate limit exceeded", ""), false),
        (Ok(answer(403, "<html>blocked</html>")), false),
        (properties(), true),
        (refused(403, "User Not Authorized", ""), true),
    ] {
        let shown = format!("{answered:?}");
        let bench = bench([unauthorized(), answered, unauthorized(), properties()]);
        bench.service_now.identity().await.unwrap_err();
        bench.clock.advance(Duration::from_mins(1));
        drop(bench.service_now.identity().await);
        bench.service_now.identity().await.unwrap_err();
        // The first rest is a minute, the second an hour.
        bench.clock.advance(Duration::from_mins(1));
        assert_eq!(bench.service_now.identity().await.is_ok(), clears, "{shown}");
    }
}
