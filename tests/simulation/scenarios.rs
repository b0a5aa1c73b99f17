//! Short stories in which every step matters.

use serde_json::{Value, json};
use syncflow::adapters::link_store::memory::StoreFault;
use syncflow::core::definition::{ConflictPolicy, ExitPolicy, FlowDefinition};
use syncflow::core::side::Side;
use syncflow_simulators::service_now::{BusinessRule, ChosenSysId};
use syncflow_simulators::{Admin, Effect, Fault};

use crate::operator::Operator;
use crate::people::{USER, edit_record, ids};
use crate::settings::normalised;
use crate::world::World;

/// One story.
pub struct Scenario {
    pub name: &'static str,
    pub manifests: fn(&mut FlowDefinition),
    /// What is there before the flow is applied.
    pub before: fn(&mut World),
    /// What happens.
    pub act: fn(&mut World, &mut Operator),
    /// Does it happen before the first sync is done?
    pub from_the_start: bool,
}

const fn scenario(name: &'static str, act: fn(&mut World, &mut Operator)) -> Scenario {
    Scenario {
        name,
        manifests: |_| {},
        before: |world| {
            case(world, 1);
            incident(world, 2);
        },
        act,
        from_the_start: false,
    }
}

pub static SCENARIOS: &[Scenario] = &[
    Scenario {
        from_the_start: true,
        ..scenario("the first sync of both sides", |_, _| {})
    },
    scenario("a case is made", |world, _| case(world, 3)),
    scenario("an incident is made", |world, _| incident(world, 3)),
    scenario("a case is edited", |world, _| {
        edit(
            world,
            Side::Salesforce,
            &json!({"Subject": "edited 5", "Description": "edited 6"}),
        );
    }),
    scenario("an incident is edited", |world, _| {
        edit(
            world,
            Side::ServiceNow,
            &json!({"short_description": "edited 5", "u_score": "77"}),
        );
    }),
    scenario("both sides of a pair are edited in the same field", |world, _| {
        edit(world, Side::Salesforce, &json!({"Subject": "of the case"}));
        world.now += 5_000;
        edit(
            world,
            Side::ServiceNow,
            &json!({"short_description": "of the incident"}),
        );
    }),
    Scenario {
        manifests: |definition| definition.conflict = ConflictPolicy::PreferSalesforce,
        ..scenario(
            "both sides of a pair are edited and Salesforce is preferred",
            |world, _| {
                edit(
                    world,
                    Side::ServiceNow,
                    &json!({"short_description": "of the incident"}),
                );
                edit(world, Side::Salesforce, &json!({"Subject": "of the case"}));
            },
        )
    },
    scenario(
        "both sides of a pair are edited in different fields",
        |world, _| {
            edit(world, Side::Salesforce, &json!({"Subject": "of the case"}));
            edit(
                world,
                Side::ServiceNow,
                &json!({"description": "of the incident"}),
            );
        },
    ),
    scenario("the target of a one-way field is edited", |world, _| {
        edit(world, Side::ServiceNow, &json!({"u_escalation": "drift 9"}));
        edit(
            world,
            Side::Salesforce,
            &json!({"ServiceNow_Number__c": "drift 8"}),
        );
    }),
    scenario("a choice is picked on each side", |world, _| {
        edit(world, Side::Salesforce, &json!({"Origin": "Phone"}));
        edit_other(world, Side::ServiceNow, &json!({"contact_type": "virtual_agent"}));
    }),
    scenario("a record leaves the rules with an edit", |world, _| {
        let leaves = json!({"Subject": "left", "ServiceNow_Assignment_Group__c": "Network"});
        edit(world, Side::Salesforce, &leaves);
        edit(world, Side::ServiceNow, &json!({"category": "network"}));
    }),
    Scenario {
        manifests: |definition| definition.on_exit = ExitPolicy::Unlink,
        ..scenario("a record leaves the rules and is unlinked at once", |world, _| {
            let leaves = json!({"Subject": "left", "ServiceNow_Assignment_Group__c": "Network"});
            edit(world, Side::Salesforce, &leaves);
            edit(world, Side::ServiceNow, &json!({"category": "network"}));
        })
    },
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
    scenario("the answer to an update is lost", |world, _| {
        edit(world, Side::Salesforce, &json!({"Subject": "edited 5"}));
        edit_other(world, Side::ServiceNow, &json!({"short_description": "edited 6"}));
        let lost = |calls: &str| Fault::once(calls, Effect::LoseAnswer);
        world.service_now.faults.add(lost("servicenow.batch"));
        world.salesforce.faults.add(lost("salesforce.collections"));
    }),
    scenario(
        "an update is applied long after nobody waits for it",
        |world, _| {
            edit(world, Side::Salesforce, &json!({"Subject": "edited 5"}));
            edit_other(world, Side::ServiceNow, &json!({"short_description": "edited 6"}));
            let late = |calls: &str| Fault::once(calls, Effect::ActLater { millis: 14_000 });
            world.service_now.faults.add(late("servicenow.batch"));
            world.salesforce.faults.add(late("salesforce.collections"));
        },
    ),
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
            edit(world, Side::Salesforce, &json!({"Description": "LOUD 7"}));
        })
    },
    scenario("link state is lost", |_, operator| operator.forget_everything()),
    scenario(
        "link state is rolled back over a creation and an edit",
        |world, operator| {
            operator.copy_state();
            case(world, 3);
            edit(world, Side::ServiceNow, &json!({"short_description": "edited 5"}));
            operator.fall_back_in(90);
        },
    ),
    scenario(
        "a pair of fields is taken out of the mapping and put back",
        |world, operator| {
            let whole = operator.definition.clone();
            let mut part = whole.clone();
            part.fields.remove(0);
            edit(world, Side::Salesforce, &json!({"Subject": "edited 5"}));
            operator.apply_in(0, part);
            operator.apply_in(120, whole);
        },
    ),
    scenario(
        "the store fails in the middle of its commits",
        |world, operator| {
            case(world, 3);
            edit(world, Side::ServiceNow, &json!({"short_description": "edited 5"}));
            operator.store.inject(StoreFault::CommitStopsAfter(1));
            operator.store.inject(StoreFault::CommitFailsAfter);
            operator.store.inject(StoreFault::CommitFailsBefore);
        },
    ),
    scenario("a case is deleted", |world, _| delete(world, Side::Salesforce)),
    scenario("an incident is deleted", |world, _| {
        delete(world, Side::ServiceNow);
    }),
];

fn case(world: &mut World, number: u64) {
    let text = json!({"Subject": format!("case {number}"), "Description": format!("about case {number}"),
        "Escalation__c": format!("escalation {number}")});
    case_with(world, text);
}

fn case_with(world: &mut World, mut fields: Value) {
    fields["Origin"] = json!("Email");
    fields["ServiceNow_Assignment_Group__c"] = json!("Product");
    let at = world.time_of(Side::Salesforce);
    world
        .salesforce
        .model
        .seed("Case", fields.as_object().unwrap(), at)
        .unwrap();
    world.audit();
}

fn incident(world: &mut World, number: u64) {
    let fields = json!({"short_description": format!("incident {number}"), "contact_type": "email",
        "description": format!("about incident {number}"), "category": "database"});
    let at = world.time_of(Side::ServiceNow);
    world
        .service_now
        .model
        .seed("incident", fields.as_object().unwrap(), at)
        .unwrap();
    world.audit();
}

/// Somebody edits a record of the pair that began in Salesforce.
fn edit(world: &mut World, side: Side, fields: &Value) {
    let id = of_pair(world, Side::Salesforce, side);
    edit_record(world, side, &id, fields);
}

/// Somebody edits a record of the pair that began in ServiceNow.
fn edit_other(world: &mut World, side: Side, fields: &Value) {
    let id = of_pair(world, Side::ServiceNow, side);
    edit_record(world, side, &id, fields);
}

fn delete(world: &mut World, side: Side) {
    let id = of_pair(world, Side::Salesforce, side);
    let at = world.time_of(side);
    match side {
        Side::Salesforce => world.salesforce.model.delete_as_person("Case", &id, at, USER),
        Side::ServiceNow => world
            .service_now
            .model
            .delete_as_person("incident", &id, at, USER),
    }
    .unwrap();
    world.audit();
}

/// The record on `side` of the first pair that began with a hand-made record on `origin`.
fn of_pair(world: &World, origin: Side, side: Side) -> String {
    let records = |of: Side| match of {
        Side::Salesforce => world.salesforce.model.records("Case"),
        Side::ServiceNow => world.service_now.model.records("incident"),
    };
    let stamp = |of: Side| match of {
        Side::Salesforce => "ServiceNow_Sys_Id__c",
        Side::ServiceNow => "correlation_id",
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let place = records(origin)
        .iter()
        .position(|record| text(record.get(stamp(origin))).is_empty())
        .expect("somebody made a record");
    let first = ids(world, origin).swap_remove(place);
    if side == origin {
        return first;
    }
    let place = records(side)
        .iter()
        .position(|record| text(record.get(stamp(side))).ends_with(&first))
        .expect("it has a counterpart");
    ids(world, side).swap_remove(place)
}
