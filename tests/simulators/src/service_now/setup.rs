//! Setting an instance up from code: tables, columns, choices, users, rules.

use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;

use super::ServiceNow;
use super::acl::{Acl, Operation};
use super::clock;
use super::rules::{BusinessRule, DataPolicy};
use super::schema::{Choice, Column, Schema, Table, meta};
use super::store::{Reading, Values};

/// A transform map: how rows of a staging table become rows of another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformMap {
    /// The name, which results give.
    pub name: String,
    /// The staging table, which extends `sys_import_set_row`.
    pub source_table: String,
    /// The table that rows go to.
    pub target_table: String,
    /// Which column goes where.
    pub fields: Vec<FieldMap>,
}

/// One column of a transform map.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldMap {
    /// The column of the staging table.
    pub source: String,
    /// The column of the target table.
    pub target: String,
    /// Rows with the same value there are the same row.
    #[serde(default)]
    pub coalesce: bool,
}

fn row_of(pairs: &[(&str, &str)]) -> Values {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

impl ServiceNow {
    /// Adds a table, with rows in `sys_db_object` and `sys_dictionary`.
    pub fn define_table(&mut self, table: Table) {
        let parent = table.extends.clone().unwrap_or_default();
        let super_class = self
            .meta_id("sys_db_object", &[("name", &parent)])
            .unwrap_or_default();
        self.put_meta("sys_db_object", meta::table_row(&table, &super_class));
        self.put_meta("sys_dictionary", meta::collection_row(&table));
        let rows: Vec<Values> = table
            .own_columns()
            .map(|column| meta::column_row(&table.name, column))
            .collect();
        for row in rows {
            self.put_meta("sys_dictionary", row);
        }
        self.schema.define(table);
    }

    /// Adds or changes a column of a table, with its row in `sys_dictionary`; false where there is no such table.
    pub fn define_column(&mut self, table: &str, column: Column) -> bool {
        let row = meta::column_row(table, &column);
        let known = self.schema.define_column(table, column);
        if known {
            let element = row.get("element").cloned().unwrap_or_default();
            let existing = self.meta_id("sys_dictionary", &[("name", table), ("element", &element)]);
            let mut row = row;
            row.extend(existing.map(|sys_id| ("sys_id".to_owned(), sys_id)));
            self.put_meta("sys_dictionary", row);
        }
        known
    }

    /// Adds a choice, with its row in `sys_choice`.
    pub fn define_choice(&mut self, choice: Choice) {
        self.put_meta("sys_choice", meta::choice_row(&choice));
        self.schema.define_choice(choice);
    }

    /// Changes an inherited column for a table and its descendants, with a row in `sys_dictionary_override`; false
    /// where the table does not inherit such a column.
    pub fn override_column(&mut self, table: &str, element: &str, change: impl FnOnce(&mut Column)) -> bool {
        let owner = self
            .schema
            .lineage(table)
            .skip(1)
            .find(|one| one.own_columns().any(|column| column.name == element))
            .map(|owner| owner.name.clone());
        let before = self.schema.column(table, element).cloned();
        let (Some(owner), Some(before)) = (owner, before) else {
            return false;
        };
        self.schema.override_column(table, element, change);
        let Some(after) = self.schema.column(table, element) else {
            return false;
        };
        let row = row_of(&[
            ("name", table),
            ("base_table", &owner),
            ("element", element),
            (
                "mandatory_override",
                &(before.mandatory != after.mandatory).to_string(),
            ),
            ("mandatory", &after.mandatory.to_string()),
            (
                "read_only_override",
                &(before.read_only != after.read_only).to_string(),
            ),
            ("read_only", &after.read_only.to_string()),
            (
                "default_value_override",
                &(before.default_value != after.default_value).to_string(),
            ),
            ("default_value", &after.default_value),
            ("attributes_override", "false"),
        ]);
        self.put_meta("sys_dictionary_override", row);
        true
    }

    /// Adds a transform map, as rows of `sys_transform_map` and `sys_transform_entry`.
    pub fn add_transform_map(&mut self, map: &TransformMap) {
        let map_id = self.ids.next();
        let row = row_of(&[
            ("sys_id", &map_id),
            ("name", &map.name),
            ("source_table", &map.source_table),
            ("target_table", &map.target_table),
            ("active", "true"),
            ("order", "100"),
        ]);
        self.put_meta("sys_transform_map", row);
        for field in &map.fields {
            let row = row_of(&[
                ("map", &map_id),
                ("source_field", &field.source),
                ("target_field", &field.target),
                ("coalesce", &field.coalesce.to_string()),
            ]);
            self.put_meta("sys_transform_entry", row);
        }
    }

    /// Says which fields `sysparm_view` shows of a table, and of its descendants that lack the view.
    pub fn define_view(&mut self, table: &str, view: &str, fields: &[&str]) {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.views.insert((table.to_owned(), view.to_owned()), fields);
    }

    /// Adds a user with a password and roles (`admin`, `itil`, …) and returns the `sys_id`.
    pub fn add_user(&mut self, user_name: &str, password: &str, roles: &[&str]) -> String {
        let known = self.meta_id("sys_user", &[("user_name", user_name)]);
        let sys_id = known.unwrap_or_else(|| self.ids.next());
        let row = [
            ("sys_id", sys_id.as_str()),
            ("user_name", user_name),
            ("name", user_name),
            ("user_password", password),
            ("active", "true"),
            ("locked_out", "false"),
            ("password_needs_reset", "false"),
            ("web_service_access_only", "false"),
        ];
        self.put_meta(
            "sys_user",
            row.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        );
        let roles: BTreeSet<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        self.roles.insert(user_name.to_lowercase(), roles);
        sys_id
    }

    /// Adds a group and returns its `sys_id`.
    pub fn add_group(&mut self, name: &str) -> String {
        let sys_id = self.ids.next();
        let row = [("sys_id", sys_id.as_str()), ("name", name), ("active", "true")];
        self.put_meta(
            "sys_user_group",
            row.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        );
        sys_id
    }

    /// Gives a system property a value.
    pub fn set_property(&mut self, name: &str, value: &str) {
        let mut row = Values::from([
            ("name".to_owned(), name.to_owned()),
            ("value".to_owned(), value.to_owned()),
        ]);
        let known = self.meta_id("sys_properties", &[("name", name)]);
        row.extend(known.map(|sys_id| ("sys_id".to_owned(), sys_id)));
        self.put_meta("sys_properties", row);
    }

    /// Registers an OAuth client; `application_user` is whom its client credentials act as.
    pub fn register_client(&mut self, client_id: &str, secret: &str, application_user: Option<&str>) {
        self.oauth.register(client_id, secret, application_user);
    }

    /// Gives a client a JWT verifier map: the certificate (or public key) in PEM under which it signs assertions, and
    /// the `kid` that they must name; false where there is no such client or no key in the PEM.
    pub fn verify_assertions_with(&mut self, client_id: &str, pem: &str, key_id: Option<&str>) -> bool {
        self.oauth.verify_with(client_id, pem, key_id)
    }

    /// A user agrees to a client in the browser: gives the refresh token that the authorization code grant ends with.
    pub fn consent(&mut self, client_id: &str, user_name: &str, now: Timestamp) -> String {
        self.oauth.consent(client_id, user_name, now, &mut self.ids)
    }

    /// Ends every access token; refresh tokens live on.
    pub fn expire_access_tokens(&mut self) {
        self.oauth.expire_access_tokens();
    }

    /// Ends every access and refresh token.
    pub fn revoke_tokens(&mut self) {
        self.oauth.revoke_all();
    }

    /// Adds an access rule.
    pub fn add_acl(&mut self, rule: Acl) {
        self.acls.add(rule);
    }

    /// Takes away the access rules for a table or field and an operation.
    pub fn remove_acls(&mut self, table: &str, field: Option<&str>, operation: Operation) {
        self.acls.remove(table, field, operation);
    }

    /// Adds a business rule; rules of the same order run as they were added.
    pub fn add_rule(&mut self, rule: BusinessRule) {
        let rule_id = self.ids.next();
        self.rules.add(&rule_id, rule);
    }

    /// Takes away the business rules of that name; edits they have due already still happen.
    pub fn remove_rule(&mut self, name: &str) {
        self.rules.business.retain(|(_, rule)| rule.name != name);
    }

    /// Adds a data policy.
    pub fn add_policy(&mut self, policy: DataPolicy) {
        self.rules.policies.push(policy);
    }

    /// Tables, columns and choices as they stand.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The address the instance gives itself in links.
    pub fn instance_url(&self) -> &str {
        &self.instance_url
    }

    /// The tables and properties of a fresh instance.
    pub(super) fn describe_standard_schema(&mut self) {
        let standard = Schema::standard();
        for table in meta::parents_first(&standard) {
            self.define_table(table);
        }
        for choice in standard.choices() {
            self.define_choice(choice.clone());
        }
        self.override_column("change_request", "state", |column| {
            "-5".clone_into(&mut column.default_value);
        });
        let instance_id = self.ids.next();
        let host = self.instance_url.split("://").nth(1).unwrap_or_default();
        let name = host.split(['.', ':']).next().unwrap_or_default().to_owned();
        self.set_property("instance_id", &instance_id);
        self.set_property("instance_name", &name);
        self.set_property("glide.sys.default.tz", "GMT");
    }

    /// Puts a row of a table that describes the instance; it is as old as the instance.
    pub(super) fn put_meta(&mut self, table: &str, mut row: Values) {
        let sys_id = row.get("sys_id").cloned().unwrap_or_else(|| self.ids.next());
        let stamp = clock::stamp(self.born);
        for (column, value) in [
            ("sys_id", sys_id.as_str()),
            ("sys_created_on", stamp.as_str()),
            ("sys_created_by", "system"),
            ("sys_updated_on", stamp.as_str()),
            ("sys_updated_by", "system"),
            ("sys_mod_count", "0"),
        ] {
            row.entry(column.to_owned()).or_insert_with(|| value.to_owned());
        }
        // There from the beginning, however far replicas lag.
        self.store
            .put(table, &sys_id, Some(row), Timestamp::MIN, Timestamp::MIN);
    }

    /// The rows of `table` with these values.
    pub(super) fn meta_rows(&self, table: &str, wanted: &[(&str, &str)]) -> Vec<Values> {
        let has =
            |row: &Values, (name, value): &(&str, &str)| row.get(*name).is_some_and(|known| known == value);
        let rows = self.store.rows_of_class(table, Reading::NEWEST);
        rows.filter(|row| wanted.iter().all(|one| has(row, one)))
            .cloned()
            .collect()
    }

    /// The `sys_id` of the row of `table` with these values.
    fn meta_id(&self, table: &str, wanted: &[(&str, &str)]) -> Option<String> {
        let fits = |row: &Values| {
            let has = |(name, value): &(&str, &str)| row.get(*name).is_some_and(|known| known == value);
            wanted.iter().all(has)
        };
        // While the standard schema is being told, its own tables are not defined yet; the rows are there all the same.
        let rows = self.store.rows_of_class(table, Reading::NEWEST);
        rows.filter(|row| fits(row))
            .find_map(|row| row.get("sys_id").cloned())
    }
}
