//! Questions with a known answer, asked before a table is trusted.
//!
//! A condition that the instance cannot or may not evaluate is dropped and the rest runs, so that a change query without
//! its date returns the whole table (ServiceNow docs: Query ACLs, `query_range`); and a literal that is read in another
//! time zone shifts every window. Both are found out here, once per describe, and not from missing records.

use super::client::{Client, locked};
use super::errors;
use super::query::{Condition, Filter, Order};
use super::row;
use super::table::Listing;
use crate::adapters::http::failure;
use crate::core::time::Instant;
use crate::ports::RemoteError;

const ACTION: &str = "probe";

/// 3000-01-01T00:00:00Z: no record is from later.
const NEVER: Instant = Instant::from_seconds(32_503_680_000);

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

    /// Proves that a datetime in a query means the same as one in an answer: the newest record is asked for by the
    /// very time that it shows.
    pub(super) async fn probe_utc(&self, table: &str) -> Result<(), RemoteError> {
        for _ in 0..UTC_ATTEMPTS {
            let newest = Listing {
                action: ACTION,
                table,
                filter: Filter::everything(),
                order: &[Order::Descending("sys_updated_on")],
                fields: &["sys_id", "sys_updated_on"],
            };
            let found = self.list(&newest, 1, 0).await?;
            let Some(row) = found.rows.first() else {
                // No record, or none that we may see: nothing to compare with yet.
                return Ok(());
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
                return Ok(());
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
