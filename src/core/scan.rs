//! How far a side was read, and where the next page starts.

use std::time::Duration;

use super::ident::RecordId;
use super::link::{Cursor, Scan};
use super::planted::{Bug, planted};
use super::record::Record;
use super::time::Instant;

/// Where a page starts: strictly after this row, or, without an id, with the first row of that second.
pub type Start = Option<(Instant, Option<RecordId>)>;

/// Where the next page starts. Rows become visible after the instant they are stamped with, so a new scan begins an
/// `overlap` before the floor; a scan in progress goes on after its last whole page.
#[must_use]
pub fn start(cursor: &Cursor, overlap: Duration) -> Start {
    match (&cursor.scan, cursor.floor) {
        (Some(scan), _) if planted(Bug::SiblingsSkipped) => {
            Some((scan.position.0.later(Duration::from_secs(1)), None))
        }
        (Some(scan), _) => Some((scan.position.0, Some(scan.position.1.clone()))),
        (None, Some(floor)) if planted(Bug::NoOverlap) => Some((floor.later(Duration::from_secs(1)), None)),
        (None, Some(floor)) => Some((floor.earlier(overlap), None)),
        (None, None) => None,
    }
}

/// The cursor after a whole page was processed and committed.
///
/// `last` is the page's last row; `complete` says that nothing came after it; `began_at` is the server's clock when
/// this scan began. The floor never passes that clock: rows that were committed while the scan ran may be stamped
/// earlier than its last row.
#[must_use]
pub fn advance(cursor: &Cursor, last: Option<&Record>, complete: bool, began_at: Instant) -> Cursor {
    let began_at = cursor.scan.as_ref().map_or(began_at, |scan| scan.began_at);
    let position = last
        .map(|record| (record.version.modified, record.id.clone()))
        .or_else(|| cursor.scan.as_ref().map(|scan| scan.position.clone()));
    if complete {
        let reached = position.map(|(modified, _)| modified.min(began_at));
        // A side that showed nothing is read from here on; without a floor it would be read whole each time.
        Cursor {
            floor: cursor.floor.max(reached).or(Some(began_at)),
            scan: None,
        }
    } else {
        Cursor {
            floor: cursor.floor,
            scan: position.map(|position| Scan { began_at, position }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::record::Version;
    use crate::core::side::Side;

    fn row(seconds: i64, n: u32) -> Record {
        let at = Instant::from_seconds(seconds);
        Record {
            id: RecordId::parse(Side::ServiceNow, &format!("{n:032x}")).unwrap(),
            version: Version {
                modified: at,
                mod_count: 0,
            },
            changed_at: at,
            created_at: at,
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn ten_thousand_rows_of_one_second_do_not_hold_the_scan_in_place() {
        let began = Instant::from_seconds(900);
        let mut cursor = Cursor::default();
        let mut starts = Vec::new();
        for page in 1..5 {
            cursor = advance(&cursor, Some(&row(500, page * 100)), false, began);
            starts.push(start(&cursor, Duration::from_secs(10)));
        }
        starts.dedup();
        assert_eq!(starts.len(), 4);
        cursor = advance(&cursor, Some(&row(500, 999)), true, began);
        assert_eq!(
            start(&cursor, Duration::from_secs(10)),
            Some((Instant::from_seconds(490), None))
        );
    }

    #[test]
    fn the_floor_never_passes_the_clock_at_which_the_scan_began() {
        let cursor = advance(
            &Cursor::default(),
            Some(&row(500, 1)),
            false,
            Instant::from_seconds(510),
        );
        let cursor = advance(&cursor, Some(&row(560, 2)), true, Instant::from_seconds(570));
        assert_eq!(cursor.floor, Some(Instant::from_seconds(510)));
    }

    #[test]
    fn a_side_that_showed_nothing_is_not_read_whole_again() {
        let began = Instant::from_seconds(900);
        let cursor = advance(&Cursor::default(), None, true, began);
        assert_eq!(start(&cursor, Duration::ZERO), Some((began, None)));
    }

    #[test]
    fn an_empty_page_moves_nothing() {
        let cursor = Cursor {
            floor: Some(Instant::from_seconds(100)),
            scan: None,
        };
        assert_eq!(advance(&cursor, None, true, Instant::from_seconds(900)), cursor);
    }
}
