//! Questions with a known answer, asked before a table is trusted.
//!
//! A condition that the instance cannot or may not evaluate is dropped and the rest runs, so that a change query without
//! its date returns the whole table (ServiceNow docs: Query ACLs, `query_range`); and a literal that is read in another
//! time zone shifts every window. Both are found out here, once per describe, and not from missing records.

use std::collections::BTreeSet;

use super::client::{Client, locked};
use super::errors;
use super::query::{Condition, Filter, Order};
use super::row::{self, Row};
use super::table::Listing;
use crate::adapters::http::failure;
use crate::core::ident::FieldName;
use crate::core::schema::{FieldKind, FieldSchema, ObjectSchema};
use crate::core::time::Instant;
use crate::ports::RemoteError;

const ACTION: &str = "probe";

/// 3000-01-01T00:00:00Z: no record is from later.
const NEVER: Instant = Instant::from_seconds(32_503_680_000);

/// So many of the newest rows are looked at: what an access control hides in all of them, it hides.
const SAMPLE: usize = 10;

/// Bytes of field names in one question, well below what an address may have.
const LONGEST_FIELDS: usize = 4_000;

/// How often the newest record is read again because somebody changed it meanwhile.
const UTC_ATTEMPTS: u32 = 3;

impl Client {
    /// Proves that conditions on the fields that every change query filters by are evaluated: an impossible one selects
    /// nothing, and one that always holds selects something.
    pub(super) async fn probe_filters(&self, table: &str) -> Result<(), RemoteError> {
        let impossible = [
            ("sys_id", Condition::empty("sys_id")),
            ("sys_id", Condition::id_after_all()),
            ("sys_updated_on", Condition::after("sys_updated_on", NEVER)),
            ("sys_created_on", Condition::after("sys_created_on", NEVER)),
        ];
        for (field, condition) in impossible {
            if self.count(table, Filter::of(condition)).await? > 0 {
                return Err(errors::filter_ignored(table, &format!("a condition on {field}")));
            }
        }
        // Where glide.invalid_query.returns_no_rows is set, a condition on a field that the account may not read
        // selects nothing, so that no change would ever be seen.
        let always = Filter::of(Condition::not_before("sys_updated_on", Instant::EPOCH))
            .and(&Condition::not_before("sys_created_on", Instant::EPOCH));
        self.probe_selects(table, always, "conditions on sys_updated_on and sys_created_on")
            .await
            .map(|_| ())
    }

    /// Proves the same for a field that records are looked up by: a look-up that finds nothing decides that a record is
    /// made. Asked once for each field of a table that is not empty.
    pub(super) async fn probe_look_up(&self, table: &str, field: &str) -> Result<(), RemoteError> {
        let key = (table.to_owned(), field.to_owned());
        if locked(&self.proven).contains(&key) {
            return Ok(());
        }
        let what = format!("a condition on {field}");
        let never = Filter::of(Condition::empty(field)).and(&Condition::not_empty(field));
        if self.count(table, never).await? > 0 {
            return Err(errors::filter_ignored(table, &what));
        }
        let always = Filter::of(Condition::empty(field)).or(Filter::of(Condition::not_empty(field)));
        if self.probe_selects(table, always, &what).await? {
            locked(&self.proven).insert(key);
        }
        Ok(())
    }

    /// False where the table is empty, so that nothing could be proven.
    async fn probe_selects(&self, table: &str, always: Filter, what: &str) -> Result<bool, RemoteError> {
        if self.count(table, always.clone()).await? > 0 {
            return Ok(true);
        }
        // Asked once more, since the first record may have come between the two counts.
        if self.count(table, Filter::everything()).await? > 0 && self.count(table, always).await? == 0 {
            return Err(errors::filter_ignored(table, what));
        }
        Ok(false)
    }

    /// How many rows the filter selects, those that our user may not see included.
    async fn count(&self, table: &str, filter: Filter) -> Result<usize, RemoteError> {
        let listing = Listing {
            action: ACTION,
            table,
            filter,
            order: &[],
            fields: &["sys_id"],
        };
        let found = self.list(&listing, 1, 0).await?;
        Ok(found.total.max(found.rows.len()))
    }

    /// Looks at the newest rows: do times in queries mean what they mean in answers, and which fields may our user read?
    /// A field that none of them shows is marked as not readable; where no row is shown, nothing is proven.
    pub(super) async fn probe_rows(&self, schema: &mut ObjectSchema) -> Result<(), RemoteError> {
        let table = schema.object.to_string();
        let supported = |field: &FieldSchema| !matches!(field.kind, FieldKind::Unsupported(_));
        let names: Vec<String> = schema
            .fields
            .iter()
            .filter(|(_, field)| supported(field))
            .map(|(name, _)| name.to_string())
            .collect();
        let parts = parts(&names);
        let mut seen = BTreeSet::new();
        let mut rows = self
            .probe_utc(&table, parts.first().map_or(&[], Vec::as_slice))
            .await?;
        for part in parts.iter().skip(1) {
            rows.extend(self.newest(&table, part).await?);
        }
        for row in &rows {
            seen.extend(row.keys().filter_map(|name| name.parse::<FieldName>().ok()));
        }
        if !rows.is_empty() {
            for (name, field) in &mut schema.fields {
                field.readable = !supported(field) || seen.contains(name);
            }
        }
        locked(&self.readable).insert(table, seen);
        Ok(())
    }

    /// Proves that our user may read these fields, of which a page of changes showed none: some rows may hide a field
    /// that others show.
    pub(super) async fn prove_readable(
        &self,
        schema: &ObjectSchema,
        fields: &[FieldName],
        rows: &[Row],
    ) -> Result<(), RemoteError> {
        let table = schema.object.as_str();
        let supported = |name: &FieldName| {
            let field = schema.fields.get(name);
            field.is_some_and(|field| !matches!(field.kind, FieldKind::Unsupported(_)))
        };
        let lacking: Vec<&str> = {
            let readable = locked(&self.readable);
            let known = |name: &FieldName| readable.get(table).is_some_and(|seen| seen.contains(name));
            fields
                .iter()
                .filter(|name| supported(name) && !known(name))
                .map(FieldName::as_str)
                .filter(|name| rows.iter().all(|row| !row.contains_key(*name)))
                .collect()
        };
        if rows.is_empty() || lacking.is_empty() {
            return Ok(());
        }
        let newest = self.newest(table, &lacking).await?;
        for name in lacking {
            if !newest.iter().any(|row| row.contains_key(name)) {
                if newest.is_empty() {
                    continue;
                }
                return Err(errors::hidden_field(table, name, self.sign_in.secret()));
            }
            if let Ok(field) = name.parse() {
                locked(&self.readable)
                    .entry(table.to_owned())
                    .or_default()
                    .insert(field);
            }
        }
        Ok(())
    }

    async fn newest(&self, table: &str, fields: &[&str]) -> Result<Vec<Row>, RemoteError> {
        let mut asked = vec!["sys_id", "sys_updated_on"];
        asked.extend(fields);
        let newest = Listing {
            action: ACTION,
            table,
            filter: Filter::everything(),
            order: &[Order::Descending("sys_updated_on")],
            fields: &asked,
        };
        Ok(self.list(&newest, SAMPLE, 0).await?.rows)
    }

    /// Proves that a datetime in a query means the same as one in an answer: the newest record is asked for by the
    /// very time that it shows. Returns the rows looked at, with these fields.
    async fn probe_utc(&self, table: &str, fields: &[&str]) -> Result<Vec<Row>, RemoteError> {
        for _ in 0..UTC_ATTEMPTS {
            let newest = self.newest(table, fields).await?;
            let Some(row) = newest.first() else {
                // No record, or none that we may see: nothing to compare with yet.
                return Ok(newest);
            };
            let secret = self.sign_in.secret();
            let missing = |missing| errors::missing_system_field(table, secret, missing);
            let id = row::id(row).map_err(missing)?;
            let shown = row::text(row, "sys_updated_on")
                .and_then(|text| super::convert::instant(&text))
                .ok_or_else(|| missing(row::MissingSystemField("sys_updated_on")))?;
            let same =
                Filter::of(Condition::is("sys_id", id.as_str())).and(&Condition::at("sys_updated_on", shown));
            if self.count(table, same).await? > 0 {
                return Ok(newest);
            }
        }
        Err(failure::misconfigured(
            "TimeZoneShifted",
            format!(
                "ServiceNow reads times in queries on {table} differently from how it writes them. In ServiceNow, open \
                 the account in {} (User Administration > Users) and set its time zone to GMT.",
                self.sign_in.secret()
            ),
        ))
    }
}

/// The names in parts that one question holds.
fn parts(names: &[String]) -> Vec<Vec<&str>> {
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    let mut size = 0;
    for name in names {
        size += name.len() + 1;
        if size > LONGEST_FIELDS {
            parts.push(Vec::new());
            size = name.len() + 1;
        }
        if let Some(part) = parts.last_mut() {
            part.push(name.as_str());
        }
    }
    parts
}
