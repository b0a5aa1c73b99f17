//! The JWT bearer and refresh token flows: what is sent, what is kept before what, and what is never tried again.

use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;

use super::*;
use crate::adapters::credential::RefreshToken;
use crate::adapters::http::scripted::with_header;
use crate::adapters::jwt::tests::private_key;
use crate::ports::{Remote, RemoteErrorKind};

fn user_info() -> Answer {
    ok(r#"{"organization_id":"00DD0000000KjsGMAS","user_id":"005D0000001UEjeIAG"}"#)
}

fn refusal(description: &str) -> Answer {
    let body = format!(r#"{{"error":"invalid_grant","error_description":"{description}"}}"#);
    Ok(answer(400, &body))
}

/// A token answer with the successor of the refresh token.
fn rotating(access: &str, refresh: &str) -> Answer {
    ok(&format!(
        r#"{{"access_token":"{access}","refresh_token":"{refresh}","instance_url":"https://acme.my.salesforce.com"}}"#
    ))
}

/// A Secret with a refresh token, whose successors can be kept once `fails` is used up.
struct Rotating {
    newest: Mutex<String>,
    fails: Mutex<u32>,
    script: Arc<Script>,
    /// How many requests had been sent when each token was kept.
    kept: Mutex<Vec<usize>>,
}

#[async_trait]
impl CredentialSource<SalesforceCredential> for Rotating {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        Ok(SalesforceCredential::RefreshToken {
            client_id: "key".into(),
            client_secret: None,
            refresh_token: RefreshToken {
                token: self.newest.lock().unwrap().clone().into(),
                lineage: "seed".into(),
            },
        })
    }

    fn name(&self) -> &'static str {
        "Secret salesforce-oauth"
    }

    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        assert_eq!(next.lineage, "seed");
        let mut fails = self.fails.lock().unwrap();
        if *fails > 0 {
            *fails -= 1;
            return Err(Problem::transient("RotationNotStored", "not now"));
        }
        next.token
            .expose_secret()
            .clone_into(&mut self.newest.lock().unwrap());
        self.kept.lock().unwrap().push(self.script.requests().len());
        Ok(())
    }
}

struct Bench {
    salesforce: Salesforce,
    source: Arc<Rotating>,
    script: Arc<Script>,
    config: SalesforceConfig,
    clock: Arc<TestClock>,
}

impl Bench {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Arc::new(Script::new(answers));
        let source = Arc::new(Rotating {
            newest: Mutex::new("first".into()),
            fails: Mutex::default(),
            script: script.clone(),
            kept: Mutex::default(),
        });
        let login_url = Url::parse("https://acme.my.salesforce.com").unwrap();
        let config = SalesforceConfig::new(login_url, source.clone());
        let clock = Arc::new(TestClock::default());
        Self {
            salesforce: Salesforce::new(config.clone(), script.clone(), clock.clone()),
            source,
            script,
            config,
            clock,
        }
    }

    /// The refresh token that the request at this place showed.
    fn shown(&self, place: usize) -> String {
        let requests = self.script.requests();
        url::form_urlencoded::parse(requests[place].body())
            .find(|(key, _)| key == "refresh_token")
            .map(|(_, token)| token.into_owned())
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn a_refresh_token_is_shown_without_a_secret_where_there_is_none() {
    let bench = Bench::new([token("one"), user_info()]);
    bench.salesforce.identity().await.unwrap();
    assert_eq!(
        bench.script.requests()[0].body(),
        "grant_type=refresh_token&client_id=key&refresh_token=first"
    );
    assert!(
        bench.source.kept.lock().unwrap().is_empty(),
        "nothing was rotated"
    );
}

#[tokio::test]
async fn a_rotated_token_is_kept_before_the_access_token_that_came_with_it_is_used() {
    let bench = Bench::new([
        rotating("one", "second"),
        user_info(),
        expired(),
        rotating("two", "third"),
        user_info(),
    ]);
    bench.salesforce.identity().await.unwrap();
    bench.salesforce.identity().await.unwrap();
    assert_eq!(
        (bench.shown(0), bench.shown(3)),
        ("first".into(), "second".into())
    );
    assert_eq!(
        *bench.source.kept.lock().unwrap(),
        [1, 4],
        "after the token request, before the next call"
    );
}

#[tokio::test]
async fn a_rotated_token_that_cannot_be_kept_stops_everything_until_it_is() {
    let bench = Bench::new([rotating("one", "second"), rotating("two", "third"), user_info()]);
    *bench.source.fails.lock().unwrap() = 3;
    for _ in 0..3 {
        let error = bench.salesforce.identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "RotationNotStored");
    }
    assert_eq!(
        bench.script.requests().len(),
        1,
        "nothing more was asked of Salesforce"
    );
    bench.salesforce.identity().await.unwrap();
    assert_eq!(bench.shown(1), "second");
}

#[tokio::test]
async fn a_token_that_could_not_be_kept_outlives_its_session() {
    let bench = Bench::new([rotating("one", "second"), rotating("two", "third"), user_info()]);
    *bench.source.fails.lock().unwrap() = 1;
    bench.salesforce.identity().await.unwrap_err();
    let next = Salesforce::new(bench.config.clone(), bench.script.clone(), bench.clock.clone());
    drop(bench.salesforce);
    next.identity().await.unwrap();
    assert_eq!(*bench.source.newest.lock().unwrap(), "third");
}

#[tokio::test]
async fn a_dead_refresh_token_asks_for_a_new_consent_and_is_not_shown_again() {
    let bench = Bench::new([refusal("expired access/refresh token"), token("one"), user_info()]);
    for _ in 0..20 {
        let error = bench.salesforce.identity().await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
        assert_eq!(error.problem.reason.as_str(), "ConsentNeeded");
        assert!(
            error
                .problem
                .message
                .contains("put the new refreshToken into Secret salesforce-oauth")
        );
        assert!(
            !error.problem.message.contains("was lost, and"),
            "no answer was lost"
        );
    }
    assert_eq!(bench.script.requests().len(), 1);
    "new consent".clone_into(&mut bench.source.newest.lock().unwrap());
    bench.salesforce.identity().await.unwrap();
}

#[tokio::test]
async fn a_refresh_is_sent_once_and_a_lost_answer_is_told_when_the_token_turns_out_dead() {
    let bench = Bench::new([
        Err(TransportError::NoAnswer("reset".into())),
        refusal("expired access/refresh token"),
    ]);
    let lost = bench.salesforce.identity().await.unwrap_err();
    assert_eq!(lost.kind, RemoteErrorKind::Transient);
    let dead = bench.salesforce.identity().await.unwrap_err();
    assert_eq!(dead.problem.reason.as_str(), "ConsentNeeded");
    assert!(
        dead.problem.message.contains("was lost, and"),
        "{}",
        dead.problem.message
    );
}

#[tokio::test]
async fn the_successor_is_kept_even_where_the_session_leads_to_a_foreign_host() {
    let foreign = r#"{"access_token":"t","refresh_token":"second","instance_url":"https://evil.example"}"#;
    let bench = Bench::new([ok(foreign)]);
    let error = bench.salesforce.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "InstanceRefused");
    assert_eq!(*bench.source.newest.lock().unwrap(), "second");
}

fn jwt_bench(
    key: SalesforceCredential,
    answers: impl IntoIterator<Item = Answer>,
) -> (Salesforce, Arc<Script>) {
    let script = Arc::new(Script::new(answers));
    let login_url = Url::parse("https://acme.my.salesforce.com").unwrap();
    let config = SalesforceConfig::new(login_url, Arc::new(Fixed(key)));
    let salesforce = Salesforce::new(config, script.clone(), Arc::new(TestClock::default()));
    (salesforce, script)
}

fn jwt(private_key: secrecy::SecretString) -> SalesforceCredential {
    SalesforceCredential::JwtBearer {
        client_id: "key".into(),
        username: "sync@acme.example".into(),
        private_key,
        audience: None,
    }
}

fn claims(request: &http::Request<Bytes>) -> serde_json::Value {
    let (_, assertion) = url::form_urlencoded::parse(request.body())
        .find(|(key, _)| key == "assertion")
        .unwrap();
    let claims = assertion.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// An answer whose clock is at 1994, far from ours.
fn elsewhere(answer: Answer) -> Answer {
    Ok(with_header(
        answer.unwrap(),
        "date",
        "Sun, 06 Nov 1994 08:49:37 GMT",
    ))
}

#[tokio::test]
async fn an_assertion_names_app_user_and_server_and_no_secret_is_sent() {
    let (salesforce, script) = jwt_bench(jwt(private_key()), [token("one"), user_info()]);
    salesforce.identity().await.unwrap();
    let requests = script.requests();
    let claims = claims(&requests[0]);
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["aud"]),
        (
            &"key".into(),
            &"sync@acme.example".into(),
            &"https://login.salesforce.com".into()
        )
    );
    assert_eq!(claims["exp"], 1_700_000_180);
    assert!(
        !std::str::from_utf8(requests[0].body())
            .unwrap()
            .contains("client_secret")
    );
}

#[tokio::test]
async fn an_assertion_refused_for_its_time_is_made_once_more_by_salesforces_clock() {
    let (salesforce, script) = jwt_bench(
        jwt(private_key()),
        [
            elsewhere(refusal("expired authorization code")),
            token("one"),
            expired(),
            token("two"),
            user_info(),
        ],
    );
    salesforce.identity().await.unwrap();
    let requests = script.requests();
    assert_eq!(claims(&requests[1])["exp"], 784_111_777 + 180);
    assert_eq!(
        claims(&requests[3])["exp"],
        784_111_777 + 180,
        "and from then on at once"
    );
}

#[tokio::test]
async fn an_assertion_refused_by_both_clocks_is_refused() {
    let (salesforce, script) = jwt_bench(
        jwt(private_key()),
        [
            elsewhere(refusal("expired authorization code")),
            elsewhere(refusal("expired authorization code")),
        ],
    );
    let error = salesforce.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "SignInRefused");
    assert!(error.problem.message.contains("clock of the operator's node"));
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_told_by_name_and_nothing_is_sent() {
    let (salesforce, script) = jwt_bench(jwt("nonsense".into()), [token("one")]);
    let error = salesforce.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "SecretInvalid");
    assert!(
        error
            .problem
            .message
            .starts_with("Secret salesforce-oauth: the key privateKey is no")
    );
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn each_refused_assertion_says_what_to_click() {
    for (description, remedy) in [
        ("audience is invalid", "set audience"),
        ("invalid assertion", "Use digital signatures"),
        ("user hasn't approved this consumer", "pre-authorized"),
        ("user is locked", "Unlock"),
        ("ip restricted", "Login IP Ranges"),
    ] {
        // The script's clock is not ours, so it is asked twice.
        let refusals = [refusal(description), refusal(description)];
        let (salesforce, _) = jwt_bench(jwt(private_key()), refusals);
        let message = salesforce.identity().await.unwrap_err().problem.message;
        assert!(message.contains(remedy), "{message}");
    }
}

#[tokio::test]
async fn a_session_that_no_new_token_cures_rests_like_a_refused_credential() {
    let final_text = || {
        Ok(answer(
            401,
            r#"[{"message":"Connected app is not attached to Agent","errorCode":"INVALID_SESSION_ID"}]"#,
        ))
    };
    let (salesforce, script, clock) = scripted([token("one"), final_text(), final_text(), final_text()]);
    let object = "Case".parse().unwrap();
    for _ in 0..20 {
        let error = salesforce.describe(&object).await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "SessionRefused");
    }
    assert_eq!(script.requests().len(), 2, "one token, one call");
    clock.advance(Duration::from_mins(1));
    salesforce.describe(&object).await.unwrap_err();
    salesforce.describe(&object).await.unwrap_err();
    assert_eq!(script.requests().len(), 3, "and one call more after its rest");
}
