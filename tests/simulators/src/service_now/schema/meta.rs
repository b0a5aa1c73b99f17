//! The schema told as rows of the tables that describe it.
//!
//! A table has dictionary rows for its *own* columns only (inherited ones stand under the parent's name), and one
//! more row with an empty `element` and the type `collection` for the table as a whole.

use super::{Choice, Column, InternalType, Schema, Table, standard};
use crate::service_now::store::Values;

fn row<const N: usize>(pairs: [(&str, String); N]) -> Values {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The `sys_db_object` row of a table; `super_class` is the `sys_id` of the parent's row, empty for a base table.
pub(in crate::service_now) fn table_row(table: &Table, super_class: &str) -> Values {
    row([
        ("name", table.name.clone()),
        ("label", table.label.clone()),
        ("super_class", super_class.to_owned()),
        ("is_extendable", "true".to_owned()),
    ])
}

/// The `sys_dictionary` row that stands for a whole table.
pub(in crate::service_now) fn collection_row(table: &Table) -> Values {
    let whole = Column::new("", InternalType::Collection, 0).label(&table.label);
    let mut row = column_row(&table.name, &whole);
    row.insert("attributes".to_owned(), table.attributes.clone());
    row
}

/// The `sys_dictionary` row of one column of a table.
pub(in crate::service_now) fn column_row(table: &str, column: &Column) -> Values {
    row([
        ("name", table.to_owned()),
        ("element", column.name.clone()),
        ("column_label", column.label.clone()),
        ("internal_type", column.internal_type.name().to_owned()),
        (
            "reference",
            standard::referred_table(&column.internal_type).to_owned(),
        ),
        (
            "max_length",
            if column.max_length == 0 {
                String::new()
            } else {
                column.max_length.to_string()
            },
        ),
        ("mandatory", column.mandatory.to_string()),
        ("read_only", column.read_only.to_string()),
        ("unique", column.unique.to_string()),
        ("active", column.active.to_string()),
        ("display", column.display.to_string()),
        ("choice", column.choice.code().to_owned()),
        ("default_value", column.default_value.clone()),
        ("attributes", String::new()),
        ("virtual", "false".to_owned()),
    ])
}

/// The `sys_choice` row of one choice.
pub(in crate::service_now) fn choice_row(choice: &Choice) -> Values {
    row([
        ("name", choice.table.clone()),
        ("element", choice.element.clone()),
        ("value", choice.value.clone()),
        ("label", choice.label.clone()),
        ("language", choice.language.clone()),
        ("inactive", choice.inactive.to_string()),
        ("sequence", choice.sequence.to_string()),
        ("dependent_value", String::new()),
    ])
}

/// The tables of a schema with parents before children, so that a child's row can name its parent's.
pub(in crate::service_now) fn parents_first(schema: &Schema) -> Vec<Table> {
    let mut tables: Vec<Table> = schema.tables().cloned().collect();
    tables.sort_by_key(|table| schema.lineage(&table.name).count());
    tables
}
