//! Duplicate rules: what an administrator has the service say when a record looks like one that is there.
//!
//! They are not unique fields: a rule compares what it likes, can be waived by whoever saves when it only alerts, and
//! holds nobody back who writes at the same moment.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Salesforce;
use super::dml::Save;
use super::error::ApiError;
use super::schema::Object;
use crate::model::{AdminError, Fields};

/// What a rule does about a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DuplicateAction {
    /// Warns: people can save all the same, and so can clients that say `allowSave=true`.
    Alert,
    /// Refuses, whoever saves and whatever they say.
    Block,
}

/// A duplicate rule with its matching rule in one: another record has the same values in all of these fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DuplicateRule {
    /// The object.
    pub object: String,
    /// The rule's developer name.
    pub name: String,
    /// The fields compared, without regard to case. An empty one is like nothing.
    pub fields: Vec<String>,
    /// What it does.
    pub action: DuplicateAction,
    /// The administrator's text; the vendor's when absent.
    #[serde(default)]
    pub message: Option<String>,
}

/// What a client says of duplicate rules (REST API Developer Guide: "Duplicate Rule Header").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DuplicateOptions {
    /// Save in spite of an alert.
    pub allow_save: bool,
    /// Tell the fields of the records that look alike, not only their ids.
    pub include_record_details: bool,
}

impl DuplicateOptions {
    /// From the value of `Sforce-Duplicate-Rule-Header`: `allowSave=true; includeRecordDetails=true`.
    pub fn read(header: &str) -> Self {
        let says = |option: &str| {
            header.split([';', ',']).any(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                name.trim().eq_ignore_ascii_case(option) && value.trim().eq_ignore_ascii_case("true")
            })
        };
        Self {
            allow_save: says("allowSave"),
            include_record_details: says("includeRecordDetails"),
        }
    }
}

impl DuplicateRule {
    /// Refuses a rule about fields that are not there.
    pub(crate) fn check(&self, object: &Object) -> Result<(), AdminError> {
        if self.fields.is_empty() {
            return Err(AdminError::Invalid(
                "a duplicate rule needs fields to compare".into(),
            ));
        }
        match self.fields.iter().find(|name| object.field(name).is_none()) {
            Some(field) => Err(AdminError::UnknownField {
                object: object.name.clone(),
                field: field.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The values compared, if none is empty.
    fn compared(&self, object: &Object, record: &Fields) -> Option<Vec<String>> {
        let value = |name: &String| match record.get(&object.field(name)?.name)? {
            Value::Null => None,
            Value::String(text) => Some(text.to_lowercase()),
            other => Some(other.to_string()),
        };
        self.fields.iter().map(value).collect()
    }
}

impl Salesforce {
    /// What the object's duplicate rules say to a record about to be saved.
    pub(crate) fn detect_duplicates(&self, save: &Save<'_>, record: &Fields) -> Result<(), Vec<ApiError>> {
        let options = save.author.duplicates;
        for rule in self.rules.duplicate_rules(save.object) {
            let Some(compared) = rule.compared(save.object, record) else {
                continue;
            };
            let before = save.before.and_then(|before| rule.compared(save.object, before));
            let waived =
                rule.action == DuplicateAction::Alert && options.is_none_or(|options| options.allow_save);
            if before.as_ref() == Some(&compared) || waived {
                continue;
            }
            let alike: Vec<&Fields> = self
                .store
                .rows(&save.object.name)
                .filter(|row| !row.is_deleted())
                .map(|row| &row.fields)
                .filter(|row| row.get("Id").and_then(Value::as_str) != Some(save.id))
                .filter(|row| rule.compared(save.object, row).as_ref() == Some(&compared))
                .collect();
            if !alike.is_empty() {
                let detailed = options.is_some_and(|options| options.include_record_details);
                return Err(vec![refusal(rule, save.object, &alike, detailed)]);
            }
        }
        Ok(())
    }
}

fn refusal(rule: &DuplicateRule, object: &Object, alike: &[&Fields], detailed: bool) -> ApiError {
    let usual = "You're creating a duplicate record. We recommend you use an existing record instead.";
    let message = rule.message.clone().unwrap_or_else(|| usual.to_owned());
    let matched: Vec<Value> = alike
        .iter()
        .map(|row| {
            let mut record = json!({"attributes": {"type": object.name}, "Id": row.get("Id")});
            for name in rule.fields.iter().filter(|_| detailed) {
                record[name] = row.get(name).cloned().unwrap_or_default();
            }
            json!({"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record})
        })
        .collect();
    let result = json!({
        "allowSave": rule.action == DuplicateAction::Alert,
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": object.name,
        "errorMessage": message,
        "matchResults": [{
            "entityType": object.name,
            "errors": [],
            "matchEngine": "ExactMatchEngine",
            "matchRecords": matched,
            "rule": rule.name,
            "size": alike.len(),
            "success": true,
        }],
    });
    ApiError {
        duplicate_result: Some(Box::new(result)),
        ..ApiError::on_fields("DUPLICATES_DETECTED", message, &[])
    }
}
