//! What the services are signed in with, and where it is read from.
//!
//! A credential is read when it is needed (at sign-in, and again when the service no longer takes what came of it) and
//! dropped after; nobody keeps one. `Debug` shows no secret: `secrecy` sees to that.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::core::failure::Problem;

/// Where a credential of one kind is read: in the cluster from a Secret, by name.
#[async_trait]
pub trait CredentialSource<C>: Send + Sync {
    /// Reads it now. The problem, where it cannot be read or lacks a key, names the Secret and the key.
    async fn credential(&self) -> Result<C, Problem>;

    /// What messages call it, such as `Secret salesforce-oauth`.
    fn name(&self) -> &str;
}

/// What Salesforce is signed in with. Both are OAuth 2.0 grants of a connected app (or external client app).
#[derive(Clone, Debug)]
pub enum SalesforceCredential {
    /// The client credentials flow: calls run as the app's "run as" user. Needs the org's My Domain as login URL.
    ClientCredentials {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: SecretString,
    },
    /// The username-password flow, which many orgs block.
    UsernamePassword {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: SecretString,
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretString,
        /// The user's security token, needed where the operator's address is not trusted by the org.
        security_token: Option<SecretString>,
    },
}

/// What ServiceNow is signed in with.
#[derive(Clone, Debug)]
pub enum ServiceNowCredential {
    /// User name and password in every call.
    Basic {
        /// The user's `user_name`.
        username: String,
        /// The user's password.
        password: SecretString,
    },
    /// OAuth 2.0, password grant.
    OauthPassword {
        /// The client id of the OAuth API endpoint for external clients.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// The user's `user_name`.
        username: String,
        /// The user's password.
        password: SecretString,
    },
}
