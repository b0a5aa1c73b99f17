//! When a flow is Ready: the one truth table (pure). `docs/conditions.md` shows it to users; a test keeps them equal.
//!
//! | Where the flow stands | Ready | Reason | Also |
//! |---|---|---|---|
//! | `spec.suspend` is true | False | `Suspended` | |
//! | a person must act: manifest, mapping, permission, credential, guard | False | the problem's: `InvalidSpec`, `InvalidMapping`, `Blocked`, … | Stalled |
//! | something is awaited: Connection, `FieldMapping`, Secret | False | the problem's: `ConnectionNotFound`, `ConnectionNotReady`, `FieldMappingNotFound`, … | Reconciling |
//! | the last cycle met passing trouble | False | the problem's: `ServiceUnavailable`, `Throttled`, … | Reconciling |
//! | the worker has begun and not finished a cycle | Unknown, or as it was when it was True for this generation | `Starting` | Reconciling |
//! | existing records are being taken up | True | `InitialSync` | Reconciling |
//! | everything is synced | True | `Synced` | |
//! | everything is synced, some records are in quarantine | True | `Synced` | Warning `Quarantined` |
//! | the worker has a warning, such as a field on hold | as above | as above | Warning, the first one's reason |

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{Cause, ConditionStatus, ConditionType, Verdict, find, is_ready};
use crate::controllers::error::verdict_of;
use crate::core::failure::Problem;
use crate::engine::report::{FlowReport, FlowState};

/// Where a flow stands, whoever found it out.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    /// The manifest asks for it to be stopped.
    Suspended,
    /// It cannot run: its manifests, or what they refer to.
    Held(&'a Problem),
    /// Its worker runs, and says this.
    Running(&'a FlowReport),
}

/// The verdict on a flow. `previous` and `generation` are those of the object that is judged.
#[must_use]
pub fn verdict(standing: Standing<'_>, previous: &[Condition], generation: Option<i64>) -> Verdict {
    let report = match standing {
        Standing::Suspended => {
            let cause = Cause::new(
                "Suspended",
                "spec.suspend is true: nothing is read or written; links are kept",
            );
            return Verdict::new(ConditionStatus::False, cause);
        }
        Standing::Held(problem) => return verdict_of(problem),
        Standing::Running(report) => report,
    };
    let verdict = match &report.state {
        FlowState::Failing(problem) => verdict_of(problem),
        FlowState::Starting => starting(previous, generation),
        FlowState::InitialSync => {
            let cause = Cause::new(
                "InitialSync",
                "existing records are being taken up for the first time",
            );
            Verdict::reconciling(ConditionStatus::True, cause)
        }
        FlowState::Synced => {
            let message = match warning(report) {
                None => "every change that was seen is on both sides",
                Some(_) => {
                    "every change that was seen is on both sides, but for what the condition Warning names"
                }
            };
            Verdict::ready(Cause::new("Synced", message))
        }
    };
    match warning(report) {
        Some(cause) => verdict.with(ConditionType::Warning, cause),
        None => verdict,
    }
}

/// A worker that was just started knows nothing new. A flow that was Ready stays so until its first report: otherwise
/// every restart of the operator would look like an outage of every flow.
fn starting(previous: &[Condition], generation: Option<i64>) -> Verdict {
    let was_ready = find(previous, ConditionType::Ready).filter(|_| is_ready(previous, generation));
    let Some(ready) = was_ready else {
        let cause = Cause::new("Starting", "the flow is being checked against both services");
        return Verdict::reconciling(ConditionStatus::Unknown, cause);
    };
    let cause = Cause::new(ready.reason.clone(), ready.message.clone());
    if find(previous, ConditionType::Reconciling).is_some() {
        Verdict::reconciling(ConditionStatus::True, cause)
    } else {
        Verdict::ready(cause)
    }
}

/// What needs eyes: the engine's warnings, then the quarantine.
fn warning(report: &FlowReport) -> Option<Cause> {
    let quarantined = (report.quarantined > 0).then(|| {
        Problem::human(
            "Quarantined",
            "some records cannot be synced now and hold up nobody else; status.quarantine says which and why",
        )
    });
    let mut problems = report.warnings.iter().chain(quarantined.as_ref());
    let first = problems.next()?;
    let mut message = first.message.clone();
    for problem in problems {
        message.push_str("; ");
        message.push_str(&problem.message);
    }
    Some(Cause::new(first.reason.as_str(), message))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// The conditions as `type=status/reason`, for a flow with no history.
    fn shown(standing: Standing<'_>) -> Vec<String> {
        conditions(standing, &[], Some(1)).iter().map(line).collect()
    }

    fn conditions(standing: Standing<'_>, previous: &[Condition], generation: Option<i64>) -> Vec<Condition> {
        verdict(standing, previous, generation).conditions(previous, generation, Timestamp::UNIX_EPOCH)
    }

    fn line(condition: &Condition) -> String {
        format!("{}={}/{}", condition.type_, condition.status, condition.reason)
    }

    fn running(state: FlowState) -> FlowReport {
        FlowReport {
            state,
            ..FlowReport::default()
        }
    }

    #[test]
    fn a_suspended_flow_is_neither_ready_nor_at_work_nor_stalled() {
        assert_eq!(shown(Standing::Suspended), ["Ready=False/Suspended"]);
    }

    #[test]
    fn what_a_person_must_solve_is_stalled_and_what_is_awaited_is_reconciling() {
        let human = Problem::human("InvalidMapping", "…");
        assert_eq!(
            shown(Standing::Held(&human)),
            ["Ready=False/InvalidMapping", "Stalled=True/InvalidMapping"]
        );
        let waiting = Problem::waiting("ConnectionNotFound", "…");
        assert_eq!(
            shown(Standing::Held(&waiting)),
            [
                "Ready=False/ConnectionNotFound",
                "Reconciling=True/ConnectionNotFound"
            ]
        );
    }

    #[test]
    fn a_failing_worker_speaks_as_a_problem_of_the_manifests_does() {
        let passing = running(FlowState::Failing(Problem::transient("ServiceUnavailable", "…")));
        assert_eq!(
            shown(Standing::Running(&passing)),
            [
                "Ready=False/ServiceUnavailable",
                "Reconciling=True/ServiceUnavailable"
            ]
        );
    }

    #[test]
    fn a_flow_is_ready_while_it_syncs_even_with_records_in_quarantine() {
        let synced = running(FlowState::Synced);
        assert_eq!(shown(Standing::Running(&synced)), ["Ready=True/Synced"]);
        let initial = running(FlowState::InitialSync);
        assert_eq!(
            shown(Standing::Running(&initial)),
            ["Ready=True/InitialSync", "Reconciling=True/InitialSync"]
        );
        let quarantined = FlowReport {
            quarantined: 2,
            ..synced
        };
        assert_eq!(
            shown(Standing::Running(&quarantined)),
            ["Ready=True/Synced", "Warning=True/Quarantined"]
        );
    }

    #[test]
    fn every_warning_is_told_in_one_condition() {
        let report = FlowReport {
            warnings: vec![
                Problem::human("FieldOnHold", "one"),
                Problem::human("RowsHidden", "two"),
            ],
            quarantined: 1,
            ..running(FlowState::Synced)
        };
        let conditions = conditions(Standing::Running(&report), &[], Some(1));
        let warning = conditions
            .iter()
            .find(|condition| condition.type_ == "Warning")
            .unwrap();
        assert_eq!(warning.reason, "FieldOnHold");
        assert!(warning.message.starts_with("one; two; "), "{}", warning.message);
    }

    #[test]
    fn a_restart_of_the_operator_does_not_look_like_an_outage() {
        let starting = running(FlowState::Starting);
        let synced = conditions(Standing::Running(&running(FlowState::Synced)), &[], Some(1));
        assert_eq!(conditions(Standing::Running(&starting), &synced, Some(1)), synced);
    }

    #[test]
    fn a_new_manifest_or_an_earlier_problem_makes_a_starting_flow_unknown() {
        let starting = running(FlowState::Starting);
        let expected = ["Ready=Unknown/Starting", "Reconciling=True/Starting"];
        let synced = conditions(Standing::Running(&running(FlowState::Synced)), &[], Some(1));
        let edited: Vec<_> = conditions(Standing::Running(&starting), &synced, Some(2))
            .iter()
            .map(line)
            .collect();
        assert_eq!(edited, expected);
        let held = conditions(
            Standing::Held(&Problem::waiting("ConnectionNotReady", "…")),
            &[],
            Some(1),
        );
        let healed: Vec<_> = conditions(Standing::Running(&starting), &held, Some(1))
            .iter()
            .map(line)
            .collect();
        assert_eq!(healed, expected);
    }

    #[test]
    fn the_page_for_users_shows_this_table() {
        let page = include_str!("../../../docs/conditions.md");
        let table = include_str!("readiness.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! |"));
        for row in table {
            assert!(page.contains(row), "docs/conditions.md lacks: |{row}");
        }
    }
}
