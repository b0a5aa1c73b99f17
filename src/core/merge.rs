//! One pair of fields, merged three ways: what each side holds, and what both held when they last agreed.
//!
//! A change is what differs from the base, never *what is new by timestamp*: our own writes are no changes, and an
//! echo cannot loop. The decision is a function of the states alone; it does not know which side was read first.

use super::definition::{ConflictPolicy, DriftPolicy, FieldDirection, UnmappedPolicy};
use super::flow::FieldPair;
use super::link::JournalCause;
use super::mapping::Untranslatable;
use super::planted::{Bug, planted};
use super::side::{PerSide, Side};
use super::time::Instant;
use super::value::Value;

/// Two foreign changes closer than this are a tie: both services stamp whole seconds, and a clock is read to a
/// second (sync-engines I6).
pub const TIE_SECONDS: i64 = 2;

/// What is known of one pair of fields.
#[derive(Clone, Debug)]
pub struct FieldState<'a> {
    /// What each side holds; `None` where the answer did not show it (hidden or not understood).
    pub current: PerSide<Option<&'a Value>>,
    /// Against the base: did each side change? `None` when there is no base.
    pub changed: Option<PerSide<bool>>,
    /// Were the two sides left unequal when the base was taken ([`Decision::Tolerate`])? Then what the target holds
    /// is somebody's, and overwriting it leaves a trace.
    pub tolerated: bool,
    /// The conflict that waits for a person, if one does.
    pub dispute: Option<OpenDispute>,
}

/// A conflict that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenDispute {
    /// Did each side change since the conflict arose? An edit after that is a decision, unless both sides have one.
    pub moved: PerSide<bool>,
    /// The side that a person picked.
    pub pick: Option<Side>,
}

impl FieldState<'_> {
    /// Is a side's content not known?
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.current.iter().any(|(_, value)| value.is_none())
    }
}

/// When each record was last changed by somebody else than us, corrected to one clock. `None`: never seen.
pub type ForeignChanges = PerSide<Option<Instant>>;

/// What happens to a pair of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the base stands.
    Keep,
    /// Both sides are taken as agreed; nothing is written.
    Adopt,
    /// Both sides are taken as they are, although unequal: an edit at the target of a one-way field that is left
    /// alone, or an empty source that does not wipe what it meets. Nothing is written until the source changes.
    Tolerate,
    /// `side` is to hold `value`.
    Write {
        /// The side written.
        side: Side,
        /// What it is to hold.
        value: Value,
        /// Why what it holds now is journalled, when somebody wrote that.
        journal: Option<JournalCause>,
        /// True when two edits met and one was decided to lose.
        conflict: bool,
    },
    /// Both sides changed, and a person has to decide: neither is overwritten.
    Dispute,
    /// The field waits with its base; the rest of the record syncs.
    Hold(Untranslatable),
    /// The record cannot be synced.
    Quarantine(Untranslatable),
}

/// Decides one pair of fields.
#[must_use]
pub fn decide(pair: &FieldPair, state: &FieldState<'_>, foreign: ForeignChanges) -> Decision {
    // Unread, hidden and empty are three things: without both sides' content nothing is concluded (I8).
    let absent = planted(Bug::AbsentTakenAsNull).then_some(&Value::Null);
    let content = state.current.map(|_, value| value.or(absent));
    let (Some(salesforce), Some(service_now)) = (content.salesforce, content.service_now) else {
        return Decision::Keep;
    };
    let current = PerSide {
        salesforce,
        service_now,
    };
    match state.changed {
        None => first_meeting(pair, current, state.dispute, foreign),
        Some(changed) => match one_way_target(pair.direction) {
            Some(target) => one_way(pair, current, changed, target, state.tolerated),
            None => two_way(pair, current, changed, state.dispute, foreign),
        },
    }
}

/// The only side that a one-way pair writes.
#[must_use]
pub const fn one_way_target(direction: FieldDirection) -> Option<Side> {
    match direction {
        FieldDirection::TwoWay => None,
        FieldDirection::ToSalesforce => Some(Side::Salesforce),
        FieldDirection::ToServiceNow => Some(Side::ServiceNow),
    }
}

fn two_way(
    pair: &FieldPair,
    current: PerSide<&Value>,
    changed: PerSide<bool>,
    dispute: Option<OpenDispute>,
    foreign: ForeignChanges,
) -> Decision {
    match (changed.salesforce, changed.service_now) {
        (false, false) => Decision::Keep,
        _ if pair.equal(current) => Decision::Adopt,
        (true, false) => write(pair, Side::ServiceNow, current, None, false),
        (false, true) => write(pair, Side::Salesforce, current, None, false),
        (true, true) => contest(pair, current, dispute, foreign, JournalCause::Conflict),
    }
}

fn one_way(
    pair: &FieldPair,
    current: PerSide<&Value>,
    changed: PerSide<bool>,
    target: Side,
    tolerated: bool,
) -> Decision {
    let source_changed = changed[target.other()];
    let target_changed = changed[target];
    if !source_changed && !target_changed {
        return Decision::Keep;
    }
    if pair.equal(current) {
        return Decision::Adopt;
    }
    match (source_changed, pair.drift) {
        (false, DriftPolicy::Ignore) => Decision::Tolerate,
        (_, _) => write(
            pair,
            target,
            current,
            (target_changed || tolerated).then_some(JournalCause::Drift),
            false,
        ),
    }
}

/// Both sides meet without a base: matched, restored by stamp, or after the mapping changed. Equal is adopted, an
/// empty field takes the other's value, and where both hold something the policy decides and the loser is journalled.
fn first_meeting(
    pair: &FieldPair,
    current: PerSide<&Value>,
    dispute: Option<OpenDispute>,
    foreign: ForeignChanges,
) -> Decision {
    if pair.equal(current) {
        return Decision::Adopt;
    }
    let empty = current.map(|_, value| value.canonical().is_null());
    if let Some(target) = one_way_target(pair.direction) {
        // An empty source never wipes what it meets for the first time.
        return if empty[target.other()] {
            Decision::Tolerate
        } else {
            write(
                pair,
                target,
                current,
                (!empty[target]).then_some(JournalCause::FirstMeeting),
                false,
            )
        };
    }
    match (empty.salesforce, empty.service_now) {
        (true, _) => write(pair, Side::Salesforce, current, None, false),
        (_, true) => write(pair, Side::ServiceNow, current, None, false),
        (false, false) => contest(pair, current, dispute, foreign, JournalCause::FirstMeeting),
    }
}

/// Both sides hold something of their own: one has to give way, or a person has to say which.
fn contest(
    pair: &FieldPair,
    current: PerSide<&Value>,
    dispute: Option<OpenDispute>,
    foreign: ForeignChanges,
    cause: JournalCause,
) -> Decision {
    let cut = PerSide::from_fn(|side| pair.is_cut_copy(side, current[side]));
    let winner = match (cut.salesforce, cut.service_now) {
        // The other side holds the whole, and a person's word does not change that.
        (true, false) => Some(Side::ServiceNow),
        (false, true) => Some(Side::Salesforce),
        _ => winner(pair.conflict, dispute, foreign),
    };
    winner.map_or(Decision::Dispute, |winner| {
        write(pair, winner.other(), current, Some(cause), true)
    })
}

/// The side whose value stands when both changed; `None` where a person has to say.
fn winner(policy: ConflictPolicy, dispute: Option<OpenDispute>, foreign: ForeignChanges) -> Option<Side> {
    Some(match policy {
        ConflictPolicy::Manual => {
            let dispute = dispute?;
            return dispute
                .pick
                .or(match (dispute.moved.salesforce, dispute.moved.service_now) {
                    (true, false) => Some(Side::Salesforce),
                    (false, true) => Some(Side::ServiceNow),
                    _ => None,
                });
        }
        ConflictPolicy::PreferSalesforce => Side::Salesforce,
        ConflictPolicy::PreferServiceNow => Side::ServiceNow,
        ConflictPolicy::MostRecent => match (foreign.salesforce, foreign.service_now) {
            (Some(salesforce), Some(service_now))
                if service_now.seconds() - salesforce.seconds() > TIE_SECONDS =>
            {
                Side::ServiceNow
            }
            (None, Some(_)) => Side::ServiceNow,
            // A tie goes to Salesforce, always, so that the result does not depend on who was read first.
            _ => Side::Salesforce,
        },
    })
}

fn write(
    pair: &FieldPair,
    side: Side,
    current: PerSide<&Value>,
    journal: Option<JournalCause>,
    conflict: bool,
) -> Decision {
    if pair.is_cut_copy(side.other(), current[side.other()]) {
        return Decision::Hold(Untranslatable::CutCopy);
    }
    match pair.translate(side, current[side.other()]) {
        Ok(value) if value.same_as(current[side]) => Decision::Adopt,
        Ok(value) => Decision::Write {
            side,
            value,
            journal,
            conflict,
        },
        Err(why @ (Untranslatable::Unmapped | Untranslatable::NotAChoice))
            if pair.unmapped != UnmappedPolicy::Quarantine =>
        {
            Decision::Hold(why)
        }
        Err(why) => Decision::Quarantine(why),
    }
}

#[cfg(test)]
mod tests;
