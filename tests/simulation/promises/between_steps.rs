//! What happens between two steps of the flow: the process dies, an answer is lost, another write lands first.

use std::time::Duration;

use serde_json::json;
use syncflow::core::link::Link;
use syncflow::core::side::Side;
use syncflow::ports::{LinkStore, StoreChange, StoreError};
use syncflow_simulators::{Effect, Fault};

use super::scene::Scene;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

fn linked() -> (Scene, String, String) {
    let mut scene = Scene::new();
    let case = scene.case("as it began");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    (scene, case, incident)
}

/// What becomes of the next write to an incident.
fn befall(scene: &Scene, effect: &Effect) {
    scene.set_up(|world| {
        for call in ["servicenow.update", "servicenow.batch"] {
            world.service_now.faults.add(Fault::once(call, effect.clone()));
        }
    });
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
fn what_was_read_and_not_stored_is_read_again_however_long_nobody_was_there() {
    for moment in (0..90).step_by(9) {
        let (mut scene, ..) = linked();
        let case = scene.case("made just before");
        scene.run_seconds(40);
        scene.step(moment);
        scene.kill();
        scene.set_up(|world| world.pass(Duration::from_hours(5)));
        scene.sync();
        assert!(
            scene.counterpart(SF, &case).is_some(),
            "killed after {moment} steps"
        );
    }
}

#[test]
fn an_edit_that_waits_is_made_no_younger_by_our_own_write_to_its_record() {
    let (mut scene, case, incident) = linked();
    scene.edit(SN, &incident, json!({"contact_type": "phone"}));
    // The more recent of both, and without a counterpart: it is held, and the rest of the record is written.
    scene.edit(
        SF,
        &case,
        json!({"Origin": "Chat", "Description": "moves the incident's clock"}),
    );
    scene.run_minutes(30);
    assert_eq!(
        scene.field(SN, &incident, "description"),
        "moves the incident's clock"
    );
    assert_eq!(scene.field(SF, &case, "Origin"), "Chat");
    assert_eq!(scene.field(SN, &incident, "contact_type"), "phone");
}

#[test]
fn a_write_that_lands_late_undoes_no_later_edit() {
    let (mut scene, case, incident) = linked();
    befall(&scene, &Effect::ActLater { millis: 58_000 });
    scene.edit(SF, &case, json!({"Subject": "first"}));
    scene.step_until(|scene| scene.links().iter().any(|link| link.intents[SN].is_some()));
    scene.step(10);
    scene.edit(SF, &case, json!({"Subject": "second"}));
    scene.ask(|requests| requests.sync_now = Some("at once".into()));
    scene.run_seconds(20);
    scene.ask(|requests| requests.sync_now = Some("and again".into()));
    scene.run_minutes(20);
    assert_eq!(subjects(&scene, &case, &incident), both("second"));
}

#[test]
fn an_edit_over_a_write_whose_answer_was_lost_is_an_edit_and_no_agreement() {
    let (mut scene, case, incident) = linked();
    befall(&scene, &Effect::LoseAnswer);
    scene.edit(SF, &case, json!({"Subject": "ours"}));
    scene.step_until(|scene| scene.field(SN, &incident, "short_description") == "ours");
    scene.edit(SN, &incident, json!({"short_description": "theirs"}));
    scene.run_minutes(20);
    assert_eq!(subjects(&scene, &case, &incident), both("theirs"));
}

#[test]
fn an_update_that_was_only_queued_is_not_done() {
    let (mut scene, case, incident) = linked();
    befall(&scene, &Effect::Accepted202);
    scene.edit(SF, &case, json!({"Subject": "queued, they said"}));
    scene.run_minutes(20);
    assert_eq!(subjects(&scene, &case, &incident), both("queued, they said"));
}

#[test]
fn of_two_processes_that_store_at_once_the_second_is_refused() {
    let (scene, ..) = linked();
    let (one, other) = (scene.store.handle(), scene.store.handle());
    let link = scene.links().remove(0);
    let change = |change: fn(&mut Link)| {
        let mut link = link.clone();
        change(&mut link);
        StoreChange {
            links: vec![link],
            ..StoreChange::default()
        }
    };
    futures::executor::block_on(async {
        one.load().await.unwrap();
        other.load().await.unwrap();
        one.commit(change(|link| link.deferred = true)).await.unwrap();
        let late = change(|link| link.bases.clear());
        assert_eq!(other.commit(late).await, Err(StoreError::Conflict));
    });
    assert!(scene.links()[0].deferred, "what was told to be durable stays");
}
