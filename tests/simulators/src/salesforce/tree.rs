//! Records with their children in one call: `composite/tree/X`. All of them are made, or none.
//!
//! REST API Developer Guide: "sObject Tree".

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::Salesforce;
use super::dispatch::Call;
use super::error::{ApiError, respond};
use super::field::FieldType;
use super::schema::Object;
use crate::model::{Fields, Response};

/// The most records in all.
const MOST: usize = 200;
/// The most generations.
const DEEPEST: usize = 5;

/// What became of each record so far.
#[derive(Default)]
struct Grown {
    made: Vec<Value>,
    refused: Vec<Value>,
}

impl Salesforce {
    /// `POST composite/tree/X`.
    pub(crate) fn tree(
        &mut self,
        object: &Arc<Object>,
        body: &Value,
        call: &Call<'_>,
    ) -> Result<Response, ApiError> {
        let savepoint = self.savepoint();
        let mut grown = Grown::default();
        self.grow(object, body, None, 1, &mut grown, call)?;
        if grown.made.len() + grown.refused.len() > MOST {
            self.roll_back(savepoint);
            let message = format!("The request cannot have more than {MOST} records");
            return Err(ApiError::bad_request("LIMIT_EXCEEDED", message));
        }
        if grown.refused.is_empty() {
            let body = json!({"hasErrors": false, "results": grown.made});
            return Ok(respond(StatusCode::CREATED, &body));
        }
        self.roll_back(savepoint);
        let body = json!({"hasErrors": true, "results": grown.refused});
        Ok(respond(StatusCode::BAD_REQUEST, &body))
    }

    /// Makes the records of a list, each under `parent`, and then their children.
    fn grow(
        &mut self,
        object: &Arc<Object>,
        list: &Value,
        parent: Option<(&str, &str)>,
        generation: usize,
        grown: &mut Grown,
        call: &Call<'_>,
    ) -> Result<(), ApiError> {
        if generation > DEEPEST {
            let message = format!("The request cannot have more than {DEEPEST} levels");
            return Err(ApiError::bad_request("LIMIT_EXCEEDED", message));
        }
        let records = list.get("records").and_then(Value::as_array);
        let records = records.ok_or_else(|| ApiError::json_parser("The request body requires 'records'"))?;
        for record in records {
            let reference = record
                .pointer("/attributes/referenceId")
                .cloned()
                .unwrap_or_default();
            let fields = record.as_object().cloned().unwrap_or_default();
            let (children, mut fields): (Fields, Fields) = fields
                .into_iter()
                .partition(|(_, value)| value.get("records").is_some());
            if let Some((field, id)) = parent {
                fields.insert(field.to_owned(), json!(id));
            }
            match self.insert(object, &fields, &call.author(), call.now) {
                Ok(id) => {
                    grown.made.push(json!({"referenceId": reference, "id": id}));
                    for (relationship, list) in &children {
                        let (child, field) = self.child(object, relationship)?;
                        self.grow(&child, list, Some((&field, &id)), generation + 1, grown, call)?;
                    }
                }
                Err(errors) => {
                    let key = self.settings.item_error_key;
                    let errors: Vec<Value> = errors.iter().map(|error| error.to_item_json(key)).collect();
                    grown
                        .refused
                        .push(json!({"referenceId": reference, "errors": errors}));
                }
            }
        }
        Ok(())
    }

    /// The object whose records are an object's children under that name, and the field by which they are: standard
    /// relationships are named by the child's plural.
    fn child(&self, parent: &Object, relationship: &str) -> Result<(Arc<Object>, String), ApiError> {
        let plural = |object: &Object| object.label_plural.replace(' ', "");
        let named = |object: &&Arc<Object>| plural(object).eq_ignore_ascii_case(relationship);
        let child = self.schema.objects().find(named);
        let field = child.and_then(|child| {
            child.fields.iter().find(|field| {
                field.field_type == FieldType::Reference && field.reference_to.contains(&parent.name)
            })
        });
        child
            .cloned()
            .zip(field.map(|field| field.name.clone()))
            .ok_or_else(|| {
                let message = format!(
                    "No such relationship '{relationship}' on sobject of type {}",
                    parent.name
                );
                ApiError::bad_request("INVALID_FIELD", message)
            })
    }
}
