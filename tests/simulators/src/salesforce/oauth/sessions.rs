//! Sessions: what an access token opens, for how long, and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};

use crate::model::Request;
use crate::salesforce::error::ApiError;
use crate::salesforce::settings::SessionRefusal;
use crate::salesforce::users::{User, UserState};
use crate::salesforce::{Salesforce, Settings};

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
    /// The consent that it came of, where it came of a refresh token.
    consent: Option<u64>,
}

impl Sessions {
    /// Ends every session, as an administrator may.
    pub fn revoke_all(&mut self) {
        self.open.clear();
    }

    /// Ends the sessions that came of one consent.
    pub fn revoke_consent(&mut self, consent: u64) {
        self.open.retain(|_, session| session.consent != Some(consent));
    }

    /// Ends one session; false where there is none of that token.
    pub fn end(&mut self, token: &str) -> bool {
        self.open.remove(token).is_some()
    }

    /// Opens a session and gives its access token.
    pub fn open(&mut self, user: &str, consent: Option<u64>, settings: &Settings, now: Timestamp) -> String {
        self.opened += 1;
        let organization = &settings.organization_id;
        let token = format!(
            "{}!AQ{:06}.{}",
            organization.get(..15).unwrap_or(organization),
            self.opened,
            STANDARD
                .encode(format!("{user}:{}", self.opened))
                .trim_end_matches('=')
        );
        let lifetime = SignedDuration::from_secs(settings.session_seconds);
        let session = Session {
            user: user.to_owned(),
            expires: now.checked_add(lifetime).unwrap_or(now),
            consent,
        };
        self.open.insert(token.clone(), session);
        token
    }
}

impl Salesforce {
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

    /// As [`Salesforce::authenticate`], for the REST API, which some sessions do not reach.
    pub(crate) fn authenticate_for_rest(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Arc<User>, ApiError> {
        let user = self.authenticate(request, now)?;
        let refuse = |message: &str| {
            Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "INVALID_SESSION_ID",
                message,
            ))
        };
        match self.settings.session_refusal {
            SessionRefusal::None => Ok(user),
            SessionRefusal::NotForRestApi => refuse("This session is not valid for use with the REST API"),
            SessionRefusal::NotAttachedToAgent => refuse("Connected app is not attached to Agent"),
        }
    }
}
