//! Which rows a query means, and what it shows of each.

use jiff::Timestamp;
use serde_json::Value;

use super::children::Children;
use crate::model::Fields;
use crate::salesforce::Salesforce;
use crate::salesforce::dispatch::Call;
use crate::salesforce::schema::Object;
use crate::salesforce::soql::bind::{Column, Subqueries, View};
use crate::salesforce::soql::dates::Calendar;
use crate::salesforce::soql::filter::{Filter, Operand};
use crate::salesforce::soql::order::in_order;
use crate::salesforce::soql::{FieldGroup, Item, Name, Query, Select, SoqlError};
use crate::salesforce::store::is_deleted;
use crate::salesforce::users::User;

/// The most rows of a query for all fields there are (Salesforce docs: SOQL, `FIELDS()`).
const MOST_OF_ALL: usize = 200;

/// Whether a query may hold semi-joins; those of a semi-join may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joins {
    Allowed,
    Nested,
}

/// Who asks, when, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub user: &'a User,
    pub version: &'a str,
    pub now: Timestamp,
    /// Whether the recycle bin is seen too.
    pub with_deleted: bool,
}

impl<'a> Asker<'a> {
    /// Whoever made a call.
    pub fn new(call: &Call<'a>, with_deleted: bool) -> Self {
        Self {
            user: call.user,
            version: call.version,
            now: call.now,
            with_deleted,
        }
    }
}

/// The rows that a query means, in order, and what it shows of them.
pub(crate) struct Selection<'a> {
    pub object: &'a Object,
    pub columns: Vec<Column<'a>>,
    pub(super) children: Vec<Children<'a>>,
    pub rows: Vec<&'a Fields>,
}

impl Selection<'_> {
    pub(super) fn ids(&self) -> Vec<String> {
        self.rows.iter().map(|row| id_of(row).to_owned()).collect()
    }
}

pub(super) fn id_of(row: &Fields) -> &str {
    row.get("Id").and_then(Value::as_str).unwrap_or_default()
}

impl Salesforce {
    /// The rows that a query means and the fields it selects. What it counts or aggregates is left to its caller.
    pub(crate) fn select(&self, query: &Query, asker: &Asker<'_>) -> Result<Selection<'_>, SoqlError> {
        let object = self.queried(&query.object, asker.user)?;
        let (columns, children) = self.selected(object, query, asker)?;
        Ok(Selection {
            object,
            columns,
            children,
            rows: self.rows_of(object, query, asker, Joins::Allowed)?,
        })
    }

    /// What a query selects, of the rows with these ids as they stand now.
    pub(super) fn select_ids(
        &self,
        query: &Query,
        ids: &[String],
        asker: &Asker<'_>,
    ) -> Result<Selection<'_>, SoqlError> {
        let object = self.queried(&query.object, asker.user)?;
        let (columns, children) = self.selected(object, query, asker)?;
        let row = |id: &String| self.store.row(&object.name, id)?.seen_at(asker.now);
        let rows = ids
            .iter()
            .filter_map(row)
            .filter(|fields| asker.with_deleted || !is_deleted(fields))
            .collect();
        Ok(Selection {
            object,
            columns,
            children,
            rows,
        })
    }

    /// The object a query is about.
    pub(super) fn queried(&self, name: &Name, user: &User) -> Result<&Object, SoqlError> {
        let object = self
            .schema
            .object(&name.text)
            .filter(|object| user.rights(&object.name).read);
        object.map(AsRef::as_ref).ok_or_else(|| SoqlError {
            code: "INVALID_TYPE",
            message: format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
                name.text
            ),
            at: Some(name.at),
        })
    }

    /// An object as a query's user may see it, without semi-joins.
    pub(super) fn view<'a, 'q>(
        &'a self,
        object: &'a Object,
        query: &'q Query,
        asker: &'q Asker<'_>,
    ) -> View<'a, 'q> {
        View {
            object,
            alias: query.alias.as_ref().map(|alias| alias.text.as_str()),
            user: Some(asker.user),
            schema: Some(&self.schema),
            calendar: Some(Calendar {
                now: asker.now,
                utc_offset_minutes: self.settings.user_utc_offset_minutes,
            }),
            subqueries: None,
        }
    }

    /// The rows of an object that a query means, in order.
    pub(super) fn rows_of<'a>(
        &'a self,
        object: &Object,
        query: &Query,
        asker: &Asker<'_>,
        joins: Joins,
    ) -> Result<Vec<&'a Fields>, SoqlError> {
        let subqueries = |query: &Query| self.joined(query, asker);
        let subqueries: &Subqueries<'_> = &subqueries;
        let view = View {
            subqueries: (joins == Joins::Allowed).then_some(subqueries),
            ..self.view(object, query, asker)
        };
        let filter = query
            .filter
            .as_ref()
            .map(|condition| view.filter(condition))
            .transpose()?;
        let order = query
            .order
            .iter()
            .map(|term| view.sort_key(term))
            .collect::<Result<Vec<_>, _>>()?;
        let parents = |id: &str| self.parent(id, asker);
        let meant = |fields: &&'a Fields| {
            (asker.with_deleted || !is_deleted(fields))
                && filter
                    .as_ref()
                    .is_none_or(|filter| filter.holds(fields, &parents))
        };
        let mut rows: Vec<&'a Fields> = match filter.as_ref().and_then(Filter::only_ids) {
            Some(ids) => ids
                .into_iter()
                .filter_map(|id| self.store.row(&object.name, id)?.seen_at(asker.now))
                .filter(meant)
                .collect(),
            None => self
                .store
                .rows(&object.name)
                .filter_map(|row| row.seen_at(asker.now))
                .filter(meant)
                .collect(),
        };
        // What the order leaves open is scattered, always in the same way: rows that nobody ordered come in no order
        // that a client could lean on.
        if !order
            .iter()
            .any(|key| key.path.via.is_empty() && key.path.field == "Id")
        {
            rows.sort_by_cached_key(|row| scattered(row));
        }
        rows.sort_by(|one, other| in_order(&order, one, other, &parents));
        let from = query.offset.unwrap_or(0).min(rows.len());
        rows.drain(..from);
        rows.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    /// The record that a reference leads to.
    pub(super) fn parent(&self, id: &str, asker: &Asker<'_>) -> Option<&Fields> {
        let object = self.schema.object_of_id(id)?;
        let fields = self.store.row(&object.name, id)?.seen_at(asker.now)?;
        (asker.with_deleted || !is_deleted(fields)).then_some(fields)
    }

    /// What a semi-join's query gives: the values of the one field it selects.
    fn joined(&self, query: &Query, asker: &Asker<'_>) -> Result<Vec<Operand>, SoqlError> {
        let object = self.queried(&query.object, asker.user)?;
        let one = match &query.select {
            Select::Items(items) if items.len() == 1 => items.first(),
            _ => None,
        };
        let Some(Item::Field { name, .. }) = one else {
            let message = "semi join sub-selects can only query one field";
            return Err(SoqlError::malformed(message, query.object.at));
        };
        let path = self.view(object, query, asker).column(name)?.path();
        let parents = |id: &str| self.parent(id, asker);
        let rows = self.rows_of(object, query, asker, Joins::Nested)?;
        let values = rows
            .into_iter()
            .filter_map(|row| path.read(row, &parents).as_str());
        Ok(values.map(|value| Operand::Text(value.to_owned())).collect())
    }

    pub(super) fn selected<'a>(
        &'a self,
        object: &'a Object,
        query: &Query,
        asker: &Asker<'_>,
    ) -> Result<(Vec<Column<'a>>, Vec<Children<'a>>), SoqlError> {
        let view = self.view(object, query, asker);
        let mut columns: Vec<Column<'a>> = Vec::new();
        let mut children = Vec::new();
        let Select::Items(items) = &query.select else {
            return Ok((columns, children));
        };
        for item in items {
            match item {
                Item::Field { name, alias: None } => {
                    let column = view.column(name)?;
                    if columns.contains(&column) {
                        return Err(SoqlError {
                            code: "INVALID_FIELD",
                            message: format!("duplicate field selected: {}", column.spelled()),
                            at: None,
                        });
                    }
                    columns.push(column);
                }
                Item::Field {
                    alias: Some(alias), ..
                } => {
                    let message = "only aggregate expressions use field aliasing";
                    return Err(SoqlError::malformed(message, alias.at));
                }
                Item::Fields { group, at } => {
                    if *group != FieldGroup::Standard && query.limit.is_none_or(|limit| limit > MOST_OF_ALL) {
                        let message =
                            format!("The SOQL FIELDS function must have a LIMIT of at most {MOST_OF_ALL}");
                        return Err(SoqlError::malformed(message, *at));
                    }
                    let fields = object.fields.iter().filter(|field| match group {
                        FieldGroup::All => true,
                        FieldGroup::Standard => !field.custom,
                        FieldGroup::Custom => field.custom,
                    });
                    let visible = fields.filter_map(|field| view.visible(object, &field.name));
                    let of_object = |field| Column {
                        steps: Vec::new(),
                        object,
                        field,
                    };
                    for column in visible.map(of_object) {
                        if !columns.contains(&column) {
                            columns.push(column);
                        }
                    }
                }
                Item::Children(query) => children.push(self.children(object, query, asker)?),
                // Told apart before; an aggregate shows no rows.
                Item::Aggregate { .. } => {}
            }
        }
        Ok((columns, children))
    }
}

fn scattered(row: &Fields) -> u64 {
    id_of(row).bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
