//! The memory of a refused credential. Several flows share a connection, and each would otherwise try for itself:
//! enough wrong passwords lock an account, and a dead refresh token that is shown again and again looks like theft.

use std::time::Duration;

use super::credential::Fingerprint;
use crate::ports::{RemoteError, RemoteErrorKind};

/// How long a refused credential rests while it stays as it is.
///
/// | after the … refusal in a row | what can lock an account | anything else |
/// |---|---|---|
/// | first | a sixtieth | a sixtieth |
/// | second | once | once |
/// | third and later | doubled each time, up to 24 times | once |
///
/// The first rest is short because a refusal may be a passing fault of the service; from then on a password is tried so
/// seldom that not we are who locks the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalRest(Duration);

impl RefusalRest {
    /// In multiples of this.
    pub const fn new(unit: Duration) -> Self {
        Self(unit)
    }

    fn after(self, refusals: u32, can_lock: bool) -> Duration {
        match refusals {
            0 | 1 => self.0 / 60,
            _ if !can_lock => self.0,
            _ => self.0 * 2_u32.saturating_pow(refusals - 2).min(24),
        }
    }
}

impl Default for RefusalRest {
    fn default() -> Self {
        Self(Duration::from_hours(1))
    }
}

/// What one connection remembers.
#[derive(Default)]
pub(super) struct Refused(Option<Refusal>);

struct Refusal {
    credential: Fingerprint,
    count: u32,
    until: Duration,
    error: RemoteError,
}

impl Refused {
    /// The refusal that still stands for this credential. `now` is our monotonic clock.
    pub(super) fn standing(&self, credential: Fingerprint, now: Duration) -> Option<RemoteError> {
        self.of(credential)
            .filter(|refusal| now < refusal.until)
            .map(|refusal| refusal.error.clone())
    }

    /// Was this credential refused, and not taken since? Then one call is enough to find out whether it is good again.
    pub(super) fn is_in_doubt(&self, credential: Fingerprint) -> bool {
        self.of(credential).is_some()
    }

    /// Remembers what ended a sign-in, where it was a refusal, and gives it back with what happens next.
    pub(super) fn note(
        &mut self,
        credential: Fingerprint,
        can_lock: bool,
        mut error: RemoteError,
        now: Duration,
        rest: RefusalRest,
    ) -> RemoteError {
        if error.kind != RemoteErrorKind::Unauthenticated {
            return error;
        }
        error.problem.message.push_str(
            " It is tried again at once when the Secret or the Connection changes, and otherwise seldom, so that no \
             account is locked.",
        );
        let count = self.of(credential).map_or(0, |refusal| refusal.count) + 1;
        self.0 = Some(Refusal {
            credential,
            count,
            until: now.saturating_add(rest.after(count, can_lock)),
            error: error.clone(),
        });
        error
    }

    /// The service took a call: what was refused before counts no more.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    fn of(&self, credential: Fingerprint) -> Option<&Refusal> {
        self.0.as_ref().filter(|refusal| refusal.credential == credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::credential::ServiceNowCredential;
    use crate::adapters::http::failure;

    fn credential(password: &str) -> Fingerprint {
        ServiceNowCredential::Basic {
            username: "sync".to_owned(),
            password: password.into(),
        }
        .fingerprint()
    }

    fn rests(can_lock: bool) -> Vec<u64> {
        let (mut refused, mut now) = (Refused::default(), Duration::ZERO);
        let mut rests = Vec::new();
        for _ in 0..8 {
            let error = failure::unauthenticated("CredentialRejected", "no.");
            refused.note(credential("x"), can_lock, error, now, RefusalRest::default());
            let from = now;
            while refused.standing(credential("x"), now).is_some() {
                now += Duration::from_mins(1);
            }
            rests.push(now.saturating_sub(from).as_secs() / 60);
        }
        rests
    }

    #[test]
    fn what_can_lock_an_account_is_tried_twice_in_an_hour_and_then_ever_more_seldom() {
        assert_eq!(rests(true), [1, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!(rests(false), [1, 60, 60, 60, 60, 60, 60, 60]);
    }

    #[test]
    fn another_credential_is_tried_at_once_and_begins_anew() {
        let mut refused = Refused::default();
        let error = || failure::unauthenticated("CredentialRejected", "no.");
        refused.note(
            credential("a"),
            true,
            error(),
            Duration::ZERO,
            RefusalRest::default(),
        );
        assert!(refused.standing(credential("a"), Duration::ZERO).is_some());
        assert!(refused.standing(credential("b"), Duration::ZERO).is_none());
        refused.forget();
        assert!(refused.standing(credential("a"), Duration::ZERO).is_none());
    }

    #[test]
    fn trouble_that_is_no_refusal_is_not_remembered() {
        let mut refused = Refused::default();
        let error = failure::transient("NoAnswer", "no answer");
        let told = refused.note(
            credential("a"),
            true,
            error.clone(),
            Duration::ZERO,
            RefusalRest::default(),
        );
        assert_eq!(told, error);
        assert!(refused.standing(credential("a"), Duration::ZERO).is_none());
    }
}
