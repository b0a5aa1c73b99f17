//! Signing in: OAuth 2.0 token requests (Salesforce docs: OAuth 2.0 Client Credentials Flow, JWT Bearer Flow, Refresh
//! Token Flow, Username-Password Flow).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::session::Session;
use super::token_refusal::Refusal;
use crate::adapters::credential::{RefreshToken, SalesforceCredential};
use crate::adapters::http::{call, failure};
use crate::adapters::jwt::{self, Assertion};
use crate::core::failure::Problem;
use crate::core::ident::RecordId;
use crate::core::side::Side;
use crate::ports::{CallPolicy, Effect, RemoteError, Transport};

/// What is asked of the token endpoint.
pub(super) struct TokenRequest<'a> {
    pub(super) login_url: &'a Url,
    pub(super) credential: &'a SalesforceCredential,
    /// What messages call the credential, such as `Secret salesforce-oauth`.
    pub(super) source: &'a str,
    /// By our clock, in seconds of the Unix epoch.
    pub(super) now: i64,
    /// Did the last refresh of this connection stay without an answer?
    pub(super) in_doubt: bool,
}

/// What the token endpoint gave.
pub(super) struct Granted {
    /// The session; an error where it leads to a host that gets no credential.
    pub(super) session: Result<Session, RemoteError>,
    /// The refresh token that took the place of the one that was used.
    pub(super) rotated: Option<RefreshToken>,
}

impl TokenRequest<'_> {
    /// Signing in changes no record, so the transport may send it again after a time-out or a 5xx; a refusal is a 400,
    /// which it never repeats. Only a refresh may use up what it was asked with: it has one attempt.
    fn policy(&self) -> CallPolicy {
        CallPolicy {
            action: "sign_in",
            effect: match self.credential {
                SalesforceCredential::RefreshToken { .. } => Effect::Write,
                SalesforceCredential::ClientCredentials { .. }
                | SalesforceCredential::JwtBearer { .. }
                | SalesforceCredential::UsernamePassword { .. } => Effect::Read,
            },
            timeout: Duration::from_secs(30),
        }
    }

    /// The `aud` of assertions: the login host of all production orgs or of all sandboxes (Salesforce docs: OAuth 2.0
    /// JWT Bearer Flow). A sandbox's My Domain has `.sandbox.` in it.
    fn audience(&self) -> &str {
        let host = self.login_url.host_str().unwrap_or_default();
        if host == "test.salesforce.com" || host.ends_with(".sandbox.my.salesforce.com") {
            "https://test.salesforce.com"
        } else {
            "https://login.salesforce.com"
        }
    }

    fn form(&self, headers: &mut HeaderMap, clock_offset: i64) -> Result<Bytes, RemoteError> {
        let form = match self.credential {
            SalesforceCredential::ClientCredentials {
                client_id,
                client_secret,
            } => call::form(
                headers,
                &[
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose_secret()),
                ],
            ),
            SalesforceCredential::JwtBearer {
                client_id,
                username,
                private_key,
                audience,
            } => {
                let assertion = Assertion {
                    issuer: client_id,
                    subject: username,
                    audience: audience.as_deref().unwrap_or_else(|| self.audience()),
                    key_id: None,
                    now: self.now.saturating_add(clock_offset),
                };
                let signed = assertion.sign(private_key).map_err(|fault| {
                    let message = format!("{}: the key privateKey {fault}", self.source);
                    failure::no_credential(Problem::human("SecretInvalid", message))
                })?;
                let signed = ("assertion", signed.expose_secret());
                call::form(headers, &[("grant_type", jwt::GRANT), signed])
            }
            SalesforceCredential::RefreshToken {
                client_id,
                client_secret,
                refresh_token,
            } => {
                let mut fields = vec![
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id.as_str()),
                    ("refresh_token", refresh_token.token.expose_secret()),
                ];
                fields.extend(
                    client_secret
                        .as_ref()
                        .map(|secret| ("client_secret", secret.expose_secret())),
                );
                call::form(headers, &fields)
            }
            SalesforceCredential::UsernamePassword {
                client_id,
                client_secret,
                username,
                password,
                security_token,
            } => {
                // The token is appended to the password, as Salesforce documents it.
                let token = security_token.as_ref().map_or("", |token| token.expose_secret());
                let password = SecretString::from(format!("{}{token}", password.expose_secret()));
                call::form(
                    headers,
                    &[
                        ("grant_type", "password"),
                        ("client_id", client_id),
                        ("client_secret", client_secret.expose_secret()),
                        ("username", username),
                        ("password", password.expose_secret()),
                    ],
                )
            }
        };
        Ok(form)
    }
}

/// Asks for a token. An assertion that is refused while Salesforce's clock is elsewhere is made once more by that clock;
/// `clock_offset` is then what to begin with next time.
pub(super) async fn sign_in(
    transport: &dyn Transport,
    asked: &TokenRequest<'_>,
    clock_offset: &mut i64,
) -> Result<Granted, RemoteError> {
    let response = send(transport, asked, *clock_offset).await?;
    let is_assertion = matches!(asked.credential, SalesforceCredential::JwtBearer { .. });
    let response = match call::server_time(response.headers()) {
        Some(server) if is_assertion && response.status().is_client_error() => {
            match jwt::clocks_differ(server.seconds(), asked.now, *clock_offset) {
                Some(offset) => {
                    *clock_offset = offset;
                    send(transport, asked, offset).await?
                }
                None => response,
            }
        }
        _ => response,
    };
    let action = asked.policy().action;
    if response.status().is_success() {
        let token: TokenAnswer = call::json(response.body())
            .map_err(|fault| failure::body(Side::Salesforce, action, response.status(), fault))?;
        return Ok(granted(asked, token));
    }
    match call::json::<Refusal>(response.body()) {
        Ok(refusal) if response.status().is_client_error() && !failure::is_throttling(response.status()) => {
            Err(refusal.explained(asked))
        }
        _ => Err(failure::status(Side::Salesforce, action, &response)),
    }
}

async fn send(
    transport: &dyn Transport,
    asked: &TokenRequest<'_>,
    clock_offset: i64,
) -> Result<http::Response<Bytes>, RemoteError> {
    let policy = asked.policy();
    let url = asked.login_url.join("/services/oauth2/token").map_err(|_| {
        failure::misconfigured(
            "InvalidLoginUrl",
            format!("{} cannot be used as a login URL", asked.login_url),
        )
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(http::header::ACCEPT, call::JSON);
    let body = asked.form(&mut headers, clock_offset)?;
    match call::request(Method::POST, &url, policy, headers, body) {
        Ok(request) => transport.send(request).await,
        Err(error) => Err(error),
    }
    .map_err(|error| failure::transport(Side::Salesforce, policy.action, &error))
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    instance_url: String,
    /// `https://login.salesforce.com/id/{organisation}/{user}`.
    #[serde(default)]
    id: String,
    /// With Refresh Token Rotation, what takes the place of the one that was used.
    #[serde(default)]
    refresh_token: Option<String>,
}

/// The new refresh token is taken up even where the session is not: the old one is dead.
fn granted(asked: &TokenRequest<'_>, mut token: TokenAnswer) -> Granted {
    let next = token.refresh_token.take();
    let rotated = match asked.credential {
        SalesforceCredential::RefreshToken { refresh_token, .. } => refresh_token.successor(next),
        SalesforceCredential::ClientCredentials { .. }
        | SalesforceCredential::JwtBearer { .. }
        | SalesforceCredential::UsernamePassword { .. } => None,
    };
    Granted {
        session: open(asked, token),
        rotated,
    }
}

fn open(asked: &TokenRequest<'_>, token: TokenAnswer) -> Result<Session, RemoteError> {
    let foreign = |host: &str| {
        failure::misconfigured(
            "InstanceRefused",
            format!(
                "the sign-in at {} names the instance {host}, which is not of the same domain: it gets no credential; \
                 check the connection's loginUrl",
                asked.login_url.host_str().unwrap_or("(none)"),
            ),
        )
    };
    let instance = Url::parse(&token.instance_url).map_err(|_| foreign("(not a URL)"))?;
    if !same_family(asked.login_url, &instance) {
        return Err(foreign(instance.host_str().unwrap_or("(none)")));
    }
    let user = token.id.rsplit('/').next().unwrap_or_default();
    Ok(Session {
        token: token.access_token.into(),
        instance,
        user: RecordId::parse(Side::Salesforce, user).ok(),
        credential: asked.credential.fingerprint(),
        can_lock: asked.credential.can_lock(),
    })
}

/// The same host, or hosts whose last two labels are the same (`login.salesforce.com` and
/// `acme.my.salesforce.com`), by the same scheme. The allow-list of the transport is asked besides.
fn same_family(login: &Url, instance: &Url) -> bool {
    let tail = |name: &str| {
        let mut labels = name.rsplit('.');
        let last = labels.next().unwrap_or_default().to_owned();
        (last, labels.next().unwrap_or_default().to_owned())
    };
    login.scheme() == instance.scheme()
        && instance.username().is_empty()
        && instance.password().is_none()
        && match (login.host(), instance.host()) {
            (Some(Host::Domain(login)), Some(Host::Domain(instance))) => {
                login == instance || (login.contains('.') && tail(login) == tail(instance))
            }
            (login, instance) => login.is_some() && login == instance,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_must_be_of_the_login_hosts_domain() {
        let same = |login: &str, instance: &str| {
            same_family(&Url::parse(login).unwrap(), &Url::parse(instance).unwrap())
        };
        assert!(same(
            "https://login.salesforce.com",
            "https://acme.my.salesforce.com"
        ));
        assert!(same(
            "https://acme.my.salesforce.com",
            "https://acme.my.salesforce.com"
        ));
        assert!(same("http://127.0.0.1:80", "http://127.0.0.1:8080"));
        assert!(same("http://localhost:1", "http://localhost:1"));
        assert!(!same("https://acme.my.salesforce.com", "https://evil.example"));
        assert!(!same(
            "https://acme.my.salesforce.com",
            "https://acme.service-now.com"
        ));
        assert!(!same(
            "https://acme.my.salesforce.com",
            "http://acme.my.salesforce.com"
        ));
        assert!(!same(
            "https://acme.my.salesforce.com",
            "https://x:y@acme.my.salesforce.com"
        ));
        assert!(!same("http://127.0.0.1:80", "http://10.0.0.1:80"));
        assert!(!same("http://localhost:1", "http://otherhost:1"));
    }

    #[test]
    fn an_assertion_is_for_the_login_host_of_the_orgs_kind() {
        let credential = SalesforceCredential::ClientCredentials {
            client_id: String::new(),
            client_secret: "".into(),
        };
        let audience = |login_url: &str| {
            let login_url = Url::parse(login_url).unwrap();
            let asked = TokenRequest {
                login_url: &login_url,
                credential: &credential,
                source: "",
                now: 0,
                in_doubt: false,
            };
            asked.audience().to_owned()
        };
        for (login_url, expected) in [
            ("https://login.salesforce.com", "https://login.salesforce.com"),
            ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
            ("https://test.salesforce.com", "https://test.salesforce.com"),
            (
                "https://acme--qa.sandbox.my.salesforce.com",
                "https://test.salesforce.com",
            ),
        ] {
            assert_eq!(audience(login_url), expected, "{login_url}");
        }
    }
}
