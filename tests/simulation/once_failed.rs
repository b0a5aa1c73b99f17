//! Stories that failed once, each as short as it could be made, with what was found then.
//!
//! A script holds as long as the engine makes its calls in the same order and the settings are drawn in the same way;
//! what must hold for good is told as a scene as well.

use serde_json::json;
use syncflow::core::side::Side;
use syncflow_simulators::service_now::BusinessRule;

use crate::promises::scene::Scene;
use crate::run::run;
use crate::settings::normalised;

/// What failed, and how.
const STORIES: &[(&str, &str)] = &[
    (
        "1110: trait 8, trait 16, trait 22, act 1000003, act 1000004, change 179, change 213",
        "after state was lost, a text that a rule turns into what stood there before was taken for one that the service \
         dropped, and written again and again",
    ),
    (
        "1157: trait 0, trait 2, trait 6, trait 10, trait 12, trait 20, act 18, act 24, act 34, act 42, act 58, act 71, \
         act 114, act 123, act 145, act 147, act 1000000, crash 45, fault 0, fault 11, fault 27, fault 28, fault 47",
        "a value that lost a conflict was in no journal",
    ),
];

#[test]
fn what_failed_once_does_not_fail_again() {
    for (script, failed) in STORIES {
        let script = script.parse().unwrap();
        if let Err(found) = run(&script, false).verdict {
            panic!("{script}: {found}\n({failed})");
        }
    }
}

#[test]
fn a_text_that_a_rule_turns_back_into_what_stood_there_is_agreed_and_not_written_again() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        let shouts = BusinessRule::before("shouts", "incident", |row| {
            if let Some(text) = row.get_mut("short_description") {
                *text = normalised(text);
            }
        });
        world.service_now.model.add_rule(shouts);
    });
    let case = scene.case("first");
    scene.sync();
    scene.delete_and_apply_again();
    scene.edit(Side::Salesforce, &case, json!({"Description": "something else"}));
    scene.run_minutes(10);
    assert!(scene.quarantined().is_empty());
    let incident = scene.counterpart(Side::Salesforce, &case).unwrap();
    assert_eq!(scene.field(Side::Salesforce, &case, "Subject"), "first");
    assert_eq!(
        scene.field(Side::ServiceNow, &incident, "short_description"),
        "FIRST"
    );
    let writes = scene.writes();
    scene.run_minutes(60);
    assert_eq!(scene.writes(), writes);
}
