//! The making of a counterpart.
//!
//! A new counterpart gets every field mapped towards it, then its `onCreate` values where no mapped value came. An
//! `onCreate` value is base and does not flow back. Fields that the target fills in by itself, and fields mapped the
//! other way, have no agreement yet and flow back at once.

use std::collections::BTreeMap;

use super::definition::{FieldDirection, UnmappedPolicy};
use super::failure::{Problem, Reason};
use super::flow::FieldPair;
use super::ident::{FieldKey, FieldName, RecordId, Stamp};
use super::link::{IntendedField, Intent, IntentKind, JournalCause, JournalEntry, Link, Phase};
use super::mapping::Untranslatable;
use super::plan::{PlanContext, print};
use super::record::Record;
use super::side::{PerSide, Side};
use super::value::Value;

/// A counterpart to make.
#[derive(Clone, Debug)]
pub struct CreationPlan {
    /// The link with the intent of this creation.
    pub link: Link,
    /// The fields to set, without the stamp.
    pub fields: BTreeMap<FieldName, Value>,
    /// What the stamp field is to hold.
    pub stamp: Stamp,
}

/// Plans the counterpart of `record`, the origin of `link`. `chosen` is the `sys_id` to ask for.
///
/// A problem is this record's: it has a value that the mapping may not carry.
pub fn plan_creation(
    context: &PlanContext<'_>,
    link: &Link,
    record: &Record,
    chosen: Option<RecordId>,
) -> Result<CreationPlan, Problem> {
    let target = link.origin.other();
    let mut next = link.clone();
    next.held.clear();
    let mut fields = BTreeMap::new();
    let mut intended: BTreeMap<FieldKey, IntendedField> = BTreeMap::new();
    let mut intend = |pair: &FieldPair, from: &Value, sent: &Value| {
        let field = IntendedField {
            sent: print(context.fingerprints, link, pair, target, sent),
            before: None,
            from: print(context.fingerprints, link, pair, link.origin, from),
            restated: false,
        };
        intended.insert(pair.key.clone(), field);
    };
    for pair in context
        .flow
        .fields
        .iter()
        .filter(|pair| pair.direction.writes(target))
    {
        let Some(from) = record.value(&pair.fields[link.origin]) else {
            continue;
        };
        match pair.translate(target, from) {
            Ok(sent) if !sent.is_null() => {
                intend(pair, from, &sent);
                fields.insert(pair.fields[target].clone(), sent);
            }
            // An empty two-way field agrees as empty, so that a default of the target is a change that flows back.
            Ok(empty) if pair.direction == FieldDirection::TwoWay => intend(pair, from, &empty),
            Ok(_) => {}
            Err(why @ (Untranslatable::Unmapped | Untranslatable::NotAChoice))
                if pair.unmapped != UnmappedPolicy::Quarantine =>
            {
                next.held.insert(pair.key.clone(), Reason::new(why.reason()));
            }
            Err(why) => return Err(stuck(context, link, pair, &why)),
        }
    }
    for (field, value) in &context.flow.sides[target].on_create {
        if fields.contains_key(field) {
            continue;
        }
        fields.insert(field.clone(), value.clone());
        let mapped = context
            .flow
            .fields
            .iter()
            .filter(|pair| pair.fields[target] == *field);
        for pair in mapped {
            next.held.remove(&pair.key);
            intend(
                pair,
                record.value(&pair.fields[link.origin]).unwrap_or(&Value::Null),
                value,
            );
        }
    }
    if let Some(earlier) = &link.intents[target] {
        for (key, field) in &mut intended {
            field.restated = earlier
                .fields
                .get(key)
                .is_none_or(|old| old.restated || old.sent != field.sent);
        }
    }
    next.phase = Phase::Pending;
    next.in_rules[link.origin] = true;
    next.seen[link.origin] = next.seen[link.origin].max(Some(record.version));
    next.intents[target] = Some(Intent {
        kind: IntentKind::Create { chosen },
        prepared_at: context.now,
        fields: intended,
    });
    let stamp = Stamp {
        side: link.origin,
        id: record.id.clone(),
    };
    Ok(CreationPlan {
        link: next,
        fields,
        stamp,
    })
}

/// How a record became known as the one that an intent was to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The answer to this very write showed it: whatever it holds is what our write became.
    Answer,
    /// It was found later: somebody may have changed it since.
    Found,
}

/// The link once its counterpart exists: bases for what was sent, none for the rest. Also what must be journalled
/// because an earlier attempt's value gives way to the origin's newer one.
#[must_use]
pub fn complete_creation(
    context: &PlanContext<'_>,
    link: &Link,
    id: &RecordId,
    record: Option<(&Record, Attribution)>,
) -> (Link, Vec<JournalEntry>) {
    let target = link.origin.other();
    let mut next = link.clone();
    let mut journal = Vec::new();
    next.ids[target] = Some(id.clone());
    next.phase = Phase::Active;
    next.quarantine = None;
    let Some(intent) = next.intents[target].take() else {
        return (next, journal);
    };
    for pair in &context.flow.fields {
        let current = record.and_then(|(record, _)| record.value(&pair.fields[target]));
        let stands = current.map(|value| print(context.fingerprints, link, pair, target, value));
        let nothing = |side: Side| print(context.fingerprints, link, pair, side, &Value::Null);
        if next.held.contains_key(&pair.key) {
            // The value waits: whatever the target holds is no edit, and the origin's value is one when it can go.
            let target_print = stands.unwrap_or_else(|| nothing(target));
            next.bases.insert(
                pair.key.clone(),
                base(link.origin, nothing(link.origin), target_print),
            );
            continue;
        }
        let Some(field) = intent.fields.get(&pair.key) else {
            continue;
        };
        let was_written = field.sent != nothing(target);
        let agreed = match (record, stands) {
            (Some((_, Attribution::Answer)), Some(stands)) if was_written => {
                if stands != field.sent && stands == nothing(target) {
                    // Dropped without a word: the origin's value is still to be sent, and that is reported.
                    base(link.origin, nothing(link.origin), stands)
                } else {
                    base(link.origin, field.from.clone(), stands)
                }
            }
            (Some((_, Attribution::Found)), Some(stands)) if field.restated && stands != field.sent => {
                if let Some(lost) = current.filter(|value| !value.is_null()) {
                    journal.push(superseded(context, &next, pair, target, lost));
                }
                // What the origin holds now is a change, also where it is nothing.
                let emptied = field.from == nothing(link.origin);
                let before = current.filter(|_| emptied).unwrap_or(&Value::Null);
                let before = print(context.fingerprints, link, pair, link.origin, before);
                base(link.origin, before, stands)
            }
            _ => base(link.origin, field.from.clone(), field.sent.clone()),
        };
        next.bases.insert(pair.key.clone(), agreed);
    }
    if let Some((record, Attribution::Answer)) = record {
        next.seen[target] = Some(record.version);
    }
    (next, journal)
}

fn base<T>(origin: Side, from: T, sent: T) -> PerSide<T> {
    match origin {
        Side::Salesforce => PerSide {
            salesforce: from,
            service_now: sent,
        },
        Side::ServiceNow => PerSide {
            salesforce: sent,
            service_now: from,
        },
    }
}

fn superseded(
    context: &PlanContext<'_>,
    link: &Link,
    pair: &FieldPair,
    target: Side,
    lost: &Value,
) -> JournalEntry {
    JournalEntry {
        link: link.id.clone(),
        field: pair.key.clone(),
        overwritten: target,
        ids: link.ids.clone(),
        at: context.now,
        cause: JournalCause::FirstMeeting,
        lost: lost.plain(),
        kept: String::new(),
    }
}

fn stuck(context: &PlanContext<'_>, link: &Link, pair: &FieldPair, why: &Untranslatable) -> Problem {
    let target = link.origin.other();
    let from = format!(
        "{}.{}",
        context.flow.sides[link.origin].object, pair.fields[link.origin]
    );
    let to = format!("{}.{}", context.flow.sides[target].object, pair.fields[target]);
    let message = match why {
        Untranslatable::TooLong { max_length } => format!(
            "the value of {from} is longer than the {max_length} characters of {to}; shorten it, or lengthen the field"
        ),
        Untranslatable::Unmapped | Untranslatable::NotAChoice => {
            format!(
                "the value of {from} has no counterpart in {to}; add a row to the field's values in the FieldMapping"
            )
        }
        Untranslatable::CutCopy => {
            format!("the value of {from} is a cut copy; take the marker at its end away")
        }
        Untranslatable::WrongKind => {
            format!("the value of {from} does not read as what {to} holds; correct it, or the FieldMapping")
        }
    };
    Problem::human(why.reason(), message)
}

#[cfg(test)]
mod tests;
