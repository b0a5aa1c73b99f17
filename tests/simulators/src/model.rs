//! What every simulated service is: a model that answers requests, and a back door for what people do to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::calls::CallKind;

/// A request as a client sent it, body read to its end.
pub type Request = http::Request<Bytes>;
/// A response as the service made it.
pub type Response = http::Response<Bytes>;
/// A record's fields by API name.
pub type Fields = serde_json::Map<String, Value>;

/// One simulated service: a pure state machine.
///
/// Implementations have no clock, no randomness and no I/O of their own: the same calls at the same moments give the
/// same answers, which is what makes a simulation replayable from its seed.
pub trait Model: Send {
    /// Answers one request at the moment `now` of the service's own clock.
    fn handle(&mut self, request: &Request, now: Timestamp) -> Response;

    /// What kind of call this is, for counting and for faults. Never changes the model.
    fn classify(&self, request: &Request) -> CallKind;

    /// Does what is due by `now` without anyone's asking, such as jobs that run on, and says under which kind of call its
    /// writes count; `None` where nothing runs by itself.
    fn settle(&mut self, _now: Timestamp) -> Option<CallKind> {
        None
    }

    /// Every write since the model was made, oldest first, by whomever: people, clients and the service's automations.
    /// Only ever grows, so that a caller can keep a position in it.
    fn writes(&self) -> &[Write];
}

/// What tests and the demo do to a service behind its API's back, as a person at its screen or as its administrator.
///
/// Nothing here passes through the service's authentication or counts as a call.
pub trait Admin: Model {
    /// Puts a record there as if a person had made it at `at`; `at` is also the moment of its last change.
    /// Returns the new record's id.
    fn seed(&mut self, object: &str, fields: &Fields, at: Timestamp) -> Result<String, AdminError>;

    /// Changes fields of a record as the person named `user`, with everything the service does on an edit.
    fn edit_as_person(
        &mut self,
        object: &str,
        id: &str,
        fields: &Fields,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError>;

    /// Deletes a record as the person named `user`.
    fn delete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError>;

    /// Restores a deleted record under its old id.
    fn undelete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError>;

    /// One live record with every field the service stores for it, or `None` when it is not there (or deleted).
    fn record(&self, object: &str, id: &str) -> Option<Fields>;

    /// Every live record of an object or table, in order of creation.
    fn records(&self, object: &str) -> Vec<Fields>;

    /// Service-specific administration by name: users, fields, rules, switches. `action` is what follows `/admin/` in
    /// the admin door, `body` its JSON. See each service's module for its vocabulary.
    fn administer(&mut self, action: &str, body: &Value, now: Timestamp) -> Result<Value, AdminError>;
}

/// Why the back door refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// There is no such object or table.
    #[error("no object or table named {0:?}")]
    UnknownObject(String),
    /// There is no such record (or it is deleted).
    #[error("no record {id} in {object}")]
    UnknownRecord {
        /// The object or table.
        object: String,
        /// The id asked for.
        id: String,
    },
    /// There is no such field.
    #[error("no field {field:?} on {object}")]
    UnknownField {
        /// The object or table.
        object: String,
        /// The field's API name.
        field: String,
    },
    /// There is no such administration action in this service.
    #[error("no admin action {0:?} in this service")]
    UnknownAction(String),
    /// No fault of that name is switched on.
    #[error("no fault {0:?} is on")]
    UnknownFault(String),
    /// The request makes no sense to the service.
    #[error("{0}")]
    Invalid(String),
}

/// Who made a write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "name")]
pub enum Actor {
    /// A person at the service's own screens, by user name.
    Person(String),
    /// A client of the API, by the user name it signed in with.
    Api(String),
    /// The service's own automation (a trigger, a business rule), by its name.
    Automation(String),
}

/// What a write did to the record as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteKind {
    /// The record came to be.
    Created,
    /// Some of its fields were written.
    Updated,
    /// It was deleted.
    Deleted,
    /// It was restored after a deletion.
    Undeleted,
}

/// A field's value on both sides of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Before the write; JSON null where there was nothing.
    pub before: Value,
    /// After the write.
    pub after: Value,
}

/// One write as the service's own audit would show it: what an oracle reads to tell lost and invented values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// When, by the service's clock.
    pub at: Timestamp,
    /// The object or table.
    pub object: String,
    /// The record's id.
    pub id: String,
    /// What happened to the record.
    pub kind: WriteKind,
    /// Who did it.
    pub actor: Actor,
    /// The fields whose stored value changed, without the service's own bookkeeping (modification stamps, counters).
    pub changed: BTreeMap<String, Change>,
}

impl Write {
    /// Whether the write changed anything a person would call a change. An update that repeats what stands there is
    /// not effective, though Salesforce still moves the record's stamps for it.
    pub fn is_effective(&self) -> bool {
        self.kind != WriteKind::Updated || !self.changed.is_empty()
    }
}
