//! Probes and metrics over HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::metrics::Metrics;
use super::readiness::Readiness;

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: Arc<Metrics>,
}

/// Serves `/healthz`, `/readyz` and `/metrics` on `address` until `stop`. Returns once it listens.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<tokio::task::JoinHandle<io::Result<()>>> {
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "admin server listening");
    let serving = axum::serve(listener, router(readiness, metrics));
    let serving = serving.with_graceful_shutdown(stop.cancelled_owned());
    Ok(tokio::spawn(serving.into_future()))
}

fn router(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Admin { readiness, metrics })
}

/// The process runs. Never depends on the API server or a service: a restart makes neither of them appear.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let awaited = admin.readiness.awaited();
    if awaited.is_empty() {
        "ok\n".into_response()
    } else {
        let list = format!("waiting for:\n- {}\n", awaited.join("\n- "));
        (StatusCode::SERVICE_UNAVAILABLE, list).into_response()
    }
}

async fn scrape(State(admin): State<Admin>) -> Response {
    match admin.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
