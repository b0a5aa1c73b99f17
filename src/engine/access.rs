//! Do we still see what we should? Asked before anything is made or deleted.
//!
//! A user that lost a right, a sandbox that was refreshed, an access rule that hides rows: each can make records look
//! missing. What looks missing would be made again, or taken for deleted. So records that the flow knows are read
//! first, as sentinels: when none of them shows, nothing on that side is believed.

use super::processing::read;
use super::session::{CycleError, OnSide, Session};
use crate::core::failure::Problem;
use crate::core::ident::RecordId;
use crate::core::link::Phase;
use crate::core::record::Observation;
use crate::core::side::Side;

/// How many known records are looked at.
const SENTINELS: usize = 5;

/// Fails where no known record of this side can be read. Asked once a cycle at most; free for a flow that knows none.
pub(super) async fn check(session: &mut Session<'_>, side: Side) -> Result<(), CycleError> {
    if session.access_checked[side] {
        return Ok(());
    }
    let known = |stuck: bool| -> Vec<RecordId> {
        session
            .book
            .links()
            .filter(|link| link.phase == Phase::Active && link.pair().is_some())
            .filter(|link| link.departure.is_none() && link.quarantine.is_some() == stuck)
            .filter_map(|link| link.ids[side].clone())
            .take(SENTINELS)
            .collect()
    };
    let mut sentinels = known(false);
    if sentinels.is_empty() {
        // Perhaps each of them is in quarantine because it cannot be seen: that is the very thing.
        sentinels = known(true);
    }
    let known = sentinels;
    let shown = read(session, side, &known).await?;
    let seen = |wanted: fn(&Observation) -> bool| shown.values().any(wanted);
    let present = seen(|observation| matches!(observation, Observation::Present(_)));
    let hidden = seen(|observation| matches!(observation, Observation::NotVisible));
    if hidden && !present {
        return Err(CycleError::Blocked(Problem::human(
            "AccessLost",
            format!(
                "none of {} {} records that this flow has linked can be read any more, so nothing is made or deleted; \
                 give the integration user read access to them again",
                known.len(),
                session.flow.sides[side].object
            ),
        )));
    }
    session.access_checked[side] = true;
    Ok(())
}

/// Asks a side again who it is. A deletion is never sent on a check of some minutes ago.
pub(super) async fn check_identity(session: &mut Session<'_>, side: Side) -> Result<(), CycleError> {
    let identity = session.parts.remotes[side].identity().await.on(side)?;
    session.pin_one(side, &identity)
}
