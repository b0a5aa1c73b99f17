//! Records by a key of the customer's own: `sobjects/X/{field}/{value}`.
//!
//! An upsert looks for the record that carries the value and updates it, or makes it. The look and the write are two
//! steps, in the service as here: two upserts of one value at once can both find nothing, and then only a *unique* field
//! keeps the second from making a second record.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dispatch::Call;
use super::error::{ApiError, no_content, respond};
use super::field::{Field, FieldType};
use super::records::refuse;
use super::schema::Object;
use super::screen::Author;
use super::store::is_deleted;
use super::users::User;
use super::value::accept;
use super::{Salesforce, ids};
use crate::model::{Fields, Response};

/// Since this version an upsert that updates answers 200 with a body; before, 204 (REST API Developer Guide: "Insert or
/// Update (Upsert) a Record Using an External ID").
const TELLS_OF_UPDATES: u32 = 46;

/// What an upsert did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upserted {
    Created(String),
    Updated(String),
    /// More than one record carries the value, so nothing was written.
    Ambiguous(Vec<String>),
}

/// A field that records can be named by, and a value of it.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub field: &'a Field,
    pub value: &'a Value,
}

/// The field that records of the object may be named by.
pub(crate) fn key_field<'a>(object: &'a Object, name: &str, user: &User) -> Result<&'a Field, ApiError> {
    object
        .field(name)
        .filter(|field| field.external_id || field.id_lookup)
        .filter(|field| !user.is_hidden(&object.name, &field.name))
        .ok_or_else(|| {
            let message = format!("Provided external ID field does not exist or is not accessible: {name}");
            ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
        })
}

/// What a body may not name, since the address already does.
pub(crate) fn named_twice(field: &str) -> ApiError {
    let message = format!("The {field} field should not be specified in the sobject data.");
    ApiError::on_fields("INVALID_FIELD", message, &[field])
}

impl Salesforce {
    /// `GET sobjects/X/{field}/{value}`: one record, or 300 and the addresses of several.
    pub(crate) fn get_by_external_id(
        &self,
        object: &Object,
        field: &str,
        value: &str,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        match self.found_by(object, field, value, call)?.as_slice() {
            [id] => self.get_record(object, id, call),
            ids => Ok(choices(object, ids, call.version)),
        }
    }

    /// `DELETE sobjects/X/{field}/{value}`.
    pub(crate) fn delete_by_external_id(
        &mut self,
        object: &Arc<Object>,
        field: &str,
        value: &str,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        match self.found_by(object, field, value, call)?.as_slice() {
            [id] => self.delete_record(object, id, call),
            ids => Ok(choices(object, ids, call.version)),
        }
    }

    /// `PATCH sobjects/X/{field}/{value}[?updateOnly=true]`.
    pub(crate) fn upsert_record(
        &mut self,
        object: &Arc<Object>,
        field: &str,
        value: &str,
        given: &Fields,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let field = key_field(object, field, call.user)?;
        let named = |key: &String| key.eq_ignore_ascii_case("id") || key.eq_ignore_ascii_case(&field.name);
        if let Some(name) = given.keys().find(|key| named(key)) {
            return Err(named_twice(name));
        }
        let value = accept(field, &json!(value))?;
        let key = Key { field, value: &value };
        let only = call.is_set("updateOnly");
        match self.upsert(object, key, given, only, &call.author(), call.now) {
            Ok(Upserted::Created(id)) => {
                let body = json!({"id": id, "success": true, "errors": [], "created": true});
                Ok(respond(StatusCode::CREATED, &body))
            }
            Ok(Upserted::Updated(_)) if call.version_number() < TELLS_OF_UPDATES => Ok(no_content()),
            Ok(Upserted::Updated(id)) => {
                let body = json!({"id": id, "success": true, "errors": [], "created": false});
                Ok(respond(StatusCode::OK, &body))
            }
            Ok(Upserted::Ambiguous(ids)) => Ok(choices(object, &ids, call.version)),
            Err(errors) => Ok(refuse(&errors)),
        }
    }

    /// Updates the record that carries the key, or makes one that does (unless `only_update`).
    pub(crate) fn upsert(
        &mut self,
        object: &Arc<Object>,
        key: Key<'_>,
        given: &Fields,
        only_update: bool,
        author: &Author,
        now: Timestamp,
    ) -> Result<Upserted, Vec<ApiError>> {
        let mut found = self.carriers(object, key, now);
        if !found.is_empty() && self.rules.loses_race() {
            found.clear();
        }
        match found.as_slice() {
            [] if key.field.field_type == FieldType::Id => {
                let id = key.value.as_str().unwrap_or_default();
                let deleted = self
                    .store
                    .row(&object.name, id)
                    .is_some_and(super::store::Row::is_deleted);
                let error = if deleted {
                    self.settings.deleted_record()
                } else {
                    self.settings.missing_record_on_write()
                };
                Err(vec![error])
            }
            [] if only_update => Err(vec![ApiError::not_found()]),
            [] => {
                let mut given = given.clone();
                given.insert(key.field.name.clone(), key.value.clone());
                self.insert(object, &given, author, now).map(Upserted::Created)
            }
            [id] => {
                self.update(object, id, given, author, now)?;
                Ok(Upserted::Updated(id.clone()))
            }
            _ => Ok(Upserted::Ambiguous(found)),
        }
    }

    /// The records that carry a key, as far as the caller can see; an error when there is none.
    fn found_by(
        &self,
        object: &Object,
        field: &str,
        value: &str,
        call: &Call<'_>,
    ) -> Result<Vec<String>, ApiError> {
        let field = key_field(object, field, call.user)?;
        let value = accept(field, &json!(value))?;
        let key = Key { field, value: &value };
        let found = self.carriers(object, key, call.now);
        if found.is_empty() {
            return Err(ApiError::not_found());
        }
        Ok(found)
    }

    /// The live records that carry a key, as a reader sees them at `now`: what has not committed is not among them.
    fn carriers(&self, object: &Object, key: Key<'_>, now: Timestamp) -> Vec<String> {
        let carries = |row: &Fields| {
            let carried = row.get(&key.field.name).unwrap_or(&Value::Null);
            !carried.is_null() && !is_deleted(row) && is_same(key.field, carried, key.value)
        };
        let id = |row: &Fields| row.get("Id").and_then(Value::as_str).map(str::to_owned);
        if key.field.field_type == FieldType::Id {
            let row = key.value.as_str().and_then(|id| self.store.row(&object.name, id));
            return row
                .and_then(|row| row.seen_at(now))
                .filter(|row| carries(row))
                .and_then(id)
                .into_iter()
                .collect();
        }
        self.store
            .rows(&object.name)
            .filter_map(|row| row.seen_at(now))
            .filter(|row| carries(row))
            .filter_map(id)
            .collect()
    }
}

/// Whether two values of a field are one to the service: text without regard to case, unless the field regards it.
fn is_same(field: &Field, one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) if field.field_type.is_text() && !field.case_sensitive => {
            one.to_lowercase() == other.to_lowercase()
        }
        (Value::String(one), Value::String(other)) if field.field_type == FieldType::Id => {
            ids::canonical(one) == ids::canonical(other)
        }
        _ => one == other,
    }
}

/// 300: the addresses of the records that the key could mean.
fn choices(object: &Object, ids: &[String], version: &str) -> Response {
    let urls = ids
        .iter()
        .map(|id| json!(format!("/services/data/{version}/sobjects/{}/{id}", object.name)))
        .collect();
    respond(StatusCode::MULTIPLE_CHOICES, &Value::Array(urls))
}
