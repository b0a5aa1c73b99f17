//! The adapter against answers that a test wrote down: what no honest server would send on request.

#![allow(
    clippy::unnecessary_wraps,
    reason = "a script holds answers and failures alike"
)]

mod bounds;
mod changes;
mod deleting;
mod describing;
mod grants;
mod in_time;
mod looking_up;
mod pacing;
mod remembering;
mod signing_in;
mod writing;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response};
use serde_json::{Value as Json, json};

use super::{ServiceNow, ServiceNowConfig};
use crate::adapters::credential::{CredentialSource, ServiceNowCredential};
use crate::adapters::http::scripted::{Script, TestClock, answer};
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, RecordId};
use crate::core::schema::{FieldKind, FieldSchema, ObjectSchema};
use crate::core::side::Side;
use crate::ports::TransportError;

type Answer = Result<Response<Bytes>, TransportError>;

/// A Secret whose content a test can change.
struct Secret(Mutex<Result<ServiceNowCredential, Problem>>);

impl Secret {
    fn basic(password: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ok(basic(password)))))
    }

    fn oauth() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ok(ServiceNowCredential::OauthPassword {
            client_id: "client".to_owned(),
            client_secret: "client secret".into(),
            username: "syncflow".to_owned(),
            password: "right".into(),
        }))))
    }

    fn put(&self, content: Result<ServiceNowCredential, Problem>) {
        *self.0.lock().unwrap() = content;
    }
}

fn basic(password: &str) -> ServiceNowCredential {
    ServiceNowCredential::Basic {
        username: "syncflow".to_owned(),
        password: password.into(),
    }
}

#[async_trait]
impl CredentialSource<ServiceNowCredential> for Secret {
    async fn credential(&self) -> Result<ServiceNowCredential, Problem> {
        self.0.lock().unwrap().clone()
    }

    fn name(&self) -> &'static str {
        "Secret servicenow-user"
    }
}

struct Bench {
    service_now: ServiceNow,
    script: Arc<Script>,
    clock: Arc<TestClock>,
    secret: Arc<Secret>,
}

impl Bench {
    /// The decoded query parameter of the request at this place.
    fn parameter(&self, place: usize, name: &str) -> String {
        let requests = self.script.requests();
        let uri = requests[place].uri();
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .find(|(parameter, _)| parameter == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }

    fn calls(&self) -> usize {
        self.script.requests().len()
    }
}

fn bench(answers: impl IntoIterator<Item = Answer>) -> Bench {
    bench_of(Secret::basic("right"), answers)
}

fn bench_of(secret: Arc<Secret>, answers: impl IntoIterator<Item = Answer>) -> Bench {
    let script = Arc::new(Script::new(answers));
    let clock = Arc::new(TestClock::default());
    let config = ServiceNowConfig {
        instance_url: "https://acme.service-now.com/".parse().unwrap(),
    };
    let service_now = ServiceNow::new(config, secret.clone(), script.clone(), clock.clone());
    Bench {
        service_now,
        script,
        clock,
        secret,
    }
}

fn name(text: &str) -> FieldName {
    text.parse().unwrap()
}

fn id(number: u32) -> RecordId {
    RecordId::parse(Side::ServiceNow, &format!("{number:032x}")).unwrap()
}

fn schema() -> ObjectSchema {
    let field = |kind| FieldSchema {
        kind,
        readable: true,
        createable: true,
        updateable: true,
        required_on_create: false,
        unique: false,
        external_id: false,
        filterable: true,
    };
    let text = || field(FieldKind::Text { max_length: None });
    ObjectSchema {
        side: Side::ServiceNow,
        object: "incident".parse().unwrap(),
        createable: None,
        updateable: None,
        deletable: None,
        fields: [
            (name("short_description"), text()),
            (name("correlation_id"), text()),
            (name("sys_created_on"), field(FieldKind::DateTime)),
        ]
        .into(),
    }
}

/// A row that was created and changed at this minute and second past ten.
fn row(number: u32, minute_second: &str) -> Json {
    json!({
        "sys_id": id(number).as_str(),
        "sys_updated_on": format!("2026-11-22 10:{minute_second}"),
        "sys_created_on": "2026-11-22 09:00:00",
        "sys_mod_count": "3",
        "short_description": "printer on fire",
        "correlation_id": "",
    })
}

fn ok(body: &Json) -> Answer {
    Ok(answer(200, &body.to_string()))
}

/// A list: what is shown, and how many there are.
fn listed(total: usize, rows: &[Json]) -> Answer {
    let mut response = answer(200, &json!({"result": rows}).to_string());
    let total = HeaderValue::try_from(total.to_string()).unwrap();
    response.headers_mut().insert("x-total-count", total);
    Ok(response)
}

fn refused(status: u16, message: &str, detail: &str) -> Answer {
    let body = json!({"error": {"message": message, "detail": detail}, "status": "failure"});
    Ok(answer(status, &body.to_string()))
}
