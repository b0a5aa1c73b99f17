//! What the front promises over a real socket.

mod wire;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Authority, Clock, Door, Front};
use crate::faults::{Effect, Fault};
use crate::model::Model as _;
use crate::quickstart;
use crate::salesforce::{CLIENT_ID, CLIENT_SECRET, Salesforce};
use crate::simulator::Simulator;

const NOON: Timestamp = Timestamp::constant(1_721_649_600, 0);

fn noon() -> Clock {
    Arc::new(|| NOON)
}

async fn front() -> Front<Salesforce> {
    Front::start(Simulator::new(quickstart::salesforce().unwrap()), noon())
        .await
        .unwrap()
}

async fn token(front: &Front<Salesforce>) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
    ];
    let url = format!("{}/services/oauth2/token", front.base_url());
    let answer = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["instance_url"], front.base_url());
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn create(front: &Front<Salesforce>, token: &str) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/services/data/v62.0/sobjects/Case", front.base_url());
    reqwest::Client::new()
        .post(url)
        .bearer_auth(token)
        .json(&json!({"Subject": "a"}))
        .send()
        .await
}

async fn admin(front: &Front<Salesforce>, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/admin/{path}", front.base_url());
    let client = reqwest::Client::new();
    let request = if body.is_null() {
        client.get(url)
    } else {
        client.post(url).json(&body)
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_real_client_signs_in_and_writes_and_the_calls_are_counted() {
    let front = front().await;
    let token = token(&front).await;
    let answer = create(&front, &token).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(
        answer.headers()["date"],
        "Mon, 22 Jul 2024 12:00:00 GMT",
        "the service's clock, not the machine's"
    );
    let (_, calls) = admin(&front, "calls", Value::Null).await;
    assert_eq!(
        calls["calls"],
        json!({"salesforce.record.create": 1, "salesforce.token": 1})
    );
    assert_eq!(calls["effectiveWrites"], json!({"salesforce.record.create": 1}));
}

#[tokio::test]
async fn a_lost_request_and_a_lost_answer_both_close_the_connection_and_differ_in_what_was_done() {
    let front = front().await;
    let token = token(&front).await;
    front
        .simulator()
        .faults
        .add(Fault::once("salesforce.record.create", Effect::LoseRequest));
    assert!(create(&front, &token).await.is_err());
    assert!(front.simulator().model.writes().is_empty());
    front
        .simulator()
        .faults
        .add(Fault::once("salesforce.record.create", Effect::LoseAnswer));
    assert!(create(&front, &token).await.is_err());
    assert_eq!(front.simulator().model.writes().len(), 1);
    assert_eq!(create(&front, &token).await.unwrap().status(), 201);
}

#[tokio::test]
async fn faults_set_over_the_admin_door_hit_the_calls_they_name() {
    let front = front().await;
    let token = token(&front).await;
    let faults = [
        json!({"calls": "salesforce.record", "times": 1, "effect": "statusAfter", "status": 504, "body": "gateway"}),
        json!({"calls": "salesforce.record", "times": 1, "effect": "htmlPage"}),
        json!({"calls": "salesforce.record", "times": 1, "effect": "accepted202"}),
        json!({"calls": "salesforce.record", "times": 1, "effect": "truncateBody", "bytes": 5}),
    ];
    for fault in faults {
        assert_eq!(admin(&front, "fault", fault).await.0, 200);
    }
    assert_eq!(
        admin(&front, "faults", Value::Null)
            .await
            .1
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let answer = create(&front, &token).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (504, "gateway")
    );
    let answer = create(&front, &token).await.unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            &answer.headers()["content-type"].to_str().unwrap()[..9]
        ),
        (200, "text/html")
    );
    let answer = create(&front, &token).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (202, "")
    );
    let answer = create(&front, &token).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (201, r#"{"id""#)
    );
    assert_eq!(
        front.simulator().model.writes().len(),
        2,
        "the first and the last were done"
    );
    assert_eq!(admin(&front, "fault", json!({"effect": "nonsense"})).await.0, 400);
}

#[tokio::test]
async fn a_named_fault_is_switched_off_over_the_admin_door_by_its_name() {
    let front = front().await;
    let fault = json!({"name": "flaky", "chance": {"permille": 1000, "seed": 1}, "effect": "loseRequest"});
    assert_eq!(admin(&front, "fault", fault).await.0, 200);
    assert_eq!(admin(&front, "faults", Value::Null).await.1[0]["name"], "flaky");
    let switch_off = || {
        let url = format!("{}/admin/faults/flaky", front.base_url());
        async { reqwest::Client::new().delete(url).send().await.unwrap().status() }
    };
    assert_eq!(switch_off().await, 200);
    assert!(front.simulator().faults.is_empty());
    assert_eq!(switch_off().await, 404);
}

#[tokio::test]
async fn the_admin_door_seeds_edits_deletes_and_shows() {
    let front = front().await;
    let (_, seeded) = admin(
        &front,
        "seed",
        json!({"object": "Case", "fields": {"Subject": "a"}, "at": "2024-01-01T00:00:00Z"}),
    )
    .await;
    let id = seeded["id"].as_str().unwrap();
    let (_, many) = admin(
        &front,
        "seed",
        json!({"object": "Case", "records": [{"Subject": "b"}, {}]}),
    )
    .await;
    assert_eq!(many["ids"].as_array().unwrap().len(), 2);
    admin(
        &front,
        "edit",
        json!({"object": "Case", "id": id, "fields": {"Subject": "c"}, "user": "alice"}),
    )
    .await;
    let (_, case) = admin(&front, &format!("records/Case/{id}"), Value::Null).await;
    assert_eq!(
        (&case["Subject"], &case["CreatedDate"]),
        (&json!("c"), &json!("2024-01-01T00:00:00.000+0000"))
    );
    assert_eq!(case["LastModifiedDate"], "2024-07-22T12:00:00.000+0000");
    admin(&front, "delete", json!({"object": "Case", "id": id})).await;
    assert_eq!(
        admin(&front, &format!("records/Case/{id}"), Value::Null).await.0,
        404
    );
    assert_eq!(
        admin(&front, "records/Case", Value::Null)
            .await
            .1
            .as_array()
            .unwrap()
            .len(),
        2
    );
    admin(&front, "undelete", json!({"object": "Case", "id": id})).await;
    let (_, writes) = admin(&front, "writes?from=3", Value::Null).await;
    let kinds: Vec<&str> = writes
        .as_array()
        .unwrap()
        .iter()
        .map(|write| write["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["updated", "deleted", "undeleted"]);
    assert_eq!(writes[0]["actor"], json!({"kind": "person", "name": "alice"}));
    let (status, error) = admin(&front, "seed", json!({"object": "Nothing", "fields": {}})).await;
    assert_eq!(
        (status, &error["error"]),
        (400, &json!("no object or table named \"Nothing\""))
    );
}

#[tokio::test]
async fn the_services_clock_can_be_moved_and_its_settings_changed() {
    let front = front().await;
    let (_, shifted) = admin(&front, "time-shift", json!({"seconds": 7200})).await;
    assert_eq!(shifted["now"], "2024-07-22T14:00:00Z");
    assert_eq!(
        front.now(),
        NOON.checked_add(SignedDuration::from_hours(2)).unwrap()
    );
    let (_, settings) = admin(&front, "settings", json!({"dailyRequests": 5})).await;
    assert_eq!(settings["dailyRequests"], 5);
    assert_eq!(front.simulator().model.settings.daily_requests, 5);
    assert_eq!(admin(&front, "nonsense", json!({})).await.0, 404);
}

#[tokio::test]
async fn chunked_bodies_are_read() {
    let front = front().await;
    let form = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let (one, two) = form.split_at(20);
    let address = front.base_url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST /services/oauth2/token HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("access_token"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_same_service_is_served_over_tls_and_says_so() {
    let authority = Authority::generate().unwrap();
    let door = Door::bind(0)
        .await
        .unwrap()
        .with_tls(0, &authority)
        .await
        .unwrap();
    let front = door.serve(Simulator::new(quickstart::salesforce().unwrap()), noon());
    let secured = front.tls_url().unwrap().to_owned();
    let ca = reqwest::Certificate::from_pem(authority.certificate_pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
    ];
    for host in ["127.0.0.1", "localhost"] {
        let address = secured.replace("127.0.0.1", host);
        let sign_in = trusting
            .post(format!("{address}/services/oauth2/token"))
            .form(&form);
        let answer: Value = sign_in.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["instance_url"], address);
    }
    token(&front).await;
    assert_eq!(front.simulator().calls.calls("salesforce.token"), 3);
    let stranger = reqwest::Client::new().get(&secured).send().await;
    assert!(
        stranger.is_err(),
        "who does not know the authority gets no answer"
    );
}

#[tokio::test]
async fn a_connection_serves_call_after_call_until_the_client_asks_to_close_it() {
    let front = front().await;
    let address = front.base_url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = |rest: &str| format!("GET /services/data HTTP/1.1\r\nHost: {address}\r\n{rest}\r\n");
    let calls = [request(""), request("Connection: close\r\n")].concat();
    stream.write_all(calls.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
}

#[tokio::test]
async fn a_dropped_front_closes_its_port() {
    let front = front().await;
    let url = front.base_url().to_owned();
    drop(front);
    // The port can only be taken again once the listener is gone.
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let mut door = Door::bind(port).await;
    while door.is_err() {
        tokio::task::yield_now().await;
        door = Door::bind(port).await;
    }
    assert_eq!(door.unwrap().base_url(), url);
}
