//! Records that are deleted, undeleted and merged, and what becomes of their counterparts.

use syncflow::core::definition::{DeletePolicy, FlowDefinition, MarkDefinition};
use syncflow::core::side::{PerSide, Side};
use syncflow_simulators::WriteKind;

use super::stage::{
    SF, SN, case, delete, done_by_the_flow, holds, incident, let_deletions_be_proven, of_pair, undelete,
};
use super::{Scenario, scenario};
use crate::operator::Operator;
use crate::people::{USER, ids};
use crate::world::World;

pub static SCENARIOS: &[Scenario] = &[
    scenario("a case is deleted", |world, _| delete(world, SF)),
    scenario("an incident is deleted", |world, _| {
        delete(world, SN);
    }),
    Scenario {
        manifests: deletes,
        before: several,
        comes_to: |world, _| done_by_the_flow(world, SN, WriteKind::Deleted) == 1,
        watched: 7,
        ..scenario("a case is deleted and takes its incident along", |world, _| {
            delete(world, SF);
        })
    },
    Scenario {
        manifests: deletes,
        before: several,
        comes_to: |world, _| done_by_the_flow(world, SF, WriteKind::Deleted) == 1,
        watched: 7,
        ..scenario("an incident is deleted and takes its case along", |world, _| {
            delete(world, SN);
        })
    },
    Scenario {
        manifests: marks,
        before: several,
        comes_to: |world, _| holds(world, SN, "close_notes", "its case was deleted"),
        watched: 7,
        ..scenario("a case is deleted and its incident says so", |world, _| {
            delete(world, SF);
        })
    },
    Scenario {
        manifests: marks,
        before: several,
        comes_to: |world, _| holds(world, SF, "Status", "Closed"),
        watched: 7,
        ..scenario("an incident is deleted and its case says so", |world, _| {
            delete(world, SN);
        })
    },
    Scenario {
        manifests: deletes,
        before: several,
        then: Some(|world, operator| undeleted_once_noticed(world, operator, SF)),
        comes_to: |world, _| done_by_the_flow(world, SN, WriteKind::Deleted) == 0,
        watched: 7,
        ..scenario(
            "a case is undeleted as soon as its deletion is noticed",
            |world, _| {
                delete(world, SF);
            },
        )
    },
    Scenario {
        before: several,
        then: Some(|world, operator| undeleted_once_noticed(world, operator, SN)),
        watched: 7,
        ..scenario(
            "an incident is undeleted as soon as its deletion is noticed",
            |world, _| {
                delete(world, SN);
            },
        )
    },
    Scenario {
        manifests: deletes,
        before: several,
        comes_to: |world, _| done_by_the_flow(world, SN, WriteKind::Deleted) == 1,
        watched: 7,
        ..scenario("two cases are merged into one", |world, _| {
            let master = of_pair(world, SF, SF);
            let other = ids(world, SF).into_iter().rfind(|id| *id != master).unwrap();
            let at = world.time_of(SF);
            world
                .salesforce
                .model
                .merge_as_person("Case", &master, &[other], at, USER)
                .unwrap();
            world.audit();
        })
    },
];

fn deletes(definition: &mut FlowDefinition) {
    definition.on_delete = DeletePolicy::DeleteCounterpart;
}

fn marks(definition: &mut FlowDefinition) {
    let mark = |field: &str, value: &str| {
        Some(MarkDefinition {
            field: field.parse().unwrap(),
            value: value.into(),
        })
    };
    definition.on_delete = DeletePolicy::Mark(PerSide {
        salesforce: mark("Status", "Closed"),
        service_now: mark("close_notes", "its case was deleted"),
    });
}

/// So many that one that is gone is no emptied side.
fn several(world: &mut World) {
    let_deletions_be_proven(world);
    case(world, 1);
    incident(world, 2);
    case(world, 3);
    case(world, 4);
}

fn undeleted_once_noticed(world: &mut World, operator: &mut Operator, side: Side) -> bool {
    let noticed = operator
        .store
        .state()
        .links()
        .any(|link| link.departure.is_some());
    if noticed {
        undelete(world, side);
    }
    noticed
}
