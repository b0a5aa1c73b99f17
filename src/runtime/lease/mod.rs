//! One writer: the leader Lease.
//!
//! Own code, because what exists renews without the Lease's version and keeps believing after a failed renewal. Here
//! every write carries the `resourceVersion` it is based on, and the right to write is a monotonic deadline that ends
//! by itself ([`Validity`]); nobody has to notice a loss in time.
//!
//! - [`evaluate`](mod@evaluate): what to do, pure
//! - [`validity`]: until when we may write; [`fenced`]: a client of the API server that asks it
//! - here: the reading and writing of the Lease object

pub mod evaluate;
pub mod fenced;
pub mod validity;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::evaluate::{Decision, Observed, evaluate};
use self::validity::Validity;
use crate::ports::Clock;

/// How the Lease is held.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// The name of the Lease object.
    pub name: String,
    /// Who we are. Unique among the processes that run; a restarted container of one Pod may keep it.
    pub identity: String,
    /// How long a holder may rely on it after a renewal, and so how long a dead holder blocks the next. Whole seconds.
    pub duration: Duration,
}

impl LeaseSettings {
    /// Time between two renewals: many fit into the duration, so that a few that fail cost nothing.
    fn period(&self) -> Duration {
        self.duration / 12
    }

    /// How long one call to the API server may take.
    fn call_timeout(&self) -> Duration {
        self.duration / 24
    }

    /// How much earlier than the rivals we stop believing.
    fn margin(&self) -> Duration {
        self.duration / 10
    }

    /// For how long at least we may write at any moment while all goes well: what a write batch has to fit into.
    #[must_use]
    pub fn floor(&self) -> Duration {
        self.duration
            .saturating_sub(self.margin())
            .saturating_sub(self.period() * 2)
    }

    /// The shortest duration, in whole seconds, whose [`LeaseSettings::floor`] is not below `write`.
    #[must_use]
    pub fn least_seconds(write: Duration) -> u64 {
        // 1 - 1/10 - 2/12 of it are left.
        let least = write.as_nanos().saturating_mul(60).div_ceil(44 * 1_000_000_000);
        u64::try_from(least).unwrap_or(u64::MAX)
    }
}

/// Why the Lease is not ours any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// Somebody else took it.
    #[error("the Lease was taken by {0:?}")]
    Taken(String),
    /// Another process writes it under our identity.
    #[error("another process holds the Lease under our identity {0:?}; --identity must be unique")]
    SharedIdentity(String),
    /// It could not be renewed in time.
    #[error("the Lease could not be renewed in time")]
    RanOut,
}

/// Why one attempt to write the Lease failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("the API server did not answer in time")]
    TimedOut,
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// The leader Lease, not held yet.
pub struct Lease {
    api: Api<LeaseObject>,
    settings: LeaseSettings,
    clock: Arc<dyn Clock>,
    validity: Arc<Validity>,
    /// What the Lease said when it last changed, and when we saw that.
    seen: Option<(LeaseObject, Duration)>,
    /// Every renewal time that we wrote or tried to write: tells our own writes from a namesake's.
    sent: BTreeSet<Timestamp>,
}

impl Lease {
    /// A Lease that nobody asked for yet. `api` is that of the namespace the Lease lives in.
    pub fn new(api: Api<LeaseObject>, settings: LeaseSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            api,
            settings,
            validity: Arc::new(Validity::new(Arc::clone(&clock))),
            clock,
            seen: None,
            sent: BTreeSet::new(),
        }
    }

    /// The right to write that this Lease gives.
    pub fn validity(&self) -> Arc<Validity> {
        Arc::clone(&self.validity)
    }

    /// For how long at least we may write at any moment while all goes well.
    pub fn floor(&self) -> Duration {
        self.settings.floor()
    }

    /// Who we are.
    pub fn identity(&self) -> &str {
        &self.settings.identity
    }

    /// Waits until the Lease is ours. `false` when `stop` came first.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        let mut announced = false;
        loop {
            // While we hold nothing, a Lease in our name is what our predecessor left: not a namesake at work.
            self.sent.clear();
            let wait = match self.attempt().await {
                Ok(Decision::Acquire | Decision::Renew) if self.validity.is_held() => {
                    info!(
                        lease = self.settings.name,
                        identity = self.settings.identity,
                        "lease acquired"
                    );
                    return true;
                }
                Ok(Decision::Acquire | Decision::Renew) => self.settings.period(),
                Ok(Decision::Wait(left)) => {
                    if !announced {
                        info!(
                            lease = self.settings.name,
                            holder = self.holder(),
                            "waiting for the lease"
                        );
                        announced = true;
                    }
                    left.min(self.settings.period())
                }
                Err(error) => {
                    warn!(lease = self.settings.name, %error, "the lease could not be acquired yet");
                    self.settings.period()
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Renews until `stop` (`Ok`) or until the Lease is lost.
    pub async fn keep(&mut self, stop: &CancellationToken) -> Result<(), LeaseLost> {
        let mut wait = self.settings.period();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = self.clock.sleep(wait) => {}
            }
            wait = self.settings.period();
            match self.attempt().await {
                Ok(Decision::Renew) => {}
                Ok(Decision::Acquire | Decision::Wait(_)) => {
                    self.validity.end();
                    return Err(LeaseLost::Taken(self.holder()));
                }
                Err(error) => {
                    warn!(lease = self.settings.name, %error, "the lease could not be renewed");
                    wait /= 4;
                }
            }
            if self.is_shared() {
                self.validity.end();
                return Err(LeaseLost::SharedIdentity(self.settings.identity.clone()));
            }
            if !self.validity.is_held() {
                return Err(LeaseLost::RanOut);
            }
        }
    }

    /// Gives the Lease back, so that the next holder need not wait for it to run out.
    pub async fn vacate(mut self) {
        self.validity.end();
        let Some((mut lease, _)) = self.seen.take() else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            return;
        }
        spec.holder_identity = None;
        match self
            .within(
                self.api
                    .replace(&self.settings.name, &PostParams::default(), &lease),
            )
            .await
        {
            Ok(_) => info!(lease = self.settings.name, "lease given back"),
            Err(error) => {
                warn!(lease = self.settings.name, %error, "the lease could not be given back; it runs out");
            }
        }
    }

    /// Reads the Lease, decides, and does what was decided. A write that meets a newer version is no error here: the
    /// next attempt sees what happened.
    async fn attempt(&mut self) -> Result<Decision, AttemptError> {
        let started = self.clock.monotonic();
        let current = self.within(self.api.get_opt(&self.settings.name)).await?;
        self.observe(current);
        let observed = self.seen.as_ref().map(|(lease, since)| observed(lease, *since));
        let decision = evaluate(observed.as_ref(), &self.settings.identity, started);
        if matches!(decision, Decision::Wait(_)) || self.is_shared() {
            return Ok(decision);
        }
        let next = self.next_lease();
        let params = PostParams::default();
        let written = if next.metadata.resource_version.is_some() {
            self.within(self.api.replace(&self.settings.name, &params, &next))
                .await
        } else {
            self.within(self.api.create(&params, &next)).await
        };
        match written {
            Ok(lease) => {
                self.observe(Some(lease));
                let lasts = self.settings.duration.saturating_sub(self.settings.margin());
                self.validity.hold_until(started.saturating_add(lasts));
                Ok(decision)
            }
            Err(AttemptError::Api(kube::Error::Api(status)))
                if status.is_conflict() || status.is_already_exists() =>
            {
                debug!(lease = self.settings.name, "the lease changed under our write");
                Ok(decision)
            }
            Err(error) => Err(error),
        }
    }

    /// The Lease that we want to write, based on the one last seen.
    fn next_lease(&mut self) -> LeaseObject {
        // Whole microseconds, as the Lease keeps them: it must come back equal.
        let now =
            Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or(Timestamp::UNIX_EPOCH);
        self.sent.insert(now);
        while self.sent.len() > 16 {
            self.sent.pop_first();
        }
        let mut lease = self.seen.as_ref().map_or_else(
            || LeaseObject {
                metadata: ObjectMeta {
                    name: Some(self.settings.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: None,
            },
            |(lease, _)| lease.clone(),
        );
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            spec.holder_identity = Some(self.settings.identity.clone());
            spec.acquire_time = Some(MicroTime(now));
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
        }
        spec.lease_duration_seconds = i32::try_from(self.settings.duration.as_secs()).ok();
        spec.renew_time = Some(MicroTime(now));
        lease
    }

    /// Remembers the Lease, and since when it is as it is.
    fn observe(&mut self, current: Option<LeaseObject>) {
        let unchanged = match (&self.seen, &current) {
            (Some((seen, _)), Some(now)) => seen.metadata.resource_version == now.metadata.resource_version,
            _ => false,
        };
        if !unchanged {
            self.seen = current.map(|lease| (lease, self.clock.monotonic()));
        }
    }

    /// True when the Lease names us as its holder, and we did not write what it says while holding it.
    fn is_shared(&self) -> bool {
        let Some(spec) = self.seen.as_ref().and_then(|(lease, _)| lease.spec.as_ref()) else {
            return false;
        };
        spec.holder_identity.as_deref() == Some(&self.settings.identity)
            && !self.sent.is_empty()
            && spec
                .renew_time
                .as_ref()
                .is_some_and(|time| !self.sent.contains(&time.0))
    }

    fn holder(&self) -> String {
        let spec = self.seen.as_ref().and_then(|(lease, _)| lease.spec.as_ref());
        spec.and_then(|spec: &LeaseSpec| spec.holder_identity.clone())
            .unwrap_or_default()
    }

    /// No call may hang: the Lease would run out unseen.
    async fn within<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, AttemptError> {
        tokio::select! {
            biased;
            answer = call => Ok(answer?),
            () = self.clock.sleep(self.settings.call_timeout()) => Err(AttemptError::TimedOut),
        }
    }
}

fn observed(lease: &LeaseObject, unchanged_since: Duration) -> Observed {
    let spec = lease.spec.as_ref();
    let seconds = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .unwrap_or_default();
    Observed {
        holder: spec.and_then(|spec| spec.holder_identity.clone()),
        duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        unchanged_since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_lease_is_the_shortest_that_a_write_fits_into() {
        let floor = |seconds| {
            let settings = LeaseSettings {
                name: String::new(),
                identity: String::new(),
                duration: Duration::from_secs(seconds),
            };
            settings.floor()
        };
        for write in [1, 7, 8, 30, 44, 60, 90, 119, 120, 600] {
            let least = LeaseSettings::least_seconds(Duration::from_secs(write));
            assert!(floor(least) >= Duration::from_secs(write), "{write}");
            assert!(floor(least - 1) < Duration::from_secs(write), "{write}");
        }
        assert_eq!(LeaseSettings::least_seconds(Duration::from_mins(2)), 164);
    }
}
