//! The manifests of `cases.yaml`, which must be accepted or refused.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

/// All of `cases.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// What must be accepted, by name.
    pub accept: BTreeMap<String, Value>,
    /// Mistakes in a new manifest.
    pub create: Vec<Case>,
    /// Changes that an existing object must not take.
    pub update: Vec<Case>,
}

/// A change to an accepted manifest that must be refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// What the user did wrong.
    pub mistake: String,
    change: Change,
    /// Who refuses it.
    pub refused_by: RefusedBy,
    /// What the refusal says.
    pub says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    r#in: String,
    /// A JSON pointer; its last step may be new, and `-` is the end of a list.
    at: String,
    /// What stands there then; null takes it out.
    to: Value,
}

/// Who can refuse a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusedBy {
    /// A CEL rule.
    Rules,
    /// Patterns, enums, lengths, required and unknown fields.
    Schema,
}

/// The cases.
pub static CASES: LazyLock<Cases> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("cases.yaml")).expect("cases.yaml is well-formed"));

impl Case {
    /// The manifest before the mistake.
    pub fn before(&self) -> &'static Value {
        &CASES.accept[&self.change.r#in]
    }

    /// The manifest with the mistake in it.
    pub fn manifest(&self) -> Value {
        let mut manifest = self.before().clone();
        let (parent, key) = self.change.at.rsplit_once('/').expect("a JSON pointer");
        let value = self.change.to.clone();
        match manifest.pointer_mut(parent) {
            Some(Value::Object(object)) if value.is_null() => {
                object.shift_remove(key).expect("something to take out");
            }
            Some(Value::Object(object)) => {
                object.insert(key.to_owned(), value);
            }
            Some(Value::Array(list)) if key == "-" => list.push(value),
            other => panic!("{} leads nowhere: {other:?}", self.change.at),
        }
        manifest
    }
}
