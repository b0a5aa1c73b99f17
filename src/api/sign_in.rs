//! As whom a `Connection` signs in: one type a service, exactly one method in each.
//!
//! Every method names a Secret and lists its keys. What is no secret and belongs to the method (the audience of
//! assertions) stands in the manifest.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::reference::SecretRef;

/// As whom to log in to Salesforce. Exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(
    "[has(self.clientCredentials), has(self.jwtBearer), has(self.refreshToken), has(self.usernamePassword)].exists_one(set, set)"
).message("exactly one of clientCredentials, jwtBearer, refreshToken and usernamePassword must be set"))]
#[serde(rename_all = "camelCase")]
pub struct SalesforceAuth {
    /// OAuth 2.0 client credentials of a connected app with a run-as user: what to use where you can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_credentials: Option<SalesforceClientCredentials>,
    /// OAuth 2.0 JWT bearer: a key whose certificate the connected app holds, for a user whom the app is approved for.
    /// No secret is ever sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_bearer: Option<SalesforceJwtBearer>,
    /// OAuth 2.0 refresh token, of a user who authorized the connected app once in a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SalesforceRefreshToken>,
    /// OAuth 2.0 username and password. For orgs without a run-as user; new orgs have it switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_password: Option<SalesforceUsernamePassword>,
}

/// One way to log in to Salesforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SalesforceAuthMethod<'a> {
    /// OAuth 2.0 client credentials.
    ClientCredentials(&'a SalesforceClientCredentials),
    /// OAuth 2.0 JWT bearer.
    JwtBearer(&'a SalesforceJwtBearer),
    /// OAuth 2.0 refresh token.
    RefreshToken(&'a SalesforceRefreshToken),
    /// OAuth 2.0 username and password.
    UsernamePassword(&'a SalesforceUsernamePassword),
}

impl SalesforceAuth {
    /// The one method that is set; `None` where none or several are, which the API server refuses.
    pub fn method(&self) -> Option<SalesforceAuthMethod<'_>> {
        use SalesforceAuthMethod::{ClientCredentials, JwtBearer, RefreshToken, UsernamePassword};
        let set = [
            self.client_credentials.as_ref().map(ClientCredentials),
            self.jwt_bearer.as_ref().map(JwtBearer),
            self.refresh_token.as_ref().map(RefreshToken),
            self.username_password.as_ref().map(UsernamePassword),
        ];
        only(set)
    }
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceClientCredentials {
    /// A Secret with the keys `clientId` and `clientSecret` (the connected app's consumer key and secret). Read again
    /// when Salesforce refuses it, so that a rotated Secret needs no restart.
    pub secret_ref: SecretRef,
}

/// OAuth 2.0 JWT bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceJwtBearer {
    /// A Secret with the keys `clientId` (the connected app's consumer key), `username` (of a user whom the app is
    /// approved for) and `privateKey`: an RSA key of 2048 bits or more in PEM (PKCS#8 or PKCS#1, no passphrase), whose
    /// certificate is uploaded under *Use digital signatures* of the app.
    pub secret_ref: SecretRef,
    /// Whom assertions are for. Without it `https://login.salesforce.com`, or `https://test.salesforce.com` where
    /// `loginUrl` is a sandbox's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^https?://[^ ]+$"))]
    pub audience: Option<String>,
}

/// OAuth 2.0 refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceRefreshToken {
    /// A Secret with the keys `clientId`, `refreshToken` and, where the app requires it, `clientSecret`. Where the app
    /// rotates refresh tokens, the operator keeps the newest one in a Secret of its own beside this Connection, and this
    /// one is where it began: put a new `refreshToken` here to begin again. Used by this Connection only.
    pub secret_ref: SecretRef,
}

/// OAuth 2.0 username and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesforceUsernamePassword {
    /// A Secret with the keys `clientId`, `clientSecret`, `username`, `password` and, where the org asks for it,
    /// `securityToken`.
    pub secret_ref: SecretRef,
}

/// As whom to log in to ServiceNow. Exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(
    "[has(self.basic), has(self.oauthPassword), has(self.oauthClientCredentials), has(self.refreshToken), has(self.jwtBearer)].exists_one(set, set)"
).message("exactly one of basic, oauthPassword, oauthClientCredentials, refreshToken and jwtBearer must be set"))]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowAuth {
    /// A user name and password, sent with each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<ServiceNowBasic>,
    /// OAuth 2.0 with a user name and password: they are sent once, then a token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_password: Option<ServiceNowOauthPassword>,
    /// OAuth 2.0 client credentials: calls run as the *OAuth Application User* of the entry in the Application Registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_client_credentials: Option<ServiceNowOauthClientCredentials>,
    /// OAuth 2.0 refresh token, of a user who authorized the client once in a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<ServiceNowRefreshToken>,
    /// OAuth 2.0 JWT bearer: a key whose certificate the instance holds, for a user of its choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_bearer: Option<ServiceNowJwtBearer>,
}

/// One way to log in to ServiceNow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceNowAuthMethod<'a> {
    /// A user name and password with each request.
    Basic(&'a ServiceNowBasic),
    /// OAuth 2.0, resource owner password grant.
    OauthPassword(&'a ServiceNowOauthPassword),
    /// OAuth 2.0, client credentials grant.
    OauthClientCredentials(&'a ServiceNowOauthClientCredentials),
    /// OAuth 2.0, refresh token grant.
    RefreshToken(&'a ServiceNowRefreshToken),
    /// OAuth 2.0, JWT bearer grant.
    JwtBearer(&'a ServiceNowJwtBearer),
}

impl ServiceNowAuth {
    /// The one method that is set; `None` where none or several are, which the API server refuses.
    pub fn method(&self) -> Option<ServiceNowAuthMethod<'_>> {
        use ServiceNowAuthMethod::{Basic, JwtBearer, OauthClientCredentials, OauthPassword, RefreshToken};
        let set = [
            self.basic.as_ref().map(Basic),
            self.oauth_password.as_ref().map(OauthPassword),
            self.oauth_client_credentials.as_ref().map(OauthClientCredentials),
            self.refresh_token.as_ref().map(RefreshToken),
            self.jwt_bearer.as_ref().map(JwtBearer),
        ];
        only(set)
    }
}

/// The one that is there.
fn only<T, const N: usize>(set: [Option<T>; N]) -> Option<T> {
    let mut there = set.into_iter().flatten();
    let first = there.next();
    first.filter(|_| there.next().is_none())
}

/// A user name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowBasic {
    /// A Secret with the keys `username` and `password`, of a user whose *Password needs reset* is off. Read again
    /// when ServiceNow refuses it, so that a rotated Secret needs no restart.
    pub secret_ref: SecretRef,
}

/// OAuth 2.0 with a user name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowOauthPassword {
    /// A Secret with the keys `clientId`, `clientSecret` (of the OAuth API endpoint for external clients), `username`
    /// and `password`.
    pub secret_ref: SecretRef,
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowOauthClientCredentials {
    /// A Secret with the keys `clientId` and `clientSecret`. The instance needs the system property
    /// `glide.oauth.inbound.client.credential.grant_type.enabled`.
    pub secret_ref: SecretRef,
}

/// OAuth 2.0 refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowRefreshToken {
    /// A Secret with the keys `clientId`, `clientSecret` and `refreshToken`. Where the instance gives a new refresh token
    /// with each use, the operator keeps the newest one in a Secret of its own beside this Connection, and this one is
    /// where it began: put a new `refreshToken` here to begin again. Used by this Connection only.
    pub secret_ref: SecretRef,
}

/// OAuth 2.0 JWT bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceNowJwtBearer {
    /// A Secret with the keys `clientId`, `username` (what the entry's user field holds), `privateKey` (an RSA key of
    /// 2048 bits or more in PEM: PKCS#8 or PKCS#1, no passphrase) and, where the entry asks for them, `clientSecret` and
    /// `keyId` (the *Kid* of its JWT verifier map).
    pub secret_ref: SecretRef,
    /// Whom assertions are for. Without it the client id; some instances expect the address of their token endpoint
    /// (`https://acme.service-now.com/oauth_token.do`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^ ]+$"))]
    pub audience: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_method_is_one_and_none_or_several_are_none() {
        let secret = json!({"secretRef": {"name": "s"}});
        let methods = [
            "clientCredentials",
            "jwtBearer",
            "refreshToken",
            "usernamePassword",
        ];
        for method in methods {
            let one: SalesforceAuth = serde_json::from_value(json!({method: secret})).unwrap();
            assert!(one.method().is_some(), "{method}");
            for other in methods.iter().filter(|other| **other != method) {
                let two = json!({method: secret, *other: secret});
                let two: SalesforceAuth = serde_json::from_value(two).unwrap();
                assert_eq!(two.method(), None, "{method}, {other}");
            }
        }
        let none: ServiceNowAuth = serde_json::from_value(json!({})).unwrap();
        assert_eq!(none.method(), None);
    }
}
