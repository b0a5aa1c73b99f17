//! What objects look like to one user: the global list and `describe`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Salesforce;
use super::error::ApiError;
use super::field::{Field, FieldType};
use super::schema::Object;
use super::users::User;

impl Salesforce {
    /// An object that the user may see, by its name.
    pub(crate) fn visible_object(&self, name: &str, user: &User) -> Result<Arc<Object>, ApiError> {
        let object = self
            .schema
            .object(name)
            .filter(|object| user.rights(&object.name).read);
        object.cloned().ok_or_else(ApiError::not_found)
    }

    /// `GET sobjects`: every object the user may see.
    pub(crate) fn describe_global(&self, version: &str, user: &User) -> Value {
        let objects: Vec<Value> = self
            .schema
            .objects()
            .filter(|object| user.rights(&object.name).read)
            .map(|object| summary(object, version, user))
            .collect();
        json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})
    }

    /// `GET sobjects/X/describe`.
    pub(crate) fn describe(object: &Object, version: &str, user: &User) -> Value {
        let mut described = summary(object, version, user);
        described["fields"] = object
            .fields
            .iter()
            .filter(|field| !user.is_hidden(&object.name, &field.name))
            .map(|field| describe_field(object, field, user))
            .collect();
        described["recordTypeInfos"] = json!(object.record_type_infos);
        described["childRelationships"] = json!([]);
        described["actionOverrides"] = json!([]);
        described["namedLayoutInfos"] = json!([]);
        described["supportedScopes"] =
            json!([{"label": format!("All {}", object.label_plural.to_lowercase()), "name": "everything"}]);
        described["compactLayoutable"] = json!(object.compact_layoutable);
        described["searchLayoutable"] = json!(object.search_layoutable);
        described["defaultImplementation"] = Value::Null;
        described["extendedBy"] = Value::Null;
        described["extendsInterfaces"] = Value::Null;
        described["implementedBy"] = Value::Null;
        described["implementsInterfaces"] = Value::Null;
        described["listviewable"] = Value::Null;
        described["lookupLayoutable"] = Value::Null;
        described["networkScopeFieldName"] = Value::Null;
        described
    }

    /// `GET sobjects/X`: the summary and what was looked at last.
    pub(crate) fn basic_information(object: &Object, version: &str, user: &User) -> Value {
        json!({"objectDescribe": summary(object, version, user), "recentItems": []})
    }
}

fn summary(object: &Object, version: &str, user: &User) -> Value {
    let rights = user.rights(&object.name);
    let base = format!("/services/data/{version}/sobjects/{}", object.name);
    json!({
        "activateable": false,
        "createable": object.createable && rights.create,
        "custom": object.custom,
        "customSetting": object.custom_setting,
        "deepCloneable": false,
        "deletable": object.deletable && rights.delete,
        "deprecatedAndHidden": false,
        "feedEnabled": object.feed_enabled,
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.key_prefix,
        "label": object.label,
        "labelPlural": object.label_plural,
        "layoutable": object.layoutable,
        "mergeable": object.mergeable,
        "mruEnabled": object.mru_enabled,
        "name": object.name,
        "queryable": object.queryable,
        "replicateable": object.replicateable,
        "retrieveable": object.retrieveable,
        "searchable": object.searchable,
        "triggerable": object.triggerable,
        "undeletable": object.undeletable && rights.delete,
        "updateable": object.updateable && rights.update,
        "urls": {"rowTemplate": format!("{base}/{{ID}}"), "describe": format!("{base}/describe"), "sobject": base},
    })
}

/// The bytes that a field's text takes: three a character in most, as recorded.
fn byte_length(field: &Field) -> u32 {
    match field.field_type {
        FieldType::Id | FieldType::Reference => field.length,
        FieldType::Textarea if field.length == 4000 && field.extra_type_info.is_some() => field.length,
        _ => field.length * 3,
    }
}

fn describe_field(object: &Object, field: &Field, user: &User) -> Value {
    let rights = user.rights(&object.name);
    let writable = !user.is_read_only(&object.name, &field.name);
    let picklist_values: Vec<Value> = field
        .picklist_values
        .iter()
        .map(|value| {
            json!({
                "active": value.active,
                "defaultValue": value.default_value,
                "label": value.label.as_deref().unwrap_or(&value.value),
                "validFor": null,
                "value": value.value,
            })
        })
        .collect();
    let mut described = json!({
        "aggregatable": field.aggregatable,
        "aiPredictionField": false,
        "autoNumber": field.auto_number,
        "byteLength": byte_length(field),
        "calculated": field.calculated,
        "calculatedFormula": null,
        "cascadeDelete": field.cascade_delete,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound_field_name,
        "controllerName": null,
        "createable": field.createable && writable && rights.create,
        "custom": field.custom,
        "defaultValue": field.default_value,
        "defaultValueFormula": null,
        "defaultedOnCreate": field.defaulted_on_create,
        "dependentPicklist": false,
        "deprecatedAndHidden": false,
        "digits": field.digits,
        "displayLocationInDecimal": false,
        "encrypted": field.encrypted,
        "externalId": field.external_id,
        "extraTypeInfo": field.extra_type_info,
        "filterable": field.filterable,
        "filteredLookupInfo": null,
        "formulaTreatNullNumberAsZero": false,
        "groupable": field.groupable,
        "highScaleNumber": false,
        "htmlFormatted": field.html_formatted,
        "idLookup": field.id_lookup,
        "inlineHelpText": null,
        "label": field.label(),
        "length": field.length,
        "mask": null,
        "maskType": null,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": field.name_pointing,
        "nillable": field.nillable,
    });
    let rest = json!({
        "permissionable": field.permissionable,
        "picklistValues": picklist_values,
        "polymorphicForeignKey": field.polymorphic_foreign_key,
        "precision": field.precision,
        "queryByDistance": field.query_by_distance,
        "referenceTargetField": null,
        "referenceTo": field.reference_to,
        "relationshipName": field.relationship_name,
        "relationshipOrder": null,
        "restrictedDelete": false,
        "restrictedPicklist": field.restricted_picklist,
        "scale": field.scale,
        "searchPrefilterable": field.search_prefilterable,
        "soapType": field.field_type.soap_type(),
        "sortable": field.sortable,
        "type": field.field_type,
        "unique": field.unique,
        "updateable": field.updateable && writable && rights.update,
        "writeRequiresMasterRead": false,
    });
    if let (Some(described), Value::Object(rest)) = (described.as_object_mut(), rest) {
        described.extend(rest);
    }
    described
}
