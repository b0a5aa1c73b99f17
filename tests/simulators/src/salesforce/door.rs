//! The admin door: what tests and the demo ask of any service, and what can be administered in this one by name.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{AppPolicy, Field, FieldAccess, ObjectRights, Salesforce, UserState, ids};
use crate::model::{Admin, AdminError, Fields};

impl Admin for Salesforce {
    fn seed(&mut self, object: &str, fields: &Fields, at: Timestamp) -> Result<String, AdminError> {
        let object = self.known(object)?;
        let author = self.person("Seed");
        self.insert(&object, fields, &author, at)
            .map_err(|errors| refused(&errors))
    }

    fn edit_as_person(
        &mut self,
        object: &str,
        id: &str,
        fields: &Fields,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        self.settle_jobs(now);
        let (object, id) = self.at(object, id)?;
        let author = self.person(user);
        self.update(&object, &id, fields, &author, now)
            .map_err(|errors| refused(&errors))
    }

    fn delete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        self.settle_jobs(now);
        let (object, id) = self.at(object, id)?;
        let author = self.person(user);
        self.delete(&object, &id, &author, now)
            .map_err(|errors| refused(&errors))
    }

    fn undelete_as_person(
        &mut self,
        object: &str,
        id: &str,
        now: Timestamp,
        user: &str,
    ) -> Result<(), AdminError> {
        self.settle_jobs(now);
        let (object, id) = self.at(object, id)?;
        let author = self.person(user);
        self.undelete(&object, &id, &author, now)
            .map_err(|errors| refused(&errors))
    }

    fn record(&self, object: &str, id: &str) -> Option<Fields> {
        let object = self.schema.object(object)?;
        let row = self.store.row(&object.name, &ids::canonical(id)?)?;
        (!row.is_deleted()).then(|| row.fields.clone())
    }

    fn records(&self, object: &str) -> Vec<Fields> {
        let Some(object) = self.schema.object(object) else {
            return Vec::new();
        };
        // Ids sort by age.
        self.store
            .rows(&object.name)
            .filter(|row| !row.is_deleted())
            .map(|row| row.fields.clone())
            .collect()
    }

    /// | action | body |
    /// |---|---|
    /// | `users` | `{user, password?, state?}`; an unknown user is added |
    /// | `apps` | `{clientId, secret, runAs?, certificate?, policy?}`, as `AppPolicy` |
    /// | `consents` | `{clientId, user}`; answers `{refreshToken}` |
    /// | `fields` | `{object, field: {name, type, …}}`, keys as in `describe` |
    /// | `objects` | `{name, label}` |
    /// | `access` | `{user, object, field, access: hidden \| readOnly \| write}` or `{user, object, rights: {read, create, update, delete}}` |
    /// | `validation-rules`, `triggers`, `row-locks` | `ValidationRule`, `Trigger`, `RowLock` |
    /// | `duplicate-rules`, `record-types`, `call-refusals` | `DuplicateRule`, `RecordType` (answers `{id}`), `CallRefusal` |
    /// | `approval-locks` | `{object, id, locked}` |
    /// | `clear-rules`, `revoke-sessions`, `revoke-consents`, `drop-cursors` | nothing |
    /// | `requests-used-elsewhere`, `upsert-races` | a number |
    /// | `merge` | `{object, master, losers: [id], user?}` |
    /// | `hard-delete` | `{object, id, user?}` |
    /// | `empty-recycle-bin` | `{object?}` |
    /// | `purge-delete-log` | `{object}` |
    /// | `settings` | any of the keys of `Settings` |
    fn administer(&mut self, action: &str, body: &Value, now: Timestamp) -> Result<Value, AdminError> {
        self.settle_jobs(now);
        match action {
            "users" => self.administer_user(&read(body)?)?,
            "apps" => {
                let app: AppBody = read(body)?;
                self.add_connected_app(&app.client_id, &app.secret, app.run_as.as_deref());
                if let Some(pem) = &app.certificate {
                    self.set_certificate(&app.client_id, pem)?;
                }
                self.set_app_policy(&app.client_id, app.policy)?;
            }
            "consents" => {
                let asked: ConsentBody = read(body)?;
                return Ok(json!({"refreshToken": self.consent(&asked.client_id, &asked.user)?}));
            }
            "fields" => {
                let body: FieldBody = read(body)?;
                self.add_custom_field(&body.object, body.field)?;
            }
            "objects" => {
                let body: ObjectBody = read(body)?;
                self.add_custom_object(&body.name, &body.label);
            }
            "access" => self.administer_access(&read(body)?)?,
            "validation-rules" => self.add_validation_rule(read(body)?)?,
            "triggers" => self.add_trigger(read(body)?)?,
            "row-locks" => self.lock_row(read(body)?),
            "duplicate-rules" => self.add_duplicate_rule(read(body)?)?,
            "record-types" => return Ok(json!({"id": self.add_record_type(read(body)?)?})),
            "call-refusals" => self.refuse_calls(read(body)?),
            "approval-locks" => {
                let body: ApprovalBody = read(body)?;
                self.hold_for_approval(&body.object, &body.id, body.locked)?;
            }
            "clear-rules" => self.clear_rules(),
            "revoke-sessions" => self.revoke_sessions(),
            "revoke-consents" => self.revoke_consents(),
            "drop-cursors" => self.drop_cursors(),
            "requests-used-elsewhere" => self.set_requests_used_elsewhere(read(body)?),
            "upsert-races" => self.race_upserts(read(body)?),
            "settings" => {
                let mut settings = json!(self.settings);
                if let (Some(settings), Some(changes)) = (settings.as_object_mut(), body.as_object()) {
                    settings.extend(changes.clone());
                }
                self.settings = read(&settings)?;
                return Ok(settings);
            }
            "merge" | "hard-delete" | "empty-recycle-bin" | "purge-delete-log" => {
                self.administer_bin(action, &read(body)?, now)?;
            }
            _ => return Err(AdminError::UnknownAction(action.to_owned())),
        }
        Ok(json!({}))
    }
}

impl Salesforce {
    fn administer_user(&mut self, body: &UserBody) -> Result<(), AdminError> {
        if self.directory.user(&body.user).is_none() {
            self.add_user(&body.user, body.password.as_deref().unwrap_or_default());
        } else if let Some(password) = &body.password {
            self.set_password(&body.user, password)?;
        }
        body.state
            .map_or(Ok(()), |state| self.set_user_state(&body.user, state))
    }

    fn administer_bin(&mut self, action: &str, body: &BinBody, now: Timestamp) -> Result<(), AdminError> {
        let needed = |field: &Option<String>, name: &str| {
            let field = field.clone();
            field.ok_or_else(|| AdminError::Invalid(format!("{action} needs {name:?}")))
        };
        let user = body.user.as_deref().unwrap_or("Admin");
        match action {
            "merge" => {
                let (object, master) = (needed(&body.object, "object")?, needed(&body.master, "master")?);
                self.merge_as_person(&object, &master, &body.losers, now, user)
            }
            "hard-delete" => {
                let (object, id) = (needed(&body.object, "object")?, needed(&body.id, "id")?);
                self.hard_delete_as_person(&object, &id, now, user)
            }
            "empty-recycle-bin" => {
                self.empty_recycle_bin(body.object.as_deref());
                Ok(())
            }
            _ => self.purge_delete_log(&needed(&body.object, "object")?, now),
        }
    }

    fn administer_access(&mut self, body: &AccessBody) -> Result<(), AdminError> {
        if let Some(rights) = body.rights {
            self.set_object_rights(&body.user, &body.object, rights)?;
        }
        if let (Some(field), Some(access)) = (&body.field, body.access) {
            self.set_field_access(&body.user, &body.object, field, access)?;
        }
        Ok(())
    }
}

/// A person is told what a client is told.
pub(crate) fn refused(errors: &[ApiError]) -> AdminError {
    let told: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error.code, error.message))
        .collect();
    AdminError::Invalid(told.join("; "))
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, AdminError> {
    serde_json::from_value(body.clone()).map_err(|error| AdminError::Invalid(error.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserBody {
    user: String,
    password: Option<String>,
    state: Option<UserState>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AppBody {
    client_id: String,
    secret: String,
    run_as: Option<String>,
    certificate: Option<String>,
    #[serde(default)]
    policy: AppPolicy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsentBody {
    client_id: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct BinBody {
    object: Option<String>,
    id: Option<String>,
    master: Option<String>,
    losers: Vec<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalBody {
    object: String,
    id: String,
    locked: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldBody {
    object: String,
    field: Field,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectBody {
    name: String,
    label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessBody {
    user: String,
    object: String,
    field: Option<String>,
    access: Option<FieldAccess>,
    rights: Option<ObjectRights>,
}
