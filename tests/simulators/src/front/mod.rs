//! Simulators over real HTTP on a loopback port, and over TLS on another, with an admin door under `/admin/` on each.
//!
//! hyper is used bare because a lost answer has to be a connection that closes without a response.

mod admin;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use http::header::HOST;
use http::uri::Scheme;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::faults::effects::Passage;
use crate::model::{Admin, Request};
use crate::simulator::Simulator;

use wire::Wire;

pub use tls::Authority;

/// The largest request body read, in bytes: more than either vendor takes.
const LARGEST_BODY: usize = 64 << 20;

/// What time it is for a service, before its own shift.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// Ports that are taken but not yet served: for services that must know their own address before they exist.
#[derive(Debug)]
pub struct Door {
    plain: Port,
    secured: Option<(Port, Authority)>,
}

#[derive(Debug)]
struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    async fn take(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }
}

impl Door {
    /// Takes a port on loopback; 0 takes any that is free.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let plain = Port::take(port).await?;
        Ok(Self { plain, secured: None })
    }

    /// Takes another port on loopback, where the same will be served over TLS; 0 takes any that is free.
    pub async fn with_tls(mut self, port: u16, authority: &Authority) -> io::Result<Self> {
        self.secured = Some((Port::take(port).await?, authority.clone()));
        Ok(self)
    }

    /// The address to reach it at, without a trailing slash: `http://127.0.0.1:18080`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.plain.address)
    }

    /// The address to reach it at over TLS, where it has one: `https://127.0.0.1:18443`.
    pub fn tls_url(&self) -> Option<String> {
        let (port, _) = self.secured.as_ref()?;
        Some(format!("https://{}", port.address))
    }

    /// Serves a simulator until the front is dropped. Needs a running tokio runtime.
    pub fn serve<M: Admin + 'static>(self, simulator: Simulator<M>, clock: Clock) -> Front<M> {
        let served = Arc::new(Served {
            simulator: Mutex::new(simulator),
            clock,
            shift_millis: AtomicI64::new(0),
        });
        let base_url = self.base_url();
        let tls_url = self.tls_url();
        let mut accepting = vec![tokio::spawn(accept(
            self.plain.listener,
            None,
            Arc::clone(&served),
        ))];
        if let Some((port, authority)) = self.secured {
            let secured = accept(port.listener, Some(authority.acceptor()), Arc::clone(&served));
            accepting.push(tokio::spawn(secured));
        }
        Front {
            base_url,
            tls_url,
            served,
            accepting,
        }
    }
}

/// A simulator being served. Dropping it closes its ports and every connection.
#[derive(Debug)]
pub struct Front<M> {
    base_url: String,
    tls_url: Option<String>,
    served: Arc<Served<M>>,
    accepting: Vec<JoinHandle<()>>,
}

impl<M: Admin + 'static> Front<M> {
    /// Serves a simulator on a free loopback port.
    pub async fn start(simulator: Simulator<M>, clock: Clock) -> io::Result<Self> {
        Ok(Door::bind(0).await?.serve(simulator, clock))
    }

    /// The address to reach it at, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The address to reach it at over TLS, if it was given a port for that (see [`Door::with_tls`]).
    pub fn tls_url(&self) -> Option<&str> {
        self.tls_url.as_deref()
    }

    /// The simulator itself, to look at and to change. Calls wait while the guard lives: never hold it over an await.
    pub fn simulator(&self) -> MutexGuard<'_, Simulator<M>> {
        self.served.simulator()
    }

    /// What time it is for the service.
    pub fn now(&self) -> Timestamp {
        self.served.now()
    }

    /// Sets the service's clock ahead of (or behind) the one it was given.
    pub fn shift_clock(&self, by: SignedDuration) {
        self.served.shift_clock(by);
    }
}

impl<M> Drop for Front<M> {
    fn drop(&mut self) {
        // The accepting tasks own the connections' tasks, and take them with them.
        for accepting in &self.accepting {
            accepting.abort();
        }
    }
}

/// What connections share.
struct Served<M> {
    simulator: Mutex<Simulator<M>>,
    clock: Clock,
    shift_millis: AtomicI64,
}

impl<M> std::fmt::Debug for Served<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Served").finish_non_exhaustive()
    }
}

impl<M> Served<M> {
    fn simulator(&self) -> MutexGuard<'_, Simulator<M>> {
        // A model that panicked in one call is reported by that call's test; the others go on.
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_millis(self.shift_millis.load(Ordering::Relaxed));
        let now = (self.clock)();
        now.checked_add(shift).unwrap_or(now)
    }

    fn shift_clock(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or_default();
        self.shift_millis.store(millis, Ordering::Relaxed);
    }
}

async fn accept<M: Admin + 'static>(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    served: Arc<Served<M>>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(greet(stream, acceptor.clone(), Arc::clone(&served)));
                }
                // Out of file descriptors, most likely: those that end free some.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

async fn greet<M: Admin + 'static>(stream: TcpStream, acceptor: Option<TlsAcceptor>, served: Arc<Served<M>>) {
    match acceptor {
        None => converse(stream, Scheme::HTTP, served).await,
        // A client that does not trust the certificate says so on its own side.
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, Scheme::HTTPS, served).await;
            }
        }
    }
}

async fn converse<M, S>(stream: S, scheme: Scheme, served: Arc<Served<M>>)
where
    M: Admin + 'static,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| {
        let (served, scheme) = (Arc::clone(&served), scheme.clone());
        async move { answer(&served, &scheme, request).await }
    });
    // How a conversation ends is the client's to judge; a lost answer ends it with an error here by design.
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("the answer was lost")]
    Lost,
    #[error("the request's body could not be read")]
    Unread,
}

async fn answer<M: Admin>(
    served: &Served<M>,
    scheme: &Scheme,
    request: http::Request<Incoming>,
) -> Result<http::Response<Wire>, Silence> {
    let (mut head, body) = request.into_parts();
    head.uri = whole_address(&head, scheme);
    let body = Limited::new(body, LARGEST_BODY).collect().await;
    let body = body.map_err(|_| Silence::Unread)?.to_bytes();
    let body = wire::unpacked(&mut head.headers, body, LARGEST_BODY).map_err(|_| Silence::Unread)?;
    let request = Request::from_parts(head, body);
    if request.uri().path().starts_with("/admin/") {
        return Ok(admin::answer(served, &request).map(Wire::Whole));
    }
    let now = served.now();
    let carried = served.simulator().carry(&request, now);
    let (response, passage) = carried.ok_or(Silence::Lost)?;
    if let Passage::After(delay) = passage {
        tokio::time::sleep(delay).await;
    }
    Ok(wire::put(response, passage, request.headers()))
}

/// The address with scheme and host, as a service needs it to say where it was reached.
fn whole_address(head: &http::request::Parts, scheme: &Scheme) -> Uri {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let mut parts = head.uri.clone().into_parts();
    if let (None, Some(host)) = (&parts.authority, host) {
        parts.authority = host.parse().ok();
    }
    parts.scheme = Some(scheme.clone());
    Uri::from_parts(parts).unwrap_or_else(|_| head.uri.clone())
}
