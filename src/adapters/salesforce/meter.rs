//! The connection's share of the org's daily calls, asked before each metered call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::api_usage::ApiUsageObserver;
use crate::adapters::http::failure;
use crate::core::budget::{Admission, ApiUsage, Budget, Moment, Purpose, Refusal, Share, Ticket};
use crate::ports::{Clock, RemoteError};

/// The budget of a connection, and who hears of it.
pub(super) struct Meter {
    budget: Mutex<Budget>,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn ApiUsageObserver>>,
}

/// What is said to the wish to call.
pub(super) enum Admitted<'a> {
    /// Go.
    Granted(Pass<'a>),
    /// First ask Salesforce how many calls are used.
    AskFirst,
    /// Not now.
    Refused(RemoteError),
}

/// The right to one call. A call that is dropped on its way may have been counted by Salesforce.
pub(super) struct Pass<'a> {
    meter: &'a Meter,
    ticket: Option<Ticket>,
}

impl Meter {
    pub(super) fn new(share: Share, clock: Arc<dyn Clock>) -> Self {
        Self {
            budget: Mutex::new(Budget::new(share)),
            clock,
            observer: None,
        }
    }

    pub(super) fn observe(&mut self, observer: Arc<dyn ApiUsageObserver>) {
        self.observer = Some(observer);
    }

    /// May a call go that is sent at most so many times?
    pub(super) fn admit(&self, purpose: Purpose, attempts: u64) -> Admitted<'_> {
        let now = Moment {
            monotonic: self.clock.monotonic(),
            wall: self.clock.now(),
        };
        let mut budget = self.budget();
        match budget.admit(purpose, attempts, now) {
            Admission::Granted(ticket) => Admitted::Granted(Pass {
                meter: self,
                ticket: Some(ticket),
            }),
            Admission::AskFirst => Admitted::AskFirst,
            Admission::Refused(refusal) => Admitted::Refused(refused(&refusal, budget.share())),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, ticket: Ticket, usage: Option<ApiUsage>) {
        let ceiling = {
            let mut budget = self.budget();
            budget.answered(ticket, usage);
            budget.ceiling()
        };
        if let (Some(observer), Some(usage), Some(ceiling)) = (&self.observer, usage, ceiling) {
            observer.observe(usage, ceiling);
        }
    }
}

impl Pass<'_> {
    /// The call is over, and its answer said this of the org's calls.
    pub(super) fn answered(mut self, usage: Option<ApiUsage>) {
        if let Some(ticket) = self.ticket.take() {
            self.meter.answered(ticket, usage);
        }
    }

    /// The call did not leave this process.
    pub(super) fn not_sent(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.meter.budget().not_sent(ticket);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.meter.answered(ticket, None);
        }
    }
}

fn refused(refusal: &Refusal, share: Share) -> RemoteError {
    let Refusal {
        usage: ApiUsage { used, allowed },
        ceiling,
        exhausted,
        retry_after,
        frees_at,
    } = refusal;
    let stands = format!(
        "{used} of the Salesforce org's {allowed} calls of the last 24 hours are used, by us and every other \
         integration; this Connection stops at {ceiling} (apiBudget {} %)",
        share.get()
    );
    let remedy = "to have more: raise the Connection's apiBudget, raise the flows' interval, or see in Setup > System \
                  Overview > API Usage who else calls";
    if *exhausted {
        let frees = frees_at.map_or_else(
            || "calls leave the count 24 hours after they were made".to_owned(),
            |at| format!("our own leave the count from {at} on"),
        );
        failure::throttled(
            "ApiBudgetExhausted",
            format!("{stands}. Nothing is read or written until there is room again: {frees}; {remedy}"),
            Some(*retry_after),
        )
    } else {
        failure::throttled(
            "ApiBudgetLow",
            format!(
                "{stands}. Changes are looked for less often, so that the rest is there for writing; {remedy}"
            ),
            Some(*retry_after),
        )
    }
}
