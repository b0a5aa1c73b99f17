//! Records that get a counterpart: made, matched, or found again by its stamp.

use serde_json::json;
use syncflow::core::definition::Matching;
use syncflow::core::side::PerSide;
use syncflow_simulators::service_now::ChosenSysId;
use syncflow_simulators::{Admin, Effect, Fault, WriteKind};

use super::stage::{SF, SN, case, case_with, done_by_the_flow, edit, edit_other, holds, incident};
use super::{Scenario, scenario};

pub static SCENARIOS: &[Scenario] = &[
    Scenario {
        from_the_start: true,
        ..scenario("the first sync of both sides", |_, _| {})
    },
    scenario("a case is made", |world, _| case(world, 3)),
    scenario("an incident is made", |world, _| incident(world, 3)),
    scenario("many records are made in one second", |world, _| {
        for number in 10..17 {
            case(world, number);
            incident(world, number + 10);
        }
    }),
    Scenario {
        before: |world| {
            world.service_now.model.switches.chosen_sys_id = ChosenSysId::Ignored;
            incident(world, 2);
        },
        ..scenario(
            "the answer to a creation is lost where ids are not honoured",
            |world, _| {
                case(world, 3);
                let lost = Fault::once("servicenow.create", Effect::LoseAnswer);
                world.service_now.faults.add(lost.clone());
                world.service_now.faults.add(Fault {
                    calls: "servicenow.batch".into(),
                    ..lost
                });
            },
        )
    },
    Scenario {
        from_the_start: true,
        manifests: |definition| {
            definition.matching = Matching::MatchThenCreate {
                keys: vec![PerSide {
                    salesforce: "Subject".parse().unwrap(),
                    service_now: "short_description".parse().unwrap(),
                }],
            };
        },
        before: |world| {
            case_with(world, json!({"Subject": "the same", "Score__c": 9}));
            case(world, 3);
            let fields = json!({"short_description": "the same", "description": "only here", "u_score": "7",
                "category": "network"});
            let at = world.time_of(SN);
            let fields = fields.as_object().unwrap();
            world.service_now.model.seed("incident", fields, at).unwrap();
            world.audit();
        },
        comes_to: |world, _| {
            holds(world, SF, "Description", "only here")
                && done_by_the_flow(world, SN, WriteKind::Created) == 1
        },
        ..scenario("a case meets the incident that a rule matches it with", |_, _| {})
    },
    Scenario {
        comes_to: |world, _| {
            holds(world, SN, "short_description", "edited 5") && holds(world, SF, "Subject", "edited 6")
        },
        ..scenario("the flow is deleted and applied again", |world, operator| {
            edit(world, SF, &json!({"Subject": "edited 5"}));
            edit_other(world, SN, &json!({"short_description": "edited 6"}));
            operator.forget_everything();
            operator.apply_in(0, operator.definition.clone());
        })
    },
];
