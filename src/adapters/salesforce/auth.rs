//! Signing in: OAuth 2.0 token requests (Salesforce docs: OAuth 2.0 Client Credentials Flow, Username-Password Flow).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::session::Session;
use crate::adapters::credential::SalesforceCredential;
use crate::adapters::http::{call, failure};
use crate::core::side::Side;
use crate::ports::{CallPolicy, Effect, RemoteError, Transport};

/// Signing in changes no record, so the transport may send it again after a time-out or a 5xx; a refusal is a 400,
/// which it never repeats.
const POLICY: CallPolicy = CallPolicy {
    action: "sign_in",
    effect: Effect::Read,
    timeout: Duration::from_secs(30),
};

/// Asks for a token. `source` is what messages call the credential, such as `Secret salesforce-oauth`.
pub(super) async fn sign_in(
    transport: &dyn Transport,
    login_url: &Url,
    credential: &SalesforceCredential,
    source: &str,
) -> Result<Session, RemoteError> {
    let url = login_url.join("/services/oauth2/token").map_err(|_| {
        failure::misconfigured(
            "InvalidLoginUrl",
            format!("{login_url} cannot be used as a login URL"),
        )
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(http::header::ACCEPT, call::JSON);
    let body = token_form(&mut headers, credential);
    let response = match call::request(Method::POST, &url, POLICY, headers, body) {
        Ok(request) => transport.send(request).await,
        Err(error) => Err(error),
    }
    .map_err(|error| failure::transport(Side::Salesforce, POLICY.action, &error))?;

    if response.status().is_success() {
        let token: TokenAnswer = call::json(response.body())
            .map_err(|fault| failure::body(Side::Salesforce, POLICY.action, response.status(), fault))?;
        return open(login_url, token);
    }
    match call::json::<Refusal>(response.body()) {
        Ok(refusal) if response.status().is_client_error() && !failure::is_throttling(response.status()) => {
            Err(refusal.explained(credential, source))
        }
        _ => Err(failure::status(Side::Salesforce, POLICY.action, &response)),
    }
}

fn token_form(headers: &mut HeaderMap, credential: &SalesforceCredential) -> Bytes {
    match credential {
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
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    instance_url: String,
    /// `https://login.salesforce.com/id/{organisation}/{user}`.
    #[serde(default)]
    id: String,
}

fn open(login_url: &Url, token: TokenAnswer) -> Result<Session, RemoteError> {
    let foreign = |host: &str| {
        failure::misconfigured(
            "InstanceRefused",
            format!(
                "the sign-in at {} names the instance {host}, which is not of the same domain: it gets no credential; \
                 check the connection's loginUrl",
                login_url.host_str().unwrap_or("(none)"),
            ),
        )
    };
    let instance = Url::parse(&token.instance_url).map_err(|_| foreign("(not a URL)"))?;
    if !same_family(login_url, &instance) {
        return Err(foreign(instance.host_str().unwrap_or("(none)")));
    }
    let user = token.id.rsplit('/').next().unwrap_or_default();
    Ok(Session {
        token: token.access_token.into(),
        instance,
        user: crate::core::ident::RecordId::parse(Side::Salesforce, user).ok(),
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

/// A refused sign-in.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Refusal {
    /// What to click. Salesforce's description only chooses among the texts and is not repeated.
    fn explained(&self, credential: &SalesforceCredential, source: &str) -> RemoteError {
        let description = self.error_description.to_ascii_lowercase();
        let says = |text: &str| description.contains(text);
        let code = self.code();
        if says("rate exceeded") {
            return failure::throttled(
                "SignInThrottled",
                "Salesforce refuses further sign-ins for now (login rate exceeded)",
                Some(Duration::from_mins(1)),
            );
        }
        if matches!(code, "unknown_error" | "server_error" | "temporarily_unavailable") {
            return failure::transient(
                "SignInFailed",
                format!("Salesforce could not sign us in ({code})"),
            );
        }
        let client_credentials = matches!(credential, SalesforceCredential::ClientCredentials { .. });
        let remedy = match code {
            "invalid_client_id" | "invalid_client" => {
                "copy the consumer key and secret again from Setup > App Manager > (the app) > Manage Consumer \
                 Details"
            }
            "inactive_user" | "inactive_org" => "activate the user in Setup > Users, or use another user",
            "unsupported_grant_type" | "unauthorized_client" if client_credentials => {
                "enable the Client Credentials Flow in Setup > App Manager > (the app) > Edit"
            }
            "unsupported_grant_type" | "unauthorized_client" => {
                "allow OAuth Username-Password Flows in Setup > OAuth and OpenID Connect Settings, or use client \
                 credentials"
            }
            _ if says("not supported on this domain") => {
                "set loginUrl to the org's My Domain (https://….my.salesforce.com); client credentials do not work \
                 on login.salesforce.com"
            }
            _ if says("no client credentials user") => {
                "choose the Run As user in Setup > App Manager > (the app) > Manage > Edit Policies > Client \
                 Credentials Flow"
            }
            _ if says("approved this consumer") => {
                "let the user's profile or permission set use the app: Setup > App Manager > (the app) > Manage"
            }
            _ if says("locked") => "unlock the user in Setup > Users > (the user) > Unlock",
            _ if client_credentials => {
                "check in Setup > App Manager > (the app) > Manage that the Client Credentials Flow has an active \
                 Run As user, and that the consumer secret was not rotated"
            }
            _ => {
                "check the user name, password and security token, and in Setup > Users > (the user) that the user \
                 is active, not locked, and its password not expired"
            }
        };
        failure::unauthenticated(
            "SignInRefused",
            format!("Salesforce refuses the credential in {source} ({code}): {remedy}"),
        )
    }

    /// The error code, if it looks like one.
    fn code(&self) -> &str {
        let plausible = (1..=40).contains(&self.error.len())
            && self
                .error
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if plausible { &self.error } else { "no error code" }
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
}
