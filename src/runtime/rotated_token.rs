//! The newest refresh token of a Connection whose service rotates them: in a Secret that the operator owns.
//!
//! The user's Secret is where a line of tokens begins, and is never written to: GitOps would put it back, and with it a
//! dead token. The operator's Secret says which beginning its token descends from, as a hash: where the user's Secret
//! begins another line, the user's wins; where something puts the user's own back, nothing happens.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PostParams;
use kube::{Api, Client, Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use crate::adapters::credential::RefreshToken;
use crate::api::{CONNECTION_UID_LABEL, Connection};
use crate::controllers::context::ConnectionKey;
use crate::controllers::error::{ReconcileError, kube_call};
use crate::core::failure::Problem;
use crate::core::ident::hex;

/// The type of the Secret, so that people and policies can tell it from their own.
pub const SECRET_TYPE: &str = "syncflow.io/refresh-token";
/// The entry that holds the newest token.
const TOKEN: &str = "refreshToken";
/// The entry that holds the hash of the token that the line began with.
const LINEAGE: &str = "lineage";
const ENDING: &str = "-refresh-token";
/// The longest name of an object.
const MAX_NAME: usize = 253;
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGER: &str = "syncflow";

/// How often a write that met another one is tried again at once.
const ATTEMPTS: u32 = 3;

/// Where the newest token of one Connection is kept.
pub struct RotatedToken {
    secrets: Api<Secret>,
    connection: ConnectionKey,
    name: String,
}

impl RotatedToken {
    /// Of this Connection.
    pub fn new(client: Client, connection: ConnectionKey) -> Self {
        Self {
            secrets: Api::namespaced(client, &connection.namespace),
            name: secret_name(&connection.name),
            connection,
        }
    }

    /// The newest token of the line that began with `seed`: `seed` itself where none took its place.
    pub async fn newest(&self, seed: SecretString) -> Result<RefreshToken, Problem> {
        let lineage = lineage_of(&seed);
        let found = self.found().await?;
        if found.as_ref().is_some_and(|found| !is_ours(found)) {
            // Said before the seed is used: its successor could not be kept, and would be lost.
            return Err(Problem::human(
                "SecretNameTaken",
                format!(
                    "the Secret {} was not made by the operator, which keeps rotated refresh tokens under that name: \
                     give your own Secret another name, and name it in the Connection's secretRef",
                    self.name
                ),
            ));
        }
        let kept = found.filter(|found| self.owns(found)).and_then(|found| {
            let of_this_line = text(&found, LINEAGE).is_some_and(|kept| kept == lineage);
            of_this_line.then(|| text(&found, TOKEN)).flatten()
        });
        Ok(RefreshToken {
            token: kept.map_or(seed, SecretString::from),
            lineage,
        })
    }

    /// Keeps the newest token of its line. Whatever another line left there is over.
    pub async fn keep(&self, next: &RefreshToken) -> Result<(), Problem> {
        for _ in 0..ATTEMPTS {
            let found = self.found().await?;
            if let Some(found) = &found
                && !is_ours(found)
            {
                return Err(Problem::human(
                    "SecretNameTaken",
                    format!(
                        "the refresh token was rotated, and the Secret {} to keep the new one in was not made by the \
                         operator: rename or delete that Secret before the operator ends, or the token is lost",
                        self.name
                    ),
                ));
            }
            let version = found.and_then(|found| found.resource_version());
            let params = PostParams::default();
            let secret = self.secret(next, version.clone());
            let written = match version {
                Some(_) => {
                    let replaced = self.secrets.replace(&self.name, &params, &secret);
                    kube_call("update a Secret", replaced).await
                }
                None => kube_call("create a Secret", self.secrets.create(&params, &secret)).await,
            };
            match written {
                Ok(_) => return Ok(()),
                // Another write came between, or the Secret went.
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(self.not_kept(&error)),
            }
        }
        Err(self.problem("it keeps changing"))
    }

    async fn found(&self) -> Result<Option<Secret>, Problem> {
        let got = kube_call("get a Secret", self.secrets.get_opt(&self.name)).await;
        got.map_err(|error| Problem::transient("SecretUnavailable", format!("Secret {}: {error}", self.name)))
    }

    fn owns(&self, secret: &Secret) -> bool {
        is_ours(secret) && secret.labels().get(CONNECTION_UID_LABEL) == Some(&self.connection.uid)
    }

    fn secret(&self, next: &RefreshToken, resource_version: Option<String>) -> Secret {
        let labels = [
            (CONNECTION_UID_LABEL, self.connection.uid.as_str()),
            (MANAGED_BY_LABEL, MANAGER),
        ];
        let data = [
            (TOKEN, next.token.expose_secret().as_bytes()),
            (LINEAGE, next.lineage.as_bytes()),
        ];
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.connection.namespace.clone()),
                resource_version,
                labels: Some(
                    labels
                        .map(|(label, value)| (label.to_owned(), value.to_owned()))
                        .into(),
                ),
                owner_references: Some(vec![OwnerReference {
                    api_version: Connection::api_version(&()).into_owned(),
                    kind: Connection::kind(&()).into_owned(),
                    name: self.connection.name.clone(),
                    uid: self.connection.uid.clone(),
                    controller: Some(true),
                    block_owner_deletion: Some(false),
                }]),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(BTreeMap::from(
                data.map(|(key, value)| (key.to_owned(), ByteString(value.to_vec()))),
            )),
            ..Secret::default()
        }
    }

    fn not_kept(&self, error: &ReconcileError) -> Problem {
        if error.is_forbidden() {
            return Problem::human(
                "RotationForbidden",
                format!(
                    "the refresh token was rotated, and the operator may not keep the new one in Secret {}: give its \
                     account create and update on secrets in this namespace before it ends, or the token is lost",
                    self.name
                ),
            );
        }
        self.problem(&error.to_string())
    }

    fn problem(&self, why: &str) -> Problem {
        Problem::transient(
            "RotationNotStored",
            format!(
                "the refresh token was rotated, and the new one is not yet kept in Secret {}: {why}; it is tried \
                 again, and nothing is asked of the service meanwhile",
                self.name
            ),
        )
    }
}

/// Did some operator make it, for whatever Connection of the name?
fn is_ours(secret: &Secret) -> bool {
    secret.type_.as_deref() == Some(SECRET_TYPE)
        && secret.labels().get(MANAGED_BY_LABEL).map(String::as_str) == Some(MANAGER)
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone())
        .ok()
        .filter(|text| !text.is_empty())
}

/// What the line of a token is known by. A refresh token is long and random: nobody finds it by its hash.
fn lineage_of(seed: &SecretString) -> String {
    hex(digest::digest(&digest::SHA256, seed.expose_secret().as_bytes()).as_ref())
}

/// The Connection's name and an ending. A name that leaves no room for the ending is cut and gets a hash instead.
fn secret_name(connection: &str) -> String {
    if connection.len() + ENDING.len() <= MAX_NAME {
        return format!("{connection}{ENDING}");
    }
    let hash = digest::digest(&digest::SHA256, connection.as_bytes());
    let kept: String = connection.chars().take(MAX_NAME - ENDING.len() - 17).collect();
    let kept = kept.trim_end_matches(['-', '.']);
    format!("{kept}-{}{ENDING}", hex(&hash.as_ref()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_connections_and_an_ending_and_never_too_long() {
        assert_eq!(secret_name("salesforce"), "salesforce-refresh-token");
        let (long, other) = ("x".repeat(253), format!("{}y", "x".repeat(252)));
        assert!(secret_name(&long).len() <= MAX_NAME);
        assert_ne!(secret_name(&long), secret_name(&other));
    }

    #[test]
    fn another_seed_is_another_line() {
        let line = |seed: &str| lineage_of(&SecretString::from(seed));
        assert_eq!(line("a"), line("a"));
        assert_ne!(line("a"), line("b"));
    }
}
