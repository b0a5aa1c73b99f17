//! A page of rows → links to look at, and records without a link.

use std::collections::{BTreeMap, BTreeSet};

use super::regression;
use super::session::Session;
use crate::core::definition::History;
use crate::core::failure::Problem;
use crate::core::ident::{LinkId, RecordId, Stamp};
use crate::core::link::{Link, Phase};
use crate::core::plan::print;
use crate::core::planted::{Bug, planted};
use crate::core::record::Record;
use crate::core::rules::{Verdict, evaluate};
use crate::core::side::{PerSide, Side};
use crate::core::value::Value;

/// Records read in this cycle and not written since.
pub(super) type Fresh = PerSide<BTreeMap<RecordId, Record>>;

/// What a page of rows asks for.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Links that a row may have changed.
    pub(super) touched: BTreeSet<LinkId>,
    /// Links without a counterpart, whose record changed.
    pub(super) alone: BTreeSet<LinkId>,
    /// Unlinked records that carry a stamp: made by this flow, or by one before it.
    pub(super) stamped: Vec<(Record, Stamp)>,
    /// Unlinked records that the rules let in.
    pub(super) candidates: Vec<Record>,
    /// Unlinked records that the rules let in, but the history does not.
    pub(super) older: Vec<Record>,
    /// Every row that is still current, for those who look at it next.
    pub(super) fresh: BTreeMap<RecordId, Record>,
}

/// Sorts a page. Most rows of a poll at rest are seen again only because scans overlap: they ask for nothing.
pub(super) fn sort(session: &mut Session<'_>, side: Side, records: Vec<Record>) -> Intake {
    let mut intake = Intake::default();
    for record in records {
        if let Some(link) = session.book.of_record(side, &record.id) {
            let older = link.seen[side].is_some_and(|seen| record.version < seen);
            if older && !planted(Bug::StaleReadingTaken) {
                if regression::went_back(session, link, side, &record) {
                    session.went_back[side] = true;
                }
                // A lagging replica's reading: what it shows was already taken into account.
                continue;
            }
            if link.is_buried_alone() && side == link.origin {
                intake.alone.insert(link.id.clone());
            } else if link.is_alone() {
                if side == link.origin && link.seen[side].is_none_or(|seen| record.version > seen) {
                    intake.alone.insert(link.id.clone());
                }
            } else if asks_for_a_look(session, link, side, &record) {
                intake.touched.insert(link.id.clone());
            } else if link.phase != Phase::Dormant && link.seen[side].is_none_or(|seen| record.version > seen)
            {
                // While a link sleeps, what it missed stays new: that is how it is dated when it wakes.
                let mut link = link.clone();
                link.seen[side] = Some(record.version);
                session.book.put(link);
            }
            intake.fresh.insert(record.id.clone(), record);
        } else if let Some(stamp) = stamp_of(session, side, &record) {
            intake.stamped.push((record, stamp));
        } else if session.flow.direction.originates(side) {
            match evaluate(&session.flow.sides[side].rules, &record) {
                Verdict::Holds if in_history(session, side, &record) => intake.candidates.push(record),
                Verdict::Holds => intake.older.push(record),
                Verdict::Fails => {}
                Verdict::Unknown(field) => session.warn(Problem::human(
                    "RuleFieldHidden",
                    format!(
                        "{side} does not show {}.{field} on every record, so the rules cannot be applied there; give the \
                         user read access to it",
                        session.flow.sides[side].object
                    ),
                )),
            }
        }
    }
    intake
}

/// The stamp of a record of this side, when it names a record of the other.
pub(super) fn stamp_of(session: &Session<'_>, side: Side, record: &Record) -> Option<Stamp> {
    let field = session.flow.sides[side].stamp_field.as_ref()?;
    let Some(Value::Text(text)) = record.value(field) else {
        return None;
    };
    Stamp::parse(text).filter(|stamp| stamp.side == side.other() && !planted(Bug::StampedRecordOriginates))
}

fn in_history(session: &Session<'_>, side: Side, record: &Record) -> bool {
    match session.flow.history {
        History::All => true,
        History::New => session.header.activated_at[side].is_some_and(|since| record.created_at >= since),
    }
}

/// Could this row change anything? Decided without the other side's record, so that a poll at rest costs one call.
fn asks_for_a_look(session: &Session<'_>, link: &Link, side: Side, record: &Record) -> bool {
    if link.phase == Phase::Tombstone {
        return false;
    }
    let newer = link.seen[side].is_none_or(|seen| record.version > seen);
    let flipped = match evaluate(&session.flow.sides[side].rules, record) {
        Verdict::Holds => !link.in_rules[side],
        Verdict::Fails => link.in_rules[side],
        Verdict::Unknown(_) => false,
    };
    if link.quarantine.is_some() {
        // An edit is tried at once; the same record again only when its time has come.
        return newer || flipped;
    }
    if flipped {
        return true;
    }
    link.phase == Phase::Active
        && session.flow.fields.iter().any(|pair| {
            record.value(&pair.fields[side]).is_some_and(|value| {
                let print = print(&session.prints, link, pair, side, value);
                link.bases.get(&pair.key).is_none_or(|base| base[side] != print)
            })
        })
}
