//! The hazards H1 to H16 of both services' APIs, one test each: the real engine and the real adapters, the hazard
//! switched on in the models, and what the user must see of it. `docs/hazards.md` lists them, with the tests of the same
//! names that meet the wire in `tests/connectors`.
//!
//! A hazard's test that passes without the handling proves nothing, so in a build with `planted-bugs` each runs once
//! more with that handling taken out, and must fail.

mod limits;
mod reading;
mod writing;

/// The page that lists the hazards names tests that exist, and every hazard.
#[test]
fn the_page_of_hazards_names_tests_that_exist() {
    let page = include_str!("../../../docs/hazards.md");
    let mut sources = String::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let is_name = |word: &&str| {
        word.len() > 30
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let missing: Vec<&str> = page
        .split('`')
        .filter(is_name)
        .filter(|name| !sources.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "docs/hazards.md names {missing:?}");
    for hazard in 1..=16 {
        assert!(
            page.contains(&format!("`h{hazard:02}_")),
            "H{hazard} is not listed"
        );
    }
}

/// Every hazard's test, and the bug that takes its handling out.
#[cfg(feature = "planted-bugs")]
mod without_the_handling {
    use syncflow::core::planted::{Bug, plant};

    use super::{limits, reading, writing};

    type Hazard = (fn(), Bug);

    const HAZARDS: [Hazard; 16] = [
        (reading::h01_rows_of_one_second_are_all_read, Bug::SiblingsSkipped),
        (
            reading::h02_rows_that_move_while_pages_are_read_are_neither_skipped_nor_doubled,
            Bug::OrderWithoutTieBreak,
        ),
        (
            reading::h03_a_change_that_shows_late_is_still_read,
            Bug::NoOverlap,
        ),
        (
            reading::h04_rows_that_access_rules_hide_end_no_scan_and_are_reported,
            Bug::ShortPageTakenAsLast,
        ),
        (
            reading::h05_a_filter_that_is_dropped_later_stops_the_flow_and_says_so,
            Bug::FilterTrusted,
        ),
        (
            writing::h06_a_creation_whose_answer_is_lost_makes_one_record,
            Bug::CreationSentAgainAtOnce,
        ),
        (
            writing::h07_an_echo_never_overwrites_an_edit_that_is_younger_than_our_write,
            Bug::EchoByTimestamp,
        ),
        (
            writing::h08_what_a_rule_makes_of_our_write_is_agreed_and_starts_no_loop,
            Bug::NormalisedAnswerNotBase,
        ),
        (
            writing::h09_two_spellings_of_one_value_are_equal,
            Bug::ComparedRaw,
        ),
        (
            writing::h10_an_edit_between_our_look_and_our_write_leaves_its_trace,
            Bug::VerifySkipped,
        ),
        (
            reading::h11_a_record_that_cannot_be_found_is_not_called_deleted,
            Bug::DeletedOnAbsence,
        ),
        (
            writing::h12_fields_that_a_state_needs_go_in_one_write,
            Bug::FieldsSentOneByOne,
        ),
        (
            writing::h13_nothing_is_written_into_a_reference_on_a_guess,
            Bug::ReferenceTakenAsText,
        ),
        (
            writing::h14_an_item_that_failed_inside_a_success_is_not_taken_for_done,
            Bug::UnservicedTakenAsDone,
        ),
        (
            reading::h15_after_days_without_hearing_anything_every_change_is_found,
            Bug::CursorRestartsAtNow,
        ),
        (
            limits::h16_the_share_of_the_orgs_calls_is_never_exceeded,
            Bug::BudgetIgnored,
        ),
    ];

    #[test]
    fn every_hazards_test_fails_when_its_handling_is_taken_out() {
        let mut blind = Vec::new();
        for (hazard, bug) in HAZARDS {
            let run = std::thread::spawn(move || {
                plant(Some(bug));
                hazard();
            });
            if run.join().is_ok() {
                blind.push(bug);
            }
        }
        assert!(blind.is_empty(), "not noticed: {blind:?}");
    }
}
