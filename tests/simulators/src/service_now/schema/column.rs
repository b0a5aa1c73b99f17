//! A column: what one row of `sys_dictionary` says about it.

/// The `internal_type` of a column, as far as the simulator tells types apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InternalType {
    /// `GUID`: the 32-digit `sys_id`.
    Guid,
    /// `string`, cut silently at `max_length`.
    String,
    /// `integer`, answered as a string like everything else.
    Integer,
    /// `boolean`, stored as `true` or `false`.
    Boolean,
    /// `decimal`, two places.
    Decimal,
    /// `float`, seven places.
    Float,
    /// `glide_date_time`: `YYYY-MM-DD HH:MM:SS` in UTC.
    DateTime,
    /// `glide_date`: `YYYY-MM-DD`.
    Date,
    /// `reference` to a row of another table.
    Reference {
        /// The table referred to.
        table: String,
        /// Which of its columns the stored value is.
        key: ReferenceKey,
    },
    /// `html`: text with mark-up.
    Html,
    /// `journal_input`: written to append an entry, read as empty.
    Journal,
    /// `password2`: written, never read.
    Password,
    /// `sys_class_name`: the name of the row's own table.
    ClassName,
    /// `table_name`: the name of some table.
    TableName,
    /// `collection`: the dictionary row that stands for a whole table.
    Collection,
}

/// Which column of the referred-to table a reference stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKey {
    /// The usual case: the `sys_id`.
    SysId,
    /// The row's `name`, as `sys_dictionary.internal_type` and `sys_dictionary.reference` do.
    Name,
}

impl InternalType {
    /// The name `sys_dictionary.internal_type` has for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Guid => "GUID",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::DateTime => "glide_date_time",
            Self::Date => "glide_date",
            Self::Reference { .. } => "reference",
            Self::Html => "html",
            Self::Journal => "journal_input",
            Self::Password => "password2",
            Self::ClassName => "sys_class_name",
            Self::TableName => "table_name",
            Self::Collection => "collection",
        }
    }
}

/// How `sys_dictionary.choice` binds a column to `sys_choice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoiceMode {
    /// Empty: no choice list.
    None,
    /// `1`: a list with a "None" entry.
    WithNone,
    /// `2`: suggestions; any value is accepted.
    Suggestion,
    /// `3`: a list without a "None" entry.
    WithoutNone,
}

impl ChoiceMode {
    /// The stored value of `sys_dictionary.choice`.
    pub fn code(self) -> &'static str {
        match self {
            Self::None => "",
            Self::WithNone => "1",
            Self::Suggestion => "2",
            Self::WithoutNone => "3",
        }
    }

    /// Whether there is a list at all.
    pub fn is_list(self) -> bool {
        self != Self::None
    }

    /// Whether a value outside the list is refused.
    pub fn restricts(self) -> bool {
        matches!(self, Self::WithNone | Self::WithoutNone)
    }
}

/// One column of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one true/false column of sys_dictionary"
)]
pub struct Column {
    /// `sys_dictionary.element`.
    pub name: String,
    /// `sys_dictionary.column_label`, which messages use instead of the name.
    pub label: String,
    /// `sys_dictionary.internal_type`, with the table a reference leads to.
    pub internal_type: InternalType,
    /// Longest value kept, in characters; longer ones are cut silently.
    pub max_length: usize,
    /// `mandatory`: a hint for forms; over REST only a data policy enforces it.
    pub mandatory: bool,
    /// `read_only`: values sent by clients are dropped silently.
    pub read_only: bool,
    /// `unique`: a second row with the value is refused.
    pub unique: bool,
    /// `active`: an inactive column is as good as absent.
    pub active: bool,
    /// `display`: the column whose value stands for the row.
    pub display: bool,
    /// `default_value` for new rows.
    pub default_value: String,
    /// How the column is bound to `sys_choice`.
    pub choice: ChoiceMode,
}

impl Column {
    /// A column of any type, labelled after its name.
    pub fn new(name: &str, internal_type: InternalType, max_length: usize) -> Self {
        Self {
            name: name.to_owned(),
            label: label_of(name),
            internal_type,
            max_length,
            mandatory: false,
            read_only: false,
            unique: false,
            active: true,
            display: false,
            default_value: String::new(),
            choice: ChoiceMode::None,
        }
    }

    /// A `string` column.
    pub fn string(name: &str, max_length: usize) -> Self {
        Self::new(name, InternalType::String, max_length)
    }

    /// An `integer` column.
    pub fn integer(name: &str) -> Self {
        Self::new(name, InternalType::Integer, 40)
    }

    /// A `boolean` column, false unless it says otherwise.
    pub fn boolean(name: &str) -> Self {
        Self::new(name, InternalType::Boolean, 40).default_value("false")
    }

    /// A `decimal` column.
    pub fn decimal(name: &str) -> Self {
        Self::new(name, InternalType::Decimal, 15)
    }

    /// A `glide_date_time` column.
    pub fn date_time(name: &str) -> Self {
        Self::new(name, InternalType::DateTime, 40)
    }

    /// A `glide_date` column.
    pub fn date(name: &str) -> Self {
        Self::new(name, InternalType::Date, 40)
    }

    /// A `reference` column that stores the `sys_id` of a row of `table`.
    pub fn reference(name: &str, table: &str) -> Self {
        let internal_type = InternalType::Reference {
            table: table.to_owned(),
            key: ReferenceKey::SysId,
        };
        Self::new(name, internal_type, 32)
    }

    /// A `reference` column that stores the name of a row of `table`.
    pub fn reference_by_name(name: &str, table: &str) -> Self {
        let internal_type = InternalType::Reference {
            table: table.to_owned(),
            key: ReferenceKey::Name,
        };
        Self::new(name, internal_type, 80)
    }

    /// A `string` column whose values come from `sys_choice`.
    pub fn choice(name: &str) -> Self {
        Self {
            choice: ChoiceMode::WithoutNone,
            ..Self::string(name, 40)
        }
    }

    /// An `integer` column whose values come from `sys_choice`.
    pub fn integer_choice(name: &str) -> Self {
        Self {
            choice: ChoiceMode::WithNone,
            ..Self::integer(name)
        }
    }

    /// The same column under another label.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    /// The same column with another choice mode.
    #[must_use]
    pub fn choice_mode(mut self, choice: ChoiceMode) -> Self {
        self.choice = choice;
        self
    }

    /// The same column, mandatory.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    /// The same column, read-only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same column, unique.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// The same column, as the row's display value.
    #[must_use]
    pub fn display(mut self) -> Self {
        self.display = true;
        self
    }

    /// The same column, deactivated.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.active = false;
        self
    }

    /// The same column with a default value.
    #[must_use]
    pub fn default_value(mut self, value: &str) -> Self {
        value.clone_into(&mut self.default_value);
        self
    }
}

/// `short_description` → `Short description`, as the platform labels a new column; a `u_` prefix is left out.
fn label_of(name: &str) -> String {
    let words = name.strip_prefix("u_").unwrap_or(name).replace('_', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// One row of `sys_choice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The table that defines it, which may be the parent of the table that uses it.
    pub table: String,
    /// The column.
    pub element: String,
    /// The stored value.
    pub value: String,
    /// What people see.
    pub label: String,
    /// The language of the label; each language has its own set.
    pub language: String,
    /// Kept for old rows, no longer offered.
    pub inactive: bool,
    /// Order in the list.
    pub sequence: u32,
}

impl Choice {
    /// An active English choice.
    pub fn new(table: &str, element: &str, value: &str, label: &str, sequence: u32) -> Self {
        Self {
            table: table.to_owned(),
            element: element.to_owned(),
            value: value.to_owned(),
            label: label.to_owned(),
            language: "en".to_owned(),
            inactive: false,
            sequence,
        }
    }

    /// The same choice, no longer offered.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.inactive = true;
        self
    }

    /// The same choice in another language.
    #[must_use]
    pub fn language(mut self, language: &str, label: &str) -> Self {
        language.clone_into(&mut self.language);
        label.clone_into(&mut self.label);
        self
    }
}
