//! Signing in: a user name and password in each call, or an OAuth token that stands for them.
//!
//! ServiceNow's 401 does not say why: a wrong password, a locked or inactive user and *Password needs reset* look the
//! same (ServiceNow docs: Enforce password reset on API requests). So the message lists what to check, and nothing is
//! tried twice with the same credential: that is how accounts get locked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::adapters::credential::{CredentialSource, ServiceNowCredential};
use crate::adapters::http::{call, failure};
use crate::core::side::Side;
use crate::ports::{CallPolicy, Clock, Effect, RemoteError, Transport};

/// A token is renewed this long before it ends, so that no write meets its end.
const RENEW_BEFORE: Duration = Duration::from_mins(1);

/// How long a token request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What proves who is calling.
#[derive(Clone)]
pub(super) struct Pass {
    /// The content of `Authorization`.
    pub(super) header: HeaderValue,
    /// When it ends, by [`Clock::monotonic`].
    ends: Option<Duration>,
}

/// Keeps one pass for all calls and renews it once, whoever notices first that it is over.
pub(super) struct SignIn {
    token_url: Url,
    source: Arc<dyn CredentialSource<ServiceNowCredential>>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Held while signing in, so that a hundred calls that meet a 401 together make one token request.
    pass: Mutex<Option<Pass>>,
}

impl SignIn {
    pub(super) fn new(
        token_url: Url,
        source: Arc<dyn CredentialSource<ServiceNowCredential>>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            token_url,
            source,
            transport,
            clock,
            pass: Mutex::new(None),
        }
    }

    /// The pass to call with now.
    pub(super) async fn pass(&self) -> Result<Pass, RemoteError> {
        let mut kept = self.pass.lock().await;
        let now = self.clock.monotonic();
        if let Some(pass) = kept.as_ref()
            && pass.ends.is_none_or(|ends| now < ends)
        {
            return Ok(pass.clone());
        }
        let pass = self.sign_in().await?;
        *kept = Some(pass.clone());
        Ok(pass)
    }

    /// Another pass in place of one that the service refused. Reads the credential again, since it may have been
    /// changed. `None` where that gives the very pass that was refused: sending it again would be another failed
    /// sign-in.
    pub(super) async fn renew(&self, refused: &Pass) -> Result<Option<Pass>, RemoteError> {
        let mut kept = self.pass.lock().await;
        if let Some(pass) = kept.as_ref()
            && pass.header != refused.header
        {
            return Ok(Some(pass.clone()));
        }
        // Whatever happens now, nobody may call with the refused pass as if it were good.
        *kept = None;
        let pass = self.sign_in().await?;
        if pass.header == refused.header {
            return Ok(None);
        }
        *kept = Some(pass.clone());
        Ok(Some(pass))
    }

    /// What a 401 means to the user.
    pub(super) fn refused(&self, headers: &HeaderMap) -> RemoteError {
        if headers.contains_key("x-mfa_token") {
            return failure::unauthenticated(
                "MultiFactorRequired",
                format!(
                    "ServiceNow asks the account in {} for a second factor, which no service can give. In \
                     ServiceNow, exempt this account from multi-factor authentication, or use OAuth.",
                    self.source.name()
                ),
            );
        }
        self.rejected("HTTP 401")
    }

    fn rejected(&self, how: &str) -> RemoteError {
        let secret = self.source.name();
        failure::unauthenticated(
            "CredentialRejected",
            format!(
                "ServiceNow refuses the account in {secret} ({how}) and does not say why. In ServiceNow, navigate to \
                 User Administration > Users and open the account: set Password needs reset to false (or reset the \
                 password), and check that Active is set and Locked out is not. Then check the user name and the \
                 password in {secret}."
            ),
        )
    }

    /// What messages call the credential.
    pub(super) fn secret(&self) -> &str {
        self.source.name()
    }

    async fn sign_in(&self) -> Result<Pass, RemoteError> {
        let credential = self.source.credential().await.map_err(failure::no_credential)?;
        match credential {
            ServiceNowCredential::Basic { username, password } => {
                let header = call::basic(&username, &password).map_err(|_| self.unusable())?;
                Ok(Pass { header, ends: None })
            }
            ServiceNowCredential::OauthPassword {
                client_id,
                client_secret,
                username,
                password,
            } => {
                let mut headers = HeaderMap::new();
                let form = call::form(
                    &mut headers,
                    &[
                        ("grant_type", "password"),
                        ("client_id", &client_id),
                        ("client_secret", client_secret.expose_secret()),
                        ("username", &username),
                        ("password", password.expose_secret()),
                    ],
                );
                let token = self.token(headers, form).await?;
                let header = call::bearer(&SecretString::from(token.access_token.clone()))
                    .map_err(|_| self.unusable())?;
                let lasts = token.lasts().map(|lasts| lasts.saturating_sub(RENEW_BEFORE));
                let ends = lasts.map(|lasts| self.clock.monotonic().saturating_add(lasts));
                Ok(Pass { header, ends })
            }
        }
    }

    fn unusable(&self) -> RemoteError {
        failure::unauthenticated(
            "CredentialUnusable",
            format!(
                "{} holds characters that no HTTP header takes",
                self.source.name()
            ),
        )
    }

    async fn token(&self, mut headers: HeaderMap, form: Bytes) -> Result<Token, RemoteError> {
        const ACTION: &str = "sign_in";
        let side = Side::ServiceNow;
        // Asking twice for a token changes nothing: within its lifetime the same one comes back.
        let policy = CallPolicy {
            action: ACTION,
            effect: Effect::Read,
            timeout: TIMEOUT,
        };
        headers.insert(ACCEPT, call::JSON);
        let failed = |error| failure::transport(side, ACTION, &error);
        let request = call::request(Method::POST, &self.token_url, policy, headers, form).map_err(failed)?;
        let response = self.transport.send(request).await.map_err(failed)?;
        match response.status() {
            StatusCode::OK => call::json(response.body())
                .map_err(|fault| failure::body(side, ACTION, response.status(), fault)),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.token_refused(&response))
            }
            _ => Err(failure::status(side, ACTION, &response)),
        }
    }

    fn token_refused(&self, response: &http::Response<Bytes>) -> RemoteError {
        let code = call::json::<OauthError>(response.body()).map(|refused| refused.error);
        match code.as_deref() {
            Ok("invalid_client" | "unauthorized_client") => failure::unauthenticated(
                "OauthClientRejected",
                format!(
                    "ServiceNow does not know the OAuth client in {0}. In ServiceNow, navigate to System OAuth > \
                     Application Registry, check that the entry is active, and put its client id and secret into {0}.",
                    self.source.name()
                ),
            ),
            _ => self.rejected("token request refused"),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

impl Token {
    /// `expires_in`, in seconds, as a number or as text.
    fn lasts(&self) -> Option<Duration> {
        let seconds = match self.expires_in.as_ref()? {
            serde_json::Value::Number(number) => number.as_u64(),
            serde_json::Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        seconds.map(Duration::from_secs)
    }
}

#[derive(Deserialize)]
struct OauthError {
    error: String,
}
