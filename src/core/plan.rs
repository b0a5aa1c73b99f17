//! One link's next step: what both records hold and what is remembered → what is written, adopted, held.
//!
//! A function of its arguments alone: the same states give the same plan, whichever side was read first and however
//! often it is asked. It does no I/O; the engine persists the plan's intents before it sends anything.

use std::collections::BTreeMap;

use super::definition::ExitPolicy;
use super::failure::{Problem, Reason};
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::flow::{FieldPair, Flow};
use super::ident::{FieldKey, FieldName, RecordId};
use super::link::{Dispute, IntendedField, Intent, IntentKind, JournalCause, JournalEntry, Link, Phase};
use super::loop_breaker::{count_flips, keeps_changing};
use super::mapping::Untranslatable;
use super::merge::{Decision, FieldState, OpenDispute, decide};
use super::planted::{Bug, planted};
use super::quarantine::{after_failure, nth_failure};
use super::record::Record;
use super::rules::{Verdict, evaluate};
use super::side::{PerSide, Side};
use super::time::Instant;
use super::value::Value;

/// The reason code of a field of which the other side kept only the beginning.
pub const FIELD_CUT: &str = "FieldCut";

/// All that a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct PlanContext<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// The flow's key.
    pub fingerprints: &'a Fingerprinter,
    /// Our clock.
    pub now: Instant,
    /// Each server's clock minus ours, in seconds.
    pub clock_offsets: PerSide<i64>,
    /// How many flips stop a link ([`FLIP_LIMIT`]).
    pub flip_limit: u32,
}

/// What happens to one link.
#[derive(Clone, Debug)]
pub struct LinkPlan {
    /// The link once the plan is persisted: adopted bases, phase, holds; intents for the writes.
    pub link: Link,
    /// What is to be written on each side.
    pub writes: PerSide<Option<PlannedWrite>>,
    /// What the writes will overwrite.
    pub journal: Vec<JournalEntry>,
    /// How many conflicts were decided.
    pub conflicts: u64,
}

/// One record's write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedWrite {
    /// The record.
    pub id: RecordId,
    /// The fields to set.
    pub fields: BTreeMap<FieldName, Value>,
}

/// Plans a link whose two records were read.
#[must_use]
pub fn plan(context: &PlanContext<'_>, link: &Link, records: PerSide<&Record>) -> LinkPlan {
    let mut next = link.clone();
    next.in_rules = verdicts(context.flow, link, records);
    let in_scope = context.flow.originating().any(|side| next.in_rules[side]);
    let states: Vec<PairState<'_>> = context
        .flow
        .fields
        .iter()
        .map(|pair| PairState::read(context, link, pair, records))
        .collect();
    note_foreign_changes(&mut next, link, records, &states);

    let mut plan = LinkPlan {
        link: next,
        writes: PerSide::default(),
        journal: Vec::new(),
        conflicts: 0,
    };
    let leaves = !in_scope && context.flow.on_exit != ExitPolicy::KeepSyncing;
    match link.phase {
        Phase::Tombstone => return plan,
        // Asleep, or restored or matched outside the rules: it sleeps without a write.
        Phase::Dormant | Phase::Pending if leaves => return asleep(plan),
        Phase::Active
            if leaves && (context.flow.on_exit == ExitPolicy::Unlink || planted(Bug::ExitNotPropagated)) =>
        {
            return asleep(plan);
        }
        Phase::Active | Phase::Dormant | Phase::Pending => plan.link.phase = Phase::Active,
    }
    merge_fields(context, link, records, &states, &mut plan);
    let settled = plan.link.quarantine.is_none() && plan.writes.iter().all(|(_, write)| write.is_none());
    if settled && leaves {
        // What made it leave has been sent; only now does it sleep, so that a rejected last write is tried again.
        return asleep(plan);
    }
    plan
}

/// The link sleeps: nothing waits for it but the rules.
fn asleep(mut plan: LinkPlan) -> LinkPlan {
    plan.link.phase = Phase::Dormant;
    plan.link.quarantine = None;
    plan
}

impl Link {
    /// True when something differs that must outlive this process. Which version was last seen is not such a thing:
    /// the next reading tells it again, and writing it at rest would never end.
    #[must_use]
    pub fn differs_materially(&self, other: &Self) -> bool {
        let stripped = |link: &Self| Self {
            seen: PerSide::default(),
            last_foreign_change: PerSide::default(),
            ..link.clone()
        };
        stripped(self) != stripped(other)
    }
}

/// One pair of fields with its fingerprints.
struct PairState<'a> {
    pair: &'a FieldPair,
    state: FieldState<'a>,
    prints: PerSide<Option<Fingerprint>>,
}

impl<'a> PairState<'a> {
    fn read(
        context: &PlanContext<'a>,
        link: &Link,
        pair: &'a FieldPair,
        records: PerSide<&'a Record>,
    ) -> Self {
        let current = records.map(|side, record| record.value(&pair.fields[side]));
        let prints = current.map(|side, value| Some(print(context.fingerprints, link, pair, side, value?)));
        let changed = link.bases.get(&pair.key).map(|base| {
            PerSide::from_fn(|side| {
                prints[side].as_ref().is_some_and(|print| *print != base[side])
                    || (planted(Bug::EchoByTimestamp) && link.seen[side] < Some(records[side].version))
            })
        });
        Self {
            pair,
            state: FieldState {
                current,
                changed,
                tolerated: link.tolerated.contains(&pair.key),
                dispute: link.disputes.get(&pair.key).map(|dispute| OpenDispute {
                    moved: PerSide::from_fn(|side| {
                        prints[side]
                            .as_ref()
                            .is_some_and(|print| *print != dispute.held[side])
                    }),
                    pick: dispute.pick,
                }),
            },
            prints,
        }
    }
}

/// The fingerprint of one value of one link's record.
#[must_use]
pub fn print(
    prints: &Fingerprinter,
    link: &Link,
    pair: &FieldPair,
    side: Side,
    value: &Value,
) -> Fingerprint {
    let origin = link.ids[link.origin].as_ref().map_or("", RecordId::as_str);
    prints.of(origin, &pair.key, side, value)
}

/// Does each side's record satisfy its rules? What is unknown stays as it was: a hidden rule field is no change.
fn verdicts(flow: &Flow, link: &Link, records: PerSide<&Record>) -> PerSide<bool> {
    PerSide::from_fn(|side| match evaluate(&flow.sides[side].rules, records[side]) {
        Verdict::Holds => true,
        Verdict::Fails => false,
        Verdict::Unknown(_) => link.in_rules[side],
    })
}

/// Our own writes move a record's clock and do not count: only a reading that is newer than the last one *and* holds
/// something that we did not write tells of somebody's change.
fn note_foreign_changes(next: &mut Link, link: &Link, records: PerSide<&Record>, states: &[PairState<'_>]) {
    for side in Side::BOTH {
        let record = records[side];
        let newer = link.seen[side].is_none_or(|seen| record.version > seen);
        let differs = states
            .iter()
            .any(|state| state.state.changed.is_none_or(|changed| changed[side]));
        let tells = (newer || link.last_foreign_change[side].is_none()) && differs;
        if tells || planted(Bug::NewestByOwnWrite) {
            next.last_foreign_change[side] = Some(record.changed_at);
        }
        next.seen[side] = next.seen[side].max(Some(record.version));
    }
}

fn merge_fields(
    context: &PlanContext<'_>,
    link: &Link,
    records: PerSide<&Record>,
    states: &[PairState<'_>],
    plan: &mut LinkPlan,
) {
    let foreign = PerSide::from_fn(|side| {
        let at = plan.link.last_foreign_change[side]?;
        Some(Instant::from_seconds(at.seconds() - context.clock_offsets[side]))
    });
    plan.link.journalled.clear();
    let held = std::mem::take(&mut plan.link.held);
    let mut stuck = Vec::new();
    let disputes = std::mem::take(&mut plan.link.disputes);
    let mut intended: PerSide<BTreeMap<FieldKey, IntendedField>> = PerSide::default();
    for PairState { pair, state, prints } in states {
        match decide(pair, state, foreign) {
            Decision::Keep => {
                // Not shown now: what is disputed stays so.
                if let Some(dispute) = disputes.get(&pair.key).filter(|_| state.is_hidden()) {
                    plan.link.disputes.insert(pair.key.clone(), dispute.clone());
                }
                // Cut by the other side, and not changed since: still not in sync.
                if let Some(reason) = held.get(&pair.key).filter(|reason| reason.as_str() == FIELD_CUT) {
                    plan.link.held.insert(pair.key.clone(), reason.clone());
                }
            }
            decision @ (Decision::Adopt | Decision::Tolerate) => {
                take_as_agreed(&mut plan.link, pair, prints);
                if decision == Decision::Tolerate {
                    plan.link.tolerated.insert(pair.key.clone());
                } else {
                    plan.link.tolerated.remove(&pair.key);
                }
            }
            Decision::Dispute => {
                let since = disputes.get(&pair.key).map_or(context.now, |known| known.since);
                note_dispute(&mut plan.link, pair, prints, since);
            }
            Decision::Hold(why) => {
                plan.link.held.insert(pair.key.clone(), Reason::new(why.reason()));
                if planted(Bug::HeldFieldMovesBase) {
                    take_as_agreed(&mut plan.link, pair, prints);
                }
            }
            Decision::Quarantine(why) => stuck.push((*pair, why)),
            Decision::Write {
                side,
                value,
                journal,
                conflict,
            } => {
                let field = (*pair, state, prints);
                let new = plan_write(
                    context,
                    link,
                    field,
                    (side, value),
                    journal,
                    plan,
                    &mut intended[side],
                );
                plan.conflicts += u64::from(conflict && new);
            }
        }
    }
    if let Some(problem) = untranslatable(context.flow, &stuck) {
        stop(context, link, plan, problem);
        return;
    }
    count_flips(context, link, plan);
    if let Some(flips) = plan
        .link
        .flips
        .as_mut()
        .filter(|flips| flips.count > context.flip_limit)
    {
        flips.stops += 1;
        let stops = flips.stops;
        stop(context, link, plan, keeps_changing(context.flow, plan));
        if let Some(row) = &mut plan.link.quarantine {
            *row = nth_failure(stops, row.problem.clone(), context.now);
        }
        return;
    }
    if plan.writes.iter().all(|(_, write)| write.is_none()) {
        plan.link.journalled.clear();
        // With writes, the row stays until they are applied: its count of attempts goes on if they fail again.
        plan.link.quarantine = None;
    }
    for side in Side::BOTH {
        let fields = std::mem::take(&mut intended[side]);
        if !fields.is_empty() {
            plan.link.intents[side] = Some(Intent {
                kind: IntentKind::Update {
                    pre_version: records[side].version,
                },
                prepared_at: context.now,
                fields,
            });
        }
    }
}

/// Both sides are left as they are until a person decides, and an edit after this moment is a decision.
fn note_dispute(link: &mut Link, pair: &FieldPair, prints: &PerSide<Option<Fingerprint>>, since: Instant) {
    if let (Some(salesforce), Some(service_now)) = (prints.salesforce.clone(), prints.service_now.clone()) {
        let dispute = Dispute {
            since,
            held: PerSide {
                salesforce,
                service_now,
            },
            pick: None,
        };
        link.disputes.insert(pair.key.clone(), dispute);
    }
}

/// What both sides hold now is their base from here on.
fn take_as_agreed(link: &mut Link, pair: &FieldPair, prints: &PerSide<Option<Fingerprint>>) {
    if let (Some(salesforce), Some(service_now)) = (prints.salesforce.clone(), prints.service_now.clone()) {
        let base = PerSide {
            salesforce,
            service_now,
        };
        link.bases.insert(pair.key.clone(), base);
    }
}

/// Adds one field to its record's write, with its intent, and with what must be journalled of it. False where an earlier
/// attempt has journalled the very value that this one overwrites.
fn plan_write(
    context: &PlanContext<'_>,
    link: &Link,
    (pair, state, prints): (&FieldPair, &FieldState<'_>, &PerSide<Option<Fingerprint>>),
    (side, value): (Side, Value),
    journal: Option<JournalCause>,
    plan: &mut LinkPlan,
    intended: &mut BTreeMap<FieldKey, IntendedField>,
) -> bool {
    // A decision to write was taken on both sides' content, so both were seen; and each record's id is known.
    let (Some(before), Some(from), Some(id)) = (
        prints[side].clone(),
        prints[side.other()].clone(),
        link.ids[side].clone(),
    ) else {
        return false;
    };
    let new = !link.journalled.contains(&before);
    plan.link.journalled.insert(before.clone());
    let journal = journal.filter(|cause| match cause {
        JournalCause::FirstMeeting => !planted(Bug::FirstMeetingSilent),
        _ => !planted(Bug::LoserNotJournalled),
    });
    if let (Some(cause), Some(lost)) = (journal.filter(|_| new), state.current[side]) {
        plan.journal.push(JournalEntry {
            link: link.id.clone(),
            field: pair.key.clone(),
            overwritten: side,
            ids: link.ids.clone(),
            at: context.now,
            cause,
            lost: lost.plain(),
            kept: value.plain(),
        });
    }
    let sent = print(context.fingerprints, link, pair, side, &value);
    intended.insert(
        pair.key.clone(),
        IntendedField {
            sent,
            before: Some(before),
            from,
            restated: false,
        },
    );
    let write = plan.writes[side].get_or_insert_with(|| PlannedWrite {
        id,
        fields: BTreeMap::new(),
    });
    write.fields.insert(pair.fields[side].clone(), value);
    new
}

/// Nothing of this record is written; the link stays as it was, but for its quarantine row.
fn stop(context: &PlanContext<'_>, link: &Link, plan: &mut LinkPlan, problem: Problem) {
    let quarantine = Some(after_failure(link.quarantine.as_ref(), problem, context.now));
    *plan = LinkPlan {
        link: Link {
            quarantine,
            // What was looked at stays looked at, or every poll would try it again.
            seen: plan.link.seen,
            in_rules: plan.link.in_rules,
            last_foreign_change: plan.link.last_foreign_change,
            flips: plan.link.flips.take(),
            ..link.clone()
        },
        writes: PerSide::default(),
        journal: Vec::new(),
        conflicts: 0,
    };
}

fn untranslatable(flow: &Flow, stuck: &[(&FieldPair, Untranslatable)]) -> Option<Problem> {
    let (pair, why) = stuck.first()?;
    let names = pair
        .fields
        .as_ref()
        .map(|side, field| format!("{}.{field}", flow.sides[side].object));
    let message = match why {
        Untranslatable::TooLong { max_length } => format!(
            "the value of one of {} and {} is longer than the {max_length} characters that the other holds; \
             shorten it, or lengthen the field",
            names.salesforce, names.service_now
        ),
        Untranslatable::Unmapped | Untranslatable::NotAChoice => format!(
            "a value of {} or {} has no counterpart; add a row to the field's values in the FieldMapping",
            names.salesforce, names.service_now
        ),
        Untranslatable::CutCopy => format!(
            "one of {} and {} is a cut copy of the other, and was edited; take the marker at its end away to let it \
             replace the whole",
            names.salesforce, names.service_now
        ),
        Untranslatable::WrongKind => format!(
            "a value of {} or {} does not read as what the other side holds; correct it, or the FieldMapping",
            names.salesforce, names.service_now
        ),
    };
    Some(Problem::human(why.reason(), message))
}
