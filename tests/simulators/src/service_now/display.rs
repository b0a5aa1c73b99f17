//! A row as the Table API shows it: stored values, display values or both, references as links, hidden fields left out.

use serde_json::{Map, Value, json};

use super::ServiceNow;
use super::acl::Operation;
use super::clock;
use super::query::evaluator::Scope;
use super::query::order::Row;
use super::request::Parameters;
use super::schema::{Column, InternalType, ReferenceKey};
use super::store::{Reading, Values};
use super::users::Principal;

/// `sysparm_display_value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// `false`: stored values.
    Stored,
    /// `true`: what a person would read.
    Display,
    /// `all`: both.
    Both,
}

/// How a row is to be shown.
#[derive(Debug, Clone)]
pub(super) struct Rendering {
    shown: Shown,
    exclude_links: bool,
    /// Columns and paths to show.
    fields: Vec<String>,
}

impl ServiceNow {
    /// What the parameters ask for: the fields of `sysparm_fields`, else those of `sysparm_view`, else every column of
    /// the table.
    pub(super) fn rendering(&self, parameters: &Parameters, table: &str) -> Rendering {
        let shown = match parameters
            .get("sysparm_display_value")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("true") => Shown::Display,
            Some("all") => Shown::Both,
            _ => Shown::Stored,
        };
        let listed = |names: &str| {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        let view = parameters
            .get("sysparm_view")
            .and_then(|view| self.view(table, view));
        let fields = match (parameters.get("sysparm_fields"), view) {
            (Some(names), _) => listed(names),
            (None, Some(fields)) => fields.to_vec(),
            (None, None) => self
                .schema
                .columns(table)
                .into_keys()
                .map(str::to_owned)
                .collect(),
        };
        Rendering {
            shown,
            exclude_links: parameters.flag("sysparm_exclude_reference_link"),
            fields,
        }
    }

    /// The fields of a UI view of the table or of its nearest ancestor that has the view.
    fn view(&self, table: &str, view: &str) -> Option<&[String]> {
        let of = |name: &str| self.views.get(&(name.to_owned(), view.to_owned()));
        let found = self.schema.lineage(table).find_map(|one| of(&one.name));
        found.map(Vec::as_slice)
    }

    /// The row as the user may see it, through the columns of `table` (which may be an ancestor of the row's own).
    /// Fields that do not exist or may not be read are left out.
    pub(super) fn render(
        &self,
        scope: &Scope<'_>,
        principal: &Principal,
        table: &str,
        row: Row<'_>,
        rendering: &Rendering,
    ) -> Map<String, Value> {
        let mut shown = Map::new();
        for path in &rendering.fields {
            if let Some(value) = self.render_path(scope, principal, table, row, path, rendering) {
                shown.insert(path.clone(), value);
            }
        }
        shown
    }

    /// One field, or a field of the row that a reference leads to.
    fn render_path(
        &self,
        scope: &Scope<'_>,
        principal: &Principal,
        table: &str,
        row: Row<'_>,
        path: &str,
        rendering: &Rendering,
    ) -> Option<Value> {
        let (first, rest) = path
            .split_once('.')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        let column = self.schema.column(table, first)?;
        if !self
            .acls
            .may(scope, &principal.roles, row, Some(first), Operation::Read)
        {
            return None;
        }
        let stored = row.1.get(first).map_or("", String::as_str);
        let Some(rest) = rest else {
            // Labels are those of the row's own table, which may differ from its ancestor's.
            return Some(self.render_value(principal, row, column, stored, rendering));
        };
        let InternalType::Reference { table: target, key } = &column.internal_type else {
            return None;
        };
        self.schema
            .column(target, rest.split('.').next().unwrap_or(rest))?;
        let found = scope.referred(target, *key, stored);
        let readable = found.filter(|found| {
            self.acls
                .may(scope, &principal.roles, *found, None, Operation::Read)
        });
        match readable {
            Some(found) => self.render_path(scope, principal, target, found, rest, rendering),
            // A path from an empty reference is there, and empty.
            None if rendering.shown == Shown::Both => Some(json!({"display_value": "", "value": ""})),
            None => Some(json!("")),
        }
    }

    fn render_value(
        &self,
        principal: &Principal,
        row: Row<'_>,
        column: &Column,
        stored: &str,
        rendering: &Rendering,
    ) -> Value {
        // The stored form of a password is nobody's business; whether there is one is shown by a mask.
        let (stored, mask) = match column.internal_type {
            InternalType::Password if !stored.is_empty() => ("", Some("********")),
            _ => (stored, None),
        };
        let display = || match mask {
            Some(mask) => mask.to_owned(),
            None => self.shown_value(principal, row, column, stored),
        };
        let link = match &column.internal_type {
            InternalType::Reference { table, key } if !stored.is_empty() && !rendering.exclude_links => {
                Some(self.link(table, *key, stored))
            }
            _ => None,
        };
        match (rendering.shown, link) {
            (Shown::Stored, None) => json!(stored),
            (Shown::Stored, Some(link)) => json!({"link": link, "value": stored}),
            (Shown::Display, None) => json!(display()),
            (Shown::Display, Some(link)) => json!({"display_value": display(), "link": link}),
            (Shown::Both, None) => json!({"display_value": display(), "value": stored}),
            (Shown::Both, Some(link)) => {
                json!({"display_value": display(), "link": link, "value": stored})
            }
        }
    }

    /// Where a reference leads: on the instance's own address, whatever host the client used.
    fn link(&self, table: &str, key: ReferenceKey, id: &str) -> String {
        match key {
            ReferenceKey::SysId => format!("{}/api/now/table/{table}/{id}", self.instance_url),
            ReferenceKey::Name => format!("{}/api/now/table/{table}?name={id}", self.instance_url),
        }
    }

    /// A stored value as a person reads it: choice labels, names of referred rows, times in the user's zone.
    pub(super) fn shown_value(
        &self,
        principal: &Principal,
        row: Row<'_>,
        column: &Column,
        stored: &str,
    ) -> String {
        if column.internal_type == InternalType::Journal {
            let sys_id = row.1.get("sys_id").map_or("", String::as_str);
            return self.shown_journal(principal, sys_id, column);
        }
        if stored.is_empty() {
            return String::new();
        }
        match &column.internal_type {
            InternalType::DateTime => clock::shown_in(&principal.zone, stored),
            InternalType::Reference { .. } if stored == "global" => stored.to_owned(),
            InternalType::Reference {
                key: ReferenceKey::Name,
                ..
            } => stored.to_owned(),
            InternalType::Reference {
                table,
                key: ReferenceKey::SysId,
            } => {
                let found = self.store.find(&self.schema, table, stored, Reading::NEWEST);
                found.map_or_else(String::new, |(class, row)| self.display_value(class, row))
            }
            _ => self
                .choice_label(row.0, &column.name, stored)
                .unwrap_or_else(|| stored.to_owned()),
        }
    }

    fn choice_label(&self, table: &str, element: &str, value: &str) -> Option<String> {
        let choices = self.schema.choices_of(table, element);
        let found = choices
            .iter()
            .find(|choice| choice.value == value && choice.language == "en");
        found.map(|choice| choice.label.clone())
    }

    /// The value that stands for a row: its number, or its name.
    pub(super) fn display_value(&self, class: &str, row: &Values) -> String {
        let column = self.schema.display_column(class);
        column
            .and_then(|column| row.get(&column.name))
            .cloned()
            .unwrap_or_default()
    }
}
