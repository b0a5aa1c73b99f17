//! What a table is made of: `sys_db_object` for the tables it extends, `sys_dictionary` for the columns of each, and
//! `sys_choice` for the values of choice columns.
//!
//! A table has dictionary rows for its own columns only; inherited ones stand under the parent's name, so the rows of
//! the whole chain are read, and the nearest table wins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::client::{Client, locked};
use super::column;
use super::convert;
use super::errors;
use super::query::{Condition, Filter};
use super::row::{self, Row, SYSTEM_FIELDS};
use super::scan::{Everything, Scan};
use super::table::Listing;
use crate::adapters::http::failure;
use crate::core::ident::{FieldName, ObjectName};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::ports::{RemoteError, RemoteErrorKind};

const ACTION: &str = "describe";

/// The language that every instance has.
const LANGUAGE: &str = "en";

/// Rows of a page of the dictionary.
const PAGE: usize = 1000;

/// The columns of a chain of tables, or the choices of theirs in all languages, are not more than this.
const MOST_ROWS: usize = 50_000;

/// No table of the platform is more than a few levels deep; more than this is a loop.
const DEEPEST: usize = 20;

const COLUMNS: [&str; 13] = [
    "sys_id",
    "name",
    "element",
    "internal_type",
    "max_length",
    "read_only",
    "virtual",
    "reference",
    "choice",
    "choice_table",
    "choice_field",
    "unique",
    "attributes",
];

/// The values that one table defines for one column: all of them, and those still offered.
type Choices = BTreeMap<(String, String), BTreeSet<String>>;

impl Client {
    /// The table and those it extends, itself first.
    pub(super) async fn chain(&self, table: &str) -> Result<Vec<String>, RemoteError> {
        let mut chain = Vec::new();
        let mut next = Filter::of(Condition::is("name", table));
        while chain.len() < DEEPEST {
            let listing = Listing {
                action: ACTION,
                table: "sys_db_object",
                filter: next,
                order: &[],
                fields: &["sys_id", "name", "super_class"],
            };
            let found = self.list(&listing, 1, 0).await?;
            let Some(found_row) = found.rows.first() else {
                let secret = self.sign_in.secret();
                return Err(if found.total > 0 {
                    errors::missing_read("sys_db_object", secret)
                } else {
                    errors::unknown_table(chain.last().map_or(table, String::as_str))
                });
            };
            let name = row::text(found_row, "name").unwrap_or_default();
            if chain.is_empty() && name != table {
                return Err(errors::filter_ignored("sys_db_object", "name"));
            }
            chain.push(name);
            match row::text(found_row, "super_class") {
                Some(parent) if !parent.is_empty() => next = Filter::of(Condition::is("sys_id", &parent)),
                _ => break,
            }
        }
        Ok(chain)
    }

    /// Would a record of `class` show in `table`, or the other way round? A record's deletion is logged under its own
    /// class, which may extend the table that we read it from.
    pub(super) async fn same_line(&self, table: &str, class: &str) -> Result<bool, RemoteError> {
        if table == class {
            return Ok(true);
        }
        for (lower, upper) in [(class, table), (table, class)] {
            match self.kept_chain(lower).await {
                Ok(chain) if chain.iter().any(|one| one == upper) => return Ok(true),
                Ok(_) => {}
                // A table that no longer exists, or whose line we may not read, proves nothing.
                Err(error) if error.kind == RemoteErrorKind::Misconfigured => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    pub(super) async fn kept_chain(&self, table: &str) -> Result<Vec<String>, RemoteError> {
        let kept = locked(&self.chains).get(table).cloned();
        if let Some(chain) = kept {
            return Ok(chain);
        }
        let chain = self.chain(table).await?;
        locked(&self.chains).insert(table.to_owned(), chain.clone());
        Ok(chain)
    }

    /// The table's columns as our user may read of them.
    pub(super) async fn dictionary(&self, object: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        let chain = self.chain(object.as_str()).await?;
        let rows = self.columns(&chain).await?;
        let choices = self.choices(&chain, &rows).await?;
        let overrides = self.overrides(&chain).await?;
        let table = object.as_str();
        // What was learnt may have been changed in the instance meanwhile.
        self.forget_log(table, is_unlogged(table, &rows));
        locked(&self.hidden).remove(table);
        self.batch_refused.store(false, Ordering::Relaxed);
        let mut fields = BTreeMap::new();
        for row in nearest_first(&chain, &rows) {
            let Some(name) = row::text(row, "element").and_then(|name| name.parse::<FieldName>().ok()) else {
                continue;
            };
            if fields.contains_key(&name) {
                continue;
            }
            let set = nearest_choices(&chain, row, &choices);
            let read_only = read_only_override(&chain, &overrides, &name);
            let schema = column::schema(name.as_str(), row, set, read_only);
            fields.insert(name, schema);
        }
        for needed in SYSTEM_FIELDS {
            if !fields.keys().any(|field| field.as_str() == needed) {
                return Err(failure::misconfigured(
                    "UnsupportedObject",
                    format!(
                        "the table {object} has no column {needed}, without which changes cannot be followed"
                    ),
                ));
            }
        }
        Ok(ObjectSchema {
            side: Side::ServiceNow,
            object: object.clone(),
            createable: None,
            updateable: None,
            deletable: None,
            fields,
        })
    }

    /// What a table says otherwise about columns that it inherits (ServiceNow docs: Dictionary overrides).
    async fn overrides(&self, chain: &[String]) -> Result<Vec<Row>, RemoteError> {
        let scan = Scan {
            action: ACTION,
            table: "sys_dictionary_override",
            filter: Filter::of(Condition::one_of("name", chain.iter().map(String::as_str))),
            fields: &["sys_id", "name", "element", "read_only", "read_only_override"],
        };
        match self.everything(&scan, PAGE, MOST_ROWS).await {
            Ok(all) => Ok(all.rows),
            // Without them a read-only column may look writable: then the answer to the first write shows that it is not.
            Err(error) if error.kind == RemoteErrorKind::Misconfigured => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn columns(&self, chain: &[String]) -> Result<Vec<Row>, RemoteError> {
        let filter = Filter::of(Condition::one_of("name", chain.iter().map(String::as_str)))
            .and(&Condition::is("active", "true"));
        let scan = Scan {
            action: ACTION,
            table: "sys_dictionary",
            filter,
            fields: &COLUMNS,
        };
        let all = self.everything(&scan, PAGE, MOST_ROWS).await?;
        self.all_shown("sys_dictionary", all, |all| all.rows.is_empty() || all.hidden > 0)
    }

    async fn choices(&self, chain: &[String], columns: &[Row]) -> Result<Choices, RemoteError> {
        let mut tables: BTreeSet<String> = chain.iter().cloned().collect();
        let mut elements = BTreeSet::new();
        for row in columns.iter().filter(|row| column::has_choices(row)) {
            let (table, element) = own_list(row);
            tables.extend(table);
            elements.insert(element);
        }
        if elements.is_empty() {
            return Ok(Choices::new());
        }
        // Each language has its own set of labels over the same values; where a column has none in English, any will do.
        let mut choices = self.choices_in(&tables, &elements, Some(LANGUAGE)).await?;
        elements.retain(|element| !choices.keys().any(|(_, listed)| listed == element));
        if !elements.is_empty() {
            choices.extend(self.choices_in(&tables, &elements, None).await?);
        }
        Ok(choices)
    }

    async fn choices_in(
        &self,
        tables: &BTreeSet<String>,
        elements: &BTreeSet<String>,
        language: Option<&str>,
    ) -> Result<Choices, RemoteError> {
        let mut filter = Filter::of(Condition::one_of("name", tables.iter().map(String::as_str)))
            .and(&Condition::one_of("element", elements.iter().map(String::as_str)));
        if let Some(language) = language {
            filter = filter.and(&Condition::is("language", language));
        }
        let fields = ["sys_id", "name", "element", "value", "inactive"];
        let scan = Scan {
            action: ACTION,
            table: "sys_choice",
            filter,
            fields: &fields,
        };
        let all = self.everything(&scan, PAGE, MOST_ROWS).await?;
        let rows = self.all_shown("sys_choice", all, |all| all.hidden > 0)?;
        let mut choices = Choices::new();
        for row in &rows {
            let part = |column| row::text(row, column).unwrap_or_default();
            let set = choices.entry((part("name"), part("element"))).or_default();
            // An empty value is the label of "None", which we spell null.
            if convert::boolean(&part("inactive")) != Some(true) && !part("value").is_empty() {
                set.insert(part("value"));
            }
        }
        Ok(choices)
    }

    /// A part of the dictionary would make us say that columns do not exist which do.
    fn all_shown(
        &self,
        table: &str,
        all: Everything,
        lacking: impl Fn(&Everything) -> bool,
    ) -> Result<Vec<Row>, RemoteError> {
        if lacking(&all) {
            return Err(errors::missing_read(table, self.sign_in.secret()));
        }
        Ok(all.rows)
    }
}

/// Does the row that stands for the whole table keep its deletions out of the log (ServiceNow docs: Dictionary
/// attributes, `no_audit_delete`)?
fn is_unlogged(table: &str, rows: &[Row]) -> bool {
    let whole = |row: &&Row| {
        row::text(row, "name").as_deref() == Some(table)
            && row::text(row, "element").is_none_or(|element| element.is_empty())
    };
    let attributes = rows
        .iter()
        .filter(whole)
        .filter_map(|row| row::text(row, "attributes"));
    attributes.into_iter().any(|attributes| {
        attributes
            .split(',')
            .any(|attribute| attribute.trim().eq_ignore_ascii_case("no_audit_delete=true"))
    })
}

/// The rows in the order of the chain, so that the first of a name is the one that counts.
fn nearest_first<'a>(chain: &'a [String], rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
    chain.iter().flat_map(|table| {
        rows.iter()
            .filter(move |row| row::text(row, "name").as_deref() == Some(table))
    })
}

/// Whether the nearest override of a column makes it read-only, or writable though its table says otherwise.
fn read_only_override(chain: &[String], overrides: &[Row], element: &FieldName) -> Option<bool> {
    let flag = |row: &Row, column| row::text(row, column).and_then(|text| convert::boolean(&text));
    nearest_first(chain, overrides)
        .filter(|row| row::text(row, "element").as_deref() == Some(element.as_str()))
        .find(|row| flag(row, "read_only_override") == Some(true))
        .and_then(|row| flag(row, "read_only"))
}

/// The table (when the dictionary names one) and column that a choice column takes its values from.
fn own_list(row: &Row) -> (Option<String>, String) {
    let named = |column| row::text(row, column).filter(|text| !text.is_empty());
    let element = named("choice_field").or_else(|| named("element"));
    (named("choice_table"), element.unwrap_or_default())
}

/// The values that count for a column: those of the table that the dictionary names, or of the nearest in the chain
/// that defines any.
fn nearest_choices<'a>(chain: &'a [String], row: &Row, choices: &'a Choices) -> Option<&'a BTreeSet<String>> {
    let (table, element) = own_list(row);
    table
        .iter()
        .chain(chain)
        .find_map(|table| choices.get(&(table.clone(), element.clone())))
}
