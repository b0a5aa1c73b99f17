//! How links and the header are written down: JSON that a person can read in `kubectl get configmap -o yaml`, without
//! what takes space and says nothing.
//!
//! A link is its own serde form with two changes: members that are null are left out, and the tables of fingerprints,
//! which are most of a link, become one string each (`<field>:<salesforce>/<servicenow> …`). What does not look like a
//! table of fingerprints is left as it is, so that the form of a link may grow without a new format.
//!
//! Sizes, held by the test `a_link_takes_no_more_space_than_the_documentation_says`: a settled link with 10 fields
//! takes 840 bytes, each further field 43; with an update on its way to one side 1.7 KB. 10,000 settled links of 10
//! fields take 8.4 MB in all their pages.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::core::link::{Header, Link};

/// The format that is written, and the newest that is read. A change that older programs cannot read raises it.
pub(super) const FORMAT: u64 = 1;

/// The members that hold one fingerprint for each side.
const BASE: [&str; 2] = ["salesforce", "serviceNow"];
/// The members of one field of an intent; the last may be missing.
const INTENDED: [&str; 3] = ["sent", "from", "before"];

/// What every document begins with.
#[derive(Deserialize)]
struct Envelope {
    format: u64,
}

/// Reads a document whose format we know, or says why not.
pub(super) fn parse<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, String> {
    // The format is looked at alone and first: what else a newer format holds is not ours to judge.
    let Envelope { format } =
        serde_json::from_str(body).map_err(|error| format!("it is not a syncflow document ({error})"))?;
    if format != FORMAT {
        return Err(format!(
            "it has format {format}, and this version of syncflow reads format {FORMAT}: run the version that wrote it"
        ));
    }
    serde_json::from_str(body).map_err(|error| format!("it is not a whole document ({error})"))
}

/// The written form of a link. The same link always has the same form.
pub(super) fn encode_link(link: &Link) -> Result<String, String> {
    let mut value = serde_json::to_value(link).map_err(|error| error.to_string())?;
    prune(&mut value);
    if let Value::Object(members) = &mut value {
        transform(members, "bases", |table| pack(table, &BASE));
        for_each_intent(members, |intent| {
            transform(intent, "fields", |table| pack(table, &INTENDED));
        });
    }
    Ok(value.to_string())
}

/// The link that a written form stands for.
pub(super) fn decode_link(mut value: Value) -> Result<Link, String> {
    if let Value::Object(members) = &mut value {
        transform(members, "bases", |table| unpack(table, &BASE));
        for_each_intent(members, |intent| {
            transform(intent, "fields", |table| unpack(table, &INTENDED));
        });
    }
    serde_json::from_value(value).map_err(|error| format!("a link in it is not whole ({error})"))
}

/// The written form of a header.
pub(super) fn encode_header(header: &Header) -> Result<String, String> {
    serde_json::to_value(header)
        .map(|header| serde_json::json!({"format": FORMAT, "header": header}).to_string())
        .map_err(|error| error.to_string())
}

/// The header that a written form stands for.
pub(super) fn decode_header(body: &str) -> Result<Header, String> {
    #[derive(Deserialize)]
    struct Document {
        header: Header,
    }
    parse::<Document>(body).map(|document| document.header)
}

fn for_each_intent(link: &mut Map<String, Value>, mut change: impl FnMut(&mut Map<String, Value>)) {
    let intents = link.get_mut("intents").and_then(Value::as_object_mut);
    for intent in intents.into_iter().flat_map(Map::values_mut) {
        if let Value::Object(intent) = intent {
            change(intent);
        }
    }
}

fn transform(members: &mut Map<String, Value>, name: &str, change: impl Fn(&Value) -> Option<Value>) {
    if let Some(member) = members.get_mut(name)
        && let Some(changed) = change(member)
    {
        *member = changed;
    }
}

/// Leaves out members that are null: each stands for an `Option`, and a missing one is read as `None`.
fn prune(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(prune);
    }
}

/// A table of fingerprints as one string; `None` where it is something else.
fn pack(table: &Value, columns: &[&str]) -> Option<Value> {
    let mut rows = Vec::new();
    for (field, row) in table.as_object()? {
        let row = row.as_object()?;
        let cells: Vec<&str> = columns
            .iter()
            .map_while(|column| row.get(*column).and_then(Value::as_str))
            .collect();
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if cells.len() != row.len() || !plain(field) || !cells.iter().all(|cell| plain(cell)) {
            return None;
        }
        rows.push(format!("{field}:{}", cells.join("/")));
    }
    Some(Value::String(rows.join(" ")))
}

/// The table that [`pack`] made a string of; `None` where it made none.
fn unpack(packed: &Value, columns: &[&str]) -> Option<Value> {
    let mut table = Map::new();
    for row in packed.as_str()?.split_whitespace() {
        let (field, cells) = row.split_once(':')?;
        let cells: Vec<&str> = cells.split('/').collect();
        if cells.len() > columns.len() {
            return None;
        }
        let row = columns
            .iter()
            .zip(cells)
            .map(|(column, cell)| ((*column).to_owned(), Value::String(cell.to_owned())))
            .collect();
        table.insert(field.to_owned(), Value::Object(row));
    }
    Some(Value::Object(table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::link_store::examples;
    use crate::core::link::Phase;

    #[test]
    fn a_link_is_read_back_as_it_was_written() {
        let mut restated = examples::link_with_everything(4, 2);
        for intent in [
            &mut restated.intents.salesforce,
            &mut restated.intents.service_now,
        ] {
            for field in intent.as_mut().unwrap().fields.values_mut() {
                field.restated = true;
            }
        }
        for link in [
            restated,
            examples::link(1, 0, Phase::Pending),
            examples::link(2, 10, Phase::Active),
            examples::link_with_everything(3, 10),
        ] {
            let written = encode_link(&link).unwrap();
            assert_eq!(
                decode_link(serde_json::from_str(&written).unwrap()).unwrap(),
                link
            );
        }
    }

    #[test]
    fn a_plain_serde_link_is_read_too() {
        let link = examples::link_with_everything(1, 3);
        let plain = serde_json::to_value(&link).unwrap();
        assert_eq!(decode_link(plain).unwrap(), link);
    }

    #[test]
    fn a_link_takes_no_more_space_than_the_documentation_says() {
        let size = |link: &Link| encode_link(link).unwrap().len();
        let ten = size(&examples::link(1, 10, Phase::Active));
        let eleven = size(&examples::link(1, 11, Phase::Active));
        let mut sending = examples::link_with_everything(1, 10);
        sending.quarantine = None;
        sending.intents.salesforce = None;
        assert!(ten <= 840, "{ten}");
        assert_eq!(eleven - ten, 43);
        assert!(size(&sending) <= 1_700, "{}", size(&sending));
    }

    #[test]
    fn a_document_of_another_format_is_refused_by_name() {
        let refused = decode_header(r#"{"format":2,"header":{"shape":"unknown"}}"#).unwrap_err();
        assert!(
            refused.contains("format 2") && refused.contains("format 1"),
            "{refused}"
        );
        for broken in ["", "{", "[]", r#"{"header":{}}"#, r#"{"format":1}"#] {
            assert!(decode_header(broken).is_err(), "{broken}");
        }
    }
}
