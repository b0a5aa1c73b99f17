//! Who is calling.
//!
//! Users are rows of `sys_user`, so that a person (or a test) who clears `locked_out` or `password_needs_reset` there
//! changes who may sign in.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

use super::ServiceNow;
use super::clock;
use super::errors::ApiError;
use super::oauth;
use super::query::evaluator::{Scope, ScriptCaller};
use super::request::Call;
use super::store::{Reading, Values};

/// A user for the length of one request.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    pub(super) user_name: String,
    pub(super) sys_id: String,
    pub(super) roles: BTreeSet<String>,
    pub(super) zone: TimeZone,
}

impl Principal {
    /// The platform itself, which runs rules and defaults.
    pub(super) fn system() -> Self {
        Self {
            user_name: "system".to_owned(),
            sys_id: String::new(),
            roles: BTreeSet::from(["admin".to_owned()]),
            zone: TimeZone::UTC,
        }
    }

    pub(super) fn is_admin(&self) -> bool {
        self.roles.contains("admin")
    }
}

impl ServiceNow {
    /// The user a request comes from, by basic credentials or a token.
    pub(super) fn authenticate(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Principal, ApiError> {
        let user_name = if let Some((user_name, password)) = call.basic() {
            if self.needs_second_factor(&user_name) {
                return Err(ApiError::second_factor());
            }
            self.check_password(&user_name, &password).then_some(user_name)
        } else {
            let token = call.bearer().and_then(|token| self.oauth.user_of(token, now));
            token
                .filter(|user_name| self.may_sign_in(user_name))
                .map(str::to_owned)
        };
        user_name
            .and_then(|user_name| self.principal(&user_name))
            .ok_or_else(ApiError::not_authenticated)
    }

    /// Whether the password is right and the user may sign in at all. Enough failures in a row lock the account, where
    /// the instance has it so.
    pub(super) fn check_password(&mut self, user_name: &str, password: &str) -> bool {
        let right = self.user(user_name).is_some_and(|row| {
            row.get("user_password")
                .is_some_and(|known| !known.is_empty() && known == password)
        });
        let user = user_name.to_lowercase();
        if right && self.may_sign_in(user_name) {
            self.failed_sign_ins.remove(&user);
            return true;
        }
        let failed = self.failed_sign_ins.entry(user).or_default();
        *failed += 1;
        if self.switches.lock_out_after.is_some_and(|most| *failed >= most)
            && let Some(mut row) = self.user(user_name).cloned()
        {
            row.insert("locked_out".to_owned(), "true".to_owned());
            self.put_meta("sys_user", row);
        }
        false
    }

    fn needs_second_factor(&self, user_name: &str) -> bool {
        self.switches.multi_factor_users.contains(user_name)
    }

    /// Active, not locked out, and not told to reset the password where the instance enforces that for API requests.
    fn may_sign_in(&self, user_name: &str) -> bool {
        self.user(user_name).is_some_and(|row| {
            let is = |column: &str| row.get(column).is_some_and(|value| value == "true");
            let must_reset = self.switches.reset_password_mandatory && is("password_needs_reset");
            is("active") && !is("locked_out") && !must_reset
        })
    }

    pub(super) fn principal(&self, user_name: &str) -> Option<Principal> {
        let row = self.user(user_name)?;
        let own_zone = row.get("time_zone").filter(|zone| !zone.is_empty());
        Some(Principal {
            user_name: row.get("user_name")?.clone(),
            sys_id: row.get("sys_id")?.clone(),
            roles: self
                .roles
                .get(&user_name.to_lowercase())
                .cloned()
                .unwrap_or_default(),
            zone: clock::zone(own_zone.map_or_else(|| self.property("glide.sys.default.tz"), String::as_str)),
        })
    }

    /// The row of a user; names are not case-sensitive.
    pub(super) fn user(&self, user_name: &str) -> Option<&Values> {
        let mut users = self.store.rows(&self.schema, "sys_user", Reading::NEWEST);
        let named = |row: &Values| {
            row.get("user_name")
                .is_some_and(|name| name.eq_ignore_ascii_case(user_name))
        };
        users.find(|(_, row)| named(row)).map(|(_, row)| row)
    }

    /// The value of a system property, empty where there is none.
    pub(super) fn property(&self, name: &str) -> &str {
        let mut properties = self.store.rows(&self.schema, "sys_properties", Reading::NEWEST);
        let found = properties.find(|(_, row)| row.get("name").is_some_and(|known| known == name));
        found
            .and_then(|(_, row)| row.get("value"))
            .map_or("", String::as_str)
    }

    /// What conditions are evaluated against, for this user at this moment.
    pub(super) fn scope<'a>(&'a self, principal: &'a Principal, now: Timestamp) -> Scope<'a> {
        Scope {
            schema: &self.schema,
            store: &self.store,
            caller: ScriptCaller {
                sys_id: &principal.sys_id,
                user_name: &principal.user_name,
                zone: &principal.zone,
                now,
            },
            local_literals: self.switches.query_times_are_local,
        }
    }

    /// Answers `/oauth_token.do`.
    pub(super) fn token(&mut self, call: &Call<'_>, now: Timestamp) -> crate::model::Response {
        let asked = match oauth::Asked::of(call) {
            Ok(asked) => asked,
            Err(refused) => return refused.response(),
        };
        let user_name = match self
            .oauth
            .user_for(&asked, &self.switches, &self.instance_url, now)
        {
            Ok(oauth::User::Known(user_name)) if self.may_sign_in(&user_name) => user_name,
            Ok(oauth::User::WithPassword { user_name, password })
                if !self.needs_second_factor(&user_name) && self.check_password(&user_name, &password) =>
            {
                user_name
            }
            Ok(_) => return oauth::Refused::AccessDenied.response(),
            Err(refused) => return refused.response(),
        };
        self.oauth
            .issue(&asked, &user_name, &self.switches, now, &mut self.ids)
    }
}
