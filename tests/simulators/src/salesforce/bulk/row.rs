//! One uploaded row as a record: columns by name, text as values.

use serde_json::Value;

use super::job::Operation;
use crate::model::Fields;
use crate::salesforce::Salesforce;
use crate::salesforce::error::ApiError;
use crate::salesforce::field::{Field, FieldType};
use crate::salesforce::schema::Object;
use crate::salesforce::users::User;
use crate::salesforce::value::accept;

/// How a cell says that a field is to be cleared; an empty one leaves the field as it is.
const CLEARED: &str = "#N/A";

/// What a column is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column<'a> {
    Id,
    Field(&'a Field),
    /// `Account.Key__c`: a reference by a key of the record it leads to.
    Parent {
        reference: &'a Field,
        target: &'a Object,
        key: &'a Field,
    },
}

/// One row, read.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// What stands in the `Id` column.
    pub id: Option<String>,
    pub fields: Fields,
}

/// One error as a row's `sf__Error` tells it.
pub(super) fn told(errors: &[ApiError]) -> String {
    errors
        .iter()
        .map(|error| {
            let fields = error.fields.clone().unwrap_or_default().join(", ");
            format!("{}:{}:{fields} --", error.code, error.message).replace(": --", ":--")
        })
        .collect()
}

impl Salesforce {
    /// What each column of an upload is about, or what the job fails with.
    pub(super) fn columns<'a>(
        &'a self,
        object: &'a Object,
        header: &[String],
        operation: Operation,
        user: &User,
    ) -> Result<Vec<Column<'a>>, String> {
        let column = |name: &String| {
            if name.eq_ignore_ascii_case("id") {
                return Some(Column::Id);
            }
            match name.split_once('.') {
                None => object
                    .field(name)
                    .filter(|field| !user.is_hidden(&object.name, &field.name))
                    .map(Column::Field),
                Some((relationship, key)) => self.by_parents_key(object, relationship, key, user),
            }
        };
        let columns = header
            .iter()
            .map(|name| column(name).ok_or_else(|| format!("InvalidBatch : Field name not found : {name}")))
            .collect::<Result<Vec<_>, _>>()?;
        let deletes = match operation {
            Operation::Delete => "delete",
            Operation::HardDelete => "hardDelete",
            _ => return Ok(columns),
        };
        if columns.iter().any(|column| *column != Column::Id) {
            return Err(format!(
                "InvalidBatch : The '{deletes}' batch must contain only ids"
            ));
        }
        Ok(columns)
    }

    fn by_parents_key<'a>(
        &'a self,
        object: &'a Object,
        relationship: &str,
        key: &str,
        user: &User,
    ) -> Option<Column<'a>> {
        let reference = object.fields.iter().find(|field| {
            let name = field.relationship_name.as_deref();
            field.field_type == FieldType::Reference
                && name.is_some_and(|name| name.eq_ignore_ascii_case(relationship))
                && !user.is_hidden(&object.name, &field.name)
        })?;
        let targets = reference.reference_to.iter();
        targets
            .filter_map(|target| self.schema.object(target))
            .find_map(|target| {
                let key = target
                    .field(key)
                    .filter(|field| field.external_id || field.id_lookup)
                    .filter(|field| !user.is_hidden(&target.name, &field.name))?;
                Some(Column::Parent {
                    reference,
                    target,
                    key,
                })
            })
    }

    /// Reads one row.
    pub(super) fn read_row(&self, columns: &[Column<'_>], row: &[String]) -> Result<Record, Vec<ApiError>> {
        let mut record = Record::default();
        let mut errors = Vec::new();
        for (column, cell) in columns.iter().zip(row) {
            if cell.is_empty() {
                continue;
            }
            match column {
                Column::Id => record.id = Some(cell.clone()),
                Column::Field(field) => match value(field, cell) {
                    Ok(value) => {
                        record.fields.insert(field.name.clone(), value);
                    }
                    Err(error) => errors.push(error),
                },
                Column::Parent { reference, .. } if cell == CLEARED => {
                    record.fields.insert(reference.name.clone(), Value::Null);
                }
                Column::Parent {
                    reference,
                    target,
                    key,
                } => {
                    if let Some(id) = self.named_by(target, key, cell) {
                        record.fields.insert(reference.name.clone(), Value::String(id));
                    } else {
                        let message = format!(
                            "Foreign key external ID: {cell} not found for field {} in entity {}",
                            key.name, target.name
                        );
                        errors.push(ApiError::on_fields("INVALID_FIELD", message, &[]));
                    }
                }
            }
        }
        if errors.is_empty() {
            Ok(record)
        } else {
            Err(errors)
        }
    }

    /// The one live record that carries a value of a key.
    fn named_by(&self, target: &Object, key: &Field, cell: &str) -> Option<String> {
        let value = accept(key, &Value::String(cell.to_owned())).ok()?;
        if key.unique {
            return self
                .store
                .holder(&target.name, key, &value, "")
                .map(str::to_owned);
        }
        let carries = |fields: &&Fields| fields.get(&key.name) == Some(&value);
        let rows = self.store.rows(&target.name).filter(|row| !row.is_deleted());
        let mut found = rows.map(|row| &row.fields).filter(carries);
        let id = found.next()?.get("Id")?.as_str()?.to_owned();
        found.next().is_none().then_some(id)
    }
}

/// A cell as a value of its field (Salesforce docs: Bulk API 2.0, Valid Date Format in Records, Boolean Fields).
fn value(field: &Field, cell: &str) -> Result<Value, ApiError> {
    if cell == CLEARED {
        return Ok(Value::Null);
    }
    let value = match (field.field_type, cell.to_ascii_lowercase().as_str()) {
        (FieldType::Boolean, "yes" | "y" | "true" | "on" | "1") => Value::Bool(true),
        (FieldType::Boolean, "no" | "n" | "false" | "off" | "0") => Value::Bool(false),
        _ => Value::String(cell.to_owned()),
    };
    match accept(field, &value) {
        Err(error) if error.code == "JSON_PARSER_ERROR" => {
            let message = format!("{}: value not of required type: {cell}", field.label());
            Err(ApiError::on_fields(
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                message,
                &[&field.name],
            ))
        }
        // Every other refusal is told with those of the record as a whole.
        _ => Ok(value),
    }
}
