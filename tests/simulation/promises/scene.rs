//! One fixture vocabulary: a scene is a flow over both services, with people who make and edit records.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use syncflow::adapters::link_store::memory::MemoryStore;
use syncflow::core::definition::{FieldDefinition, FlowDefinition};
use syncflow::core::failure::Problem;
use syncflow::core::link::Link;
use syncflow::core::side::Side;
use syncflow::engine::report::{FlowReport, FlowState};
use syncflow::engine::requests::Requests;
use syncflow::engine::tuning::Tuning;
use syncflow_simulators::service_now::{Acl, Grant, Operation};
use syncflow_simulators::{Admin, Fields, Model, WriteKind};

use crate::people::{USER, delete_record, undelete_record};
use crate::process::Process;
use crate::script::Script;
use crate::settings::{self, guide};
use crate::world::{Shared, World, lock};

/// A flow with its process, calm services and an empty past.
pub struct Scene {
    pub world: Shared,
    pub store: MemoryStore,
    pub definition: FlowDefinition,
    process: Option<Process>,
    requests: Requests,
    key: [u8; 32],
}

impl Scene {
    /// The guide's two-way flow.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The guide's flow, changed.
    pub fn with(adapt: impl FnOnce(&mut FlowDefinition)) -> Self {
        crate::mutants::plant_what_is_asked_for();
        let mut definition = guide();
        adapt(&mut definition);
        let (salesforce, service_now) = (settings::salesforce(), settings::service_now(1));
        let mut world = World::new(Script::whole(1), salesforce, service_now, settings::beginning());
        world.troubled = false;
        Self {
            world: Arc::new(Mutex::new(world)),
            store: MemoryStore::new(),
            definition,
            process: None,
            requests: Requests::default(),
            key: [7; 32],
        }
    }

    /// Something an administrator of a service does.
    pub fn set_up(&self, change: impl FnOnce(&mut World)) {
        change(&mut lock(&self.world));
    }

    /// Lets the flow run for a few cycles.
    pub fn sync(&mut self) {
        self.run_minutes(4);
    }

    /// Lets the flow run.
    pub fn run_minutes(&mut self, minutes: i64) {
        let world = Arc::clone(&self.world);
        self.process().run_for(&world, minutes * 60_000);
    }

    /// Lets the flow run for a moment.
    pub fn run_seconds(&mut self, seconds: i64) {
        let world = Arc::clone(&self.world);
        self.process().run_for(&world, seconds * 1_000);
    }

    /// Lets the process take so many steps: it stands at an await after each.
    pub fn step(&mut self, steps: u32) {
        for _ in 0..steps {
            self.process().step();
        }
    }

    /// Lets the process take steps until this is so.
    pub fn step_until(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if holds(self) {
                return;
            }
            self.step(1);
        }
        panic!("it never came to that: {:?}", self.report());
    }

    /// Lets time pass until a process that sleeps wakes.
    pub fn skip_sleep(&mut self) {
        let mut world = lock(&self.world);
        if let Some(wake) = world.next_wake() {
            world.now = wake.max(world.now);
        }
    }

    fn process(&mut self) -> &mut Process {
        self.process.get_or_insert_with(|| {
            let process = Process::start(
                &self.world,
                &self.store,
                &self.definition,
                Tuning::default(),
                self.key,
                1,
            );
            // Annotations outlive processes.
            process
                .control
                .send_modify(|control| control.requests = self.requests.clone());
            process
        })
    }

    /// SIGKILL, and the Secret with the flow's key is gone: the next process makes another.
    pub fn kill_and_lose_the_key(&mut self) {
        self.kill();
        self.key = [8; 32];
    }

    /// SIGKILL; the next `sync` starts a new process from the store.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Applies another definition: the worker is replaced.
    pub fn apply(&mut self, change: impl FnOnce(&mut FlowDefinition)) {
        change(&mut self.definition);
        self.kill();
    }

    /// Deletes the flow and applies it again: its link state is gone.
    pub fn delete_and_apply_again(&mut self) {
        self.kill();
        self.store.erase();
    }

    pub fn report(&self) -> FlowReport {
        self.process
            .as_ref()
            .map(|process| process.reports.borrow().clone())
            .unwrap_or_default()
    }

    /// Why the flow cannot run.
    pub fn failure(&self) -> Problem {
        match self.report().state {
            FlowState::Failing(problem) => problem,
            other => panic!("the flow does not fail, it is {other:?}"),
        }
    }

    /// The reason codes of all quarantined records.
    pub fn quarantined(&self) -> Vec<String> {
        self.report()
            .quarantine
            .iter()
            .map(|row| row.problem.reason.to_string())
            .collect()
    }

    pub fn links(&self) -> Vec<Link> {
        self.store.state().links().cloned().collect()
    }

    /// What was overwritten: (lost, kept).
    pub fn journal(&self) -> Vec<(String, String)> {
        self.store
            .state()
            .journal()
            .map(|entry| (entry.lost.clone(), entry.kept.clone()))
            .collect()
    }

    /// Somebody makes a record by hand.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "scenes read better with json!() as the argument"
    )]
    pub fn make(&self, side: Side, fields: Value) -> String {
        let mut world = lock(&self.world);
        let at = world.time_of(side);
        let fields = object(&fields);
        match side {
            Side::Salesforce => world.salesforce.model.seed("Case", &fields, at),
            Side::ServiceNow => world.service_now.model.seed("incident", &fields, at),
        }
        .unwrap()
    }

    /// A case in the rules.
    pub fn case(&self, subject: &str) -> String {
        self.make(
            Side::Salesforce,
            serde_json::json!({"Subject": subject, "Origin": "Email", "ServiceNow_Assignment_Group__c": "Product"}),
        )
    }

    /// An incident in the rules.
    pub fn incident(&self, short_description: &str) -> String {
        self.make(
            Side::ServiceNow,
            serde_json::json!({"short_description": short_description, "contact_type": "email", "category": "database"}),
        )
    }

    /// Somebody edits a record, a few seconds later.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "scenes read better with json!() as the argument"
    )]
    pub fn edit(&self, side: Side, id: &str, fields: Value) {
        let mut world = lock(&self.world);
        world.pass(std::time::Duration::from_secs(5));
        let at = world.time_of(side);
        let fields = object(&fields);
        match side {
            Side::Salesforce => world
                .salesforce
                .model
                .edit_as_person("Case", id, &fields, at, USER),
            Side::ServiceNow => world
                .service_now
                .model
                .edit_as_person("incident", id, &fields, at, USER),
        }
        .unwrap();
    }

    pub fn delete(&self, side: Side, id: &str) {
        let mut world = lock(&self.world);
        world.pass(std::time::Duration::from_secs(5));
        delete_record(&mut world, side, id).unwrap();
    }

    /// Somebody takes a record out of the recycle bin, or out of the deleted records.
    pub fn undelete(&self, side: Side, id: &str) {
        let mut world = lock(&self.world);
        world.pass(std::time::Duration::from_secs(5));
        undelete_record(&mut world, side, id).unwrap();
    }

    /// Is the record there?
    pub fn exists(&self, side: Side, id: &str) -> bool {
        let key = match side {
            Side::Salesforce => "Id",
            Side::ServiceNow => "sys_id",
        };
        self.all(side)
            .iter()
            .any(|record| record.get(key).is_some_and(|value| *value == *id))
    }

    /// Somebody sets annotations on the flow.
    pub fn ask(&mut self, change: impl FnOnce(&mut Requests)) {
        change(&mut self.requests);
        let requests = self.requests.clone();
        self.process()
            .control
            .send_modify(|control| control.requests = requests);
    }

    /// Somebody approves the plan that is held back.
    pub fn approve(&mut self) {
        let token = self.report().held_plan.expect("a plan is held back").token;
        self.ask(|requests| requests.approved_plan = Some(token));
    }

    /// The integration user of the instance may see what was deleted there.
    pub fn let_deletions_be_proven(&self) {
        self.set_up(|world| {
            let right = Acl::row("sys_audit_delete", Operation::Read, Grant::Role("itil".into()));
            world.service_now.model.add_acl(right);
        });
    }

    /// The one record of the other side that carries this record's stamp.
    pub fn counterpart(&self, side: Side, id: &str) -> Option<String> {
        let stamp = format!("{}:{id}", side.label());
        let (records, field, key) = match side.other() {
            Side::Salesforce => (self.all(Side::Salesforce), "ServiceNow_Sys_Id__c", "Id"),
            Side::ServiceNow => (self.all(Side::ServiceNow), "correlation_id", "sys_id"),
        };
        let mut bearers = records
            .iter()
            .filter(|record| record.get(field).is_some_and(|value| *value == *stamp));
        let found = bearers.next()?[key].as_str().map(str::to_owned);
        assert!(bearers.next().is_none(), "{stamp} has two counterparts");
        found
    }

    /// Every record of a side.
    pub fn all(&self, side: Side) -> Vec<Fields> {
        let world = lock(&self.world);
        match side {
            Side::Salesforce => world.salesforce.model.records("Case"),
            Side::ServiceNow => world.service_now.model.records("incident"),
        }
    }

    /// A field's content as text; an empty field is the empty text.
    pub fn field(&self, side: Side, id: &str, field: &str) -> String {
        let world = lock(&self.world);
        let record = match side {
            Side::Salesforce => world.salesforce.model.record("Case", id),
            Side::ServiceNow => world.service_now.model.record("incident", id),
        }
        .expect("the record is there");
        match record.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// How many writes there were, by anyone, since the beginning.
    pub fn writes(&self) -> usize {
        let world = lock(&self.world);
        world.salesforce.model.writes().len() + world.service_now.model.writes().len()
    }

    /// The reason codes of what needs eyes.
    pub fn warnings(&self) -> Vec<String> {
        self.report()
            .warnings
            .iter()
            .map(|warning| warning.reason.to_string())
            .collect()
    }

    /// How many calls of a kind were made.
    pub fn calls(&self, family: &str) -> u64 {
        let world = lock(&self.world);
        world.salesforce.calls.calls(family) + world.service_now.calls.calls(family)
    }

    /// How many calls the org counted in the last 24 hours.
    pub fn calls_of_the_last_day(&self) -> u64 {
        let world = lock(&self.world);
        world.salesforce.model.requests_used(world.timestamp())
    }

    /// The org's other integrations have used so many of the last 24 hours' calls, of 15,000 that everybody may make.
    pub fn others_have_used(&self, calls: u64) {
        self.set_up(|world| {
            world.salesforce.model.settings.daily_requests = 15_000;
            world.salesforce.model.set_requests_used_elsewhere(calls);
        });
    }

    /// How many records API clients made.
    pub fn made_by_the_flow(&self) -> usize {
        let world = lock(&self.world);
        let by_client = |write: &&syncflow_simulators::Write| {
            write.kind == WriteKind::Created && matches!(write.actor, syncflow_simulators::Actor::Api(_))
        };
        world.salesforce.model.writes().iter().filter(by_client).count()
            + world.service_now.model.writes().iter().filter(by_client).count()
    }
}

/// The definition of the pair with this Salesforce field.
pub fn pair<'a>(definition: &'a mut FlowDefinition, salesforce: &str) -> &'a mut FieldDefinition {
    definition
        .fields
        .iter_mut()
        .find(|field| field.fields.salesforce.as_str() == salesforce)
        .expect("the guide maps this field")
}

fn object(value: &Value) -> Fields {
    value.as_object().expect("fields are an object").clone()
}
