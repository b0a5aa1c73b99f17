//! Proves a session with one cheap call (IO), and what its answer means (pure).

use std::time::Duration;

use super::registry::Finding;
use crate::core::failure::Problem;
use crate::core::side::Side;
use crate::ports::{Identity, Remote, RemoteError};

/// How long a probe may take, its sign-in included.
const PROBE_TIMEOUT: Duration = Duration::from_mins(1);

/// Asks the service who it is. `pinned` is who it was at first contact.
pub async fn probe(remote: &dyn Remote, side: Side, pinned: Option<&str>) -> Finding {
    match tokio::time::timeout(PROBE_TIMEOUT, remote.identity()).await {
        Ok(answer) => judge(side, pinned, answer),
        Err(_) => Finding {
            problem: Some(Problem::transient(
                "ServiceUnavailable",
                format!("{side} did not answer within {} s", PROBE_TIMEOUT.as_secs()),
            )),
            identity: pinned.map(str::to_owned),
        },
    }
}

/// What the answer means. The identity is pinned at first contact: a credential that leads elsewhere would send one
/// organisation's records to another.
pub fn judge(side: Side, pinned: Option<&str>, answer: Result<Identity, RemoteError>) -> Finding {
    match (answer, pinned) {
        (Ok(identity), Some(pinned)) if pinned != identity.id => Finding {
            problem: Some(Problem::human(
                "IdentityChanged",
                format!(
                    "the credential leads to {side} {}, but this Connection was first used with {pinned}: \
                     put the old credential back, or delete this Connection and make a new one",
                    identity.id
                ),
            )),
            identity: Some(pinned.to_owned()),
        },
        (Ok(identity), _) => Finding {
            problem: None,
            identity: Some(identity.id),
        },
        (Err(error), _) => Finding {
            problem: Some(error.problem),
            identity: pinned.map(str::to_owned),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Instant;
    use crate::ports::RemoteErrorKind;

    fn identity(id: &str) -> Identity {
        Identity {
            id: id.to_owned(),
            server_time: Instant::EPOCH,
        }
    }

    #[test]
    fn the_first_answer_is_the_identity_and_the_same_one_is_fine() {
        let first = judge(Side::Salesforce, None, Ok(identity("00D1")));
        assert_eq!((first.problem, first.identity.as_deref()), (None, Some("00D1")));
        let again = judge(Side::Salesforce, Some("00D1"), Ok(identity("00D1")));
        assert_eq!((again.problem, again.identity.as_deref()), (None, Some("00D1")));
    }

    #[test]
    fn a_credential_that_leads_elsewhere_stops_and_leaves_the_pin() {
        let finding = judge(Side::Salesforce, Some("00D1"), Ok(identity("00D2")));
        let problem = finding.problem.unwrap();
        assert_eq!(problem.reason.as_str(), "IdentityChanged");
        assert!(problem.message.contains("00D2") && problem.message.contains("00D1"));
        assert_eq!(finding.identity.as_deref(), Some("00D1"));
    }

    #[test]
    fn a_refusal_is_told_in_the_adapters_own_words() {
        let refused = RemoteError {
            problem: Problem::human("PasswordNeedsReset", "remedy"),
            kind: RemoteErrorKind::Unauthenticated,
            retry_after: None,
        };
        let finding = judge(Side::ServiceNow, Some("i"), Err(refused.clone()));
        assert_eq!(finding.problem, Some(refused.problem));
        assert_eq!(finding.identity.as_deref(), Some("i"));
    }
}
