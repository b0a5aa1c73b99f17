//! The transport of production against servers that misbehave on the wire.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use syncflow::ports::{CallPolicy, Effect, Transport, TransportError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::stack::{self, ANSWER_LIMIT};

/// What the server does once it has read a request.
#[derive(Clone)]
enum Behaviour {
    /// Sends these bytes and closes.
    Answer(Vec<u8>),
    /// Sends these bytes, then `x` for as long as somebody reads.
    Endless(Vec<u8>),
    /// Sends these bytes, then one more now and then, for as long as somebody reads.
    Drip(Vec<u8>),
    /// Closes.
    HangUp,
    /// Keeps the connection and says nothing.
    Silence,
}

/// A server of one behaviour. Stops when dropped.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, behaviour.clone(), seen.clone()));
            }
        });
        Self { port, requests, task }
    }

    /// A server that answers so, head and body as given.
    async fn answering(answer: &str) -> Self {
        Self::start(Behaviour::Answer(answer.as_bytes().to_vec())).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut stream: TcpStream, behaviour: Behaviour, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8_lossy(&head).into_owned());
    match behaviour {
        Behaviour::Answer(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Behaviour::Endless(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        }
        Behaviour::Drip(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Behaviour::HangUp => {}
        Behaviour::Silence => std::future::pending().await,
    }
}

fn get(url: &str, effect: Effect) -> http::Request<Bytes> {
    let mut request = http::Request::get(url)
        .header("authorization", "Bearer s3cret")
        .body(Bytes::new())
        .unwrap();
    request.extensions_mut().insert(CallPolicy {
        action: "query",
        effect,
        timeout: Duration::from_secs(20),
    });
    request
}

fn read(url: &str) -> http::Request<Bytes> {
    get(url, Effect::Read)
}

#[tokio::test]
async fn an_answer_arrives_with_its_status_headers_and_body() {
    let server = Server::answering(
        "HTTP/1.1 404 Not Found\r\ndate: Sun, 22 Nov 2026 10:00:00 GMT\r\nconnection: close\r\n\r\n{\"a\":1}",
    )
    .await;
    let answer = stack::bare().send(read(&server.url("/x?q=1"))).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["date"], "Sun, 22 Nov 2026 10:00:00 GMT");
    assert_eq!(answer.body(), "{\"a\":1}");
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /x?q=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("user-agent: syncflow/"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_no_credential_follows_it() {
    let elsewhere = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let server = Server::answering(&format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url("/")
    ))
    .await;
    let answer = stack::bare().send(read(&server.url("/"))).await.unwrap();
    assert_eq!(answer.status(), 302);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn no_cookie_is_ever_sent_back() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nset-cookie: JSESSIONID=1; Path=/\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
    )
    .await;
    let transport = stack::bare();
    for _ in 0..2 {
        transport.send(read(&server.url("/"))).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests
            .iter()
            .all(|request| !request.to_lowercase().contains("cookie"))
    );
}

#[tokio::test]
async fn a_host_off_the_allow_list_is_refused_before_a_connection() {
    let transport = stack::bare();
    for url in [
        "https://evil.example/",
        "http://acme.my.salesforce.com/",
        "https://10.0.0.1/",
        "https://user:pass@acme.my.salesforce.com/",
    ] {
        let error = transport.send(read(url)).await.unwrap_err();
        assert!(matches!(error, TransportError::Refused { .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn what_certainly_did_not_arrive_is_told_apart_from_what_may_have() {
    let closed = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let transport = stack::bare();
    let refused = transport
        .send(read(&format!("http://127.0.0.1:{closed}/")))
        .await
        .unwrap_err();
    assert!(matches!(refused, TransportError::NotSent(_)), "{refused}");

    // A server that does not speak TLS: the handshake fails, and no request was sent.
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://127.0.0.1:{}/", plain.local_addr().unwrap().port());
    let (handshake, ()) = tokio::join!(transport.send(read(&url)), async {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    assert!(
        matches!(handshake, Err(TransportError::NotSent(_))),
        "{handshake:?}"
    );

    for behaviour in [
        Behaviour::HangUp,
        Behaviour::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_vec()),
        Behaviour::Answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a".to_vec()),
        Behaviour::Answer(b"I am not HTTP\r\n\r\n".to_vec()),
        Behaviour::Answer(Vec::new()),
    ] {
        let server = Server::start(behaviour).await;
        let error = transport.send(read(&server.url("/"))).await.unwrap_err();
        assert!(matches!(error, TransportError::NoAnswer(_)), "{error}");
        assert_eq!(server.requests().len(), 1, "one attempt");
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up_with_its_outcome_unknown() {
    let server = Server::start(Behaviour::Silence).await;
    let mut request = read(&server.url("/"));
    request.extensions_mut().insert(CallPolicy {
        action: "query",
        effect: Effect::Write,
        timeout: Duration::from_millis(50),
    });
    let error = stack::bare().send(request).await.unwrap_err();
    assert!(matches!(error, TransportError::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn an_answer_that_drips_in_is_given_up_when_the_calls_time_is_over() {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    for drip in [head.to_vec(), b"HTTP/1.1 200 OK\r\nx-slow: ".to_vec()] {
        let server = Server::start(Behaviour::Drip(drip)).await;
        let mut request = read(&server.url("/"));
        request.extensions_mut().insert(CallPolicy {
            action: "query",
            effect: Effect::Read,
            timeout: Duration::from_millis(60),
        });
        let error = stack::bare().send(request).await.unwrap_err();
        assert!(matches!(error, TransportError::NoAnswer(_)), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    for head in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1_u64 << 40),
    ] {
        let server = Server::start(Behaviour::Endless(head.into_bytes())).await;
        let error = stack::bare().send(read(&server.url("/"))).await.unwrap_err();
        assert_eq!(error, TransportError::TooLarge { limit: ANSWER_LIMIT });
    }
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_large_one_is_cut_off() {
    // Made with `head -c 6291456 /dev/zero | gzip -9n`: a thousandth of what it holds.
    let bomb = include_bytes!("six_mebibytes_of_zeros.gz");
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    answer.extend_from_slice(bomb);
    assert!(answer.len() < ANSWER_LIMIT / 100);
    let server = Server::start(Behaviour::Answer(answer)).await;
    let error = stack::bare().send(read(&server.url("/"))).await.unwrap_err();
    assert_eq!(error, TransportError::TooLarge { limit: ANSWER_LIMIT });
}

#[tokio::test]
async fn no_error_shows_the_query_or_the_credential() {
    let server = Server::start(Behaviour::HangUp).await;
    let error = stack::bare()
        .send(read(&server.url("/query?q=Jane+Roe")))
        .await
        .unwrap_err()
        .to_string();
    assert!(!error.contains("Jane") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_read_is_sent_again_over_the_wire_and_a_write_is_not() {
    let server = Server::start(Behaviour::HangUp).await;
    let (transport, clock) = stack::whole();
    assert!(
        transport
            .send(get(&server.url("/"), Effect::Write))
            .await
            .is_err()
    );
    assert_eq!(server.requests().len(), 1);
    assert!(transport.send(read(&server.url("/"))).await.is_err());
    assert_eq!(server.requests().len(), 5);
    assert_eq!(clock.sleeps().len(), 3);
}
