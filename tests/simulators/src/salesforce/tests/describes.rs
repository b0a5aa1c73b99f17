//! What objects look like.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::*;

/// The keys of a field in the answers recorded from real orgs (`CumulusCI`'s cassettes, API v48).
const RECORDED_FIELD_KEYS: [&str; 57] = [
    "aggregatable",
    "aiPredictionField",
    "autoNumber",
    "byteLength",
    "calculated",
    "calculatedFormula",
    "cascadeDelete",
    "caseSensitive",
    "compoundFieldName",
    "controllerName",
    "createable",
    "custom",
    "defaultValue",
    "defaultValueFormula",
    "defaultedOnCreate",
    "dependentPicklist",
    "deprecatedAndHidden",
    "digits",
    "displayLocationInDecimal",
    "encrypted",
    "externalId",
    "extraTypeInfo",
    "filterable",
    "filteredLookupInfo",
    "formulaTreatNullNumberAsZero",
    "groupable",
    "highScaleNumber",
    "htmlFormatted",
    "idLookup",
    "inlineHelpText",
    "label",
    "length",
    "mask",
    "maskType",
    "name",
    "nameField",
    "namePointing",
    "nillable",
    "permissionable",
    "picklistValues",
    "polymorphicForeignKey",
    "precision",
    "queryByDistance",
    "referenceTargetField",
    "referenceTo",
    "relationshipName",
    "relationshipOrder",
    "restrictedDelete",
    "restrictedPicklist",
    "scale",
    "searchPrefilterable",
    "soapType",
    "sortable",
    "type",
    "unique",
    "updateable",
    "writeRequiresMasterRead",
];

fn field<'a>(described: &'a Value, name: &str) -> &'a Value {
    described["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == name)
        .unwrap()
}

#[test]
fn a_described_field_has_every_key_of_the_recorded_ones_and_no_other() {
    let (status, described) = Client::new().get("sobjects/Case/describe");
    assert_eq!(status, StatusCode::OK);
    for field in described["fields"].as_array().unwrap() {
        let keys: BTreeSet<&str> = field.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, RECORDED_FIELD_KEYS.into(), "{}", field["name"]);
    }
}

#[test]
fn described_fields_have_the_recorded_values() {
    let (_, case) = Client::new().get("sobjects/Case/describe/");
    assert_eq!(
        (&case["keyPrefix"], &case["name"], &case["custom"]),
        (&json!("500"), &json!("Case"), &json!(false))
    );
    assert_eq!(case["recordTypeInfos"][0]["developerName"], "Master");
    let subject = field(&case, "Subject");
    assert_eq!(
        (&subject["length"], &subject["byteLength"]),
        (&json!(255), &json!(765))
    );
    assert_eq!(
        (&subject["type"], &subject["soapType"]),
        (&json!("string"), &json!("xsd:string"))
    );
    let status = field(&case, "Status");
    assert_eq!(
        (&status["restrictedPicklist"], &status["nillable"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        status["picklistValues"][0],
        json!({"active": true, "defaultValue": true, "label": "New", "validFor": null, "value": "New"})
    );
    assert_eq!(field(&case, "CaseNumber")["autoNumber"], true);
    assert_eq!(field(&case, "OwnerId")["referenceTo"], json!(["Group", "User"]));
    assert_eq!(field(&case, "CreatedDate")["updateable"], false);
}

#[test]
fn custom_fields_and_objects_are_described_like_the_others() {
    let mut client = Client::new();
    client.org.add_custom_object("Ticket__c", "Ticket");
    client
        .org
        .add_custom_field("Ticket__c", Field::unique_external_id("Stamp__c", 40))
        .unwrap();
    let (_, ticket) = client.get("sobjects/Ticket__c/describe");
    assert_eq!(ticket["custom"], true);
    let stamp = field(&ticket, "Stamp__c");
    for key in [
        "custom",
        "unique",
        "externalId",
        "idLookup",
        "createable",
        "updateable",
        "nillable",
    ] {
        assert_eq!(stamp[key], true, "{key}");
    }
    assert_eq!(stamp["length"], 40);
    let (_, all) = client.get("sobjects");
    let names: Vec<&str> = all["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"Ticket__c") && names.contains(&"Case"));
    let (status, made) = client.call(
        http::Method::POST,
        "sobjects/Ticket__c",
        &json!({"Stamp__c": "a"}),
    );
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        &made["id"].as_str().unwrap()[..3],
        ticket["keyPrefix"].as_str().unwrap()
    );
}

#[test]
fn an_unknown_object_is_not_found() {
    let (status, code, _) =
        Client::new().refusal(http::Method::GET, "sobjects/Nothing/describe", &Value::Null);
    assert_eq!((status, code.as_str()), (404, "NOT_FOUND"));
}
