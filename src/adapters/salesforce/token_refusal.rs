//! What a refusal of the token endpoint means, and what to click.

use std::time::Duration;

use serde::Deserialize;

use super::auth::TokenRequest;
use crate::adapters::credential::SalesforceCredential;
use crate::adapters::http::failure;
use crate::ports::RemoteError;

/// A refused sign-in. Salesforce's description only chooses among our texts and is not repeated.
#[derive(Deserialize)]
pub(super) struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Refusal {
    /// What it means for what was asked.
    pub(super) fn explained(&self, asked: &TokenRequest<'_>) -> RemoteError {
        let code = self.code();
        if self.says("rate exceeded") {
            return failure::throttled(
                "SignInThrottled",
                "Salesforce refuses further sign-ins for now (login rate exceeded)",
                Some(Duration::from_mins(1)),
            );
        }
        if matches!(code, "unknown_error" | "server_error" | "temporarily_unavailable") {
            return failure::transient(
                "SignInFailed",
                format!("Salesforce could not sign us in ({code})"),
            );
        }
        let source = asked.source;
        let remedy = match (self.of_the_app(), self.of_the_user()) {
            (Some(remedy), _) | (None, Some(remedy)) => remedy,
            (None, None) if matches!(asked.credential, SalesforceCredential::RefreshToken { .. }) => {
                return self.consent_needed(asked);
            }
            (None, None) => self.of_the_flow(asked.credential),
        };
        failure::unauthenticated(
            "SignInRefused",
            format!("Salesforce refuses the credential in {source} ({code}): {remedy}."),
        )
    }

    /// The app is at fault, whatever the flow.
    fn of_the_app(&self) -> Option<&'static str> {
        match self.code() {
            "invalid_client_id" | "invalid_client" => Some(
                "copy the consumer key and secret again from Setup > App Manager > (the app) > Manage Consumer \
                 Details",
            ),
            _ if self.says("approved this consumer") => Some(
                "let the user's profile or permission set use the app: Setup > App Manager > (the app) > Manage > \
                 Edit Policies > Permitted Users: Admin approved users are pre-authorized, then Manage Profiles or \
                 Manage Permission Sets",
            ),
            _ => None,
        }
    }

    /// The user is at fault, whatever the flow.
    fn of_the_user(&self) -> Option<&'static str> {
        match self.code() {
            "inactive_user" | "inactive_org" => {
                Some("activate the user in Setup > Users, or use another user")
            }
            _ if self.says("locked") => Some("unlock the user in Setup > Users > (the user) > Unlock"),
            _ if self.says("ip restricted") || self.says("login hours") => Some(
                "let the user's profile log in from the operator's address and at any hour: Setup > Profiles > \
                 (the profile) > Login IP Ranges, Login Hours; or relax the app's IP restrictions in Setup > App \
                 Manager > (the app) > Manage > Edit Policies",
            ),
            _ => None,
        }
    }

    fn of_the_flow(&self, credential: &SalesforceCredential) -> &'static str {
        let switched_off = matches!(self.code(), "unsupported_grant_type" | "unauthorized_client");
        match credential {
            SalesforceCredential::ClientCredentials { .. } if switched_off => {
                "enable the Client Credentials Flow in Setup > App Manager > (the app) > Edit"
            }
            SalesforceCredential::ClientCredentials { .. } if self.says("not supported on this domain") => {
                "set loginUrl to the org's My Domain (https://….my.salesforce.com); client credentials do not work \
                 on login.salesforce.com"
            }
            SalesforceCredential::ClientCredentials { .. } if self.says("no client credentials user") => {
                "choose the Run As user in Setup > App Manager > (the app) > Manage > Edit Policies > Client \
                 Credentials Flow"
            }
            SalesforceCredential::ClientCredentials { .. } => {
                "check in Setup > App Manager > (the app) > Manage that the Client Credentials Flow has an active \
                 Run As user, and that the consumer secret was not rotated"
            }
            SalesforceCredential::JwtBearer { .. } if self.says("audience") => {
                "set audience in the Connection to the authorization server of the org: https://login.salesforce.com, \
                 for a sandbox https://test.salesforce.com, or the org's My Domain"
            }
            SalesforceCredential::JwtBearer { .. } if self.says("expired") => {
                "the assertion was over before it arrived: set the clock of the operator's node right"
            }
            SalesforceCredential::JwtBearer { .. } if switched_off => {
                "enable the JWT Bearer Flow in Setup > App Manager > (the app) > Edit"
            }
            SalesforceCredential::JwtBearer { .. } => {
                "check in Setup > App Manager > (the app) > Edit > Use digital signatures that the certificate belongs \
                 to the privateKey, and in Setup > Users that the username is an active user who is not locked out"
            }
            SalesforceCredential::UsernamePassword { .. } if switched_off => {
                "allow OAuth Username-Password Flows in Setup > OAuth and OpenID Connect Settings, or use client \
                 credentials"
            }
            SalesforceCredential::UsernamePassword { .. } | SalesforceCredential::RefreshToken { .. } => {
                "check the user name, password and security token, in Setup > Users > (the user) that the user is \
                 active, not locked, and its password not expired, and in Setup > OAuth and OpenID Connect Settings \
                 that OAuth Username-Password Flows are allowed"
            }
        }
    }

    /// The refresh token is dead. Nothing but another consent helps, so it is not tried again and again.
    fn consent_needed(&self, asked: &TokenRequest<'_>) -> RemoteError {
        let (code, source) = (self.code(), asked.source);
        let doubt = if asked.in_doubt {
            " The answer to the refresh before this one was lost, and with it, probably, the token that replaced this \
             one."
        } else {
            ""
        };
        failure::unauthenticated(
            "ConsentNeeded",
            format!(
                "Salesforce does not take the refresh token of {source} any more ({code}): it was revoked, it expired \
                 by the app's Refresh Token Policy, or it was used up elsewhere (another program, another Connection, \
                 or an operator that ended before it could keep the next one).{doubt} Authorize the app again as the \
                 integration user, and put the new refreshToken into {source}."
            ),
        )
    }

    fn says(&self, text: &str) -> bool {
        self.error_description.to_ascii_lowercase().contains(text)
    }

    /// The error code, if it looks like one.
    fn code(&self) -> &str {
        let plausible = (1..=40).contains(&self.error.len())
            && self
                .error
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if plausible { &self.error } else { "no error code" }
    }
}
