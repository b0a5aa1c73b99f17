//! Signing in: a user name and password in each call, or an OAuth token that stands for somebody.
//!
//! ServiceNow's 401 does not say why: a wrong password, a locked or inactive user and *Password needs reset* look the
//! same (ServiceNow docs: Enforce password reset on API requests). So the message lists what to check, and a refused
//! credential rests ([`crate::adapters::refused`]): trying it again is how accounts get locked.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::{Mutex, MutexGuard as AsyncMutexGuard};
use url::Url;

use super::errors;
use super::token::TokenRequest;
use crate::adapters::credential::{CredentialSource, Fingerprint, ServiceNowCredential};
use crate::adapters::http::{call, failure};
use crate::adapters::refused::{RefusalRest, Refused};
use crate::adapters::turn::Turns;
use crate::ports::{Clock, RemoteError, Transport};

/// A token is renewed this long before it ends, so that no write meets its end.
const RENEW_BEFORE: Duration = Duration::from_mins(1);

/// A token that is said to end sooner is used so long all the same, since otherwise each call would ask for one; if it
/// has ended, a 401 says so.
const SHORTEST_USE: Duration = Duration::from_secs(30);

/// What proves who is calling.
#[derive(Clone)]
pub(super) struct Pass {
    /// The content of `Authorization`.
    pub(super) header: HeaderValue,
    /// When it ends, by [`Clock::monotonic`].
    ends: Option<Duration>,
    /// The credential that it came of.
    credential: Fingerprint,
    /// Whether attempts with that credential can lock an account.
    can_lock: bool,
}

/// Keeps one pass for all calls and renews it once, whoever notices first that it is over.
pub(super) struct SignIn {
    token_url: Url,
    source: Arc<dyn CredentialSource<ServiceNowCredential>>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    rest: RefusalRest,
    /// What its sign-ins share with those of the connection's other sessions.
    turns: Turns,
    /// Held while signing in, so that a hundred calls that meet a 401 together make one token request.
    kept: Mutex<Option<Pass>>,
    refused: StdMutex<Refused>,
    /// Held by the one call that tries a credential after it was refused.
    trial: Mutex<()>,
}

/// Held until the answer is judged, by a call that tries a credential for all others.
pub(super) struct Trial<'a> {
    _turn: AsyncMutexGuard<'a, ()>,
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
            rest: RefusalRest::default(),
            turns: Turns::default(),
            kept: Mutex::default(),
            refused: StdMutex::default(),
            trial: Mutex::default(),
        }
    }

    /// How long a refused credential rests, and with whom sign-ins take turns.
    pub(super) fn set_manners(&mut self, rest: RefusalRest, turns: Turns) {
        self.rest = rest;
        self.turns = turns;
    }

    /// The pass to call with now. While its credential is in doubt one call at a time gets it: calls that went together
    /// would be as many failed sign-ins, and those lock accounts.
    pub(super) async fn pass_or_trial(&self) -> Result<(Pass, Option<Trial<'_>>), RemoteError> {
        let pass = self.pass().await?;
        if !self.refused().is_in_doubt(pass.credential) {
            return Ok((pass, None));
        }
        let turn = self.trial.lock().await;
        // The call before may have settled it.
        let pass = self.pass().await?;
        let in_doubt = self.refused().is_in_doubt(pass.credential);
        Ok((pass, in_doubt.then_some(Trial { _turn: turn })))
    }

    async fn pass(&self) -> Result<Pass, RemoteError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.monotonic();
        if let Some(pass) = &*kept
            && pass.ends.is_none_or(|ends| now < ends)
        {
            let standing = self.refused().standing(pass.credential, now);
            return standing.map_or_else(|| Ok(pass.clone()), Err);
        }
        let pass = self.sign_in().await?;
        *kept = Some(pass.clone());
        Ok(pass)
    }

    /// Another pass in place of one that the service refused. Reads the credential again, since it may have been
    /// changed. An error where that gives the very pass that was refused: sending it again would be another failed
    /// sign-in.
    pub(super) async fn renew(&self, refused: &Pass, answer: &HeaderMap) -> Result<Pass, RemoteError> {
        let mut kept = self.kept.lock().await;
        if let Some(pass) = &*kept
            && pass.header != refused.header
        {
            return Ok(pass.clone());
        }
        // Whatever happens now, nobody may call with the refused pass as if it were good.
        *kept = None;
        let pass = self.sign_in().await?;
        if pass.header == refused.header {
            return Err(self.refuse(refused, answer));
        }
        *kept = Some(pass.clone());
        Ok(pass)
    }

    /// ServiceNow refuses a pass that it has just given, or that there is no other for. Remembers it, and says what it
    /// means to the user.
    pub(super) fn refuse(&self, pass: &Pass, answer: &HeaderMap) -> RemoteError {
        // Calls that were on their way together are one refusal.
        let standing = self.refused().standing(pass.credential, self.clock.monotonic());
        standing.unwrap_or_else(|| self.note(pass.credential, pass.can_lock, self.refusal(answer)))
    }

    /// ServiceNow answered otherwise than by a 401. What was refused is forgotten only where it took the pass for sure:
    /// a proxy, or an instance that is busy or down, answers before it looks at who asks.
    pub(super) fn answered(&self, pass: &Pass, response: &http::Response<Bytes>) {
        let mut refused = self.refused();
        if refused.is_in_doubt(pass.credential) && is_the_apis_own(response) {
            refused.forget();
        }
    }

    /// What a 401 means to the user.
    fn refusal(&self, answer: &HeaderMap) -> RemoteError {
        if answer.contains_key("x-mfa_token") {
            return failure::unauthenticated(
                "MultiFactorRequired",
                format!(
                    "ServiceNow asks the account in {} for a second factor, which no service can give. In \
                     ServiceNow, exempt this account from multi-factor authentication, or use OAuth.",
                    self.source.name()
                ),
            );
        }
        super::token::rejected(self.source.name(), "HTTP 401")
    }

    /// What messages call the credential.
    pub(super) fn secret(&self) -> &str {
        self.source.name()
    }

    /// Also waits for the turn of this connection's other sessions, and reads the credential only then.
    async fn sign_in(&self) -> Result<Pass, RemoteError> {
        let source = self.source.as_ref();
        let mut turn = self.turns.lock().await;
        turn.settle(source).await?;
        let credential = source.credential().await.map_err(failure::no_credential)?;
        let (fingerprint, can_lock) = (credential.fingerprint(), credential.can_lock());
        if let Some(error) = self.refused().standing(fingerprint, self.clock.monotonic()) {
            return Err(error);
        }
        let pass = |header: HeaderValue, ends: Option<Duration>| Pass {
            header,
            ends,
            credential: fingerprint,
            can_lock,
        };
        if let ServiceNowCredential::Basic { username, password } = &credential {
            let header = call::basic(username, password).map_err(|_| self.unusable())?;
            return Ok(pass(header, None));
        }
        let request = TokenRequest {
            url: &self.token_url,
            credential: &credential,
            source: source.name(),
            now: self.clock.now().seconds(),
            in_doubt: turn.ask(),
        };
        let answer = request.send(self.transport.as_ref(), &mut turn.clock_offset);
        match answer.await {
            Ok(granted) => {
                turn.granted(granted.rotated);
                turn.settle(source).await?;
                let header = call::bearer(&granted.token).map_err(|_| self.unusable())?;
                let used_for = |lasts: Duration| lasts.saturating_sub(RENEW_BEFORE).max(SHORTEST_USE);
                let lasts = granted.lasts.map(used_for);
                Ok(pass(
                    header,
                    lasts.map(|lasts| self.clock.monotonic().saturating_add(lasts)),
                ))
            }
            Err(error) => {
                turn.failed(&error);
                Err(self.note(fingerprint, can_lock, error))
            }
        }
    }

    fn note(&self, credential: Fingerprint, can_lock: bool, error: RemoteError) -> RemoteError {
        let now = self.clock.monotonic();
        self.refused().note(credential, can_lock, error, now, self.rest)
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        // Every change of it is one assignment, so a poisoned one is whole.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
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
}

/// Whether only the API, and only to somebody it knows, answers so: JSON for what it did, or its own words for what it
/// refused. Too many requests are counted before the user is looked at.
fn is_the_apis_own(response: &http::Response<Bytes>) -> bool {
    let status = response.status();
    if status.is_success() {
        return call::json::<serde::de::IgnoredAny>(response.body()).is_ok();
    }
    status.is_client_error()
        && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS)
        && errors::vendor_error(response.body()).is_some()
}
