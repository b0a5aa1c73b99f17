//! Signing in, and what a refused credential or session becomes.

use std::time::Duration;

use futures::future::join;

use super::*;
use crate::core::failure::FailureClass;
use crate::ports::{Remote, RemoteErrorKind};

fn user_info() -> Answer {
    ok(r#"{"organization_id":"00DD0000000KjsGMAS","user_id":"005D0000001UEjeIAG"}"#)
}

fn refusal(error: &str, description: &str) -> Answer {
    Ok(answer(
        400,
        &format!(r#"{{"error":"{error}","error_description":"{description}"}}"#),
    ))
}

#[tokio::test]
async fn the_identity_is_the_organisation_and_the_time_is_salesforces() {
    let (salesforce, script) = signed_in([user_info()]);
    let identity = salesforce.identity().await.unwrap();
    assert_eq!(identity.id, "00DD0000000KjsGMAS");
    assert_eq!(identity.server_time.to_string(), "2026-11-22T10:00:00Z");
    let requests = script.requests();
    assert_eq!(
        requests[0].uri(),
        "https://acme.my.salesforce.com/services/oauth2/token"
    );
    assert_eq!(
        requests[0].body(),
        "grant_type=client_credentials&client_id=key&client_secret=hush"
    );
    assert_eq!(requests[1].headers()["authorization"], "Bearer one");
    assert_eq!(requests[1].headers()["sforce-call-options"], "client=syncflow");
}

#[tokio::test]
async fn a_password_is_sent_with_its_security_token_appended() {
    let script = Arc::new(Script::new([token("one"), user_info()]));
    let config = SalesforceConfig::new(
        Url::parse("https://login.salesforce.com").unwrap(),
        Arc::new(Fixed(SalesforceCredential::UsernamePassword {
            client_id: "key".into(),
            client_secret: "hush".into(),
            username: "a@b.example".into(),
            password: "p&w".into(),
            security_token: Some("tok".into()),
        })),
    );
    let salesforce = Salesforce::new(config, script.clone(), Arc::new(TestClock::default()));
    salesforce.identity().await.unwrap();
    assert_eq!(
        script.requests()[0].body(),
        "grant_type=password&client_id=key&client_secret=hush&username=a%40b.example&password=p%26wtok"
    );
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_sign_in() {
    let (salesforce, script) = signed_in([user_info(), user_info()]);
    let (first, second) = join(salesforce.identity(), salesforce.identity()).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn calls_whose_session_expires_at_the_same_time_share_one_new_sign_in() {
    let (salesforce, script) = signed_in([
        user_info(),
        expired(),
        expired(),
        token("two"),
        user_info(),
        user_info(),
    ]);
    salesforce.identity().await.unwrap();
    let (first, second) = join(salesforce.identity(), salesforce.identity()).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(script.requests().len(), 7);
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_and_the_call_goes_on() {
    let (salesforce, script) = signed_in([expired(), token("two"), user_info(), user_info()]);
    salesforce.identity().await.unwrap();
    assert_eq!(script.requests()[3].headers()["authorization"], "Bearer two");
    salesforce.identity().await.unwrap();
    assert_eq!(script.requests().len(), 5);
}

#[tokio::test]
async fn userinfo_refuses_an_expired_session_in_its_own_words_and_it_is_renewed_too() {
    let (salesforce, _) = signed_in([Ok(answer(403, "Bad_OAuth_Token")), token("two"), user_info()]);
    salesforce.identity().await.unwrap();
}

#[tokio::test]
async fn a_session_refused_right_after_sign_in_is_a_matter_for_a_person() {
    let (salesforce, script) = signed_in([expired(), token("two"), expired()]);
    let error = salesforce.identity().await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
    assert_eq!(error.problem.reason.as_str(), "SessionRefused");
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn a_401_that_no_new_token_cures_is_not_answered_with_a_sign_in() {
    let (salesforce, script) = signed_in([Ok(answer(
        401,
        r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#,
    ))]);
    let error = salesforce.identity().await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn each_refused_credential_names_the_secret_and_what_to_click() {
    for (error, description, remedy) in [
        (
            "invalid_client_id",
            "client identifier invalid",
            "Manage Consumer Details",
        ),
        (
            "invalid_client",
            "invalid client credentials",
            "Manage Consumer Details",
        ),
        (
            "invalid_grant",
            "no client credentials user enabled",
            "Run As user",
        ),
        (
            "invalid_grant",
            "request not supported on this domain",
            "My Domain",
        ),
        ("invalid_grant", "user is locked out", "unlock the user"),
        ("inactive_user", "user is inactive", "activate the user"),
        (
            "unsupported_grant_type",
            "grant type not supported",
            "Client Credentials Flow",
        ),
        ("brand_new_code", "never seen", "Run As user"),
    ] {
        let (salesforce, script, _) = scripted([refusal(error, description)]);
        let refused = salesforce.identity().await.unwrap_err();
        assert_eq!(refused.kind, RemoteErrorKind::Unauthenticated, "{error}");
        assert_eq!(refused.class(), FailureClass::HumanNeeded);
        let message = refused.problem.message;
        assert!(message.contains("Secret salesforce-oauth"), "{message}");
        assert!(message.contains(remedy), "{message}");
        assert_eq!(script.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_credential_is_not_tried_again_at_once_and_is_after_a_minute() {
    let (salesforce, script, clock) = scripted([
        refusal("invalid_grant", "authentication failure"),
        token("one"),
        user_info(),
    ]);
    let first = salesforce.identity().await.unwrap_err();
    assert_eq!(salesforce.identity().await.unwrap_err(), first);
    assert_eq!(script.requests().len(), 1);
    clock.advance(Duration::from_mins(1));
    assert!(salesforce.identity().await.is_ok());
}

#[tokio::test]
async fn a_gateway_that_answers_in_between_does_not_make_refusals_forgotten() {
    for between in [
        Ok(answer(503, "<html>down</html>")),
        Ok(answer(429, "")),
        ok("<html>"),
    ] {
        let (salesforce, script, clock) = scripted([
            token("one"),
            expired(),
            token("two"),
            expired(),
            between,
            expired(),
            token("three"),
            expired(),
        ]);
        let look = async || {
            let values = [Value::text("a")];
            salesforce
                .find(&schema(), &field("Subject"), &values, &[])
                .await
                .unwrap_err()
        };
        assert_eq!(look().await.problem.reason.as_str(), "SessionRefused");
        clock.advance(Duration::from_mins(1));
        assert_ne!(look().await.problem.reason.as_str(), "SessionRefused");
        assert_eq!(look().await.problem.reason.as_str(), "SessionRefused");
        clock.advance(Duration::from_mins(1));
        assert_eq!(look().await.problem.reason.as_str(), "SessionRefused");
        assert_eq!(
            script.requests().len(),
            8,
            "the second refusal in a row rests longer"
        );
    }
}

/// Gives the first credential once, then the second.
struct Rotated(std::sync::Mutex<Vec<&'static str>>);

#[async_trait]
impl CredentialSource<SalesforceCredential> for Rotated {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        let mut secrets = self.0.lock().unwrap();
        let secret = if secrets.len() > 1 {
            secrets.remove(0)
        } else {
            secrets[0]
        };
        Ok(SalesforceCredential::ClientCredentials {
            client_id: "key".into(),
            client_secret: secret.into(),
        })
    }

    fn name(&self) -> &'static str {
        "Secret salesforce-oauth"
    }
}

#[tokio::test]
async fn a_changed_secret_is_tried_at_once() {
    let script = Arc::new(Script::new([
        refusal("invalid_client", "invalid client credentials"),
        token("one"),
        user_info(),
    ]));
    let config = SalesforceConfig::new(
        Url::parse("https://acme.my.salesforce.com").unwrap(),
        Arc::new(Rotated(vec!["old", "new"].into())),
    );
    let salesforce = Salesforce::new(config, script, Arc::new(TestClock::default()));
    assert!(salesforce.identity().await.is_err());
    assert!(salesforce.identity().await.is_ok());
}

#[tokio::test]
async fn a_sign_in_that_fails_for_the_moment_is_transient() {
    for (first, kind) in [
        (Ok(answer(503, "<html>down</html>")), RemoteErrorKind::Transient),
        (
            refusal("unknown_error", "retry your request"),
            RemoteErrorKind::Transient,
        ),
        (
            refusal("invalid_grant", "login rate exceeded"),
            RemoteErrorKind::Throttled,
        ),
        (
            Err(TransportError::NoAnswer("reset".into())),
            RemoteErrorKind::Transient,
        ),
    ] {
        let (salesforce, _, _) = scripted([first, token("one"), user_info()]);
        assert_eq!(salesforce.identity().await.unwrap_err().kind, kind);
        assert!(salesforce.identity().await.is_ok());
    }
}

#[tokio::test]
async fn whoever_answers_a_sign_in_in_other_words_is_not_salesforce() {
    for first in [
        ok("<html>welcome</html>"),
        ok(r#"{"result":[]}"#),
        Ok(answer(404, "<html>not found</html>")),
        Ok(answer(
            401,
            r#"{"error":{"message":"User Not Authenticated","detail":"x"},"status":"failure"}"#,
        )),
    ] {
        let (salesforce, _, _) = scripted([first, token("one"), user_info()]);
        let error = salesforce.identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "WrongService");
        assert_eq!(error.kind, RemoteErrorKind::Misconfigured);
        assert!(
            error.problem.message.contains("acme.my.salesforce.com"),
            "{error}"
        );
        assert!(salesforce.identity().await.is_ok(), "it heals by itself");
    }
}

#[tokio::test]
async fn a_token_answer_that_names_a_foreign_instance_gets_no_credential() {
    let (salesforce, script, _) = scripted([ok(
        r#"{"access_token":"t","instance_url":"https://evil.example","id":""}"#,
    )]);
    let error = salesforce.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "InstanceRefused");
    assert!(error.problem.message.contains("evil.example"));
    assert_eq!(script.requests().len(), 1);
}
