//! The admin door's vocabulary: what `setup` offers to code, as JSON.
//!
//! | action | body |
//! |---|---|
//! | `switches` | the switches to change, by name; answers all of them |
//! | `user` | `{userName, password, roles}`; answers `{sysId}` |
//! | `group` | `{name}`; answers `{sysId}` |
//! | `table` | `{name, label, extends?, numberPrefix?, columns}` |
//! | `column` | `{table, column}`; a column is `{name, type, …}` |
//! | `choice` | `{table, element, value, label, sequence?, inactive?}` |
//! | `property` | `{name, value}` |
//! | `client` | `{clientId, secret, applicationUser?, certificate?, keyId?}` |
//! | `consent` | `{clientId, userName}`; answers `{refreshToken}` |
//! | `acl`, `removeAcls` | an [`Acl`]; `{table, field?, operation}` |
//! | `rule`, `removeRule` | a [`BusinessRule`]; `{name}` |
//! | `policy` | a [`DataPolicy`] |
//! | `expireTokens`, `revokeTokens` | anything |
//! | `create` | `{table, fields, user}`: a row made by a person; answers `{sysId}` |
//! | `habit`, `clearHabits` | `{calls, skip?, times?, percent?, switches}`: switches for those calls only; anything |
//! | `view` | `{table, view, fields}` |
//! | `overrideColumn` | `{table, element, mandatory?, readOnly?, defaultValue?}` |
//! | `transformMap` | a [`TransformMap`] |
//! | `outOfBoxData` | `{password}`: the data of a developer instance |
//! | `innerCalls` | anything; answers the calls made inside batches, by kind |

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ServiceNow;
use super::acl::{Acl, Operation};
use super::habits::{Habit, changed};
use super::rules::{BusinessRule, DataPolicy};
use super::schema::{Choice, ChoiceMode, Column, InternalType, Table};
use super::setup::TransformMap;
use crate::model::{AdminError, Fields};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserBody {
    user_name: String,
    password: String,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TableBody {
    name: String,
    label: String,
    extends: Option<String>,
    number_prefix: Option<String>,
    #[serde(default)]
    columns: Vec<ColumnBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ColumnBody {
    name: String,
    /// An internal type by its dictionary name, or `choice`.
    r#type: String,
    label: Option<String>,
    max_length: Option<usize>,
    /// The table that a `reference` leads to.
    reference: Option<String>,
    default_value: Option<String>,
    #[serde(default)]
    mandatory: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    unique: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnOfTableBody {
    table: String,
    column: ColumnBody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoiceBody {
    table: String,
    element: String,
    value: String,
    label: String,
    #[serde(default)]
    sequence: u32,
    #[serde(default)]
    inactive: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PropertyBody {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClientBody {
    client_id: String,
    secret: String,
    application_user: Option<String>,
    /// PEM, for the JWT grant.
    certificate: Option<String>,
    key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsentBody {
    client_id: String,
    user_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveAclsBody {
    table: String,
    field: Option<String>,
    operation: Operation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    table: String,
    fields: Fields,
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewBody {
    table: String,
    view: String,
    fields: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OverrideBody {
    table: String,
    element: String,
    mandatory: Option<bool>,
    read_only: Option<bool>,
    default_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    password: String,
}

impl ServiceNow {
    /// Performs one action of the admin door.
    pub(super) fn perform(
        &mut self,
        action: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<Value, AdminError> {
        match action {
            "switches" => return self.change_switches(body),
            "user" => {
                let user: UserBody = read(body)?;
                let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
                return Ok(json!({"sysId": self.add_user(&user.user_name, &user.password, &roles)}));
            }
            "group" => {
                let group: NameBody = read(body)?;
                return Ok(json!({"sysId": self.add_group(&group.name)}));
            }
            "table" => self.define_table(table(&read(body)?)?),
            "column" => {
                let ColumnOfTableBody { table, column: asked } = read(body)?;
                if !self.define_column(&table, column(&asked)?) {
                    return Err(AdminError::UnknownObject(table));
                }
            }
            "choice" => {
                let asked: ChoiceBody = read(body)?;
                let choice = Choice::new(
                    &asked.table,
                    &asked.element,
                    &asked.value,
                    &asked.label,
                    asked.sequence,
                );
                self.define_choice(if asked.inactive { choice.inactive() } else { choice });
            }
            "property" => {
                let property: PropertyBody = read(body)?;
                self.set_property(&property.name, &property.value);
            }
            "client" => {
                let client: ClientBody = read(body)?;
                self.register_client(
                    &client.client_id,
                    &client.secret,
                    client.application_user.as_deref(),
                );
                if let Some(pem) = &client.certificate
                    && !self.verify_assertions_with(&client.client_id, pem, client.key_id.as_deref())
                {
                    let message = "neither a certificate nor a public key in PEM";
                    return Err(AdminError::Invalid(message.to_owned()));
                }
            }
            "consent" => {
                let asked: ConsentBody = read(body)?;
                let token = self.consent(&asked.client_id, &asked.user_name, now);
                return Ok(json!({"refreshToken": token}));
            }
            "acl" => self.add_acl(read::<Acl>(body)?),
            "removeAcls" => {
                let asked: RemoveAclsBody = read(body)?;
                self.remove_acls(&asked.table, asked.field.as_deref(), asked.operation);
            }
            "rule" => self.add_rule(read::<BusinessRule>(body)?),
            "removeRule" => self.remove_rule(&read::<NameBody>(body)?.name),
            "policy" => self.add_policy(read::<DataPolicy>(body)?),
            "expireTokens" => self.expire_access_tokens(),
            "revokeTokens" => self.revoke_tokens(),
            "create" => {
                let CreateBody { table, fields, user } = read(body)?;
                return Ok(json!({"sysId": self.create_as_person(&table, &fields, now, &user)?}));
            }
            "habit" => {
                let habit = Habit::read(body).map_err(|error| AdminError::Invalid(error.to_string()))?;
                self.add_habit(habit);
            }

            "clearHabits" => self.clear_habits(),
            "view" => {
                let ViewBody { table, view, fields } = read(body)?;
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                self.define_view(&table, &view, &fields);
            }
            "overrideColumn" => self.override_by(read(body)?)?,
            "transformMap" => self.add_transform_map(&read::<TransformMap>(body)?),
            "outOfBoxData" => self.load_out_of_box_data(&read::<PasswordBody>(body)?.password, now),
            "innerCalls" => return Ok(json!(self.inner_calls())),
            _ => return Err(AdminError::UnknownAction(action.to_owned())),
        }
        Ok(json!({}))
    }

    fn change_switches(&mut self, body: &Value) -> Result<Value, AdminError> {
        let invalid = |error: serde_json::Error| AdminError::Invalid(error.to_string());
        let changes = body
            .as_object()
            .ok_or_else(|| AdminError::Invalid("switches are an object".to_owned()))?;
        self.switches = changed(&self.switches, changes).map_err(invalid)?;
        serde_json::to_value(&self.switches).map_err(invalid)
    }

    fn override_by(&mut self, asked: OverrideBody) -> Result<(), AdminError> {
        let known = self.override_column(&asked.table, &asked.element, |column| {
            column.mandatory = asked.mandatory.unwrap_or(column.mandatory);
            column.read_only = asked.read_only.unwrap_or(column.read_only);
            if let Some(value) = asked.default_value {
                column.default_value = value;
            }
        });
        known.then_some(()).ok_or(AdminError::UnknownField {
            object: asked.table,
            field: asked.element,
        })
    }
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, AdminError> {
    T::deserialize(body).map_err(|error| AdminError::Invalid(error.to_string()))
}

fn table(body: &TableBody) -> Result<Table, AdminError> {
    let table = match &body.extends {
        Some(parent) => Table::extending(parent, &body.name, &body.label),
        None => Table::base(&body.name, &body.label),
    };
    let table = match &body.number_prefix {
        Some(prefix) if body.extends.is_none() => table
            .numbered(prefix)
            .column(Column::string("number", 40).read_only().display()),
        Some(prefix) => table.numbered(prefix),
        None => table,
    };
    let columns = body.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(table.columns(columns))
}

fn column(body: &ColumnBody) -> Result<Column, AdminError> {
    let name = &body.name;
    let mut column = match body.r#type.as_str() {
        "string" => Column::string(name, 40),
        "choice" => Column::choice(name).choice_mode(ChoiceMode::WithNone),
        "integer" => Column::integer(name),
        "boolean" => Column::boolean(name),
        "decimal" => Column::decimal(name),
        "float" => Column::new(name, InternalType::Float, 40),
        "glide_date_time" => Column::date_time(name),
        "glide_date" => Column::date(name),
        "html" => Column::new(name, InternalType::Html, 65_000),
        "reference" => {
            let table = body.reference.as_deref();
            Column::reference(name, table.ok_or_else(|| missing("reference", name))?)
        }
        other => {
            return Err(AdminError::Invalid(format!(
                "column {name} has the unknown type {other:?}"
            )));
        }
    };
    if let Some(label) = &body.label {
        column = column.label(label);
    }
    if let Some(value) = &body.default_value {
        column = column.default_value(value);
    }
    column.max_length = body.max_length.unwrap_or(column.max_length);
    column.mandatory = body.mandatory;
    column.read_only = body.read_only;
    column.unique = body.unique;
    Ok(column)
}

fn missing(what: &str, column: &str) -> AdminError {
    AdminError::Invalid(format!("column {column} needs {what:?}"))
}
