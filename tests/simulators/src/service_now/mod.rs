//! ServiceNow's REST API as a pure model.
//!
//! | file | what lives there |
//! |---|---|
//! | `schema/` | tables, columns, choices, inheritance; the same told as rows of the tables that describe it |
//! | `store`, `records`, `values` | rows and their versions; how a write becomes a row; what becomes of a value |
//! | `rules`, `automation` | business rules, data policies, derived values, and running them |
//! | `scripted_rules`, `state_model` | rules that clients write; what applications demand of a task's state |
//! | `journal` | `comments` and `work_notes` |
//! | `history` | who wrote what: the oracle's record, and `sys_audit_delete` |
//! | `query/`, `query_access` | encoded queries: parser, evaluator, order; what is dropped of one |
//! | `table_api`, `table_write`, `display`, `pagination` | the Table API |
//! | `batch`, `aggregate`, `attachments` (with `multipart`), `import_sets` | the other APIs |
//! | `users`, `oauth`, `acl` | who calls, and what they may do |
//! | `traffic` | session queues, threads, rate limits |
//! | `request`, `answer`, `errors` | HTTP taken apart and put together |
//! | `switches`, `habits` | behaviours no source settles, and hazards; the same for some calls only |
//! | `setup`, `person`, `administer` | the back door: what tests set up and people do, from code and as JSON |
//! | `out_of_box` | the data of a developer instance, for suites that count on it |
//!
//! Recalled without a source, and so switches where clients could care, or details that none of them reads:
//!
//! - a no-op update moves no stamp (`no_op_update_bumps`); long text is cut (`long_text`); fields that may not be
//!   written are dropped (`unwritable_field`); ISO 8601 times are not read (`parses_iso_times`); `^^` is no escape
//!   (`caret_escape`); four-byte characters are kept (`drops_four_byte_characters`);
//! - 429 for want of a thread carries no headers, and its wording; the session queue's depth of 10;
//! - the answer to a second row under one `sys_id` (403, "Error during insert of …"); 415, 406 and 405 and their
//!   wording; the wording of refused attachments, and that an attachment leaves its record's stamps alone;
//! - how a journal field is shown (each entry under "time - user (label)"), and that its stored value is empty;
//! - that negations in queries find rows without a value, and that text compares without regard to case;
//! - that a coalesce field without a value inserts, and "No field values changed" for a row that changes nothing;
//! - that a deletion takes the record's attachments along;
//! - which words `123TEXTQUERY321` finds: here every word anywhere in the row.

mod acl;
mod administer;
mod aggregate;
mod answer;
mod attachments;
mod automation;
mod batch;
mod clock;
mod display;
mod errors;
mod habits;
mod history;
mod ids;
mod import_sets;
mod journal;
mod multipart;
mod oauth;
mod out_of_box;
mod pagination;
mod person;
mod query;
mod query_access;
mod records;
mod request;
mod rules;
mod schema;
mod scripted_rules;
mod setup;
mod state_model;
mod store;
mod switches;
mod table_api;
mod table_write;
#[cfg(test)]
mod tests;
mod traffic;
mod users;
mod values;

pub use acl::{Acl, Grant, Operation};
pub use habits::Habit;
pub use rules::{Action, BusinessRule, DataPolicy, On, When};
pub use schema::{Choice, ChoiceMode, Column, InternalType, ReferenceKey, Schema, Table};
pub use setup::{FieldMap, TransformMap};
pub use store::Values;
pub use switches::{
    AssertionAudience, Availability, ChosenSysId, DeniedTable, InvalidQuery, LongText, RateLimit, Semaphores,
    SessionQueue, Switches, UnwritableField,
};

use http::Method;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

use crate::calls::{CallCounts, CallKind};
use crate::model::{Model, Request, Response, Write};
use errors::ApiError;
use request::{AttachmentPart, Call, Resource};
use users::Principal;

/// One ServiceNow instance.
#[derive(Debug, Clone)]
pub struct ServiceNow {
    /// Behaviours and hazards; set them at any time.
    pub switches: Switches,
    instance_url: String,
    born: Timestamp,
    schema: Schema,
    store: store::Store,
    acls: acl::Acls,
    /// Roles by lower-case user name.
    roles: BTreeMap<String, BTreeSet<String>>,
    oauth: oauth::OAuth,
    /// Failed sign-ins in a row by lower-case user name.
    failed_sign_ins: BTreeMap<String, u32>,
    rules: rules::Rules,
    traffic: traffic::Traffic,
    writes: Vec<Write>,
    ids: ids::Ids,
    /// The last number given out, by prefix.
    numbers: BTreeMap<String, u64>,
    /// List queries so far, which salts the order of ties.
    requests: u64,
    inner_calls: CallCounts,
    /// The fields of UI views, by table and view.
    views: BTreeMap<(String, String), Vec<String>>,
    /// What attachments hold, by `sys_id`.
    files: BTreeMap<String, bytes::Bytes>,
    pending_imports: Vec<import_sets::PendingImport>,
    habits: habits::Habits,
}

impl ServiceNow {
    /// A fresh instance at that address (no trailing slash), with the standard tables and nobody who may sign in.
    /// `seed` decides every identifier it will make, the instance's own included; `born` stamps its own rows.
    pub fn new(instance_url: &str, seed: u64, born: Timestamp) -> Self {
        let mut instance = Self {
            switches: Switches::default(),
            instance_url: instance_url.trim_end_matches('/').to_owned(),
            born,
            schema: Schema::default(),
            store: store::Store::default(),
            acls: acl::Acls::standard(),
            roles: BTreeMap::new(),
            oauth: oauth::OAuth::default(),
            failed_sign_ins: BTreeMap::new(),
            rules: rules::Rules::default(),
            traffic: traffic::Traffic::default(),
            writes: Vec::new(),
            ids: ids::Ids::new(seed),
            numbers: BTreeMap::new(),
            requests: 0,
            inner_calls: CallCounts::default(),
            views: BTreeMap::new(),
            files: BTreeMap::new(),
            pending_imports: Vec::new(),
            habits: habits::Habits::default(),
        };
        instance.describe_standard_schema();
        instance
    }

    /// The calls made inside batches, by kind; the batches themselves are counted where every call is.
    pub fn inner_calls(&self) -> &CallCounts {
        &self.inner_calls
    }

    /// Answers an authenticated request.
    fn dispatch(
        &mut self,
        call: &Call<'_>,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Response, ApiError> {
        match call.resource() {
            Resource::Table {
                table,
                sys_id,
                version_1,
            } => self.table(call, principal, table, sys_id, version_1, now),
            Resource::Batch => self.batch(call, principal, now),
            Resource::Stats { table } => self.stats(call, principal, table, now),
            Resource::Attachment(part) => self.attachment(call, principal, part, now),
            Resource::Import { staging, rest } => self.import(call, principal, staging, rest, now),
            Resource::Token | Resource::Unknown => Err(ApiError::no_resource(call.request.uri().path())),
        }
    }

    fn respond(&mut self, call: &Call<'_>, now: Timestamp) -> Response {
        if call.resource() == Resource::Token {
            return self.token(call, now);
        }
        let principal = match self.authenticate(call, now) {
            Ok(principal) => principal,
            Err(error) => return error.response(),
        };
        let allowance = match self.count_against_limits(call, &principal, now) {
            Ok(allowance) => allowance,
            Err(denied) => return *denied,
        };
        let mut response = self
            .dispatch(call, &principal, now)
            .unwrap_or_else(|error| error.response());
        if let Some(allowance) = allowance {
            allowance.show(&mut response);
        }
        response
    }
}

impl Model for ServiceNow {
    fn handle(&mut self, request: &Request, now: Timestamp) -> Response {
        self.run_due_rules(now);
        let call = Call::of(request);
        let address = request
            .uri()
            .path_and_query()
            .map_or(0, |address| address.as_str().len());
        let mut response = self.by_habit(kind(&call), |instance| {
            if let Some(page) = traffic::unavailable(instance.switches.availability) {
                page
            } else if address > instance.switches.longest_address {
                traffic::address_too_long()
            } else if instance.session_overflows(&call, now) {
                traffic::swallowed()
            } else if instance.semaphores_overflow(now) {
                ApiError::too_many_requests().response()
            } else {
                instance.respond(&call, now)
            }
        });
        if call.method == Method::HEAD {
            response = response.map(|_| bytes::Bytes::new());
        }
        answer::set(&mut response, "date", &clock::http_date(now));
        self.offer_session(&call, &mut response);
        response
    }

    fn classify(&self, request: &Request) -> CallKind {
        kind(&Call::of(request))
    }

    fn writes(&self) -> &[Write] {
        &self.writes
    }
}

/// The kind of a call, by resource and method.
fn kind(call: &Call<'_>) -> CallKind {
    CallKind::new(match (call.resource(), &call.method) {
        (Resource::Table { sys_id: None, .. }, &Method::GET | &Method::HEAD) => "servicenow.list",
        (Resource::Table { sys_id: Some(_), .. }, &Method::GET | &Method::HEAD) => "servicenow.get",
        (Resource::Table { .. }, &Method::POST) => "servicenow.create",
        (Resource::Table { .. }, &Method::PUT | &Method::PATCH) => "servicenow.update",
        (Resource::Table { .. }, &Method::DELETE) => "servicenow.delete",
        (Resource::Batch, _) => "servicenow.batch",
        (Resource::Stats { .. }, _) => "servicenow.aggregate",
        (Resource::Import { rest: None, .. }, &Method::POST) => "servicenow.import",
        (Resource::Import { .. }, &Method::POST) => "servicenow.import.multiple",
        (Resource::Attachment(AttachmentPart::List), _) => "servicenow.attachment.list",
        (Resource::Attachment(AttachmentPart::Content(_)), _) => "servicenow.attachment.download",
        (Resource::Attachment(_), &Method::POST) => "servicenow.attachment.upload",
        (Resource::Attachment(_), &Method::DELETE) => "servicenow.attachment.delete",
        (Resource::Attachment(_), _) => "servicenow.attachment.get",
        (Resource::Token, _) => "servicenow.token",
        _ => "servicenow.other",
    })
}
