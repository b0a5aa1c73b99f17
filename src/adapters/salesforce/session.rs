//! One token for all calls of a connection: one sign-in at a time; a refused credential rests
//! ([`crate::adapters::refused`]); and a rotated refresh token is kept before what came with it is used
//! ([`crate::adapters::turn`]).

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use tokio::sync::Mutex;
use url::Url;

use super::SalesforceConfig;
use super::auth::{self, Granted, TokenRequest};
use crate::adapters::credential::Fingerprint;
use crate::adapters::http::failure;
use crate::adapters::refused::Refused;
use crate::core::ident::RecordId;
use crate::ports::{Clock, RemoteError, Transport};

/// A token and where it is valid. Salesforce states no expiry: the end of a session is a 401.
pub(super) struct Session {
    pub(super) token: SecretString,
    /// Only the origin counts.
    pub(super) instance: Url,
    /// The user that we are, where the token answer said it.
    pub(super) user: Option<RecordId>,
    /// The credential that it came of.
    pub(super) credential: Fingerprint,
    /// Whether attempts with that credential can lock an account.
    pub(super) can_lock: bool,
}

/// The connection's session, shared by its calls.
pub(super) struct SessionKeeper {
    kept: Mutex<Option<Arc<Session>>>,
    refused: StdMutex<Refused>,
    clock: Arc<dyn Clock>,
}

impl SessionKeeper {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            kept: Mutex::default(),
            refused: StdMutex::default(),
            clock,
        }
    }

    /// The session; signs in where there is none, or where the one there is is `expired`. Calls that arrive meanwhile
    /// wait for that one sign-in.
    pub(super) async fn session(
        &self,
        config: &SalesforceConfig,
        transport: &dyn Transport,
        expired: Option<&Arc<Session>>,
    ) -> Result<Arc<Session>, RemoteError> {
        let mut kept = self.kept.lock().await;
        if let Some(session) = &*kept
            && expired.is_none_or(|expired| !Arc::ptr_eq(expired, session))
        {
            let standing = self
                .refused()
                .standing(session.credential, self.clock.monotonic());
            return standing.map_or_else(|| Ok(session.clone()), Err);
        }
        let session = Arc::new(self.sign_in(config, transport).await?);
        *kept = Some(session.clone());
        Ok(session)
    }

    /// Also waits for the turn of this connection's other sessions, and reads the credential only then.
    async fn sign_in(
        &self,
        config: &SalesforceConfig,
        transport: &dyn Transport,
    ) -> Result<Session, RemoteError> {
        let source = config.credential.as_ref();
        let mut turn = config.turns.lock().await;
        turn.settle(source).await?;
        let credential = source.credential().await.map_err(failure::no_credential)?;
        let fingerprint = credential.fingerprint();
        if let Some(error) = self.refused().standing(fingerprint, self.clock.monotonic()) {
            return Err(error);
        }
        let request = TokenRequest {
            login_url: &config.login_url,
            credential: &credential,
            source: source.name(),
            now: self.clock.now().seconds(),
            in_doubt: turn.ask(),
        };
        match auth::sign_in(transport, &request, &mut turn.clock_offset).await {
            Ok(Granted { session, rotated }) => {
                turn.granted(rotated);
                turn.settle(source).await?;
                session
            }
            Err(error) => {
                turn.failed(&error);
                Err(self.note(fingerprint, credential.can_lock(), error, config))
            }
        }
    }

    /// Remembers that Salesforce does not take the sessions that this credential leads to.
    pub(super) fn refuse(
        &self,
        session: &Session,
        error: RemoteError,
        config: &SalesforceConfig,
    ) -> RemoteError {
        self.note(session.credential, session.can_lock, error, config)
    }

    /// Salesforce took a call.
    pub(super) fn accepted(&self) {
        self.refused().forget();
    }

    fn note(
        &self,
        credential: Fingerprint,
        can_lock: bool,
        error: RemoteError,
        config: &SalesforceConfig,
    ) -> RemoteError {
        let now = self.clock.monotonic();
        self.refused()
            .note(credential, can_lock, error, now, config.refusal_rest)
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        // Every change of it is one assignment, so a poisoned one is whole.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
