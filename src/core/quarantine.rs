//! When a record that could not be synced is tried again.

use std::time::Duration;

use super::failure::{FailureClass, Problem};
use super::link::Quarantine;
use super::time::Instant;

/// The longest wait where a person must act. An edit of the record or of the flow ends it at once.
pub const LONGEST_WAIT: Duration = Duration::from_hours(6);

/// The quarantine row after another failed attempt. `previous` keeps its beginning; an unchanged problem waits twice
/// as long each time, up to [`LONGEST_WAIT`] (ten minutes where nobody needs to act).
#[must_use]
pub fn after_failure(previous: Option<&Quarantine>, problem: Problem, now: Instant) -> Quarantine {
    let attempts = previous.map_or(0, |row| row.attempts).saturating_add(1);
    let since = previous.map_or(now, |row| row.since);
    Quarantine {
        since,
        ..nth_failure(attempts, problem, now)
    }
}

/// The quarantine row after so many failed attempts.
#[must_use]
pub fn nth_failure(attempts: u32, problem: Problem, now: Instant) -> Quarantine {
    let (first, longest) = match problem.class {
        FailureClass::HumanNeeded => (Duration::from_mins(1), LONGEST_WAIT),
        FailureClass::Waiting | FailureClass::Transient => (Duration::from_secs(15), Duration::from_mins(10)),
    };
    let wait = first
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(longest);
    Quarantine {
        problem,
        since: now,
        attempts,
        retry_at: now.later(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_record_is_tried_less_and_less_often_and_keeps_its_beginning() {
        let problem = Problem::human("FieldRejected", "Case.Subject is required");
        let start = Instant::from_seconds(1_000);
        let mut row = after_failure(None, problem.clone(), start);
        let mut waits = vec![row.retry_at.since(start)];
        for _ in 0..12 {
            let now = row.retry_at;
            row = after_failure(Some(&row), problem.clone(), now);
            waits.push(row.retry_at.since(now));
        }
        assert_eq!(row.since, start);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits[1], waits[0] * 2);
        assert_eq!(waits.last(), Some(&LONGEST_WAIT));
    }
}
