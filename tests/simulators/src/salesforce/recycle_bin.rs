//! How records go: to the recycle bin, out of it again, or for good; by a merge; and the log that tells of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::dml::Save;
use super::error::ApiError;
use super::field::FieldType;
use super::schema::Object;
use super::screen::Author;
use super::store::Row;
use super::value::whole_second;
use super::{Salesforce, ids};
use crate::model::{AdminError, Fields, WriteKind};

/// What the service remembers of deletions, apart from the deleted records themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteLog {
    /// When each deleted record was deleted, by object and id.
    entries: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// Up to when the log of an object no longer is complete.
    purged: BTreeMap<String, Timestamp>,
}

impl DeleteLog {
    pub fn enter(&mut self, object: &str, id: &str, at: Timestamp) {
        let entries = self.entries.entry(object.to_owned()).or_default();
        entries.insert(id.to_owned(), whole_second(at));
    }

    /// Takes an entry out, as when the record is there again; gives the time it had.
    pub fn strike(&mut self, object: &str, id: &str) -> Option<Timestamp> {
        self.entries.get_mut(object)?.remove(id)
    }

    /// When a record was deleted, if it is.
    pub fn at(&self, object: &str, id: &str) -> Option<Timestamp> {
        self.entries.get(object)?.get(id).copied()
    }

    /// Deleted records of an object with the times of their deletion, by id.
    pub fn of(&self, object: &str) -> impl Iterator<Item = (&str, Timestamp)> {
        let entries = self.entries.get(object).into_iter().flatten();
        entries.map(|(id, at)| (id.as_str(), *at))
    }

    /// Up to when the log of an object has been purged, if ever.
    pub fn purged(&self, object: &str) -> Option<Timestamp> {
        self.purged.get(object).copied()
    }

    /// Loses every entry up to `until`.
    pub fn purge(&mut self, object: &str, until: Timestamp) {
        let until = whole_second(until);
        if let Some(entries) = self.entries.get_mut(object) {
            entries.retain(|_, at| *at > until);
        }
        let purged = self.purged.entry(object.to_owned()).or_insert(until);
        *purged = until.max(*purged);
    }

    /// The records whose deletion is older than `than`.
    fn older(&self, than: Timestamp) -> Vec<(String, String)> {
        let entries = self.entries.iter().flat_map(|(object, entries)| {
            entries
                .iter()
                .filter(|(_, at)| **at < than)
                .map(|(id, _)| (object.clone(), id.clone()))
        });
        entries.collect()
    }
}

impl Salesforce {
    /// Moves a record to the recycle bin.
    pub(crate) fn delete(
        &mut self,
        object: &Arc<Object>,
        id: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Vec<ApiError>> {
        let mut record = self.deletable(object, id, author)?;
        record.insert("IsDeleted".into(), Value::Bool(true));
        self.commit(
            &Save::of_whole(object, id, author, WriteKind::Deleted, now),
            record,
        );
        for (child, id) in self.belongings(object, id, |row| !row.is_deleted()) {
            let Some(row) = self.store.row(&child.name, &id) else {
                continue;
            };
            let mut record = row.fields.clone();
            record.insert("IsDeleted".into(), Value::Bool(true));
            let save = Save::of_whole(&child, &id, author, WriteKind::Deleted, now);
            self.commit(&save, record);
        }
        Ok(())
    }

    /// Deletes a record for good, past the recycle bin, or out of it. Whether the delete log tells is a setting.
    pub(crate) fn hard_delete(
        &mut self,
        object: &Arc<Object>,
        id: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Vec<ApiError>> {
        let deleted = self.store.row(&object.name, id).is_some_and(Row::is_deleted);
        if !deleted {
            self.delete(object, id, author, now)?;
        }
        self.expunge(&object.name, id);
        Ok(())
    }

    /// Takes a record out of the recycle bin, under its old id.
    pub(crate) fn undelete(
        &mut self,
        object: &Arc<Object>,
        id: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), Vec<ApiError>> {
        let row = self.store.row(&object.name, id).filter(|row| row.is_deleted());
        let Some(mut record) = row.map(|row| row.fields.clone()) else {
            let message = "entity is not in the recycle bin";
            return Err(vec![ApiError::on_fields("UNDELETE_FAILED", message, &[])]);
        };
        // What another record took meanwhile is lost to this one.
        for field in object.fields.iter().filter(|field| field.unique) {
            let value = record.get(&field.name).cloned().unwrap_or_default();
            if self.store.holder(&object.name, field, &value, id).is_some() {
                record.insert(field.name.clone(), Value::Null);
            }
        }
        record.insert("IsDeleted".into(), Value::Bool(false));
        if record.contains_key("MasterRecordId") {
            record.insert("MasterRecordId".into(), Value::Null);
        }
        let deleted = self.store.deletions.at(&object.name, id);
        self.commit(
            &Save::of_whole(object, id, author, WriteKind::Undeleted, now),
            record,
        );
        // What went with it comes back with it.
        for (child, id) in self.belongings(object, id, Row::is_deleted) {
            let row = self.store.row(&child.name, &id);
            let row = row.filter(|_| self.store.deletions.at(&child.name, &id) == deleted);
            let Some(mut record) = row.map(|row| row.fields.clone()) else {
                continue;
            };
            record.insert("IsDeleted".into(), Value::Bool(false));
            let save = Save::of_whole(&child, &id, author, WriteKind::Undeleted, now);
            self.commit(&save, record);
        }
        Ok(())
    }

    /// Merges records into one, as a person does at the screen: each loser goes to the recycle bin with
    /// `MasterRecordId` naming the master, and what belonged to it belongs to the master.
    pub fn merge_as_person(
        &mut self,
        object: &str,
        master: &str,
        losers: &[String],
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        let (object, master) = self.live(object, master)?;
        if object.field("MasterRecordId").is_none() {
            return Err(AdminError::Invalid(format!("{} cannot be merged", object.name)));
        }
        let author = self.person(user);
        for loser in losers {
            let (_, loser) = self.live(&object.name, loser)?;
            if loser == master {
                return Err(AdminError::Invalid(
                    "a record cannot be merged into itself".into(),
                ));
            }
            self.adopt(&object, &loser, &master, &author, now);
            let Some(row) = self.store.row(&object.name, &loser) else {
                continue;
            };
            let mut record = row.fields.clone();
            record.insert("MasterRecordId".into(), Value::String(master.clone()));
            record.insert("IsDeleted".into(), Value::Bool(true));
            self.commit(
                &Save::of_whole(&object, &loser, &author, WriteKind::Deleted, now),
                record,
            );
        }
        Ok(())
    }

    /// Empties the recycle bin, of one object or of all: what was in it is gone for good.
    pub fn empty_recycle_bin(&mut self, object: Option<&str>) {
        let Ok(later) = Timestamp::MAX.checked_sub(SignedDuration::from_secs(1)) else {
            return;
        };
        for (of, id) in self.store.deletions.older(later) {
            if object.is_none_or(|object| object.eq_ignore_ascii_case(&of)) {
                self.expunge(&of, &id);
            }
        }
    }

    /// Loses the log of an object's deletions so far, as the service does with logs that have grown too long. The
    /// recycle bin keeps its records.
    pub fn purge_delete_log(&mut self, object: &str, now: Timestamp) -> Result<(), AdminError> {
        let object = self.known(object)?;
        self.store.deletions.purge(&object.name, now);
        Ok(())
    }

    /// Deletes a record for good, as the person named `user`.
    pub fn hard_delete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        let (object, id) = self.at(object, id)?;
        let author = self.person(user);
        self.hard_delete(&object, &id, &author, now)
            .map_err(|errors| super::door::refused(&errors))
    }

    /// Lets go of what has been in the recycle bin too long.
    pub(crate) fn expire_deleted(&mut self, now: Timestamp) {
        let kept = SignedDuration::from_hours(24 * i64::from(self.settings.recycle_bin_days));
        let Ok(limit) = now.checked_sub(kept) else { return };
        for (object, id) in self.store.deletions.older(limit) {
            // Older than anyone may ask for, so the log is none the poorer.
            self.store.remove(&object, &id);
            self.store.deletions.strike(&object, &id);
        }
    }

    fn expunge(&mut self, object: &str, id: &str) {
        self.store.remove(object, id);
        if !self.settings.hard_deletes_are_logged
            && let Some(at) = self.store.deletions.strike(object, id)
        {
            self.store.deletions.purge(object, at);
        }
    }

    /// The records that belong to one, and would go with it.
    fn belongings(
        &self,
        object: &Object,
        id: &str,
        wanted: impl Fn(&Row) -> bool,
    ) -> Vec<(Arc<Object>, String)> {
        let mut found = Vec::new();
        for child in self.schema.objects() {
            for field in child.fields.iter().filter(|field| field.cascade_delete) {
                if !field.reference_to.contains(&object.name) {
                    continue;
                }
                let belongs = |row: &&Row| row.fields.get(&field.name).and_then(Value::as_str) == Some(id);
                let rows = self
                    .store
                    .rows(&child.name)
                    .filter(|row| wanted(row))
                    .filter(belongs);
                let ids = rows.filter_map(|row| row.fields.get("Id").and_then(Value::as_str));
                found.extend(ids.map(|id| (Arc::clone(child), id.to_owned())));
            }
        }
        found
    }

    /// Has every record that refers to one refer to another instead.
    fn adopt(&mut self, object: &Arc<Object>, from: &str, to: &str, author: &Author, now: Timestamp) {
        let objects: Vec<Arc<Object>> = self.schema.objects().cloned().collect();
        for child in objects {
            let names: Vec<String> = child
                .fields
                .iter()
                .filter(|field| field.field_type == FieldType::Reference && field.name != "MasterRecordId")
                .filter(|field| field.reference_to.contains(&object.name))
                .map(|field| field.name.clone())
                .collect();
            let refers = |row: &Fields, name: &str| row.get(name).and_then(Value::as_str) == Some(from);
            let found: Vec<(String, Fields)> = self
                .store
                .rows(&child.name)
                .filter(|row| !row.is_deleted() && names.iter().any(|name| refers(&row.fields, name)))
                .filter_map(|row| {
                    let id = row.fields.get("Id").and_then(Value::as_str)?;
                    Some((id.to_owned(), row.fields.clone()))
                })
                .collect();
            for (id, before) in found {
                let mut record = before.clone();
                for name in names.iter().filter(|name| refers(&before, name)) {
                    record.insert(name.clone(), Value::String(to.to_owned()));
                }
                let save = Save {
                    before: Some(&before),
                    ..Save::of_whole(&child, &id, author, WriteKind::Updated, now)
                };
                self.commit(&save, record);
            }
        }
    }

    /// A record that is there and not in the recycle bin.
    fn live(&self, object: &str, id: &str) -> Result<(Arc<Object>, String), AdminError> {
        let (object, id) = self.at(object, id)?;
        let deleted = self.store.row(&object.name, &id).is_none_or(Row::is_deleted);
        if deleted || ids::canonical(&id).is_none() {
            return Err(AdminError::UnknownRecord {
                object: object.name.clone(),
                id,
            });
        }
        Ok((object, id))
    }
}
