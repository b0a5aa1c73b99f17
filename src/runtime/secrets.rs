//! Credentials from Secrets, got by name at the moment they are needed and dropped after.

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secrecy::SecretString;

use crate::adapters::credential::{CredentialSource, SalesforceCredential, ServiceNowCredential};
use crate::controllers::connection::validate::{AuthMethod, Target};
use crate::controllers::error::kube_call;
use crate::core::failure::Problem;

/// Reads the credential of one Connection.
pub struct SecretCredential {
    api: Api<Secret>,
    target: Target,
    label: String,
}

impl SecretCredential {
    /// Of this target, in this namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str, target: Target) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            label: format!("Secret {}", target.secret),
            target,
        }
    }

    async fn read(&self) -> Result<Keys<'_>, Problem> {
        let found = kube_call("get a Secret", self.api.get_opt(&self.target.secret)).await;
        match found {
            Ok(Some(secret)) => Ok(Keys {
                label: &self.label,
                data: secret.data.unwrap_or_default(),
            }),
            Ok(None) => Err(Problem::waiting(
                "SecretNotFound",
                format!("{} does not exist any more: create it again", self.label),
            )),
            Err(error) => Err(Problem::transient(
                "SecretUnavailable",
                format!("{}: {error}", self.label),
            )),
        }
    }

    fn wrong_side(&self) -> Problem {
        // The dialer asks for the credential of the side that the method belongs to.
        Problem::human(
            "InvalidSpec",
            format!("{} does not belong to this service", self.label),
        )
    }
}

/// The content of a Secret, for as long as it is being read.
struct Keys<'a> {
    label: &'a str,
    data: BTreeMap<String, ByteString>,
}

impl Keys<'_> {
    /// A trailing line break is what `kubectl create secret --from-file` adds, and part of no credential.
    fn text(&mut self, key: &str) -> Result<String, Problem> {
        let bytes = self.data.remove(key).unwrap_or_default().0;
        match String::from_utf8(bytes) {
            Ok(text) if !text.trim_end_matches(['\r', '\n']).is_empty() => {
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            Ok(_) => Err(self.invalid(key, "has no value")),
            Err(_) => Err(self.invalid(key, "is not UTF-8 text")),
        }
    }

    fn secret(&mut self, key: &str) -> Result<SecretString, Problem> {
        Ok(self.text(key)?.into())
    }

    fn invalid(&self, key: &str, why: &str) -> Problem {
        Problem::human("SecretInvalid", format!("{}: the key {key} {why}", self.label))
    }
}

fn salesforce(method: AuthMethod, mut keys: Keys<'_>) -> Option<Result<SalesforceCredential, Problem>> {
    let client_credentials = |keys: &mut Keys<'_>| {
        Ok(SalesforceCredential::ClientCredentials {
            client_id: keys.text("clientId")?,
            client_secret: keys.secret("clientSecret")?,
        })
    };
    let username_password = |keys: &mut Keys<'_>| {
        Ok(SalesforceCredential::UsernamePassword {
            client_id: keys.text("clientId")?,
            client_secret: keys.secret("clientSecret")?,
            username: keys.text("username")?,
            password: keys.secret("password")?,
            security_token: keys.secret("securityToken").ok(),
        })
    };
    match method {
        AuthMethod::SalesforceClientCredentials => Some(client_credentials(&mut keys)),
        AuthMethod::SalesforceUsernamePassword => Some(username_password(&mut keys)),
        AuthMethod::ServiceNowBasic | AuthMethod::ServiceNowOauthPassword => None,
    }
}

fn service_now(method: AuthMethod, mut keys: Keys<'_>) -> Option<Result<ServiceNowCredential, Problem>> {
    let basic = |keys: &mut Keys<'_>| {
        Ok(ServiceNowCredential::Basic {
            username: keys.text("username")?,
            password: keys.secret("password")?,
        })
    };
    let oauth_password = |keys: &mut Keys<'_>| {
        Ok(ServiceNowCredential::OauthPassword {
            client_id: keys.text("clientId")?,
            client_secret: keys.secret("clientSecret")?,
            username: keys.text("username")?,
            password: keys.secret("password")?,
        })
    };
    match method {
        AuthMethod::ServiceNowBasic => Some(basic(&mut keys)),
        AuthMethod::ServiceNowOauthPassword => Some(oauth_password(&mut keys)),
        AuthMethod::SalesforceClientCredentials | AuthMethod::SalesforceUsernamePassword => None,
    }
}

#[async_trait]
impl CredentialSource<SalesforceCredential> for SecretCredential {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        let keys = self.read().await?;
        salesforce(self.target.method, keys).unwrap_or_else(|| Err(self.wrong_side()))
    }

    fn name(&self) -> &str {
        &self.label
    }
}

#[async_trait]
impl CredentialSource<ServiceNowCredential> for SecretCredential {
    async fn credential(&self) -> Result<ServiceNowCredential, Problem> {
        let keys = self.read().await?;
        service_now(self.target.method, keys).unwrap_or_else(|| Err(self.wrong_side()))
    }

    fn name(&self) -> &str {
        &self.label
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn keys(entries: &[(&str, &str)]) -> Keys<'static> {
        Keys {
            label: "Secret sn",
            data: entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect(),
        }
    }

    #[test]
    fn a_password_from_a_file_loses_the_line_break_and_nothing_else() {
        let found = service_now(
            AuthMethod::ServiceNowBasic,
            keys(&[("username", "sync"), ("password", " p w \n")]),
        );
        let Some(Ok(ServiceNowCredential::Basic { username, password })) = found else {
            panic!("{found:?}");
        };
        assert_eq!((username.as_str(), password.expose_secret()), ("sync", " p w "));
    }

    #[test]
    fn a_missing_key_is_named_and_its_neighbours_are_not_shown() {
        let found = salesforce(
            AuthMethod::SalesforceClientCredentials,
            keys(&[("clientId", "id"), ("clientSecret", "")]),
        );
        let problem = found.unwrap().unwrap_err();
        assert_eq!(problem.reason.as_str(), "SecretInvalid");
        assert_eq!(problem.message, "Secret sn: the key clientSecret has no value");
    }

    #[test]
    fn a_security_token_is_optional() {
        let entries = [
            ("clientId", "i"),
            ("clientSecret", "s"),
            ("username", "u"),
            ("password", "p"),
        ];
        let found = salesforce(AuthMethod::SalesforceUsernamePassword, keys(&entries));
        assert!(matches!(
            found,
            Some(Ok(SalesforceCredential::UsernamePassword {
                security_token: None,
                ..
            }))
        ));
    }
}
