//! Generated files are up to date. `make crds` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kube::ResourceExt;
use syncflow::api;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails when the file is not exactly `expected`; writes it instead where the caller asked for that.
fn assert_generated(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("SYNCFLOW_REGENERATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, expected).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let differs = expected.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{path} is not what src/api says (first difference at line {}): run `make crds`",
        differs.map_or_else(
            || expected.lines().count().min(found.lines().count()) + 1,
            |line| line + 1
        ),
    );
}

#[test]
fn crds_are_what_the_types_say() {
    let mut files = BTreeSet::from([root().join("crds/Kustomization")]);
    for crd in api::crds() {
        let file = format!("crds/{}.yaml", crd.spec.names.plural);
        files.insert(root().join(&file));
        assert_generated(&file, &api::schema::crd_yaml(&crd).unwrap());
        assert_eq!(
            crd.name_any(),
            format!("{}.{}", crd.spec.names.plural, api::GROUP)
        );
    }
    let found: BTreeSet<PathBuf> = fs::read_dir(root().join("crds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(
        found, files,
        "crds/ has a file for each kind, and only the Kustomization beside them"
    );
}

#[test]
fn the_kustomization_of_the_crds_lists_each_kind() {
    let text = fs::read_to_string(root().join("crds/Kustomization")).unwrap();
    let listed: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let expected: Vec<String> = api::crds()
        .iter()
        .map(|crd| format!("{}.yaml", crd.spec.names.plural))
        .collect();
    assert_eq!(listed["resources"], serde_json::json!(expected));
}

#[test]
fn the_reference_page_is_what_the_types_say() {
    assert_generated("docs/reference.md", &super::reference::page());
}
