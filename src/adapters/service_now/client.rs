//! Calls to one instance: where they go, how they are signed, and what a 401 leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::action;
use super::hidden::Hidden;
use super::limits;
use super::pace::{Load, Pace, Slots};
use super::page_size::Reduced;
use super::sign_in::{Pass, SignIn};
use super::web_page;
use crate::adapters::http::{call, failure};
use crate::core::ident::FieldName;
use crate::core::side::Side;
use crate::ports::{CallPolicy, Clock, Effect, RemoteError, Transport, TransportError, WRITE_TIMEOUT};

/// How long a read may take: the platform's own quota for REST transactions is 60 s (ServiceNow docs: Transaction
/// quotas), and an answer that tells us so is worth waiting for.
const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// What a write may take, in two parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteTimes {
    /// How long after the engine handed it over it may still be sent. Later, its right to write may be over.
    pub(super) send_within: Duration,
    /// How long it may take, once it is sent.
    pub(super) call: Duration,
}

impl WriteTimes {
    /// Within the time that a write of any service may take. The platform cancels a transaction after a minute, so that
    /// half of two minutes is enough for the call.
    pub(super) const fn within(write_timeout: Duration) -> Self {
        Self {
            send_within: Duration::from_millis(millis(write_timeout) / 4),
            call: Duration::from_millis(millis(write_timeout) / 2),
        }
    }

    /// Both.
    pub(super) const fn total(self) -> Duration {
        self.send_within.saturating_add(self.call)
    }
}

/// Saturates after half a thousand million years.
#[expect(clippy::cast_possible_truncation, reason = "a time-out is never that long")]
const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

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
    clock: Arc<dyn Clock>,
    pub(super) sign_in: SignIn,
    slots: Slots,
    pub(super) write_times: WriteTimes,
    /// The size of batches.
    pub(super) batches: Mutex<Pace>,
    /// How many records are written in one go where the Batch API is refused.
    pub(super) singles: Mutex<Pace>,
    /// The Batch API was refused.
    pub(super) batch_refused: AtomicBool,
    /// The reduced size of pages, by table.
    pub(super) reduced: Mutex<BTreeMap<String, Reduced>>,
    /// Changes that are not shown to us, by table.
    pub(super) hidden: Mutex<BTreeMap<String, Hidden>>,
    /// Fields, by table, that some row was seen to hold.
    pub(super) readable: Mutex<BTreeMap<String, BTreeSet<FieldName>>>,
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
    pub(super) fn new(
        instance: Url,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        sign_in: SignIn,
    ) -> Self {
        Self {
            instance,
            transport,
            clock,
            sign_in,
            slots: Slots::default(),
            write_times: WriteTimes::within(WRITE_TIMEOUT),
            batches: Mutex::default(),
            singles: Mutex::default(),
            batch_refused: AtomicBool::new(false),
            reduced: Mutex::default(),
            hidden: Mutex::default(),
            readable: Mutex::default(),
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

    /// How many calls may be made at a time now.
    pub(super) fn calls_at_a_time(&self) -> usize {
        self.slots.limit()
    }

    /// The monotonic clock.
    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
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
        let Some(_slot) = self.slots.take().await else {
            return Err(CallError::Before(failure::transient(
                "Internal",
                "no call to ServiceNow can be made any more",
            )));
        };
        self.signed(&Method::GET, &url, policy, &Bytes::new(), None).await
    }

    /// Sends a JSON body, once, and not later than [`WriteTimes::send_within`] after `handed_over`, whatever came before: other
    /// calls, signing in, a first attempt that was answered 401.
    pub(super) async fn write(
        &self,
        action: &'static str,
        method: Method,
        path_and_query: &str,
        body: Bytes,
        handed_over: Duration,
    ) -> Result<http::Response<Bytes>, CallError> {
        let too_late = || {
            CallError::Before(failure::throttled(
                "Throttled",
                "the calls of this connection that ServiceNow was still busy with left no time to send a write",
                None,
            ))
        };
        let slot = {
            let take = pin!(self.slots.take());
            let spent = self.clock.monotonic().saturating_sub(handed_over);
            let left = self
                .write_times
                .send_within
                .checked_sub(spent)
                .ok_or_else(too_late)?;
            match select(take, pin!(self.clock.sleep(left))).await {
                Either::Left((Some(slot), _)) => slot,
                Either::Left((None, _)) | Either::Right(_) => return Err(too_late()),
            }
        };
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut url = at(&self.instance, path);
        url.set_query((!query.is_empty()).then_some(query));
        let policy = CallPolicy {
            action,
            effect: Effect::Write,
            timeout: self.write_times.call,
        };
        let response = self.signed(&method, &url, policy, &body, Some(handed_over)).await;
        drop(slot);
        response
    }

    /// Sends the request; a 401 leads to one more sign-in and, with the new pass, one more attempt. A request that was
    /// answered 401 was not carried out, so that this holds for writes too.
    async fn signed(
        &self,
        method: &Method,
        url: &Url,
        policy: CallPolicy,
        body: &Bytes,
        handed_over: Option<Duration>,
    ) -> Result<http::Response<Bytes>, CallError> {
        let (pass, _trial) = self.sign_in.pass_or_trial().await.map_err(CallError::Before)?;
        self.still_in_time(handed_over)?;
        let response = self.once(method, url, policy, body, &pass).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            self.sign_in.answered(&pass, &response);
            return Ok(response);
        }
        if let Some(error) = web_page::of_another_service(self.host(), &response) {
            // Nobody else is shown the credential twice.
            return Err(CallError::Before(error));
        }
        let renewed = self.sign_in.renew(&pass, response.headers()).await;
        let pass = renewed.map_err(CallError::Before)?;
        self.still_in_time(handed_over)?;
        let response = self.once(method, url, policy, body, &pass).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(CallError::Before(self.sign_in.refuse(&pass, response.headers())));
        }
        self.sign_in.answered(&pass, &response);
        Ok(response)
    }

    /// Signing in takes its own time, which the right to write does not wait for.
    fn still_in_time(&self, handed_over: Option<Duration>) -> Result<(), CallError> {
        match handed_over {
            Some(handed_over)
                if self.clock.monotonic().saturating_sub(handed_over) > self.write_times.send_within =>
            {
                Err(CallError::Before(failure::transient(
                    "TimeUsedUp",
                    "signing in to ServiceNow, and what else came before a write, left no time to send it; it was not \
                     sent, and is tried again by itself",
                )))
            }
            _ => Ok(()),
        }
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
                let what = action::in_words(policy.action);
                CallError::Before(failure::transport(Side::ServiceNow, what, &error))
            }
            TransportError::NoAnswer(_) | TransportError::TooLarge { .. } => CallError::After(error),
        };
        let request = call::request(method.clone(), url, policy, headers, body.clone()).map_err(failed)?;
        let began = self.clock.monotonic();
        let sent = self.transport.send(request).await;
        let took = self.clock.monotonic().saturating_sub(began);
        let busy = sent.as_ref().is_ok_and(limits::slots_are_taken);
        self.slots.learn(if busy { Load::Busy } else { Load::Took(took) });
        sent.map_err(failed)
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
