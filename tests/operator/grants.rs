//! Ways to sign in whose tokens rotate, across restarts and edits of Secrets; and a refused credential that is left alone.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use syncflow_simulators::Admin as _;
use syncflow_simulators::quickstart::{SERVICE_NOW_PASSWORD, SERVICE_NOW_USER};
use syncflow_simulators::salesforce::{AppPolicy, CLIENT_ID, CLIENT_SECRET, INTEGRATION_USER};

use super::world::{FLOW, World, message, service_now_secret};

/// What the operator keeps for the Connection `salesforce`.
const KEPT: &str = "salesforce-refresh-token";

/// The user consents to the app, which rotates refresh tokens; the refresh token goes into the Secret.
async fn consent(world: &World) -> String {
    let token = {
        let mut org = world.org.simulator();
        let policy = AppPolicy {
            rotates_refresh_tokens: true,
            ..AppPolicy::default()
        };
        org.model.set_app_policy(CLIENT_ID, policy).unwrap();
        org.model.consent(CLIENT_ID, INTEGRATION_USER).unwrap()
    };
    put_seed(world, &token).await;
    token
}

async fn put_seed(world: &World, token: &str) {
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "salesforce-consent"}, "type": "Opaque",
            "stringData": {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "refreshToken": token},
        }))
        .await;
}

async fn connect(world: &World, auth: &Value) {
    world
        .apply(&json!({
            "apiVersion": "syncflow.io/v1alpha1", "kind": "Connection", "metadata": {"name": "salesforce"},
            "spec": {"salesforce": {"loginUrl": world.org.base_url(), "auth": auth}},
        }))
        .await;
}

fn by_refresh_token() -> Value {
    json!({"refreshToken": {"secretRef": {"name": "salesforce-consent"}}})
}

fn token_calls(world: &World) -> u64 {
    world.org.simulator().calls.calls("salesforce.token")
}

fn end_sessions(world: &World) {
    world.org.simulator().model.revoke_sessions();
}

/// Waits until the newest token is another one than `before`, and gives it.
async fn kept_after(world: &World, before: &str) -> (Secret, String) {
    let secret = world
        .until::<Secret>(KEPT, "another token", |secret| token_in(secret) != before)
        .await;
    let token = token_in(&secret);
    (secret, token)
}

fn token_in(secret: &Secret) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get("refreshToken"));
    data.map(|bytes| String::from_utf8(bytes.0.clone()).unwrap())
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_kept_beside_its_connection_and_survives_kill_and_restart() {
    let world = World::new("rotating").await;
    let seed = consent(&world).await;
    let operator = world.operator();
    connect(&world, &by_refresh_token()).await;
    let connection = world.connection_is("salesforce", "True/Authorized").await;
    let (secret, first) = kept_after(&world, "").await;
    assert_ne!(first, seed);
    let owner = &secret.owner_references()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.uid.as_str()),
        ("Connection", connection.uid().unwrap().as_str())
    );
    assert_eq!(secret.labels()["syncflow.io/connection-uid"], owner.uid);

    operator.kill().await;
    end_sessions(&world);
    let _operator = world.operator();
    let (_, second) = kept_after(&world, &first).await;
    end_sessions(&world);
    kept_after(&world, &second).await;
    world.connection_is("salesforce", "True/Authorized").await;
    let users = world.api::<Secret>().get("salesforce-consent").await.unwrap();
    assert_eq!(token_in(&users), seed, "the user's own Secret is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_are_not_used_under_a_lease_that_a_refresh_may_outlast() {
    let world = World::new("outlasted").await;
    consent(&world).await;
    let _operator = world.operator_with(&["--write-timeout", "10s", "--lease-duration", "15s"]);
    connect(&world, &by_refresh_token()).await;
    let connection = world.connection_is("salesforce", "False/LeaseTooShort").await;
    let conditions = connection.status.unwrap().conditions;
    assert!(message(&conditions, "Ready").contains("set it to 103s or more"));
    assert_eq!(token_calls(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_may_put_the_users_secret_back_and_a_new_seed_in_it_wins() {
    let world = World::new("seeds").await;
    consent(&world).await;
    let _operator = world.operator();
    connect(&world, &by_refresh_token()).await;
    world.connection_is("salesforce", "True/Authorized").await;
    let (_, first) = kept_after(&world, "").await;

    // Another version of the Secret with the same, dead token: a new session begins, with the newest of the line.
    world
        .kubectl(&["annotate", "secret", "salesforce-consent", "touched=yes"])
        .await;
    let (_, second) = kept_after(&world, &first).await;
    world.connection_is("salesforce", "True/Authorized").await;

    let again = consent(&world).await;
    let (secret, third) = kept_after(&world, &second).await;
    assert_ne!(third, again, "the new line has moved on already");
    assert_ne!(
        secret.data.as_ref().unwrap()["lineage"].0,
        b"".to_vec(),
        "and says where it began"
    );
    world.connection_is("salesforce", "True/Authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_refresh_token_asks_for_a_consent_once_and_heals_with_it() {
    let world = World::new("consent").await;
    consent(&world).await;
    world.org.simulator().model.revoke_consents();
    let _operator = world.operator_with(&["--refusal-interval", "1h"]);
    connect(&world, &by_refresh_token()).await;
    let connection = world.connection_is("salesforce", "False/ConsentNeeded").await;
    let text = message(&connection.status.unwrap().conditions, "Stalled").to_owned();
    assert!(
        text.contains("put the new refreshToken into Secret salesforce-consent"),
        "{text}"
    );
    let calls = token_calls(&world);
    consent(&world).await;
    world.connection_is("salesforce", "True/Authorized").await;
    assert_eq!((calls, token_calls(&world)), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_there_before_is_not_overwritten_and_no_token_is_spent() {
    let world = World::new("taken").await;
    consent(&world).await;
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEPT}, "stringData": {"mine": "yes"},
        }))
        .await;
    let _operator = world.operator();
    connect(&world, &by_refresh_token()).await;
    world.connection_is("salesforce", "False/SecretNameTaken").await;
    assert_eq!(
        token_calls(&world),
        0,
        "the seed is not spent while its successor could not be kept"
    );
    world.kubectl(&["delete", "secret", KEPT]).await;
    world.connection_is("salesforce", "True/Authorized").await;
    kept_after(&world, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_flow_runs_on_assertions_to_salesforce_and_client_credentials_to_servicenow() {
    let world = World::new("assertions").await;
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pem = |label: &str, der: &[u8]| {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    };
    let public = pem("PUBLIC KEY", key.public_key().as_der().unwrap().as_ref());
    world
        .org
        .simulator()
        .model
        .set_certificate(CLIENT_ID, &public)
        .unwrap();
    {
        let mut instance = world.instance.simulator();
        instance
            .model
            .register_client("client", "shh", Some(SERVICE_NOW_USER));
    }
    let _operator = world.operator();
    world.apply_quickstart().await;
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "salesforce-jwt"},
            "stringData": {
                "clientId": CLIENT_ID, "username": INTEGRATION_USER,
                "privateKey": pem("PRIVATE KEY", key.as_der().unwrap().as_ref()),
            },
        }))
        .await;
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "servicenow-client"},
            "stringData": {"clientId": "client", "clientSecret": "shh"},
        }))
        .await;
    world
        .kubectl(&["delete", "connection", "salesforce", "servicenow"])
        .await;
    connect(
        &world,
        &json!({"jwtBearer": {"secretRef": {"name": "salesforce-jwt"}}}),
    )
    .await;
    world
        .apply(&json!({
            "apiVersion": "syncflow.io/v1alpha1", "kind": "Connection", "metadata": {"name": "servicenow"},
            "spec": {"serviceNow": {
                "instanceUrl": world.instance.base_url(),
                "auth": {"oauthClientCredentials": {"secretRef": {"name": "servicenow-client"}}},
            }},
        }))
        .await;
    world.connection_is("salesforce", "True/Authorized").await;
    world.connection_is("servicenow", "True/Authorized").await;
    let case = world.make_case("signed");
    world.flow_is(FLOW, "True/Synced").await;
    world
        .eventually("the case has its incident", || world.counterpart_of_case(&case))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_account_is_left_alone_until_the_user_says_so() {
    let world = World::new("alone").await;
    let now = world.instance.now();
    {
        let mut instance = world.instance.simulator();
        let switched = json!({"lockOutAfter": 3});
        instance.model.administer("switches", &switched, now).unwrap();
    }
    let _operator = world.operator_with(&["--refusal-interval", "1h", "--probe-interval", "500ms"]);
    world.apply(&service_now_secret("wrong")).await;
    world.apply_example("connections.yaml").await;
    world
        .connection_is("servicenow", "False/CredentialRejected")
        .await;
    let calls = || world.instance.simulator().calls.calls("");
    let after = calls();
    // Many proofs fall due meanwhile; none of them reaches the instance.
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "salesforce-oauth"},
            "stringData": {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET},
        }))
        .await;
    world.connection_is("salesforce", "True/Authorized").await;
    for _ in 0..3 {
        end_sessions(&world);
        let before = token_calls(&world);
        world
            .eventually("salesforce is proven again", || {
                (token_calls(&world) > before).then_some(())
            })
            .await;
    }
    assert_eq!(calls(), after, "one attempt, and no more");

    // The administrator makes the password in the Secret right; nothing in Kubernetes changes.
    world
        .instance
        .simulator()
        .model
        .add_user(SERVICE_NOW_USER, "wrong", &["itil"]);
    let words = [
        "annotate",
        "connection",
        "servicenow",
        "syncflow.io/sign-in-now=1",
    ];
    world.kubectl(&words).await;
    world.connection_is("servicenow", "True/Authorized").await;
    assert_ne!(SERVICE_NOW_PASSWORD, "wrong");
}
