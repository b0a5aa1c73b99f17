//! The adapter against answers written down here: every classification that no honest service gives on demand.

#![allow(clippy::unnecessary_wraps, reason = "a script is a list of results")]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::{Salesforce, SalesforceConfig};
use crate::adapters::credential::{CredentialSource, SalesforceCredential};
use crate::adapters::http::scripted::{Script, TestClock, answer};
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, RecordId};
use crate::core::schema::{FieldKind, FieldSchema, ObjectSchema};
use crate::core::side::Side;
use crate::core::value::Value;
use crate::ports::{CreateItem, TransportError, UpdateItem};

mod backfill;
mod budget;
mod delete;
mod grants;
mod guarded;
mod ingest;
mod read;
mod sign_in;
mod write;

type Answer = Result<http::Response<Bytes>, TransportError>;

struct Fixed(SalesforceCredential);

#[async_trait]
impl CredentialSource<SalesforceCredential> for Fixed {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        Ok(self.0.clone())
    }

    fn name(&self) -> &'static str {
        "Secret salesforce-oauth"
    }
}

fn client_credentials() -> SalesforceCredential {
    SalesforceCredential::ClientCredentials {
        client_id: "key".into(),
        client_secret: "hush".into(),
    }
}

/// An adapter over these answers, the script, and its clock.
fn scripted(answers: impl IntoIterator<Item = Answer>) -> (Salesforce, Arc<Script>, Arc<TestClock>) {
    let script = Arc::new(Script::new(answers));
    let clock = Arc::new(TestClock::default());
    let config = SalesforceConfig::new(
        Url::parse("https://acme.my.salesforce.com").unwrap(),
        Arc::new(Fixed(client_credentials())),
    );
    (
        Salesforce::new(config, script.clone(), clock.clone()),
        script,
        clock,
    )
}

/// As [`scripted`], already asked to sign in with success.
fn signed_in(answers: impl IntoIterator<Item = Answer>) -> (Salesforce, Arc<Script>) {
    let (salesforce, script, _) = scripted([token("one")].into_iter().chain(answers));
    (salesforce, script)
}

fn token(token: &str) -> Answer {
    ok(&format!(
        r#"{{"access_token":"{token}","instance_url":"https://acme.my.salesforce.com","token_type":"Bearer",
            "id":"https://login.salesforce.com/id/00DD0000000KjsGMAS/005D0000001UEjeIAG","issued_at":"1700000000000"}}"#
    ))
}

fn ok(body: &str) -> Answer {
    Ok(answer(200, body))
}

fn expired() -> Answer {
    Ok(answer(
        401,
        r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
    ))
}

fn field(name: &str) -> FieldName {
    name.parse().unwrap()
}

fn id(number: u32) -> RecordId {
    RecordId::parse(Side::Salesforce, &format!("500D{number:011}")).unwrap()
}

/// A Case with a subject, a stamp, a number and an account.
fn schema() -> ObjectSchema {
    let plain = |kind| FieldSchema {
        kind,
        readable: true,
        createable: true,
        updateable: true,
        required_on_create: false,
        unique: false,
        external_id: false,
        filterable: true,
    };
    let text = || {
        plain(FieldKind::Text {
            max_length: Some(255),
        })
    };
    ObjectSchema {
        side: Side::Salesforce,
        object: "Case".parse().unwrap(),
        createable: Some(true),
        updateable: Some(true),
        deletable: Some(true),
        fields: BTreeMap::from([
            (field("Subject"), text()),
            (field("Stamp__c"), text()),
            (field("OwnerId"), plain(FieldKind::Reference)),
            (field("AccountId"), plain(FieldKind::Reference)),
            (field("Effort__c"), plain(FieldKind::Number { scale: Some(2) })),
        ]),
    }
}

fn new_case(number: u32) -> CreateItem {
    CreateItem {
        chosen: None,
        stamp: (field("Stamp__c"), format!("servicenow:{number:032}")),
        fields: BTreeMap::from([(field("Subject"), Value::text(format!("case {number}")))]),
    }
}

fn change(number: u32) -> UpdateItem {
    UpdateItem {
        id: id(number),
        fields: BTreeMap::from([(field("Subject"), Value::text("changed"))]),
        unmodified_since: None,
    }
}

/// The body of a request as JSON.
fn json_of(request: &http::Request<Bytes>) -> serde_json::Value {
    serde_json::from_slice(request.body()).unwrap()
}

/// The SOQL of a request.
fn soql_of(request: &http::Request<Bytes>) -> String {
    let url = Url::parse(&request.uri().to_string()).unwrap();
    let (_, soql) = url.query_pairs().find(|(name, _)| name == "q").unwrap();
    soql.into_owned()
}
