//! What crosses the wire when all is well, and when the server means harm.

use std::io::Read as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::*;
use crate::model::Admin as _;

/// A front whose next describe of `Case` is struck, and the request for it.
async fn struck(effect: Effect) -> (Front<Salesforce>, reqwest::RequestBuilder) {
    let front = front().await;
    let token = token(&front).await;
    front
        .simulator()
        .faults
        .add(Fault::always("salesforce.describe", effect));
    let request = describe(&front, &token, reqwest::Client::builder());
    (front, request)
}

fn describe(
    front: &Front<Salesforce>,
    token: &str,
    client: reqwest::ClientBuilder,
) -> reqwest::RequestBuilder {
    let client = client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = format!("{}/services/data/v62.0/sobjects/Case/describe", front.base_url());
    client.get(url).bearer_auth(token)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn answers_are_packed_for_clients_that_accept_it_and_only_for_them() {
    let front = front().await;
    let token = token(&front).await;
    let plain = describe(&front, &token, reqwest::Client::builder().no_gzip());
    let plain = plain.send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.unwrap();
    let asking = describe(&front, &token, reqwest::Client::builder().no_gzip());
    let answer = asking
        .header("accept-encoding", "gzip, deflate")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let answer = answer.bytes().await.unwrap();
    assert!(answer.len() * 4 < plain.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(answer.as_ref())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain);
}

#[tokio::test]
async fn packed_requests_are_unpacked_up_to_what_a_service_reads() {
    let front = front().await;
    let token = token(&front).await;
    let url = format!("{}/services/data/v62.0/sobjects/Case", front.base_url());
    let post = |body: Vec<u8>| {
        let request = reqwest::Client::new().post(&url).bearer_auth(&token);
        let request = request.header("content-type", "application/json");
        request.header("content-encoding", "gzip").body(body).send()
    };
    assert_eq!(
        post(packed(br#"{"Subject": "packed"}"#)).await.unwrap().status(),
        201
    );
    assert_eq!(front.simulator().model.records("Case")[0]["Subject"], "packed");
    assert!(post(b"no gzip at all".to_vec()).await.is_err());
    let unpacked = |limit| {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-encoding", http::HeaderValue::from_static("gzip"));
        crate::front::wire::unpacked(&mut headers, packed(&[b' '; 1_000]).into(), limit)
    };
    assert_eq!(unpacked(1_000).unwrap().len(), 1_000);
    assert!(unpacked(999).is_err());
}

#[tokio::test]
async fn head_answers_what_get_would_without_the_body() {
    let front = front().await;
    let client = reqwest::Client::builder().no_gzip().build().unwrap();
    let url = format!("{}/services/data", front.base_url());
    let get = client.get(&url).send().await.unwrap();
    let head = client.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], get.headers()["content-length"]);
    assert_eq!(head.text().await.unwrap(), "");
}

#[tokio::test]
async fn an_endless_body_goes_on_for_as_long_as_somebody_reads() {
    let (_front, request) = struck(Effect::EndlessBody).await;
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut read = 0;
    while read < 8 << 20 {
        read += answer.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_small_on_the_wire_and_large_unpacked() {
    let (front, request) = struck(Effect::GzipBomb { mebibytes: 40 }).await;
    let unpacked = request.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(unpacked.len(), 40 << 20);
    let token = token(&front).await;
    let wire = describe(&front, &token, reqwest::Client::builder().no_gzip());
    assert!(wire.send().await.unwrap().bytes().await.unwrap().len() < 100_000);
}

#[tokio::test]
async fn a_redirect_names_the_other_host_and_does_nothing_here() {
    let location = "https://elsewhere.example/take/it".to_owned();
    let (front, request) = struck(Effect::Redirect {
        location,
        status: 308,
    })
    .await;
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.headers()["location"], "https://elsewhere.example/take/it");
    assert!(front.simulator().model.writes().is_empty());
}

#[tokio::test]
async fn deep_json_and_bytes_that_are_not_utf8_arrive_as_such() {
    let (front, request) = struck(Effect::DeepJson { depth: 100_000 }).await;
    let body = request
        .try_clone()
        .unwrap()
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(body.len() == 200_000 && body.starts_with(b"[[") && body.ends_with(b"]]"));
    front.simulator().faults.clear();
    front
        .simulator()
        .faults
        .add(Fault::once("salesforce.describe", Effect::InvalidUtf8));
    let body = request.send().await.unwrap().bytes().await.unwrap();
    assert!(std::str::from_utf8(&body).is_err());
}

#[tokio::test]
async fn huge_headers_come_before_the_services_own() {
    let (_front, request) = struck(Effect::HugeHeaders { bytes: 100_000 }).await;
    let answer = request.send().await.unwrap();
    let padding = answer
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-padding"));
    assert_eq!(padding.map(|(_, value)| value.len()).sum::<usize>(), 100_000);
    assert!(answer.headers().contains_key("sforce-limit-info"));
}

#[tokio::test]
async fn a_false_content_length_cuts_the_body_or_breaks_it_off() {
    let (front, request) = struck(Effect::ContentLength { claimed: 10 }).await;
    let cut = request.try_clone().unwrap().send().await.unwrap();
    assert_eq!(cut.bytes().await.unwrap().len(), 10);
    front.simulator().faults.clear();
    let longer = Effect::ContentLength { claimed: 10_000_000 };
    front.simulator().faults.add(Fault::once("", longer));
    let broken = request.send().await.unwrap();
    assert!(broken.bytes().await.is_err());
}

#[tokio::test]
async fn a_body_that_drips_arrives_whole_in_the_end() {
    let front = front().await;
    front
        .simulator()
        .faults
        .add(Fault::once("", Effect::SlowDrip { millis: 0 }));
    let url = format!("{}/services/data", front.base_url());
    let mut answer = reqwest::get(&url).await.unwrap();
    let (mut pieces, mut body) = (0, Vec::new());
    while let Some(piece) = answer.chunk().await.unwrap() {
        pieces += 1;
        body.extend_from_slice(&piece);
    }
    assert!(pieces > 1);
    assert_eq!(body, reqwest::get(&url).await.unwrap().bytes().await.unwrap());
}
