//! The CEL rules of the CRDs, run in this process: each refuses what it is for, and nothing else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kube::core::cel::Validator;
use serde_json::Value;
use syncflow::api;

use super::cases::{CASES, RefusedBy};

/// The schema of each kind; generating one is slow enough to do it once.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    api::crds()
        .into_iter()
        .map(|crd| {
            let schema = crd.spec.versions[0].schema.as_ref();
            let schema = schema
                .and_then(|schema| schema.open_api_v3_schema.as_ref())
                .expect("a schema");
            (crd.spec.names.kind, serde_json::to_value(schema).expect("JSON"))
        })
        .collect()
});

/// Runs the rules of the manifest's kind; the error is all that they say.
pub fn check(manifest: &Value, old: Option<&Value>) -> Result<(), String> {
    let kind = manifest["kind"].as_str().expect("a kind");
    Validator::new()
        .validate(&SCHEMAS[kind], manifest, old)
        .map_err(|errors| errors.to_string())
}

#[test]
fn good_manifests_pass() {
    for (name, manifest) in &CASES.accept {
        assert_eq!(check(manifest, None), Ok(()), "{name}");
    }
}

#[test]
fn each_mistake_is_refused_by_the_rule_that_is_for_it() {
    for case in CASES
        .create
        .iter()
        .filter(|case| case.refused_by == RefusedBy::Rules)
    {
        let refusal = check(&case.manifest(), None).expect_err(&case.mistake);
        assert!(refusal.contains(&case.says), "{}: {refusal}", case.mistake);
    }
}

#[test]
fn what_is_immutable_cannot_change_and_can_stay() {
    for case in &CASES.update {
        let refusal = check(&case.manifest(), Some(case.before())).expect_err(&case.mistake);
        assert!(refusal.contains(&case.says), "{}: {refusal}", case.mistake);
        assert_eq!(
            check(case.before(), Some(case.before())),
            Ok(()),
            "{}",
            case.mistake
        );
    }
}

#[test]
fn every_rule_of_every_kind_is_exercised_by_a_refused_manifest() {
    let creations = CASES.create.iter().map(|case| check(&case.manifest(), None));
    let updates = CASES
        .update
        .iter()
        .map(|case| check(&case.manifest(), Some(case.before())));
    let said: Vec<String> = creations.chain(updates).filter_map(Result::err).collect();
    for message in SCHEMAS.values().flat_map(messages) {
        assert!(
            said.iter().any(|said| said.contains(&message)),
            "no case makes this rule speak: {message}"
        );
    }
}

/// The messages of all `x-kubernetes-validations` in a schema.
fn messages(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("x-kubernetes-validations", Value::Array(rules)) => rules
                    .iter()
                    .map(|rule| {
                        rule["message"]
                            .as_str()
                            .expect("each rule says what is wrong")
                            .to_owned()
                    })
                    .collect(),
                _ => messages(value),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(messages).collect(),
        _ => Vec::new(),
    }
}
