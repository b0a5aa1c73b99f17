//! Tables of the platform itself: scripts, attachments, import sets, changes to inherited columns.

use super::{ChoiceMode, Column, InternalType, Table};

/// Every table of this file.
pub(super) fn tables() -> Vec<Table> {
    vec![
        sys_metadata(),
        sys_script(),
        sys_dictionary_override(),
        sys_attachment(),
        sys_import_set(),
        sys_import_set_row(),
        sys_transform_map(),
        sys_transform_entry(),
    ]
}

/// "Application File": what `sys_script` and its like extend.
fn sys_metadata() -> Table {
    Table::base("sys_metadata", "Application File").columns([
        Column::new("sys_class_name", InternalType::ClassName, 80)
            .read_only()
            .label("Class"),
        Column::string("sys_name", 255).label("Display name").display(),
    ])
}

fn sys_script() -> Table {
    let when = Column::string("when", 40)
        .choice_mode(ChoiceMode::Suggestion)
        .default_value("after");
    Table::extending("sys_metadata", "sys_script", "Business Rule").columns([
        Column::string("name", 100).display(),
        Column::new("collection", InternalType::TableName, 80).label("Table"),
        Column::boolean("active").default_value("true"),
        Column::boolean("advanced"),
        when,
        Column::integer("order").default_value("100"),
        Column::boolean("action_insert"),
        Column::boolean("action_update"),
        Column::boolean("action_delete"),
        Column::boolean("action_query"),
        Column::boolean("abort_action"),
        Column::boolean("add_message"),
        Column::string("message", 4000),
        Column::string("filter_condition", 4000),
        Column::string("condition", 1000),
        Column::string("template", 4000).label("Set field values"),
        Column::string("script", 65_000),
    ])
}

fn sys_dictionary_override() -> Table {
    Table::base("sys_dictionary_override", "Dictionary Entry Override").columns([
        Column::new("name", InternalType::TableName, 80).label("Table"),
        Column::new("base_table", InternalType::TableName, 80),
        Column::string("element", 80).label("Column name").display(),
        Column::boolean("mandatory_override"),
        Column::boolean("mandatory"),
        Column::boolean("read_only_override"),
        Column::boolean("read_only"),
        Column::boolean("default_value_override"),
        Column::string("default_value", 255),
        Column::boolean("attributes_override"),
        Column::string("attributes", 1000),
    ])
}

fn sys_attachment() -> Table {
    Table::base("sys_attachment", "Attachment").columns([
        Column::string("file_name", 255).display(),
        Column::string("content_type", 255),
        Column::integer("size_bytes"),
        Column::integer("size_compressed"),
        Column::boolean("compressed"),
        Column::new("table_name", InternalType::TableName, 80),
        Column::string("table_sys_id", 32),
        Column::string("hash", 64),
        Column::string("average_image_color", 7),
        Column::integer("image_width"),
        Column::integer("image_height"),
    ])
}

fn sys_import_set() -> Table {
    Table::base("sys_import_set", "Import Set")
        .numbered("ISET")
        .columns([
            Column::string("number", 40).read_only().display(),
            Column::new("table_name", InternalType::TableName, 80),
            Column::string("state", 40),
            Column::string("short_description", 255),
        ])
}

/// What every staging table extends.
fn sys_import_set_row() -> Table {
    Table::base("sys_import_set_row", "Import Set Row").columns([
        Column::new("sys_class_name", InternalType::ClassName, 80).read_only(),
        Column::reference("sys_import_set", "sys_import_set").label("Set"),
        Column::string("sys_import_state", 40).label("State"),
        Column::string("sys_import_state_comment", 4000).label("Comment"),
        Column::new("sys_target_table", InternalType::TableName, 80).label("Target table"),
        Column::string("sys_target_sys_id", 32).label("Target record"),
        Column::reference("sys_transform_map", "sys_transform_map").label("Transform map"),
    ])
}

fn sys_transform_map() -> Table {
    Table::extending("sys_metadata", "sys_transform_map", "Table Transform Map").columns([
        Column::string("name", 100).display(),
        Column::new("source_table", InternalType::TableName, 80),
        Column::new("target_table", InternalType::TableName, 80),
        Column::boolean("active").default_value("true"),
        Column::integer("order").default_value("100"),
        Column::boolean("run_business_rules").default_value("true"),
        Column::boolean("copy_empty_fields"),
    ])
}

fn sys_transform_entry() -> Table {
    Table::extending("sys_metadata", "sys_transform_entry", "Field Map").columns([
        Column::reference("map", "sys_transform_map"),
        Column::string("source_field", 80),
        Column::string("target_field", 80).display(),
        Column::boolean("coalesce"),
    ])
}
