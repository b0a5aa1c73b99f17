//! Every grant against the token endpoint, rotation and its crash points, and accounts that must not be locked.

use futures::future::join_all;
use syncflow::ports::{ChangeQuery, Clock as _, RemoteErrorKind};
use syncflow_simulators::salesforce::{
    AppPolicy, INTEGRATION_PASSWORD, INTEGRATION_USER, SessionRefusal, UserState,
};

use super::*;
use crate::keys::{Keys, OTHER, OURS};

fn jwt(keys: &Keys, audience: Option<&str>) -> SalesforceCredential {
    SalesforceCredential::JwtBearer {
        client_id: CLIENT_ID.to_owned(),
        username: INTEGRATION_USER.to_owned(),
        private_key: keys.private.clone(),
        audience: audience.map(str::to_owned),
    }
}

fn refreshing(token: &str) -> SalesforceCredential {
    SalesforceCredential::RefreshToken {
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some(CLIENT_SECRET.into()),
        refresh_token: RefreshToken {
            token: token.into(),
            lineage: "seed".to_owned(),
        },
    }
}

fn by_password() -> SalesforceCredential {
    SalesforceCredential::UsernamePassword {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.into(),
        username: INTEGRATION_USER.to_owned(),
        password: INTEGRATION_PASSWORD.into(),
        security_token: None,
    }
}

/// An org whose app knows our key.
async fn org_with_key(credential: SalesforceCredential) -> Org {
    let org = Org::start_with(credential).await;
    org.edit(|org| org.set_certificate(CLIENT_ID, &OURS.public).unwrap());
    org
}

/// An org whose user has consented, to an app that rotates refresh tokens or does not.
async fn org_with_consent(rotates: bool) -> Org {
    let org = Org::start().await;
    org.edit(|model| {
        let policy = AppPolicy {
            rotates_refresh_tokens: rotates,
            ..AppPolicy::default()
        };
        model.set_app_policy(CLIENT_ID, policy).unwrap();
        *org.secret.0.lock().unwrap() = refreshing(&model.consent(CLIENT_ID, INTEGRATION_USER).unwrap());
    });
    org
}

fn reason(error: &syncflow::ports::RemoteError) -> &str {
    error.problem.reason.as_str()
}

#[tokio::test]
async fn an_assertion_signs_in_though_the_operators_clock_is_years_off() {
    let org = org_with_key(jwt(&OURS, None)).await;
    assert!((NOW.as_second() - org.clock.now().seconds()).abs() > 86_400);
    org.schema().await;
    org.edit(Model::revoke_sessions);
    org.schema().await;
    assert_eq!(org.calls("salesforce.token"), 3, "the clock is learned once");
}

#[tokio::test]
async fn what_is_wrong_with_an_assertion_is_told_apart() {
    let org = org_with_key(jwt(&OTHER, None)).await;
    let error = org.adapter.identity().await.unwrap_err();
    assert!(
        error.problem.message.contains("Use digital signatures"),
        "{error}"
    );

    *org.secret.0.lock().unwrap() = jwt(&OURS, Some("https://test.salesforce.com"));
    let error = org.adapter.identity().await.unwrap_err();
    assert!(error.problem.message.contains("set audience"), "{error}");

    *org.secret.0.lock().unwrap() = jwt(&OURS, Some(org.front.base_url()));
    org.adapter.identity().await.unwrap();

    org.edit(|model| {
        let policy = AppPolicy {
            approved_users: Some(["somebody".to_owned()].into()),
            ..AppPolicy::default()
        };
        model.set_app_policy(CLIENT_ID, policy).unwrap();
        model.revoke_sessions();
    });
    let error = org.adapter.identity().await.unwrap_err();
    assert!(error.problem.message.contains("pre-authorized"), "{error}");
}

#[tokio::test]
async fn client_credentials_at_a_login_host_name_the_my_domain() {
    let org = Org::start().await;
    org.edit(|org| org.settings.asked_at_login_host = true);
    let error = org.adapter.identity().await.unwrap_err();
    assert!(error.problem.message.contains("My Domain"), "{error}");
}

#[tokio::test]
async fn h16_a_hundred_calls_that_meet_an_ended_session_make_one_token_request() {
    for rotates in [false, true] {
        let org = org_with_consent(rotates).await;
        for round in 1..=5 {
            org.edit(Model::revoke_sessions);
            let calls = join_all((0..100).map(|_| org.adapter.identity())).await;
            assert!(calls.iter().all(Result::is_ok));
            assert_eq!(org.calls("salesforce.token"), round, "rotating: {rotates}");
        }
    }
}

#[tokio::test]
async fn each_rotated_token_is_used_once_and_a_restart_goes_on_with_the_newest() {
    let org = org_with_consent(true).await;
    for _ in 0..5 {
        org.edit(Model::revoke_sessions);
        org.adapter.identity().await.unwrap();
        org.restarted().identity().await.unwrap();
    }
    assert_eq!(org.calls("salesforce.token"), 10);
}

#[tokio::test]
async fn a_process_that_ends_before_the_new_token_is_kept_needs_one_consent_and_loops_nowhere() {
    let org = org_with_consent(true).await;
    org.secret.1.store(true, Ordering::SeqCst);
    let error = org.adapter.identity().await.unwrap_err();
    assert_eq!(reason(&error), "RotationNotStored");
    let next = org.restarted();
    for _ in 0..20 {
        let error = next.identity().await.unwrap_err();
        assert_eq!(reason(&error), "ConsentNeeded");
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
    }
    assert_eq!(
        org.calls("salesforce.token"),
        2,
        "the token that died was shown once"
    );
    let again = org
        .front
        .simulator()
        .model
        .consent(CLIENT_ID, INTEGRATION_USER)
        .unwrap();
    *org.secret.0.lock().unwrap() = refreshing(&again);
    next.identity().await.unwrap();
}

#[tokio::test]
async fn the_same_process_keeps_the_new_token_later_and_loses_nothing() {
    let org = org_with_consent(true).await;
    org.secret.1.store(true, Ordering::SeqCst);
    org.adapter.identity().await.unwrap_err();
    org.adapter.identity().await.unwrap();
    org.restarted().identity().await.unwrap();
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_is_told_as_such_and_one_whose_request_is_lost_is_made_again() {
    let org = org_with_consent(true).await;
    org.fault(once("salesforce.token", Effect::LoseRequest));
    let lost = org.adapter.identity().await.unwrap_err();
    assert_eq!(lost.kind, RemoteErrorKind::Transient);
    org.adapter.identity().await.unwrap();

    org.edit(Model::revoke_sessions);
    org.fault(once("salesforce.token", Effect::LoseAnswer));
    org.adapter.identity().await.unwrap_err();
    let before = org.calls("salesforce.token");
    for _ in 0..10 {
        let error = org.adapter.identity().await.unwrap_err();
        assert_eq!(reason(&error), "ConsentNeeded");
        assert!(error.problem.message.contains("was lost, and with it"), "{error}");
    }
    assert_eq!(org.calls("salesforce.token"), before + 1);
}

#[tokio::test]
async fn a_user_who_may_not_sign_in_is_asked_about_once_by_each_grant() {
    for state in [UserState::Locked, UserState::Inactive] {
        for grant in ["client", "jwt", "refresh", "password"] {
            let org = match grant {
                "client" => Org::start().await,
                "jwt" => org_with_key(jwt(&OURS, None)).await,
                "refresh" => org_with_consent(true).await,
                _ => Org::start_with(by_password()).await,
            };
            org.adapter.identity().await.unwrap();
            let before = org.calls("salesforce.token");
            org.edit(|org| org.set_user_state(INTEGRATION_USER, state).unwrap());
            for _ in 0..20 {
                let error = org.adapter.identity().await.unwrap_err();
                assert_eq!(error.kind, RemoteErrorKind::Unauthenticated, "{grant}");
                assert_eq!(reason(&error), "SignInRefused", "{grant}: {error}");
            }
            assert_eq!(org.calls("salesforce.token"), before + 1, "{grant}");
            org.edit(|org| org.set_user_state(INTEGRATION_USER, UserState::Active).unwrap());
            org.clock.sleep(std::time::Duration::from_mins(1)).await;
            org.adapter.identity().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_wrong_password_does_not_lock_the_account_in_four_days_of_attempts() {
    let org = Org::start_with(by_password()).await;
    org.edit(|org| org.set_password(INTEGRATION_USER, "changed").unwrap());
    for _ in 0..4 * 24 * 12 {
        org.adapter.identity().await.unwrap_err();
        org.clock.sleep(std::time::Duration::from_mins(5)).await;
    }
    assert!(org.calls("salesforce.token") < 10);
    org.edit(|org| org.set_password(INTEGRATION_USER, INTEGRATION_PASSWORD).unwrap());
    org.clock.sleep(std::time::Duration::from_hours(24)).await;
    org.adapter.identity().await.unwrap();
}

#[tokio::test]
async fn a_session_that_no_new_token_cures_makes_no_token_requests() {
    for refusal in [SessionRefusal::NotForRestApi, SessionRefusal::NotAttachedToAgent] {
        let org = Org::start().await;
        org.edit(|org| org.settings.session_refusal = refusal);
        for _ in 0..20 {
            let error = org.adapter.describe(&"Case".parse().unwrap()).await.unwrap_err();
            assert_eq!(reason(&error), "SessionRefused");
        }
        assert_eq!(org.calls("salesforce.token"), 1);
    }
}

#[tokio::test]
async fn a_session_that_ends_between_pages_costs_one_sign_in_and_no_row() {
    let org = org_with_consent(true).await;
    let made: Vec<RecordId> = (0..25)
        .map(|number| org.seed(json!({"Subject": format!("case {number}")}), 1000 - number))
        .collect();
    let mut query = ChangeQuery {
        schema: org.schema().await,
        fields: fields(&["Subject"]),
        after: None,
        created_from: None,
        limit: 10,
        max_age: std::time::Duration::ZERO,
    };
    let mut read = Vec::new();
    loop {
        org.edit(Model::revoke_sessions);
        let page = org.adapter.read_changes(&query).await.unwrap();
        if let Some(last) = page.records.last() {
            query.after = Some((last.version.modified, Some(last.id.clone())));
        }
        read.extend(page.records.into_iter().map(|record| record.id));
        if page.complete {
            break;
        }
    }
    assert_eq!(read, made);
    assert_eq!(
        org.calls("salesforce.token"),
        4,
        "one at first, and one for each of three pages"
    );
}
