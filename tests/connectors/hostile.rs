//! Servers that mean harm, or are broken as if they did: nothing hangs, nothing grows, no credential leaves, and what
//! became of a write is never guessed. Both adapters, over the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use syncflow::adapters::credential::{CredentialSource, SalesforceCredential, ServiceNowCredential};
use syncflow::adapters::salesforce::{Salesforce, SalesforceConfig};
use syncflow::adapters::service_now::{ServiceNow, ServiceNowConfig};
use syncflow::core::failure::{FailureClass, Problem};
use syncflow::core::ident::{FieldName, RecordId};
use syncflow::core::schema::ObjectSchema;
use syncflow::core::side::Side;
use syncflow::core::value::Value;
use syncflow::ports::{CallPolicy, Remote, RemoteError, Transport, TransportError, UpdateItem, WriteOutcome};
use syncflow_simulators::faults::CannedAnswer;
use syncflow_simulators::front::{Door, Front};
use syncflow_simulators::salesforce::{CLIENT_ID, CLIENT_SECRET, Salesforce as Org};
use syncflow_simulators::service_now::ServiceNow as Instance;
use syncflow_simulators::{Admin, Effect, Fault, Fields, Simulator};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::stack;

const NOW: Timestamp = Timestamp::constant(1_795_341_600, 0);

struct Fixed<C>(C);

#[async_trait]
impl<C: Clone + Send + Sync> CredentialSource<C> for Fixed<C> {
    async fn credential(&self) -> Result<C, Problem> {
        Ok(self.0.clone())
    }

    fn name(&self) -> &'static str {
        "Secret credential"
    }
}

/// Waits as long as it is told to, or, while in a hurry, two seconds.
struct Patience {
    stack: Arc<dyn Transport>,
    hurry: AtomicBool,
}

impl Patience {
    fn new(stack: Arc<dyn Transport>) -> Arc<Self> {
        let hurry = AtomicBool::new(false);
        Arc::new(Self { stack, hurry })
    }
}

#[async_trait]
impl Transport for Patience {
    async fn send(&self, mut request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        if self.hurry.load(Ordering::Relaxed)
            && let Some(policy) = request.extensions_mut().get_mut::<CallPolicy>()
        {
            policy.timeout = Duration::from_secs(2);
        }
        self.stack.send(request).await
    }
}

fn salesforce_at(url: &str) -> Salesforce {
    salesforce_by(url, stack::whole().0)
}

fn salesforce_by(url: &str, transport: Arc<dyn Transport>) -> Salesforce {
    let credential = SalesforceCredential::ClientCredentials {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.into(),
    };
    let config = SalesforceConfig::new(Url::parse(url).unwrap(), Arc::new(Fixed(credential)));
    Salesforce::new(config, transport, Arc::new(stack::StillClock::default()))
}

/// A service with one record, and the adapter that speaks with it.
struct Bench<M: Admin + 'static> {
    front: Front<M>,
    remote: Arc<dyn Remote>,
    patience: Arc<Patience>,
    schema: ObjectSchema,
    field: FieldName,
    id: RecordId,
    /// What a look-up by id, and a change, are called by the simulator.
    calls: (&'static str, &'static str),
}

async fn org() -> Bench<Org> {
    let front = Front::start(Simulator::new(Org::new()), Arc::new(|| NOW))
        .await
        .unwrap();
    let patience = Patience::new(stack::whole().0);
    let remote: Arc<dyn Remote> = Arc::new(salesforce_by(front.base_url(), patience.clone()));
    let fields = Fields::from_iter([("Subject".to_owned(), json!("old"))]);
    let id = front.simulator().model.seed("Case", &fields, NOW).unwrap();
    Bench {
        schema: remote.describe(&"Case".parse().unwrap()).await.unwrap(),
        front,
        remote,
        patience,
        field: "Subject".parse().unwrap(),
        id: RecordId::parse(Side::Salesforce, &id).unwrap(),
        calls: ("salesforce.queryall", "salesforce.collections.update"),
    }
}

async fn instance() -> Bench<Instance> {
    let door = Door::bind(0).await.unwrap();
    let mut model = Instance::new(&door.base_url(), 1, NOW);
    model.add_user("syncflow", "right", &["itil"]);
    let fields = Fields::from_iter([("short_description".to_owned(), json!("old"))]);
    let id = model.seed("incident", &fields, NOW).unwrap();
    let front = door.serve(Simulator::new(model), Arc::new(|| NOW));
    let credential = ServiceNowCredential::Basic {
        username: "syncflow".to_owned(),
        password: "right".into(),
    };
    let config = ServiceNowConfig {
        instance_url: front.base_url().parse().unwrap(),
    };
    let (transport, clock) = stack::whole();
    let patience = Patience::new(transport);
    let remote: Arc<dyn Remote> = Arc::new(ServiceNow::new(
        config,
        Arc::new(Fixed(credential)),
        patience.clone(),
        clock,
    ));
    Bench {
        schema: remote.describe(&"incident".parse().unwrap()).await.unwrap(),
        front,
        remote,
        patience,
        field: "short_description".parse().unwrap(),
        id: RecordId::parse(Side::ServiceNow, &id).unwrap(),
        calls: ("servicenow.list", "servicenow.update"),
    }
}

impl<M: Admin + 'static> Bench<M> {
    async fn look(&self) -> Result<Option<String>, RemoteError> {
        let seen = self
            .remote
            .read_ids(
                &self.schema,
                std::slice::from_ref(&self.id),
                std::slice::from_ref(&self.field),
            )
            .await?;
        Ok(seen[&self.id]
            .present()
            .map(|record| record.value(&self.field).unwrap().plain()))
    }

    async fn change(&self, to: &str) -> Result<WriteOutcome, RemoteError> {
        let item = UpdateItem {
            id: self.id.clone(),
            fields: BTreeMap::from([(self.field.clone(), Value::text(to))]),
            unmodified_since: None,
        };
        let outcomes = self.remote.update(&self.schema, &[item]).await?;
        Ok(outcomes.into_iter().next().unwrap())
    }

    fn fault(&self, calls: &str, effect: Effect) {
        let slow = matches!(effect, Effect::SlowDrip { .. });
        self.patience.hurry.store(slow, Ordering::Relaxed);
        self.front.simulator().faults.add(Fault::always(calls, effect));
    }

    fn heal(&self) {
        self.patience.hurry.store(false, Ordering::Relaxed);
        self.front.simulator().faults.clear();
    }

    async fn reads_nothing_from(&self, effect: Effect, reasons: &[&str]) {
        self.fault(self.calls.0, effect.clone());
        let error = self.look().await.unwrap_err();
        assert!(
            reasons.contains(&error.problem.reason.as_str()),
            "{effect:?}: {error}"
        );
        assert_eq!(error.class(), FailureClass::Transient, "{effect:?}");
        self.heal();
        assert_eq!(self.look().await.unwrap().as_deref(), Some("old"), "{effect:?}");
    }

    async fn does_not_guess_after(&self, effect: Effect, to: &str) {
        let before = self.front.simulator().calls.calls(self.calls.1);
        self.fault(self.calls.1, effect.clone());
        let outcome = self.change(to).await.unwrap();
        assert!(
            matches!(outcome, WriteOutcome::Unknown { .. }),
            "{effect:?}: {outcome:?}"
        );
        let sent = self.front.simulator().calls.calls(self.calls.1) - before;
        assert_eq!(sent, 1, "{effect:?}: a write has one attempt");
        self.heal();
        assert_eq!(
            self.look().await.unwrap().as_deref(),
            Some(to),
            "{effect:?}: it had its effect"
        );
    }

    async fn follows_no_redirect_to(&self, elsewhere: &Elsewhere) {
        for status in [301, 302, 307, 308] {
            let redirect = Effect::Redirect {
                location: format!("{}/services/x", elsewhere.url),
                status,
            };
            self.fault("", redirect);
            let error = self.look().await.unwrap_err();
            assert_eq!(error.problem.reason.as_str(), "Redirected");
            assert_eq!(error.class(), FailureClass::HumanNeeded);
            let written = self.change("redirected").await;
            assert!(
                !matches!(
                    written,
                    Ok(WriteOutcome::Applied { .. } | WriteOutcome::Exists { .. })
                ),
                "{written:?}"
            );
            self.heal();
        }
        assert_eq!(
            elsewhere.visits(),
            0,
            "no request, and so no credential, went there"
        );
    }
}

/// Somebody else's server. It only counts who comes.
struct Elsewhere {
    url: String,
    visits: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Elsewhere {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { url, visits, task }
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server can put on the wire, and the reasons that a read may give for it.
fn poison() -> [(Effect, &'static [&'static str]); 5] {
    [
        (Effect::EndlessBody, &["AnswerTooLarge"]),
        (Effect::GzipBomb { mebibytes: 64 }, &["AnswerTooLarge"]),
        (
            Effect::DeepJson { depth: 100_000 },
            &["NotJson", "UnexpectedAnswer"],
        ),
        (Effect::HugeHeaders { bytes: 4 << 20 }, &["NoAnswer"]),
        (Effect::ContentLength { claimed: 1 << 40 }, &["NoAnswer"]),
    ]
}

#[tokio::test]
async fn a_poisoned_answer_to_a_read_is_no_answer_and_the_next_one_is_read() {
    let org = org().await;
    let instance = instance().await;
    for (effect, reason) in poison() {
        org.reads_nothing_from(effect.clone(), reason).await;
        instance.reads_nothing_from(effect, reason).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_value() {
    let org = org().await;
    let instance = instance().await;
    org.fault(org.calls.0, Effect::InvalidUtf8);
    instance.fault(instance.calls.0, Effect::InvalidUtf8);
    assert_eq!(org.look().await.unwrap_err().problem.reason.as_str(), "NotJson");
    assert_eq!(
        instance.look().await.unwrap_err().problem.reason.as_str(),
        "NotJson"
    );
}

#[tokio::test]
async fn what_became_of_a_write_with_a_poisoned_answer_is_unknown() {
    let org = org().await;
    let instance = instance().await;
    for (number, (effect, _)) in poison().into_iter().enumerate() {
        let to = format!("new {number}");
        org.does_not_guess_after(effect.clone(), &to).await;
        instance.does_not_guess_after(effect, &to).await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_a_byte_at_a_time_ends_with_the_time_for_the_whole_of_it() {
    let drip = Effect::SlowDrip { millis: 200 };
    let org = org().await;
    let instance = instance().await;
    org.reads_nothing_from(drip.clone(), &["NoAnswer"]).await;
    instance.reads_nothing_from(drip.clone(), &["NoAnswer"]).await;
    org.does_not_guess_after(drip.clone(), "slow").await;
    instance.does_not_guess_after(drip, "slow").await;
}

#[tokio::test]
async fn rows_that_are_counted_and_never_shown_are_not_followed_for_ever() {
    let instance = instance().await;
    let count = |simulator: &Bench<Instance>| simulator.front.simulator().calls.calls("servicenow.list");
    let before = count(&instance);
    instance.fault(
        "servicenow.list",
        Effect::StatusBefore(CannedAnswer {
            status: 200,
            body: json!({"result": []}).to_string(),
            headers: vec![("x-total-count".to_owned(), (1_u64 << 40).to_string())],
        }),
    );
    let error = instance.look().await.unwrap_err();
    assert_eq!(error.problem.reason.as_str(), "RowsHidden", "{error}");
    assert_eq!(error.class(), FailureClass::HumanNeeded);
    assert!(count(&instance) - before <= 1000);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Elsewhere::open().await;
    org().await.follows_no_redirect_to(&elsewhere).await;
    instance().await.follows_no_redirect_to(&elsewhere).await;
}

#[tokio::test]
async fn rows_that_are_said_to_go_on_elsewhere_end_here() {
    let elsewhere = Elsewhere::open().await;
    let org = org().await;
    for link in [
        format!("{}/services/data/v62.0/query/01g-2000", elsewhere.url),
        elsewhere.url.replace("http:", "") + "/services/data/v62.0/query/01g-2000",
        "/id/00D/005".to_owned(),
    ] {
        let rows = json!({"totalSize": 3000, "done": false, "nextRecordsUrl": link, "records": []});
        org.fault(
            "salesforce.queryall",
            Effect::StatusBefore(CannedAnswer {
                status: 200,
                body: rows.to_string(),
                headers: Vec::new(),
            }),
        );
        let error = org.look().await.unwrap_err();
        assert_eq!(error.class(), FailureClass::HumanNeeded, "{error}");
        assert_eq!(error.problem.reason.as_str(), "LinkRefused");
        org.heal();
    }
    assert_eq!(elsewhere.visits(), 0);
}

#[tokio::test]
async fn rows_that_are_said_to_go_on_for_ever_are_given_up() {
    let org = org().await;
    let link = "/services/data/v62.0/queryAll/01g-2000";
    let rows = json!({"totalSize": 3000, "done": false, "nextRecordsUrl": link, "records": []});
    let endless = CannedAnswer {
        status: 200,
        body: rows.to_string(),
        headers: Vec::new(),
    };
    org.reads_nothing_from(Effect::StatusBefore(endless), &["EndlessAnswer"])
        .await;
}

#[tokio::test]
async fn an_instance_url_that_leads_elsewhere_gets_no_token() {
    let elsewhere = Elsewhere::open().await;
    let front = Front::start(Simulator::new(Org::new()), Arc::new(|| NOW))
        .await
        .unwrap();
    let foreign = elsewhere.url.replace("127.0.0.1", "127.0.0.2");
    for url in [
        "https://evil.example",
        foreign.as_str(),
        "ftp://127.0.0.1",
        "no url",
    ] {
        front.simulator().model.settings.instance_url = Some(url.to_owned());
        let error = salesforce_at(front.base_url()).identity().await.unwrap_err();
        assert_eq!(error.problem.reason.as_str(), "InstanceRefused", "{url}: {error}");
        assert_eq!(error.class(), FailureClass::HumanNeeded);
    }
    assert_eq!(elsewhere.visits(), 0);
}

#[tokio::test]
async fn an_address_of_another_service_is_a_matter_for_a_person() {
    let instance = instance().await;
    let error = salesforce_at(instance.front.base_url())
        .identity()
        .await
        .unwrap_err();
    assert_eq!(error.class(), FailureClass::HumanNeeded, "{error}");
    assert_eq!(error.problem.reason.as_str(), "WrongService");
    assert!(
        error.problem.message.contains("spec.salesforce.loginUrl"),
        "{error}"
    );
}
