//! Every record has its one counterpart, and nothing was made or deleted that should not have been.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use syncflow::core::definition::DeletePolicy;
use syncflow::core::ident::Stamp;
use syncflow::core::side::Side;
use syncflow_simulators::{Actor, Write, WriteKind};

use super::{Evidence, stamp_field, text, writes};
use crate::people::ids;
use crate::settings::MARKED;

/// A record that the flow made, and for which it was made.
struct Made {
    side: Side,
    id: String,
    origin: Stamp,
}

/// A creation whose answer was lost is looked for within this time.
const UNHEARD_OF: SignedDuration = SignedDuration::from_secs(60);

impl Made {
    /// How long it was there before a person deleted it.
    fn lasted(&self, evidence: &Evidence<'_>) -> Option<SignedDuration> {
        let of =
            |kind| writes(evidence.world, self.side).find(|write| write.id == self.id && write.kind == kind);
        let deleted = of(WriteKind::Deleted).filter(|write| matches!(write.actor, Actor::Person(_)))?;
        Some(deleted.at.duration_since(of(WriteKind::Created)?.at))
    }

    /// Is this the pair of that record, and was its other record deleted?
    fn was_parted(&self, evidence: &Evidence<'_>, side: Side, id: &str) -> bool {
        let origin = &self.origin;
        (origin.side == side && origin.id.as_str() == id && evidence.was_deleted(self.side, &self.id))
            || (self.side == side && self.id == id && evidence.was_deleted(origin.side, origin.id.as_str()))
    }
}

/// Did this record have a partner that was deleted?
pub fn was_parted(evidence: &Evidence<'_>, side: Side, id: &str) -> Result<bool, String> {
    let everything = everything_made(evidence)?;
    Ok(everything.iter().any(|made| made.was_parted(evidence, side, id)))
}

/// No record was made twice for the same origin, and none for nobody; the flow deleted nothing that it was not told to.
pub fn nothing_doubled_or_deleted(evidence: &Evidence<'_>) -> Result<(), String> {
    let everything = everything_made(evidence)?;
    for side in Side::BOTH {
        for write in writes(evidence.world, side) {
            if write.kind != WriteKind::Deleted || !matches!(write.actor, Actor::Api(_)) {
                continue;
            }
            let allowed = evidence.definition.on_delete == DeletePolicy::DeleteCounterpart;
            let parted = everything
                .iter()
                .any(|made| made.was_parted(evidence, side, &write.id));
            if !allowed || !parted {
                return Err(format!(
                    "the flow deleted {side} {}, whose counterpart nobody had deleted",
                    write.id
                ));
            }
        }
    }
    marked_only_where_parted(evidence, &everything)?;
    let mut by_origin: BTreeMap<String, Vec<Made>> = BTreeMap::new();
    for made in everything {
        let Made { side, id, origin } = &made;
        let exists = |side, id: &str| evidence.record(side, id).is_some() || evidence.is_deleted(side, id);
        if !exists(*side, id) {
            return Err(format!("{side} {id}, which the flow made, is gone"));
        }
        if !exists(origin.side, origin.id.as_str()) {
            return Err(format!("{side} {id} was made for {origin}, which never was"));
        }
        by_origin.entry(origin.to_string()).or_default().push(made);
    }
    for (origin, made) in by_origin {
        // Where a person deleted the counterpart and link state is lost, or the flow could not have heard of it yet,
        // nothing tells any more that there was one.
        let forgotten = |made: &Made| {
            (evidence.lost_state && evidence.was_deleted(made.side, &made.id))
                || made.lasted(evidence).is_some_and(|lasted| lasted < UNHEARD_OF)
        };
        let standing = made.iter().filter(|made| !forgotten(made));
        if standing.count() > 1 {
            let ids: Vec<&str> = made.iter().map(|made| made.id.as_str()).collect();
            return Err(format!("{origin} got {} counterparts: {ids:?}", made.len()));
        }
    }
    Ok(())
}

/// The mark says that the partner is gone, and nothing else may have set it.
fn marked_only_where_parted(evidence: &Evidence<'_>, everything: &[Made]) -> Result<(), String> {
    for side in Side::BOTH {
        let (field, says) = MARKED[side];
        let marks = writes(evidence.world, side).filter(|write| {
            write.kind == WriteKind::Updated
                && matches!(write.actor, Actor::Api(_))
                && write.changed.contains_key(field)
        });
        for write in marks {
            let told = matches!(evidence.definition.on_delete, DeletePolicy::Mark(_));
            let parted = everything
                .iter()
                .any(|made| made.was_parted(evidence, side, &write.id));
            let said = text(&write.changed[field].after);
            if !told || !parted || said != says {
                return Err(format!(
                    "the flow marked {side} {} with {said:?}, whose counterpart nobody had deleted",
                    write.id
                ));
            }
        }
    }
    Ok(())
}

fn everything_made(evidence: &Evidence<'_>) -> Result<Vec<Made>, String> {
    let mut all = Vec::new();
    for side in Side::BOTH {
        let made = writes(evidence.world, side)
            .filter(|write| write.kind == WriteKind::Created && matches!(write.actor, Actor::Api(_)));
        for write in made {
            let stamp = stamped(side, write);
            let origin = Stamp::parse(&stamp)
                .ok_or_else(|| format!("{side} {} was made with the stamp {stamp:?}", write.id))?;
            all.push(Made {
                side,
                id: write.id.clone(),
                origin,
            });
        }
    }
    Ok(all)
}

fn stamped(side: Side, write: &Write) -> String {
    write
        .changed
        .get(stamp_field(side))
        .map_or_else(String::new, |change| text(&change.after))
}

/// At the end every record is in the rules of its side, so every hand-made one of an originating side is linked, unless
/// its counterpart was deleted: then it never gets another.
pub fn everything_has_its_counterpart(evidence: &Evidence<'_>) -> Result<(), String> {
    let everything = everything_made(evidence)?;
    for side in Side::BOTH {
        let linked: BTreeSet<&str> = evidence
            .state
            .links()
            .filter(|link| link.pair().is_some())
            .filter_map(|link| Some(link.ids[side].as_ref()?.as_str()))
            .collect();
        for id in ids(evidence.world, side) {
            let by_flow = everything.iter().any(|made| made.side == side && made.id == id);
            let lost_partner = everything.iter().any(|made| made.was_parted(evidence, side, &id));
            let due = evidence.definition.direction.originates(side) && !by_flow;
            if due && !lost_partner && !linked.contains(id.as_str()) {
                return Err(format!("{side} {id} is in the rules and has no counterpart"));
            }
            let said = evidence.report.quarantine.iter().any(|row| {
                row.problem.reason.as_str() == "CopiedStamp"
                    && row.ids[side].as_ref().is_some_and(|of| of.as_str() == id)
            });
            // Salesforce takes a unique value away from a record that is undeleted after another got it.
            let unmarked = evidence.record(side, &id).is_some_and(|record| {
                record
                    .get(stamp_field(side))
                    .is_none_or(|stamp| text(stamp).is_empty())
            });
            if by_flow && !lost_partner && !said && !unmarked && !linked.contains(id.as_str()) {
                return Err(format!("{side} {id}, which the flow made, is linked to nothing"));
            }
        }
    }
    Ok(())
}
