//! Calls to one instance: where they go, how they are signed, and what a 401 leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::sign_in::{Pass, SignIn};
use crate::adapters::http::{call, failure};
use crate::core::side::Side;
use crate::ports::{CallPolicy, Effect, RemoteError, Transport, TransportError};

/// How long a read may take: the platform's own quota for REST transactions is 60 s (ServiceNow docs: Transaction
/// quotas), and an answer that tells us so is worth waiting for.
const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// How long a write may take; [`super::remote::LIMITS`] tells the engine.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// Why there is no answer to judge.
#[derive(Debug)]
pub(super) enum CallError {
    /// The request certainly had no effect.
    Before(RemoteError),
    /// The request may have had its effect.
    After(TransportError),
}

/// One instance.
pub(super) struct Client {
    instance: Url,
    transport: Arc<dyn Transport>,
    pub(super) sign_in: SignIn,
    /// The tables that each table extends, as far as asked for: they do not change while an instance lives.
    pub(super) chains: Mutex<BTreeMap<String, Vec<String>>>,
    /// The fields, by table, for which look-ups have been proven to be evaluated.
    pub(super) proven: Mutex<BTreeSet<(String, String)>>,
    /// Tables of which the deletion log has been seen to name a record.
    pub(super) logged: Mutex<BTreeSet<String>>,
    /// Tables that their dictionary entry leaves out of the deletion log.
    pub(super) unlogged: Mutex<BTreeSet<String>>,
    /// For each table those that it extends and those that extend it, itself included.
    pub(super) lines: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Client {
    pub(super) fn new(instance: Url, transport: Arc<dyn Transport>, sign_in: SignIn) -> Self {
        Self {
            instance,
            transport,
            sign_in,
            chains: Mutex::default(),
            proven: Mutex::default(),
            logged: Mutex::default(),
            unlogged: Mutex::default(),
            lines: Mutex::default(),
        }
    }

    /// The host that answers, which names the instance where nothing else does.
    pub(super) fn host(&self) -> &str {
        self.instance.host_str().unwrap_or_default()
    }

    /// Reads a path with these parameters.
    pub(super) async fn get(
        &self,
        action: &'static str,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<http::Response<Bytes>, CallError> {
        let mut url = at(&self.instance, path);
        url.query_pairs_mut().extend_pairs(parameters);
        let policy = CallPolicy {
            action,
            effect: Effect::Read,
            timeout: READ_TIMEOUT,
        };
        self.signed(Method::GET, &url, policy, &Bytes::new()).await
    }

    /// Sends a JSON body, once.
    pub(super) async fn write(
        &self,
        action: &'static str,
        method: Method,
        path_and_query: &str,
        body: Bytes,
    ) -> Result<http::Response<Bytes>, CallError> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut url = at(&self.instance, path);
        url.set_query((!query.is_empty()).then_some(query));
        let policy = CallPolicy {
            action,
            effect: Effect::Write,
            timeout: WRITE_TIMEOUT,
        };
        self.signed(method, &url, policy, &body).await
    }

    /// Sends the request; a 401 leads to one more sign-in and, with the new pass, one more attempt. A request that was
    /// answered 401 was not carried out, so that this holds for writes too.
    async fn signed(
        &self,
        method: Method,
        url: &Url,
        policy: CallPolicy,
        body: &Bytes,
    ) -> Result<http::Response<Bytes>, CallError> {
        let pass = self.sign_in.pass().await.map_err(CallError::Before)?;
        let response = self.once(&method, url, policy, body, &pass).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            self.sign_in.accepted();
            return Ok(response);
        }
        let renewed = self.sign_in.renew(&pass, response.headers()).await;
        let pass = renewed.map_err(CallError::Before)?;
        let response = self.once(&method, url, policy, body, &pass).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(CallError::Before(self.sign_in.refuse(&pass, response.headers())));
        }
        self.sign_in.accepted();
        Ok(response)
    }

    async fn once(
        &self,
        method: &Method,
        url: &Url,
        policy: CallPolicy,
        body: &Bytes,
        pass: &Pass,
    ) -> Result<http::Response<Bytes>, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, pass.header.clone());
        headers.insert(ACCEPT, call::JSON);
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, call::JSON);
        }
        let failed = |error: TransportError| match error {
            TransportError::NotSent(_) | TransportError::Refused { .. } => {
                CallError::Before(failure::transport(Side::ServiceNow, policy.action, &error))
            }
            TransportError::NoAnswer(_) | TransportError::TooLarge { .. } => CallError::After(error),
        };
        let request = call::request(method.clone(), url, policy, headers, body.clone()).map_err(failed)?;
        self.transport.send(request).await.map_err(failed)
    }
}

/// A path of the instance.
pub(super) fn at(instance: &Url, path: &str) -> Url {
    let mut url = instance.clone();
    url.set_path(&format!("{}{path}", instance.path().trim_end_matches('/')));
    url
}

/// Something that is remembered between calls. Never held over an `.await`, and good after a panic elsewhere: each entry
/// stands for itself.
pub(super) fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
