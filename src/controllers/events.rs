//! Events: one for each transition of `Ready`, with names and ids, never values.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use crate::api::conditions::{ConditionStatus, ConditionType, find, trimmed};

/// The event that a change of conditions deserves: `None` unless `Ready` has another status or another reason, and
/// none while nothing is known.
#[must_use]
pub fn transition(before: &[Condition], after: &[Condition]) -> Option<Event> {
    let ready = find(after, ConditionType::Ready)?;
    if ready.status == ConditionStatus::Unknown.as_str() {
        return None;
    }
    let same = find(before, ConditionType::Ready)
        .is_some_and(|was| was.status == ready.status && was.reason == ready.reason);
    if same {
        return None;
    }
    let asked_for = ready.reason == "Suspended";
    let awaited = find(after, ConditionType::Reconciling).is_some();
    let type_ = if ready.status == ConditionStatus::True.as_str() || asked_for || awaited {
        EventType::Normal
    } else {
        EventType::Warning
    };
    Some(Event {
        type_,
        reason: ready.reason.clone(),
        note: Some(trimmed(&ready.message).to_owned()),
        action: "Reconcile".to_owned(),
        secondary: None,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::conditions::{Cause, Verdict};
    use crate::controllers::error::verdict_of;
    use crate::core::failure::Problem;

    fn conditions(verdict: &Verdict) -> Vec<Condition> {
        verdict.conditions(&[], Some(1), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_another_status_or_reason_of_ready_is_an_event() {
        let synced = conditions(&Verdict::ready(Cause::new("Synced", "a")));
        let reworded = conditions(&Verdict::ready(Cause::new("Synced", "b")));
        assert!(transition(&synced, &synced).is_none());
        assert!(
            transition(&synced, &reworded).is_none(),
            "another message is no transition"
        );
        let stalled = conditions(&verdict_of(&Problem::human("InvalidMapping", "c")));
        let event = transition(&synced, &stalled).unwrap();
        assert_eq!(
            (event.reason.as_str(), event.type_),
            ("InvalidMapping", EventType::Warning)
        );
        let healed = transition(&stalled, &synced).unwrap();
        assert_eq!(
            (healed.reason.as_str(), healed.type_),
            ("Synced", EventType::Normal)
        );
    }

    #[test]
    fn what_is_merely_awaited_is_no_warning_and_what_is_unknown_no_event() {
        let waiting = conditions(&verdict_of(&Problem::waiting("SecretNotFound", "…")));
        assert_eq!(transition(&[], &waiting).unwrap().type_, EventType::Normal);
        let starting = Verdict::reconciling(ConditionStatus::Unknown, Cause::new("Starting", "…"));
        assert!(transition(&[], &conditions(&starting)).is_none());
    }

    #[test]
    fn a_note_fits_what_an_event_may_hold() {
        let long = verdict_of(&Problem::human("InvalidMapping", "é".repeat(2000)));
        let note = transition(&[], &conditions(&long)).unwrap().note.unwrap();
        assert!(note.len() <= 1024 && note.ends_with('é'));
    }
}
