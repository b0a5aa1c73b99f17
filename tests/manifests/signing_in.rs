//! docs/signing-in.md shows every way to sign in, each as a manifest that is accepted.

use std::collections::BTreeSet;

use serde_json::Value;
use syncflow::api::Connection;
use syncflow::controllers::connection::validate::validate;

use super::cel;

const PAGE: &str = include_str!("../../docs/signing-in.md");

/// The manifests of the page.
fn manifests() -> Vec<(String, Value)> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    blocks
        .map(|block| {
            let text = block.split("```").next().unwrap().to_owned();
            let manifest = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            (text, manifest)
        })
        .collect()
}

#[test]
fn every_manifest_on_the_page_is_accepted_and_names_the_keys_of_its_secret() {
    for (text, manifest) in manifests() {
        assert_eq!(cel::check(&manifest, None), Ok(()), "{text}");
        let connection: Connection = serde_json::from_value(manifest).unwrap();
        let target = validate(&connection.spec).unwrap();
        for key in target.method.keys() {
            assert!(text.contains(key), "the page does not name {key} in\n{text}");
        }
    }
}

#[test]
fn every_way_to_sign_in_is_on_the_page() {
    let shown: BTreeSet<String> = manifests()
        .iter()
        .flat_map(|(_, manifest)| {
            let spec = manifest["spec"].as_object().unwrap();
            spec.iter()
                .flat_map(|(service, it)| {
                    let auth = it["auth"].as_object().unwrap();
                    auth.keys().map(move |method| format!("{service}.{method}"))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let crds = serde_json::to_value(syncflow::api::crds()).unwrap();
    let connection = crds
        .as_array()
        .unwrap()
        .iter()
        .find(|crd| crd["spec"]["names"]["kind"] == "Connection")
        .unwrap();
    let spec = &connection["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut all = BTreeSet::new();
    for service in ["salesforce", "serviceNow"] {
        let auth = &spec["properties"][service]["properties"]["auth"]["properties"];
        all.extend(
            auth.as_object()
                .unwrap()
                .keys()
                .map(|method| format!("{service}.{method}")),
        );
    }
    assert_eq!(shown, all);
}
