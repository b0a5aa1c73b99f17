//! What people ask of a running flow, and how it is carried out.
//!
//! Each request is the text of an annotation on the `SyncFlow`: whoever may edit the flow may ask, the asking is in the
//! API server's audit, and the one writer of link state stays the worker. An annotation stays where it is, so what was
//! carried out is remembered and carried out once.

use std::collections::BTreeSet;

use super::cycle::look_at;
use super::departures::bury;
use super::session::{CycleError, Session};
use crate::core::deletion::COUNTERPART_EDITED;
use crate::core::failure::Problem;
use crate::core::ident::{FieldKey, LinkId, digest_of};
use crate::core::link::{Link, Phase};
use crate::core::side::{PerSide, Side};

/// What people ask of a running flow. Compared as text: a request is new when it differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// A token that changes when a cycle is wanted now; it comes back in
    /// [`super::report::FlowReport::handled_sync_now`].
    pub sync_now: Option<String>,
    /// The token of a plan that a guard holds back, and that may go on.
    pub approved_plan: Option<String>,
    /// Which side wins the conflicts that wait for a person: [`picks`].
    pub resolve: Option<String>,
    /// Which quarantined records are tried again at once: [`released`].
    pub release: Option<String>,
}

/// One person's word on the open conflicts of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The id of either record of the pair.
    pub record: String,
    /// The field on either side; without it, all of the record's open conflicts.
    pub field: Option<String>,
    /// Whose value stands.
    pub side: Side,
}

/// Reads `RECORD=SIDE,RECORD/FIELD=SIDE#anything`. Parts that do not read so are given back as they are.
#[must_use]
pub fn picks(text: &str) -> (Vec<Pick>, Vec<String>) {
    let (mut picks, mut unread) = (Vec::new(), Vec::new());
    for part in parts(text) {
        let pick = part.split_once('=').and_then(|(what, side)| {
            let side = Side::BOTH
                .into_iter()
                .find(|known| known.label().eq_ignore_ascii_case(side.trim()))?;
            let (record, field) = match what.split_once('/') {
                Some((record, field)) => (record, Some(field.trim().to_owned())),
                None => (what, None),
            };
            Some(Pick {
                record: record.trim().to_owned(),
                field,
                side,
            })
        });
        match pick {
            Some(pick) => picks.push(pick),
            None => unread.push(part.to_owned()),
        }
    }
    (picks, unread)
}

/// Reads `RECORD,RECORD#anything`, or `*#anything`: `None` stands for every record.
#[must_use]
pub fn released(text: &str) -> Option<BTreeSet<String>> {
    let records: BTreeSet<String> = parts(text).map(str::to_owned).collect();
    (!records.contains("*")).then_some(records)
}

/// What stands before the `#`, which only tells one request from another.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let (asked, _) = text.split_once('#').unwrap_or((text, ""));
    asked.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Carries out what was not carried out yet.
pub(super) async fn carry_out(session: &mut Session<'_>) -> Result<(), CycleError> {
    let requests = session.requests();
    let digest = |text: &Option<String>| text.as_deref().map(digest_of);
    let (resolve, release) = (digest(&requests.resolve), digest(&requests.release));
    if let Some(text) = requests
        .resolve
        .filter(|_| resolve != session.header.handled.resolve)
    {
        let links = decide(session, &text);
        session.commit(&links, Vec::new()).await?;
        look_at(session, links).await?;
        session.header.handled.resolve = resolve;
        session.commit_header().await?;
    }
    if let Some(text) = requests
        .release
        .filter(|_| release != session.header.handled.release)
    {
        let links = let_go(session, &text);
        session.commit(&links, Vec::new()).await?;
        session.header.handled.release = release;
        session.commit_header().await?;
    }
    Ok(())
}

/// Writes people's word into the links.
fn decide(session: &mut Session<'_>, text: &str) -> BTreeSet<LinkId> {
    let (picks, unread) = picks(text);
    let mut decided = BTreeSet::new();
    let mut without_effect = unread;
    for pick in picks {
        let keys: BTreeSet<FieldKey> = session
            .flow
            .fields
            .iter()
            .filter(|pair| {
                pick.field.as_deref().is_none_or(|field| {
                    pair.fields.salesforce.as_str() == field || pair.fields.service_now.as_str() == field
                })
            })
            .map(|pair| pair.key.clone())
            .collect();
        let named: Option<Link> = session
            .book
            .links()
            .find(|link| link.phase != Phase::Tombstone && is_named(link, &pick.record))
            .cloned();
        let mut found = false;
        if let Some(mut link) = named {
            for (_, dispute) in link.disputes.iter_mut().filter(|(key, _)| keys.contains(key)) {
                dispute.pick = Some(pick.side);
                found = true;
            }
            if found {
                decided.insert(link.id.clone());
                session.book.put(link);
            }
        }
        if !found {
            without_effect.push(pick.record);
        }
    }
    if !without_effect.is_empty() {
        session.warn(Problem::human(
            "RequestWithoutEffect",
            format!(
                "the annotation syncflow.io/resolve-conflicts names {}, for which no conflict is open; write \
                 RECORD=salesforce or RECORD/FIELD=servicenow, with ids from status.openConflicts",
                shown(&without_effect)
            ),
        ));
    }
    decided
}

/// Has quarantined records tried again at once. One whose partner is gone and that holds edits is kept: its pair ends.
fn let_go(session: &mut Session<'_>, text: &str) -> BTreeSet<LinkId> {
    let wanted = released(text);
    let now = session.parts.clock.now();
    let links: Vec<Link> = session
        .book
        .links()
        .filter(|link| link.quarantine.is_some() && link.phase != Phase::Tombstone)
        .filter(|link| {
            wanted
                .as_ref()
                .is_none_or(|records| records.iter().any(|record| is_named(link, record)))
        })
        .cloned()
        .collect();
    let mut released = BTreeSet::new();
    for mut link in links {
        released.insert(link.id.clone());
        let Some(row) = &mut link.quarantine else { continue };
        if row.problem.reason.as_str() == COUNTERPART_EDITED {
            bury(session, link);
            continue;
        }
        row.retry_at = now;
        row.attempts = 0;
        session.book.put(link);
    }
    let without_effect: Vec<String> = wanted
        .into_iter()
        .flatten()
        .filter(|record| {
            !released
                .iter()
                .filter_map(|id| session.book.get(id))
                .any(|link| is_named(link, record))
        })
        .collect();
    if !without_effect.is_empty() {
        session.warn(Problem::human(
            "RequestWithoutEffect",
            format!(
                "the annotation syncflow.io/release-quarantine names {}, which is not in quarantine",
                shown(&without_effect)
            ),
        ));
    }
    released
}

fn is_named(link: &Link, record: &str) -> bool {
    let PerSide {
        salesforce,
        service_now,
    } = link.ids.as_ref();
    [salesforce, service_now]
        .into_iter()
        .flatten()
        .any(|id| id.as_str() == record)
}

/// What people wrote, cut to what a condition can hold.
fn shown(parts: &[String]) -> String {
    let shown: Vec<String> = parts
        .iter()
        .take(5)
        .map(|part| part.chars().take(50).collect())
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_a_record_perhaps_a_field_and_a_side() {
        let (picks, unread) =
            picks("500A=salesforce, 6816/description=ServiceNow ,what?,500B=both#2026-11-24");
        assert_eq!(
            picks,
            [
                Pick {
                    record: "500A".into(),
                    field: None,
                    side: Side::Salesforce
                },
                Pick {
                    record: "6816".into(),
                    field: Some("description".into()),
                    side: Side::ServiceNow
                },
            ]
        );
        assert_eq!(unread, ["what?", "500B=both"]);
    }

    #[test]
    fn a_star_releases_every_record_and_what_follows_the_hash_is_no_record() {
        assert_eq!(released("*#7"), None);
        let named = BTreeSet::from(["500A".to_owned(), "6816".to_owned()]);
        assert_eq!(released(" 500A,6816 #7"), Some(named));
        assert_eq!(released("#7"), Some(BTreeSet::new()));
    }
}
