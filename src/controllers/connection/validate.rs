//! What a `Connection` says, parsed (pure): where to, how, and which keys its Secret must have.

use std::collections::BTreeSet;

use url::Url;

use crate::api::ConnectionSpec;
use crate::api::connection::{ApiBudget, Endpoint};
use crate::api::reference::SecretRef;
use crate::api::sign_in::{SalesforceAuthMethod, ServiceNowAuthMethod};
use crate::core::budget::Share;
use crate::core::failure::Problem;
use crate::core::side::Side;

/// Where a Connection leads, and how to sign in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The login URL or the instance URL.
    pub url: Url,
    /// How to sign in.
    pub method: AuthMethod,
    /// The Secret to sign in with, in the Connection's namespace.
    pub secret: String,
    /// Whom assertions are for, where the manifest says it.
    pub audience: Option<String>,
    /// How much of the org's daily calls may be used up (Salesforce).
    pub api_share: Share,
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Salesforce, OAuth 2.0 client credentials.
    SalesforceClientCredentials,
    /// Salesforce, OAuth 2.0 JWT bearer.
    SalesforceJwtBearer,
    /// Salesforce, OAuth 2.0 refresh token.
    SalesforceRefreshToken,
    /// Salesforce, OAuth 2.0 username and password.
    SalesforceUsernamePassword,
    /// ServiceNow, a user name and password with each request.
    ServiceNowBasic,
    /// ServiceNow, OAuth 2.0 with a user name and password.
    ServiceNowOauthPassword,
    /// ServiceNow, OAuth 2.0 client credentials.
    ServiceNowOauthClientCredentials,
    /// ServiceNow, OAuth 2.0 refresh token.
    ServiceNowRefreshToken,
    /// ServiceNow, OAuth 2.0 JWT bearer.
    ServiceNowJwtBearer,
}

impl AuthMethod {
    /// The service signed in to.
    pub const fn side(self) -> Side {
        match self {
            Self::SalesforceClientCredentials
            | Self::SalesforceJwtBearer
            | Self::SalesforceRefreshToken
            | Self::SalesforceUsernamePassword => Side::Salesforce,
            Self::ServiceNowBasic
            | Self::ServiceNowOauthPassword
            | Self::ServiceNowOauthClientCredentials
            | Self::ServiceNowRefreshToken
            | Self::ServiceNowJwtBearer => Side::ServiceNow,
        }
    }

    /// Does signing in use up a refresh token, so that only the leader may do it?
    pub const fn refreshes(self) -> bool {
        matches!(self, Self::SalesforceRefreshToken | Self::ServiceNowRefreshToken)
    }

    /// The keys that the Secret must have. It may have others, which some services ask for.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::SalesforceClientCredentials | Self::ServiceNowOauthClientCredentials => {
                &["clientId", "clientSecret"]
            }
            Self::SalesforceJwtBearer | Self::ServiceNowJwtBearer => &["clientId", "username", "privateKey"],
            Self::SalesforceRefreshToken => &["clientId", "refreshToken"],
            Self::ServiceNowRefreshToken => &["clientId", "clientSecret", "refreshToken"],
            Self::SalesforceUsernamePassword | Self::ServiceNowOauthPassword => {
                &["clientId", "clientSecret", "username", "password"]
            }
            Self::ServiceNowBasic => &["username", "password"],
        }
    }
}

/// Parses the manifest. The API server has refused nearly all that can be wrong here, unless the object was stored
/// under an older CRD.
pub fn validate(spec: &ConnectionSpec) -> Result<Target, Problem> {
    let invalid = |message: &str| Problem::human("InvalidSpec", message);
    let (path, address, (method, secret, audience)) = match spec.endpoint() {
        Some(Endpoint::Salesforce(salesforce)) => {
            let method = salesforce.auth.method();
            let method =
                method.ok_or_else(|| invalid("spec.salesforce.auth must have exactly one method"))?;
            (
                "spec.salesforce.loginUrl",
                &salesforce.login_url,
                of_salesforce(method),
            )
        }
        Some(Endpoint::ServiceNow(service_now)) => {
            let method = service_now.auth.method();
            let method =
                method.ok_or_else(|| invalid("spec.serviceNow.auth must have exactly one method"))?;
            (
                "spec.serviceNow.instanceUrl",
                &service_now.instance_url,
                of_service_now(method),
            )
        }
        None => {
            return Err(invalid(
                "exactly one of spec.salesforce and spec.serviceNow must be set",
            ));
        }
    };
    let budget = spec
        .salesforce
        .as_ref()
        .and_then(|salesforce| salesforce.api_budget);
    Ok(Target {
        url: url(path, address)?,
        api_share: share(budget)?,
        method,
        secret: secret.name.clone(),
        audience: audience.cloned(),
    })
}

type Parsed<'a> = (AuthMethod, &'a SecretRef, Option<&'a String>);

const fn of_salesforce(method: SalesforceAuthMethod<'_>) -> Parsed<'_> {
    use SalesforceAuthMethod::{ClientCredentials, JwtBearer, RefreshToken, UsernamePassword};
    match method {
        ClientCredentials(auth) => (AuthMethod::SalesforceClientCredentials, &auth.secret_ref, None),
        JwtBearer(auth) => (
            AuthMethod::SalesforceJwtBearer,
            &auth.secret_ref,
            auth.audience.as_ref(),
        ),
        RefreshToken(auth) => (AuthMethod::SalesforceRefreshToken, &auth.secret_ref, None),
        UsernamePassword(auth) => (AuthMethod::SalesforceUsernamePassword, &auth.secret_ref, None),
    }
}

const fn of_service_now(method: ServiceNowAuthMethod<'_>) -> Parsed<'_> {
    use ServiceNowAuthMethod::{Basic, JwtBearer, OauthClientCredentials, OauthPassword, RefreshToken};
    match method {
        Basic(auth) => (AuthMethod::ServiceNowBasic, &auth.secret_ref, None),
        OauthPassword(auth) => (AuthMethod::ServiceNowOauthPassword, &auth.secret_ref, None),
        OauthClientCredentials(auth) => (
            AuthMethod::ServiceNowOauthClientCredentials,
            &auth.secret_ref,
            None,
        ),
        RefreshToken(auth) => (AuthMethod::ServiceNowRefreshToken, &auth.secret_ref, None),
        JwtBearer(auth) => (
            AuthMethod::ServiceNowJwtBearer,
            &auth.secret_ref,
            auth.audience.as_ref(),
        ),
    }
}

fn share(budget: Option<ApiBudget>) -> Result<Share, Problem> {
    let Some(budget) = budget else {
        return Ok(Share::DEFAULT);
    };
    Share::percent(budget.percent).ok_or_else(|| {
        Problem::human(
            "InvalidSpec",
            "spec.salesforce.apiBudget.percent must be from 1 to 100",
        )
    })
}

fn url(path: &str, text: &str) -> Result<Url, Problem> {
    let refused = |why: &str| Problem::human("InvalidSpec", format!("{path}: {why}"));
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if url.host_str().is_none() || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(refused("needs a scheme and a host, and nothing after it"));
    }
    Ok(url)
}

/// Has the Secret every key, and none empty? `present` are the keys that have a value.
pub fn check_keys(target: &Target, present: &BTreeSet<&str>) -> Result<(), Problem> {
    let missing: Vec<&str> = target
        .method
        .keys()
        .iter()
        .copied()
        .filter(|key| !present.contains(key))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Problem::human(
        "SecretInvalid",
        format!(
            "Secret {} lacks a value for {}: add it",
            target.secret,
            missing.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn target(spec: Value) -> Result<Target, Problem> {
        validate(&serde_json::from_value(spec).unwrap())
    }

    fn salesforce(url: &str) -> Value {
        json!({"salesforce": {
            "loginUrl": url,
            "auth": {"clientCredentials": {"secretRef": {"name": "sf"}}},
        }})
    }

    #[test]
    fn each_method_names_its_side_and_its_secret() {
        let target = target(salesforce("https://acme.my.salesforce.com")).unwrap();
        assert_eq!(target.method, AuthMethod::SalesforceClientCredentials);
        assert_eq!(target.method.side(), Side::Salesforce);
        assert_eq!(target.secret, "sf");
        let basic = json!({"serviceNow": {
            "instanceUrl": "https://acme.service-now.com/",
            "auth": {"basic": {"secretRef": {"name": "sn"}}},
        }});
        assert_eq!(
            super::validate(&serde_json::from_value(basic).unwrap())
                .unwrap()
                .method
                .side(),
            Side::ServiceNow
        );
    }

    #[test]
    fn the_audience_of_assertions_is_the_manifests() {
        let jwt = json!({"serviceNow": {
            "instanceUrl": "https://acme.service-now.com/",
            "auth": {"jwtBearer": {"secretRef": {"name": "sn"}, "audience": "it"}},
        }});
        let target = target(jwt).unwrap();
        assert_eq!(target.method, AuthMethod::ServiceNowJwtBearer);
        assert_eq!(target.audience.as_deref(), Some("it"));
    }

    #[test]
    fn a_url_with_more_than_a_host_is_refused_by_its_field() {
        for bad in [
            "https://acme.my.salesforce.com/services",
            "https://acme.my.salesforce.com?x=1",
            "acme",
        ] {
            let problem = target(salesforce(bad)).unwrap_err();
            assert!(
                problem.message.starts_with("spec.salesforce.loginUrl"),
                "{}",
                problem.message
            );
        }
    }

    #[test]
    fn neither_side_and_two_methods_are_refused() {
        assert_eq!(target(json!({})).unwrap_err().reason.as_str(), "InvalidSpec");
        let mut both = salesforce("https://acme.my.salesforce.com");
        both["salesforce"]["auth"]["usernamePassword"] = json!({"secretRef": {"name": "x"}});
        assert!(target(both).unwrap_err().message.contains("exactly one method"));
    }

    #[test]
    fn a_secret_that_lacks_keys_is_told_which() {
        let target = target(salesforce("https://acme.my.salesforce.com")).unwrap();
        assert!(check_keys(&target, &BTreeSet::from(["clientId", "clientSecret", "more"])).is_ok());
        let problem = check_keys(&target, &BTreeSet::from(["clientId"])).unwrap_err();
        assert_eq!(problem.reason.as_str(), "SecretInvalid");
        assert_eq!(
            problem.message,
            "Secret sf lacks a value for clientSecret: add it"
        );
    }
}
