//! What applications demand of a task's state.

use super::*;

fn detail(answer: &Response) -> String {
    let (status, _, detail) = error(answer);
    assert_eq!(status, 403);
    detail.unwrap()
}

#[test]
fn an_incident_on_hold_needs_a_reason_and_a_comment_where_it_waits_for_its_caller() {
    let mut bench = Bench::new();
    bench.instance.switches.hold_policy = true;
    let id = bench.seed("incident", json!({}));
    let held = bench.patch("incident", &id, json!({"state": "3"}));
    assert_eq!(
        detail(&held),
        "Data Policy Exception: The following fields are mandatory: On hold reason"
    );
    let silent = bench.patch("incident", &id, json!({"state": "3", "hold_reason": "1"}));
    assert!(detail(&silent).ends_with("Additional comments"));
    bench.patched(
        "incident",
        &id,
        json!({"state": "3", "hold_reason": "1", "comments": "Please call"}),
    );
    bench.patched("incident", &id, json!({"urgency": "1"}));
}

#[test]
fn a_comment_of_the_caller_and_of_nobody_else_takes_an_incident_off_hold() {
    let mut bench = Bench::new();
    bench.instance.switches.caller_reply_resumes = true;
    let caller = bench.instance.add_user("caller", "secret", &["itil"]);
    let id = bench.seed(
        "incident",
        json!({"state": "3", "hold_reason": "1", "caller_id": caller}),
    );
    assert_eq!(
        text(
            &bench.patched("incident", &id, json!({"comments": "ours"})),
            "state"
        ),
        "3"
    );
    bench.user = "caller";
    assert_eq!(
        text(
            &bench.patched("incident", &id, json!({"comments": "mine"})),
            "state"
        ),
        "2"
    );
}

#[test]
fn a_closed_incident_is_changed_by_administrators_only() {
    let mut bench = Bench::new();
    bench.instance.switches.closed_is_read_only = true;
    let id = bench.seed(
        "incident",
        json!({"state": "7", "close_code": "Duplicate", "close_notes": "x"}),
    );
    let refused = bench.patch("incident", &id, json!({"urgency": "1"}));
    assert_eq!(
        detail(&refused),
        "ACL Exception Update Failed due to security constraints"
    );
    bench.user = "admin";
    bench.patched("incident", &id, json!({"urgency": "1"}));
}

#[test]
fn a_change_goes_through_its_states_one_by_one_or_is_canceled() {
    let mut bench = Bench::new();
    bench.instance.switches.change_model = true;
    let id = text(&bench.created("change_request", json!({})), "sys_id");
    let skipped = bench.patch("change_request", &id, json!({"state": "-2"}));
    assert!(detail(&skipped).contains("'Change Model: Check State Transition^"));
    for state in ["-4", "-3", "4"] {
        assert_eq!(
            text(
                &bench.patched("change_request", &id, json!({"state": state})),
                "state"
            ),
            state
        );
    }
}

#[test]
fn a_resolved_incident_closes_itself_some_days_after_its_last_update() {
    let mut bench = Bench::new();
    bench.instance.switches.auto_close_days = Some(7);
    let id = bench.seed(
        "incident",
        json!({"state": "6", "close_code": "Duplicate", "close_notes": "x"}),
    );
    bench.wait(6 * 86_400);
    bench.patched("incident", &id, json!({"urgency": "1"}));
    bench.wait(6 * 86_400);
    let state = |bench: &mut Bench| bench.column("incident", "", "state").remove(0);
    assert_eq!(state(&mut bench), "6", "the touch began the wait anew");
    bench.wait(86_400);
    assert_eq!(state(&mut bench), "7");
    assert_eq!(
        bench.instance.row("incident", &id).unwrap()["sys_updated_by"],
        "system"
    );
}
