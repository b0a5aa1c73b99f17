//! Accidents that concern many records at once stop the flow before they spread, and a person decides.

use std::time::Duration;

use serde_json::json;
use syncflow::core::definition::{DeletePolicy, FlowDefinition, Guard, TruncatePolicy};
use syncflow::core::guard::GuardKind;
use syncflow::core::link::Phase;
use syncflow::core::side::Side;

use super::scene::{Scene, pair};

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

/// A flow with so many pairs.
fn pairs(scene: Scene, count: usize) -> (Scene, Vec<String>) {
    let mut scene = scene;
    scene.let_deletions_be_proven();
    let cases = (0..count)
        .map(|number| scene.case(&format!("case {number}")))
        .collect();
    scene.sync();
    assert_eq!(scene.all(SN).len(), count);
    (scene, cases)
}

fn deleting(records: u64, percent: u8) -> Scene {
    Scene::with(|flow| {
        flow.on_delete = DeletePolicy::DeleteCounterpart;
        flow.guards.deletions = Guard { records, percent };
    })
}

fn tombstones(scene: &Scene) -> usize {
    scene
        .links()
        .iter()
        .filter(|link| link.phase == Phase::Tombstone)
        .count()
}

#[test]
fn too_many_deletions_stop_the_flow_with_a_summary_and_nothing_is_deleted() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..6] {
        scene.delete(SF, case);
    }
    scene.edit(SF, &cases[10], json!({"Subject": "waits too"}));
    scene.run_minutes(20);
    assert_eq!(scene.all(SN).len(), 20);
    assert_eq!(tombstones(&scene), 0);
    let problem = scene.failure();
    assert_eq!(problem.reason.as_str(), "Blocked");
    let plan = scene.report().held_plan.unwrap();
    assert_eq!(
        (plan.kind, plan.side, plan.count, plan.of),
        (GuardKind::Deletions, SF, 6, 20)
    );
    assert!(cases.contains(&plan.first[0].to_string()));
    assert!(
        problem.message.contains(&plan.token) && !problem.message.contains("case 1"),
        "{}",
        problem.message
    );
}

#[test]
fn an_approved_plan_is_carried_out_and_the_flow_goes_on() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..6] {
        scene.delete(SF, case);
    }
    scene.run_minutes(20);
    scene.approve();
    scene.run_minutes(5);
    assert_eq!(scene.all(SN).len(), 14);
    assert_eq!(tombstones(&scene), 6);
    assert_eq!(scene.report().held_plan, None);
    let incident = scene.counterpart(SF, &cases[10]).unwrap();
    scene.edit(SF, &cases[10], json!({"Subject": "goes on"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "goes on");
}

#[test]
fn a_token_is_for_one_plan_and_one_more_deletion_needs_another() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..6] {
        scene.delete(SF, case);
    }
    scene.run_minutes(20);
    let old = scene.report().held_plan.unwrap().token;
    scene.delete(SF, &cases[6]);
    scene.ask(|requests| requests.sync_now = Some("look again".into()));
    scene.run_minutes(20);
    scene.ask(|requests| requests.approved_plan = Some(old.clone()));
    scene.run_minutes(5);
    let plan = scene.report().held_plan.unwrap();
    assert_eq!(plan.count, 7);
    assert_ne!(plan.token, old);
    assert_eq!(scene.all(SN).len(), 20);
}

#[test]
fn records_that_are_undeleted_release_the_flow_without_anybodys_approval() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..6] {
        scene.delete(SF, case);
    }
    scene.run_minutes(20);
    for case in &cases[..6] {
        scene.undelete(SF, case);
    }
    scene.run_minutes(10);
    assert_eq!(scene.report().held_plan, None);
    assert_eq!(scene.report().linked, 20);
    assert_eq!(scene.all(SN).len(), 20);
}

#[test]
fn an_emptied_side_is_never_taken_for_many_deletions_whatever_the_limits() {
    let (mut scene, cases) = pairs(deleting(1_000, 100), 8);
    for case in &cases {
        scene.delete(SF, case);
    }
    scene.run_minutes(30);
    assert_eq!(scene.failure().reason.as_str(), "Blocked");
    assert_eq!(scene.all(SN).len(), 8);
}

#[test]
fn with_unlink_too_many_deletions_do_not_end_their_pairs() {
    let scene = Scene::with(|flow| {
        flow.guards.deletions = Guard {
            records: 3,
            percent: 10,
        }
    });
    let (mut scene, cases) = pairs(scene, 20);
    for case in &cases[..6] {
        scene.delete(SF, case);
    }
    scene.run_minutes(20);
    assert_eq!(scene.failure().reason.as_str(), "Blocked");
    assert_eq!(tombstones(&scene), 0);
}

#[test]
fn a_crash_in_the_middle_of_an_approved_plan_does_not_ask_again() {
    for moment in [20, 45, 70, 95] {
        let (mut scene, cases) = pairs(deleting(3, 10), 20);
        for case in &cases[..6] {
            scene.delete(SF, case);
        }
        scene.run_minutes(20);
        scene.approve();
        scene.step(moment);
        scene.kill();
        scene.run_minutes(20);
        assert_eq!(scene.all(SN).len(), 14, "killed after {moment} steps");
        assert_eq!(tombstones(&scene), 6);
    }
}

#[test]
fn deletions_that_are_found_one_after_the_other_count_together() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..6] {
        scene.delete(SF, case);
        scene.run_minutes(20);
    }
    assert_eq!(scene.all(SN).len(), 17, "three pass, the fourth is held");
    let plan = scene.report().held_plan.unwrap();
    assert_eq!((plan.count, plan.ended_before, plan.of), (3, 3, 20));
    let problem = scene.failure();
    assert!(
        problem.message.contains("after 3 others in the day before"),
        "{}",
        problem.message
    );
}

#[test]
fn a_plan_that_is_held_does_not_pass_because_a_day_does() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    // A day has fewer cycles then.
    scene.apply(|flow| flow.interval = Duration::from_mins(5));
    for case in &cases[..4] {
        scene.delete(SF, case);
        scene.run_minutes(20);
    }
    scene.run_minutes(26 * 60);
    scene.kill();
    scene.run_minutes(20);
    assert_eq!(scene.failure().reason.as_str(), "Blocked");
    assert_eq!(scene.all(SN).len(), 17);
}

#[test]
fn after_an_approval_deletions_are_counted_from_the_beginning() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..4] {
        scene.delete(SF, case);
        scene.run_minutes(20);
    }
    scene.approve();
    scene.run_minutes(5);
    assert_eq!(scene.all(SN).len(), 16);
    for case in &cases[4..8] {
        scene.delete(SF, case);
        scene.run_minutes(20);
    }
    assert_eq!(scene.all(SN).len(), 13, "three more pass, and the next is held");
    assert_eq!(scene.report().held_plan.unwrap().ended_before, 3);
}

#[test]
fn deletions_of_yesterday_do_not_count_today() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    // A day has fewer cycles then.
    scene.apply(|flow| flow.interval = Duration::from_mins(5));
    for day in cases[..6].chunks(3) {
        for case in day {
            scene.delete(SF, case);
        }
        scene.run_minutes(25 * 60);
    }
    assert_eq!(scene.all(SN).len(), 14);
    assert_eq!(scene.report().held_plan, None);
}

#[test]
fn pairs_both_of_whose_records_people_deleted_do_not_count() {
    let (mut scene, cases) = pairs(deleting(3, 10), 20);
    for case in &cases[..6] {
        let incident = scene.counterpart(SF, case).unwrap();
        scene.delete(SF, case);
        scene.delete(SN, &incident);
        scene.run_minutes(20);
    }
    scene.delete(SF, &cases[6]);
    scene.run_minutes(20);
    assert_eq!(scene.report().held_plan, None);
    assert_eq!(scene.all(SN).len(), 13);
}

/// The deletion log covers whole minutes only: what was deleted just before a start is found by the walk, which begins
/// somewhere.
#[test]
fn few_deletions_are_found_together_wherever_the_walk_over_the_links_begins() {
    for start in 0..8 {
        let (mut scene, cases) = pairs(deleting(1, 0), 5);
        // Every cycle draws its jitter, so that the next start begins its walk elsewhere.
        scene.run_minutes(start);
        scene.kill();
        for case in &cases[..2] {
            scene.delete(SF, case);
        }
        scene.run_minutes(2);
        let plan = scene.report().held_plan.expect("held back");
        assert_eq!((plan.count, plan.of), (2, 5), "start {start}");
        assert_eq!(scene.all(SN).len(), 5, "start {start}");
    }
}

fn changing(records: u64, percent: u8) -> Scene {
    Scene::with(|flow| flow.guards.changes = Guard { records, percent })
}

#[test]
fn too_many_changes_at_once_stop_the_flow_before_the_first_is_written() {
    let (mut scene, cases) = pairs(changing(5, 10), 20);
    let before = scene.made_by_the_flow();
    for case in &cases[..12] {
        scene.edit(SF, case, json!({"Subject": "all the same"}));
    }
    scene.case("made meanwhile");
    scene.sync();
    let plan = scene.report().held_plan.unwrap();
    assert_eq!(
        (plan.kind, plan.side, plan.count, plan.of),
        (GuardKind::Changes, SF, 12, 20)
    );
    for case in &cases[..12] {
        let incident = scene.counterpart(SF, case).unwrap();
        assert_ne!(scene.field(SN, &incident, "short_description"), "all the same");
    }
    assert_eq!(
        scene.made_by_the_flow(),
        before,
        "while a plan is held nothing is written"
    );
}

#[test]
fn approved_changes_are_written_and_later_edits_do_not_void_the_approval() {
    let (mut scene, cases) = pairs(changing(5, 10), 20);
    for case in &cases[..12] {
        scene.edit(SF, case, json!({"Subject": "meant so"}));
    }
    scene.sync();
    // People go on working: one of the twelve is edited again, and another record too.
    scene.edit(SF, &cases[0], json!({"Subject": "edited again"}));
    scene.edit(SF, &cases[15], json!({"Subject": "another"}));
    scene.sync();
    scene.approve();
    scene.sync();
    let subjects: Vec<String> = [0, 1, 11, 15]
        .iter()
        .map(|number| {
            scene.field(
                SN,
                &scene.counterpart(SF, &cases[*number]).unwrap(),
                "short_description",
            )
        })
        .collect();
    assert_eq!(subjects, ["edited again", "meant so", "meant so", "another"]);
    assert_eq!(scene.report().held_plan, None);
}

#[test]
fn a_second_storm_of_changes_needs_another_approval() {
    let (mut scene, cases) = pairs(changing(5, 10), 20);
    for case in &cases[..8] {
        scene.edit(SF, case, json!({"Subject": "first storm"}));
    }
    scene.sync();
    let first = scene.report().held_plan.unwrap().token;
    for case in &cases[8..] {
        scene.edit(SF, case, json!({"Subject": "second storm"}));
    }
    scene.sync();
    scene.ask(|requests| requests.approved_plan = Some(first.clone()));
    scene.sync();
    let plan = scene.report().held_plan.unwrap();
    assert_ne!(plan.token, first);
    assert_eq!(plan.count, 20);
}

#[test]
fn changes_that_are_put_right_at_the_service_release_the_flow() {
    let (mut scene, cases) = pairs(changing(5, 10), 20);
    for case in &cases[..12] {
        scene.edit(SF, case, json!({"Subject": "a mistake"}));
    }
    scene.sync();
    for (number, case) in cases[..12].iter().enumerate() {
        scene.edit(SF, case, json!({"Subject": format!("case {number}")}));
    }
    scene.sync();
    assert_eq!(scene.report().held_plan, None);
    let incident = scene.counterpart(SF, &cases[3]).unwrap();
    assert_eq!(scene.field(SN, &incident, "short_description"), "case 3");
    assert_eq!(scene.journal(), []);
}

#[test]
fn the_first_sync_of_many_records_is_no_storm() {
    let (scene, _) = pairs(changing(1, 1), 30);
    assert_eq!(scene.report().held_plan, None);
    assert_eq!(scene.report().linked, 30);
}

#[test]
fn a_changed_mapping_that_would_rewrite_many_records_is_shown_before_it_does() {
    let (mut scene, cases) = pairs(changing(5, 10), 20);
    let remap = |flow: &mut FlowDefinition| {
        pair(flow, "Escalation__c").fields.salesforce = "Subject".parse().unwrap();
    };
    scene.apply(remap);
    scene.sync();
    let plan = scene.report().held_plan.expect("held back");
    assert_eq!((plan.kind, plan.side, plan.count), (GuardKind::Remapped, SN, 20));
    let incident = scene.counterpart(SF, &cases[0]).unwrap();
    assert_eq!(scene.field(SN, &incident, "u_escalation"), "");
    scene.approve();
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "u_escalation"), "case 0");
    assert_eq!(scene.report().held_plan, None);
}

#[test]
fn a_changed_mapping_that_is_taken_back_releases_the_flow() {
    let (mut scene, cases) = pairs(changing(5, 10), 20);
    let escalation = |source: &'static str| {
        move |flow: &mut FlowDefinition| {
            let fields = flow
                .fields
                .iter_mut()
                .find(|field| field.fields.service_now.as_str() == "u_escalation");
            fields.unwrap().fields.salesforce = source.parse().unwrap();
        }
    };
    scene.apply(escalation("Subject"));
    scene.sync();
    assert!(scene.report().held_plan.is_some());
    scene.apply(escalation("Escalation__c"));
    scene.sync();
    assert_eq!(scene.report().held_plan, None);
    let incident = scene.counterpart(SF, &cases[0]).unwrap();
    assert_eq!(scene.field(SN, &incident, "u_escalation"), "");
}

#[test]
fn a_changed_mapping_under_which_everything_is_equal_asks_nobody() {
    let (mut scene, _) = pairs(changing(5, 10), 20);
    scene.apply(|flow| pair(flow, "Subject").truncate = TruncatePolicy::Cut);
    scene.sync();
    assert_eq!(scene.report().held_plan, None);
    assert_eq!(scene.report().linked, 20);
}
