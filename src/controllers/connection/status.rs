//! What a Connection's status says (pure).

use jiff::Timestamp;

use super::registry::Finding;
use crate::api::ConnectionStatus;
use crate::api::conditions::{Cause, Verdict};
use crate::controllers::error::verdict_of;

/// The status after a look at it.
#[must_use]
pub fn status(
    previous: &ConnectionStatus,
    finding: &Finding,
    generation: Option<i64>,
    now: Timestamp,
) -> ConnectionStatus {
    let verdict = match &finding.problem {
        Some(problem) => verdict_of(problem),
        None => Verdict::ready(Cause::new("Authorized", "the service accepts the credential")),
    };
    ConnectionStatus {
        observed_generation: generation,
        identity: finding.identity.clone().or_else(|| previous.identity.clone()),
        conditions: verdict.conditions(&previous.conditions, generation, now),
    }
}
