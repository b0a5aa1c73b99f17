//! What goes back in time: link state from a backup, an org restored from one, a clock that was set back.

use std::time::Duration;

use serde_json::json;
use syncflow::core::definition::{ConflictPolicy, Guard};
use syncflow::core::guard::GuardKind;
use syncflow::core::side::Side;
use syncflow::ports::{LinkStore, StoreChange};
use syncflow_simulators::{Effect, Fault};

use super::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn pairs(scene: Scene, count: usize) -> (Scene, Vec<String>) {
    let mut scene = scene;
    let cases = (0..count)
        .map(|number| scene.case(&format!("case {number}")))
        .collect();
    scene.sync();
    (scene, cases)
}

#[test]
fn link_state_from_a_backup_makes_no_record_twice_and_loses_no_edit() {
    let (mut scene, cases) = pairs(Scene::new(), 4);
    let backup = scene.store.state();
    // What happens after the backup was taken: an edit each way, one on both sides, and two new records.
    let incidents: Vec<String> = cases
        .iter()
        .map(|case| scene.counterpart(SF, case).unwrap())
        .collect();
    scene.edit(SF, &cases[0], json!({"Subject": "later, in Salesforce"}));
    scene.edit(
        SN,
        &incidents[1],
        json!({"short_description": "later, in ServiceNow"}),
    );
    let new_case = scene.case("made later");
    let new_incident = scene.incident("made later too");
    scene.sync();
    scene.kill();
    scene.store.restore(backup);
    scene.edit(SF, &cases[2], json!({"Subject": "after the restore"}));
    scene.edit(SF, &cases[0], json!({"Subject": "edited again"}));
    let made = scene.made_by_the_flow();
    scene.run_minutes(30);
    assert_eq!(
        scene.made_by_the_flow(),
        made,
        "stamps lead back to what was made"
    );
    assert!(scene.counterpart(SF, &new_case).is_some() && scene.counterpart(SN, &new_incident).is_some());
    let texts: Vec<String> = incidents
        .iter()
        .map(|id| scene.field(SN, id, "short_description"))
        .collect();
    assert_eq!(
        texts,
        [
            "edited again",
            "later, in ServiceNow",
            "after the restore",
            "case 3"
        ]
    );
    assert_eq!(scene.report().linked, 6);
    assert_eq!(scene.report().quarantined, 0);
}

#[test]
fn an_edit_that_link_state_from_a_backup_knows_nothing_of_is_no_silent_winner() {
    let (mut scene, cases) = pairs(Scene::new(), 1);
    let incident = scene.counterpart(SF, &cases[0]).unwrap();
    let backup = scene.store.state();
    scene.edit(SF, &cases[0], json!({"Subject": "synced after the backup"}));
    scene.sync();
    scene.kill();
    scene.store.restore(backup);
    // Against the old base both sides have changed: one of them only because we wrote it.
    scene.edit(SN, &incident, json!({"short_description": "a person's edit"}));
    scene.run_minutes(30);
    assert_eq!(scene.field(SF, &cases[0], "Subject"), "a person's edit");
    let lost: Vec<String> = scene.journal().into_iter().map(|(lost, _)| lost).collect();
    assert_eq!(lost, ["synced after the backup"]);
}

#[test]
fn an_org_restored_from_a_backup_is_noticed_compared_whole_and_said() {
    let (mut scene, cases) = pairs(Scene::with(|flow| flow.conflict = ConflictPolicy::MostRecent), 5);
    let incident = scene.counterpart(SF, &cases[0]).unwrap();
    let backup = crate::world::lock(&scene.world).salesforce.model.clone();
    scene.run_minutes(5);
    scene.edit(SF, &cases[0], json!({"Subject": "newer than the backup"}));
    scene.run_minutes(60);
    scene.set_up(|world| world.salesforce.model = backup);
    assert_eq!(scene.field(SF, &cases[0], "Subject"), "case 0");
    scene.run_minutes(30);
    assert!(
        scene.warnings().contains(&"RecordsWentBack".to_owned()),
        "{:?}",
        scene.warnings()
    );
    assert_eq!(
        scene.field(SF, &cases[0], "Subject"),
        scene.field(SN, &incident, "short_description")
    );
    let newer = "newer than the backup";
    let journalled = scene
        .journal()
        .iter()
        .any(|(lost, _)| lost == newer || lost == "case 0");
    assert!(journalled, "whichever side stands, the other's value is kept");
    scene.edit(SF, &cases[0], json!({"Subject": "goes on"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "goes on");
}

#[test]
fn so_many_records_that_went_back_are_a_plan_that_a_person_has_to_approve() {
    let guarded = Scene::with(|flow| {
        flow.guards.changes = Guard {
            records: 3,
            percent: 10,
        }
    });
    let (mut scene, cases) = pairs(guarded, 20);
    let backup = crate::world::lock(&scene.world).salesforce.model.clone();
    for case in &cases {
        // One by one, so that no storm is seen.
        scene.edit(SF, case, json!({"Subject": "worked on"}));
        scene.run_minutes(2);
    }
    scene.run_minutes(60);
    scene.set_up(|world| world.salesforce.model = backup);
    scene.run_minutes(30);
    let plan = scene.report().held_plan.expect("held back");
    assert_eq!((plan.kind, plan.side, plan.count), (GuardKind::Restored, SF, 20));
    let incident = scene.counterpart(SF, &cases[0]).unwrap();
    assert_eq!(scene.field(SN, &incident, "short_description"), "worked on");
    scene.approve();
    scene.run_minutes(10);
    assert_eq!(scene.report().held_plan, None);
    assert_eq!(
        scene.field(SF, &cases[0], "Subject"),
        scene.field(SN, &incident, "short_description")
    );
}

#[test]
fn a_clock_that_was_set_back_does_not_make_the_flow_blind() {
    let (mut scene, cases) = pairs(Scene::new(), 2);
    scene.run_minutes(5);
    scene.edit(SF, &cases[0], json!({"Subject": "before"}));
    scene.sync();
    let incident = scene.counterpart(SF, &cases[0]).unwrap();
    scene.kill();
    // As the flow sees it, a clock that was set back is a cursor that lies ahead of it.
    let store = scene.store.handle();
    futures::executor::block_on(async {
        let mut header = store.load().await.unwrap().header.unwrap();
        for side in Side::BOTH {
            let floor = header.cursors[side].floor.unwrap();
            header.cursors[side].floor = Some(floor.later(Duration::from_hours(3)));
        }
        let change = StoreChange {
            header: Some(header),
            ..StoreChange::default()
        };
        store.commit(change).await.unwrap();
    });
    scene.edit(SF, &cases[0], json!({"Subject": "after"}));
    let new = scene.case("made after");
    scene.run_minutes(30);
    assert!(
        scene.warnings().contains(&"ClockWentBack".to_owned()),
        "{:?}",
        scene.report()
    );
    assert!(scene.counterpart(SF, &new).is_some());
    assert_eq!(scene.field(SN, &incident, "short_description"), "after");
}

#[test]
fn a_record_whose_creation_never_happened_is_made_although_its_clock_was_set_back_meanwhile() {
    let mut scene = Scene::new();
    scene.sync();
    let case = scene.case("still waits");
    scene.set_up(|world| {
        let lost = Fault::always("servicenow.create", Effect::LoseRequest);
        world.service_now.faults.add(lost.named("down"));
    });
    scene.run_minutes(2);
    assert_eq!(scene.all(SN).len(), 0);
    scene.set_up(|world| world.skew.salesforce -= 600_000);
    scene.edit(
        SF,
        &case,
        json!({"Description": "stamped before what was seen of it"}),
    );
    scene.run_minutes(2);
    scene.set_up(|world| {
        world.service_now.faults.switch_off("down");
    });
    scene.run_minutes(90);
    let incident = scene.counterpart(SF, &case).expect("it is made at last");
    assert_eq!(
        scene.field(SN, &incident, "description"),
        "stamped before what was seen of it"
    );
}
