//! Creating, changing and deleting records: what is sent for each, and what its outcome is.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value as Json};

use super::client::Client;
use super::convert;
use super::judge::Verdict;
use super::query::{Condition, Filter, Question, questions};
use super::refusal::{self, Verb};
use super::row;
use super::scan::Scan;
use super::send::Request;
use crate::core::ident::{FieldName, RecordId};
use crate::core::schema::ObjectSchema;
use crate::core::value::Value;
use crate::ports::{CreateItem, Rejection, RemoteError, UpdateItem, WriteOutcome};

/// The answer shows the whole record as it stands after the write and its rules, references as plain ids.
const PARAMETERS: &str =
    "sysparm_display_value=false&sysparm_exclude_reference_link=true&sysparm_input_display_value=false";

/// Rows that may have the id or the stamp of one record, those included that only hold a part of the stamp.
const MOST_CANDIDATES: usize = 1000;

fn body<'a>(pairs: impl Iterator<Item = (&'a FieldName, &'a Value)>) -> Map<String, Json> {
    pairs
        .map(|(field, value)| (field.as_str().to_owned(), Json::String(convert::to_text(value))))
        .collect()
}

fn bytes_of(body: Map<String, Json>) -> Vec<u8> {
    Json::Object(body).to_string().into_bytes()
}

impl Client {
    /// Makes records. A `sys_id` of our choice goes into the body, where the platform honours it unless
    /// `glide.rest.table_api.admin_only_sys_fields` is set; the outcome's id tells.
    pub(super) async fn create_records(
        &self,
        schema: &ObjectSchema,
        items: &[CreateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        let table = schema.object.as_str();
        let requests = items.iter().map(|item| {
            let mut body = body(item.fields.iter());
            let (stamp_field, stamp) = &item.stamp;
            body.insert(stamp_field.as_str().to_owned(), Json::String(stamp.clone()));
            if let Some(chosen) = &item.chosen {
                body.insert("sys_id".to_owned(), Json::String(chosen.as_str().to_owned()));
            }
            Request {
                method: Method::POST,
                path: format!("/api/now/table/{table}?{PARAMETERS}"),
                body: bytes_of(body),
                target: None,
            }
        });
        let verdicts = self.send(Verb::Create, schema, requests.collect()).await?;
        let mut outcomes = Vec::with_capacity(items.len());
        for (item, verdict) in items.iter().zip(verdicts) {
            outcomes.push(match verdict {
                Verdict::Settled(outcome) => outcome,
                Verdict::PerhapsExists => self.existing(schema, item).await,
                Verdict::NotFound(rejection) => WriteOutcome::Rejected(rejection),
            });
        }
        Ok(outcomes)
    }

    /// Changes records.
    pub(super) async fn update_records(
        &self,
        schema: &ObjectSchema,
        items: &[UpdateItem],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        let table = schema.object.as_str();
        let requests = items.iter().map(|item| Request {
            method: Method::PATCH,
            path: format!("/api/now/table/{table}/{}?{PARAMETERS}", item.id),
            body: bytes_of(body(item.fields.iter())),
            target: Some(item.id.clone()),
        });
        let verdicts = self.send(Verb::Update, schema, requests.collect()).await?;
        let settled = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Settled(outcome) => outcome,
            Verdict::NotFound(rejection) => WriteOutcome::Rejected(rejection),
            Verdict::PerhapsExists => WriteOutcome::Rejected(Rejection {
                problem: refusal::database_refused(Verb::Update, table),
                gone: false,
            }),
        });
        Ok(settled.collect())
    }

    /// Deletes records. One that is not found is called gone only where the deletion log proves it: ServiceNow answers
    /// a record that is gone and one that is hidden alike.
    pub(super) async fn delete_records(
        &self,
        schema: &ObjectSchema,
        ids: &[RecordId],
    ) -> Result<Vec<WriteOutcome>, RemoteError> {
        let table = schema.object.as_str();
        let requests = ids.iter().map(|id| Request {
            method: Method::DELETE,
            path: format!("/api/now/table/{table}/{id}"),
            body: Vec::new(),
            target: Some(id.clone()),
        });
        let verdicts = self.send(Verb::Delete, schema, requests.collect()).await?;
        let missing: Vec<RecordId> = ids
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| matches!(verdict, Verdict::NotFound(_)))
            .map(|(id, _)| id.clone())
            .collect();
        let gone = self.proven_gone(table, &missing).await;
        let outcomes = ids.iter().zip(verdicts).map(|(id, verdict)| match verdict {
            Verdict::Settled(outcome) => outcome,
            Verdict::NotFound(rejection) => WriteOutcome::Rejected(Rejection {
                gone: gone.contains(id),
                ..rejection
            }),
            Verdict::PerhapsExists => WriteOutcome::Rejected(Rejection {
                problem: refusal::database_refused(Verb::Delete, table),
                gone: false,
            }),
        });
        Ok(outcomes.collect())
    }

    /// Which of these the deletion log proves to be gone. Where it cannot be asked, none: the others of the batch have
    /// been written, so that this is no place to fail.
    async fn proven_gone(&self, table: &str, missing: &[RecordId]) -> BTreeSet<RecordId> {
        let mut gone = BTreeSet::new();
        for id in self.deleted(table, missing).await.unwrap_or_default() {
            if self.is_absent(table, &id).await.unwrap_or(false) {
                gone.insert(id);
            }
        }
        gone
    }

    /// Who has the `sys_id` or the stamp of a record that the database refused.
    async fn existing(&self, schema: &ObjectSchema, item: &CreateItem) -> WriteOutcome {
        let table = schema.object.as_str();
        let (stamp_field, stamp) = &item.stamp;
        let mut filter: Option<Filter> = item
            .chosen
            .as_ref()
            .map(|chosen| Filter::of(Condition::is("sys_id", chosen.as_str())));
        let asked = questions(stamp_field, [stamp.as_str()]).unwrap_or_default();
        for Question { filter: by_stamp, .. } in asked {
            filter = Some(match filter {
                Some(filter) => filter.or(by_stamp),
                None => by_stamp,
            });
        }
        let Some(filter) = filter else {
            return WriteOutcome::Unknown {
                detail: "the database refused the record".to_owned(),
            };
        };
        let fields = ["sys_id", stamp_field.as_str()];
        let scan = Scan {
            action: "find",
            table,
            filter,
            fields: &fields,
        };
        let Ok(found) = self.everything(&scan, 100, MOST_CANDIDATES).await else {
            return WriteOutcome::Unknown {
                detail: "the database refused the record, and who has its id or stamp could not be read"
                    .to_owned(),
            };
        };
        let ids = || {
            found
                .rows
                .iter()
                .filter_map(|row| Some((row::id(row).ok()?, row)))
        };
        let chosen = ids().find(|(id, _)| Some(id) == item.chosen.as_ref());
        let stamped = ids().find(|(_, row)| row::text(row, stamp_field.as_str()).as_deref() == Some(stamp));
        match chosen.or(stamped) {
            Some((id, _)) => WriteOutcome::Exists { id: Some(id) },
            None if found.hidden > 0 => WriteOutcome::Exists { id: None },
            None => WriteOutcome::Rejected(Rejection {
                problem: refusal::database_refused(Verb::Create, table),
                gone: false,
            }),
        }
    }
}
