//! A record without a link → its stamp's partner, its match, or a counterpart to make.
//!
//! In every matching mode stamps are looked up first, and a link found by its stamp is restored: that is what makes
//! creation idempotent and lost state rebuildable. Two candidates are never guessed between.

use std::collections::{BTreeMap, BTreeSet};

use super::intake::{Fresh, Intake, stamp_of};
use super::processing::{Work, not_visible, put_quarantined, read};
use super::session::{CycleError, OnSide, Session};
use crate::core::creation::{Attribution, complete_creation};
use crate::core::definition::Matching;
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, LinkId, RecordId, Stamp};
use crate::core::link::{Link, Phase};
use crate::core::mapping::parse;
use crate::core::quarantine::after_failure;
use crate::core::record::{Observation, Record};
use crate::core::rules::{Verdict, evaluate};
use crate::core::side::{PerSide, Side};
use crate::core::value::Value;

/// Gives every unlinked record of a page its link, in memory: restored, matched, or to be created.
pub(super) async fn resolve(
    session: &mut Session<'_>,
    side: Side,
    intake: &mut Intake,
    work: &mut Work,
) -> Result<(), CycleError> {
    let stamped = std::mem::take(&mut intake.stamped);
    intake
        .touched
        .extend(attach_stamped(session, side, stamped, work).await?);
    let candidates = std::mem::take(&mut intake.candidates);
    let mut may_create = resolve_candidates(session, side, &candidates, &mut work.fresh).await?;
    let alone = std::mem::take(&mut intake.alone);
    may_create.extend(reconsider(session, &alone, &mut work.fresh).await?);
    let older = std::mem::take(&mut intake.older);
    let restored = restore_older(session, side, &older, &mut work.fresh).await?;
    intake.touched.extend(restored);
    intake.touched.extend(may_create.iter().cloned());
    work.may_create.extend(may_create);
    Ok(())
}

/// Records from before the flow's first activation never originate; but one that an earlier life of this flow linked
/// is found by the stamp of its counterpart, as any other.
async fn restore_older(
    session: &mut Session<'_>,
    side: Side,
    records: &[Record],
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let ids: Vec<RecordId> = records.iter().map(|record| record.id.clone()).collect();
    let bearers = find_stamps(session, side.other(), &ids).await?;
    let stamped = |record: &&Record| bearers.contains_key(&record.id);
    let known: Vec<Record> = records.iter().filter(stamped).cloned().collect();
    resolve_candidates(session, side, &known, fresh).await
}

/// Looks again for the counterparts of links that have none: the record changed, or its quarantine is over. Returns
/// the links that may go on.
pub(super) async fn reconsider(
    session: &mut Session<'_>,
    alone: &BTreeSet<LinkId>,
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let mut touched = BTreeSet::new();
    for side in Side::BOTH {
        let origins: Vec<RecordId> = alone
            .iter()
            .filter_map(|id| session.book.get(id))
            .filter(|link| link.origin == side)
            .filter_map(|link| link.origin_id().cloned())
            .collect();
        let mut candidates = Vec::new();
        for (id, observation) in read(session, side, &origins).await? {
            let Some(link) = session.book.of_record(side, &id).cloned() else {
                continue;
            };
            match observation {
                Observation::Present(record) => {
                    let verdict = evaluate(&session.flow.sides[side].rules, &record);
                    // It may have been undeleted.
                    let link = Link {
                        phase: Phase::Pending,
                        ..link
                    };
                    session.book.put(link.clone());
                    if let Some(stamp) =
                        stamp_of(session, side, &record).filter(|_| verdict == Verdict::Holds)
                    {
                        let problem = copied_stamp(session, side, &id, &stamp);
                        let mut link = link;
                        link.seen[side] = Some(record.version);
                        put_quarantined(session, link, problem);
                    } else if verdict == Verdict::Holds && session.flow.direction.originates(side) {
                        candidates.push(record);
                    } else if matches!(verdict, Verdict::Holds | Verdict::Fails) {
                        let mut link = Link {
                            quarantine: None,
                            deferred: false,
                            ..link
                        };
                        link.in_rules[side] = verdict == Verdict::Holds;
                        link.seen[side] = Some(record.version);
                        session.book.put(link);
                    }
                }
                Observation::Gone(_) => {
                    session.book.put(Link {
                        phase: Phase::Tombstone,
                        quarantine: None,
                        deferred: false,
                        ..link
                    });
                }
                Observation::NotVisible => {
                    let problem = not_visible(session, side, &id);
                    put_quarantined(session, link, problem);
                }
                Observation::Unread => {}
            }
        }
        touched.extend(resolve_candidates(session, side, &candidates, fresh).await?);
    }
    // Only what is decided: a link that goes on is committed with what is planned for it, or its change would be
    // forgotten by a crash in between.
    let decided = alone.difference(&touched).cloned().collect();
    session.commit(&decided, Vec::new()).await?;
    Ok(touched)
}

/// Records that carry a stamp never originate; they belong to the records that their stamps name. Returns the links
/// that may go on.
async fn attach_stamped(
    session: &mut Session<'_>,
    side: Side,
    stamped: Vec<(Record, Stamp)>,
    work: &mut Work,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let partner_side = side.other();
    let unknown: BTreeSet<RecordId> = stamped
        .iter()
        .filter(|(_, stamp)| session.book.of_record(partner_side, &stamp.id).is_none())
        .map(|(_, stamp)| stamp.id.clone())
        .collect();
    let open: BTreeSet<RecordId> = stamped
        .iter()
        .filter(|(_, stamp)| {
            let link = session.book.of_record(partner_side, &stamp.id);
            link.is_none_or(|link| link.ids[side].is_none())
        })
        .map(|(_, stamp)| stamp.id.clone())
        .collect();
    let unknown: Vec<RecordId> = unknown.into_iter().collect();
    let open: Vec<RecordId> = open.into_iter().collect();
    let partners = read(session, partner_side, &unknown).await?;
    let bearers = find_stamps(session, side, &open).await?;
    let mut touched = BTreeSet::new();
    let mut stuck = BTreeSet::new();
    for (record, stamp) in stamped {
        let known = session.book.of_record(partner_side, &stamp.id).cloned();
        if known.as_ref().is_some_and(|link| link.ids[side].is_some()) {
            let taken = known.is_some_and(|link| link.ids[side].as_ref() != Some(&record.id));
            if taken {
                let problem = copied_stamp(session, side, &record.id, &stamp);
                if evaluate(&session.flow.sides[side].rules, &record) == Verdict::Holds {
                    // Somebody takes it for one that is in sync: that it is not is said for as long as it is so.
                    let mut link = quarantined(session, Link::begin(side, &record.id), problem);
                    link.seen[side] = Some(record.version);
                    stuck.insert(link.id.clone());
                    session.book.put(link);
                } else {
                    session.warn(problem);
                }
            }
            continue;
        }
        let link = known.unwrap_or_else(|| Link::begin(partner_side, &stamp.id));
        let bearing = bearers.get(&stamp.id).map_or(0, Vec::len);
        let problem = match partners.get(&stamp.id) {
            // Its partner is gone: it stays alone, and it never originates.
            Some(Observation::Gone(_)) => continue,
            Some(Observation::NotVisible) => Some(not_visible(session, partner_side, &stamp.id)),
            _ if bearing > 1 => Some(ambiguous_stamp(session, side, &stamp, bearing)),
            _ => None,
        };
        let link = match problem {
            Some(problem) => {
                stuck.insert(link.id.clone());
                quarantined(session, link, problem)
            }
            None if link.has_intent() => {
                let shown = Some((&record, Attribution::Found));
                let (link, entries) = complete_creation(&session.context(), &link, &record.id, shown);
                work.journal.extend(entries);
                touched.insert(link.id.clone());
                link
            }
            None => {
                touched.insert(link.id.clone());
                attach(link, side, &record.id)
            }
        };
        session.book.put(link);
        work.fresh[side].insert(record.id.clone(), record);
    }
    session.commit(&stuck, Vec::new()).await?;
    Ok(touched)
}

fn attach(mut link: Link, side: Side, id: &RecordId) -> Link {
    link.ids[side] = Some(id.clone());
    link
}

fn quarantined(session: &Session<'_>, link: Link, problem: Problem) -> Link {
    let quarantine = after_failure(link.quarantine.as_ref(), problem, session.parts.clock.now());
    Link {
        quarantine: Some(quarantine),
        ..link
    }
}

fn copied_stamp(session: &Session<'_>, side: Side, id: &RecordId, stamp: &Stamp) -> Problem {
    Problem::human(
        "CopiedStamp",
        format!(
            "{} {id} carries the stamp of {} {}, which is already linked to another record (a copy keeps its original's \
             stamp); clear the stamp field of the copy to let it sync on its own",
            session.flow.sides[side].object, stamp.side, stamp.id
        ),
    )
}

fn ambiguous_stamp(session: &Session<'_>, side: Side, stamp: &Stamp, count: usize) -> Problem {
    Problem::human(
        "AmbiguousStamp",
        format!(
            "{count} {} records carry the stamp of {} {}; clear the stamp field of all but one",
            session.flow.sides[side].object, stamp.side, stamp.id
        ),
    )
}

/// The records of `side` that carry the stamps of these partners.
pub(super) async fn find_stamps(
    session: &Session<'_>,
    side: Side,
    partners: &[RecordId],
) -> Result<BTreeMap<RecordId, Vec<Record>>, CycleError> {
    let mut bearers: BTreeMap<RecordId, Vec<Record>> = BTreeMap::new();
    let Some(field) = session.flow.sides[side].stamp_field.clone() else {
        return Ok(bearers);
    };
    let remote = &session.parts.remotes[side];
    for chunk in partners.chunks(remote.limits().read_ids.max(1)) {
        let values: Vec<Value> = chunk
            .iter()
            .map(|id| {
                Value::text(
                    Stamp {
                        side: side.other(),
                        id: id.clone(),
                    }
                    .to_string(),
                )
            })
            .collect();
        let found = remote
            .find(&session.schemas[side], &field, &values, &session.fields[side])
            .await
            .on(side)?;
        for record in found {
            // Compared again by us: a service's own comparison may fold case or trim.
            if let Some(stamp) = stamp_of(session, side, &record).filter(|stamp| chunk.contains(&stamp.id)) {
                bearers.entry(stamp.id).or_default().push(record);
            }
        }
    }
    Ok(bearers)
}

/// Finds, for records that the rules let in, what is there already. Returns the links that may go on; those that
/// cannot be decided are committed with their quarantine rows, and nothing is made for them.
async fn resolve_candidates(
    session: &mut Session<'_>,
    side: Side,
    candidates: &[Record],
    fresh: &mut Fresh,
) -> Result<BTreeSet<LinkId>, CycleError> {
    let mut touched = BTreeSet::new();
    let mut stuck = BTreeSet::new();
    for chunk in candidates.chunks(session.parts.remotes[side.other()].limits().read_ids.max(1)) {
        resolve_chunk(session, side, chunk, fresh, &mut touched, &mut stuck).await?;
    }
    session.commit(&stuck, Vec::new()).await?;
    Ok(touched)
}

async fn resolve_chunk(
    session: &mut Session<'_>,
    side: Side,
    candidates: &[Record],
    fresh: &mut Fresh,
    touched: &mut BTreeSet<LinkId>,
    stuck: &mut BTreeSet<LinkId>,
) -> Result<(), CycleError> {
    let target = side.other();
    let ids: Vec<RecordId> = candidates.iter().map(|record| record.id.clone()).collect();
    let bearers = find_stamps(session, target, &ids).await?;
    let unstamped: Vec<&Record> = candidates
        .iter()
        .filter(|record| !bearers.contains_key(&record.id))
        .collect();
    let matches = find_matches(session, side, &unstamped).await?;
    for record in candidates {
        let link = session
            .book
            .of_record(side, &record.id)
            .cloned()
            .unwrap_or_else(|| Link::begin(side, &record.id));
        let earlier = link.quarantine.clone();
        let stamp = Stamp {
            side,
            id: record.id.clone(),
        };
        let link = match (
            bearers.get(&record.id).map(Vec::as_slice),
            matches.get(&record.id).map(Vec::as_slice),
        ) {
            (Some([bearer]), _) if linked_otherwise(session, target, &bearer.id, &link.id) => {
                let problem = already_linked(session, target, &bearer.id);
                quarantined(session, link, problem)
            }
            (Some([bearer]), _) => {
                let link = attach(link, target, &bearer.id);
                fresh[target].insert(bearer.id.clone(), bearer.clone());
                link
            }
            (Some([_, ..]), _) => {
                let count = bearers.get(&record.id).map_or(0, Vec::len);
                quarantined(session, link, ambiguous_stamp(session, target, &stamp, count))
            }
            (_, Some([found])) if matched_by(&matches, &found.id) > 1 => {
                let problem = ambiguous_match(session, side, &stamp, matched_by(&matches, &found.id));
                quarantined(session, link, problem)
            }
            (_, Some([found])) => match taken(session, target, found, &link) {
                None => {
                    let link = attach(link, target, &found.id);
                    fresh[target].insert(found.id.clone(), found.clone());
                    link
                }
                Some(problem) => quarantined(session, link, problem),
            },
            (_, Some(found)) if found.len() > 1 => {
                let problem = ambiguous_match(session, side, &stamp, found.len());
                quarantined(session, link, problem)
            }
            _ => link,
        };
        if link.quarantine == earlier {
            touched.insert(link.id.clone());
            fresh[side].insert(record.id.clone(), record.clone());
            session.book.put(link);
        } else {
            let mut link = Link {
                deferred: false,
                ..link
            };
            link.seen[side] = Some(record.version);
            stuck.insert(link.id.clone());
            session.book.put(link);
        }
    }
    Ok(())
}

/// How many of these records have that one match.
fn matched_by(matches: &BTreeMap<RecordId, Vec<Record>>, found: &RecordId) -> usize {
    matches
        .values()
        .filter(|records| records.iter().any(|record| record.id == *found))
        .count()
}

fn ambiguous_match(session: &Session<'_>, side: Side, stamp: &Stamp, count: usize) -> Problem {
    Problem::human(
        "AmbiguousMatch",
        format!(
            "the keys of {} {} fit {count} records where they should fit one; make them unique, or fill the stamp field \
             of its counterpart with {stamp}",
            session.flow.sides[side].object, stamp.id
        ),
    )
}

/// Why a match cannot be taken: it already belongs to another record.
fn taken(session: &Session<'_>, target: Side, found: &Record, link: &Link) -> Option<Problem> {
    let stamped_otherwise =
        stamp_of(session, target, found).is_some_and(|stamp| Some(&stamp.id) != link.origin_id());
    (stamped_otherwise || linked_otherwise(session, target, &found.id, &link.id))
        .then(|| already_linked(session, target, &found.id))
}

fn linked_otherwise(session: &Session<'_>, side: Side, id: &RecordId, link: &LinkId) -> bool {
    session
        .book
        .of_record(side, id)
        .is_some_and(|known| known.id != *link)
}

fn already_linked(session: &Session<'_>, side: Side, id: &RecordId) -> Problem {
    Problem::human(
        "MatchAlreadyLinked",
        format!(
            "{} {id} would be its counterpart, but it is already linked to another record; correct the keys or the \
             stamp of one of them",
            session.flow.sides[side].object
        ),
    )
}

/// Existing records of the other side whose every key equals the record's.
async fn find_matches(
    session: &Session<'_>,
    side: Side,
    records: &[&Record],
) -> Result<BTreeMap<RecordId, Vec<Record>>, CycleError> {
    let target = side.other();
    let mut matches: BTreeMap<RecordId, Vec<Record>> = BTreeMap::new();
    let Matching::MatchThenCreate { keys } = &session.flow.matching else {
        return Ok(matches);
    };
    let Some(first) = keys.first() else {
        return Ok(matches);
    };
    // A record with an empty key matches nothing: otherwise every record without one would match every other.
    let keyed: Vec<&&Record> = records
        .iter()
        .filter(|record| has_keys(record, side, keys))
        .collect();
    // Asked in the kind of the field that is searched: a number on one side is often text on the other.
    let kind = session.flow.sides[target].kinds.get(&first[target]);
    let texts: BTreeSet<String> = keyed
        .iter()
        .filter_map(|record| Some(record.value(&first[side])?.canonical().plain()))
        .collect();
    let values: Vec<Value> = texts.iter().filter_map(|text| parse(text, kind?)).collect();
    if values.is_empty() {
        return Ok(matches);
    }
    let found = session.parts.remotes[target]
        .find(
            &session.schemas[target],
            &first[target],
            &values,
            &session.fields[target],
        )
        .await
        .on(target)?;
    for record in keyed {
        let equal: Vec<Record> = found
            .iter()
            .filter(|candidate| {
                keys.iter().all(|key| {
                    matches!(
                        (record.value(&key[side]), candidate.value(&key[target])),
                        (Some(ours), Some(theirs)) if same_key(ours, theirs)
                    )
                })
            })
            .cloned()
            .collect();
        if !equal.is_empty() {
            matches.insert(record.id.clone(), equal);
        }
    }
    Ok(matches)
}

fn has_keys(record: &Record, side: Side, keys: &[PerSide<FieldName>]) -> bool {
    keys.iter().all(|key| {
        record
            .value(&key[side])
            .is_some_and(|value| !value.canonical().is_null())
    })
}

/// Keys are compared as text, since a number on one side is often text on the other.
fn same_key(ours: &Value, theirs: &Value) -> bool {
    ours.canonical().plain() == theirs.canonical().plain()
}
