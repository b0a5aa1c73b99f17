//! Rows and their recent versions.
//!
//! A row keeps the versions of the last minutes because two hazards need them: a write that is stamped now and
//! seen by list queries later, and a read replica that lags.

use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;

use super::clock;
use super::schema::Schema;

/// The stored values of a row, by column. A column without a value may be missing or empty: both are null.
pub type Values = BTreeMap<String, String>;

/// Versions older than this many seconds are dropped once a newer one exists.
const KEEP_SECONDS: i64 = 600;

/// One state of a row.
#[derive(Debug, Clone)]
struct Version {
    /// `None` once the row is deleted.
    fields: Option<Values>,
    written_at: Timestamp,
    /// When list queries begin to see it.
    listed_from: Timestamp,
}

/// Which version of each row a read gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Versions written later than this are not on the replica yet.
    pub(super) written_by: Timestamp,
    /// For list queries: versions whose listing begins later than this are passed over.
    pub(super) listed_by: Option<Timestamp>,
}

impl Reading {
    /// The newest version of everything, as the writing node sees it.
    pub(super) const NEWEST: Self = Self {
        written_by: Timestamp::MAX,
        listed_by: None,
    };

    fn version<'a>(&self, versions: &'a [Version]) -> Option<&'a Values> {
        let seen = |version: &&Version| {
            version.written_at <= self.written_by
                && self
                    .listed_by
                    .is_none_or(|listed_by| version.listed_from <= listed_by)
        };
        versions
            .iter()
            .rev()
            .find(seen)
            .and_then(|version| version.fields.as_ref())
    }
}

/// Every row of the instance, by table and `sys_id`.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    tables: BTreeMap<String, BTreeMap<String, Vec<Version>>>,
}

impl Store {
    /// A row of the table or of a table that extends it: the row's own table and its values.
    pub(super) fn find<'a>(
        &'a self,
        schema: &'a Schema,
        table: &'a str,
        sys_id: &str,
        reading: Reading,
    ) -> Option<(&'a str, &'a Values)> {
        let key = key(sys_id);
        schema.family(table).find_map(|class| {
            let versions = self.tables.get(class)?.get(key.as_ref())?;
            reading.version(versions).map(|fields| (class, fields))
        })
    }

    /// The rows of the table and of the tables that extend it.
    pub(super) fn rows<'a>(
        &'a self,
        schema: &'a Schema,
        table: &'a str,
        reading: Reading,
    ) -> impl Iterator<Item = (&'a str, &'a Values)> {
        schema.family(table).flat_map(move |class| {
            self.rows_of_class(class, reading)
                .map(move |fields| (class, fields))
        })
    }

    /// The rows of exactly this table.
    pub(super) fn rows_of_class(&self, class: &str, reading: Reading) -> impl Iterator<Item = &Values> {
        let rows = self.tables.get(class).into_iter().flat_map(BTreeMap::values);
        rows.filter_map(move |versions| reading.version(versions))
    }

    /// The last values of a deleted row.
    pub(super) fn last_values(&self, class: &str, sys_id: &str) -> Option<&Values> {
        let versions = self.tables.get(class)?.get(key(sys_id).as_ref())?;
        versions.iter().rev().find_map(|version| version.fields.as_ref())
    }

    /// Adds a version of a row; `None` deletes it.
    pub(super) fn put(
        &mut self,
        class: &str,
        sys_id: &str,
        fields: Option<Values>,
        written_at: Timestamp,
        listed_from: Timestamp,
    ) {
        let versions = self
            .tables
            .entry(class.to_owned())
            .or_default()
            .entry(key(sys_id).into_owned())
            .or_default();
        let horizon = clock::later(written_at, -KEEP_SECONDS);
        let newest_old = versions
            .iter()
            .rposition(|version| version.listed_from.max(version.written_at) <= horizon);
        if let Some(keep_from) = newest_old {
            versions.drain(..keep_from);
        }
        versions.push(Version {
            fields,
            written_at,
            listed_from,
        });
    }
}

/// What a `sys_id` is kept under: letter case does not tell ids apart, though a row shows its own as it was given.
fn key(sys_id: &str) -> Cow<'_, str> {
    if sys_id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(sys_id.to_ascii_lowercase())
    } else {
        Cow::Borrowed(sys_id)
    }
}
