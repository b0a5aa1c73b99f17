//! Stretches of a table's changes of which no row is shown to us, so that they are not walked through at every poll.
//!
//! Where access controls hide the newest changes, the engine's cursor cannot move past them, since it moves from row to
//! row. Walking through all of them each minute, more each time, would cost more and more calls. What was walked through
//! once is remembered and left out, but for its end: rows become visible some time after the instant they are stamped
//! with. It is forgotten with each description of the table, so that rows which somebody lets us see are found then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::ident::RecordId;
use crate::core::time::Instant;

/// The end of a stretch is always read again: commits that took minutes, node clocks, lagging replicas.
const UNSETTLED: Duration = Duration::from_mins(10);

/// Different questions about one table that are remembered: more are not asked in practice.
const QUESTIONS: usize = 8;

/// A place in the order `(sys_updated_on, sys_id)`; without an id, before every row of that second.
pub(super) type Place = (Instant, Option<RecordId>);

/// What is known of one table.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    stretches: BTreeMap<String, Stretch>,
}

#[derive(Debug)]
struct Stretch {
    after: Place,
    until: Instant,
    rows: usize,
}

impl Hidden {
    /// Where reading `question` from `place` may go on, and how many rows are left out by it.
    pub(super) fn past(&self, question: &str, place: &Place) -> Option<(Instant, usize)> {
        let stretch = self.stretches.get(question)?;
        let settled = stretch.until.earlier(UNSETTLED);
        (stretch.after <= *place && place.0 < settled).then_some((settled, stretch.rows))
    }

    /// Not one of `rows` rows after `place` and up to `until` was shown.
    pub(super) fn note(&mut self, question: &str, place: Place, until: Instant, rows: usize) {
        if let Some(known) = self.stretches.get_mut(question)
            && known.after <= place
            && place.0 <= known.until
        {
            known.until = known.until.max(until);
            // Rows at the end of what was known are in both, and how many is not known: at least so many.
            known.rows = known.rows.max(rows);
        } else if self.stretches.len() < QUESTIONS || self.stretches.contains_key(question) {
            let stretch = Stretch {
                after: place,
                until,
                rows,
            };
            self.stretches.insert(question.to_owned(), stretch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Instant {
        Instant::from_seconds(1_700_000_000 + minute * 60)
    }

    #[test]
    fn what_was_walked_through_is_left_out_but_for_its_end() {
        let mut hidden = Hidden::default();
        hidden.note("all", (at(0), None), at(60), 500);
        assert_eq!(hidden.past("all", &(at(0), None)), Some((at(50), 500)));
        assert_eq!(hidden.past("all", &(at(20), None)), Some((at(50), 500)));
        assert_eq!(hidden.past("all", &(at(50), None)), None);
        assert_eq!(hidden.past("all", &(at(-1), None)), None, "not looked at");
        assert_eq!(hidden.past("others", &(at(0), None)), None);
    }

    #[test]
    fn the_stretch_grows_as_it_is_read_on() {
        let mut hidden = Hidden::default();
        hidden.note("all", (at(0), None), at(60), 500);
        hidden.note("all", (at(50), None), at(61), 20);
        assert_eq!(hidden.past("all", &(at(0), None)), Some((at(51), 500)));
    }

    #[test]
    fn a_place_behind_a_gap_begins_anew() {
        let mut hidden = Hidden::default();
        hidden.note("all", (at(0), None), at(60), 500);
        hidden.note("all", (at(100), None), at(130), 7);
        assert_eq!(hidden.past("all", &(at(0), None)), None);
        assert_eq!(hidden.past("all", &(at(100), None)), Some((at(120), 7)));
    }

    #[test]
    fn within_a_second_only_later_ids_are_known() {
        let id = |number: u32| {
            RecordId::parse(crate::core::side::Side::ServiceNow, &format!("{number:032x}")).ok()
        };
        let mut hidden = Hidden::default();
        hidden.note("all", (at(0), id(5)), at(60), 3);
        assert_eq!(hidden.past("all", &(at(0), None)), None);
        assert_eq!(hidden.past("all", &(at(0), id(4))), None);
        assert!(hidden.past("all", &(at(0), id(5))).is_some());
    }
}
