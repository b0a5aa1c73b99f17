//! Simulators over real HTTP on a loopback port, with an admin door on the same port under `/admin/`.
//!
//! hyper is used bare because a lost answer has to be a connection that closes without a response.

mod admin;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::faults::Delivered;
use crate::model::{Admin, Request, Response};
use crate::simulator::Simulator;

/// The largest request body read, in bytes: more than either vendor takes.
const LARGEST_BODY: usize = 64 << 20;

/// What time it is for a service, before its own shift.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// A port that is taken but not yet served: for services that must know their own address before they exist.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

impl Door {
    /// Takes a port on loopback; 0 takes any that is free.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address to reach it at, without a trailing slash: `http://127.0.0.1:18080`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves a simulator until the front is dropped. Needs a running tokio runtime.
    pub fn serve<M: Admin + 'static>(self, simulator: Simulator<M>, clock: Clock) -> Front<M> {
        let served = Arc::new(Served {
            simulator: Mutex::new(simulator),
            clock,
            shift_millis: AtomicI64::new(0),
        });
        let base_url = self.base_url();
        let accepting = tokio::spawn(accept(self.listener, Arc::clone(&served)));
        Front {
            base_url,
            served,
            accepting,
        }
    }
}

/// A simulator being served. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Front<M> {
    base_url: String,
    served: Arc<Served<M>>,
    accepting: JoinHandle<()>,
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
        // The accepting task owns the connections' tasks, and takes them with it.
        self.accepting.abort();
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

async fn accept<M: Admin + 'static>(listener: TcpListener, served: Arc<Served<M>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&served)));
                }
                // Out of file descriptors, most likely: those that end free some.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

async fn converse<M: Admin + 'static>(stream: TcpStream, served: Arc<Served<M>>) {
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { answer(&served, request).await }
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
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Silence> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await;
    let body = body.map_err(|_| Silence::Unread)?.to_bytes();
    let request = Request::from_parts(head, body);
    if request.uri().path().starts_with("/admin/") {
        return Ok(whole(admin::answer(served, &request)));
    }
    let now = served.now();
    let (delay, delivered) = served.simulator().deliver_timed(&request, now);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match delivered {
        Delivered::Answer(response) => Ok(whole(response)),
        Delivered::NoAnswer => Err(Silence::Lost),
    }
}

fn whole(response: Response) -> http::Response<Full<Bytes>> {
    response.map(Full::new)
}
