//! Tables, their columns and their choices, with single inheritance between tables.
//!
//! - `column`: what one `sys_dictionary` or `sys_choice` row says.
//! - `standard`, `platform`, `choices`: the tables and choice lists every instance has, as far as the simulator
//!   carries them: those of people and their work, those of the platform itself.
//! - `meta`: the same facts told as rows of `sys_db_object`, `sys_dictionary` and `sys_choice`, which answer the
//!   Table API like any other row.

mod choices;
mod column;
pub(super) mod meta;
mod platform;
mod standard;

pub use column::{Choice, ChoiceMode, Column, InternalType, ReferenceKey};

use std::collections::BTreeMap;

/// One table and the columns it adds to those of its parent.
#[derive(Debug, Clone)]
pub struct Table {
    /// `sys_db_object.name`.
    pub name: String,
    /// `sys_db_object.label`.
    pub label: String,
    /// The parent table, whose columns this one inherits.
    pub extends: Option<String>,
    /// Prefix of the numbers the server makes for new rows, where the table has a `number`.
    pub number_prefix: Option<String>,
    /// `attributes` of the dictionary row for the whole table, such as `no_audit_delete=true`.
    pub attributes: String,
    columns: BTreeMap<String, Column>,
    /// Inherited columns as `sys_dictionary_override` changes them for this table and its descendants.
    overrides: BTreeMap<String, Column>,
}

impl Table {
    /// A table that extends nothing and so carries the system columns itself.
    pub fn base(name: &str, label: &str) -> Self {
        let mut table = Self::bare(name, label, None);
        for column in standard::system_columns() {
            table.columns.insert(column.name.clone(), column);
        }
        table
    }

    /// A table that inherits the columns of `parent`.
    pub fn extending(parent: &str, name: &str, label: &str) -> Self {
        Self::bare(name, label, Some(parent.to_owned()))
    }

    fn bare(name: &str, label: &str, extends: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            extends,
            number_prefix: None,
            attributes: String::new(),
            columns: BTreeMap::new(),
            overrides: BTreeMap::new(),
        }
    }

    /// The same table with one more column of its own.
    #[must_use]
    pub fn column(mut self, column: Column) -> Self {
        self.columns.insert(column.name.clone(), column);
        self
    }

    /// The same table with several more columns of its own.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        for column in columns {
            self.columns.insert(column.name.clone(), column);
        }
        self
    }

    /// The same table, whose rows get numbers with this prefix.
    #[must_use]
    pub fn numbered(mut self, prefix: &str) -> Self {
        self.number_prefix = Some(prefix.to_owned());
        self
    }

    /// The same table with dictionary attributes, such as `no_audit_delete=true`.
    #[must_use]
    pub fn attributes(mut self, attributes: &str) -> Self {
        attributes.clone_into(&mut self.attributes);
        self
    }

    /// Whether the dictionary gives the whole table this attribute.
    pub fn has_attribute(&self, name: &str) -> bool {
        let mut attributes = self.attributes.split(',').map(str::trim);
        attributes.any(|one| one == name || one.strip_prefix(name).is_some_and(|rest| rest == "=true"))
    }

    /// The columns the table itself defines; inherited ones are not among them.
    pub fn own_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.values()
    }
}

/// All tables and choices of an instance.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: BTreeMap<String, Table>,
    choices: Vec<Choice>,
}

impl Schema {
    /// The schema of a fresh instance.
    pub fn standard() -> Self {
        standard::schema()
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Every table, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Every choice, in the order defined.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Adds or replaces a table.
    pub fn define(&mut self, table: Table) {
        self.tables.insert(table.name.clone(), table);
    }

    /// Adds or replaces a column of a table; false where there is no such table.
    pub fn define_column(&mut self, table: &str, column: Column) -> bool {
        let Some(table) = self.tables.get_mut(table) else {
            return false;
        };
        table.columns.insert(column.name.clone(), column);
        true
    }

    /// Changes a column for a table that inherits it; false where it has no such column.
    pub fn override_column(&mut self, table: &str, element: &str, change: impl FnOnce(&mut Column)) -> bool {
        let Some(mut column) = self.column(table, element).cloned() else {
            return false;
        };
        change(&mut column);
        if let Some(table) = self.tables.get_mut(table) {
            table.overrides.insert(element.to_owned(), column);
        }
        true
    }

    /// Adds a choice.
    pub fn define_choice(&mut self, choice: Choice) {
        self.choices.push(choice);
    }

    /// The table and its ancestors, the table itself first.
    pub fn lineage<'a>(&'a self, table: &str) -> impl Iterator<Item = &'a Table> + use<'a> {
        let mut next = self.tables.get(table);
        std::iter::from_fn(move || {
            let this = next?;
            next = this.extends.as_deref().and_then(|parent| self.tables.get(parent));
            Some(this)
        })
    }

    /// Whether `table` is `ancestor` or extends it.
    pub fn is_a(&self, table: &str, ancestor: &str) -> bool {
        self.lineage(table).any(|one| one.name == ancestor)
    }

    /// The table and every table that extends it, whose rows a query on the table returns.
    pub fn family<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a str> {
        self.tables
            .keys()
            .map(String::as_str)
            .filter(move |one| self.is_a(one, table))
    }

    /// An active column of the table, its own or inherited.
    pub fn column(&self, table: &str, name: &str) -> Option<&Column> {
        self.lineage(table)
            .find_map(|one| one.overrides.get(name).or_else(|| one.columns.get(name)))
            .filter(|column| column.active)
    }

    /// Every active column of the table, own and inherited, by name.
    pub fn columns<'a>(&'a self, table: &'a str) -> BTreeMap<&'a str, &'a Column> {
        let mut all = BTreeMap::new();
        for one in self.lineage(table) {
            for column in one.overrides.values().chain(one.columns.values()) {
                all.entry(column.name.as_str()).or_insert(column);
            }
        }
        all.retain(|_, column| column.active);
        all
    }

    /// The choices of a column: the table's own set, or else the nearest ancestor's.
    pub fn choices_of<'a>(&'a self, table: &'a str, element: &'a str) -> Vec<&'a Choice> {
        self.lineage(table)
            .map(|one| {
                let of_table = |choice: &&Choice| choice.table == one.name && choice.element == element;
                self.choices.iter().filter(of_table).collect::<Vec<_>>()
            })
            .find(|set| !set.is_empty())
            .unwrap_or_default()
    }

    /// The column whose value stands for a row of the table: the one flagged, else `number`, else `name`.
    pub fn display_column(&self, table: &str) -> Option<&Column> {
        let flagged = self
            .lineage(table)
            .flat_map(Table::own_columns)
            .find(|column| column.display);
        flagged
            .or_else(|| self.column(table, "number"))
            .or_else(|| self.column(table, "name"))
            .or_else(|| self.column(table, "u_name"))
    }
}
