//! What people write, and records that leave the rules.

use serde_json::json;
use syncflow::core::definition::{ConflictPolicy, ExitPolicy, TruncatePolicy};
use syncflow_simulators::service_now::BusinessRule;

use super::stage::{SF, SN, case_with, edit, edit_other, holds, holds_beginning, pair};
use super::{Scenario, scenario};
use crate::settings::normalised;
use crate::swarm::Trait;

pub static SCENARIOS: &[Scenario] = &[
    scenario("a case is edited", |world, _| {
        edit(
            world,
            SF,
            &json!({"Subject": "edited 5", "Description": "edited 6"}),
        );
    }),
    scenario("an incident is edited", |world, _| {
        edit(
            world,
            SN,
            &json!({"short_description": "edited 5", "u_score": "77"}),
        );
    }),
    scenario("both sides of a pair are edited in the same field", |world, _| {
        edit(world, SF, &json!({"Subject": "of the case"}));
        world.now += 5_000;
        edit(world, SN, &json!({"short_description": "of the incident"}));
    }),
    Scenario {
        manifests: |definition| definition.conflict = ConflictPolicy::PreferSalesforce,
        ..scenario(
            "both sides of a pair are edited and Salesforce is preferred",
            |world, _| {
                edit(world, SN, &json!({"short_description": "of the incident"}));
                edit(world, SF, &json!({"Subject": "of the case"}));
            },
        )
    },
    scenario(
        "both sides of a pair are edited in different fields",
        |world, _| {
            edit(world, SF, &json!({"Subject": "of the case"}));
            edit(world, SN, &json!({"description": "of the incident"}));
        },
    ),
    scenario("the target of a one-way field is edited", |world, _| {
        edit(world, SN, &json!({"u_escalation": "drift 9"}));
        edit(world, SF, &json!({"ServiceNow_Number__c": "drift 8"}));
    }),
    scenario("a choice is picked on each side", |world, _| {
        edit(world, SF, &json!({"Origin": "Phone"}));
        edit_other(world, SN, &json!({"contact_type": "virtual_agent"}));
    }),
    scenario("a record leaves the rules with an edit", |world, _| {
        let leaves = json!({"Subject": "left", "ServiceNow_Assignment_Group__c": "Network"});
        edit(world, SF, &leaves);
        edit(world, SN, &json!({"category": "network"}));
    }),
    Scenario {
        manifests: |definition| definition.on_exit = ExitPolicy::Unlink,
        ..scenario("a record leaves the rules and is unlinked at once", |world, _| {
            let leaves = json!({"Subject": "left", "ServiceNow_Assignment_Group__c": "Network"});
            edit(world, SF, &leaves);
            edit(world, SN, &json!({"category": "network"}));
        })
    },
    Scenario {
        before: |world| {
            let rule = BusinessRule::before("shouts", "incident", |row| {
                if let Some(text) = row.get_mut("description") {
                    *text = normalised(text);
                }
            });
            world.service_now.model.add_rule(rule);
            case_with(world, json!({"Subject": "one", "Description": "LOUD 2"}));
        },
        ..scenario("a rule makes something else of a text", |world, _| {
            edit(world, SF, &json!({"Description": "LOUD 7"}));
        })
    },
    scenario(
        "a pair of fields is taken out of the mapping and put back",
        |world, operator| {
            let whole = operator.definition.clone();
            let mut part = whole.clone();
            part.fields.remove(0);
            edit(world, SF, &json!({"Subject": "edited 5"}));
            operator.apply_in(0, part);
            operator.apply_in(120, whole);
        },
    ),
    Scenario {
        then: Some(|world, _| {
            let arrived = holds(world, SN, "short_description", "edited 5");
            if arrived {
                edit(world, SF, &json!({"Subject": "edited 6"}));
            }
            arrived
        }),
        comes_to: |world, _| holds(world, SN, "short_description", "edited 6"),
        ..scenario("a case is edited, and again when that has arrived", |world, _| {
            edit(world, SF, &json!({"Subject": "edited 5"}));
        })
    },
    Scenario {
        manifests: |definition| definition.guarded_writes = true,
        then: Some(|world, operator| {
            // While the write is on its way: it was planned, and says since when the record must not have moved.
            let planned = operator
                .store
                .state()
                .links()
                .any(|link| link.intents[SF].is_some());
            if planned {
                edit(
                    world,
                    SF,
                    &json!({"Subject": "of the case", "Escalation__c": "edited 7"}),
                );
            }
            planned
        }),
        comes_to: |world, _| {
            holds(world, SF, "Description", "edited 5") && holds(world, SN, "u_escalation", "edited 7")
        },
        ..scenario(
            "a case is edited while a guarded write to it is on its way",
            |world, _| {
                edit(
                    world,
                    SN,
                    &json!({"description": "edited 5", "short_description": "edited 6"}),
                );
            },
        )
    },
    Scenario {
        manifests: |definition| pair(definition, "Subject").truncate = TruncatePolicy::Cut,
        before: |world| case_with(world, json!({"Subject": long(1), "Description": "about 1"})),
        comes_to: |world, _| holds_beginning(world, SN, "short_description", "case 5 xxx"),
        traits: &[Trait::CutTexts],
        ..scenario(
            "a text that the other side cannot hold whole is edited",
            |world, _| {
                edit(world, SF, &json!({"Subject": long(5)}));
                edit(world, SN, &json!({"description": "edited 6"}));
            },
        )
    },
];

/// Longer than the 160 characters of `short_description`.
fn long(number: u64) -> String {
    format!("case {number} {}", "x".repeat(200))
}
