//! Arrows point inwards: `main → runtime → controllers, engine, adapters → ports → core, api`. Read from the sources'
//! own `use` lines and paths, so that an arrow that points outwards fails here before anybody reviews it.

#![allow(
    clippy::unwrap_used,
    reason = "this crate is a test: a panic is its way of failing"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// What each place of `src/` must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "tokio",
            "futures",
            "reqwest",
            "kube",
            "k8s_openapi",
            "axum",
            "http::",
            "crate::api",
            "crate::ports",
            "crate::engine",
            "crate::adapters",
            "crate::controllers",
            "crate::runtime",
            "async fn",
            "SystemTime",
            "Timestamp::now",
            "Zoned::now",
            "Instant::now",
            "std::fs",
            "std::net",
            "std::env",
            "HashMap",
        ],
    ),
    (
        "api",
        &[
            "tokio",
            "reqwest",
            "kube::Client",
            "kube::client",
            "kube::runtime",
            "crate::core",
            "crate::ports",
            "crate::engine",
            "crate::adapters",
            "crate::controllers",
            "crate::runtime",
            "SystemTime",
            "Timestamp::now",
        ],
    ),
    (
        "ports.rs",
        &[
            "tokio",
            "reqwest",
            "kube",
            "crate::engine",
            "crate::adapters",
            "crate::controllers",
            "crate::runtime",
        ],
    ),
    (
        "engine",
        &[
            "reqwest",
            "kube",
            "crate::api",
            "crate::adapters",
            "crate::controllers",
            "crate::runtime",
            "tokio::spawn",
            "tokio::time",
            "SystemTime",
            "Timestamp::now",
            "std::time::Instant",
            "HashMap",
        ],
    ),
    (
        "adapters",
        &[
            "crate::engine",
            "crate::controllers",
            "crate::runtime",
            "tokio::spawn",
            "SystemTime",
            "Timestamp::now",
        ],
    ),
    ("controllers", &["crate::runtime", "reqwest"]),
];

#[test]
fn every_arrow_points_inwards() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut files = 0;
    for (place, forbidden) in FORBIDDEN {
        for file in rust_files(&source.join(place)) {
            files += 1;
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code_lines(&text) {
                for word in forbidden.iter().filter(|word| names(line, word)) {
                    found.push(format!(
                        "{}:{number}: names {word}: {}",
                        file.display(),
                        line.trim()
                    ));
                }
            }
        }
    }
    assert!(
        files > 40,
        "the test looked at {files} files only: did a folder move?"
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_line_that_points_outwards_is_seen() {
    assert!(names("use tokio::sync::watch;", "tokio"));
    assert!(names("    crate::runtime::start()", "crate::runtime"));
    assert!(!names("use crate::tokio_like::Thing;", "tokio"));
    assert_eq!(
        code_lines("/// tokio\nuse a;\n#[cfg(test)]\nmod tests { use tokio; }").count(),
        1
    );
}

/// Does a line of code name this path (and not merely a word that contains it)?
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let joins = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && (path.ends_with(':') || !joins(after))
    })
}

/// Lines of code before the file's own tests; comments are no arrows.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn rust_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let mut files: Vec<PathBuf> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .is_none_or(|name| name != "tests" && name != "tests.rs")
        })
        .flat_map(|path| {
            if path.is_dir() || path.extension().is_some_and(|ext| ext == "rs") {
                rust_files(&path)
            } else {
                Vec::new()
            }
        })
        .collect();
    files.sort();
    files
}
