//! Credentials from Secrets, got by name at the moment they are needed and dropped after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secrecy::SecretString;

use super::rotated_token::RotatedToken;
use crate::adapters::credential::{
    CredentialSource, RefreshToken, SalesforceCredential, ServiceNowCredential,
};
use crate::controllers::connection::validate::{AuthMethod, Target};
use crate::controllers::context::ConnectionKey;
use crate::controllers::error::kube_call;
use crate::core::failure::Problem;
use crate::ports::Fence;

/// How much validity of the Lease a refresh needs: the token request and the store of what it brings. Two operators
/// that refresh at the same time would use the same token, and the service would take that for theft.
pub(super) const REFRESH_TAKES: Duration = Duration::from_secs(75);

/// Reads the credential of one Connection.
pub struct SecretCredential {
    api: Api<Secret>,
    target: Target,
    label: String,
    rotated: RotatedToken,
    fence: Arc<dyn Fence>,
}

impl SecretCredential {
    /// Of this target, for this Connection. The fence says whether this process leads.
    #[must_use]
    pub fn new(client: Client, connection: &ConnectionKey, target: Target, fence: Arc<dyn Fence>) -> Self {
        Self {
            api: Api::namespaced(client.clone(), &connection.namespace),
            label: format!("Secret {}", target.secret),
            target,
            rotated: RotatedToken::new(client, connection.clone()),
            fence,
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

    /// The newest token of the line that the user's Secret began.
    async fn newest(&self, keys: &mut Keys<'_>) -> Result<RefreshToken, Problem> {
        if !self.fence.permits(REFRESH_TAKES) {
            return Err(Problem::transient(
                "NotLeader",
                "this process may not refresh a token now: another one may lead",
            ));
        }
        self.rotated.newest(keys.secret("refreshToken")?).await
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

    /// A key that may be missing.
    fn optional(&mut self, key: &str) -> Option<String> {
        self.text(key).ok()
    }

    fn invalid(&self, key: &str, why: &str) -> Problem {
        Problem::human("SecretInvalid", format!("{}: the key {key} {why}", self.label))
    }
}

/// A credential that stands in the Secret whole; `None` where the method is not one of these.
fn salesforce(target: &Target, keys: &mut Keys<'_>) -> Option<Result<SalesforceCredential, Problem>> {
    let client_credentials = |keys: &mut Keys<'_>| {
        Ok(SalesforceCredential::ClientCredentials {
            client_id: keys.text("clientId")?,
            client_secret: keys.secret("clientSecret")?,
        })
    };
    let jwt_bearer = |keys: &mut Keys<'_>| {
        Ok(SalesforceCredential::JwtBearer {
            client_id: keys.text("clientId")?,
            username: keys.text("username")?,
            private_key: keys.secret("privateKey")?,
            audience: target.audience.clone(),
        })
    };
    let username_password = |keys: &mut Keys<'_>| {
        Ok(SalesforceCredential::UsernamePassword {
            client_id: keys.text("clientId")?,
            client_secret: keys.secret("clientSecret")?,
            username: keys.text("username")?,
            password: keys.secret("password")?,
            security_token: keys.optional("securityToken").map(SecretString::from),
        })
    };
    match target.method {
        AuthMethod::SalesforceClientCredentials => Some(client_credentials(keys)),
        AuthMethod::SalesforceJwtBearer => Some(jwt_bearer(keys)),
        AuthMethod::SalesforceUsernamePassword => Some(username_password(keys)),
        AuthMethod::SalesforceRefreshToken
        | AuthMethod::ServiceNowBasic
        | AuthMethod::ServiceNowOauthPassword
        | AuthMethod::ServiceNowOauthClientCredentials
        | AuthMethod::ServiceNowRefreshToken
        | AuthMethod::ServiceNowJwtBearer => None,
    }
}

/// As [`salesforce`].
fn service_now(target: &Target, keys: &mut Keys<'_>) -> Option<Result<ServiceNowCredential, Problem>> {
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
    let client_credentials = |keys: &mut Keys<'_>| {
        Ok(ServiceNowCredential::OauthClientCredentials {
            client_id: keys.text("clientId")?,
            client_secret: keys.secret("clientSecret")?,
        })
    };
    let jwt_bearer = |keys: &mut Keys<'_>| {
        Ok(ServiceNowCredential::JwtBearer {
            client_id: keys.text("clientId")?,
            client_secret: keys.optional("clientSecret").map(SecretString::from),
            username: keys.text("username")?,
            private_key: keys.secret("privateKey")?,
            key_id: keys.optional("keyId"),
            audience: target.audience.clone(),
        })
    };
    match target.method {
        AuthMethod::ServiceNowBasic => Some(basic(keys)),
        AuthMethod::ServiceNowOauthPassword => Some(oauth_password(keys)),
        AuthMethod::ServiceNowOauthClientCredentials => Some(client_credentials(keys)),
        AuthMethod::ServiceNowJwtBearer => Some(jwt_bearer(keys)),
        AuthMethod::ServiceNowRefreshToken
        | AuthMethod::SalesforceClientCredentials
        | AuthMethod::SalesforceJwtBearer
        | AuthMethod::SalesforceRefreshToken
        | AuthMethod::SalesforceUsernamePassword => None,
    }
}

#[async_trait]
impl CredentialSource<SalesforceCredential> for SecretCredential {
    async fn credential(&self) -> Result<SalesforceCredential, Problem> {
        let mut keys = self.read().await?;
        if self.target.method == AuthMethod::SalesforceRefreshToken {
            return Ok(SalesforceCredential::RefreshToken {
                client_id: keys.text("clientId")?,
                client_secret: keys.optional("clientSecret").map(SecretString::from),
                refresh_token: self.newest(&mut keys).await?,
            });
        }
        salesforce(&self.target, &mut keys).unwrap_or_else(|| Err(self.wrong_side()))
    }

    fn name(&self) -> &str {
        &self.label
    }

    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        self.rotated.keep(next).await
    }
}

#[async_trait]
impl CredentialSource<ServiceNowCredential> for SecretCredential {
    async fn credential(&self) -> Result<ServiceNowCredential, Problem> {
        let mut keys = self.read().await?;
        if self.target.method == AuthMethod::ServiceNowRefreshToken {
            return Ok(ServiceNowCredential::RefreshToken {
                client_id: keys.text("clientId")?,
                client_secret: keys.secret("clientSecret")?,
                refresh_token: self.newest(&mut keys).await?,
            });
        }
        service_now(&self.target, &mut keys).unwrap_or_else(|| Err(self.wrong_side()))
    }

    fn name(&self) -> &str {
        &self.label
    }

    async fn keep_rotated(&self, next: &RefreshToken) -> Result<(), Problem> {
        self.rotated.keep(next).await
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::core::budget::Share;

    fn keys(entries: &[(&str, &str)]) -> Keys<'static> {
        Keys {
            label: "Secret sn",
            data: entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect(),
        }
    }

    fn target(method: AuthMethod) -> Target {
        Target {
            url: "https://acme.example".parse().unwrap(),
            method,
            secret: "sn".to_owned(),
            api_share: Share::DEFAULT,
            audience: Some("it".to_owned()),
        }
    }

    #[test]
    fn a_password_from_a_file_loses_the_line_break_and_nothing_else() {
        let found = service_now(
            &target(AuthMethod::ServiceNowBasic),
            &mut keys(&[("username", "sync"), ("password", " p w \n")]),
        );
        let Some(Ok(ServiceNowCredential::Basic { username, password })) = found else {
            panic!("{found:?}");
        };
        assert_eq!((username.as_str(), password.expose_secret()), ("sync", " p w "));
    }

    #[test]
    fn a_missing_key_is_named_and_its_neighbours_are_not_shown() {
        let found = salesforce(
            &target(AuthMethod::SalesforceClientCredentials),
            &mut keys(&[("clientId", "id"), ("clientSecret", "")]),
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
        let found = salesforce(
            &target(AuthMethod::SalesforceUsernamePassword),
            &mut keys(&entries),
        );
        assert!(matches!(
            found,
            Some(Ok(SalesforceCredential::UsernamePassword {
                security_token: None,
                ..
            }))
        ));
    }

    #[test]
    fn an_assertion_has_its_audience_from_the_manifest_and_the_rest_from_the_secret() {
        let entries = [
            ("clientId", "i"),
            ("username", "u"),
            ("privateKey", "k"),
            ("keyId", "kid"),
        ];
        let found = service_now(&target(AuthMethod::ServiceNowJwtBearer), &mut keys(&entries));
        let Some(Ok(ServiceNowCredential::JwtBearer {
            client_secret: None,
            key_id,
            audience,
            ..
        })) = found
        else {
            panic!("{found:?}");
        };
        assert_eq!(
            (key_id.as_deref(), audience.as_deref()),
            (Some("kid"), Some("it"))
        );
    }
}
