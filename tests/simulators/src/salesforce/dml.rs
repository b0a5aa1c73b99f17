//! Record writes: what is checked, in what order, and what the service adds of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::ApiError;
use super::field::{Field, FieldType};
use super::files::describe_file;
use super::schema::Object;
use super::screen::Author;
use super::value::{datetime_text, whole_second};
use super::{Salesforce, ids};
use crate::model::{Actor, Change, Fields, Write, WriteKind};

/// Fields that the service keeps by itself and that no audit calls a change.
const BOOKKEEPING: [&str; 8] = [
    "Id",
    "IsDeleted",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
    "LastReferencedDate",
];

/// One write on its way through the save order.
pub(crate) struct Save<'a> {
    pub object: &'a Object,
    pub id: &'a str,
    /// The record as it stood; `None` for a new one.
    pub before: Option<&'a Fields>,
    pub author: &'a Author,
    pub kind: WriteKind,
    pub now: Timestamp,
}

impl<'a> Save<'a> {
    /// A write of the record as a whole: nothing is told of its fields.
    pub fn of_whole(
        object: &'a Object,
        id: &'a str,
        author: &'a Author,
        kind: WriteKind,
        now: Timestamp,
    ) -> Self {
        Self {
            object,
            id,
            before: None,
            author,
            kind,
            now,
        }
    }
}

impl Salesforce {
    /// Makes a record and returns its id.
    pub(crate) fn insert(
        &mut self,
        object: &Arc<Object>,
        given: &Fields,
        author: &Author,
        now: Timestamp,
    ) -> Result<String, Vec<ApiError>> {
        if !object.createable || !author.may(&object.name, |rights| rights.create) {
            let message = format!("entity type cannot be inserted: {}", object.label);
            return Err(vec![ApiError::on_fields(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                message,
                &[],
            )]);
        }
        if given.keys().any(|key| key.eq_ignore_ascii_case("id")) {
            let message = "cannot specify Id in an insert call";
            return Err(vec![ApiError::on_fields(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                message,
                &["Id"],
            )]);
        }
        let mut record = self.screen(object, given, author, |field| field.createable)?;
        for field in &object.fields {
            if !record.contains_key(&field.name) {
                let default = if field.name == "RecordTypeId" {
                    object.default_record_type()
                } else {
                    default_value(field, author)
                };
                record.insert(field.name.clone(), default);
            }
        }
        let id = self.store.next_id(object);
        let moment = Value::String(datetime_text(now));
        let me = Value::String(author.id.clone());
        for (name, value) in [
            ("Id", Value::String(id.clone())),
            ("CreatedDate", moment),
            ("CreatedById", me),
        ] {
            put_if_there(object, &mut record, name, value);
        }
        let save = Save {
            object,
            id: &id,
            before: None,
            author,
            kind: WriteKind::Created,
            now,
        };
        describe_file(object, &mut record);
        self.save(&save, record)?;
        match object.name.as_str() {
            "ContentVersion" => self.publish(&id, author, now),
            "CaseComment" if self.settings.comments_touch_cases => self.touch_parent(&id, author, now),
            _ => {}
        }
        Ok(id)
    }

    /// Moves the stamps of the case that a comment belongs to.
    fn touch_parent(&mut self, comment: &str, author: &Author, now: Timestamp) {
        let comment = self.store.row("CaseComment", comment);
        let id = comment
            .and_then(|row| row.fields.get("ParentId"))
            .and_then(Value::as_str);
        let Some((object, id)) = id.and_then(|id| self.locate(id)) else {
            return;
        };
        let Some(before) = self.store.row(&object.name, &id).map(|row| row.fields.clone()) else {
            return;
        };
        let save = Save {
            before: Some(&before),
            ..Save::of_whole(&object, &id, author, WriteKind::Updated, now)
        };
        self.commit(&save, before.clone());
    }

    /// Changes fields of a record. An update that changes nothing still moves the record's stamps.
    pub(crate) fn update(
        &mut self,
        object: &Arc<Object>,
        id: &str,
        given: &Fields,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Vec<ApiError>> {
        let before = self.live_row(object, id)?;
        if !object.updateable || !author.may(&object.name, |rights| rights.update) {
            let message = "insufficient access rights on object id";
            return Err(vec![ApiError::on_fields(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                message,
                &[],
            )]);
        }
        self.unless_locked(id, author)?;
        let changes = self.screen(object, given, author, |field| field.updateable)?;
        let mut record = before.clone();
        record.extend(changes);
        let save = Save {
            object,
            id,
            before: Some(&before),
            author,
            kind: WriteKind::Updated,
            now,
        };
        self.save(&save, record)
    }

    /// A record as it stands, if the author may delete it now.
    pub(crate) fn deletable(
        &mut self,
        object: &Object,
        id: &str,
        author: &Author,
    ) -> Result<Fields, Vec<ApiError>> {
        let record = self.live_row(object, id)?;
        if !object.deletable || !author.may(&object.name, |rights| rights.delete) {
            let message = "insufficient access rights on object id";
            return Err(vec![ApiError::on_fields(
                "INSUFFICIENT_ACCESS_OR_READONLY",
                message,
                &[],
            )]);
        }
        self.unless_locked(id, author)?;
        Ok(record)
    }

    fn live_row(&self, object: &Object, id: &str) -> Result<Fields, Vec<ApiError>> {
        match self.store.row(&object.name, id) {
            None => Err(vec![self.settings.missing_record_on_write()]),
            Some(row) if row.is_deleted() => Err(vec![self.settings.deleted_record()]),
            Some(row) => Ok(row.fields.clone()),
        }
    }

    fn unless_locked(&mut self, id: &str, author: &Author) -> Result<(), Vec<ApiError>> {
        // Approvers and administrators work at the screen.
        if author.user.is_some() && self.rules.is_held(id) {
            let message = "The record you are trying to edit is locked. To unlock it, contact your admin.";
            return Err(vec![ApiError::on_fields("ENTITY_IS_LOCKED", message, &[])]);
        }
        if !self.rules.meets_lock(id, self.handling) {
            return Ok(());
        }
        let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
        let mut error = ApiError::on_fields("UNABLE_TO_LOCK_ROW", message, &[]);
        error.status = StatusCode::from_u16(self.settings.row_lock_status).unwrap_or(error.status);
        Err(vec![error])
    }

    /// The save order from triggers to the store.
    fn save(&mut self, save: &Save<'_>, mut record: Fields) -> Result<(), Vec<ApiError>> {
        let object = save.object;
        self.rules.fire(object, &mut record);
        let missing: Vec<&str> = object
            .fields
            .iter()
            .filter(|field| {
                field.is_required_on_create() && record.get(&field.name).is_none_or(Value::is_null)
            })
            .map(|field| field.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(vec![ApiError::on_fields(
                "REQUIRED_FIELD_MISSING",
                message,
                &missing,
            )]);
        }
        let broken = self.rules.broken_by(object, &record);
        if !broken.is_empty() {
            return Err(broken);
        }
        object.check_record_type(&record)?;
        self.detect_duplicates(save, &record)?;
        for field in object.fields.iter().filter(|field| field.unique) {
            let value = record.get(&field.name).unwrap_or(&Value::Null);
            if let Some(holder) = self.store.holder(&object.name, field, value, save.id) {
                let (field, holder) = if self.settings.duplicates_are_named {
                    (field.name.as_str(), holder.get(..15).unwrap_or(holder))
                } else {
                    ("<unknown>", "<unknown>")
                };
                let message =
                    format!("duplicate value found: {field} duplicates value on record with id: {holder}");
                return Err(vec![ApiError::on_fields("DUPLICATE_VALUE", message, &[])]);
            }
        }
        if save.kind == WriteKind::Created {
            // Only a record that is really made takes a number.
            for field in object.fields.iter().filter(|field| field.auto_number) {
                record.insert(
                    field.name.clone(),
                    Value::String(self.store.next_number(&object.name)),
                );
            }
        }
        derive(save, &mut record);
        self.commit(save, record);
        Ok(())
    }

    /// Stamps the record, stores it and writes the history.
    pub(crate) fn commit(&mut self, save: &Save<'_>, mut record: Fields) {
        let moment = Value::String(datetime_text(save.now));
        for (name, value) in [
            ("SystemModstamp", moment.clone()),
            ("LastModifiedDate", moment),
            ("LastModifiedById", Value::String(save.author.id.clone())),
            ("IsDeleted", Value::Bool(save.kind == WriteKind::Deleted)),
        ] {
            put_if_there(save.object, &mut record, name, value);
        }
        let changed = match save.kind {
            WriteKind::Created | WriteKind::Updated => {
                changes(save.before.unwrap_or(&Fields::new()), &record)
            }
            WriteKind::Deleted | WriteKind::Undeleted => BTreeMap::new(),
        };
        // A client gets its answer after the commit, so its own writes are never late; other transactions' are.
        let late = match save.author.actor {
            Actor::Api(_) => 0,
            Actor::Person(_) | Actor::Automation(_) => self.settings.late_commit_seconds,
        };
        let visible_from = save
            .now
            .checked_add(SignedDuration::from_secs(late))
            .unwrap_or(save.now);
        self.store
            .put(save.object, save.id, record, save.now, visible_from);
        match save.kind {
            WriteKind::Deleted => self.store.deletions.enter(&save.object.name, save.id, save.now),
            WriteKind::Undeleted => {
                self.store.deletions.strike(&save.object.name, save.id);
            }
            WriteKind::Created | WriteKind::Updated => {}
        }
        self.writes.push(Write {
            at: whole_second(save.now),
            object: save.object.name.clone(),
            id: save.id.to_owned(),
            kind: save.kind,
            actor: save.author.actor.clone(),
            changed,
        });
    }

    /// The object and the 18-character id that a write is about, from an id alone.
    pub(crate) fn locate(&self, id: &str) -> Option<(Arc<Object>, String)> {
        let id = ids::canonical(id)?;
        let object = self.schema.object_of_id(&id)?;
        Some((Arc::clone(object), id))
    }
}

fn put_if_there(object: &Object, record: &mut Fields, name: &str, value: Value) {
    if object.field(name).is_some() {
        record.insert(name.to_owned(), value);
    }
}

fn default_value(field: &Field, author: &Author) -> Value {
    if field.name == "OwnerId" {
        return Value::String(author.id.clone());
    }
    if !field.default_value.is_null() {
        return field.default_value.clone();
    }
    if field.field_type == FieldType::Boolean {
        return Value::Bool(false);
    }
    let default = field.picklist_values.iter().find(|value| value.default_value);
    default.map_or(Value::Null, |value| Value::String(value.value.clone()))
}

/// What the service computes: a case's closing, a person's full name.
fn derive(save: &Save<'_>, record: &mut Fields) {
    let text = |record: &Fields, name: &str| {
        record
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if save.object.name == "Case" {
        let closed = text(record, "Status") == "Closed";
        let was_closed = save
            .before
            .is_some_and(|before| before.get("IsClosed") == Some(&Value::Bool(true)));
        record.insert("IsClosed".into(), Value::Bool(closed));
        if closed && !was_closed {
            record.insert("ClosedDate".into(), Value::String(datetime_text(save.now)));
        } else if !closed {
            record.insert("ClosedDate".into(), Value::Null);
        }
    }
    if save.object.name == "Opportunity" {
        let stage = text(record, "StageName");
        record.insert("IsClosed".into(), Value::Bool(stage.starts_with("Closed")));
        record.insert("IsWon".into(), Value::Bool(stage == "Closed Won"));
    }
    if matches!(save.object.name.as_str(), "Contact" | "Lead") {
        let name = format!("{} {}", text(record, "FirstName"), text(record, "LastName"));
        record.insert("Name".into(), Value::String(name.trim().to_owned()));
    }
}

fn changes(before: &Fields, after: &Fields) -> BTreeMap<String, Change> {
    after
        .iter()
        .filter(|(name, _)| !BOOKKEEPING.contains(&name.as_str()))
        .map(|(name, after)| {
            (
                name.clone(),
                Change {
                    before: before.get(name).cloned().unwrap_or_default(),
                    after: after.clone(),
                },
            )
        })
        .filter(|(_, change)| change.before != change.after)
        .collect()
}
