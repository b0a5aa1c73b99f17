//! `/oauth_token.do`: password, refresh-token, client-credentials and JWT bearer grants (ServiceNow docs: OAuth API
//! request parameters, JSON Web token bearer grant). Form-encoded requests only.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;

use super::answer;
use super::clock;
use super::ids::Ids;
use super::request::Call;
use super::switches::{AssertionAudience, Switches};
use crate::jwt::{self, Claims, PublicKey};
use crate::model::Response;

/// How far the clocks of client and instance may be apart, in seconds (ServiceNow docs: JWT provider, clock skew).
const CLOCK_SKEW: i64 = 300;
/// Life of a refresh token in seconds: 100 days.
const REFRESH_SECONDS: i64 = 8_640_000;

#[derive(Debug, Clone)]
struct Client {
    secret: String,
    /// The "OAuth Application User" that client credentials act as.
    application_user: Option<String>,
    /// The key of its JWT verifier map, and the name (`kid`) that map gives it; without one there is no JWT grant.
    key: Option<(PublicKey, Option<String>)>,
}

#[derive(Debug, Clone)]
struct Token {
    user_name: String,
    client_id: String,
    /// The refresh token that came with it, which later answers repeat.
    refresh: Option<String>,
    expires: Timestamp,
}

/// Registered clients and live tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct OAuth {
    clients: BTreeMap<String, Client>,
    access: BTreeMap<String, Token>,
    refresh: BTreeMap<String, Token>,
}

/// A token request taken apart.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    grant: String,
    form: BTreeMap<String, String>,
    client_id: String,
    client_secret: String,
}

/// Whom a grant leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum User {
    /// Proven by the grant itself.
    Known(String),
    /// To be proven by this password.
    WithPassword { user_name: String, password: String },
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The user or the password is wrong, or the user may not sign in.
    AccessDenied,
    /// The client is unknown or its secret wrong.
    InvalidClient,
    /// The refresh token is unknown or has expired.
    InvalidGrant,
    /// The grant type is unknown or switched off.
    UnsupportedGrant,
    /// The body is not form-encoded.
    NotAForm,
}

impl Refused {
    pub(super) fn response(self) -> Response {
        let (status, error, description) = match self {
            Self::AccessDenied => (StatusCode::UNAUTHORIZED, "access_denied", "access_denied"),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client", "access_denied"),
            Self::InvalidGrant => (StatusCode::UNAUTHORIZED, "invalid_grant", "access_denied"),
            Self::UnsupportedGrant => (
                StatusCode::UNAUTHORIZED,
                "unsupported_grant_type",
                "access_denied",
            ),
            Self::NotAForm => (StatusCode::UNAUTHORIZED, "server_error", "access_denied"),
        };
        answer::json(status, &json!({"error": error, "error_description": description}))
    }
}

impl Asked {
    /// Reads a token request; the client's credentials stand in the form or in basic authentication.
    pub(super) fn of(call: &Call<'_>) -> Result<Self, Refused> {
        if !call.has_content_type("application/x-www-form-urlencoded") {
            return Err(Refused::NotAForm);
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(call.request.body())
            .into_owned()
            .collect();
        let (client_id, client_secret) = call.basic().unwrap_or_else(|| {
            let field = |name: &str| form.get(name).cloned().unwrap_or_default();
            (field("client_id"), field("client_secret"))
        });
        let grant = form.get("grant_type").cloned().unwrap_or_default();
        Ok(Self {
            grant,
            form,
            client_id,
            client_secret,
        })
    }

    fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

impl OAuth {
    pub(super) fn register(&mut self, client_id: &str, secret: &str, application_user: Option<&str>) {
        let client = Client {
            secret: secret.to_owned(),
            application_user: application_user.map(str::to_owned),
            key: None,
        };
        self.clients.insert(client_id.to_owned(), client);
    }

    /// Adds a JWT verifier map; false where the client or the key is none.
    pub(super) fn verify_with(&mut self, client_id: &str, pem: &str, key_id: Option<&str>) -> bool {
        let (Some(client), Some(key)) = (self.clients.get_mut(client_id), PublicKey::from_pem(pem)) else {
            return false;
        };
        client.key = Some((key, key_id.map(str::to_owned)));
        true
    }

    /// A user agrees to a client in the browser: gives the refresh token that the authorization code grant ends with.
    pub(super) fn consent(
        &mut self,
        client_id: &str,
        user_name: &str,
        now: Timestamp,
        ids: &mut Ids,
    ) -> String {
        let refresh = ids.next();
        let token = Token {
            user_name: user_name.to_owned(),
            client_id: client_id.to_owned(),
            refresh: None,
            expires: clock::later(now, REFRESH_SECONDS),
        };
        self.refresh.insert(refresh.clone(), token);
        refresh
    }

    /// Ends every token, as an administrator can.
    pub(super) fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }

    /// Ends every access token but not the refresh tokens.
    pub(super) fn expire_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(super) fn user_of(&self, token: &str, now: Timestamp) -> Option<&str> {
        let token = self.access.get(token).filter(|token| now < token.expires)?;
        Some(&token.user_name)
    }

    /// Whom the grant leads to.
    pub(super) fn user_for(
        &self,
        asked: &Asked,
        switches: &Switches,
        instance_url: &str,
        now: Timestamp,
    ) -> Result<User, Refused> {
        let client = self
            .clients
            .get(&asked.client_id)
            .filter(|client| client.secret == asked.client_secret);
        let client = client.ok_or(Refused::InvalidClient)?;
        match asked.grant.as_str() {
            "password" => Ok(User::WithPassword {
                user_name: asked.field("username").to_owned(),
                password: asked.field("password").to_owned(),
            }),
            "refresh_token" => {
                let token = self.refresh.get(asked.field("refresh_token"));
                let live = token.filter(|token| now < token.expires && token.client_id == asked.client_id);
                live.map(|token| User::Known(token.user_name.clone()))
                    .ok_or(Refused::InvalidGrant)
            }
            jwt::GRANT => by_assertion(asked, client, switches.assertion_audience, instance_url, now),
            "client_credentials" if switches.client_credentials_enabled => client
                .application_user
                .clone()
                .map(User::Known)
                .ok_or(Refused::AccessDenied),
            _ => Err(Refused::UnsupportedGrant),
        }
    }

    /// Answers with a token for the user. Within the life of an access token the password grant returns the same one
    /// (ServiceNow docs); a refresh always makes a new one, and keeps the refresh token unless they rotate.
    pub(super) fn issue(
        &mut self,
        asked: &Asked,
        user_name: &str,
        switches: &Switches,
        now: Timestamp,
        ids: &mut Ids,
    ) -> Response {
        let same = |token: &Token| {
            token.user_name == user_name && token.client_id == asked.client_id && now < token.expires
        };
        let current = (asked.grant == "password")
            .then(|| {
                self.access
                    .iter()
                    .find(|(_, token)| same(token) && token.refresh.is_some())
            })
            .flatten()
            .map(|(access, token)| (access.clone(), token.clone()));
        let (access, token) = current.unwrap_or_else(|| {
            let refresh = match asked.grant.as_str() {
                "refresh_token" if switches.rotates_refresh_tokens => {
                    self.refresh.remove(asked.field("refresh_token"));
                    Some(ids.next())
                }
                "refresh_token" => Some(asked.field("refresh_token").to_owned()),
                "password" => Some(ids.next()),
                _ => None,
            };
            let token = Token {
                user_name: user_name.to_owned(),
                client_id: asked.client_id.clone(),
                refresh,
                expires: clock::later(now, switches.access_token_seconds),
            };
            (ids.next(), token)
        });
        if let Some(refresh) = &token.refresh {
            let kept = self.refresh.entry(refresh.clone());
            kept.or_insert_with(|| Token {
                expires: clock::later(now, REFRESH_SECONDS),
                ..token.clone()
            });
        }
        let seconds = token.expires.as_second() - now.as_second() - 1;
        let mut body = json!({"access_token": access});
        if let Some(refresh) = &token.refresh {
            body["refresh_token"] = json!(refresh);
        }
        body["scope"] = json!("useraccount");
        body["token_type"] = json!("Bearer");
        body["expires_in"] = json!(seconds.max(0));
        self.access.insert(access, token);
        answer::json(StatusCode::OK, &body)
    }
}

/// Whom an assertion speaks for: `iss` and `aud` name the client, `sub` the user, and the key is the one of the
/// client's JWT verifier map.
fn by_assertion(
    asked: &Asked,
    client: &Client,
    audience: AssertionAudience,
    instance_url: &str,
    now: Timestamp,
) -> Result<User, Refused> {
    let (key, key_id) = client.key.as_ref().ok_or(Refused::InvalidGrant)?;
    let claims = Claims::proven(asked.field("assertion"), key).ok_or(Refused::InvalidGrant)?;
    let named = key_id.is_none() || claims.key_id == *key_id;
    let endpoint = format!("{instance_url}/oauth_token.do");
    let meant = match audience {
        AssertionAudience::ClientId => claims.text("aud") == asked.client_id,
        AssertionAudience::TokenEndpoint => claims.text("aud") == endpoint,
    };
    let lasts = claims
        .seconds("exp")
        .is_some_and(|expires| expires > now.as_second() - CLOCK_SKEW);
    let begun = claims
        .seconds("iat")
        .is_none_or(|issued| issued < now.as_second() + CLOCK_SKEW);
    if named && meant && lasts && begun && claims.text("iss") == asked.client_id {
        Ok(User::Known(claims.text("sub").to_owned()))
    } else {
        Err(Refused::InvalidGrant)
    }
}
