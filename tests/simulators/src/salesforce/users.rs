//! Who may sign in, with what, and what each may see and change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::jwt::PublicKey;

/// Whether a user can sign in and use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserState {
    /// Everything works.
    Active,
    /// Locked out: signing in fails as with a wrong password, and open sessions end.
    Locked,
    /// Deactivated by an administrator.
    Inactive,
    /// The password has expired: signing in works, every call after it is refused.
    PasswordExpired,
}

/// What a user may do with the records of an object, whatever the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four rights, as Salesforce's profiles have them"
)]
pub struct ObjectRights {
    /// May see the object at all.
    pub read: bool,
    /// May make records.
    pub create: bool,
    /// May change records.
    pub update: bool,
    /// May delete records.
    pub delete: bool,
}

impl Default for ObjectRights {
    fn default() -> Self {
        Self {
            read: true,
            create: true,
            update: true,
            delete: true,
        }
    }
}

/// A user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub id: String,
    pub name: String,
    pub password: String,
    pub state: UserState,
    pub failed_logins: u32,
    rights: BTreeMap<String, ObjectRights>,
    hidden: BTreeSet<(String, String)>,
    read_only: BTreeSet<(String, String)>,
}

impl User {
    pub fn rights(&self, object: &str) -> ObjectRights {
        self.rights
            .get(&object.to_ascii_lowercase())
            .copied()
            .unwrap_or_default()
    }

    pub fn set_rights(&mut self, object: &str, rights: ObjectRights) {
        self.rights.insert(object.to_ascii_lowercase(), rights);
    }

    /// Whether field-level security hides the field from the user.
    pub fn is_hidden(&self, object: &str, field: &str) -> bool {
        self.hidden.contains(&key(object, field))
    }

    /// Whether field-level security keeps the user from writing the field.
    pub fn is_read_only(&self, object: &str, field: &str) -> bool {
        self.read_only.contains(&key(object, field))
    }

    pub fn set_field_access(&mut self, object: &str, field: &str, access: FieldAccess) {
        let key = key(object, field);
        self.hidden.remove(&key);
        self.read_only.remove(&key);
        match access {
            FieldAccess::Hidden => self.hidden.insert(key),
            FieldAccess::ReadOnly => self.read_only.insert(key),
            FieldAccess::Write => true,
        };
    }
}

fn key(object: &str, field: &str) -> (String, String) {
    (object.to_ascii_lowercase(), field.to_ascii_lowercase())
}

/// What field-level security lets a user do with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldAccess {
    /// The field does not exist, as far as the user can tell.
    Hidden,
    /// It can be read.
    ReadOnly,
    /// It can be read and written.
    Write,
}

/// A connected app: what OAuth flows sign in with.
#[derive(Debug, Clone)]
pub(crate) struct ConnectedApp {
    pub secret: String,
    /// The user that client credentials run as; without one that flow is not enabled.
    pub run_as: Option<String>,
    /// The key under which assertions are signed; without one the JWT bearer flow is not enabled.
    pub key: Option<PublicKey>,
    pub policy: AppPolicy,
}

/// The OAuth policies of a connected app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AppPolicy {
    /// The users that an administrator has approved for it; absent where every user may authorize it.
    pub approved_users: Option<BTreeSet<String>>,
    /// *Refresh Token Rotation*: each use of a refresh token gives a new one and kills the old one at once. Use of a
    /// dead one ends the consent.
    pub rotates_refresh_tokens: bool,
    /// *Require Secret for Refresh Token Flow*.
    pub secret_for_refresh: bool,
}

impl Default for AppPolicy {
    fn default() -> Self {
        Self {
            approved_users: None,
            rotates_refresh_tokens: false,
            secret_for_refresh: true,
        }
    }
}

/// All users and apps of one org, by name and by client id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    users: BTreeMap<String, Arc<User>>,
    apps: BTreeMap<String, ConnectedApp>,
}

impl Directory {
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    pub fn user_mut(&mut self, name: &str) -> Option<&mut User> {
        self.users.get_mut(name).map(Arc::make_mut)
    }

    pub fn add_user(&mut self, name: &str, password: &str, id: String) {
        let user = User {
            id,
            name: name.to_owned(),
            password: password.to_owned(),
            state: UserState::Active,
            failed_logins: 0,
            rights: BTreeMap::new(),
            hidden: BTreeSet::new(),
            read_only: BTreeSet::new(),
        };
        self.users.insert(name.to_owned(), Arc::new(user));
    }

    pub fn app(&self, client_id: &str) -> Option<&ConnectedApp> {
        self.apps.get(client_id)
    }

    pub fn app_mut(&mut self, client_id: &str) -> Option<&mut ConnectedApp> {
        self.apps.get_mut(client_id)
    }

    pub fn add_app(&mut self, client_id: &str, app: ConnectedApp) {
        self.apps.insert(client_id.to_owned(), app);
    }
}
