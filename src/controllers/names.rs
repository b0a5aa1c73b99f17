//! Names in manifests, parsed with the path of the manifest field they stand in.

use std::fmt;
use std::str::FromStr;

use crate::core::ident::{FieldName, InvalidIdent, ObjectName};

/// A name that no object, table or field can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct NameError {
    path: String,
    why: InvalidIdent,
}

/// Parses the name of an object or table; `path` is where it stands, such as `spec.salesforce.object`.
pub fn object(path: &str, text: &str) -> Result<ObjectName, NameError> {
    name(&path, text)
}

/// Parses the name of a field; `path` is where it stands.
pub fn field(path: &str, text: &str) -> Result<FieldName, NameError> {
    name(&path, text)
}

fn name<T: FromStr<Err = InvalidIdent>>(path: &impl fmt::Display, text: &str) -> Result<T, NameError> {
    text.parse().map_err(|why| NameError {
        path: path.to_string(),
        why,
    })
}
