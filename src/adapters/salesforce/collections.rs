//! sObject Collections: at most 200 records a call, each with its own result in the order of the call
//! (Salesforce docs: REST API, sObject Collections).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::client::{Ask, Client, Possible, Reply};
use super::errors::{self, ApiError};
use super::write::{Fields, unknown};
use crate::adapters::http::{call, failure};
use crate::core::budget::Purpose;
use crate::core::ident::RecordId;
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::ports::{CallPolicy, Effect, Rejection, RemoteError, WriteOutcome};

/// Records of one call.
pub(super) const LARGEST_BATCH: usize = 200;

/// Without it Case and Lead assignment rules run on every update by the API and move the owner.
pub(super) const AUTO_ASSIGN: HeaderName = HeaderName::from_static("sforce-auto-assign");

/// One record of a call.
pub(super) struct Entry<'a> {
    /// Of the record to change; none for one to make.
    pub(super) id: Option<&'a str>,
    pub(super) fields: Fields<'a>,
}

/// One record of the body.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Attributes { r#type: &'a str },
    Id(&'a str),
    Value(&'a RawValue),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    all_or_none: bool,
    records: Vec<BTreeMap<&'a str, Member<'a>>>,
}

/// What became of one record, before it is known what it means for the deed.
pub(super) enum ItemResult {
    /// Decided without Salesforce's word on it.
    Settled(WriteOutcome),
    /// Salesforce's word on it; success without errors.
    Answered {
        id: Option<RecordId>,
        errors: Vec<ApiError>,
    },
}

#[derive(Deserialize)]
struct ItemAnswer {
    #[serde(default)]
    id: Option<String>,
    success: bool,
    #[serde(default)]
    errors: Vec<ApiError>,
}

/// One kind of call that carries records.
pub(super) struct Batch {
    pub(super) action: &'static str,
    /// What it does to records, for messages.
    pub(super) doing: &'static str,
    /// When the write began that this call is a part of.
    pub(super) began: Duration,
    pub(super) method: Method,
    /// Whether assignment rules are told to leave the owner.
    pub(super) keep_owner: bool,
}

impl Batch {
    /// Sends what can be sent in one call. One result per entry, in their order.
    pub(super) async fn send(
        &self,
        client: &Client,
        schema: &ObjectSchema,
        prepared: Vec<Result<Entry<'_>, Rejection>>,
    ) -> Result<Vec<ItemResult>, RemoteError> {
        if prepared.len() > LARGEST_BATCH {
            return Err(too_large(prepared.len()));
        }
        let sent: Vec<&Entry<'_>> = prepared.iter().flatten().collect();
        let answers = if sent.is_empty() {
            Vec::new()
        } else {
            self.call(client, schema, &sent).await?
        };
        let mut answers = answers.into_iter();
        Ok(prepared
            .into_iter()
            .map(|entry| match entry {
                Err(rejection) => ItemResult::Settled(WriteOutcome::Rejected(rejection)),
                Ok(_) => answers.next().unwrap_or_else(|| {
                    ItemResult::Settled(unknown("Salesforce gave fewer results than records"))
                }),
            })
            .collect())
    }

    /// The one call. Its error means that nothing happened; a result for each entry otherwise.
    async fn call(
        &self,
        client: &Client,
        schema: &ObjectSchema,
        sent: &[&Entry<'_>],
    ) -> Result<Vec<ItemResult>, RemoteError> {
        let ask = self.ask(client, schema, sent)?;
        call(client, &ask, schema, sent.len()).await
    }

    fn ask(&self, client: &Client, schema: &ObjectSchema, sent: &[&Entry<'_>]) -> Result<Ask, RemoteError> {
        let records = sent
            .iter()
            .map(|entry| {
                let attributes = Member::Attributes {
                    r#type: schema.object.as_str(),
                };
                let mut record = BTreeMap::from([("attributes", attributes)]);
                record.extend(
                    entry
                        .fields
                        .iter()
                        .map(|(name, json)| (*name, Member::Value(json))),
                );
                record.extend(entry.id.map(|id| ("id", Member::Id(id))));
                record
            })
            .collect();
        let body = serde_json::to_vec(&Body {
            all_or_none: false,
            records,
        })
        .map_err(|error| {
            failure::misconfigured("RequestRefused", format!("{} has no JSON: {error}", self.action))
        })?;
        let mut headers = Vec::new();
        if self.keep_owner {
            headers.push((AUTO_ASSIGN, HeaderValue::from_static("FALSE")));
        }
        Ok(Ask {
            policy: CallPolicy {
                action: self.action,
                effect: Effect::Write,
                timeout: client.write_timeout(),
            },
            what: format!("{} {} records", self.doing, schema.object),
            purpose: Some(Purpose::Write),
            began: Some(self.began),
            method: self.method.clone(),
            path: client.data_path("composite/sobjects"),
            headers,
            body: Bytes::from(body),
        })
    }
}

impl ItemAnswer {
    fn result(self) -> ItemResult {
        let id = self.id.and_then(|id| RecordId::parse(Side::Salesforce, &id).ok());
        match (self.success, self.errors.is_empty()) {
            (true, _) => ItemResult::Answered {
                id,
                errors: Vec::new(),
            },
            (false, false) => ItemResult::Answered {
                id,
                errors: self.errors,
            },
            (false, true) => ItemResult::Settled(unknown("Salesforce states no success and no error")),
        }
    }
}

/// Deletes records, into the recycle bin. One result per id, in their order.
pub(super) async fn delete(
    client: &Client,
    schema: &ObjectSchema,
    ids: &[RecordId],
) -> Result<Vec<ItemResult>, RemoteError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if ids.len() > LARGEST_BATCH {
        return Err(too_large(ids.len()));
    }
    let list: Vec<&str> = ids.iter().map(RecordId::as_str).collect();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("ids", &list.join(","))
        .append_pair("allOrNone", "false")
        .finish();
    let ask = Ask {
        policy: CallPolicy {
            action: "collections_delete",
            effect: Effect::Write,
            timeout: client.write_timeout(),
        },
        what: format!("deleting {} records", schema.object),
        purpose: Some(Purpose::Write),
        began: None,
        method: Method::DELETE,
        path: client.data_path(&format!("composite/sobjects?{query}")),
        headers: Vec::new(),
        body: Bytes::new(),
    };
    call(client, &ask, schema, ids.len()).await
}

/// More records than one call takes.
pub(super) fn too_large(records: usize) -> RemoteError {
    failure::misconfigured(
        "BatchTooLarge",
        format!("{records} records in one call; Salesforce takes {LARGEST_BATCH}"),
    )
}

/// The one call. Its error means that nothing happened; a result for each of `count` records otherwise.
async fn call(
    client: &Client,
    ask: &Ask,
    schema: &ObjectSchema,
    count: usize,
) -> Result<Vec<ItemResult>, RemoteError> {
    let all_unknown = |detail: &str| {
        (0..count)
            .map(|_| ItemResult::Settled(unknown(detail)))
            .collect::<Vec<_>>()
    };
    let response = match client.send(ask).await {
        Ok(Reply::Success(response)) => response,
        Ok(Reply::Errors { status, errors }) => {
            let error = errors::whole_call(&ask.what, schema.object.as_str(), status, &errors);
            return if status.is_client_error() || errors::has_code(&errors, "UNABLE_TO_LOCK_ROW") {
                Err(error)
            } else {
                Ok(all_unknown(&error.problem.message))
            };
        }
        Err(failure) => {
            return match failure.effect {
                Possible::No => Err(failure.error),
                Possible::Yes => Ok(all_unknown(&failure.error.problem.message)),
            };
        }
    };
    let answers: Vec<ItemAnswer> = match call::json(response.body()) {
        Ok(answers) => answers,
        Err(fault) => {
            let error = failure::body(Side::Salesforce, &ask.what, response.status(), fault);
            return Ok(all_unknown(&error.problem.message));
        }
    };
    if answers.len() != count {
        return Ok(all_unknown(
            "Salesforce gave another number of results than of records",
        ));
    }
    Ok(answers.into_iter().map(ItemAnswer::result).collect())
}
