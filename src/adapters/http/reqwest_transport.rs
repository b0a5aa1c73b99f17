//! The transport of production: one reqwest client for both services.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use url::Url;

use super::allow_list::AllowList;
use crate::ports::{CallPolicy, Transport, TransportError};

/// How the one client behaves.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Which hosts may be called.
    pub allow_list: AllowList,
    /// How long connecting (name, TCP and TLS) may take.
    pub connect_timeout: Duration,
    /// How long a call without a [`CallPolicy`] may take.
    pub default_timeout: Duration,
    /// Answers with more bytes, counted after decompression, are cut off and reported as
    /// [`TransportError::TooLarge`].
    pub answer_limit: usize,
    /// An http(s) proxy for every call. The environment is not looked at: what is not configured does not happen.
    pub proxy: Option<Url>,
    /// Certificates (PEM, any number) to trust besides the system's.
    pub extra_roots: Option<Vec<u8>>,
}

impl TransportConfig {
    /// The defaults: 10 s to connect, 60 s a call, 32 MiB an answer, no proxy, the system's certificates.
    pub fn new(allow_list: AllowList) -> Self {
        Self {
            allow_list,
            connect_timeout: Duration::from_secs(10),
            default_timeout: Duration::from_mins(1),
            answer_limit: 32 << 20,
            proxy: None,
            extra_roots: None,
        }
    }
}

/// Why the client cannot be built: a proxy or certificate that cannot be used, or no TLS provider.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built: {0}")]
pub struct TransportSetupError(#[source] reqwest::Error);

/// Sends each request once: no cookies (ServiceNow pins and queues a session's calls), no redirects (a credential must
/// not follow one), no retries.
pub struct ReqwestTransport {
    client: reqwest::Client,
    config: TransportConfig,
}

impl ReqwestTransport {
    /// Builds the client.
    pub fn new(config: TransportConfig) -> Result<Self, TransportSetupError> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("syncflow/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            // Shorter than the idle time of the vendors' edges: a call on a connection that the other end has closed
            // is a write of unknown outcome.
            .pool_idle_timeout(Duration::from_secs(20));
        if let Some(pem) = &config.extra_roots {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(TransportSetupError)?;
            client = client.tls_certs_merge(roots);
        }
        if let Some(proxy) = &config.proxy {
            client = client.proxy(reqwest::Proxy::all(proxy.clone()).map_err(TransportSetupError)?);
        }
        Ok(Self {
            client: client.build().map_err(TransportSetupError)?,
            config,
        })
    }

    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, TransportError> {
        let limit = self.config.answer_limit;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if chunk.len() > limit - body.len() {
                return Err(TransportError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let timeout = request
            .extensions()
            .get::<CallPolicy>()
            .map_or(self.config.default_timeout, |policy| policy.timeout);
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| TransportError::NotSent(format!("the URL cannot be read: {error}")))?;
        self.config.allow_list.check(&url)?;

        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = parts.headers;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(body.into());
        }
        // Of the whole call, body included.
        *outgoing.timeout_mut() = Some(timeout);
        let response = self.client.execute(outgoing).await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                TransportError::NotSent(cause(error))
            } else {
                no_answer(error)
            }
        })?;

        let mut answer = http::Response::new(());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        let body = self.read_body(response).await?;
        Ok(answer.map(|()| body))
    }
}

fn no_answer(error: reqwest::Error) -> TransportError {
    if error.is_timeout() {
        return TransportError::NoAnswer("the call timed out".to_owned());
    }
    TransportError::NoAnswer(cause(error))
}

/// The chain of causes, without the URL: its query may hold a record's values.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
