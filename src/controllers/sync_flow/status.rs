//! What a flow's status says (pure). Nothing in it changes while nothing happens.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::readiness::{Standing, verdict};
use crate::api::SyncFlowStatus;
use crate::api::conditions::trimmed;
use crate::api::sync_flow::{HandledRequests, HeldPlan, HeldPlanKind, OpenConflict, QuarantinedRecord};
use crate::core::guard::{GuardKind, PlanSummary};
use crate::core::header::Handled;
use crate::engine::report::{DisputeRow, FlowReport, FlowState, QuarantineRow};

/// The status of a flow that stands so. What only a worker knows stays as it was while none has anything to say.
#[must_use]
pub fn status(
    previous: &SyncFlowStatus,
    standing: Standing<'_>,
    generation: Option<i64>,
    now: Timestamp,
) -> SyncFlowStatus {
    let verdict = verdict(standing, &previous.conditions, generation);
    let mut status = SyncFlowStatus {
        observed_generation: generation,
        conditions: verdict.conditions(&previous.conditions, generation, now),
        ..previous.clone()
    };
    if let Standing::Running(report) = standing {
        if report.state != FlowState::Starting {
            status.held_plan = report.held_plan.as_ref().map(held_plan);
        }
        if has_counted(report) {
            fill(&mut status, report);
        }
    }
    status
}

/// A worker that never came as far as opening its link state counts nothing, which is not zero.
fn has_counted(report: &FlowReport) -> bool {
    let opened = report.identities.iter().any(|(_, identity)| identity.is_some());
    opened && report.state != FlowState::Starting
}

fn fill(status: &mut SyncFlowStatus, report: &FlowReport) {
    status.linked = Some(count(report.linked));
    status.quarantined = Some(count(report.quarantined));
    status.conflicts = Some(count(report.conflicts));
    status.open_conflict_count = Some(count(report.open_conflicts));
    status.open_conflicts = report
        .disputes
        .iter()
        .take(FlowReport::DISPUTE_ROWS)
        .map(open_conflict)
        .collect();
    status.handled_requests = handled(&report.handled);
    status.quarantine = report
        .quarantine
        .iter()
        .take(FlowReport::QUARANTINE_ROWS)
        .map(row)
        .collect();
    if let Some(changed) = report.last_change {
        status.last_sync_time = Some(Time(changed.timestamp()));
    }
    if report.handled_sync_now.is_some() {
        status.last_handled_sync_now.clone_from(&report.handled_sync_now);
    }
}

fn handled(handled: &Handled) -> Option<HandledRequests> {
    let requests = HandledRequests {
        resolve_conflicts: handled.resolve.clone(),
        release_quarantine: handled.release.clone(),
    };
    (requests != HandledRequests::default()).then_some(requests)
}

fn open_conflict(row: &DisputeRow) -> OpenConflict {
    OpenConflict {
        salesforce_id: row.ids.salesforce.to_string(),
        service_now_id: row.ids.service_now.to_string(),
        salesforce_field: row.fields.salesforce.to_string(),
        service_now_field: row.fields.service_now.to_string(),
        since: Time(row.since.timestamp()),
    }
}

fn held_plan(plan: &PlanSummary) -> HeldPlan {
    HeldPlan {
        token: plan.token.clone(),
        kind: match plan.kind {
            GuardKind::Deletions => HeldPlanKind::Deletions,
            GuardKind::Changes => HeldPlanKind::Changes,
            GuardKind::Restored => HeldPlanKind::Restored,
            GuardKind::Remapped => HeldPlanKind::Remapped,
        },
        side: plan.side.to_string(),
        records: count(plan.count),
        of: count(plan.of),
        first: plan.first.iter().map(ToString::to_string).collect(),
    }
}

fn row(row: &QuarantineRow) -> QuarantinedRecord {
    QuarantinedRecord {
        salesforce_id: row.ids.salesforce.as_ref().map(ToString::to_string),
        service_now_id: row.ids.service_now.as_ref().map(ToString::to_string),
        reason: row.problem.reason.to_string(),
        message: trimmed(&row.problem.message).to_owned(),
        since: Time(row.since.timestamp()),
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::Problem;
    use crate::core::ident::RecordId;
    use crate::core::side::{PerSide, Side};
    use crate::core::time::Instant;

    fn report() -> FlowReport {
        FlowReport {
            state: FlowState::Synced,
            linked: 7,
            quarantined: 12,
            conflicts: 3,
            quarantine: (0..12)
                .map(|minute| QuarantineRow {
                    ids: PerSide {
                        salesforce: Some(RecordId::parse(Side::Salesforce, "500000000000001AAA").unwrap()),
                        service_now: None,
                    },
                    problem: Problem::human("RequiredFieldMissing", "set Subject"),
                    since: Instant::from_seconds(60 * minute),
                })
                .collect(),
            last_change: Some(Instant::from_seconds(1000)),
            handled_sync_now: Some("2".to_owned()),
            identities: PerSide {
                salesforce: Some("00D000000000001AAA".to_owned()),
                service_now: Some("instance".to_owned()),
            },
            ..FlowReport::default()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_report_fills_the_status_and_shows_ten_quarantined_records_at_most() {
        let report = report();
        let status = status(
            &SyncFlowStatus::default(),
            Standing::Running(&report),
            Some(4),
            at(2000),
        );
        assert_eq!(status.observed_generation, Some(4));
        assert_eq!(
            (status.linked, status.quarantined, status.conflicts),
            (Some(7), Some(12), Some(3))
        );
        assert_eq!(status.quarantine.len(), 10);
        assert_eq!(status.last_sync_time, Some(Time(at(1000))));
        assert_eq!(status.last_handled_sync_now.as_deref(), Some("2"));
    }

    #[test]
    fn at_rest_the_status_does_not_move_with_time() {
        let report = report();
        let first = status(
            &SyncFlowStatus::default(),
            Standing::Running(&report),
            Some(1),
            at(2000),
        );
        assert_eq!(
            status(&first, Standing::Running(&report), Some(1), at(9000)),
            first
        );
    }

    #[test]
    fn what_only_a_worker_knows_stays_while_none_runs_or_it_has_just_begun() {
        let report = report();
        let synced = status(
            &SyncFlowStatus::default(),
            Standing::Running(&report),
            Some(1),
            at(2000),
        );
        let starting = FlowReport::default();
        let failing = FlowReport {
            state: FlowState::Failing(Problem::transient("ServiceUnavailable", "…")),
            ..FlowReport::default()
        };
        for standing in [
            Standing::Suspended,
            Standing::Running(&starting),
            Standing::Running(&failing),
        ] {
            let now = status(&synced, standing, Some(1), at(3000));
            assert_eq!(now.linked, Some(7));
            assert_eq!(now.quarantine, synced.quarantine);
            assert_eq!(now.last_sync_time, synced.last_sync_time);
        }
    }
}
