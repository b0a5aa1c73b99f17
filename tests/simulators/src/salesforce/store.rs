//! The records: what stands in each object, what readers see of it, and who changed what.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::ids;
use super::recycle_bin::DeleteLog;
use super::schema::Object;
use crate::model::Fields;

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Its fields as they stand; a field never written is absent and reads as null.
    pub fields: Fields,
    /// Until when readers still see something older: the write is stamped but its transaction has not committed.
    uncommitted: Option<Uncommitted>,
}

#[derive(Debug, Clone)]
struct Uncommitted {
    until: Timestamp,
    /// What readers see meanwhile; `None` for a record that is not there yet.
    before: Option<Fields>,
}

impl Row {
    /// What a reader sees at `now`.
    pub fn seen_at(&self, now: Timestamp) -> Option<&Fields> {
        match &self.uncommitted {
            Some(uncommitted) if uncommitted.until > now => uncommitted.before.as_ref(),
            _ => Some(&self.fields),
        }
    }

    /// Whether its last write has not committed at `now`.
    pub fn is_in_flight(&self, now: Timestamp) -> bool {
        self.uncommitted
            .as_ref()
            .is_some_and(|uncommitted| uncommitted.until > now)
    }

    /// Whether it is in the recycle bin.
    pub fn is_deleted(&self) -> bool {
        is_deleted(&self.fields)
    }
}

/// Whether a version of a record is a deleted one.
pub(crate) fn is_deleted(fields: &Fields) -> bool {
    fields.get("IsDeleted") == Some(&Value::Bool(true))
}

/// Every record of every object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// What was deleted when.
    pub deletions: DeleteLog,
    tables: BTreeMap<String, BTreeMap<String, Row>>,
    /// Which record holds a value of a unique field: by object, field and value (folded unless case-sensitive).
    holders: BTreeMap<(String, String, String), String>,
    made: BTreeMap<String, u64>,
    numbered: BTreeMap<String, u64>,
}

impl Store {
    /// An id no record of the object has had.
    pub fn next_id(&mut self, object: &Object) -> String {
        let made = self.made.entry(object.key_prefix.clone()).or_default();
        *made += 1;
        ids::make(&object.key_prefix, *made)
    }

    /// The next value of the object's auto-number: eight digits, from 00001001 as in a new org.
    pub fn next_number(&mut self, object: &str) -> String {
        let numbered = self.numbered.entry(object.to_owned()).or_insert(1000);
        *numbered += 1;
        format!("{numbered:08}")
    }

    /// A record by its 18-character id, deleted or not.
    pub fn row(&self, object: &str, id: &str) -> Option<&Row> {
        self.tables.get(object)?.get(id)
    }

    /// Every record of an object, deleted ones included, by id.
    pub fn rows(&self, object: &str) -> impl Iterator<Item = &Row> {
        self.tables.get(object).into_iter().flat_map(BTreeMap::values)
    }

    /// Which other record holds this value of a unique field, if any.
    pub fn holder(
        &self,
        object: &str,
        field: &super::field::Field,
        value: &Value,
        but: &str,
    ) -> Option<&str> {
        let key = holder_key(object, field, value)?;
        self.holders.get(&key).map(String::as_str).filter(|id| *id != but)
    }

    /// Takes a record in the recycle bin out of the store; one that is not deleted stays.
    pub fn remove(&mut self, object: &str, id: &str) {
        if let Some(table) = self.tables.get_mut(object)
            && table.get(id).is_some_and(Row::is_deleted)
        {
            table.remove(id);
        }
    }

    /// Puts a record's new version in place. Readers see it from `visible_from` on.
    pub fn put(
        &mut self,
        object: &Object,
        id: &str,
        fields: Fields,
        now: Timestamp,
        visible_from: Timestamp,
    ) {
        let table = self.tables.entry(object.name.clone()).or_default();
        let old = table.remove(id);
        for field in object.fields.iter().filter(|field| field.unique) {
            let former = old
                .as_ref()
                .filter(|row| !row.is_deleted())
                .and_then(|row| row.fields.get(&field.name));
            if let Some(key) = former.and_then(|value| holder_key(&object.name, field, value)) {
                self.holders.remove(&key);
            }
            let value = fields.get(&field.name).filter(|_| !is_deleted(&fields));
            if let Some(key) = value.and_then(|value| holder_key(&object.name, field, value)) {
                self.holders.insert(key, id.to_owned());
            }
        }
        let uncommitted = (visible_from > now).then(|| Uncommitted {
            until: visible_from,
            before: old.as_ref().and_then(|row| row.seen_at(now)).cloned(),
        });
        let table = self.tables.entry(object.name.clone()).or_default();
        table.insert(id.to_owned(), Row { fields, uncommitted });
    }
}

fn holder_key(object: &str, field: &super::field::Field, value: &Value) -> Option<(String, String, String)> {
    let value = match value {
        Value::Null => return None,
        Value::String(text) if !field.case_sensitive => text.to_lowercase(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some((object.to_owned(), field.name.clone(), value))
}
