//! Signing in: the token endpoint, `userinfo`, `revoke`, and sessions.
//!
//! | file | what lives there |
//! |---|---|
//! | `grants` | the grants: who is let in by what, refresh tokens and their rotation |
//! | `sessions` | what an access token opens, and how it ends |
//! | `soap` | `login()` of the SOAP API |

mod grants;
mod sessions;
mod soap;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::json;
use url::form_urlencoded;

use self::grants::Admitted;
pub(crate) use self::grants::RefreshTokens;
pub(crate) use self::sessions::Sessions;
use super::error::respond;
use super::{Salesforce, base_url};
use crate::model::{Request, Response};

/// An error of the token endpoint; its shape is OAuth's, not the REST API's.
pub(super) struct Refusal(&'static str, &'static str);

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let body = json!({"error": refusal.0, "error_description": refusal.1});
        respond(StatusCode::BAD_REQUEST, &body)
    }
}

impl Salesforce {
    /// `POST /services/oauth2/token`.
    pub(crate) fn token(&mut self, request: &Request, now: Timestamp) -> Response {
        let form: BTreeMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
        let client = client_credentials(request, &form);
        match self.grant(request, &form, client, now) {
            Ok(admitted) => self.token_answer(&admitted, request, now),
            Err(refusal) => refusal.into(),
        }
    }

    fn token_answer(&mut self, admitted: &Admitted, request: &Request, now: Timestamp) -> Response {
        let user = &admitted.user;
        let token = self.sessions.open(user, admitted.consent, &self.settings, now);
        let organization = &self.settings.organization_id;
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
        let mut body = json!({
            "access_token": token,
            "signature": STANDARD.encode(&token),
            "scope": "api",
            "instance_url": instance_url,
            "id": format!("{}/id/{organization}/{user_id}", base_url(request)),
            "token_type": "Bearer",
            "issued_at": now.as_millisecond().to_string(),
        });
        if let Some(rotated) = &admitted.rotated {
            body["refresh_token"] = json!(rotated);
        }
        respond(StatusCode::OK, &body)
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

    /// `GET /id/{organization}/{user}`: the identity of whoever asks (Salesforce help: "Identity URLs").
    pub(crate) fn identity(&self, request: &Request, now: Timestamp) -> Response {
        let Ok(user) = self.authenticate(request, now) else {
            let mut response = Response::new(bytes::Bytes::from_static(b"Bad_OAuth_Token"));
            *response.status_mut() = StatusCode::FORBIDDEN;
            return response;
        };
        let base = self.settings.instance_url.clone();
        let base = base.unwrap_or_else(|| base_url(request));
        let organization = &self.settings.organization_id;
        let body = json!({
            "id": format!("{base}/id/{organization}/{}", user.id),
            "asserted_user": true,
            "user_id": user.id,
            "organization_id": organization,
            "username": user.name,
            "nick_name": user.name,
            "display_name": user.name,
            "email": user.name,
            "active": true,
            "user_type": "STANDARD",
            "language": "en_US",
            "locale": "en_US",
            "utcOffset": 0,
        });
        respond(StatusCode::OK, &body)
    }

    /// `POST /services/oauth2/revoke`.
    pub(crate) fn revoke(&mut self, request: &Request) -> Response {
        let token = form_urlencoded::parse(request.body()).find(|(key, _)| key == "token");
        // An access token ends its session, a refresh token its consent.
        let known =
            token.is_some_and(|(_, token)| self.sessions.end(&token) || self.refresh_tokens.revoke(&token));
        if known {
            respond(StatusCode::OK, &json!({}))
        } else {
            Refusal("unsupported_token_type", "this token type is not supported").into()
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
