//! What a field is, by the names that `describe` gives.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field's type, by the names that `describe` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    missing_docs,
    reason = "the names are Salesforce's own, documented in its Object Reference"
)]
pub enum FieldType {
    Id,
    String,
    Textarea,
    Picklist,
    Multipicklist,
    Combobox,
    Reference,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    Datetime,
    Time,
    Email,
    Phone,
    Url,
    Address,
    Encryptedstring,
    Base64,
}

impl FieldType {
    /// Whether values are text to a person, compared without regard to case.
    pub(crate) fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Id
                | Self::Reference
                | Self::Boolean
                | Self::Int
                | Self::Double
                | Self::Currency
                | Self::Percent
                | Self::Date
                | Self::Datetime
                | Self::Time
                | Self::Address
                | Self::Base64
        )
    }

    /// Whether values are numbers.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Currency | Self::Percent)
    }

    /// The XML schema type that `describe` names beside it.
    pub(crate) fn soap_type(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Boolean => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::Datetime => "xsd:dateTime",
            Self::Time => "xsd:time",
            Self::Address => "urn:address",
            Self::Base64 => "xsd:base64Binary",
            _ => "xsd:string",
        }
    }
}

/// One value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PicklistValue {
    /// What is stored.
    pub value: String,
    /// What people see; the value itself when absent.
    pub label: Option<String>,
    /// Whether it can be chosen.
    pub active: bool,
    /// Whether a record made without a value gets this one.
    pub default_value: bool,
}

/// One field, by the names that `describe` uses. Read from JSON, an absent key has the value that is usual for a custom field:
/// nillable, writable, filterable, sortable, not unique.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the names are Salesforce's own, documented under DescribeSObjectResult"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "so is Salesforce's own description of a field"
)]
pub struct Field {
    pub name: String,
    pub label: Option<String>,
    #[serde(rename = "type")]
    pub field_type: FieldType,
    pub length: u32,
    pub precision: u32,
    pub scale: u32,
    pub digits: u32,
    pub nillable: bool,
    pub createable: bool,
    pub updateable: bool,
    pub defaulted_on_create: bool,
    pub default_value: Value,
    pub unique: bool,
    pub external_id: bool,
    pub case_sensitive: bool,
    pub id_lookup: bool,
    pub restricted_picklist: bool,
    pub picklist_values: Vec<PicklistValue>,
    pub reference_to: Vec<String>,
    pub relationship_name: Option<String>,
    pub calculated: bool,
    pub auto_number: bool,
    pub filterable: bool,
    pub sortable: bool,
    pub groupable: bool,
    pub aggregatable: bool,
    pub name_field: bool,
    pub name_pointing: bool,
    pub polymorphic_foreign_key: bool,
    pub permissionable: bool,
    pub html_formatted: bool,
    pub encrypted: bool,
    pub compound_field_name: Option<String>,
    pub extra_type_info: Option<String>,
    pub search_prefilterable: bool,
    /// Whether a record goes when the one that the field refers to goes.
    pub cascade_delete: bool,
    pub query_by_distance: bool,
    pub custom: bool,
}

impl Default for PicklistValue {
    fn default() -> Self {
        Self {
            value: String::new(),
            label: None,
            active: true,
            default_value: false,
        }
    }
}

impl Default for Field {
    fn default() -> Self {
        Self {
            name: String::new(),
            label: None,
            field_type: FieldType::String,
            length: 0,
            precision: 0,
            scale: 0,
            digits: 0,
            nillable: true,
            createable: true,
            updateable: true,
            defaulted_on_create: false,
            default_value: Value::Null,
            unique: false,
            external_id: false,
            case_sensitive: false,
            id_lookup: false,
            restricted_picklist: false,
            picklist_values: Vec::new(),
            reference_to: Vec::new(),
            relationship_name: None,
            calculated: false,
            auto_number: false,
            filterable: true,
            sortable: true,
            groupable: true,
            aggregatable: true,
            name_field: false,
            name_pointing: false,
            polymorphic_foreign_key: false,
            permissionable: true,
            html_formatted: false,
            encrypted: false,
            compound_field_name: None,
            extra_type_info: None,
            search_prefilterable: false,
            cascade_delete: false,
            query_by_distance: false,
            custom: false,
        }
    }
}

impl Field {
    /// The name people see.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// Whether a record cannot be made without a value for it.
    pub fn is_required_on_create(&self) -> bool {
        self.createable
            && !self.nillable
            && !self.defaulted_on_create
            && self.field_type != FieldType::Boolean
    }

    /// A field as an administrator makes it with nothing but a name and a type.
    pub fn new(name: &str, field_type: FieldType) -> Self {
        Self {
            name: name.to_owned(),
            field_type,
            length: usual_length(field_type),
            precision: if field_type.is_number() { 18 } else { 0 },
            custom: name.ends_with("__c"),
            ..Self::default()
        }
    }

    /// A unique, external-id text field: what a stamp field is.
    pub fn unique_external_id(name: &str, length: u32) -> Self {
        Self {
            length,
            unique: true,
            external_id: true,
            id_lookup: true,
            ..Self::new(name, FieldType::String)
        }
    }

    /// A picklist of these values, restricted to them or not.
    pub fn picklist(name: &str, values: &[&str], restricted: bool) -> Self {
        let picklist_values = values
            .iter()
            .map(|&value| PicklistValue {
                value: value.to_owned(),
                ..PicklistValue::default()
            })
            .collect();
        Self {
            picklist_values,
            restricted_picklist: restricted,
            ..Self::new(name, FieldType::Picklist)
        }
    }
}

/// The length that an administrator gets who asks for none.
pub(crate) fn usual_length(field_type: FieldType) -> u32 {
    match field_type {
        FieldType::Id | FieldType::Reference => 18,
        FieldType::String | FieldType::Url | FieldType::Picklist => 255,
        FieldType::Textarea => 32_768,
        FieldType::Multipicklist => 4_099,
        FieldType::Phone => 40,
        FieldType::Email => 80,
        _ => 0,
    }
}
