//! What an administrator does to an org, from code.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bulk::Jobs;
use super::schema::Schema;
use super::users::{AppPolicy, ConnectedApp};
use super::{
    Author, CallRefusal, Cursors, Directory, DuplicateRule, Field, FieldAccess, Limits, Object, ObjectRights,
    RecordType, RefreshTokens, RowLock, Rules, Salesforce, Sessions, Settings, Store, Trigger, UserState,
    ValidationRule, ids,
};
use crate::jwt::PublicKey;
use crate::model::{Actor, AdminError};

/// The user that a fresh org's connected app runs as.
pub const INTEGRATION_USER: &str = "integration@acme.example";
/// Its password.
pub const INTEGRATION_PASSWORD: &str = "integration-password";
/// A fresh org's connected app.
pub const CLIENT_ID: &str = "3MVG9syncflow";
/// Its secret.
pub const CLIENT_SECRET: &str = "connected-app-secret";

impl Default for Salesforce {
    fn default() -> Self {
        Self::new()
    }
}

impl Salesforce {
    /// A fresh org: the standard objects, no records, one integration user and one connected app that runs as it.
    pub fn new() -> Self {
        let mut org = Self {
            settings: Settings::default(),
            schema: Schema::standard(),
            store: Store::default(),
            directory: Directory::default(),
            sessions: Sessions::default(),
            refresh_tokens: RefreshTokens::default(),
            rules: Rules::default(),
            limits: Limits::default(),
            cursors: Cursors::default(),
            jobs: Jobs::default(),
            writes: Vec::new(),
            handling: None,
        };
        org.add_user(INTEGRATION_USER, INTEGRATION_PASSWORD);
        org.add_connected_app(CLIENT_ID, CLIENT_SECRET, Some(INTEGRATION_USER));
        org
    }

    /// Adds a user, or replaces the one of that name with a new one.
    pub fn add_user(&mut self, name: &str, password: &str) {
        let Some(object) = self.schema.object("User").cloned() else {
            return;
        };
        let id = self.store.next_id(&object);
        let row = json!({
            "Id": id, "Username": name, "LastName": name, "Name": name, "Email": name, "IsActive": true,
            "CreatedDate": "2020-01-01T00:00:00.000+0000",
            "LastModifiedDate": "2020-01-01T00:00:00.000+0000",
            "SystemModstamp": "2020-01-01T00:00:00.000+0000",
        });
        if let Value::Object(fields) = row {
            self.store
                .put(&object, &id, fields, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        }
        self.directory.add_user(name, password, id);
    }

    /// Adds a connected app; without `run_as` its client-credentials flow is not enabled.
    pub fn add_connected_app(&mut self, client_id: &str, secret: &str, run_as: Option<&str>) {
        let app = ConnectedApp {
            secret: secret.to_owned(),
            run_as: run_as.map(str::to_owned),
            key: None,
            policy: AppPolicy::default(),
        };
        self.directory.add_app(client_id, app);
    }

    /// Gives an app the certificate (or public key) in PEM under which it signs assertions.
    pub fn set_certificate(&mut self, client_id: &str, pem: &str) -> Result<(), AdminError> {
        let key = PublicKey::from_pem(pem)
            .ok_or_else(|| AdminError::Invalid("neither a certificate nor a public key in PEM".into()))?;
        let app = self.directory.app_mut(client_id);
        app.ok_or_else(|| unknown_app(client_id))?.key = Some(key);
        Ok(())
    }

    /// Sets an app's OAuth policies.
    pub fn set_app_policy(&mut self, client_id: &str, policy: AppPolicy) -> Result<(), AdminError> {
        let app = self.directory.app_mut(client_id);
        app.ok_or_else(|| unknown_app(client_id))?.policy = policy;
        Ok(())
    }

    /// A user agrees to an app in the browser: gives the refresh token that the web server flow ends with.
    pub fn consent(&mut self, client_id: &str, user: &str) -> Result<String, AdminError> {
        self.directory
            .app(client_id)
            .ok_or_else(|| unknown_app(client_id))?;
        self.directory.user(user).ok_or_else(|| unknown_user(user))?;
        Ok(self.refresh_tokens.consent(client_id, user))
    }

    /// Ends every consent: no refresh token works any more. Sessions last until they end.
    pub fn revoke_consents(&mut self) {
        self.refresh_tokens.revoke_all();
    }

    /// Locks, deactivates or restores a user.
    pub fn set_user_state(&mut self, name: &str, state: UserState) -> Result<(), AdminError> {
        let user = self.directory.user_mut(name).ok_or_else(|| unknown_user(name))?;
        user.state = state;
        user.failed_logins = 0;
        Ok(())
    }

    /// Changes a user's password, and ends every session, as a change of password does.
    pub fn set_password(&mut self, name: &str, password: &str) -> Result<(), AdminError> {
        let user = self.directory.user_mut(name).ok_or_else(|| unknown_user(name))?;
        password.clone_into(&mut user.password);
        self.sessions.revoke_all();
        Ok(())
    }

    /// Says what a user may do with an object's records.
    pub fn set_object_rights(
        &mut self,
        user: &str,
        object: &str,
        rights: ObjectRights,
    ) -> Result<(), AdminError> {
        let user = self.directory.user_mut(user).ok_or_else(|| unknown_user(user))?;
        user.set_rights(object, rights);
        Ok(())
    }

    /// Field-level security: says what a user may do with a field.
    pub fn set_field_access(
        &mut self,
        user: &str,
        object: &str,
        field: &str,
        access: FieldAccess,
    ) -> Result<(), AdminError> {
        let user = self.directory.user_mut(user).ok_or_else(|| unknown_user(user))?;
        user.set_field_access(object, field, access);
        Ok(())
    }

    /// Ends every session: the next call with any old token is a 401.
    pub fn revoke_sessions(&mut self) {
        self.sessions.revoke_all();
    }

    /// Closes every query cursor: the next page asked for is an `INVALID_QUERY_LOCATOR`.
    pub fn drop_cursors(&mut self) {
        self.cursors.drop_all();
    }

    /// How many calls the last 24 hours had, other applications' included.
    pub fn requests_used(&self, now: Timestamp) -> u64 {
        self.limits.used(now)
    }

    /// Says how many of the day's requests the customer's other applications have used.
    pub fn set_requests_used_elsewhere(&mut self, used: u64) {
        self.limits.set_used_elsewhere(used);
    }

    /// An object as an administrator sees it.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.schema.object(name).map(Arc::as_ref)
    }

    /// Adds a field to an object, or replaces the one of that name.
    pub fn add_custom_field(&mut self, object: &str, field: Field) -> Result<(), AdminError> {
        if field.name.is_empty() {
            return Err(AdminError::Invalid("a field needs a name".into()));
        }
        if self.schema.add_field(object, field) {
            Ok(())
        } else {
            Err(AdminError::UnknownObject(object.into()))
        }
    }

    /// Adds a custom object such as `Ticket__c`, with a `Name` and the fields every object has.
    pub fn add_custom_object(&mut self, name: &str, label: &str) {
        self.schema.add_custom_object(name, label);
    }

    /// Adds a validation rule.
    pub fn add_validation_rule(&mut self, rule: ValidationRule) -> Result<(), AdminError> {
        let object = self.known(&rule.object)?;
        self.rules.add_validation(&object, rule)
    }

    /// Adds a trigger.
    pub fn add_trigger(&mut self, trigger: Trigger) -> Result<(), AdminError> {
        let object = self.known(&trigger.object)?;
        if let Some(field) = trigger.set.keys().find(|name| object.field(name).is_none()) {
            return Err(AdminError::UnknownField {
                object: object.name.clone(),
                field: field.clone(),
            });
        }
        self.rules.add_trigger(&object, trigger)
    }

    /// Has someone else's transaction hold a row for some writes.
    pub fn lock_row(&mut self, lock: RowLock) {
        self.rules.add_lock(lock);
    }

    /// Has so many of the next upserts look for their record just before another request makes it, and write just after:
    /// a unique field refuses them with `DUPLICATE_VALUE`, any other lets a second record in.
    pub fn race_upserts(&mut self, times: u32) {
        self.rules.race_upserts(times);
    }

    /// Adds a duplicate rule.
    pub fn add_duplicate_rule(&mut self, rule: DuplicateRule) -> Result<(), AdminError> {
        rule.check(&*self.known(&rule.object)?)?;
        self.rules.add_duplicate_rule(rule);
        Ok(())
    }

    /// Adds a record type to an object and gives its id.
    pub fn add_record_type(&mut self, record_type: RecordType) -> Result<String, AdminError> {
        let object = record_type.object.clone();
        self.schema
            .add_record_type(record_type)
            .ok_or(AdminError::UnknownObject(object))
    }

    /// Has an approval process hold a record, or let it go: clients of the API cannot write a record that is held.
    pub fn hold_for_approval(&mut self, object: &str, id: &str, held: bool) -> Result<(), AdminError> {
        let (_, id) = self.at(object, id)?;
        self.rules.hold_for_approval(&id, held);
        Ok(())
    }

    /// Has some of the next calls refused.
    pub fn refuse_calls(&mut self, refusal: CallRefusal) {
        self.limits.refuse(refusal);
    }

    /// Takes every validation rule, duplicate rule, trigger and lock away.
    pub fn clear_rules(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn known(&self, object: &str) -> Result<Arc<Object>, AdminError> {
        self.schema
            .object(object)
            .cloned()
            .ok_or_else(|| AdminError::UnknownObject(object.to_owned()))
    }

    /// A person at the screen; an unknown one is hired on the spot.
    pub(crate) fn person(&mut self, name: &str) -> Author {
        if self.directory.user(name).is_none() {
            self.add_user(name, "");
        }
        let id = self
            .directory
            .user(name)
            .map(|user| user.id.clone())
            .unwrap_or_default();
        Author {
            id,
            actor: Actor::Person(name.to_owned()),
            user: None,
            duplicates: None,
        }
    }

    pub(crate) fn at(&self, object: &str, id: &str) -> Result<(Arc<Object>, String), AdminError> {
        let object = self.known(object)?;
        let unknown = || AdminError::UnknownRecord {
            object: object.name.clone(),
            id: id.to_owned(),
        };
        let id = ids::canonical(id).ok_or_else(unknown)?;
        self.store.row(&object.name, &id).ok_or_else(unknown)?;
        Ok((object, id))
    }
}

fn unknown_user(name: &str) -> AdminError {
    AdminError::Invalid(format!("no user named {name:?}"))
}

fn unknown_app(client_id: &str) -> AdminError {
    AdminError::Invalid(format!("no connected app {client_id:?}"))
}
