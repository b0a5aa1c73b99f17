//! Every manifest under examples/ says only what its type knows, and passes the rules.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use syncflow::api::{Connection, FieldMapping, SyncFlow};
use syncflow::controllers::{field_mapping, sync_flow};

use super::cel;

/// The folders of examples/, in order.
pub fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// The YAML documents of a folder, each with the file it stands in.
pub fn documents(folder: &Path) -> Vec<(PathBuf, Value)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
        .into_iter()
        .flat_map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            documents
                .into_iter()
                .map(move |document| (file.clone(), document))
        })
        .collect()
}

/// The document as its type sees it.
fn typed(document: &Value) -> Option<Value> {
    fn through<T: serde::de::DeserializeOwned + serde::Serialize>(document: &Value) -> Value {
        let typed: T =
            serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error}\n{document:#}"));
        serde_json::to_value(typed).unwrap()
    }
    match document["kind"].as_str() {
        Some("Connection") => Some(through::<Connection>(document)),
        Some("FieldMapping") => Some(through::<FieldMapping>(document)),
        Some("SyncFlow") => Some(through::<SyncFlow>(document)),
        Some("Secret" | "Kustomization") => None,
        kind => panic!("an example of an unknown kind: {kind:?}"),
    }
}

/// Fails if `said` has a key that `understood` lost.
fn assert_nothing_lost(said: &Value, understood: &Value, path: &str) {
    match (said, understood) {
        (Value::Object(said), Value::Object(understood)) => {
            for (key, value) in said {
                let known = understood
                    .get(key)
                    .unwrap_or_else(|| panic!("{path}.{key} is not a field of its type"));
                assert_nothing_lost(value, known, &format!("{path}.{key}"));
            }
        }
        (Value::Array(said), Value::Array(understood)) => {
            for (index, (said, understood)) in said.iter().zip(understood).enumerate() {
                assert_nothing_lost(said, understood, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(said, understood, "{path}"),
    }
}

#[test]
fn every_example_is_understood_whole_and_passes_the_rules() {
    let mut seen = 0;
    for folder in folders() {
        for (file, document) in documents(&folder) {
            let Some(understood) = typed(&document) else {
                continue;
            };
            assert_nothing_lost(&document, &understood, &file.display().to_string());
            assert_eq!(cel::check(&document, None), Ok(()), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} manifests were found");
}

#[test]
fn every_example_is_in_its_kustomization_and_in_the_table_of_contents() {
    let contents =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/README.md")).unwrap();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            contents.contains(&format!("[{name}]({name}/)")),
            "examples/README.md does not name {name}"
        );
        let all = documents(&folder);
        let listed: Vec<&str> = all
            .iter()
            .filter(|(_, document)| document["kind"] == "Kustomization")
            .flat_map(|(_, document)| document["resources"].as_array().unwrap())
            .map(|resource| resource.as_str().unwrap())
            .collect();
        for (file, document) in &all {
            let file = file.file_name().unwrap().to_str().unwrap();
            let is_part = !matches!(document["kind"].as_str(), Some("Kustomization" | "Secret"));
            assert_eq!(listed.contains(&file), is_part, "{name}/{file}");
        }
    }
}

#[test]
fn every_flow_of_the_examples_can_run_with_its_mapping() {
    for folder in folders() {
        let all = documents(&folder);
        let of_kind = |kind: &'static str| {
            all.iter()
                .map(|(_, document)| document)
                .filter(move |it| it["kind"] == kind)
        };
        let mut flows = 0;
        for flow in of_kind("SyncFlow") {
            let flow: SyncFlow = serde_json::from_value(flow.clone()).unwrap();
            let name = &flow.spec.field_mapping_ref.name;
            let mapping = of_kind("FieldMapping").find(|it| it["metadata"]["name"] == **name);
            let mapping: FieldMapping = serde_json::from_value(mapping.unwrap().clone()).unwrap();
            let mapping = field_mapping::validate::validate(&mapping.spec).unwrap();
            sync_flow::validate::validate(&flow.spec, name, &mapping).unwrap();
            flows += 1;
        }
        assert_eq!(flows, 1, "{}", folder.display());
    }
}
