//! Would the tests find a bug? Each bug of `core::planted` is planted in turn: a scene named here has to fail with it in
//! every test run, and `make mutants` counts after how many seeds the swarm finds it as well. Only in a build with the
//! feature `planted-bugs`.

#[cfg(feature = "planted-bugs")]
use std::fmt::Write as _;
#[cfg(feature = "planted-bugs")]
use std::process::Command;

#[cfg(feature = "planted-bugs")]
use syncflow::core::planted::{Bug, plant};

#[cfg(feature = "planted-bugs")]
use crate::campaign::{first_failure, on_every_core};
#[cfg(feature = "planted-bugs")]
use crate::number;

/// Which bug the scenes of this process play with.
#[cfg(feature = "planted-bugs")]
const PLANTED: &str = "SYNCFLOW_PLANTED_BUG";

/// A bug is found within so many seeds, or the swarm does not find it.
#[cfg(feature = "planted-bugs")]
const SEEDS: u64 = 1_000;

/// A scene that fails with each bug.
#[cfg(feature = "planted-bugs")]
const FOUND_BY: [(Bug, &str); 30] = {
    #[allow(clippy::enum_glob_use, reason = "a table of one enum")]
    use Bug::*;
    [
        (
            NoOverlap,
            "hazards::reading::h03_a_change_that_shows_late_is_still_read",
        ),
        (
            SiblingsSkipped,
            "hazards::reading::h01_rows_of_one_second_are_all_read",
        ),
        (
            EchoByTimestamp,
            "hazards::writing::h07_an_echo_never_overwrites_an_edit_that_is_younger_than_our_write",
        ),
        (
            StaleReadingTaken,
            "promises::regressions::an_org_restored_from_a_backup_is_noticed_compared_whole_and_said",
        ),
        (
            StampedRecordOriginates,
            "promises::creation::a_pair_from_before_the_activation_is_found_again_after_the_flow_was_applied_again",
        ),
        (
            CreationSentAgainAtOnce,
            "hazards::writing::h06_a_creation_whose_answer_is_lost_makes_one_record",
        ),
        (
            UnknownUpdateForgotten,
            "promises::between_steps::a_write_that_lands_late_undoes_no_later_edit",
        ),
        (
            ForeignReadBackAsBase,
            "promises::between_steps::an_edit_over_a_write_whose_answer_was_lost_is_an_edit_and_no_agreement",
        ),
        (
            NormalisedAnswerNotBase,
            "hazards::writing::h08_what_a_rule_makes_of_our_write_is_agreed_and_starts_no_loop",
        ),
        (
            IntentAfterSend,
            "promises::conflicts::an_edit_on_one_side_is_copied_and_nothing_else_is_written",
        ),
        (
            VerifySkipped,
            "hazards::writing::h10_an_edit_between_our_look_and_our_write_leaves_its_trace",
        ),
        (
            PageWithoutVersion,
            "promises::between_steps::of_two_processes_that_store_at_once_the_second_is_refused",
        ),
        (
            AcceptedTakenAsDone,
            "promises::between_steps::an_update_that_was_only_queued_is_not_done",
        ),
        (
            UnservicedTakenAsDone,
            "hazards::writing::h14_an_item_that_failed_inside_a_success_is_not_taken_for_done",
        ),
        (
            RejectedTakenAsDone,
            "hazards::writing::h14_an_item_that_failed_inside_a_success_is_not_taken_for_done",
        ),
        (
            DeletedOnAbsence,
            "hazards::reading::h11_a_record_that_cannot_be_found_is_not_called_deleted",
        ),
        (
            ShortPageTakenAsLast,
            "hazards::reading::h04_rows_that_access_rules_hide_end_no_scan_and_are_reported",
        ),
        (
            FilterTrusted,
            "hazards::reading::h05_a_filter_that_is_dropped_later_stops_the_flow_and_says_so",
        ),
        (
            LoserNotJournalled,
            "promises::conflicts::the_most_recent_change_wins_and_the_loser_is_journalled",
        ),
        (
            HeldFieldMovesBase,
            "promises::values::an_unmapped_value_holds_its_field_and_the_rest_of_the_record_syncs",
        ),
        (
            ExitNotPropagated,
            "promises::records_that_leave::the_change_that_makes_a_record_leave_is_still_sent_and_later_ones_are_not",
        ),
        (
            UnsentForgotten,
            "promises::shared_trouble::nothing_is_made_while_none_of_the_known_records_can_be_seen",
        ),
        (
            CutTextFlowsBack,
            "promises::cut_texts::a_cut_copy_never_flows_back_even_after_the_loss_of_all_state_and_a_newer_edit_of_the_copys_record",
        ),
        (
            OrderWithoutTieBreak,
            "hazards::reading::h02_rows_that_move_while_pages_are_read_are_neither_skipped_nor_doubled",
        ),
        (
            ComparedRaw,
            "hazards::writing::h09_two_spellings_of_one_value_are_equal",
        ),
        (
            FieldsSentOneByOne,
            "hazards::writing::h12_fields_that_a_state_needs_go_in_one_write",
        ),
        (
            ReferenceTakenAsText,
            "hazards::writing::h13_nothing_is_written_into_a_reference_on_a_guess",
        ),
        (
            CursorRestartsAtNow,
            "hazards::reading::h15_after_days_without_hearing_anything_every_change_is_found",
        ),
        (
            BudgetIgnored,
            "hazards::limits::h16_the_share_of_the_orgs_calls_is_never_exceeded",
        ),
        (
            FirstMeetingSilent,
            "promises::rules_and_matching::a_match_meets_with_nothing_wiped_and_what_was_overwritten_journalled",
        ),
    ]
};

/// No scene fails with these yet: the first two are found by the swarm alone, the others by nothing here.
#[cfg(feature = "planted-bugs")]
const WITHOUT_A_SCENE: [Bug; 4] = [
    Bug::CursorBeforeCommit,
    Bug::ExpiredLeaseSends,
    Bug::NewestByOwnWrite,
    Bug::AbsentTakenAsNull,
];

/// Plants in this thread what the mutation check asked this process for.
pub fn plant_what_is_asked_for() {
    #[cfg(feature = "planted-bugs")]
    if let Ok(name) = std::env::var(PLANTED) {
        plant(Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == name));
    }
}

/// The scenes of a planted bug run in a process like this one.
#[cfg(feature = "planted-bugs")]
fn is_one_of_their_processes() -> bool {
    std::env::var(PLANTED).is_ok()
}

#[cfg(feature = "planted-bugs")]
fn scene_of(bug: Bug) -> Option<&'static str> {
    FOUND_BY
        .iter()
        .find(|(of, _)| *of == bug)
        .map(|(_, scene)| *scene)
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_scene_fails_with_each_planted_bug() {
    if is_one_of_their_processes() {
        return;
    }
    let mut unnoticed: Vec<String> = Vec::new();
    on_every_core(
        "planted bugs",
        FOUND_BY.len(),
        |number| fails(FOUND_BY[number].0),
        |number, failed| {
            if let Err(why) = failed {
                unnoticed.push(format!("{:?}: {why}", FOUND_BY[number].0));
            }
            unnoticed.len()
        },
    );
    assert!(unnoticed.is_empty(), "not noticed:\n{}", unnoticed.join("\n"));
}

/// Does the bug's scene fail with it?
#[cfg(feature = "planted-bugs")]
fn fails(bug: Bug) -> Result<(), String> {
    let scene = scene_of(bug).ok_or("no scene is named for it")?;
    let output = Command::new(std::env::current_exe().expect("we run"))
        .args(["--exact", scene])
        .env(PLANTED, format!("{bug:?}"))
        .output()
        .expect("the scene can be started");
    let told = String::from_utf8_lossy(&output.stdout);
    if told.contains(&format!("test {scene} ... FAILED")) {
        Ok(())
    } else {
        Err(format!(
            "{scene} passes with it, or is not there: {}",
            told.trim()
        ))
    }
}

/// The page tells what each bug is and what finds it.
#[cfg(feature = "planted-bugs")]
#[test]
fn the_page_lists_every_planted_bug_with_its_scene() {
    let page = include_str!("../../docs/correctness.md");
    for bug in Bug::ALL {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{bug:?}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/correctness.md has no row for {bug:?}"));
        if let Some(scene) = scene_of(*bug) {
            let name = scene.rsplit("::").next().unwrap_or(scene);
            assert!(row.contains(&format!("`{name}`")), "{row}\nnames not {name}");
        } else {
            assert!(
                WITHOUT_A_SCENE.contains(bug) && row.contains("| no scene yet |"),
                "{row}"
            );
        }
    }
}

/// How soon the swarm finds each: takes long, and so is asked for with `make mutants`.
#[cfg(feature = "planted-bugs")]
#[test]
#[ignore = "takes most of an hour: make mutants"]
fn the_swarm_finds_planted_bugs_within_so_many_seeds() {
    let only = std::env::var("SYNCFLOW_SIMULATION_BUG")
        .ok()
        .filter(|name| !name.is_empty());
    let seeds = number("SYNCFLOW_SIMULATION_MUTANT_SEEDS").unwrap_or(SEEDS);
    let mut table = String::from("| bug | seeds | came by | found |\n|---|---|---|---|\n");
    let mut survivors = Vec::new();
    for bug in Bug::ALL.iter().copied() {
        if only.as_ref().is_some_and(|only| *only != format!("{bug:?}")) {
            continue;
        }
        let hunt = first_failure(seeds, bug);
        let line = match &hunt.found {
            Some((seed, found)) => {
                let found = found.lines().next().unwrap_or_default().replace('|', "/");
                let found: String = found.chars().take(140).collect();
                format!("| {bug:?} | {} | {} times | {found} |", seed + 1, hunt.reached)
            }
            None => format!("| {bug:?} | not in {seeds} | {} times | |", hunt.reached),
        };
        eprintln!("{line}");
        let _ = writeln!(table, "{line}");
        if hunt.found.is_none()
            && let Err(why) = fails(bug)
        {
            survivors.push(format!("{bug:?}: {why}"));
        }
    }
    println!("{table}");
    assert!(
        survivors.is_empty(),
        "planted and not found:\n{}",
        survivors.join("\n")
    );
}
