//! The only way from a replica to a server: it can be cut, and it knows every call that went through.
//!
//! ```text
//!   replica ─▶ connection (can be cut) ─▶ call (written down, can be caught) ─▶ server
//! ```

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Router, serve};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use jiff::Timestamp;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// They go through.
    Open,
    /// Those that are open are closed, and each new one at once.
    Refused,
    /// They stay open, and nothing comes through, in either direction.
    BlackHole,
}

/// One call, at the moment when the server was asked.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Timestamp,
    pub method: Method,
    /// Path and query.
    pub path: String,
}

impl Call {
    /// Does it write? A token request of Salesforce is a POST and writes nothing.
    pub fn writes(&self) -> bool {
        self.method != Method::GET && !self.path.contains("/oauth2/")
    }

    /// Does it write records of the instance?
    pub fn writes_to_service_now(&self) -> bool {
        self.writes() && self.path.starts_with("/api/now/")
    }

    /// Does it read incidents?
    pub fn reads_incidents(&self) -> bool {
        self.method == Method::GET && self.path.starts_with("/api/now/table/incident?")
    }

    /// Does it write link state?
    pub fn writes_state(&self) -> bool {
        self.writes() && self.path.contains("/configmaps")
    }
}

type Wanted = Box<dyn Fn(&Call) -> bool + Send + Sync>;

/// A trap for one call: its answer is kept back.
struct Trap {
    wanted: Wanted,
    caught: oneshot::Sender<Caught>,
}

/// A call that the server has carried out, and whose answer is kept back until this is dropped.
pub struct Caught {
    _answer_goes_on: oneshot::Sender<()>,
}

/// The way to one server, or, as a forward proxy, to any.
pub struct Gate {
    address: SocketAddr,
    cut: watch::Sender<Cut>,
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    /// The server; for a forward proxy the request says it.
    server: Option<String>,
    calls: Mutex<Vec<Call>>,
    trap: Mutex<Option<Trap>>,
}

impl Gate {
    /// A gate to `server`, or a forward proxy.
    pub async fn open(client: reqwest::Client, server: Option<String>) -> Self {
        let inner = Arc::new(Inner {
            client,
            server,
            calls: Mutex::default(),
            trap: Mutex::default(),
        });
        let calls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = calls.local_addr().unwrap();
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async move { serve(calls, router).await });
        let connections = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = connections.local_addr().unwrap();
        let (cut, cuts) = watch::channel(Cut::Open);
        tokio::spawn(async move {
            loop {
                let (connection, _) = connections.accept().await.unwrap();
                tokio::spawn(carry(connection, behind, cuts.clone()));
            }
        });
        Self { address, cut, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn cut(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().unwrap().clone()
    }

    /// How many calls there were of a kind.
    pub fn count(&self, kind: impl Fn(&Call) -> bool) -> usize {
        self.inner
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| kind(call))
            .count()
    }

    /// The answer of the next call of a kind will be kept back.
    pub fn catch(&self, wanted: impl Fn(&Call) -> bool + Send + Sync + 'static) -> oneshot::Receiver<Caught> {
        let (caught, receiver) = oneshot::channel();
        let wanted: Wanted = Box::new(wanted);
        *self.inner.trap.lock().unwrap() = Some(Trap { wanted, caught });
        receiver
    }
}

/// Carries the bytes of one connection, as long as the way is not cut.
async fn carry(mut near: TcpStream, behind: SocketAddr, mut cuts: watch::Receiver<Cut>) {
    if *cuts.borrow_and_update() == Cut::Refused {
        return;
    }
    let mut far = TcpStream::connect(behind).await.unwrap();
    let copying = async {
        // A reset at either end is an end.
        let _ = copy_bidirectional(&mut near, &mut far).await;
    };
    tokio::pin!(copying);
    loop {
        let cut = *cuts.borrow_and_update();
        tokio::select! {
            biased;
            changed = cuts.changed() => if changed.is_err() { return },
            () = async { if cut == Cut::BlackHole { pending().await } }, if cut == Cut::BlackHole => {}
            () = &mut copying, if cut == Cut::Open => return,
            () = async {}, if cut == Cut::Refused => return,
        }
    }
}

/// Writes a call down, asks the server, and keeps the answer back where it is wanted.
async fn pass(State(gate): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let url = match &gate.server {
        Some(server) => format!("{server}{path}"),
        None => parts.uri.to_string(),
    };
    let call = Call {
        at: Timestamp::now(),
        method: parts.method.clone(),
        path,
    };
    gate.calls.lock().unwrap().push(call.clone());
    let trap = gate.trap.lock().unwrap().take_if(|trap| (trap.wanted)(&call));

    let mut headers = parts.headers;
    for hop in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(hop);
    }
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let asked = gate.client.request(parts.method, url).headers(headers).body(body);
    let answer = asked.send().await;
    if let Some(trap) = trap {
        let (answer_goes_on, kept_back) = oneshot::channel();
        let caught = Caught {
            _answer_goes_on: answer_goes_on,
        };
        if trap.caught.send(caught).is_ok() {
            // Released by being dropped.
            let _ = kept_back.await;
        }
    }
    let Ok(answer) = answer else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    for hop in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        response.headers_mut().remove(hop);
    }
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}
