//! Keyed hashes of values, so that link state can say *changed* without holding what a user wrote.

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::ident::{FieldKey, hex};
use super::side::Side;
use super::value::Value;

/// The keyed hash of one canonical value in one place. 16 hexadecimal characters (64 bits: enough to tell change,
/// as both values would have to be of the same field of the same record to be compared).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// Makes fingerprints under a flow's key.
#[derive(Clone)]
pub struct Fingerprinter {
    key: hmac::Key,
}

impl Fingerprinter {
    /// From the flow's secret key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The fingerprint of a value in a place. The place is part of it, so that equal values in two records cannot be
    /// recognised as equal by a reader of the state.
    #[must_use]
    pub fn of(&self, link_origin: &str, field: &FieldKey, side: Side, value: &Value) -> Fingerprint {
        let canonical = value.canonical();
        let kind = match &canonical {
            Value::Null => 'n',
            Value::Text(_) => 't',
            Value::Number(_) => 'd',
            Value::Boolean(_) => 'b',
            Value::Date(_) => 'c',
            Value::DateTime(_) => 'i',
            Value::Choices(_) => 's',
        };
        let text = format!(
            "{link_origin}|{}|{}|{kind}|{}",
            field.as_str(),
            side.label(),
            canonical.plain()
        );
        let tag = hmac::sign(&self.key, text.as_bytes());
        Fingerprint(hex(&tag.as_ref()[..8]))
    }

    /// Names the key without revealing it: state written under another key is recognised as lost.
    #[must_use]
    pub fn key_id(&self) -> String {
        hex(&hmac::sign(&self.key, b"syncflow key id").as_ref()[..8])
    }
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fingerprinter({})", self.key_id())
    }
}
