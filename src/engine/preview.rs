//! What a changed definition would do to the pairs that exist, before it does anything.
//!
//! A changed mapping meets every pair as for the first time. That may rewrite every record of a side, and a slip in a
//! manifest should not; so it is planned for all links first, without an effect, and counted.

use std::collections::BTreeMap;

use super::guard;
use super::processing::read;
use super::session::{CycleError, Session};
use crate::core::guard::{GuardKind, PlanSummary, exceeds};
use crate::core::header::{HeldPlan, Sweep};
use crate::core::ident::RecordId;
use crate::core::link::{Link, Phase};
use crate::core::plan::plan;
use crate::core::record::{Observation, Record};
use crate::core::side::{PerSide, Side};

/// Lets the pass over every link begin, or stops the flow with what a person has to approve.
pub(super) async fn permit_sweep(session: &mut Session<'_>) -> Result<(), CycleError> {
    let Some(sweep) = session.header.sweep.clone().filter(|sweep| !sweep.permitted) else {
        return Ok(());
    };
    let of = guard::pairs(session);
    let too_many =
        |session: &Session<'_>, count| exceeds(session.flow.guards.changes, GuardKind::Remapped, count, of);
    // Most flows have fewer pairs than a guard lets pass.
    if too_many(session, of) {
        let rewritten = rewritten(session).await?;
        for side in Side::BOTH {
            let records = rewritten[side].clone();
            if !too_many(session, u64::try_from(records.len()).unwrap_or(u64::MAX)) {
                continue;
            }
            let basis = session.flow.hashes.whole.clone();
            let summary = PlanSummary::new(GuardKind::Remapped, side, records, of, &basis);
            if !guard::is_approved(session, &summary) {
                return Err(guard::hold(session, HeldPlan { summary, until: None }).await);
            }
        }
    }
    session.header.sweep = Some(Sweep {
        permitted: true,
        ..sweep
    });
    for side in Side::BOTH {
        guard::forget(session, GuardKind::Remapped, side).await?;
    }
    session.commit_header().await
}

/// The records of each side that the pass would write.
async fn rewritten(session: &Session<'_>) -> Result<PerSide<Vec<RecordId>>, CycleError> {
    let links: Vec<&Link> = session
        .book
        .links()
        .filter(|link| link.phase != Phase::Tombstone && link.departure.is_none() && !link.has_intent())
        .filter(|link| link.pair().is_some())
        .collect();
    let mut rewritten = PerSide::<Vec<RecordId>>::default();
    for chunk in links.chunks(session.tuning.sweep_slice.max(1)) {
        session.go_on()?;
        let mut observed = PerSide::<BTreeMap<RecordId, Observation>>::default();
        for side in Side::BOTH {
            let ids: Vec<RecordId> = chunk.iter().filter_map(|link| link.ids[side].clone()).collect();
            observed[side] = read(session, side, &ids).await?;
        }
        for link in chunk {
            let shown =
                |side: Side| -> Option<&Record> { observed[side].get(link.ids[side].as_ref()?)?.present() };
            let (Some(salesforce), Some(service_now)) = (shown(Side::Salesforce), shown(Side::ServiceNow))
            else {
                continue;
            };
            let records = PerSide {
                salesforce,
                service_now,
            };
            let planned = plan(&session.context(), link, records);
            for (side, write) in planned.writes.iter() {
                rewritten[side].extend(write.iter().map(|write| write.id.clone()));
            }
        }
    }
    Ok(rewritten)
}
