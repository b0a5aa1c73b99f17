//! Conflicts that a person decides, and records that a person releases.

use serde_json::json;
use syncflow::core::definition::{ConflictPolicy, DeletePolicy};
use syncflow::core::side::Side;

use super::scene::{Scene, pair};

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

/// A pair whose subject was changed on both sides.
fn disputed() -> (Scene, String, String) {
    let mut scene = Scene::with(|flow| pair(flow, "Subject").conflict = Some(ConflictPolicy::Manual));
    let case = scene.case("as it began");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.edit(SF, &case, json!({"Subject": "case"}));
    scene.edit(SN, &incident, json!({"short_description": "incident"}));
    scene.sync();
    (scene, case, incident)
}

fn subjects(scene: &Scene, case: &str, incident: &str) -> (String, String) {
    (
        scene.field(SF, case, "Subject"),
        scene.field(SN, incident, "short_description"),
    )
}

fn both(text: &str) -> (String, String) {
    (text.to_owned(), text.to_owned())
}

#[test]
fn under_manual_neither_side_is_overwritten_and_the_field_is_shown() {
    let (mut scene, case, incident) = disputed();
    assert_eq!(
        subjects(&scene, &case, &incident),
        ("case".into(), "incident".into())
    );
    let report = scene.report();
    assert_eq!(
        (report.open_conflicts, report.conflicts, report.quarantined),
        (1, 0, 0)
    );
    let row = &report.disputes[0];
    assert_eq!(row.ids.salesforce.as_str(), case);
    assert_eq!(row.fields.service_now.as_str(), "short_description");
    assert_eq!(report.warnings[0].reason.as_str(), "ConflictsOpen");
    // The rest of the record syncs.
    scene.edit(SF, &case, json!({"Description": "goes on"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "description"), "goes on");
    assert_eq!(
        subjects(&scene, &case, &incident),
        ("case".into(), "incident".into())
    );
}

#[test]
fn an_open_conflict_writes_nothing_at_rest_and_survives_a_restart() {
    let (mut scene, case, incident) = disputed();
    scene.run_minutes(20);
    let before = (scene.writes(), scene.store.writes());
    scene.run_minutes(60);
    assert_eq!((scene.writes(), scene.store.writes()), before);
    scene.kill();
    scene.run_minutes(20);
    assert_eq!(scene.report().open_conflicts, 1);
    assert_eq!(
        subjects(&scene, &case, &incident),
        ("case".into(), "incident".into())
    );
}

#[test]
fn a_person_picks_a_side_and_the_other_sides_value_is_journalled() {
    for (side, winner, loser) in [(SF, "case", "incident"), (SN, "incident", "case")] {
        let (mut scene, case, incident) = disputed();
        let word = format!("{incident}/Subject={}#1", side.label());
        scene.ask(|requests| requests.resolve = Some(word));
        scene.sync();
        assert_eq!(subjects(&scene, &case, &incident), both(winner));
        assert_eq!(scene.journal(), [(loser.to_owned(), winner.to_owned())]);
        assert_eq!((scene.report().open_conflicts, scene.report().conflicts), (0, 1));
        assert!(scene.report().handled.resolve.is_some());
    }
}

#[test]
fn a_word_counts_once_and_not_for_the_next_conflict() {
    let (mut scene, case, incident) = disputed();
    let word = format!("{case}=salesforce#1");
    scene.ask(|requests| requests.resolve = Some(word));
    scene.sync();
    scene.edit(SF, &case, json!({"Subject": "case, later"}));
    scene.edit(SN, &incident, json!({"short_description": "incident, later"}));
    scene.kill();
    scene.sync();
    assert_eq!(scene.report().open_conflicts, 1);
    let expected = ("case, later".into(), "incident, later".into());
    assert_eq!(subjects(&scene, &case, &incident), expected);
}

#[test]
fn a_word_without_effect_is_said() {
    let (mut scene, ..) = disputed();
    scene.ask(|requests| requests.resolve = Some("500000000000000AAA=salesforce, nonsense".into()));
    scene.sync();
    let reasons: Vec<String> = scene
        .report()
        .warnings
        .iter()
        .map(|warning| warning.reason.to_string())
        .collect();
    assert!(
        reasons.contains(&"RequestWithoutEffect".to_owned()),
        "{reasons:?}"
    );
    assert_eq!(scene.report().open_conflicts, 1);
}

#[test]
fn making_both_equal_settles_a_conflict_without_a_write() {
    let (mut scene, case, incident) = disputed();
    scene.edit(SN, &incident, json!({"short_description": "case"}));
    let before = scene.writes();
    scene.sync();
    assert_eq!(scene.writes(), before);
    assert_eq!(subjects(&scene, &case, &incident), both("case"));
    assert_eq!(scene.report().open_conflicts, 0);
}

#[test]
fn an_edit_after_the_conflict_was_seen_decides_it_and_the_loser_is_journalled() {
    let (mut scene, case, incident) = disputed();
    scene.edit(SN, &incident, json!({"short_description": "agreed on the phone"}));
    scene.sync();
    assert_eq!(subjects(&scene, &case, &incident), both("agreed on the phone"));
    assert_eq!(
        scene.journal(),
        [("case".to_owned(), "agreed on the phone".to_owned())]
    );
}

#[test]
fn edits_on_both_sides_keep_a_conflict_open() {
    let (mut scene, case, incident) = disputed();
    scene.edit(SF, &case, json!({"Subject": "case, again"}));
    scene.edit(SN, &incident, json!({"short_description": "incident, again"}));
    scene.sync();
    assert_eq!(scene.report().open_conflicts, 1);
    scene.edit(SF, &case, json!({"Subject": "settled"}));
    scene.sync();
    assert_eq!(subjects(&scene, &case, &incident), both("settled"));
}

#[test]
fn after_the_loss_of_all_state_a_manual_field_waits_instead_of_a_silent_winner() {
    let (mut scene, case, incident) = disputed();
    scene.delete_and_apply_again();
    scene.sync();
    assert_eq!(
        subjects(&scene, &case, &incident),
        ("case".into(), "incident".into())
    );
    assert_eq!(scene.report().open_conflicts, 1);
    assert_eq!(scene.made_by_the_flow(), 1);
}

#[test]
fn another_policy_decides_what_was_left_open() {
    let (mut scene, case, incident) = disputed();
    scene.apply(|flow| pair(flow, "Subject").conflict = Some(ConflictPolicy::PreferServiceNow));
    scene.run_minutes(30);
    assert_eq!(subjects(&scene, &case, &incident), both("incident"));
    assert_eq!(scene.report().open_conflicts, 0);
}

#[test]
fn a_released_record_is_tried_at_once_and_only_once() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        let rule = syncflow_simulators::salesforce::ValidationRule {
            object: "Case".into(),
            when: "Subject = 'forbidden'".into(),
            message: "No".into(),
            field: Some("Subject".into()),
        };
        world.salesforce.model.add_validation_rule(rule).unwrap();
    });
    let incident = scene.incident("forbidden");
    scene.run_minutes(120);
    let attempts = |scene: &Scene| scene.links()[0].quarantine.as_ref().map(|row| row.attempts);
    assert!(attempts(&scene) > Some(3), "{:?}", attempts(&scene));
    scene.ask(|requests| requests.release = Some(format!("{incident}#1")));
    scene.run_seconds(30);
    assert_eq!(attempts(&scene), Some(1), "its waits begin anew");
    scene.kill();
    scene.run_minutes(10);
    assert!(attempts(&scene) > Some(1), "a restart does not release it again");
}

#[test]
fn releasing_an_edited_counterpart_keeps_it_and_ends_the_pair() {
    let mut scene = Scene::with(|flow| flow.on_delete = DeletePolicy::DeleteCounterpart);
    scene.let_deletions_be_proven();
    let case = scene.case("goes");
    scene.case("stays");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.edit(SN, &incident, json!({"description": "worth keeping"}));
    scene.delete(SF, &case);
    scene.run_minutes(15);
    assert_eq!(scene.quarantined(), ["CounterpartEdited"]);
    scene.ask(|requests| requests.release = Some(format!("{incident}#1")));
    scene.run_minutes(15);
    assert_eq!(scene.report().quarantined, 0);
    assert_eq!(scene.field(SN, &incident, "description"), "worth keeping");
}

#[test]
fn a_conflict_of_a_pair_whose_other_record_was_deleted_waits_for_nobody() {
    let (mut scene, case, incident) = disputed();
    scene.apply(|flow| flow.on_delete = DeletePolicy::DeleteCounterpart);
    scene.delete(SF, &case);
    scene.run_minutes(20);
    assert!(
        scene.exists(SN, &incident),
        "its edit was never synced: it is not deleted"
    );
    assert_eq!(scene.quarantined(), ["CounterpartEdited"]);
    assert_eq!(scene.report().open_conflicts, 0, "no pick could decide anything");
}
