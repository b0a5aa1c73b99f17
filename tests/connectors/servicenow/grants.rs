//! Every grant against the token endpoint, rotation, and accounts that must not be locked.

use futures::future::join_all;
use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::service_now::AssertionAudience;

use super::*;
use crate::keys::{Keys, OTHER, OURS};

fn jwt(keys: &Keys, audience: Option<String>) -> ServiceNowCredential {
    ServiceNowCredential::JwtBearer {
        client_id: "client".to_owned(),
        client_secret: Some("client secret".into()),
        username: "syncflow".to_owned(),
        private_key: keys.private.clone(),
        key_id: Some("k1".to_owned()),
        audience,
    }
}

fn client_credentials() -> ServiceNowCredential {
    ServiceNowCredential::OauthClientCredentials {
        client_id: "client".to_owned(),
        client_secret: "client secret".into(),
    }
}

/// An instance whose client has a key and an application user.
async fn bench_with_key(credential: ServiceNowCredential) -> Bench {
    let bench = Bench::open_as(credential).await;
    bench.model(|model| {
        model.register_client("client", "client secret", Some("syncflow"));
        assert!(model.verify_assertions_with("client", &OURS.public, Some("k1")));
    });
    bench
}

/// An instance whose user has consented to the client.
async fn bench_with_consent(rotates: bool) -> Bench {
    let bench = Bench::open().await;
    bench.switch(|switches| switches.rotates_refresh_tokens = rotates);
    let now = bench.front.now();
    let token = bench.model(|model| model.consent("client", "syncflow", now));
    bench.secret.put(ServiceNowCredential::RefreshToken {
        client_id: "client".to_owned(),
        client_secret: "client secret".into(),
        refresh_token: RefreshToken {
            token: token.into(),
            lineage: "seed".to_owned(),
        },
    });
    bench
}

#[tokio::test]
async fn client_credentials_and_assertions_lead_to_the_instance_and_are_renewed_when_their_token_ends() {
    for credential in [client_credentials(), jwt(&OURS, None)] {
        let bench = bench_with_key(credential).await;
        bench.service_now.identity().await.unwrap();
        let before = bench.calls("servicenow.token");
        bench.model(Model::expire_access_tokens);
        bench.service_now.identity().await.unwrap();
        assert_eq!(bench.calls("servicenow.token"), before + 1);
    }
}

#[tokio::test]
async fn an_instance_that_wants_its_token_endpoint_as_audience_is_given_it() {
    let bench = bench_with_key(jwt(&OURS, None)).await;
    bench.switch(|switches| switches.assertion_audience = AssertionAudience::TokenEndpoint);
    let error = bench.service_now.identity().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "AssertionRejected");
    assert!(error.problem.message.contains("set audience"), "{error}");
    let endpoint = format!("{}/oauth_token.do", bench.front.base_url());
    bench.secret.put(jwt(&OURS, Some(endpoint)));
    bench.service_now.identity().await.unwrap();
    bench.secret.put(jwt(&OTHER, None));
    bench.model(Model::revoke_tokens);
    bench.service_now.identity().await.unwrap_err();
}

#[tokio::test]
async fn client_credentials_that_are_switched_off_name_the_property() {
    let bench = bench_with_key(client_credentials()).await;
    bench.switch(|switches| switches.client_credentials_enabled = false);
    let error = bench.service_now.identity().await.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
    assert!(
        error
            .problem
            .message
            .contains("glide.oauth.inbound.client.credential.grant_type.enabled")
    );
}

#[tokio::test]
async fn h16_a_hundred_calls_that_meet_an_ended_token_make_one_token_request() {
    for rotates in [false, true] {
        let bench = bench_with_consent(rotates).await;
        for round in 1..=5 {
            bench.model(Model::expire_access_tokens);
            let calls = join_all((0..100).map(|_| bench.service_now.identity())).await;
            assert!(calls.iter().all(Result::is_ok));
            assert_eq!(bench.calls("servicenow.token"), round, "rotating: {rotates}");
        }
    }
}

#[tokio::test]
async fn revoked_consents_and_locked_users_are_asked_about_once() {
    let bench = bench_with_consent(true).await;
    bench.service_now.identity().await.unwrap();
    bench.model(Model::revoke_tokens);
    for _ in 0..20 {
        let error = bench.service_now.identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "ConsentNeeded");
    }
    assert_eq!(bench.calls("servicenow.token"), 2);
}

#[tokio::test]
async fn a_second_factor_is_named_and_not_asked_for_again_and_again() {
    let bench = Bench::open().await;
    bench.switch(|switches| {
        switches.multi_factor_users.insert("syncflow".to_owned());
    });
    for _ in 0..20 {
        let error = bench.service_now.identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "MultiFactorRequired");
    }
    assert_eq!(bench.calls(""), 1);
}

#[tokio::test]
async fn a_wrong_password_does_not_lock_the_account_in_five_days_of_attempts() {
    let bench = Bench::open_as(basic("syncflow", "wrong")).await;
    bench.switch(|switches| switches.lock_out_after = Some(15));
    for _ in 0..5 * 24 * 12 {
        bench.service_now.identity().await.unwrap_err();
        bench.rest(Duration::from_mins(5)).await;
    }
    bench.secret.put(basic("syncflow", "right"));
    bench.service_now.identity().await.unwrap();
}
