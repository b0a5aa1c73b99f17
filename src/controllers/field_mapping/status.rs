//! What a `FieldMapping`'s status says (pure).

use jiff::Timestamp;

use crate::api::FieldMappingStatus;
use crate::api::conditions::{Cause, Verdict};
use crate::controllers::error::verdict_of;
use crate::core::failure::Problem;

/// The status after a look at it.
#[must_use]
pub fn status(
    previous: &FieldMappingStatus,
    problem: Option<&Problem>,
    generation: Option<i64>,
    now: Timestamp,
) -> FieldMappingStatus {
    let verdict = match problem {
        Some(problem) => verdict_of(problem),
        None => Verdict::ready(Cause::new(
            "Valid",
            "the mapping is consistent; whether the fields exist is checked by each SyncFlow",
        )),
    };
    FieldMappingStatus {
        observed_generation: generation,
        conditions: verdict.conditions(&previous.conditions, generation, now),
    }
}
