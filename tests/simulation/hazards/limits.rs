//! The hazard of limits: H16, and of the jobs that keep to them.

use std::time::Duration;

use serde_json::json;
use syncflow::core::side::Side;

use crate::promises::scene::Scene;

const SF: Side = Side::Salesforce;

/// H16: an org's calls are counted over a day for everybody together; ours stop at our share, and that is said.
#[test]
pub fn h16_the_share_of_the_orgs_calls_is_never_exceeded() {
    let mut scene = Scene::new();
    let case = scene.case("dear");
    scene.set_up(|world| world.salesforce.model.settings.daily_requests = 400);
    let mut told = false;
    for round in 0..24 * 3 {
        scene.edit(SF, &case, json!({"Subject": format!("edit {round}")}));
        scene.run_minutes(20);
        let used = scene.calls_of_the_last_day();
        assert!(used <= 320, "{used} calls in a day; the share is 80 % of 400");
        told |= scene
            .report()
            .warnings
            .iter()
            .any(|warning| warning.reason.as_str().starts_with("ApiBudget"))
            || format!("{:?}", scene.report().state).contains("ApiBudget");
    }
    assert!(told, "{:?}", scene.report());
    // The window moves on, and so does the flow.
    scene.edit(SF, &case, json!({"Subject": "the next day"}));
    scene.run_minutes(24 * 60);
    let incident = scene.counterpart(SF, &case).unwrap();
    assert_eq!(
        scene.field(Side::ServiceNow, &incident, "short_description"),
        "the next day"
    );
}

/// H16: what is left of the share is spread over the day, but a scan that began is read to its end.
#[test]
pub fn h16_a_scan_of_several_pages_is_read_to_its_end_while_calls_are_spread_over_the_day() {
    let mut scene = Scene::new();
    let case = scene.case("dear");
    scene.sync();
    // More than one page of others' cases, and behind them the edit that counts.
    for number in 0..2_100 {
        scene.make(
            SF,
            json!({"Subject": format!("call {number}"), "Origin": "Phone"}),
        );
    }
    scene.edit(SF, &case, json!({"Subject": "behind the first page"}));
    // Seven eighths of the share of 12,000.
    scene.others_have_used(10_500);
    scene.run_minutes(30);
    let incident = scene.counterpart(SF, &case).unwrap();
    assert_eq!(
        scene.field(Side::ServiceNow, &incident, "short_description"),
        "behind the first page"
    );
    // The same with a sync-now, which asks the deletion logs besides.
    scene.ask(|requests| requests.sync_now = Some("now".into()));
    scene.run_minutes(30);
    assert_eq!(scene.report().handled_sync_now.as_deref(), Some("now"));
}

/// H16: where too little is left of the share to look for changes at Salesforce, changes still reach it.
#[test]
pub fn h16_an_incidents_edit_reaches_salesforce_when_nothing_is_left_for_polls() {
    let mut scene = Scene::new();
    let case = scene.case("dear");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    // 96 % of the share of 12,000.
    scene.others_have_used(11_520);
    scene.run_minutes(2);
    scene.edit(
        Side::ServiceNow,
        &incident,
        json!({"short_description": "from the instance"}),
    );
    scene.run_minutes(30);
    assert_eq!(scene.field(SF, &case, "Subject"), "from the instance");
    assert_eq!(scene.failure().reason.as_str(), "ApiBudgetLow");
}

/// The rows of a bulk job are up to an hour old: nothing is made for a record that was deleted meanwhile, and nothing is
/// written that was edited meanwhile.
#[test]
pub fn h16_a_record_that_is_deleted_after_a_bulk_job_read_it_gets_no_counterpart() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        world.bulk.query_from = 10;
        world.salesforce.model.settings.bulk.queued_seconds = 0;
        world.salesforce.model.settings.bulk.running_seconds = 0;
    });
    // Three pages of others' cases, after which a job pays.
    for number in 0..6_100 {
        scene.make(
            SF,
            json!({"Subject": format!("call {number}"), "Origin": "Phone"}),
        );
    }
    scene.set_up(|world| world.pass(Duration::from_secs(5)));
    let deleted = scene.case("deleted");
    let edited = scene.case("before");
    let kept = scene.case("kept");
    scene.step_until(|scene| scene.calls("salesforce.bulk.query.create") > 0);
    scene.step(1);
    scene.delete(SF, &deleted);
    scene.edit(SF, &edited, json!({"Subject": "after"}));
    scene.set_up(|world| world.pass(Duration::from_mins(3)));
    scene.step_until(|scene| scene.counterpart(SF, &kept).is_some());
    assert!(
        scene.calls("salesforce.bulk.query.results") > 0,
        "the job was not read"
    );
    let subjects: Vec<String> = scene
        .all(Side::ServiceNow)
        .iter()
        .map(|incident| {
            incident["short_description"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert!(
        !subjects.iter().any(|subject| subject == "before"),
        "{subjects:?}"
    );
    scene.run_minutes(10);
    assert_eq!(scene.counterpart(SF, &deleted), None);
    let incident = scene.counterpart(SF, &edited).unwrap();
    assert_eq!(
        scene.field(Side::ServiceNow, &incident, "short_description"),
        "after"
    );
}
