//! The Salesforce adapter against the simulated org, over real HTTP.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use syncflow::adapters::credential::{CredentialSource, RefreshToken, SalesforceCredential};
use syncflow::adapters::salesforce::api_usage::{ApiUsage, ApiUsageObserver};
use syncflow::adapters::salesforce::{Salesforce, SalesforceConfig};
use syncflow::core::budget::Share;
use syncflow::core::failure::Problem;
use syncflow::core::ident::{FieldName, RecordId};
use syncflow::core::schema::ObjectSchema;
use syncflow::core::side::Side;
use syncflow::core::value::Value;
use syncflow::ports::{Clock as _, CreateItem, Remote, UpdateItem};
use syncflow_simulators::faults::CannedAnswer;
use syncflow_simulators::front::Front;
use syncflow_simulators::salesforce::{
    CLIENT_ID, CLIENT_SECRET, Field, FieldType, PicklistValue, Salesforce as Model,
};
use syncflow_simulators::{Admin, Effect, Fault, Fields, Simulator};
use url::Url;

use crate::stack::{self, StillClock};

mod budget;
mod bulk;
mod delete;
mod faults;
mod grants;
mod guarded;
mod read;
mod sign_in;
mod switches;
mod write;

/// What time it is at the org when a test begins.
const NOW: Timestamp = Timestamp::constant(1_766_000_000, 0);

/// A credential that a test can change, as a user changes a Secret; and whether the next rotated token cannot be kept.
struct Secret(Mutex<SalesforceCredential>, AtomicBool);

#[async_trait]
impl CredentialSource<SalesforceCredential> for Secret {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn name(&self) -> &'static str {
        "Secret salesforce-oauth"
    }

    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        if self.1.swap(false, Ordering::SeqCst) {
            return Err(Problem::transient("RotationNotStored", "not now"));
        }
        let mut kept = self.0.lock().unwrap();
        let SalesforceCredential::RefreshToken { refresh_token, .. } = &mut *kept else {
            panic!("nothing here rotates");
        };
        *refresh_token = next.clone();
        Ok(())
    }
}

fn client_credentials(secret: &str) -> SalesforceCredential {
    SalesforceCredential::ClientCredentials {
        client_id: CLIENT_ID.to_owned(),
        client_secret: SecretString::from(secret),
    }
}

/// Keeps the last usage heard.
#[derive(Default)]
struct Usage(Mutex<Option<ApiUsage>>);

impl ApiUsageObserver for Usage {
    fn observe(&self, usage: ApiUsage, _: u64) {
        *self.0.lock().unwrap() = Some(usage);
    }
}

/// An org with a Case that has every kind of field, and an adapter that is to speak with it.
struct Org {
    front: Front<Model>,
    adapter: Salesforce,
    clock: Arc<StillClock>,
    secret: Arc<Secret>,
    usage: Arc<Usage>,
}

impl Org {
    async fn start() -> Self {
        Self::start_with(client_credentials(CLIENT_SECRET)).await
    }

    async fn start_with(credential: SalesforceCredential) -> Self {
        Self::start_as(credential, |config| config).await
    }

    /// With a share of the org's calls of its own.
    async fn start_sharing(share: Share) -> Self {
        Self::start_as(client_credentials(CLIENT_SECRET), |config| SalesforceConfig {
            api_share: share,
            ..config
        })
        .await
    }

    async fn start_as(
        credential: SalesforceCredential,
        configured: impl FnOnce(SalesforceConfig) -> SalesforceConfig,
    ) -> Self {
        let (transport, clock) = stack::whole();
        // Time passes at the org when it passes here.
        let passing = clock.clone();
        let now = move || NOW + SignedDuration::try_from(passing.monotonic()).unwrap();
        let front = Front::start(Simulator::new(model()), Arc::new(now))
            .await
            .unwrap();
        let secret = Arc::new(Secret(Mutex::new(credential), AtomicBool::default()));
        let usage = Arc::new(Usage::default());
        let config = configured(SalesforceConfig::new(
            Url::parse(front.base_url()).unwrap(),
            secret.clone(),
        ));
        let adapter = Salesforce::new(config, transport, clock.clone()).with_usage_observer(usage.clone());
        Self {
            front,
            adapter,
            clock,
            secret,
            usage,
        }
    }

    /// The adapter of the next process: all that outlives the first one is the Secret.
    fn restarted(&self) -> Salesforce {
        let (transport, clock) = stack::whole();
        let login_url = Url::parse(self.front.base_url()).unwrap();
        Salesforce::new(
            SalesforceConfig::new(login_url, self.secret.clone()),
            transport,
            clock,
        )
    }

    async fn schema(&self) -> ObjectSchema {
        self.adapter.describe(&"Case".parse().unwrap()).await.unwrap()
    }

    /// A case made by a person so many seconds before now.
    fn seed(&self, fields: serde_json::Value, seconds_ago: i64) -> RecordId {
        let serde_json::Value::Object(fields) = fields else {
            panic!("not an object");
        };
        let at = NOW - SignedDuration::from_secs(seconds_ago);
        let id = self.front.simulator().model.seed("Case", &fields, at).unwrap();
        RecordId::parse(Side::Salesforce, &id).unwrap()
    }

    fn edit(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.front.simulator().model);
    }

    fn fault(&self, fault: Fault) {
        self.front.simulator().faults.add(fault);
    }

    fn calls(&self, family: &str) -> u64 {
        self.front.simulator().calls.calls(family)
    }

    /// What stands in a field of a case.
    fn stored(&self, id: &RecordId, field: &str) -> serde_json::Value {
        self.front.simulator().model.record("Case", id.as_str()).unwrap()[field].clone()
    }

    fn count(&self) -> usize {
        self.front.simulator().model.records("Case").len()
    }
}

fn model() -> Model {
    let mut org = Model::new();
    let tags = ["red", "green", "blue"].map(|value| PicklistValue {
        value: value.to_owned(),
        ..PicklistValue::default()
    });
    for field in [
        Field::unique_external_id("Stamp__c", 64),
        Field {
            scale: 2,
            ..Field::new("Effort__c", FieldType::Double)
        },
        Field::new("Due__c", FieldType::Date),
        Field::new("Seen__c", FieldType::Datetime),
        Field {
            nillable: false,
            defaulted_on_create: true,
            default_value: json!(false),
            ..Field::new("Urgent__c", FieldType::Boolean)
        },
        Field {
            picklist_values: tags.to_vec(),
            ..Field::new("Tags__c", FieldType::Multipicklist)
        },
        Field::picklist("Tier__c", &["Gold", "Silver"], true),
        Field {
            length: 20,
            ..Field::new("Short__c", FieldType::String)
        },
    ] {
        org.add_custom_field("Case", field).unwrap();
    }
    org
}

fn field(name: &str) -> FieldName {
    name.parse().unwrap()
}

fn fields(names: &[&str]) -> Vec<FieldName> {
    names.iter().map(|name| field(name)).collect()
}

fn stamp(number: u32) -> String {
    format!("servicenow:{number:032}")
}

fn new_case(number: u32) -> CreateItem {
    CreateItem {
        chosen: None,
        stamp: (field("Stamp__c"), stamp(number)),
        fields: BTreeMap::from([(field("Subject"), Value::text(format!("case {number}")))]),
    }
}

fn change(id: &RecordId, name: &str, value: Value) -> UpdateItem {
    UpdateItem {
        id: id.clone(),
        fields: BTreeMap::from([(field(name), value)]),
        unmodified_since: None,
    }
}

/// An answer that a gateway gives instead of Salesforce.
fn page(status: u16) -> CannedAnswer {
    CannedAnswer {
        status,
        body: "<html><body>Down for maintenance</body></html>".to_owned(),
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
    }
}

fn once(calls: &str, effect: Effect) -> Fault {
    Fault::once(calls, effect)
}
