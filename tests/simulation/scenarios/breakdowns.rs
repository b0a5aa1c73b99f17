//! Answers that are lost, sessions that end, stores that fail, link state that is gone.

use serde_json::json;
use syncflow::adapters::link_store::memory::StoreFault;
use syncflow_simulators::{Effect, Fault};

use super::stage::{SF, SN, case, edit, edit_other, holds};
use super::{Scenario, scenario};

pub static SCENARIOS: &[Scenario] = &[
    scenario("the answer to an update is lost", |world, _| {
        edit(world, SF, &json!({"Subject": "edited 5"}));
        edit_other(world, SN, &json!({"short_description": "edited 6"}));
        let lost = |calls: &str| Fault::once(calls, Effect::LoseAnswer);
        world.service_now.faults.add(lost("servicenow.batch"));
        world.salesforce.faults.add(lost("salesforce.collections"));
    }),
    scenario(
        "an update is applied long after nobody waits for it",
        |world, _| {
            edit(world, SF, &json!({"Subject": "edited 5"}));
            edit_other(world, SN, &json!({"short_description": "edited 6"}));
            let late = |calls: &str| Fault::once(calls, Effect::ActLater { millis: 14_000 });
            world.service_now.faults.add(late("servicenow.batch"));
            world.salesforce.faults.add(late("salesforce.collections"));
        },
    ),
    scenario("link state is lost", |world, operator| {
        operator.forget_everything();
        edit(world, SF, &json!({"Subject": "edited 5"}));
    }),
    scenario(
        "link state is rolled back over a creation and an edit",
        |world, operator| {
            operator.copy_state();
            case(world, 3);
            edit(world, SN, &json!({"short_description": "edited 5"}));
            operator.fall_back_in(90);
        },
    ),
    scenario(
        "the store fails in the middle of its commits",
        |world, operator| {
            case(world, 3);
            edit(world, SN, &json!({"short_description": "edited 5"}));
            operator.store.inject(StoreFault::CommitStopsAfter(1));
            operator.store.inject(StoreFault::CommitFailsAfter);
            operator.store.inject(StoreFault::CommitFailsBefore);
        },
    ),
    Scenario {
        comes_to: |world, _| holds(world, SF, "Subject", "edited 5"),
        ..scenario("the session ends before the write", |world, _| {
            edit(world, SN, &json!({"short_description": "edited 5"}));
            world.salesforce.model.revoke_sessions();
        })
    },
];
