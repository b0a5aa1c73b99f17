//! The ServiceNow adapter against the simulated instance, over HTTP, through the whole stack.

mod deleting;
mod describing;
mod grants;
mod reading;
mod signing_in;
mod switches;
mod writing;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use syncflow::adapters::credential::{CredentialSource, RefreshToken, ServiceNowCredential};
use syncflow::adapters::service_now::{ServiceNow, ServiceNowConfig};
use syncflow::core::failure::Problem;
use syncflow::core::ident::{FieldName, ObjectName, RecordId};
use syncflow::core::record::Record;
use syncflow::core::schema::ObjectSchema;
use syncflow::core::side::Side;
use syncflow::core::time::Instant;
use syncflow::core::value::Value;
use syncflow::ports::{
    ChangePage, ChangeQuery, Clock as _, CreateItem, Remote, RemoteError, UpdateItem, WriteOutcome,
};
use syncflow_simulators::front::{Door, Front};
use syncflow_simulators::service_now::{ServiceNow as Model, Switches};
use syncflow_simulators::{Admin, Effect, Fault, Fields, Simulator};

use crate::stack;

/// 2026-11-22T10:00:00Z: when every test begins.
const START: i64 = 1_795_341_600;

/// A Secret whose content a test can change.
pub struct Secret(Mutex<ServiceNowCredential>);

impl Secret {
    fn put(&self, credential: ServiceNowCredential) {
        *self.0.lock().unwrap() = credential;
    }
}

#[async_trait]
impl CredentialSource<ServiceNowCredential> for Secret {
    async fn credential(&self) -> Result<ServiceNowCredential, Problem> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn name(&self) -> &'static str {
        "Secret servicenow-user"
    }

    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        let mut kept = self.0.lock().unwrap();
        let ServiceNowCredential::RefreshToken { refresh_token, .. } = &mut *kept else {
            panic!("nothing here rotates");
        };
        *refresh_token = next.clone();
        Ok(())
    }
}

fn basic(username: &str, password: &str) -> ServiceNowCredential {
    ServiceNowCredential::Basic {
        username: username.to_owned(),
        password: password.into(),
    }
}

/// An instance, and the adapter that speaks with it as `syncflow`, a fulfiller.
struct Bench {
    front: Front<Model>,
    seconds: Arc<AtomicI64>,
    secret: Arc<Secret>,
    service_now: ServiceNow,
    clock: Arc<stack::StillClock>,
}

impl Bench {
    async fn open() -> Self {
        Self::open_as(basic("syncflow", "right")).await
    }

    async fn open_as(credential: ServiceNowCredential) -> Self {
        let door = Door::bind(0).await.unwrap();
        let born = Timestamp::from_second(START - 86_400).unwrap();
        let mut model = Model::new(&door.base_url(), 1, born);
        model.add_user("syncflow", "right", &["itil"]);
        model.add_user("boss", "right", &["admin"]);
        model.add_user("nobody", "right", &[]);
        model.register_client("client", "client secret", None);
        let seconds = Arc::new(AtomicI64::new(START));
        let clock = Arc::clone(&seconds);
        let now = Arc::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        let front = door.serve(Simulator::new(model), now);
        let secret = Arc::new(Secret(Mutex::new(credential)));
        let (transport, clock) = stack::whole();
        let config = ServiceNowConfig {
            instance_url: front.base_url().parse().unwrap(),
        };
        let service_now = ServiceNow::new(config, secret.clone(), transport, clock.clone());
        Self {
            front,
            seconds,
            secret,
            service_now,
            clock,
        }
    }

    /// Changes the instance from behind.
    fn model<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        change(&mut self.front.simulator().model)
    }

    fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.model(|model| change(&mut model.switches));
    }

    fn fault(&self, calls: &str, effect: Effect) {
        self.front.simulator().faults.add(Fault::once(calls, effect));
    }

    fn calls(&self, family: &str) -> u64 {
        self.front.simulator().calls.calls(family)
    }

    /// Lets time pass by the adapter's own clock.
    async fn rest(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// Lets time pass.
    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// An incident that was there before, last changed so many seconds after the start.
    fn seed(&self, second: i64, fields: &[(&str, &str)]) -> RecordId {
        let at = Timestamp::from_second(START + second).unwrap();
        let sys_id = self.model(|model| model.seed("incident", &row(fields), at).unwrap());
        RecordId::parse(Side::ServiceNow, &sys_id).unwrap()
    }

    async fn describe(&self) -> Result<ObjectSchema, RemoteError> {
        self.service_now.describe(&incident()).await
    }

    async fn schema(&self) -> ObjectSchema {
        self.describe().await.unwrap()
    }

    /// Every page from the beginning, as the engine would ask for them.
    async fn scan(&self, schema: &ObjectSchema, limit: usize) -> Result<Vec<ChangePage>, RemoteError> {
        let mut pages: Vec<ChangePage> = Vec::new();
        let mut after: Option<(Instant, Option<RecordId>)> = None;
        loop {
            let page = self
                .service_now
                .read_changes(&query(schema, after.clone(), limit))
                .await?;
            if let Some(last) = page.records.last() {
                after = Some((last.version.modified, Some(last.id.clone())));
            }
            let complete = page.complete;
            pages.push(page);
            assert!(pages.len() < 500, "a scan that does not end");
            if complete {
                return Ok(pages);
            }
        }
    }

    async fn create(&self, schema: &ObjectSchema, items: &[CreateItem]) -> Vec<WriteOutcome> {
        self.service_now.create(schema, items).await.unwrap()
    }

    async fn update(&self, schema: &ObjectSchema, items: &[UpdateItem]) -> Vec<WriteOutcome> {
        self.service_now.update(schema, items).await.unwrap()
    }

    /// A record as it stands in the instance.
    fn stored(&self, id: &RecordId) -> Option<BTreeMap<String, String>> {
        self.model(|model| model.row("incident", id.as_str()))
    }

    fn incidents(&self) -> usize {
        self.model(|model| model.records("incident").len())
    }
}

fn incident() -> ObjectName {
    "incident".parse().unwrap()
}

fn name(text: &str) -> FieldName {
    text.parse().unwrap()
}

fn row(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

fn query(schema: &ObjectSchema, after: Option<(Instant, Option<RecordId>)>, limit: usize) -> ChangeQuery {
    let asked = [
        "short_description",
        "correlation_id",
        "state",
        "caller_id",
        "due_date",
        "active",
    ];
    ChangeQuery {
        schema: schema.clone(),
        fields: asked.map(name).to_vec(),
        after,
        created_from: None,
        max_age: std::time::Duration::ZERO,
        limit,
    }
}

fn ids(pages: &[ChangePage]) -> Vec<RecordId> {
    let records = pages.iter().flat_map(|page| &page.records);
    records.map(|record| record.id.clone()).collect()
}

fn id(number: u32) -> RecordId {
    RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap()
}

fn new_record(number: u32, fields: &[(&str, &str)]) -> CreateItem {
    CreateItem {
        chosen: Some(id(number)),
        stamp: (name("correlation_id"), format!("salesforce:{number}")),
        fields: values(fields),
    }
}

fn change(id: &RecordId, fields: &[(&str, &str)]) -> UpdateItem {
    UpdateItem {
        id: id.clone(),
        fields: values(fields),
        unmodified_since: None,
    }
}

fn values(fields: &[(&str, &str)]) -> BTreeMap<FieldName, Value> {
    fields
        .iter()
        .map(|(field, value)| (name(field), Value::text(*value)))
        .collect()
}

fn shown(record: &Record, field: &str) -> String {
    record.value(&name(field)).map(Value::plain).unwrap_or_default()
}

fn applied(outcome: &WriteOutcome) -> &Record {
    match outcome {
        WriteOutcome::Applied {
            read_back: Some(record),
            ..
        } => record,
        other => panic!("not applied: {other:?}"),
    }
}

fn reason(outcome: &WriteOutcome) -> &str {
    match outcome {
        WriteOutcome::Rejected(rejection) => rejection.problem.reason.as_str(),
        other => panic!("not rejected: {other:?}"),
    }
}
