//! The token endpoint, userinfo, and sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use url::form_urlencoded;

use super::error::{ApiError, respond};
use super::users::{User, UserState};
use super::{Salesforce, base_url};
use crate::model::{Request, Response};

/// Wrong passwords in a row before a user is locked out.
const TRIES: u32 = 10;

/// Open sessions by access token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<String, Session>,
    opened: u64,
}

#[derive(Debug, Clone)]
struct Session {
    user: String,
    expires: Timestamp,
}

impl Sessions {
    /// Ends every session, as an administrator may.
    pub fn revoke_all(&mut self) {
        self.open.clear();
    }
}

/// An error of the token endpoint; its shape is OAuth's, not the REST API's.
struct Refusal(&'static str, &'static str);

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let body = json!({"error": refusal.0, "error_description": refusal.1});
        respond(StatusCode::BAD_REQUEST, &body)
    }
}

impl Salesforce {
    /// `POST /services/oauth2/token`.
    pub(crate) fn token(&mut self, request: &Request, now: Timestamp) -> Response {
        match self.sign_in(request) {
            Ok(user) => self.open_session(&user, request, now),
            Err(refusal) => refusal.into(),
        }
    }

    fn sign_in(&mut self, request: &Request) -> Result<String, Refusal> {
        let form: BTreeMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
        let (client_id, client_secret) = client_credentials(request, &form);
        let app = self
            .directory
            .app(&client_id)
            .ok_or(Refusal("invalid_client_id", "client identifier invalid"))?;
        if app.secret != client_secret {
            return Err(Refusal("invalid_client", "invalid client credentials"));
        }
        let of = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        match of("grant_type") {
            "client_credentials" => {
                let run_as = app.run_as.clone();
                let name = run_as.ok_or(Refusal("invalid_grant", "no client credentials user enabled"))?;
                self.admit(&name, None)
            }
            "password" => {
                let (name, password) = (of("username").to_owned(), of("password").to_owned());
                self.admit(&name, Some(&password))
            }
            _ => Err(Refusal("unsupported_grant_type", "grant type not supported")),
        }
    }

    /// Lets a user in, or not. Who is locked out learns no more than who has the password wrong.
    fn admit(&mut self, name: &str, password: Option<&str>) -> Result<String, Refusal> {
        const FAILURE: Refusal = Refusal("invalid_grant", "authentication failure");
        let user = self.directory.user_mut(name).ok_or(FAILURE)?;
        if password.is_some_and(|password| password != user.password) {
            user.failed_logins += 1;
            if user.failed_logins >= TRIES && user.state == UserState::Active {
                user.state = UserState::Locked;
            }
            return Err(FAILURE);
        }
        match user.state {
            UserState::Locked => Err(FAILURE),
            UserState::Inactive => Err(Refusal("inactive_user", "user is inactive")),
            UserState::Active | UserState::PasswordExpired => {
                user.failed_logins = 0;
                Ok(user.name.clone())
            }
        }
    }

    fn open_session(&mut self, user: &str, request: &Request, now: Timestamp) -> Response {
        self.sessions.opened += 1;
        let organization = self.settings.organization_id.clone();
        let token = format!(
            "{}!AQ{:06}.{}",
            organization.get(..15).unwrap_or(&organization),
            self.sessions.opened,
            STANDARD
                .encode(format!("{user}:{}", self.sessions.opened))
                .trim_end_matches('=')
        );
        let lifetime = SignedDuration::from_secs(self.settings.session_seconds);
        let expires = now.checked_add(lifetime).unwrap_or(now);
        self.sessions.open.insert(
            token.clone(),
            Session {
                user: user.to_owned(),
                expires,
            },
        );
        let user_id = self
            .directory
            .user(user)
            .map(|user| user.id.clone())
            .unwrap_or_default();
        let instance_url = self
            .settings
            .instance_url
            .clone()
            .unwrap_or_else(|| base_url(request));
        let body = json!({
            "access_token": token,
            "signature": STANDARD.encode(&token),
            "scope": "api",
            "instance_url": instance_url,
            "id": format!("{}/id/{organization}/{user_id}", base_url(request)),
            "token_type": "Bearer",
            "issued_at": now.as_millisecond().to_string(),
        });
        respond(StatusCode::OK, &body)
    }

    /// The user whose session the request carries.
    pub(crate) fn authenticate(&self, request: &Request, now: Timestamp) -> Result<Arc<User>, ApiError> {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth"))
                .then_some(token.trim())
        });
        let token = token.ok_or_else(|| {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                "INVALID_AUTH_HEADER",
                "INVALID_HEADER_TYPE",
            )
        })?;
        let session = self
            .sessions
            .open
            .get(token)
            .filter(|session| session.expires > now);
        let user = session.and_then(|session| self.directory.user(&session.user));
        let user = user.ok_or_else(ApiError::invalid_session)?;
        match user.state {
            UserState::Active => Ok(Arc::clone(user)),
            UserState::Locked | UserState::Inactive => Err(ApiError::invalid_session()),
            UserState::PasswordExpired => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
                "The users password has expired, you must call SetPassword before attempting any other API operations",
            )),
        }
    }

    /// `GET /services/oauth2/userinfo`.
    pub(crate) fn user_info(&self, request: &Request, now: Timestamp) -> Response {
        // This endpoint is OAuth's: a dead token is a plain 403 in text.
        let Ok(user) = self.authenticate(request, now) else {
            let mut response = Response::new(bytes::Bytes::from_static(b"Bad_OAuth_Token"));
            *response.status_mut() = StatusCode::FORBIDDEN;
            return response;
        };
        let base = self
            .settings
            .instance_url
            .clone()
            .unwrap_or_else(|| base_url(request));
        let organization = &self.settings.organization_id;
        let body = json!({
            "sub": format!("{base}/id/{organization}/{}", user.id),
            "user_id": user.id,
            "organization_id": organization,
            "preferred_username": user.name,
            "nickname": user.name,
            "name": user.name,
            "email": user.name,
            "email_verified": true,
            "zoneinfo": "GMT",
            "active": true,
            "user_type": "STANDARD",
            "language": "en_US",
            "locale": "en_US",
            "utcOffset": 0,
            "urls": {
                "rest": format!("{base}/services/data/v{{version}}/"),
                "sobjects": format!("{base}/services/data/v{{version}}/sobjects/"),
                "query": format!("{base}/services/data/v{{version}}/query/"),
                "custom_domain": base,
            },
        });
        respond(StatusCode::OK, &body)
    }

    /// `POST /services/oauth2/revoke`.
    pub(crate) fn revoke(&mut self, request: &Request) -> Response {
        let token = form_urlencoded::parse(request.body()).find(|(key, _)| key == "token");
        let known = token.and_then(|(_, token)| self.sessions.open.remove(token.as_ref()));
        match known {
            Some(_) => respond(StatusCode::OK, &json!({})),
            None => Refusal("unsupported_token_type", "this token type is not supported").into(),
        }
    }
}

/// The client's id and secret, from HTTP Basic or from the form; both are in use.
fn client_credentials(request: &Request, form: &BTreeMap<String, String>) -> (String, String) {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let basic = header
        .and_then(|header| header.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded.trim()).ok())
        .and_then(|decoded| String::from_utf8(decoded).ok());
    if let Some((id, secret)) = basic.as_deref().and_then(|basic| basic.split_once(':')) {
        return (id.to_owned(), secret.to_owned());
    }
    let of = |key: &str| form.get(key).cloned().unwrap_or_default();
    (of("client_id"), of("client_secret"))
}
