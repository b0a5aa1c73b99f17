//! Names and identifiers, parsed once at the edge and trusted inside.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::side::Side;

/// Why a text is not a name or an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidIdent {
    text: String,
    expected: &'static str,
}

/// True for what both services accept in the API name of an object, table or field: letters, digits, `_`, 1–100
/// characters. Anything else never reaches a query, so that no name can change a query's meaning.
fn is_api_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

macro_rules! api_name {
    ($name:ident, $doc:literal, $expected:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as the service spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidIdent;

            fn from_str(text: &str) -> Result<Self, InvalidIdent> {
                if is_api_name(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidIdent {
                        text: text.to_owned(),
                        expected: $expected,
                    })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidIdent;

            fn try_from(text: String) -> Result<Self, InvalidIdent> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

api_name!(
    ObjectName,
    "The API name of a Salesforce object (`Case`, `Ticket__c`) or a ServiceNow table (`incident`, `u_ticket`).",
    "an API name of an object or table (letters, digits and _, at most 100)"
);
api_name!(
    FieldName,
    "The API name of a field of a Salesforce object or a column of a ServiceNow table.",
    "an API name of a field (letters, digits and _, at most 100)"
);

/// The identifier of a record on one side: a Salesforce id in its 18-character form, or a ServiceNow `sys_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(String);

impl RecordId {
    /// Parses what a service sent. A 15-character Salesforce id gets its checksum, so that two spellings of one id
    /// are equal.
    pub fn parse(side: Side, text: &str) -> Result<Self, InvalidIdent> {
        let alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match side {
            Side::Salesforce if alphanumeric && text.len() == 18 => Ok(Self(text.to_owned())),
            Side::Salesforce if alphanumeric && text.len() == 15 => Ok(Self(with_checksum(text))),
            Side::ServiceNow if alphanumeric && text.len() == 32 => Ok(Self(text.to_ascii_lowercase())),
            Side::Salesforce => Err(InvalidIdent {
                text: text.to_owned(),
                expected: "a Salesforce id (15 or 18 letters and digits)",
            }),
            Side::ServiceNow => Err(InvalidIdent {
                text: text.to_owned(),
                expected: "a ServiceNow sys_id (32 letters and digits)",
            }),
        }
    }

    /// The identifier as the service spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Salesforce's three checksum characters: one per five characters, a bit for each upper-case letter.
fn with_checksum(id: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let checksum = id.as_bytes().chunks(5).map(|chunk| {
        let index = chunk
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0_usize, |bits, (place, _)| bits | (1 << place));
        char::from(ALPHABET[index])
    });
    id.chars().chain(checksum).collect()
}

/// `side:recordId` of the partner, written into a field of the record that a flow makes. It makes creation
/// idempotent and lost link state rebuildable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The side of the partner.
    pub side: Side,
    /// The partner's id.
    pub id: RecordId,
}

impl Stamp {
    /// The longest stamp, in characters: what a stamp field must be able to hold.
    pub const MAX_LENGTH: u32 = 43;

    /// Reads the content of a stamp field. `None` for a foreign value, which is never overwritten.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (label, id) = text.trim().split_once(':')?;
        let side = Side::BOTH.into_iter().find(|side| side.label() == label)?;
        let id = RecordId::parse(side, id).ok()?;
        Some(Self { side, id })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.side.label(), self.id)
    }
}

/// The identity of a link: a hash of the side and id of the record it began with, so that two rivals contend on the
/// same page of the store. 16 hexadecimal characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(String);

impl LinkId {
    /// The link that begins, or began, with this record.
    #[must_use]
    pub fn of(origin: Side, id: &RecordId) -> Self {
        Self(hex(&sha256(&format!("{}:{id}", origin.label()))[..8]))
    }

    /// 16 lower-case hexadecimal characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `sys_id` that we choose for the counterpart of a Salesforce record: a function of the org, the record and
/// the table, so that every retry, restart and rival asks for the same one.
#[must_use]
pub fn chosen_sys_id(organisation: &str, origin: &RecordId, table: &ObjectName) -> RecordId {
    RecordId(hex(
        &sha256(&format!("syncflow/{organisation}/{origin}/{table}"))[..16]
    ))
}

/// The identity of a pair of fields within a mapping, stable when rows are reordered. 8 hexadecimal characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldKey(String);

impl FieldKey {
    /// The key of the pair.
    #[must_use]
    pub fn of(salesforce: &FieldName, service_now: &FieldName) -> Self {
        Self(hex(&sha256(&format!("{salesforce}|{service_now}"))[..4]))
    }

    /// Stands for the record as a whole, where a journal entry is about no single pair.
    #[must_use]
    pub fn whole_record() -> Self {
        Self("*".to_owned())
    }

    /// 8 lower-case hexadecimal characters, or `*` for the record as a whole.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A short digest that tells one text from another. 16 hexadecimal characters.
#[must_use]
pub fn digest_of(text: &str) -> String {
    hex(&sha256(text)[..8])
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_spellings_of_a_salesforce_id_are_equal() {
        let short = RecordId::parse(Side::Salesforce, "001D000000IqhSL").unwrap();
        let long = RecordId::parse(Side::Salesforce, "001D000000IqhSLIAZ").unwrap();
        assert_eq!(short, long);
    }

    #[test]
    fn a_stamp_survives_its_own_spelling_and_a_foreign_value_is_no_stamp() {
        let stamp = Stamp {
            side: Side::ServiceNow,
            id: RecordId::parse(Side::ServiceNow, "6816f79cc0a8016401c5a33be04be441").unwrap(),
        };
        assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp.clone()));
        assert_eq!(u32::try_from(stamp.to_string().len()), Ok(Stamp::MAX_LENGTH));
        for foreign in [
            "",
            "PRB0040007",
            "servicenow:",
            "servicenow:short",
            "jira:6816f79cc0a8016401c5a33be04be441",
        ] {
            assert_eq!(Stamp::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_name_that_could_change_a_query_is_refused() {
        for bad in ["", "a b", "Id FROM User", "a^ORsys_id!=1", "a.b", "a'--"] {
            assert!(bad.parse::<FieldName>().is_err(), "{bad}");
        }
    }
}
