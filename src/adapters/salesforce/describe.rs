//! Describe → schema (Salesforce docs: REST API, sObject Describe).

use std::collections::BTreeSet;

use http::StatusCode;
use serde::Deserialize;

use super::client::{Ask, Client, Reply};
use super::errors;
use crate::adapters::http::{call, failure};
use crate::core::ident::{FieldName, ObjectName};
use crate::core::schema::{ChoiceSet, FieldKind, FieldSchema, ObjectSchema};
use crate::core::side::Side;
use crate::ports::RemoteError;

/// What every synced object must have, and what every query reads.
pub(super) const SYSTEM_FIELDS: [&str; 4] = ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"];

const ACTION: &str = "describe";

/// What a describe says.
pub(super) struct Described {
    pub(super) schema: ObjectSchema,
    /// Whether Salesforce keeps a deletion log of the object.
    pub(super) replicateable: bool,
}

/// Describes the object to our user.
pub(super) async fn describe(client: &Client, object: &ObjectName) -> Result<Described, RemoteError> {
    let what = format!("the question how {object} is described");
    let ask = Ask::read(
        ACTION,
        what,
        client.data_path(&format!("sobjects/{object}/describe")),
    );
    let response = match client.send(&ask).await.map_err(|failure| failure.error)? {
        Reply::Success(response) => response,
        Reply::Errors {
            status: StatusCode::NOT_FOUND,
            ..
        } => return Err(errors::unknown_object(object.as_str())),
        Reply::Errors { status, errors } => {
            return Err(errors::whole_call(&ask.what, object.as_str(), status, &errors));
        }
    };
    let description: Description = call::json(response.body())
        .map_err(|fault| failure::body(Side::Salesforce, &ask.what, response.status(), fault))?;
    let replicateable = description.replicateable;
    Ok(Described {
        schema: schema(object, description)?,
        replicateable,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the describe's own keys")]
struct Description {
    name: String,
    createable: bool,
    updateable: bool,
    #[serde(default)]
    deletable: Option<bool>,
    queryable: bool,
    #[serde(default)]
    replicateable: bool,
    fields: Vec<FieldDescription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the describe's own keys")]
struct FieldDescription {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: u32,
    #[serde(default)]
    scale: u32,
    createable: bool,
    updateable: bool,
    nillable: bool,
    #[serde(default)]
    defaulted_on_create: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    filterable: bool,
    #[serde(default)]
    restricted_picklist: bool,
    #[serde(default)]
    picklist_values: Vec<PicklistValue>,
}

#[derive(Deserialize)]
struct PicklistValue {
    active: bool,
    value: String,
}

fn schema(asked: &ObjectName, description: Description) -> Result<ObjectSchema, RemoteError> {
    // Salesforce finds `case` as well as `Case`, and everything after spells it as the describe does.
    let object = description
        .name
        .parse::<ObjectName>()
        .unwrap_or_else(|_| asked.clone());
    if !description.queryable {
        return Err(failure::misconfigured(
            "UnsupportedObject",
            format!("Salesforce does not let {object} be queried, so it cannot be synced"),
        ));
    }
    let schema = ObjectSchema {
        side: Side::Salesforce,
        object,
        createable: Some(description.createable),
        updateable: Some(description.updateable),
        deletable: description.deletable,
        fields: description
            .fields
            .into_iter()
            .filter_map(|field| Some((field.name.parse::<FieldName>().ok()?, field_schema(field))))
            .collect(),
    };
    for system in SYSTEM_FIELDS {
        if !schema.fields.keys().any(|field| field.as_str() == system) {
            return Err(failure::misconfigured(
                "UnsupportedObject",
                format!(
                    "{} has no field {system} for the connection's user; without it changes cannot be followed",
                    schema.object
                ),
            ));
        }
    }
    Ok(schema)
}

fn field_schema(field: FieldDescription) -> FieldSchema {
    let required_on_create = field.createable && !field.nillable && !field.defaulted_on_create;
    FieldSchema {
        // A field that the user may not read is left out of a describe.
        readable: true,
        createable: field.createable,
        updateable: field.updateable,
        required_on_create,
        unique: field.unique,
        external_id: field.external_id,
        filterable: field.filterable,
        kind: kind(field),
    }
}

fn kind(field: FieldDescription) -> FieldKind {
    let choices = |field: FieldDescription| ChoiceSet {
        restricted: field.restricted_picklist,
        values: field
            .picklist_values
            .into_iter()
            .filter(|choice| choice.active)
            .map(|choice| choice.value)
            .collect::<BTreeSet<_>>(),
    };
    match field.kind.as_str() {
        "string" | "textarea" | "email" | "phone" | "url" | "combobox" | "encryptedstring" => {
            FieldKind::Text {
                max_length: (field.length > 0).then_some(field.length),
            }
        }
        "picklist" => FieldKind::Choice(choices(field)),
        "multipicklist" => FieldKind::MultiChoice(choices(field)),
        "id" | "reference" => FieldKind::Reference,
        "boolean" => FieldKind::Boolean,
        "int" | "long" => FieldKind::Number { scale: Some(0) },
        "double" | "currency" | "percent" => FieldKind::Number {
            scale: Some(field.scale),
        },
        "date" => FieldKind::Date,
        "datetime" => FieldKind::DateTime,
        // time, address, location, base64, anyType, json, …
        _ => FieldKind::Unsupported(field.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json: &str) -> FieldSchema {
        let defaults = r#"{"name":"F__c","createable":true,"updateable":true,"nillable":true}"#;
        let mut all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(defaults).unwrap();
        all.extend(serde_json::from_str::<serde_json::Map<_, _>>(json).unwrap());
        field_schema(serde_json::from_value(all.into()).unwrap())
    }

    #[test]
    fn a_field_is_required_when_it_may_not_be_empty_and_nothing_fills_it() {
        assert!(field(r#"{"type":"string","nillable":false}"#).required_on_create);
        assert!(!field(r#"{"type":"string","nillable":false,"defaultedOnCreate":true}"#).required_on_create);
        assert!(!field(r#"{"type":"string","nillable":false,"createable":false}"#).required_on_create);
        assert!(!field(r#"{"type":"string"}"#).required_on_create);
    }

    #[test]
    fn a_picklist_offers_its_active_values() {
        let picklist = field(
            r#"{"type":"picklist","restrictedPicklist":true,
                "picklistValues":[{"active":true,"value":"Web"},{"active":false,"value":"Fax"}]}"#,
        );
        let FieldKind::Choice(choices) = picklist.kind else {
            panic!("not a choice");
        };
        assert_eq!(choices.values, BTreeSet::from(["Web".to_owned()]));
        assert!(choices.restricted);
    }

    #[test]
    fn compound_and_binary_kinds_are_unsupported_by_their_own_name() {
        for kind in ["address", "location", "base64", "time", "anyType"] {
            assert_eq!(field(&format!(r#"{{"type":"{kind}"}}"#)).kind.word(), kind);
        }
    }

    #[test]
    fn what_makes_a_stamp_field_is_read() {
        let stamp =
            field(r#"{"type":"string","length":64,"unique":true,"externalId":true,"filterable":true}"#);
        assert_eq!(stamp.kind, FieldKind::Text { max_length: Some(64) });
        assert!(stamp.unique && stamp.external_id && stamp.filterable);
    }
}
