//! The sign-ins of one connection take turns, whichever of its sessions makes them: where refresh tokens rotate, two at
//! the same time would use the same token, and the service would take that for theft.
//!
//! What must outlive a session stands here too. The states a refresh goes through, and what ends each where the process
//! ends there:
//!
//! ```text
//!   asked ──▶ answered ──▶ kept ──▶ used
//!     │          │           └ nothing is lost: the newest token is read again
//!     │          └ the new token is lost with the process, the old one is dead: a person must consent again
//!     └ perhaps the same, if the service took the request: nobody can tell
//! ```

use std::sync::Arc;

use tokio::sync::Mutex;

use super::credential::{CredentialSource, RefreshToken};
use super::http::failure;
use crate::ports::{RemoteError, RemoteErrorKind};

/// Shared by all sessions of one connection.
pub type Turns = Arc<Mutex<Turn>>;

/// What one sign-in leaves to the next.
#[derive(Default)]
pub struct Turn {
    /// A rotated refresh token that is not kept yet. Until it is, nothing is asked of the service.
    not_kept: Option<RefreshToken>,
    /// The last refresh has not been answered: a rotated token may have been lost with the answer.
    in_doubt: bool,
    /// The service's clock less ours, in seconds, as far as an assertion has needed it.
    pub(super) clock_offset: i64,
}

impl Turn {
    /// Keeps the rotated refresh token that an earlier answer brought, if there is one. It stays here until that has
    /// gone well, also where the future that tries it is dropped.
    pub(super) async fn settle<C>(&mut self, source: &dyn CredentialSource<C>) -> Result<(), RemoteError> {
        if let Some(next) = &self.not_kept {
            source.keep_rotated(next).await.map_err(failure::no_credential)?;
            self.not_kept = None;
        }
        Ok(())
    }

    /// A token is about to be asked for. Says whether the request before this one has stayed without an answer.
    pub(super) const fn ask(&mut self) -> bool {
        // Stays so where the future is dropped before the answer comes.
        std::mem::replace(&mut self.in_doubt, true)
    }

    /// A token came, and with it, perhaps, the successor of the refresh token.
    pub(super) fn granted(&mut self, rotated: Option<RefreshToken>) {
        self.in_doubt = false;
        self.not_kept = rotated;
    }

    /// No token came. A refusal is an answer too.
    pub(super) fn failed(&mut self, error: &RemoteError) {
        self.in_doubt &= error.kind != RemoteErrorKind::Unauthenticated;
    }
}
