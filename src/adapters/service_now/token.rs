//! Token requests to `oauth_token.do` (ServiceNow docs: OAuth API request parameters, JSON Web token bearer grant), and
//! what a refusal of one means.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::adapters::credential::{RefreshToken, ServiceNowCredential};
use crate::adapters::http::{call, failure};
use crate::adapters::jwt::{self, Assertion};
use crate::core::failure::Problem;
use crate::core::side::Side;
use crate::ports::{CallPolicy, Effect, RemoteError, Transport};

const ACTION: &str = "sign_in";

/// What is asked of the token endpoint.
pub(super) struct TokenRequest<'a> {
    pub(super) url: &'a Url,
    pub(super) credential: &'a ServiceNowCredential,
    /// What messages call the credential, such as `Secret servicenow-user`.
    pub(super) source: &'a str,
    /// By our clock, in seconds of the Unix epoch.
    pub(super) now: i64,
    /// Did the last refresh of this connection stay without an answer?
    pub(super) in_doubt: bool,
}

/// What the token endpoint gave.
pub(super) struct Granted {
    pub(super) token: SecretString,
    /// How long it lasts.
    pub(super) lasts: Option<Duration>,
    /// The refresh token that took the place of the one that was used.
    pub(super) rotated: Option<RefreshToken>,
}

impl TokenRequest<'_> {
    /// Asks. An assertion that is refused while ServiceNow's clock is elsewhere is made once more by that clock;
    /// `clock_offset` is then what to begin with next time.
    pub(super) async fn send(
        &self,
        transport: &dyn Transport,
        clock_offset: &mut i64,
    ) -> Result<Granted, RemoteError> {
        let response = self.once(transport, *clock_offset).await?;
        let is_assertion = matches!(self.credential, ServiceNowCredential::JwtBearer { .. });
        let response = match call::server_time(response.headers()) {
            Some(server) if is_assertion && response.status().is_client_error() => {
                match jwt::clocks_differ(server.seconds(), self.now, *clock_offset) {
                    Some(offset) => {
                        *clock_offset = offset;
                        self.once(transport, offset).await?
                    }
                    None => response,
                }
            }
            _ => response,
        };
        match response.status() {
            StatusCode::OK => {
                let token: TokenAnswer = call::json(response.body())
                    .map_err(|fault| failure::body(Side::ServiceNow, ACTION, response.status(), fault))?;
                Ok(self.granted(token))
            }
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.refused(&response))
            }
            _ => Err(failure::status(Side::ServiceNow, ACTION, &response)),
        }
    }

    async fn once(
        &self,
        transport: &dyn Transport,
        clock_offset: i64,
    ) -> Result<http::Response<Bytes>, RemoteError> {
        let policy = CallPolicy {
            action: ACTION,
            // Asking twice for a token changes nothing, but a refresh may use up what it was asked with.
            effect: match self.credential {
                ServiceNowCredential::RefreshToken { .. } => Effect::Write,
                ServiceNowCredential::Basic { .. }
                | ServiceNowCredential::OauthPassword { .. }
                | ServiceNowCredential::OauthClientCredentials { .. }
                | ServiceNowCredential::JwtBearer { .. } => Effect::Read,
            },
            timeout: Duration::from_secs(30),
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, call::JSON);
        let form = self.form(&mut headers, clock_offset)?;
        let failed = |error| failure::transport(Side::ServiceNow, ACTION, &error);
        let request = call::request(Method::POST, self.url, policy, headers, form).map_err(failed)?;
        transport.send(request).await.map_err(failed)
    }

    fn form(&self, headers: &mut HeaderMap, clock_offset: i64) -> Result<Bytes, RemoteError> {
        let signed;
        let fields: Vec<(&str, &str)> = match self.credential {
            // Goes with each call instead.
            ServiceNowCredential::Basic { .. } => Vec::new(),
            ServiceNowCredential::OauthPassword {
                client_id,
                client_secret,
                username,
                password,
            } => vec![
                ("grant_type", "password"),
                ("client_id", client_id),
                ("client_secret", client_secret.expose_secret()),
                ("username", username),
                ("password", password.expose_secret()),
            ],
            ServiceNowCredential::OauthClientCredentials {
                client_id,
                client_secret,
            } => vec![
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", client_secret.expose_secret()),
            ],
            ServiceNowCredential::RefreshToken {
                client_id,
                client_secret,
                refresh_token,
            } => vec![
                ("grant_type", "refresh_token"),
                ("client_id", client_id),
                ("client_secret", client_secret.expose_secret()),
                ("refresh_token", refresh_token.token.expose_secret()),
            ],
            ServiceNowCredential::JwtBearer {
                client_id,
                client_secret,
                username,
                private_key,
                key_id,
                audience,
            } => {
                let assertion = Assertion {
                    issuer: client_id,
                    subject: username,
                    audience: audience.as_deref().unwrap_or(client_id),
                    key_id: key_id.as_deref(),
                    now: self.now.saturating_add(clock_offset),
                };
                signed = assertion.sign(private_key).map_err(|fault| {
                    let message = format!("{}: the key privateKey {fault}", self.source);
                    failure::no_credential(Problem::human("SecretInvalid", message))
                })?;
                let mut fields = vec![
                    ("grant_type", jwt::GRANT),
                    ("client_id", client_id.as_str()),
                    ("assertion", signed.expose_secret()),
                ];
                fields.extend(
                    client_secret
                        .as_ref()
                        .map(|secret| ("client_secret", secret.expose_secret())),
                );
                fields
            }
        };
        Ok(call::form(headers, &fields))
    }

    fn granted(&self, token: TokenAnswer) -> Granted {
        let lasts = token.lasts();
        let rotated = match self.credential {
            ServiceNowCredential::RefreshToken { refresh_token, .. } => {
                refresh_token.successor(token.refresh_token)
            }
            ServiceNowCredential::Basic { .. }
            | ServiceNowCredential::OauthPassword { .. }
            | ServiceNowCredential::OauthClientCredentials { .. }
            | ServiceNowCredential::JwtBearer { .. } => None,
        };
        Granted {
            token: token.access_token.into(),
            lasts,
            rotated,
        }
    }

    fn refused(&self, response: &http::Response<Bytes>) -> RemoteError {
        let code = call::json::<OauthError>(response.body()).map(|refused| refused.error);
        let code = code.as_deref().unwrap_or_default();
        let source = self.source;
        if matches!(code, "invalid_client" | "unauthorized_client") {
            return failure::unauthenticated(
                "OauthClientRejected",
                format!(
                    "ServiceNow does not know the OAuth client in {source}. In ServiceNow, navigate to System OAuth > \
                     Application Registry, check that the entry is active, and put its client id and secret into \
                     {source}."
                ),
            );
        }
        match self.credential {
            ServiceNowCredential::RefreshToken { .. } => self.consent_needed(),
            ServiceNowCredential::OauthClientCredentials { .. } => failure::unauthenticated(
                "CredentialRejected",
                format!(
                    "ServiceNow refuses the client credentials in {source}. In ServiceNow, set the system property \
                     glide.oauth.inbound.client.credential.grant_type.enabled to true, and in System OAuth > \
                     Application Registry > (the entry) choose an OAuth Application User who is active, not locked \
                     out, and whose Password needs reset is off."
                ),
            ),
            ServiceNowCredential::JwtBearer { .. } => failure::unauthenticated(
                "AssertionRejected",
                format!(
                    "ServiceNow refuses the assertion made with {source}. In ServiceNow, open System OAuth > \
                     Application Registry > (the entry) and check its JWT verifier map: the certificate must belong \
                     to privateKey, and its Kid be the keyId. Check that the user claim finds an active user by the \
                     username, and that the entry expects the client id as audience; otherwise set audience in the \
                     Connection."
                ),
            ),
            ServiceNowCredential::Basic { .. } | ServiceNowCredential::OauthPassword { .. } => {
                rejected(source, "token request refused")
            }
        }
    }

    fn consent_needed(&self) -> RemoteError {
        let source = self.source;
        let doubt = if self.in_doubt {
            " The answer to the refresh before this one was lost, and with it, probably, the token that replaced this \
             one."
        } else {
            ""
        };
        failure::unauthenticated(
            "ConsentNeeded",
            format!(
                "ServiceNow does not take the refresh token of {source} any more: it was revoked, it expired (after \
                 100 days, unless the entry in System OAuth > Application Registry says otherwise), its user may not \
                 sign in, or it was used up elsewhere (another program, another Connection, or an operator that ended \
                 before it could keep the next one).{doubt} Check the user, authorize the client again as the \
                 integration user, and put the new refreshToken into {source}."
            ),
        )
    }
}

/// The account is refused, and ServiceNow does not say why.
pub(super) fn rejected(secret: &str, how: &str) -> RemoteError {
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

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

impl TokenAnswer {
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
