//! What became of a write: applied with an answer, or unknown and looked at.
//!
//! The base moves only for fields that we wrote. An intent is compared with what stands there; it is never replayed.

use std::time::Duration;

use super::failure::{Problem, Reason};
use super::flow::{FieldPair, Flow};
use super::journal::{JournalCause, JournalEntry};
use super::link::{IntendedField, Link};
use super::plan::{FIELD_CUT, PlanContext, PlannedWrite, print};
use super::planted::{Bug, planted};
use super::quarantine::after_failure;
use super::record::Record;
use super::side::{PerSide, Side};
use super::value::Value;

/// A field that does not hold what we sent, although the write was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discrepancy {
    /// It holds what it held before: the service dropped it without a word.
    Dropped(String),
    /// It holds the beginning of what was sent.
    Cut(String),
    /// A rule of the service made it something else.
    Changed(String),
}

/// What an applied update came to.
#[derive(Debug)]
pub struct Applied {
    /// The link after it.
    pub link: Link,
    /// Where the target does not hold what was sent.
    pub discrepancies: Vec<Discrepancy>,
    /// What must be journalled because the target holds something else.
    pub journal: Vec<JournalEntry>,
}

/// The link after an applied update.
#[must_use]
pub fn apply_update(
    context: &PlanContext<'_>,
    link: &Link,
    side: Side,
    write: &PlannedWrite,
    read_back: Option<&Record>,
) -> Applied {
    let mut next = link.clone();
    let (mut discrepancies, mut journal) = (Vec::new(), Vec::new());
    let Some(intent) = next.intents[side].take() else {
        return Applied {
            link: next,
            discrepancies,
            journal,
        };
    };
    for pair in &context.flow.fields {
        let Some(field) = intent.fields.get(&pair.key) else {
            continue;
        };
        let stands = read_back.and_then(|record| record.value(&pair.fields[side]));
        let stands_print = stands.map(|value| print(context.fingerprints, link, pair, side, value));
        match (stands, stands_print) {
            (Some(value), Some(stands_print)) if stands_print != field.sent => {
                // What stood there before is no sign of a dropped write where it is what a rule makes of our value.
                let dropped = field.before.as_ref() == Some(&stands_print)
                    && write
                        .fields
                        .get(&pair.fields[side])
                        .is_none_or(|sent| !is_normal_form(value, sent));
                discrepancies.push(classify(
                    &context.flow.sides[side].object.to_string(),
                    pair,
                    side,
                    write,
                    value,
                    dropped,
                ));
                if let (Some(Discrepancy::Changed(_)), Some(sent)) =
                    (discrepancies.last(), write.fields.get(&pair.fields[side]))
                {
                    journal.extend(not_kept(context, link, pair, side, (sent, value)));
                }
                if planted(Bug::NormalisedAnswerNotBase) {
                    next.bases
                        .insert(pair.key.clone(), agreed(side, &field.from, &field.sent));
                } else if !dropped {
                    next.tolerated.remove(&pair.key);
                    // It came in the answer to this very write: it is what our value became there.
                    next.bases
                        .insert(pair.key.clone(), agreed(side, &field.from, &stands_print));
                }
            }
            _ => {
                next.bases
                    .insert(pair.key.clone(), agreed(side, &field.from, &field.sent));
            }
        }
    }
    if let Some(record) = read_back {
        next.seen[side] = next.seen[side].max(Some(record.version));
        let edited_meanwhile = context.flow.fields.iter().any(|pair| {
            let ours = intent.fields.contains_key(&pair.key);
            let value = record.value(&pair.fields[side]).filter(|_| !ours);
            value.is_some_and(|value| {
                let stands = print(context.fingerprints, link, pair, side, value);
                link.bases.get(&pair.key).is_some_and(|base| base[side] != stands)
            })
        });
        if edited_meanwhile {
            // Somebody's edit of another field shows first in the answer to our write: it is dated by it.
            next.last_foreign_change[side] = Some(record.changed_at);
        }
    }
    mark_cut(context.flow, side, &discrepancies, &mut next);
    next.journalled.clear();
    next.quarantine = not_written(&discrepancies, side)
        .map(|problem| after_failure(link.quarantine.as_ref(), problem, context.now));
    Applied {
        link: next,
        discrepancies,
        journal,
    }
}

/// The journal's entry of a value that the target did not keep, unless it holds another way of writing it.
///
/// A rule there may have decided so. But an edit in the moment of a write that the target dropped looks the same, and
/// then each side holds what somebody wrote and nobody over there has seen.
#[must_use]
pub fn not_kept(
    context: &PlanContext<'_>,
    link: &Link,
    pair: &FieldPair,
    side: Side,
    (sent, stands): (&Value, &Value),
) -> Option<JournalEntry> {
    let lost = !sent.is_null() && !is_normal_form(stands, sent) && !planted(Bug::LoserNotJournalled);
    lost.then(|| JournalEntry {
        link: link.id.clone(),
        field: pair.key.clone(),
        overwritten: side,
        ids: link.ids.clone(),
        at: context.now,
        cause: JournalCause::NotKept,
        lost: sent.plain(),
        kept: stands.plain(),
    })
}

/// The reason code of a write between our look at a record and our write to it, which its answer shows.
pub const WRITE_INTERLEAVED: &str = "WriteInterleaved";

/// Did the record's count of writes move by more than our own write since we looked at it last? Then somebody, or a
/// business rule that saves the record again, wrote too, and what stood in the fields that we sent is not known. Said
/// by `ServiceNow`'s `sys_mod_count` only; Salesforce keeps no count.
#[must_use]
pub fn is_interleaved(link: &Link, side: Side, read_back: &Record) -> bool {
    side == Side::ServiceNow
        && link.seen[side].is_some_and(|seen| read_back.version.mod_count > seen.mod_count.saturating_add(1))
}

/// Compares what a creation sent with what its answer shows.
#[must_use]
pub fn compare_creation(
    flow: &Flow,
    side: Side,
    sent: &std::collections::BTreeMap<super::ident::FieldName, Value>,
    record: &Record,
) -> Vec<Discrepancy> {
    sent.iter()
        .filter_map(|(field, value)| {
            let stands = record.value(field)?;
            let name = format!("{}.{field}", flow.sides[side].object);
            (!stands.same_as(value)).then(|| describe(name, value, stands, stands.is_null()))
        })
        .collect()
}

/// Marks the pairs of which the other side kept only the beginning: they are reported until their source changes.
pub fn mark_cut(flow: &Flow, side: Side, discrepancies: &[Discrepancy], link: &mut Link) {
    for pair in &flow.fields {
        let name = format!("{}.{}", flow.sides[side].object, pair.fields[side]);
        if pair.direction.writes(side) && discrepancies.contains(&Discrepancy::Cut(name)) {
            link.held.insert(pair.key.clone(), Reason::new(FIELD_CUT));
        }
    }
}

fn classify(
    object: &str,
    pair: &FieldPair,
    side: Side,
    write: &PlannedWrite,
    stands: &Value,
    dropped: bool,
) -> Discrepancy {
    let field = &pair.fields[side];
    let name = format!("{object}.{field}");
    write.fields.get(field).map_or_else(
        || Discrepancy::Changed(name.clone()),
        |sent| describe(name.clone(), sent, stands, dropped),
    )
}

fn describe(name: String, sent: &Value, stands: &Value, dropped: bool) -> Discrepancy {
    let (sent, stands) = (sent.canonical().plain(), stands.canonical().plain());
    if dropped {
        Discrepancy::Dropped(name)
    } else if !stands.is_empty() && sent.starts_with(&stands) {
        Discrepancy::Cut(name)
    } else {
        Discrepancy::Changed(name)
    }
}

/// Do they differ in letter case and blanks only, as the same text does before and after a service's rules?
fn is_normal_form(stands: &Value, sent: &Value) -> bool {
    let normal = |value: &Value| {
        let text = value.canonical().plain().to_lowercase();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    normal(stands) == normal(sent)
}

/// The quarantine of a record some of whose fields the service dropped, if any.
#[must_use]
pub fn not_written(discrepancies: &[Discrepancy], side: Side) -> Option<Problem> {
    let dropped: Vec<&str> = discrepancies
        .iter()
        .filter_map(|discrepancy| match discrepancy {
            Discrepancy::Dropped(name) => Some(name.as_str()),
            Discrepancy::Cut(_) | Discrepancy::Changed(_) => None,
        })
        .collect();
    (!dropped.is_empty()).then(|| {
        Problem::human(
            "FieldNotWritten",
            format!(
                "{side} accepted the write but left {} as it was; give the integration user the right to write it, or \
                 check that the value is one of its choices",
                dropped.join(", ")
            ),
        )
    })
}

/// An update whose outcome was not known, once its target was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It may still be at work at the service: look again later, write nothing meanwhile.
    Waiting,
    /// It is over; the link without the intent, its bases moved for what was applied.
    Over(Box<Link>),
}

/// Compares the intended update of `side` with what stands there now. `in_flight` is how long after its preparation
/// such a write may still be applied.
#[must_use]
pub fn settle_update(
    context: &PlanContext<'_>,
    link: &Link,
    side: Side,
    record: &Record,
    in_flight: Duration,
) -> Settlement {
    let Some(intent) = link.intents[side].clone() else {
        return Settlement::Over(Box::new(link.clone()));
    };
    let observed: Vec<(&FieldPair, &IntendedField, Standing)> = context
        .flow
        .fields
        .iter()
        .filter_map(|pair| {
            let field = intent.fields.get(&pair.key)?;
            let value = record.value(&pair.fields[side])?;
            let stands = print(context.fingerprints, link, pair, side, value);
            let standing = if stands == field.sent {
                Standing::Sent
            } else if field.before.as_ref() == Some(&stands) {
                Standing::Before
            } else {
                Standing::Other
            };
            Some((pair, field, standing))
        })
        .collect();
    // An intent whose fields all belong to an earlier mapping cannot be compared: it waits its time out.
    let complete = !observed.is_empty()
        && observed
            .iter()
            .all(|(_, _, standing)| *standing == Standing::Sent);
    let may_be_at_work = context.now < intent.prepared_at.later(in_flight);
    if !complete && may_be_at_work && !planted(Bug::UnknownUpdateForgotten) {
        return Settlement::Waiting;
    }
    let mut next = link.clone();
    next.intents[side] = None;
    for (pair, field, standing) in observed {
        // `Before` was dropped, or changed back by somebody; `Other` is somebody's. Neither was agreed: the base stays,
        // both sides count as changed, and what loses is journalled.
        let moved = standing == Standing::Sent;
        if planted(Bug::ForeignReadBackAsBase) && standing == Standing::Other {
            if let Some(value) = record.value(&pair.fields[side]) {
                let stands = print(context.fingerprints, link, pair, side, value);
                next.bases
                    .insert(pair.key.clone(), agreed(side, &field.from, &stands));
            }
        } else if moved {
            next.tolerated.remove(&pair.key);
            next.bases
                .insert(pair.key.clone(), agreed(side, &field.from, &field.sent));
        }
    }
    Settlement::Over(Box::new(next))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Sent,
    Before,
    Other,
}

fn agreed<T: Clone>(written: Side, from: &T, stands: &T) -> PerSide<T> {
    PerSide::from_fn(|side| {
        if side == written {
            stands.clone()
        } else {
            from.clone()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::ident::RecordId;
    use crate::core::record::Version;
    use crate::core::time::Instant;

    fn version(mod_count: u64) -> Version {
        Version {
            modified: Instant::from_seconds(1_000),
            mod_count,
        }
    }

    fn answer(mod_count: u64) -> Record {
        let at = Instant::from_seconds(1_000);
        Record {
            id: RecordId::parse(Side::ServiceNow, &format!("{:032x}", 1)).unwrap(),
            version: version(mod_count),
            changed_at: at,
            created_at: at,
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn a_count_that_moved_by_more_than_our_write_shows_somebody_elses() {
        let record = answer(8);
        let mut link = Link::begin(Side::ServiceNow, &record.id);
        let interleaved = |link: &Link, mod_count| is_interleaved(link, Side::ServiceNow, &answer(mod_count));
        assert!(!interleaved(&link, 8), "nothing is known to compare with");
        link.seen[Side::ServiceNow] = Some(version(7));
        assert!(
            !interleaved(&link, 7),
            "a write that changed nothing is not counted"
        );
        assert!(!interleaved(&link, 8));
        assert!(interleaved(&link, 9));
        assert!(!is_interleaved(&link, Side::Salesforce, &record));
    }

    #[test]
    fn another_way_of_writing_a_text_is_told_from_another_text() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (sent, stands) in [("Loud", "LOUD"), ("a  b ", "a b"), ("x\r\ny", "x y")] {
            assert!(is_normal_form(&text(stands), &text(sent)), "{sent:?} {stands:?}");
        }
        for (sent, stands) in [("246", "273"), ("mine", "set by a rule"), ("mine", "")] {
            assert!(!is_normal_form(&text(stands), &text(sent)), "{sent:?} {stands:?}");
        }
    }
}
