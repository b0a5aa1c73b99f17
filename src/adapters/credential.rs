//! What the services are signed in with, and where it is read from.
//!
//! A credential is read when it is needed (at sign-in, and again when the service no longer takes what came of it) and
//! dropped after; nobody keeps one. `Debug` shows no secret: `secrecy` sees to that.

use async_trait::async_trait;
use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretString};

use crate::core::failure::Problem;

/// Where a credential of one kind is read: in the cluster from a Secret, by name.
#[async_trait]
pub trait CredentialSource<C>: Send + Sync {
    /// Reads it now. The problem, where it cannot be read or lacks a key, names the Secret and the key.
    async fn credential(&self) -> Result<C, Problem>;

    /// What messages call it, such as `Secret salesforce-oauth`.
    fn name(&self) -> &str;

    /// Keeps the refresh token that the service gave in exchange for another, so that
    /// [`CredentialSource::credential`] gives it from now on. Called before anything that came with it is used: the
    /// other one is dead already, and without this one only a person can sign in again. May be called again after a
    /// failure.
    ///
    /// A source of other credentials has nothing to keep it in.
    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        let _ = next;
        Err(Problem::human(
            "RotationNotKept",
            format!("{} cannot keep a refresh token that was rotated", self.name()),
        ))
    }
}

/// A refresh token.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// The token.
    pub token: SecretString,
    /// What its source knows the first of its line by, whatever took its place since. Means nothing to anybody else.
    pub lineage: String,
}

impl RefreshToken {
    /// The token that came in exchange for this one; `None` where it is the same one again.
    pub(super) fn successor(&self, next: Option<String>) -> Option<Self> {
        let next = next.filter(|next| next != self.token.expose_secret())?;
        Some(Self {
            token: next.into(),
            lineage: self.lineage.clone(),
        })
    }
}

/// What Salesforce is signed in with: OAuth 2.0 grants of a connected app (or external client app).
#[derive(Clone, Debug)]
pub enum SalesforceCredential {
    /// The client credentials flow: calls run as the app's "run as" user. Needs the org's My Domain as login URL.
    ClientCredentials {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: SecretString,
    },
    /// The JWT bearer flow: calls run as a user whom the app is approved for, proven by a signature.
    JwtBearer {
        /// The consumer key.
        client_id: String,
        /// The user's name.
        username: String,
        /// The RSA key in PEM whose certificate the app holds.
        private_key: SecretString,
        /// The `aud` of assertions, where it is not to be told from the login URL.
        audience: Option<String>,
    },
    /// The refresh token flow: calls run as the user who consented once in a browser.
    RefreshToken {
        /// The consumer key.
        client_id: String,
        /// The consumer secret, where the app requires it.
        client_secret: Option<SecretString>,
        /// The newest refresh token.
        refresh_token: RefreshToken,
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
    /// OAuth 2.0, client credentials grant: calls run as the entry's *OAuth Application User*.
    OauthClientCredentials {
        /// The client id.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
    /// OAuth 2.0, refresh token grant: calls run as the user who consented once in a browser.
    RefreshToken {
        /// The client id.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// The newest refresh token.
        refresh_token: RefreshToken,
    },
    /// OAuth 2.0, JWT bearer grant: calls run as the user that the assertion names.
    JwtBearer {
        /// The client id.
        client_id: String,
        /// Its secret, where the entry asks for one.
        client_secret: Option<SecretString>,
        /// What the instance finds the user by, most often the `user_name`.
        username: String,
        /// The RSA key in PEM whose certificate the entry's JWT verifier map holds.
        private_key: SecretString,
        /// The key id (`kid`) of that map.
        key_id: Option<String>,
        /// The `aud` of assertions, where it is not the client id.
        audience: Option<String>,
    },
}

/// Tells whether a credential changed, without keeping it: SHA-256 over its parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; digest::SHA256_OUTPUT_LEN]);

impl Fingerprint {
    fn of(kind: &str, parts: &[&str]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [kind].iter().chain(parts) {
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut fingerprint = [0; digest::SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(context.finish().as_ref());
        Self(fingerprint)
    }
}

/// A secret that may be missing; nothing and empty are the same.
fn exposed(secret: Option<&SecretString>) -> &str {
    secret.map_or("", |secret| secret.expose_secret())
}

impl SalesforceCredential {
    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::ClientCredentials {
                client_id,
                client_secret,
            } => Fingerprint::of("client", &[client_id, client_secret.expose_secret()]),
            Self::JwtBearer {
                client_id,
                username,
                private_key,
                audience,
            } => {
                let audience = audience.as_deref().unwrap_or_default();
                Fingerprint::of(
                    "jwt",
                    &[client_id, username, private_key.expose_secret(), audience],
                )
            }
            Self::RefreshToken {
                client_id,
                client_secret,
                refresh_token,
            } => {
                let secret = exposed(client_secret.as_ref());
                Fingerprint::of(
                    "refresh",
                    &[client_id, secret, refresh_token.token.expose_secret()],
                )
            }
            Self::UsernamePassword {
                client_id,
                client_secret,
                username,
                password,
                security_token,
            } => Fingerprint::of(
                "password",
                &[
                    client_id,
                    client_secret.expose_secret(),
                    username,
                    password.expose_secret(),
                    exposed(security_token.as_ref()),
                ],
            ),
        }
    }

    /// Does each failed attempt with it count towards the lock-out of an account?
    pub const fn can_lock(&self) -> bool {
        matches!(self, Self::UsernamePassword { .. })
    }
}

impl ServiceNowCredential {
    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Basic { username, password } => {
                Fingerprint::of("basic", &[username, password.expose_secret()])
            }
            Self::OauthPassword {
                client_id,
                client_secret,
                username,
                password,
            } => {
                let secrets = [client_secret.expose_secret(), password.expose_secret()];
                Fingerprint::of("password", &[client_id, username, secrets[0], secrets[1]])
            }
            Self::OauthClientCredentials {
                client_id,
                client_secret,
            } => Fingerprint::of("client", &[client_id, client_secret.expose_secret()]),
            Self::RefreshToken {
                client_id,
                client_secret,
                refresh_token,
            } => {
                let secrets = [client_secret.expose_secret(), refresh_token.token.expose_secret()];
                Fingerprint::of("refresh", &[client_id, secrets[0], secrets[1]])
            }
            Self::JwtBearer {
                client_id,
                client_secret,
                username,
                private_key,
                key_id,
                audience,
            } => Fingerprint::of(
                "jwt",
                &[
                    client_id,
                    exposed(client_secret.as_ref()),
                    username,
                    private_key.expose_secret(),
                    key_id.as_deref().unwrap_or_default(),
                    audience.as_deref().unwrap_or_default(),
                ],
            ),
        }
    }

    /// Does each failed attempt with it count towards the lock-out of an account?
    pub const fn can_lock(&self) -> bool {
        matches!(self, Self::Basic { .. } | Self::OauthPassword { .. })
    }
}
