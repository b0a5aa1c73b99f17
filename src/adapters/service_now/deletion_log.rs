//! The platform's own log of deletions, `sys_audit_delete` (ServiceNow docs: Auditing deleted records).
//!
//! It is for administrators unless somebody shares it, some tables are left out of it (the dictionary attribute
//! `no_audit_delete`, the property `glide.db.audit.ignore.delete`), and an empty one looks like one that is not kept. So
//! what it names is a hint or, for a record that is not there any more, a proof; what it does not name says nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::client::{Client, locked};
use super::convert;
use super::errors;
use super::query::{Condition, Filter};
use super::row;
use super::scan::{CREATED, Position, Scan};
use super::table::Listing;
use crate::core::failure::Problem;
use crate::core::ident::RecordId;
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;
use crate::ports::{Deletions, RemoteError, RemoteErrorKind};

const LOG: &str = "sys_audit_delete";

const ACTION: &str = "read_deletions";

/// Rows of a page of the log.
const PAGE: usize = 1000;

/// Tables named in one question: keeps the address well below the 10 000 bytes that instances take.
const TABLES: usize = 100;

/// No instance has more tables than this; a hierarchy that goes on beyond is made up.
const MOST_TABLES: usize = 20_000;

/// Rows of the log that one record can have in reason: a restored one may be deleted again.
const DELETIONS_EACH: usize = 16;

/// A row is stamped when its transaction works and seen when that ends, up to a minute later; read replicas lag, too.
const SETTLING: Duration = Duration::from_mins(2);

const IGNORED_TABLES: &str = "glide.db.audit.ignore.delete";

impl Client {
    /// What the log names since this moment.
    pub(super) async fn deletions_since(
        &self,
        schema: &ObjectSchema,
        since: Instant,
    ) -> Result<Deletions, RemoteError> {
        match self.logged_since(schema.object.as_str(), since).await {
            // Nothing of a flow depends on the log but how soon a deletion is found.
            Err(error) if error.kind == RemoteErrorKind::Misconfigured => {
                Ok(Deletions::Unavailable { why: error.problem })
            }
            other => other,
        }
    }

    async fn logged_since(&self, table: &str, since: Instant) -> Result<Deletions, RemoteError> {
        if let Some(why) = self.not_logged(table).await? {
            return Ok(Deletions::Unavailable { why });
        }
        let tables: Vec<String> = self.line(table).await?.into_iter().collect();
        let mut ids = BTreeSet::new();
        let mut asked_at = None;
        for tables in tables.chunks(TABLES) {
            let mut position = Position::Time(CREATED, since, None);
            while let Some(next) = self
                .log_page(tables, since, &position, &mut ids, &mut asked_at)
                .await?
            {
                position = next;
            }
        }
        if !ids.is_empty() {
            self.note_logged(table);
        } else if !self.is_logged(table).await? {
            return Ok(Deletions::Unavailable {
                why: nothing_yet(table),
            });
        }
        let asked_at = asked_at.unwrap_or(since);
        Ok(Deletions::Log {
            ids: ids.into_iter().collect(),
            covered_until: since.max(asked_at.earlier(SETTLING)),
        })
    }

    /// Reads one page of the log; returns where the next one begins.
    async fn log_page(
        &self,
        tables: &[String],
        since: Instant,
        position: &Position,
        ids: &mut BTreeSet<RecordId>,
        asked_at: &mut Option<Instant>,
    ) -> Result<Option<Position>, RemoteError> {
        let secret = self.sign_in.secret();
        let of_tables = Filter::of(Condition::one_of("tablename", tables.iter().map(String::as_str)));
        let listing = Listing {
            action: ACTION,
            table: LOG,
            filter: position.rest(&of_tables),
            order: position.order(),
            fields: &["sys_id", "sys_created_on", "tablename", "documentkey"],
        };
        let found = self.list(&listing, PAGE, 0).await?;
        asked_at.get_or_insert(found.server_time);
        if found.rows.len() < found.total.min(found.asked) {
            return Err(errors::missing_read(LOG, secret));
        }
        let mut last = match position {
            Position::Time(_, at, Some(id)) => Some((*at, id.clone())),
            _ => None,
        };
        for row in &found.rows {
            let missing = |missing| errors::missing_system_field(LOG, secret, missing);
            let created = row::text(row, "sys_created_on")
                .and_then(|text| convert::instant(&text))
                .ok_or_else(|| missing(row::MissingSystemField("sys_created_on")))?;
            let place = (created, row::id(row).map_err(missing)?);
            let of_tables = row::text(row, "tablename").is_some_and(|table| tables.contains(&table));
            if created < since || !of_tables || last.as_ref().is_some_and(|last| place <= *last) {
                return Err(errors::filter_ignored(
                    LOG,
                    "tablename, sys_created_on or the order by them",
                ));
            }
            // A record that no link can name: its key is no sys_id.
            ids.extend(deleted_id(row));
            last = Some(place);
        }
        let more = found.total > found.rows.len();
        Ok(last
            .filter(|_| more)
            .map(|(at, id)| Position::Time(CREATED, at, Some(id))))
    }

    /// Why the table's deletions are not logged at all, where the instance says so.
    async fn not_logged(&self, table: &str) -> Result<Option<Problem>, RemoteError> {
        if locked(&self.unlogged).contains(table) {
            return Ok(Some(left_out(
                table,
                "the attribute no_audit_delete of its dictionary entry",
            )));
        }
        if locked(&self.logged).contains(table) {
            return Ok(None);
        }
        let property = Scan {
            action: ACTION,
            table: "sys_properties",
            filter: Filter::of(Condition::is("name", IGNORED_TABLES)),
            fields: &["sys_id", "value"],
        };
        let rows = match self.everything(&property, 10, 10).await {
            Ok(all) => all.rows,
            // A property that we may not read decides nothing: the log itself shows whether it is kept.
            Err(error) if error.kind == RemoteErrorKind::Misconfigured => return Ok(None),
            Err(error) => return Err(error),
        };
        let ignored = rows.iter().filter_map(|row| row::text(row, "value"));
        let named = |list: String| list.split(',').any(|ignored| ignored.trim() == table);
        let left_out = || left_out(table, &format!("the property {IGNORED_TABLES}"));
        Ok(ignored.into_iter().any(named).then(left_out))
    }

    /// Has the log ever named a record of this table? Only then does its silence mean that nothing was deleted.
    async fn is_logged(&self, table: &str) -> Result<bool, RemoteError> {
        if locked(&self.logged).contains(table) {
            return Ok(true);
        }
        let listing = Listing {
            action: ACTION,
            table: LOG,
            filter: Filter::of(Condition::is("tablename", table)),
            order: &[],
            fields: &["sys_id", "tablename"],
        };
        let found = self.list(&listing, 1, 0).await?;
        if found.total == 0 {
            return Ok(false);
        }
        match found.rows.first().and_then(|row| row::text(row, "tablename")) {
            None => Err(errors::missing_read(LOG, self.sign_in.secret())),
            Some(shown) if shown != table => Err(errors::filter_ignored(LOG, "tablename")),
            Some(_) => {
                self.note_logged(table);
                Ok(true)
            }
        }
    }

    fn note_logged(&self, table: &str) {
        locked(&self.logged).insert(table.to_owned());
    }

    /// The tables whose deletions may concern a record of this one: itself, those that extend it (a record is logged
    /// under its own class), and those that it extends.
    async fn line(&self, table: &str) -> Result<BTreeSet<String>, RemoteError> {
        let kept = locked(&self.lines).get(table).cloned();
        if let Some(line) = kept {
            return Ok(line);
        }
        let mut line: BTreeSet<String> = self.kept_chain(table).await?.into_iter().collect();
        let mut parents = vec![table.to_owned()];
        while !parents.is_empty() {
            let mut children = Vec::new();
            for parents in parents.chunks(TABLES) {
                let scan = Scan {
                    action: ACTION,
                    table: "sys_db_object",
                    filter: Filter::of(Condition::one_of(
                        "super_class.name",
                        parents.iter().map(String::as_str),
                    )),
                    fields: &["sys_id", "name"],
                };
                let found = self.everything(&scan, PAGE, MOST_TABLES).await?;
                if found.hidden > 0 {
                    return Err(errors::missing_read("sys_db_object", self.sign_in.secret()));
                }
                if line.len() > MOST_TABLES {
                    return Err(errors::filter_ignored(
                        "sys_db_object",
                        "its condition on super_class",
                    ));
                }
                children.extend(found.rows.iter().filter_map(|row| row::text(row, "name")));
            }
            // Only those that are new: a hierarchy that loops must end too.
            children.retain(|child| line.insert(child.clone()));
            parents = children;
        }
        locked(&self.lines).insert(table.to_owned(), line.clone());
        Ok(line)
    }

    /// Forgets what was learnt of the log, since a description is asked for now and then and the instance may have been
    /// set up differently meanwhile. `unlogged`: its dictionary entry leaves the table out of the log.
    pub(super) fn forget_log(&self, table: &str, unlogged: bool) {
        locked(&self.logged).remove(table);
        locked(&self.lines).remove(table);
        let mut without = locked(&self.unlogged);
        if unlogged {
            without.insert(table.to_owned());
        } else {
            without.remove(table);
        }
    }

    /// Which of these the deletion log says were deleted from this table, one that extends it or one that it extends.
    pub(super) async fn deleted(
        &self,
        table: &str,
        ids: &[RecordId],
    ) -> Result<BTreeSet<RecordId>, RemoteError> {
        let mut deleted = BTreeSet::new();
        if ids.is_empty() {
            return Ok(deleted);
        }
        let filter = Filter::of(Condition::one_of("documentkey", ids.iter().map(RecordId::as_str)));
        let fields = ["sys_id", "tablename", "documentkey"];
        let scan = Scan {
            action: "prove_deletions",
            table: LOG,
            filter,
            fields: &fields,
        };
        let most = (ids.len() * DELETIONS_EACH).max(PAGE);
        let rows = match self.everything(&scan, PAGE, most).await {
            Ok(all) => all.rows,
            // Rights can mend this one too, but it is no lack of the log: nothing would be proven ever after.
            Err(error) if error.problem.reason.as_str() == "FilterIgnored" => return Err(error),
            // The log is for administrators unless somebody shares it.
            Err(error) if error.kind == RemoteErrorKind::Misconfigured => return Ok(deleted),
            Err(error) => return Err(error),
        };
        for row in rows {
            let of = row::text(&row, "documentkey").unwrap_or_default();
            let Some(id) = ids.iter().find(|id| id.as_str() == of.to_ascii_lowercase()) else {
                continue;
            };
            let class = row::text(&row, "tablename").unwrap_or_default();
            if !deleted.contains(id) && self.same_line(table, &class).await? {
                deleted.insert(id.clone());
            }
        }
        Ok(deleted)
    }

    pub(super) async fn is_absent(&self, table: &str, id: &RecordId) -> Result<bool, RemoteError> {
        let listing = Listing {
            action: "read_ids",
            table,
            filter: Filter::of(Condition::is("sys_id", id.as_str())),
            order: &[],
            fields: &["sys_id"],
        };
        Ok(self.list(&listing, 1, 0).await?.total == 0)
    }
}

fn deleted_id(row: &row::Row) -> Option<RecordId> {
    let key = row::text(row, "documentkey")?;
    RecordId::parse(Side::ServiceNow, &key.to_ascii_lowercase()).ok()
}

fn left_out(table: &str, by: &str) -> Problem {
    Problem::human(
        "NoDeletionLog",
        format!(
            "ServiceNow keeps no log of deletions in {table}: {by} leaves it out. Deletions there cannot be proven. \
             Take {table} out of it if they should be synced."
        ),
    )
}

fn nothing_yet(table: &str) -> Problem {
    Problem::waiting(
        "NoDeletionLog",
        format!(
            "the deletion log of ServiceNow (sys_audit_delete) has no row for {table}: nothing was deleted there yet, or \
             its deletions are not logged. It is read as soon as there is one; to be sure, check that auditing is on in \
             the dictionary entry of {table} (System Definition > Dictionary, type Collection)."
        ),
    )
}
