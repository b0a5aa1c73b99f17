//! The right to write ends while other things go on: a write that comes too late is not sent.

use std::time::Duration;

use super::writing::change;
use super::*;
use crate::ports::{Remote, RemoteErrorKind};

fn token() -> Answer {
    ok(&json!({"access_token": "one", "token_type": "Bearer", "expires_in": 1799}))
}

fn unauthorized() -> Answer {
    refused(
        401,
        "User Not Authenticated",
        "Required to provide Auth information",
    )
}

/// The paths of what is sent for one change, where each answer takes so long, and its error.
async fn sent(each: Duration, answers: impl IntoIterator<Item = Answer>) -> (Vec<String>, RemoteErrorKind) {
    let clock = Arc::new(TestClock::default());
    let script = Arc::new(Script::new(answers).taking(clock.clone(), each));
    let config = ServiceNowConfig {
        instance_url: "https://acme.service-now.com/".parse().unwrap(),
    };
    let service_now = ServiceNow::new(config, Secret::oauth(), script.clone(), clock);
    let error = service_now.update(&schema(), &[change(1)]).await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "TimeUsedUp");
    let requests = script.requests();
    let paths = requests.iter().map(|request| request.uri().path().to_owned());
    (paths.collect(), error.kind)
}

#[tokio::test]
async fn a_write_for_which_signing_in_took_too_long_is_not_sent() {
    let answers = [token(), ok(&json!({"result": row(1, "00:01")}))];
    let (paths, kind) = sent(Duration::from_secs(31), answers).await;
    assert_eq!(paths, ["/oauth_token.do"]);
    assert_eq!(kind, RemoteErrorKind::Transient, "it is tried again by itself");
}

#[tokio::test]
async fn a_write_that_was_answered_401_is_not_sent_again_when_its_time_is_over() {
    let answers = [
        token(),
        unauthorized(),
        ok(&json!({"access_token": "two", "token_type": "Bearer", "expires_in": 1799})),
        ok(&json!({"result": row(1, "00:01")})),
    ];
    let (paths, _) = sent(Duration::from_secs(11), answers).await;
    let change = format!("/api/now/table/incident/{}", id(1));
    assert_eq!(paths, ["/oauth_token.do", change.as_str(), "/oauth_token.do"]);
}
