//! One request with the session's token, and the answer sorted: success, Salesforce's own error, or neither.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use super::SalesforceConfig;
use super::api_usage::{self, ApiUsageObserver};
use super::errors::{self, ApiError};
use super::meter::{Admitted, Meter, Pass};
use super::session::{Session, SessionKeeper};
use crate::adapters::http::retry::RETRIES;
use crate::adapters::http::{call, failure};
use crate::core::budget::Purpose;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{CallPolicy, Clock, Effect, RemoteError, Transport, TransportError};

/// What is asked of Salesforce.
pub(super) struct Ask {
    pub(super) policy: CallPolicy,
    /// What it asks for or does, in the words of who reads a message: `a query for changed Case records`.
    pub(super) what: String,
    /// What it is for, where Salesforce counts it; `None` for what is free.
    pub(super) purpose: Option<Purpose>,
    /// When the write began that this call is a part of, by our monotonic clock; `None` for a call of its own.
    pub(super) began: Option<Duration>,
    pub(super) method: Method,
    /// An absolute path below the instance, with its query.
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON; empty for none.
    pub(super) body: Bytes,
}

/// How often the transport may send a read: every attempt that arrives is counted by Salesforce.
const READ_ATTEMPTS: u64 = 1 + RETRIES as u64;

impl Ask {
    /// A GET that looks at known things.
    pub(super) fn read(action: &'static str, what: impl Into<String>, path: String) -> Self {
        Self {
            what: what.into(),
            purpose: Some(Purpose::LookUp),
            began: None,
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

    /// As [`Ask::read`], for going on with looking for changes: among the first to wait when calls grow scarce.
    pub(super) fn poll_on(action: &'static str, what: impl Into<String>, path: String) -> Self {
        Self {
            purpose: Some(Purpose::PollOn),
            ..Self::read(action, what, path)
        }
    }

    fn attempts(&self) -> u64 {
        match self.policy.effect {
            Effect::Read => READ_ATTEMPTS,
            Effect::Write => 1,
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

    fn transport(what: &str, error: &TransportError) -> Self {
        let effect = match error {
            TransportError::NotSent(_) | TransportError::Refused { .. } => Possible::No,
            TransportError::NoAnswer(_) | TransportError::TooLarge { .. } => Possible::Yes,
        };
        Self {
            error: failure::transport(Side::Salesforce, what, error),
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
    meter: Meter,
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
            meter: Meter::new(config.api_share, clock.clone()),
            config,
            transport,
            sessions: SessionKeeper::new(clock.clone()),
            clock,
            server_time: Mutex::default(),
        }
    }

    pub(super) fn observe_usage(&mut self, observer: Arc<dyn ApiUsageObserver>) {
        self.meter.observe(observer);
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
        self.signed_in(None).await
    }

    /// Signs in, where `expired` is the session there is. Whoever answers a sign-in in no words of Salesforce's is not
    /// Salesforce.
    async fn signed_in(&self, expired: Option<&Arc<Session>>) -> Result<Arc<Session>, RemoteError> {
        let session = self
            .sessions
            .session(&self.config, &*self.transport, expired)
            .await;
        session.map_err(|error| {
            if failure::speaks_another_language(&error) {
                let host = self.config.login_url.host_str().unwrap_or("(none)");
                failure::wrong_service(Side::Salesforce, host, "spec.salesforce.loginUrl", &error)
            } else {
                error
            }
        })
    }

    /// Sends. Where the token is not taken it is renewed and the request sent once more: such a refusal had no effect.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Reply, CallFailure> {
        let began = ask.began.unwrap_or_else(|| self.clock.monotonic());
        let session = self.session().await.map_err(CallFailure::without_effect)?;
        let response = self.send_with(&session, ask, began).await?;
        if !refuses_session(&response) {
            return self.taken(ask, response);
        }
        if errors::is_final_session_refusal(response.body()) {
            return Err(self.session_refused(&session));
        }
        let session = self
            .signed_in(Some(&session))
            .await
            .map_err(CallFailure::without_effect)?;
        let response = self.send_with(&session, ask, began).await?;
        if refuses_session(&response) {
            return Err(self.session_refused(&session));
        }
        self.taken(ask, response)
    }

    /// A session that Salesforce has just given and does not take: another one would fare the same, so it rests.
    fn session_refused(&self, session: &Session) -> CallFailure {
        let refused = errors::session_refused(self.config.credential.name());
        CallFailure::without_effect(self.sessions.refuse(session, refused, &self.config))
    }

    /// An answer to a call whose session was not refused. That it was taken only Salesforce's own words show: what a
    /// gateway, a maintenance page or a throttle says comes before anybody looks at a token. And `userinfo` takes
    /// sessions that the REST API does not.
    fn taken(&self, ask: &Ask, response: http::Response<Bytes>) -> Result<Reply, CallFailure> {
        let reply = sort(&ask.what, response)?;
        let in_its_words = match &reply {
            Reply::Success(response) => {
                matches!(response.body().trim_ascii_start().first(), Some(b'{' | b'['))
            }
            Reply::Errors { .. } => true,
        };
        if in_its_words && ask.path.starts_with("/services/data/") {
            self.sessions.accepted();
        }
        Ok(reply)
    }

    /// How long a write may take.
    pub(super) const fn write_timeout(&self) -> Duration {
        self.config.write_timeout
    }

    /// Our monotonic clock: when a write begins that takes several calls.
    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Waits.
    pub(super) async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// The policy with the time that is left. The right to write was checked for the whole time-out when the write
    /// began, so what signing in and earlier calls took is taken off; a write that would hardly be waited for is not
    /// sent.
    fn remaining(&self, ask: &Ask, began: Duration) -> Result<CallPolicy, CallFailure> {
        let policy = ask.policy;
        if policy.effect == Effect::Read {
            return Ok(policy);
        }
        let spent = self.clock.monotonic().saturating_sub(began);
        let timeout = policy.timeout.saturating_sub(spent);
        if timeout < policy.timeout / 2 {
            return Err(CallFailure::without_effect(failure::transient(
                "TimeUsedUp",
                format!(
                    "signing in to Salesforce, and what else came before {}, took most of the time that a write may \
                     take; it was not sent, and is tried again by itself",
                    ask.what
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
        let policy = self.remaining(ask, began)?;
        let url = below(&session.instance, &ask.path).ok_or_else(|| {
            CallFailure::without_effect(failure::misconfigured(
                "LinkRefused",
                format!(
                    "Salesforce answered {} with a link that leaves its instance; it is not followed",
                    ask.what
                ),
            ))
        })?;
        let request = headers(session, ask)
            .and_then(|headers| call::request(ask.method.clone(), &url, policy, headers, ask.body.clone()))
            .map_err(|error| CallFailure::transport(&ask.what, &error))?;
        let pass = match ask.purpose {
            Some(purpose) => Some(self.pass(session, purpose, ask.attempts()).await?),
            None => None,
        };
        match self.transport.send(request).await {
            Ok(response) => {
                if let Some(now) = call::server_time(response.headers()) {
                    *self.server_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                }
                if let Some(pass) = pass {
                    pass.answered(api_usage::from_headers(response.headers()));
                }
                Ok(response)
            }
            Err(error) => {
                if let (TransportError::NotSent(_) | TransportError::Refused { .. }, Some(pass)) =
                    (&error, pass)
                    && ask.attempts() == 1
                {
                    pass.not_sent();
                }
                Err(CallFailure::transport(&ask.what, &error))
            }
        }
    }

    /// The right to a call that Salesforce counts. Where the budget no longer knows how it stands, Salesforce is asked.
    async fn pass(
        &self,
        session: &Session,
        purpose: Purpose,
        attempts: u64,
    ) -> Result<Pass<'_>, CallFailure> {
        if let Some(pass) = granted(self.meter.admit(purpose, attempts))? {
            return Ok(pass);
        }
        self.ask_usage(session).await?;
        granted(self.meter.admit(purpose, attempts))?.ok_or_else(|| {
            CallFailure::without_effect(failure::transient(
                "ServiceUnavailable",
                "Salesforce was asked how many of the org's calls are used, and others asked too; it is tried again",
            ))
        })
    }

    /// Asks Salesforce how many of the org's calls are used. An answer that does not say so is no failure: the call
    /// itself will meet what there is to meet.
    async fn ask_usage(&self, session: &Session) -> Result<(), CallFailure> {
        let Some(pass) = granted(self.meter.admit(Purpose::Probe, 1))? else {
            return Ok(());
        };
        let mut ask = Ask::read(
            "limits",
            "the question how many calls are used",
            self.data_path("limits"),
        );
        // One attempt: it is counted too.
        ask.policy.effect = Effect::Write;
        let Some(url) = below(&session.instance, &ask.path) else {
            pass.not_sent();
            return Ok(());
        };
        let request = headers(session, &ask)
            .and_then(|headers| call::request(Method::GET, &url, ask.policy, headers, Bytes::new()));
        let Ok(request) = request else {
            pass.not_sent();
            return Ok(());
        };
        if let Ok(response) = self.transport.send(request).await {
            pass.answered(
                api_usage::from_headers(response.headers())
                    .or_else(|| api_usage::from_limits(response.body())),
            );
        }
        Ok(())
    }

    /// A read whose success is JSON; Salesforce's own errors are classified.
    pub(super) async fn read(&self, ask: &Ask, about: &str) -> Result<http::Response<Bytes>, RemoteError> {
        match self.send(ask).await.map_err(|failure| failure.error)? {
            Reply::Success(response) => Ok(response),
            Reply::Errors { status, errors } => Err(errors::whole_call(&ask.what, about, status, &errors)),
        }
    }
}

fn granted(admitted: Admitted<'_>) -> Result<Option<Pass<'_>>, CallFailure> {
    match admitted {
        Admitted::Granted(pass) => Ok(Some(pass)),
        Admitted::AskFirst => Ok(None),
        Admitted::Refused(error) => Err(CallFailure::without_effect(error)),
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
    for (name, value) in &ask.headers {
        headers.insert(name, value.clone());
    }
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

fn sort(what: &str, response: http::Response<Bytes>) -> Result<Reply, CallFailure> {
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
            StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_ACCEPTABLE
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::URI_TOO_LONG
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
                | StatusCode::PRECONDITION_REQUIRED
                | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
    Err(CallFailure {
        error: failure::status(Side::Salesforce, what, &response),
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
