//! Record types: which values of a picklist records of one kind may have.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::field::{Field, FieldType};
use super::ids;
use super::schema::Object;
use crate::model::Fields;

/// One record type of an object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordType {
    /// The object.
    pub object: String,
    /// Its developer name.
    pub developer_name: String,
    /// Whether records made without a record type get this one.
    #[serde(default)]
    pub default: bool,
    /// The values that records of the type may have, by picklist field; any where a field is not named. Only restricted
    /// picklists refuse others over the API.
    #[serde(default)]
    pub picklists: BTreeMap<String, Vec<String>>,
}

impl Object {
    /// Adds a record type and gives its id. The first one gives the object its `RecordTypeId`.
    pub(crate) fn add_record_type(&mut self, record_type: RecordType, number: u64) -> String {
        let id = ids::make("012", number);
        if self.field("RecordTypeId").is_none() {
            self.fields.push(Field {
                label: Some("Record Type ID".into()),
                reference_to: vec!["RecordType".into()],
                relationship_name: Some("RecordType".into()),
                defaulted_on_create: true,
                ..Field::new("RecordTypeId", FieldType::Reference)
            });
        }
        if record_type.default {
            for info in &mut self.record_type_infos {
                info["defaultRecordTypeMapping"] = json!(false);
            }
        }
        self.record_type_infos.push(json!({
            "active": true,
            "available": true,
            "defaultRecordTypeMapping": record_type.default,
            "developerName": record_type.developer_name,
            "master": false,
            "name": record_type.developer_name,
            "recordTypeId": id,
        }));
        self.record_types.insert(id.clone(), record_type);
        id
    }

    /// The record type that a record gets which is made without one.
    pub(crate) fn default_record_type(&self) -> Value {
        let default = self
            .record_types
            .iter()
            .find(|(_, record_type)| record_type.default);
        default.map_or(Value::Null, |(id, _)| json!(id))
    }

    /// Whether a record's values are among those of its record type.
    pub(crate) fn check_record_type(&self, record: &Fields) -> Result<(), Vec<ApiError>> {
        let Some(id) = record.get("RecordTypeId").and_then(Value::as_str) else {
            return Ok(());
        };
        if self.record_types.is_empty() {
            return Ok(());
        }
        let Some(record_type) = self.record_types.get(id) else {
            let message = format!("Record Type ID: this ID value isn't valid for the user: {id}");
            let error = ApiError::on_fields("INVALID_CROSS_REFERENCE_KEY", message, &["RecordTypeId"]);
            return Err(vec![error]);
        };
        let mut errors = Vec::new();
        for (name, values) in &record_type.picklists {
            let Some(field) = self.field(name).filter(|field| field.restricted_picklist) else {
                continue;
            };
            let value = record.get(&field.name).and_then(Value::as_str);
            let items = value.into_iter().flat_map(|value| value.split(';'));
            for item in items.filter(|item| !values.iter().any(|known| known == item)) {
                let message = format!(
                    "{}: bad value for restricted picklist field: {item}",
                    field.label()
                );
                errors.push(ApiError::on_fields(
                    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                    message,
                    &[&field.name],
                ));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
