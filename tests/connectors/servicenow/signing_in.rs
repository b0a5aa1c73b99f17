use std::time::Duration;

use syncflow::ports::RemoteErrorKind;
use syncflow_simulators::service_now::SessionQueue;

use super::*;

fn oauth(password: &str) -> ServiceNowCredential {
    ServiceNowCredential::OauthPassword {
        client_id: "client".to_owned(),
        client_secret: "client secret".into(),
        username: "syncflow".to_owned(),
        password: password.into(),
    }
}

/// Sets a flag of the service account, as an administrator would in User Administration.
fn set(bench: &Bench, flag: &str, value: &str) {
    let now = bench.front.now();
    bench.model(|model| {
        let users = model.records("sys_user");
        let user = users.iter().find(|user| user["user_name"] == "syncflow").unwrap();
        let sys_id = user["sys_id"].as_str().unwrap().to_owned();
        model
            .edit_as_person("sys_user", &sys_id, &row(&[(flag, value)]), now, "boss")
            .unwrap();
    });
}

#[tokio::test]
async fn both_credentials_lead_to_the_same_instance_by_its_own_clock() {
    for credential in [basic("syncflow", "right"), oauth("right")] {
        let bench = Bench::open_as(credential).await;
        bench.pass(7);
        let identity = bench.service_now.identity().await.unwrap();
        let properties = bench.model(|model| model.records("sys_properties"));
        let own = properties
            .iter()
            .find(|row| row["name"] == "instance_id")
            .unwrap();
        assert_eq!(own["value"], identity.id.as_str());
        assert_eq!(identity.server_time, Instant::from_seconds(START + 7));
    }
}

#[tokio::test]
async fn an_account_that_may_not_read_properties_is_told_by_the_host() {
    let bench = Bench::open_as(basic("nobody", "right")).await;
    assert_eq!(bench.service_now.identity().await.unwrap().id, "127.0.0.1");
}

#[tokio::test]
async fn password_needs_reset_is_reported_with_its_remedy_and_heals() {
    for credential in [basic("syncflow", "right"), oauth("right")] {
        let bench = Bench::open_as(credential).await;
        set(&bench, "password_needs_reset", "true");
        let error = bench.service_now.identity().await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
        assert_eq!(error.problem.reason.as_str(), "CredentialRejected");
        assert!(
            error
                .problem
                .message
                .contains("set Password needs reset to false")
        );
        set(&bench, "password_needs_reset", "false");
        bench.rest(Duration::from_mins(1)).await;
        bench.service_now.identity().await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_locked_account_are_refused_once_each() {
    for flag in ["locked_out", "password"] {
        let bench = Bench::open().await;
        if flag == "password" {
            bench.secret.put(basic("syncflow", "wrong"));
        } else {
            set(&bench, flag, "true");
        }
        let error = bench.service_now.identity().await.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unauthenticated);
        assert_eq!(bench.calls(""), 1, "each attempt counts towards a lock-out");
    }
}

#[tokio::test]
async fn a_password_changed_on_both_sides_is_taken_up_without_a_restart() {
    let bench = Bench::open().await;
    bench.service_now.identity().await.unwrap();
    bench.model(|model| model.add_user("syncflow", "new", &["itil"]));
    bench.secret.put(basic("syncflow", "new"));
    bench.service_now.identity().await.unwrap();
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_within_the_call() {
    let bench = Bench::open_as(oauth("right")).await;
    bench.service_now.identity().await.unwrap();
    bench.model(Model::expire_access_tokens);
    bench.service_now.identity().await.unwrap();
    assert_eq!(bench.calls("servicenow.token"), 2);
}

#[tokio::test]
async fn calls_share_no_session_so_that_none_is_swallowed() {
    let bench = Bench::open().await;
    bench.switch(|switches| {
        switches.session_queue = Some(SessionQueue {
            depth: 0,
            request_millis: 3_600_000,
        });
    });
    for _ in 0..5 {
        bench.service_now.identity().await.unwrap();
    }
}
