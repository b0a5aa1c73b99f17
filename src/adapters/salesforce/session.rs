//! One token for all calls of a connection: one sign-in at a time, and a refused one is not tried again until the
//! credential changes or a minute has passed.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use super::SalesforceConfig;
use super::auth;
use crate::adapters::credential::SalesforceCredential;
use crate::adapters::http::failure;
use crate::core::ident::RecordId;
use crate::ports::{Clock, RemoteError, RemoteErrorKind, Transport};

/// A token and where it is valid. Salesforce states no expiry: the end of a session is a 401.
pub(super) struct Session {
    pub(super) token: SecretString,
    /// Only the origin counts.
    pub(super) instance: Url,
    /// The user that we are, where the token answer said it.
    pub(super) user: Option<RecordId>,
}

/// How long a refusal stands while the credential stays as it is. Several flows share a connection, and each would
/// otherwise try for itself: enough wrong passwords lock a user out.
const REFUSAL_STANDS: Duration = Duration::from_mins(1);

enum State {
    SignedOut,
    SignedIn(Arc<Session>),
    Refused {
        credential: [u8; digest::SHA256_OUTPUT_LEN],
        until: Duration,
        error: RemoteError,
    },
}

/// The connection's session, shared by its calls.
pub(super) struct SessionKeeper {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

impl SessionKeeper {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::new(State::SignedOut),
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
        let mut state = self.state.lock().await;
        if let State::SignedIn(session) = &*state
            && expired.is_none_or(|expired| !Arc::ptr_eq(expired, session))
        {
            return Ok(session.clone());
        }
        let credential = config
            .credential
            .credential()
            .await
            .map_err(failure::no_credential)?;
        let fingerprint = fingerprint(&credential);
        if let State::Refused {
            credential,
            until,
            error,
        } = &*state
            && *credential == fingerprint
            && self.clock.monotonic() < *until
        {
            return Err(error.clone());
        }
        *state = State::SignedOut;
        match auth::sign_in(
            transport,
            &config.login_url,
            &credential,
            config.credential.name(),
        )
        .await
        {
            Ok(session) => {
                let session = Arc::new(session);
                *state = State::SignedIn(session.clone());
                Ok(session)
            }
            Err(error) => {
                if error.kind == RemoteErrorKind::Unauthenticated {
                    *state = State::Refused {
                        credential: fingerprint,
                        until: self.clock.monotonic().saturating_add(REFUSAL_STANDS),
                        error: error.clone(),
                    };
                }
                Err(error)
            }
        }
    }
}

/// Tells whether a credential changed, without keeping it.
fn fingerprint(credential: &SalesforceCredential) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let parts = match credential {
        SalesforceCredential::ClientCredentials {
            client_id,
            client_secret,
        } => vec![client_id.as_str(), client_secret.expose_secret()],
        SalesforceCredential::UsernamePassword {
            client_id,
            client_secret,
            username,
            password,
            security_token,
        } => vec![
            client_id.as_str(),
            client_secret.expose_secret(),
            username,
            password.expose_secret(),
            security_token.as_ref().map_or("", |token| token.expose_secret()),
        ],
    };
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part.as_bytes());
    }
    let mut fingerprint = [0; digest::SHA256_OUTPUT_LEN];
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}
