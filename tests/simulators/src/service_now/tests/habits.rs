//! Switches for some calls only.

use super::*;
use crate::service_now::{Availability, Habit, Semaphores};

#[test]
fn a_habit_takes_the_calls_of_its_kind_after_some_and_as_often_as_it_says() {
    let mut bench = Bench::new();
    bench.seed("incident", json!({}));
    let slumber = Habit::new("servicenow.list", |switches| {
        switches.availability = Availability::Hibernating;
    });
    bench.instance.add_habit(slumber.after(1).times(2));
    let list = |bench: &mut Bench| {
        header(&bench.get("/api/now/table/incident"), "content-type")
            .unwrap()
            .to_owned()
    };
    assert!(list(&mut bench).starts_with("application/json"));
    assert_eq!(bench.post("incident", json!({})).status(), 201, "another kind");
    assert!(list(&mut bench).starts_with("text/html") && list(&mut bench).starts_with("text/html"));
    assert!(list(&mut bench).starts_with("application/json"));
    assert_eq!(bench.instance.switches.availability, Availability::Up);
}

#[test]
fn a_share_of_calls_is_drawn_the_same_way_on_every_run() {
    let run = || {
        let mut bench = Bench::new();
        let down = Habit::new("servicenow", |switches| {
            switches.availability = Availability::Maintenance;
        });
        bench.instance.add_habit(down.percent(30));
        let status = |bench: &mut Bench| bench.get("/api/now/table/incident").status().as_u16();
        (0..100).map(|_| status(&mut bench)).collect::<Vec<_>>()
    };
    let down = run().iter().filter(|status| **status == 503).count();
    assert!((15..45).contains(&down), "{down}");
    assert_eq!(run(), run());
}

#[test]
fn a_call_inside_a_batch_has_habits_of_its_own_and_the_first_that_does_not_fit_ends_it() {
    let mut bench = Bench::new();
    let slow = Habit::new("servicenow.create", |switches| {
        switches.batch_inner_millis = 20_000;
    });
    bench.instance.add_habit(slow);
    let inner = |id: &str, method: &str| {
        let content = STANDARD.encode("{}");
        json!({"id": id, "method": method, "url": "/api/now/table/incident", "body": content,
            "headers": [{"name": "Content-Type", "value": "application/json"}]})
    };
    let asked = [
        inner("1", "GET"),
        inner("2", "POST"),
        inner("3", "POST"),
        inner("4", "GET"),
    ];
    let sent = json!({"batch_request_id": "1", "rest_requests": asked});
    let answer = body(&bench.call("POST", "/api/now/v1/batch", Some(&sent)));
    assert_eq!(answer["unserviced_requests"], json!(["3", "4"]));
    assert_eq!(answer["serviced_requests"][1]["execution_time"], 20_000);
    assert_eq!(bench.instance.rows("incident").len(), 1);
}

#[test]
fn the_admin_door_sets_habits_and_refuses_switches_that_do_not_exist() {
    let mut bench = Bench::new();
    let now = bench.now;
    let administer =
        |bench: &mut Bench, action: &str, asked: Value| bench.instance.administer(action, &asked, now);
    let asked = json!({"calls": "servicenow.create", "times": 1, "switches": {"chosenSysId": "refused"}});
    administer(&mut bench, "habit", asked).unwrap();
    let chosen = json!({"sys_id": "0123456789abcdef0123456789abcdef"});
    assert_eq!(bench.post("incident", chosen.clone()).status(), 403);
    assert_eq!(
        text(&bench.created("incident", chosen.clone()), "sys_id"),
        chosen["sys_id"].as_str().unwrap()
    );
    let unknown = json!({"calls": "servicenow", "switches": {"noSuchSwitch": true}});
    assert!(administer(&mut bench, "habit", unknown).is_err());
    administer(
        &mut bench,
        "habit",
        json!({"calls": "servicenow", "switches": {"availability": "maintenance"}}),
    )
    .unwrap();
    assert_eq!(bench.get("/api/now/table/incident").status(), 503);
    administer(&mut bench, "clearHabits", Value::Null).unwrap();
    assert_eq!(bench.get("/api/now/table/incident").status(), 200);
}

#[test]
fn more_requests_than_threads_and_their_queue_hold_are_turned_away_without_rate_headers() {
    let mut bench = Bench::new();
    bench.instance.switches.semaphores = Some(Semaphores {
        threads: 2,
        queue: 1,
        request_millis: 1500,
    });
    let statuses: Vec<u16> = (0..5)
        .map(|_| bench.get("/api/now/table/incident").status().as_u16())
        .collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let denied = bench.get("/api/now/table/incident");
    assert_eq!(
        (
            header(&denied, "retry-after"),
            header(&denied, "x-ratelimit-limit")
        ),
        (None, None)
    );
    bench.wait(2);
    assert_eq!(
        bench.get("/api/now/table/incident").status(),
        200,
        "the first two are done, the third is served"
    );
}
