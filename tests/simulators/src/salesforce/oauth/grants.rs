//! The grants of the token endpoint: who is let in by what.

use std::collections::BTreeMap;

use http::Uri;
use http::header::HOST;
use jiff::Timestamp;

use super::Refusal;
use crate::jwt::{self, Claims};
use crate::model::Request;
use crate::salesforce::users::{ConnectedApp, UserState};
use crate::salesforce::{Salesforce, base_url};

/// Wrong passwords in a row before a user is locked out.
const TRIES: u32 = 10;

const FAILURE: Refusal = Refusal("invalid_grant", "authentication failure");
const DEAD_TOKEN: Refusal = Refusal("invalid_grant", "expired access/refresh token");

/// Refresh tokens that people's consents led to.
#[derive(Debug, Clone, Default)]
pub(crate) struct RefreshTokens {
    live: BTreeMap<String, Consent>,
    /// Those that rotation has replaced, and whose consent each belongs to.
    spent: BTreeMap<String, u64>,
    given: u64,
}

/// What somebody agreed to once.
#[derive(Debug, Clone)]
struct Consent {
    number: u64,
    client_id: String,
    user: String,
}

impl RefreshTokens {
    fn give(&mut self, consent: Consent) -> String {
        self.given += 1;
        let token = format!("5Aep861.{}.{:06}", consent.number, self.given);
        self.live.insert(token.clone(), consent);
        token
    }

    /// The user agrees to the app: a new consent, and its refresh token.
    pub fn consent(&mut self, client_id: &str, user: &str) -> String {
        self.give(Consent {
            number: self.given + 1,
            client_id: client_id.to_owned(),
            user: user.to_owned(),
        })
    }

    /// Ends every consent.
    pub fn revoke_all(&mut self) {
        self.live.clear();
    }

    /// Ends one consent; false where there is none of that refresh token.
    pub fn revoke(&mut self, token: &str) -> bool {
        self.live.remove(token).is_some()
    }
}

/// Whom a grant lets in.
pub(super) struct Admitted {
    pub(super) user: String,
    /// The consent that it came of, where it came of one.
    pub(super) consent: Option<u64>,
    /// The refresh token that takes the place of the one that was used.
    pub(super) rotated: Option<String>,
}

impl Admitted {
    fn only(user: String) -> Self {
        Self {
            user,
            consent: None,
            rotated: None,
        }
    }
}

impl Salesforce {
    /// Lets in whom the form speaks for.
    pub(super) fn grant(
        &mut self,
        request: &Request,
        form: &BTreeMap<String, String>,
        (client_id, client_secret): (String, String),
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        let of = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        if of("grant_type") == jwt::GRANT {
            return self.by_assertion(of("assertion"), &base_url(request), now);
        }
        let app = self
            .directory
            .app(&client_id)
            .ok_or(Refusal("invalid_client_id", "client identifier invalid"))?
            .clone();
        let needs_secret = of("grant_type") != "refresh_token" || app.policy.secret_for_refresh;
        if (needs_secret || !client_secret.is_empty()) && app.secret != client_secret {
            return Err(Refusal("invalid_client", "invalid client credentials"));
        }
        match of("grant_type") {
            "client_credentials" => self.by_client(request, &app),
            "refresh_token" => self.by_refresh_token(of("refresh_token"), &client_id, &app),
            "password" if self.settings.username_password_flow => {
                let (name, password) = (of("username").to_owned(), of("password").to_owned());
                self.admit(&name, Some(&password)).map(Admitted::only)
            }
            // An org with that flow blocked does not say so.
            "password" => Err(FAILURE),
            _ => Err(Refusal("unsupported_grant_type", "grant type not supported")),
        }
    }

    fn by_client(&mut self, request: &Request, app: &ConnectedApp) -> Result<Admitted, Refusal> {
        if self.settings.asked_at_login_host || is_login_host(request) {
            return Err(Refusal("invalid_grant", "request not supported on this domain"));
        }
        let run_as = app.run_as.clone();
        let name = run_as.ok_or(Refusal("invalid_grant", "no client credentials user enabled"))?;
        self.admit(&name, None).map(Admitted::only)
    }

    fn by_refresh_token(
        &mut self,
        token: &str,
        client_id: &str,
        app: &ConnectedApp,
    ) -> Result<Admitted, Refusal> {
        if let Some(consent) = self.refresh_tokens.spent.get(token).copied() {
            // Somebody uses a token that was replaced: it was stolen, or its successor was lost. Nobody goes on.
            self.refresh_tokens.live.retain(|_, live| live.number != consent);
            self.sessions.revoke_consent(consent);
            return Err(DEAD_TOKEN);
        }
        let live = self.refresh_tokens.live.get(token);
        let consent = live
            .filter(|consent| consent.client_id == client_id)
            .cloned()
            .ok_or(DEAD_TOKEN)?;
        let user = self.admit(&consent.user, None)?;
        let number = consent.number;
        let rotated = app.policy.rotates_refresh_tokens.then(|| {
            self.refresh_tokens.live.remove(token);
            self.refresh_tokens.spent.insert(token.to_owned(), number);
            self.refresh_tokens.give(consent)
        });
        Ok(Admitted {
            user,
            consent: Some(number),
            rotated,
        })
    }

    /// The JWT bearer flow: the assertion names the app (`iss`), the user (`sub`) and the authorization server (`aud`),
    /// and is signed with the key whose certificate the app holds.
    fn by_assertion(&mut self, assertion: &str, base: &str, now: Timestamp) -> Result<Admitted, Refusal> {
        const INVALID: Refusal = Refusal("invalid_grant", "invalid assertion");
        let client_id = Claims::issuer(assertion).ok_or(INVALID)?;
        let app = self
            .directory
            .app(&client_id)
            .ok_or(Refusal("invalid_client_id", "client identifier invalid"))?;
        let key = app.key.as_ref().ok_or(INVALID)?;
        let claims = Claims::proven(assertion, key).ok_or(INVALID)?;
        let audience = claims.text("aud").trim_end_matches('/');
        if audience != self.settings.audience && audience != base {
            return Err(Refusal("invalid_grant", "audience is invalid"));
        }
        let expires = claims.seconds("exp").ok_or(INVALID)?;
        if expires <= now.as_second() {
            return Err(Refusal("invalid_grant", "expired authorization code"));
        }
        if expires > now.as_second() + self.settings.longest_assertion_seconds {
            return Err(INVALID);
        }
        let user = claims.text("sub").to_owned();
        let approved = app.policy.approved_users.as_ref();
        if approved.is_some_and(|approved| !approved.contains(&user)) {
            return Err(Refusal("invalid_grant", "user hasn't approved this consumer"));
        }
        self.admit(&user, None).map(Admitted::only)
    }

    /// Lets a user in, or not. Who is locked out and gives a password learns no more than who has it wrong.
    pub(super) fn admit(&mut self, name: &str, password: Option<&str>) -> Result<String, Refusal> {
        let user = self.directory.user_mut(name).ok_or(FAILURE)?;
        if password.is_some_and(|password| password != user.password) {
            user.failed_logins += 1;
            if user.failed_logins >= TRIES && user.state == UserState::Active {
                user.state = UserState::Locked;
            }
            return Err(FAILURE);
        }
        match user.state {
            UserState::Locked if password.is_some() => Err(FAILURE),
            UserState::Locked => Err(Refusal("invalid_grant", "user is locked")),
            UserState::Inactive => Err(Refusal("inactive_user", "user is inactive")),
            UserState::Active | UserState::PasswordExpired => {
                user.failed_logins = 0;
                Ok(user.name.clone())
            }
        }
    }
}

/// Whether the request went to a login host that all orgs share, instead of an org's My Domain.
fn is_login_host(request: &Request) -> bool {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().map(str::to_owned).or_else(|| {
        let authority: Uri = header?.parse().ok()?;
        authority.host().map(str::to_owned)
    });
    matches!(
        host.as_deref(),
        Some("login.salesforce.com" | "test.salesforce.com")
    )
}
