//! Conflicts, plans and quarantined records that wait for a person, and the person's word.

use serde_json::json;
use syncflow::core::definition::{ConflictPolicy, DeletePolicy, Guard, Guards};
use syncflow_simulators::WriteKind;

use super::stage::{
    SF, SN, case, case_with, delete, done_by_the_flow, edit, edit_other, holds, incident,
    let_deletions_be_proven, of_pair, pair,
};
use super::{Scenario, scenario};
use crate::people::{edit_record, ids};

pub static SCENARIOS: &[Scenario] = &[
    Scenario {
        manifests: |definition| definition.conflict = ConflictPolicy::Manual,
        then: Some(|world, operator| {
            let open = operator.report().open_conflicts > 0;
            if open {
                let word = format!("{}=salesforce#1", of_pair(world, SF, SN));
                operator.ask(|requests, _| requests.resolve = Some(word));
            }
            open
        }),
        comes_to: |world, operator| {
            holds(world, SN, "short_description", "of the case") && operator.report().open_conflicts == 0
        },
        ..scenario("a conflict waits until a person picks a side", |world, _| {
            edit(world, SF, &json!({"Subject": "of the case"}));
            edit(world, SN, &json!({"short_description": "of the incident"}));
        })
    },
    Scenario {
        manifests: |definition| definition.conflict = ConflictPolicy::Manual,
        then: Some(|world, operator| {
            let open = operator.report().open_conflicts > 0;
            if open {
                edit(world, SN, &json!({"short_description": "decided"}));
            }
            open
        }),
        comes_to: |world, _| holds(world, SF, "Subject", "decided"),
        ..scenario("a conflict waits until a person edits one side", |world, _| {
            edit(world, SF, &json!({"Subject": "of the case"}));
            edit(world, SN, &json!({"short_description": "of the incident"}));
        })
    },
    Scenario {
        manifests: |definition| {
            definition.on_delete = DeletePolicy::DeleteCounterpart;
            definition.guards.deletions = Guard {
                records: 1,
                percent: 1,
            };
        },
        before: |world| {
            let_deletions_be_proven(world);
            (1..6).for_each(|number| case(world, number));
        },
        then: Some(|_, operator| {
            let plan = operator.report().held_plan;
            if let Some(plan) = &plan {
                let token = plan.token.clone();
                operator.ask(|requests, _| requests.approved_plan = Some(token));
            }
            plan.is_some()
        }),
        comes_to: |world, _| done_by_the_flow(world, SN, WriteKind::Deleted) == 2,
        watched: 7,
        ..scenario("many deletions are held back and approved", |world, _| {
            delete(world, SF);
            delete(world, SF);
        })
    },
    Scenario {
        manifests: |definition| {
            definition.guards.changes = Guard {
                records: 1,
                percent: 1,
            };
        },
        before: |world| {
            (1..4).for_each(|number| case_with(world, json!({"Subject": format!("case {number}")})));
        },
        then: Some(|_, operator| {
            let plan = operator.report().held_plan;
            if let Some(plan) = &plan {
                let token = plan.token.clone();
                operator.ask(|requests, _| requests.approved_plan = Some(token));
                // At the end of every story each record is edited.
                let mut lenient = operator.definition.clone();
                lenient.guards = Guards::default();
                operator.apply_in(30, lenient);
            }
            plan.is_some()
        }),
        comes_to: |world, _| holds(world, SN, "u_escalation", "case 1"),
        ..scenario(
            "a changed mapping that rewrites many records is held back and approved",
            |_, operator| {
                let mut remapped = operator.definition.clone();
                pair(&mut remapped, "Escalation__c").fields.salesforce = "Subject".parse().unwrap();
                operator.apply_in(0, remapped);
            },
        )
    },
    Scenario {
        then: Some(|world, operator| {
            let stuck = operator.report().quarantined > 0;
            if stuck {
                world.refuses = None;
                operator.ask(|requests, _| requests.release = Some("*#1".into()));
            }
            stuck
        }),
        comes_to: |world, operator| {
            holds(world, SF, "Description", "poison 5") && operator.report().quarantined == 0
        },
        ..scenario("a record waits in quarantine until it is released", |world, _| {
            world.refuses = Some("poison".into());
            edit(world, SN, &json!({"description": "poison 5"}));
        })
    },
    Scenario {
        before: |world| (1..6).for_each(|number| incident(world, number)),
        then: Some(|world, operator| {
            let stuck = operator.report().quarantined > 0;
            if stuck {
                world.refuses = None;
                edit_other(world, SN, &json!({"description": "harmless"}));
            }
            stuck
        }),
        comes_to: |world, operator| {
            holds(world, SF, "Description", "harmless") && operator.report().quarantined == 0
        },
        ..scenario("one record poisons the call of five", |world, _| {
            world.refuses = Some("poison".into());
            let poisoned = of_pair(world, SN, SN);
            for (number, id) in ids(world, SN).iter().enumerate() {
                let word = if *id == poisoned { "poison" } else { "fine" };
                edit_record(world, SN, id, &json!({"description": format!("{word} {number}")}));
            }
        })
    },
];
