//! One record's trouble stops nobody else, nothing is silent, and a process that dies leaves nothing undone.

use std::time::Duration;

use serde_json::json;
use syncflow::core::side::Side;
use syncflow_simulators::faults::CannedAnswer;
use syncflow_simulators::salesforce::ValidationRule;
use syncflow_simulators::service_now::{Acl, BusinessRule, Grant, Operation};
use syncflow_simulators::{Effect, Fault};

use super::scene::Scene;
use crate::lease::Lease;

const SF: Side = Side::Salesforce;
const SN: Side = Side::ServiceNow;

#[test]
fn a_rejected_record_is_quarantined_with_its_reason_and_the_others_go_on() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        let rule = ValidationRule {
            object: "Case".into(),
            when: "Subject = 'forbidden'".into(),
            message: "Not like this: forbidden".into(),
            field: Some("Subject".into()),
        };
        world.salesforce.model.add_validation_rule(rule).unwrap();
    });
    let bad = scene.incident("forbidden");
    let good = scene.incident("allowed");
    scene.sync();
    assert!(scene.counterpart(SN, &good).is_some());
    assert_eq!(scene.counterpart(SN, &bad), None);
    let row = &scene.report().quarantine[0];
    assert!(
        !row.problem.message.contains("forbidden"),
        "no record content in a message: {}",
        row.problem.message
    );
    assert!(row.problem.message.contains("Subject"), "{}", row.problem.message);
    scene.edit(SN, &bad, json!({"short_description": "better"}));
    scene.sync();
    assert!(scene.counterpart(SN, &bad).is_some(), "an edit is tried at once");
    assert_eq!(scene.report().quarantined, 0);
}

#[test]
fn a_lost_answer_to_a_creation_makes_no_second_record() {
    for call in ["servicenow.create", "salesforce.collections.create"] {
        let mut scene = Scene::new();
        scene.set_up(|world| {
            world.salesforce.faults.add(Fault::once(call, Effect::LoseAnswer));
            world
                .service_now
                .faults
                .add(Fault::once(call, Effect::LoseAnswer));
        });
        let case = scene.case("lost");
        let incident = scene.incident("lost too");
        scene.sync();
        assert_eq!(scene.made_by_the_flow(), 2, "{call}");
        assert!(scene.counterpart(SF, &case).is_some() && scene.counterpart(SN, &incident).is_some());
    }
}

#[test]
fn a_gateway_that_gives_up_after_the_write_makes_no_second_record_and_loses_no_edit() {
    let mut scene = Scene::new();
    let gateway = Effect::StatusAfter(CannedAnswer {
        status: 502,
        body: "<html>".into(),
        headers: Vec::new(),
    });
    let case = scene.case("first");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.set_up(|world| {
        world
            .service_now
            .faults
            .add(Fault::once("servicenow.update", gateway.clone()));
        world
            .service_now
            .faults
            .add(Fault::once("servicenow.create", gateway));
    });
    scene.edit(SF, &case, json!({"Subject": "second"}));
    scene.case("another");
    scene.run_minutes(20);
    assert_eq!(scene.field(SN, &incident, "short_description"), "second");
    assert_eq!(scene.made_by_the_flow(), 2);
    assert_eq!(scene.field(SF, &case, "Subject"), "second");
}

#[test]
fn http_202_is_not_done() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        world
            .service_now
            .faults
            .add(Fault::once("servicenow.create", Effect::Accepted202));
    });
    let case = scene.case("accepted, they said");
    scene.run_minutes(10);
    assert!(scene.counterpart(SF, &case).is_some());
    assert_eq!(scene.made_by_the_flow(), 1);
}

#[test]
fn a_service_in_trouble_is_reported_and_the_flow_goes_on_when_it_is_back() {
    let mut scene = Scene::new();
    let case = scene.case("patience");
    scene.set_up(|world| {
        world
            .service_now
            .faults
            .add(Fault::always("servicenow", Effect::HtmlPage));
    });
    scene.sync();
    let problem = scene.failure();
    assert!(problem.message.contains("ServiceNow"), "{problem:?}");
    scene.set_up(|world| world.service_now.faults.clear());
    scene.run_minutes(10);
    assert!(scene.counterpart(SF, &case).is_some());
}

#[test]
fn a_field_that_the_service_drops_without_a_word_is_reported() {
    let mut scene = Scene::new();
    let case = scene.case("dropped");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.set_up(|world| {
        let rule = Acl::field("incident", "description", Operation::Write, Grant::Nobody);
        world.service_now.model.add_acl(rule);
    });
    scene.edit(
        SF,
        &case,
        json!({"Description": "will be dropped", "Subject": "arrives"}),
    );
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "arrives");
    assert_eq!(scene.quarantined(), ["FieldNotWritten"]);
    assert!(
        scene.report().quarantine[0]
            .problem
            .message
            .contains("incident.description")
    );
    assert_eq!(
        scene.field(SF, &case, "Description"),
        "will be dropped",
        "the drop does not flow back"
    );
}

#[test]
fn what_a_rule_makes_of_our_write_is_taken_as_agreed_and_named() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        let rule = BusinessRule::before("upper case", "incident", |values| {
            if let Some(text) = values.get_mut("short_description") {
                *text = text.to_uppercase();
            }
        });
        world.service_now.model.add_rule(rule);
    });
    let case = scene.case("quiet");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    assert_eq!(scene.field(SN, &incident, "short_description"), "QUIET");
    assert_eq!(scene.field(SF, &case, "Subject"), "quiet");
    let before = scene.writes();
    scene.run_minutes(60);
    assert_eq!(scene.writes(), before, "no loop");
}

#[test]
fn a_value_that_the_target_does_not_keep_is_in_the_journal() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        let rule = BusinessRule::before("decides", "incident", |values| {
            if let Some(text) = values
                .get_mut("short_description")
                .filter(|text| text.contains("plea"))
            {
                *text = "decided".into();
            }
        });
        world.service_now.model.add_rule(rule);
    });
    let case = scene.case("quiet");
    scene.sync();
    scene.edit(SF, &case, json!({"Subject": "a plea"}));
    scene.sync();
    assert_eq!(scene.field(SF, &case, "Subject"), "a plea");
    let kept = ("a plea".to_owned(), "decided".to_owned());
    assert!(scene.journal().contains(&kept), "{:?}", scene.journal());
}

#[test]
fn an_automation_that_keeps_changing_a_field_back_is_stopped() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        let rule = BusinessRule::async_set("stubborn", "incident", 20, &[("u_escalation", "mine")]);
        world.service_now.model.add_rule(rule);
    });
    let case = scene.case("ping");
    scene.edit(SF, &case, json!({"Escalation__c": "pong"}));
    scene.run_minutes(60);
    assert_eq!(scene.quarantined(), ["KeepsChanging"]);
    let before = scene.made_by_the_flow();
    assert_eq!(before, 1);
}

#[test]
fn rows_that_the_service_counts_and_does_not_show_are_reported() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        world
            .service_now
            .model
            .remove_acls("incident", None, Operation::Read);
        let partly = Acl::row("incident", Operation::Read, Grant::Role("itil".into()))
            .when("short_description!=secret");
        world.service_now.model.add_acl(partly);
    });
    scene.incident("secret");
    let shown = scene.incident("shown");
    scene.sync();
    assert!(scene.counterpart(SN, &shown).is_some());
    assert!(
        scene
            .report()
            .warnings
            .iter()
            .any(|warning| warning.reason.as_str() == "RowsHidden")
    );
}

#[test]
fn a_process_killed_at_any_step_of_a_creation_leaves_one_pair() {
    for steps in 0..60 {
        let mut scene = Scene::new();
        let case = scene.case("killed");
        scene.step(steps);
        scene.kill();
        scene.set_up(|world| world.pass(Duration::from_secs(3)));
        scene.sync();
        assert_eq!(scene.made_by_the_flow(), 1, "killed after {steps} steps");
        assert!(scene.counterpart(SF, &case).is_some());
        assert_eq!(scene.report().linked, 1);
    }
}

#[test]
fn a_lost_key_is_lost_state_not_a_mass_conflict() {
    let mut scene = Scene::new();
    let case = scene.case("equal on both sides");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    let before = scene.writes();
    scene.kill_and_lose_the_key();
    scene.sync();
    assert_eq!(scene.writes(), before, "equal is adopted without a write");
    assert_eq!(scene.report().conflicts, 0);
    scene.edit(SF, &case, json!({"Subject": "goes on"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "goes on");
}

#[test]
fn a_field_that_is_dropped_from_a_new_record_is_reported_and_stays_reported() {
    let mut scene = Scene::new();
    scene.set_up(|world| {
        for operation in [Operation::Create, Operation::Write] {
            let rule = Acl::field("incident", "description", operation, Grant::Nobody);
            world.service_now.model.add_acl(rule);
        }
    });
    scene.make(
        SF,
        json!({
            "Subject": "new", "Description": "dropped", "Origin": "Email",
            "ServiceNow_Assignment_Group__c": "Product",
        }),
    );
    scene.run_minutes(60);
    assert_eq!(scene.quarantined(), ["FieldNotWritten"]);
}

#[test]
fn a_refused_write_is_not_repeated_at_every_poll_and_fills_no_journal() {
    let mut scene = Scene::new();
    let case = scene.case("refused");
    scene.sync();
    let incident = scene.counterpart(SF, &case).unwrap();
    scene.set_up(|world| {
        world.service_now.model.add_rule(BusinessRule::abort(
            "no",
            "incident",
            "short_description=refuse this",
        ));
    });
    scene.edit(SN, &incident, json!({"short_description": "earlier"}));
    scene.edit(SF, &case, json!({"Subject": "refuse this"}));
    scene.run_minutes(120);
    assert_eq!(scene.report().quarantined, 1);
    let calls = scene.calls("servicenow.update");
    assert!(calls < 12, "{calls} attempts in two hours");
    assert_eq!(scene.journal().len(), 1);
    assert_eq!(scene.report().conflicts, 1);
    scene.set_up(|world| world.service_now.model.remove_rule("no"));
    scene.edit(SF, &case, json!({"Subject": "accepted"}));
    scene.sync();
    assert_eq!(scene.field(SN, &incident, "short_description"), "accepted");
    assert_eq!(scene.report().quarantined, 0);
}

#[test]
fn a_write_of_which_nothing_is_ever_heard_is_reported() {
    let mut scene = Scene::new();
    let case = scene.case("unheard");
    scene.sync();
    scene.set_up(|world| {
        world
            .service_now
            .faults
            .add(Fault::always("servicenow.update", Effect::LoseRequest));
    });
    scene.edit(SF, &case, json!({"Subject": "into the void"}));
    scene.run_minutes(30);
    assert_eq!(scene.quarantined(), ["OutcomeUnknown"]);
    scene.set_up(|world| world.service_now.faults.clear());
    scene.run_minutes(30);
    assert_eq!(scene.report().quarantined, 0);
    let incident = scene.counterpart(SF, &case).unwrap();
    assert_eq!(scene.field(SN, &incident, "short_description"), "into the void");
}

#[test]
fn when_one_batch_cannot_be_sent_nothing_of_the_rest_waits_for_an_answer() {
    let mut scene = Scene::new();
    let cases: Vec<String> = (0..50)
        .map(|number| scene.case(&format!("case {number}")))
        .collect();
    scene.sync();
    let busy = Effect::StatusBefore(CannedAnswer {
        status: 429,
        body: r#"{"error":{"message":"Rate limit exceeded","detail":""},"status":"failure"}"#.into(),
        headers: vec![("Retry-After".into(), "20".into())],
    });
    scene.set_up(|world| {
        world
            .service_now
            .faults
            .add(Fault::once("servicenow.batch", busy));
    });
    for case in &cases {
        scene.edit(SF, case, json!({"Subject": "edited"}));
    }
    scene.run_minutes(3);
    for case in &cases {
        let incident = scene.counterpart(SF, case).unwrap();
        assert_eq!(scene.field(SN, &incident, "short_description"), "edited");
    }
}

#[test]
fn what_a_late_renewal_of_the_lease_held_back_is_sent_once_it_is_renewed() {
    let mut scene = Scene::new();
    let incident = scene.incident("as it began");
    scene.sync();
    let case = scene.counterpart(SN, &incident).unwrap();
    // It is held, and what is left of it is less than a write to Salesforce may take.
    scene.set_up(|world| world.lease = Lease::lasting(Duration::from_secs(100)));
    scene.edit(SN, &incident, json!({"short_description": "waits"}));
    scene.run_minutes(3);
    assert_eq!(scene.field(SF, &case, "Subject"), "as it began");
    scene.set_up(|world| world.lease = Lease::lasting(Duration::from_secs(150)));
    scene.run_minutes(3);
    assert_eq!(scene.field(SF, &case, "Subject"), "waits");
}
