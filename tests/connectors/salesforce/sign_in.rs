//! Signing in, and staying signed in.

use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::salesforce::{INTEGRATION_PASSWORD, INTEGRATION_USER, UserState};

use super::*;

fn password(password: &str) -> SalesforceCredential {
    SalesforceCredential::UsernamePassword {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.into(),
        username: INTEGRATION_USER.to_owned(),
        password: password.into(),
        security_token: None,
    }
}

#[tokio::test]
async fn both_grants_lead_to_the_organisation_and_its_clock() {
    for credential in [client_credentials(CLIENT_SECRET), password(INTEGRATION_PASSWORD)] {
        let org = Org::start_with(credential).await;
        let identity = org.adapter.identity().await.unwrap();
        assert_eq!(identity.id, "00D5g0000004XyZEAU");
        assert_eq!(identity.server_time.seconds(), NOW.as_second());
    }
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_and_a_changed_one_at_once() {
    let org = Org::start_with(client_credentials("wrong")).await;
    for _ in 0..3 {
        let error = org.adapter.identity().await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
        assert!(
            error.problem.message.contains("Secret salesforce-oauth"),
            "{error}"
        );
    }
    assert_eq!(org.calls("salesforce.token"), 1);
    *org.secret.0.lock().unwrap() = client_credentials(CLIENT_SECRET);
    org.adapter.identity().await.unwrap();
}

#[tokio::test]
async fn a_locked_user_is_not_hammered() {
    let org = Org::start_with(password(INTEGRATION_PASSWORD)).await;
    org.edit(|org| org.set_user_state(INTEGRATION_USER, UserState::Locked).unwrap());
    for _ in 0..20 {
        let error = org.adapter.identity().await.unwrap_err();
        assert!(error.problem.message.contains("not locked"), "{error}");
    }
    assert_eq!(org.calls("salesforce.token"), 1);
}

#[tokio::test]
async fn an_expired_password_says_so() {
    let org = Org::start().await;
    org.adapter.identity().await.unwrap();
    org.edit(|org| {
        org.set_user_state(INTEGRATION_USER, UserState::PasswordExpired)
            .unwrap();
    });
    let error = org.adapter.describe(&"Case".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
    assert_eq!(error.problem.reason.as_str(), "PasswordExpired");
}

#[tokio::test]
async fn an_ended_session_is_renewed_in_the_middle_of_work_and_nothing_is_written_twice() {
    let org = Org::start().await;
    let schema = org.schema().await;
    org.edit(Model::revoke_sessions);
    org.adapter.identity().await.unwrap();
    org.edit(Model::revoke_sessions);
    let outcomes = org.adapter.create(&schema, &[new_case(1)]).await.unwrap();
    assert!(matches!(
        outcomes[0],
        syncflow::ports::WriteOutcome::Applied { .. }
    ));
    assert_eq!(org.count(), 1);
    assert_eq!(org.calls("salesforce.token"), 3);
}

#[tokio::test]
async fn a_token_for_a_foreign_instance_is_not_used() {
    for foreign in [
        "https://evil.example",
        "http://localhost:1",
        "https://127.0.0.1:1",
        "not a url",
    ] {
        let org = Org::start().await;
        org.edit(|org| org.settings.instance_url = Some(foreign.to_owned()));
        let error = org.adapter.identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "InstanceRefused", "{foreign}");
        assert_eq!(org.calls("salesforce.userinfo"), 0);
    }
}

#[tokio::test]
async fn the_orgs_use_of_its_calls_is_heard_and_their_end_is_throttling() {
    let org = Org::start().await;
    let schema = org.schema().await;
    org.edit(|org| {
        org.settings.daily_requests = 5000;
        org.set_requests_used_elsewhere(3000);
    });
    let schema_again = org.schema().await;
    assert_eq!(schema, schema_again);
    let heard = org.usage.0.lock().unwrap().unwrap();
    assert_eq!(heard.allowed, 5000);
    assert!(heard.used > 3000);

    // Others use up the rest at once, before any answer could tell.
    org.edit(|org| org.set_requests_used_elsewhere(5000));
    let error = org.adapter.create(&schema, &[new_case(1)]).await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Throttled);
    assert_eq!(error.problem.reason.as_str(), "ApiLimitReached");
    assert_eq!(org.count(), 0);
}
