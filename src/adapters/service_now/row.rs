//! A row of the Table API as a [`Record`].

use serde_json::{Map, Value as Json};

use super::convert;
use crate::core::ident::{FieldName, RecordId};
use crate::core::record::{Record, Version};
use crate::core::schema::ObjectSchema;
use crate::core::side::Side;
use crate::core::time::Instant;

/// One object of `result`, by column.
pub(super) type Row = Map<String, Json>;

/// The columns that every reading needs, whatever else is asked for.
pub(super) const SYSTEM_FIELDS: [&str; 4] = ["sys_id", "sys_updated_on", "sys_mod_count", "sys_created_on"];

/// A system column that a row lacks or that cannot be understood. A column that our user may not read is left out of
/// the row, key and all (ServiceNow docs: REST API).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MissingSystemField(pub(super) &'static str);

/// The text of a column, `None` where the row lacks it.
pub(super) fn text(row: &Row, column: &str) -> Option<String> {
    row.get(column).and_then(convert::scalar)
}

/// The row's `sys_id`.
pub(super) fn id(row: &Row) -> Result<RecordId, MissingSystemField> {
    text(row, "sys_id")
        .and_then(|text| RecordId::parse(Side::ServiceNow, &text).ok())
        .ok_or(MissingSystemField("sys_id"))
}

fn instant(row: &Row, column: &'static str) -> Result<Instant, MissingSystemField> {
    text(row, column)
        .and_then(|text| convert::instant(&text))
        .ok_or(MissingSystemField(column))
}

/// The whole row. A column that the schema does not know is left out; one that the row lacks stays absent.
pub(super) fn record(schema: &ObjectSchema, row: &Row) -> Result<Record, MissingSystemField> {
    let modified = instant(row, "sys_updated_on")?;
    let mod_count = text(row, "sys_mod_count")
        .and_then(|text| text.trim().parse().ok())
        .ok_or(MissingSystemField("sys_mod_count"))?;
    let fields = row.iter().filter_map(|(column, json)| {
        let name: FieldName = column.parse().ok()?;
        let kind = &schema.fields.get(&name)?.kind;
        let content = convert::from_json(kind, json);
        Some((name, content))
    });
    Ok(Record {
        id: id(row)?,
        version: Version { modified, mod_count },
        changed_at: modified,
        created_at: instant(row, "sys_created_on")?,
        fields: fields.collect(),
    })
}
