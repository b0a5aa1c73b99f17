//! The tables of a fresh instance that an integration meets.

use super::platform;
use super::{ChoiceMode, Column, InternalType, ReferenceKey, Schema, Table};

/// The columns every base table carries. The server alone writes them.
pub(super) fn system_columns() -> Vec<Column> {
    let by = |name: &str| Column::string(name, 40).read_only();
    let at = |name: &str| Column::date_time(name).read_only();
    vec![
        Column::new("sys_id", InternalType::Guid, 32)
            .read_only()
            .label("Sys ID"),
        at("sys_created_on").label("Created"),
        by("sys_created_by").label("Created by"),
        at("sys_updated_on").label("Updated"),
        by("sys_updated_by").label("Updated by"),
        Column::integer("sys_mod_count").read_only().label("Updates"),
        Column::string("sys_tags", 255).read_only().label("Tags"),
    ]
}

/// Tables and choices of a fresh instance.
pub(super) fn schema() -> Schema {
    let mut schema = Schema::default();
    for table in [
        task(),
        incident(),
        problem(),
        change_request(),
        sys_user(),
        sys_user_group(),
        sys_db_object(),
        sys_dictionary(),
        sys_glide_object(),
        sys_choice(),
        sys_properties(),
        sys_audit_delete(),
        sys_journal_field(),
    ]
    .into_iter()
    .chain(platform::tables())
    {
        schema.define(table);
    }
    super::choices::define(&mut schema);
    schema
}

fn task() -> Table {
    Table::base("task", "Task").columns([
        Column::string("number", 40).read_only().display(),
        Column::string("short_description", 160),
        Column::string("description", 4000),
        Column::integer_choice("state").default_value("1"),
        Column::boolean("active").default_value("true"),
        Column::integer_choice("impact").default_value("3"),
        Column::integer_choice("urgency").default_value("3"),
        Column::integer_choice("priority").default_value("4"),
        Column::reference("assignment_group", "sys_user_group"),
        Column::reference("assigned_to", "sys_user"),
        Column::reference("parent", "task"),
        Column::choice("contact_type")
            .choice_mode(ChoiceMode::WithNone)
            .label("Contact type"),
        Column::string("correlation_id", 100).label("Correlation ID"),
        Column::string("correlation_display", 100),
        Column::date_time("opened_at").label("Opened"),
        Column::reference("opened_by", "sys_user"),
        Column::date_time("closed_at").label("Closed"),
        Column::date_time("due_date"),
        Column::string("close_notes", 4000),
        Column::new("comments", InternalType::Journal, 4000).label("Additional comments"),
        Column::new("work_notes", InternalType::Journal, 4000).label("Work notes"),
        Column::new("sys_class_name", InternalType::ClassName, 80)
            .read_only()
            .label("Task type"),
        domain(),
    ])
}

fn domain() -> Column {
    Column::reference("sys_domain", "sys_user_group")
        .read_only()
        .default_value("global")
        .label("Domain")
}

fn incident() -> Table {
    Table::extending("task", "incident", "Incident")
        .numbered("INC")
        .columns([
            Column::choice("category").default_value("inquiry"),
            Column::choice("subcategory").choice_mode(ChoiceMode::Suggestion),
            Column::reference("caller_id", "sys_user").label("Caller"),
            Column::choice("close_code")
                .choice_mode(ChoiceMode::WithNone)
                .label("Resolution code"),
            Column::integer_choice("hold_reason").label("On hold reason"),
            Column::date_time("resolved_at").label("Resolved"),
            Column::integer_choice("severity").default_value("3"),
        ])
}

fn problem() -> Table {
    Table::extending("task", "problem", "Problem")
        .numbered("PRB")
        .columns([
            Column::choice("category"),
            Column::string("cause_notes", 4000),
            Column::boolean("known_error"),
        ])
}

fn change_request() -> Table {
    Table::extending("task", "change_request", "Change Request")
        .numbered("CHG")
        .columns([
            Column::choice("type").default_value("normal"),
            Column::integer_choice("risk").default_value("3"),
            Column::date_time("start_date").label("Planned start date"),
            Column::date_time("end_date").label("Planned end date"),
        ])
}

fn sys_user() -> Table {
    Table::base("sys_user", "User").columns([
        Column::string("user_name", 40).unique().label("User ID"),
        Column::string("name", 151).display(),
        Column::string("first_name", 50),
        Column::string("last_name", 50),
        Column::string("email", 100),
        Column::string("time_zone", 40),
        Column::new("user_password", InternalType::Password, 100).label("Password"),
        Column::boolean("active").default_value("true"),
        Column::boolean("locked_out"),
        Column::boolean("password_needs_reset"),
        Column::boolean("web_service_access_only"),
    ])
}

fn sys_user_group() -> Table {
    Table::base("sys_user_group", "Group").columns([
        Column::string("name", 80).display(),
        Column::string("description", 1000),
        Column::boolean("active").default_value("true"),
    ])
}

fn sys_db_object() -> Table {
    Table::base("sys_db_object", "Table").columns([
        Column::string("name", 80).unique(),
        Column::string("label", 80).display(),
        Column::reference("super_class", "sys_db_object").label("Extends table"),
        Column::boolean("is_extendable"),
    ])
}

fn sys_dictionary() -> Table {
    Table::base("sys_dictionary", "Dictionary Entry").columns([
        Column::new("name", InternalType::TableName, 80).label("Table"),
        Column::string("element", 80).label("Column name").display(),
        Column::string("column_label", 80),
        Column::reference_by_name("internal_type", "sys_glide_object").label("Type"),
        Column::reference_by_name("reference", "sys_db_object"),
        Column::integer("max_length"),
        Column::boolean("mandatory"),
        Column::boolean("read_only"),
        Column::boolean("unique"),
        Column::boolean("active").default_value("true"),
        Column::boolean("display"),
        Column::integer("choice"),
        Column::string("default_value", 255),
        Column::string("attributes", 1000),
        Column::boolean("virtual"),
        Column::new("choice_table", InternalType::TableName, 80),
        Column::string("choice_field", 80),
    ])
}

fn sys_glide_object() -> Table {
    Table::base("sys_glide_object", "Field Class").columns([
        Column::string("name", 80).unique(),
        Column::string("label", 80).display(),
    ])
}

fn sys_choice() -> Table {
    Table::base("sys_choice", "Choice").columns([
        Column::new("name", InternalType::TableName, 80).label("Table"),
        Column::string("element", 80),
        Column::string("value", 100),
        Column::string("label", 100).display(),
        Column::string("language", 3),
        Column::boolean("inactive"),
        Column::integer("sequence"),
        Column::string("dependent_value", 40),
    ])
}

fn sys_properties() -> Table {
    Table::base("sys_properties", "System Property").columns([
        Column::string("name", 100).unique().display(),
        Column::string("value", 4000),
    ])
}

fn sys_audit_delete() -> Table {
    Table::base("sys_audit_delete", "Deleted Record").columns([
        Column::new("tablename", InternalType::TableName, 80),
        Column::string("documentkey", 32),
        Column::string("display_value", 255),
        Column::string("payload", 65_000),
    ])
}

fn sys_journal_field() -> Table {
    Table::base("sys_journal_field", "Journal Entry").columns([
        Column::new("name", InternalType::TableName, 80),
        Column::string("element", 80),
        Column::string("element_id", 32),
        Column::string("value", 4000),
    ])
}

/// The references that `sys_dictionary` keeps by name are told apart here so that `meta` need not know columns.
pub(super) fn referred_table(internal_type: &InternalType) -> &str {
    match internal_type {
        InternalType::Reference {
            table,
            key: ReferenceKey::SysId | ReferenceKey::Name,
        } => table,
        _ => "",
    }
}
