//! One request with the session's token, and the answer sorted: success, Salesforce's own error, or neither.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use super::SalesforceConfig;
use super::api_usage::{ApiUsage, ApiUsageObserver};
use super::errors::{self, ApiError};
use super::session::{Session, SessionKeeper};
use crate::adapters::http::{call, failure};
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{CallPolicy, Clock, Effect, RemoteError, Transport, TransportError};

/// What is asked of Salesforce.
pub(super) struct Ask {
    pub(super) policy: CallPolicy,
    pub(super) method: Method,
    /// An absolute path below the instance, with its query.
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON; empty for none.
    pub(super) body: Bytes,
}

impl Ask {
    /// A GET.
    pub(super) fn read(action: &'static str, path: String) -> Self {
        Self {
            policy: CallPolicy {
                action,
                effect: Effect::Read,
                timeout: Duration::from_mins(1),
            },
            method: Method::GET,
            path,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

/// What Salesforce said.
pub(super) enum Reply {
    /// 2xx.
    Success(http::Response<Bytes>),
    /// Its own errors, at least one.
    Errors {
        status: StatusCode,
        errors: Vec<ApiError>,
    },
}

/// No usable answer.
pub(super) struct CallFailure {
    pub(super) error: RemoteError,
    /// Whether the request may have had its effect.
    pub(super) effect: Possible,
}

/// Whether something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Possible {
    /// Certainly not.
    No,
    /// Perhaps.
    Yes,
}

impl CallFailure {
    pub(super) fn without_effect(error: RemoteError) -> Self {
        Self {
            error,
            effect: Possible::No,
        }
    }

    fn transport(action: &str, error: &TransportError) -> Self {
        let effect = match error {
            TransportError::NotSent(_) | TransportError::Refused { .. } => Possible::No,
            TransportError::NoAnswer(_) | TransportError::TooLarge { .. } => Possible::Yes,
        };
        Self {
            error: failure::transport(Side::Salesforce, action, error),
            effect,
        }
    }
}

/// The connection.
pub(super) struct Client {
    config: SalesforceConfig,
    transport: Arc<dyn Transport>,
    sessions: SessionKeeper,
    clock: Arc<dyn Clock>,
    usage: Option<Arc<dyn ApiUsageObserver>>,
    /// What Salesforce's clock said in its last answer.
    server_time: Mutex<Option<Instant>>,
}

impl Client {
    pub(super) fn new(
        config: SalesforceConfig,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config,
            transport,
            sessions: SessionKeeper::new(clock.clone()),
            clock,
            usage: None,
            server_time: Mutex::default(),
        }
    }

    pub(super) fn observe_usage(&mut self, observer: Arc<dyn ApiUsageObserver>) {
        self.usage = Some(observer);
    }

    /// `/services/data/v62.0/` and the rest.
    pub(super) fn data_path(&self, rest: &str) -> String {
        format!("/services/data/v{}/{rest}", self.config.api_version)
    }

    /// Salesforce's clock at its last answer, a moment that is certainly over there; `None` before the first.
    pub(super) fn last_server_time(&self) -> Option<Instant> {
        *self.server_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session as it stands, signing in where there is none.
    pub(super) async fn session(&self) -> Result<Arc<Session>, RemoteError> {
        self.sessions.session(&self.config, &*self.transport, None).await
    }

    /// Sends. Where the token is not taken it is renewed and the request sent once more: such a refusal had no effect.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Reply, CallFailure> {
        let began = self.clock.monotonic();
        let session = self.session().await.map_err(CallFailure::without_effect)?;
        let response = self.send_with(&session, ask, began).await?;
        if !refuses_session(&response) {
            return sort(ask.policy.action, response);
        }
        if errors::is_final_session_refusal(response.body()) {
            return Err(CallFailure::without_effect(errors::session_refused(
                self.config.credential.name(),
            )));
        }
        let session = self
            .sessions
            .session(&self.config, &*self.transport, Some(&session))
            .await
            .map_err(CallFailure::without_effect)?;
        let response = self.send_with(&session, ask, began).await?;
        if refuses_session(&response) {
            return Err(CallFailure::without_effect(errors::session_refused(
                self.config.credential.name(),
            )));
        }
        sort(ask.policy.action, response)
    }

    /// The policy with the time that is left. The right to write was checked for the whole time-out when the write
    /// began, so what signing in took is taken off; a write that would hardly be waited for is not sent.
    fn remaining(&self, policy: CallPolicy, began: Duration) -> Result<CallPolicy, CallFailure> {
        if policy.effect == Effect::Read {
            return Ok(policy);
        }
        let spent = self.clock.monotonic().saturating_sub(began);
        let timeout = policy.timeout.saturating_sub(spent);
        if timeout < policy.timeout / 2 {
            return Err(CallFailure::without_effect(failure::transient(
                "SignInSlow",
                format!(
                    "signing in to Salesforce took most of the time of {}; nothing was sent",
                    policy.action
                ),
            )));
        }
        Ok(CallPolicy { timeout, ..policy })
    }

    async fn send_with(
        &self,
        session: &Session,
        ask: &Ask,
        began: Duration,
    ) -> Result<http::Response<Bytes>, CallFailure> {
        let action = ask.policy.action;
        let policy = self.remaining(ask.policy, began)?;
        let url = below(&session.instance, &ask.path).ok_or_else(|| {
            CallFailure::without_effect(failure::misconfigured(
                "LinkRefused",
                format!("Salesforce answered with a link for {action} that leaves its instance; it is not followed"),
            ))
        })?;
        let request = headers(session, ask)
            .and_then(|headers| call::request(ask.method.clone(), &url, policy, headers, ask.body.clone()));
        let result = match request {
            Ok(request) => self.transport.send(request).await,
            Err(error) => Err(error),
        };
        let response = result.map_err(|error| CallFailure::transport(action, &error))?;
        if let Some(now) = call::server_time(response.headers()) {
            *self.server_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
        if let (Some(observer), Some(usage)) = (&self.usage, ApiUsage::from_headers(response.headers())) {
            observer.observe(usage);
        }
        Ok(response)
    }

    /// A read whose success is JSON; Salesforce's own errors are classified.
    pub(super) async fn read(&self, ask: &Ask, about: &str) -> Result<http::Response<Bytes>, RemoteError> {
        match self.send(ask).await.map_err(|failure| failure.error)? {
            Reply::Success(response) => Ok(response),
            Reply::Errors { status, errors } => {
                Err(errors::whole_call(ask.policy.action, about, status, &errors))
            }
        }
    }
}

fn headers(session: &Session, ask: &Ask) -> Result<HeaderMap, TransportError> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, call::bearer(&session.token)?);
    headers.insert(ACCEPT, call::JSON);
    // Makes our changes recognisable in Change Data Capture (`changeOrigin`).
    headers.insert(
        HeaderName::from_static("sforce-call-options"),
        HeaderValue::from_static("client=syncflow"),
    );
    if !ask.body.is_empty() {
        headers.insert(CONTENT_TYPE, call::JSON);
    }
    headers.extend(ask.headers.iter().cloned());
    Ok(headers)
}

/// The path below the instance; `None` for a link that would lead elsewhere.
fn below(instance: &Url, path: &str) -> Option<Url> {
    let url = instance.join(path).ok()?;
    (url.origin() == instance.origin() && url.username().is_empty() && url.path().starts_with("/services/"))
        .then_some(url)
}

/// 401 from the REST API; a 403 in plain text from `userinfo`, which is OAuth's.
fn refuses_session(response: &http::Response<Bytes>) -> bool {
    match response.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => response.body().trim_ascii().starts_with(b"Bad_OAuth_Token"),
        _ => false,
    }
}

fn sort(action: &str, response: http::Response<Bytes>) -> Result<Reply, CallFailure> {
    let status = response.status();
    if status.is_success() {
        return Ok(Reply::Success(response));
    }
    if (status.is_client_error() || status.is_server_error())
        && !failure::is_throttling(status)
        && let Ok(errors) = call::json::<Vec<ApiError>>(response.body())
        && !errors.is_empty()
    {
        return Ok(Reply::Errors { status, errors });
    }
    // The edge answers these instead of passing the request on.
    let refused_at_the_edge = failure::is_throttling(status)
        || matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::URI_TOO_LONG
                | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
    Err(CallFailure {
        error: failure::status(Side::Salesforce, action, &response),
        effect: if refused_at_the_edge {
            Possible::No
        } else {
            Possible::Yes
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leaves_the_instance_is_not_followed() {
        let instance = Url::parse("https://acme.my.salesforce.com").unwrap();
        assert!(below(&instance, "/services/data/v62.0/query/01g-2000").is_some());
        for bad in [
            "https://evil.example/services/data",
            "//evil.example/services/data",
            "/services/../../etc",
            "\\\\evil.example/services/",
            "/id/00D/005",
            "query/01g",
            "",
        ] {
            assert!(below(&instance, bad).is_none(), "{bad}");
        }
    }
}
