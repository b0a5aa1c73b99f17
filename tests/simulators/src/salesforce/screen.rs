//! What a writer may write: whose rights bound it, and which of the given fields and values pass.

use std::sync::Arc;

use serde_json::Value;

use super::Salesforce;
use super::duplicates::DuplicateOptions;
use super::error::ApiError;
use super::field::{Field, FieldType};
use super::schema::Object;
use super::users::{ObjectRights, User};
use super::value::accept;
use crate::model::{Actor, Fields};

/// Who writes, and under whose rights.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    /// The user's id, for the audit fields.
    pub id: String,
    /// For the history.
    pub actor: Actor,
    /// The API user whose rights bound the write; people at the screen are bound by the schema alone.
    pub user: Option<Arc<User>>,
    /// What a client says of duplicate rules; people at the screen read an alert and save.
    pub duplicates: Option<DuplicateOptions>,
}

impl Author {
    /// A client of the API, signed in as `user`.
    pub fn api(user: &Arc<User>) -> Self {
        Self {
            id: user.id.clone(),
            actor: Actor::Api(user.name.clone()),
            user: Some(Arc::clone(user)),
            duplicates: Some(DuplicateOptions::default()),
        }
    }

    pub fn may(&self, object: &str, right: impl Fn(&ObjectRights) -> bool) -> bool {
        self.user.as_ref().is_none_or(|user| right(&user.rights(object)))
    }

    fn sees(&self, object: &str, field: &str) -> bool {
        self.user
            .as_ref()
            .is_none_or(|user| !user.is_hidden(object, field))
    }

    fn may_write(&self, object: &str, field: &str) -> bool {
        self.user
            .as_ref()
            .is_none_or(|user| !user.is_read_only(object, field))
    }
}

impl Salesforce {
    /// The given fields under their proper names with their stored values: they exist, are visible and writable, and
    /// have the right type.
    pub(crate) fn screen(
        &self,
        object: &Object,
        given: &Fields,
        author: &Author,
        writable: impl Fn(&Field) -> bool,
    ) -> Result<Fields, Vec<ApiError>> {
        let mut screened = Fields::new();
        let mut errors = Vec::new();
        let mut barred: Vec<&str> = Vec::new();
        for (name, value) in given {
            if matches!(name.as_str(), "attributes" | "Id" | "id") {
                continue;
            }
            let Some(field) = object
                .field(name)
                .filter(|field| author.sees(&object.name, &field.name))
            else {
                let message = format!("No such column '{name}' on sobject of type {}", object.name);
                return Err(vec![ApiError::on_fields("INVALID_FIELD", message, &[])]);
            };
            if !writable(field) || field.calculated || !author.may_write(&object.name, &field.name) {
                barred.push(&field.name);
                continue;
            }
            match accept(field, value).and_then(|value| self.referenced(field, value)) {
                Ok(value) => {
                    screened.insert(field.name.clone(), value);
                }
                Err(error) => errors.push(error),
            }
        }
        if !barred.is_empty() {
            let message = format!(
                "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
                barred.join(", ")
            );
            return Err(vec![ApiError::on_fields(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                message,
                &barred,
            )]);
        }
        if errors.is_empty() {
            Ok(screened)
        } else {
            Err(errors)
        }
    }

    /// A reference leads to a record of a kind that the field takes, and one that is there.
    fn referenced(&self, field: &Field, value: Value) -> Result<Value, ApiError> {
        let Value::String(id) = &value else {
            return Ok(value);
        };
        if field.field_type != FieldType::Reference {
            return Ok(value);
        }
        let Some(target) = self.schema.object_of_id(id) else {
            return Ok(value);
        };
        if !field.reference_to.is_empty() && !field.reference_to.contains(&target.name) {
            let message = format!("{}: id value of incorrect type: {id}", field.label());
            return Err(ApiError::on_fields(
                "FIELD_INTEGRITY_EXCEPTION",
                message,
                &[&field.name],
            ));
        }
        let there = self
            .store
            .row(&target.name, id)
            .is_some_and(|row| !row.is_deleted());
        if there {
            return Ok(value);
        }
        Err(ApiError::on_fields(
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
            &[&field.name],
        ))
    }
}
