//! What must hold whatever the rest of the engine does; checked just before it would matter, in production too.
//!
//! Each is cheap. A violation is a fault of this program: the flow writes nothing and says which invariant it was, and
//! the other flows go on.

use std::collections::BTreeSet;

use super::deleting::Goodbyes;
use super::sending::Outgoing;
use super::session::{CycleError, Session};
use crate::core::failure::Problem;
use crate::core::flow::OnDelete;
use crate::core::header::Cursor;
use crate::core::ident::{FieldName, LinkId};
use crate::core::link::{IntentKind, Link, Phase};
use crate::core::side::Side;

/// The error that stops a flow whose invariant is violated.
pub(super) fn violated(invariant: &'static str, link: Option<&LinkId>) -> CycleError {
    let place = link.map_or_else(String::new, |id| format!(" (link {id})"));
    tracing::error!(
        invariant,
        link = link.map(LinkId::as_str),
        "an invariant is violated"
    );
    CycleError::Blocked(Problem::human(
        "InvariantViolated",
        format!(
            "a fault of the operator, and the flow writes nothing: {invariant}{place}; please report it. Suspending the \
             flow keeps everything as it is"
        ),
    ))
}

fn hold(invariant: &'static str, link: &LinkId, holds: bool) -> Result<(), CycleError> {
    if holds {
        Ok(())
    } else {
        Err(violated(invariant, Some(link)))
    }
}

/// Before anything of a plan is sent.
pub(super) fn check_outgoing(session: &Session<'_>, outgoing: &Outgoing) -> Result<(), CycleError> {
    for side in Side::BOTH {
        let may_be_made: BTreeSet<&FieldName> = writable(session, side)
            .chain(session.flow.sides[side].on_create.keys())
            .collect();
        for (id, creation) in &outgoing.creations[side] {
            let stored = session.book.stored(id);
            let intended = |link: &Link| {
                matches!(
                    link.intents[side].as_ref().map(|intent| &intent.kind),
                    Some(IntentKind::Create { .. })
                )
            };
            hold(
                "a creation is stored before it is sent",
                id,
                stored.is_some_and(intended),
            )?;
            hold(
                "a record has at most one counterpart",
                id,
                stored.is_some_and(|link| link.ids[side].is_none()),
            )?;
            hold(
                "only an originating side's record, in its rules, gets a counterpart",
                id,
                session.flow.makes(side)
                    && creation.link.origin == side.other()
                    && creation.link.in_rules[side.other()],
            )?;
            hold(
                "only mapped fields and onCreate values are set",
                id,
                creation.fields.keys().all(|field| may_be_made.contains(field)),
            )?;
        }
        let may_be_changed: BTreeSet<&FieldName> = writable(session, side).collect();
        for (id, write) in &outgoing.updates[side] {
            let stored = session.book.stored(id);
            let intended = |link: &Link| {
                matches!(
                    link.intents[side].as_ref().map(|intent| &intent.kind),
                    Some(IntentKind::Update { .. })
                )
            };
            hold(
                "an update is stored before it is sent",
                id,
                stored.is_some_and(intended),
            )?;
            hold(
                "only a pair that is awake is written",
                id,
                stored.is_some_and(|link| link.phase == Phase::Active && link.departure.is_none()),
            )?;
            hold(
                "a write goes to the record that is linked",
                id,
                stored.is_some_and(|link| link.ids[side].as_ref() == Some(&write.id)),
            )?;
            hold(
                "only mapped fields are written, and only towards their side",
                id,
                write.fields.keys().all(|field| may_be_changed.contains(field)),
            )?;
        }
    }
    Ok(())
}

/// Before a deletion or a mark is sent.
pub(super) fn check_goodbyes(session: &Session<'_>, goodbyes: &Goodbyes) -> Result<(), CycleError> {
    for side in Side::BOTH {
        let deletions = goodbyes.deletions[side]
            .iter()
            .map(|(id, record)| (id, record, true));
        let marks = goodbyes.marks[side]
            .iter()
            .map(|(id, write)| (id, &write.id, false));
        for (id, record, deletes) in deletions.chain(marks) {
            let stored = session.book.stored(id);
            let intended = |link: &Link| match link.intents[side].as_ref().map(|intent| &intent.kind) {
                Some(IntentKind::Delete { .. }) => deletes,
                Some(IntentKind::Mark { .. }) => !deletes,
                _ => false,
            };
            hold(
                "a deletion is stored before it is sent",
                id,
                stored.is_some_and(intended),
            )?;
            hold(
                "nothing is deleted without a proven deletion of its partner",
                id,
                stored.is_some_and(|link| {
                    link.ids[side].as_ref() == Some(record)
                        && link
                            .departure
                            .as_ref()
                            .is_some_and(|gone| gone.side == side.other())
                }),
            )?;
            hold(
                "nothing is deleted that onDelete does not say",
                id,
                session.flow.deletes_after(side.other())
                    && deletes == matches!(session.flow.on_delete, OnDelete::DeleteCounterpart),
            )?;
        }
    }
    Ok(())
}

/// After an applied update: what was not written has not moved.
pub(super) fn check_bases(side: Side, before: &Link, after: &Link) -> Result<(), CycleError> {
    let written = before.intents[side].as_ref().map(|intent| &intent.fields);
    let moved = after
        .bases
        .iter()
        .filter(|(key, base)| before.bases.get(*key) != Some(*base))
        .all(|(key, _)| written.is_some_and(|fields| fields.contains_key(key)));
    hold(
        "a base moves only for fields that were written",
        &before.id,
        moved,
    )
}

/// Before a cursor is stored.
pub(super) fn check_cursor(before: &Cursor, after: &Cursor) -> Result<(), CycleError> {
    if after.floor >= before.floor {
        Ok(())
    } else {
        Err(violated("a cursor never goes back by itself", None))
    }
}

/// The fields that are written on a side.
fn writable<'a>(session: &'a Session<'_>, side: Side) -> impl Iterator<Item = &'a FieldName> {
    session
        .flow
        .fields
        .iter()
        .filter(move |pair| pair.direction.writes(side))
        .map(move |pair| &pair.fields[side])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::fingerprint::Fingerprinter;
    use crate::core::ident::{FieldKey, RecordId};
    use crate::core::link::{IntendedField, Intent};
    use crate::core::record::Version;
    use crate::core::side::PerSide;
    use crate::core::time::Instant;
    use crate::core::value::Value;

    fn said(error: Result<(), CycleError>) -> String {
        let problem = error.unwrap_err().problem();
        assert_eq!(problem.reason.as_str(), "InvariantViolated");
        problem.message
    }

    #[test]
    fn a_base_that_moves_without_a_write_is_caught() {
        let id = RecordId::parse(Side::Salesforce, "500000000000001AAA").unwrap();
        let prints = Fingerprinter::new(&[1; 32]);
        let keys = ["a", "b"].map(|name| FieldKey::of(&"A__c".parse().unwrap(), &name.parse().unwrap()));
        let print = |text: &str| prints.of("500", &keys[0], Side::Salesforce, &Value::text(text));
        let mut before = Link::begin(Side::Salesforce, &id);
        before.intents.service_now = Some(Intent {
            kind: IntentKind::Update {
                pre_version: Version {
                    modified: Instant::EPOCH,
                    mod_count: 0,
                },
            },
            prepared_at: Instant::EPOCH,
            fields: BTreeMap::from([(
                keys[0].clone(),
                IntendedField {
                    sent: print("sent"),
                    before: None,
                    from: print("sent"),
                    restated: false,
                },
            )]),
        });
        let mut after = before.clone();
        after
            .bases
            .insert(keys[0].clone(), PerSide::from_fn(|_| print("sent")));
        assert!(check_bases(Side::ServiceNow, &before, &after).is_ok());
        after
            .bases
            .insert(keys[1].clone(), PerSide::from_fn(|_| print("not sent")));
        let message = said(check_bases(Side::ServiceNow, &before, &after));
        assert!(
            message.contains("a base moves only") && message.contains(before.id.as_str()),
            "{message}"
        );
    }

    #[test]
    fn a_cursor_that_goes_back_is_caught() {
        let at = |seconds| Cursor {
            floor: Some(Instant::from_seconds(seconds)),
            scan: None,
        };
        assert!(check_cursor(&at(10), &at(10)).is_ok());
        assert!(check_cursor(&Cursor::default(), &at(10)).is_ok());
        assert!(said(check_cursor(&at(10), &at(9))).contains("cursor"));
    }
}
