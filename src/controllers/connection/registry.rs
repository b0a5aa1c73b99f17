//! The ways to services that are open: one session a Connection, shared by every flow that uses it, and what the last
//! probe of each said.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::failure::{FailureClass, Problem};
use crate::core::retry::{Backoff, jittered};
use crate::core::side::Side;
use crate::ports::Remote;

/// What a session was opened with. Another epoch is another session, and another worker for each flow on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// The Connection's UID.
    pub uid: String,
    /// Its generation.
    pub generation: Option<i64>,
    /// The Secret's UID and version.
    pub secret: String,
    /// The latest request to sign in again, whatever was refused before.
    pub sign_in_now: Option<String>,
}

/// A way to a service, lent to a flow.
#[derive(Clone)]
pub struct Lent {
    /// What it was opened with.
    pub epoch: Epoch,
    /// The service it leads to.
    pub side: Side,
    /// The way.
    pub remote: Arc<dyn Remote>,
}

/// What is known of a Connection.
#[derive(Clone)]
pub enum Standing {
    /// It works, or worked and meets passing trouble now: flows may use it, and meet that trouble themselves.
    Usable(Lent),
    /// It does not work, and why.
    Unusable(Problem),
}

/// When a session is proven (pure).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeSchedule {
    failures: u32,
    due: Duration,
}

impl ProbeSchedule {
    /// Is it time? `now` is our monotonic clock.
    pub fn is_due(self, now: Duration) -> bool {
        now >= self.due
    }

    /// How long until it is time.
    pub fn due_in(self, now: Duration) -> Duration {
        self.due.saturating_sub(now)
    }

    /// After a probe that ended with `outcome`: `interval` after a success, back-off up to `interval` after a failure.
    /// What a person must solve is tried more slowly: repeated wrong passwords lock accounts.
    #[must_use]
    pub fn after(
        self,
        outcome: Option<FailureClass>,
        now: Duration,
        interval: Duration,
        chance: u64,
    ) -> Self {
        let (failures, wait) = match outcome {
            None => (0, jittered(interval, chance)),
            Some(class) => {
                let first = match class {
                    FailureClass::HumanNeeded => Duration::from_secs(30),
                    FailureClass::Waiting | FailureClass::Transient => Duration::from_secs(2),
                };
                let failures = self.failures.saturating_add(1);
                (
                    failures,
                    Backoff::new(first.min(interval), interval).delay(failures, chance),
                )
            }
        };
        Self {
            failures,
            due: now.saturating_add(wait),
        }
    }
}

struct Entry {
    epoch: Epoch,
    /// The session, as long as there is one.
    lent: Option<Lent>,
    schedule: ProbeSchedule,
    /// `None` before the first probe of this epoch.
    standing: Option<Standing>,
    /// What the last probe of this epoch found.
    finding: Option<Finding>,
}

/// What the last look at a Connection found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why it does not work.
    pub problem: Option<Problem>,
    /// Where it leads, as far as known.
    pub identity: Option<String>,
}

/// All Connections, by UID.
#[derive(Default)]
pub struct ConnectionRegistry(Mutex<BTreeMap<String, Entry>>);

impl ConnectionRegistry {
    /// The session of this epoch and its schedule, if it is open.
    pub fn session(&self, epoch: &Epoch) -> Option<(Lent, ProbeSchedule)> {
        self.with(|entries| {
            let entry = entries.get(&epoch.uid).filter(|entry| entry.epoch == *epoch)?;
            Some((entry.lent.clone()?, entry.schedule))
        })
    }

    /// A session was opened. What was known of an earlier epoch is forgotten.
    pub fn open(&self, lent: &Lent) {
        let entry = Entry {
            epoch: lent.epoch.clone(),
            lent: Some(lent.clone()),
            schedule: ProbeSchedule::default(),
            standing: None,
            finding: None,
        };
        self.with(|entries| entries.insert(lent.epoch.uid.clone(), entry));
    }

    /// A probe of this epoch's session is over. `true` when what flows may do with it changed. Nothing happens when
    /// another session was opened meanwhile.
    pub fn probed(&self, epoch: &Epoch, finding: &Finding, schedule: ProbeSchedule) -> bool {
        self.with(|entries| {
            let Some(entry) = entries.get_mut(&epoch.uid).filter(|entry| entry.epoch == *epoch) else {
                return false;
            };
            entry.schedule = schedule;
            entry.finding = Some(finding.clone());
            let worked = matches!(entry.standing, Some(Standing::Usable(_)));
            let next = match (&finding.problem, &entry.lent) {
                (None, Some(lent)) => Standing::Usable(lent.clone()),
                (Some(problem), Some(lent)) if worked && problem.class == FailureClass::Transient => {
                    Standing::Usable(lent.clone())
                }
                (Some(problem), _) => Standing::Unusable(problem.clone()),
                (None, None) => return false,
            };
            let changed = !same(entry.standing.as_ref(), &next);
            entry.standing = Some(next);
            changed
        })
    }

    /// There can be no session: the manifest, the host or the Secret is at fault. `true` when that is news.
    pub fn refuse(&self, epoch: Epoch, problem: &Problem) -> bool {
        self.with(|entries| {
            let next = Standing::Unusable(problem.clone());
            let known = entries.get(&epoch.uid).and_then(|entry| entry.standing.as_ref());
            let changed = !same(known, &next);
            let entry = Entry {
                lent: None,
                schedule: ProbeSchedule::default(),
                standing: Some(next),
                finding: None,
                epoch: epoch.clone(),
            };
            entries.insert(epoch.uid, entry);
            changed
        })
    }

    /// What the last probe of this epoch's session found; `None` before the first.
    pub fn finding(&self, epoch: &Epoch) -> Option<Finding> {
        self.with(|entries| {
            let entry = entries.get(&epoch.uid).filter(|entry| entry.epoch == *epoch)?;
            entry.finding.clone()
        })
    }

    /// What is known of a Connection of this UID and generation; `None` before its first probe.
    pub fn standing(&self, uid: &str, generation: Option<i64>) -> Option<Standing> {
        self.with(|entries| {
            let entry = entries
                .get(uid)
                .filter(|entry| entry.epoch.generation == generation)?;
            entry.standing.clone()
        })
    }

    /// A session was refused by the service in use: its proof is due at once. `false` when that is no news, because
    /// the last proof failed too (then its back-off holds) or the session is another one now.
    pub fn suspect(&self, epoch: &Epoch) -> bool {
        self.with(|entries| {
            let entry = entries.get_mut(&epoch.uid).filter(|entry| entry.epoch == *epoch);
            let Some(entry) = entry.filter(|entry| entry.schedule.failures == 0) else {
                return false;
            };
            entry.schedule.due = Duration::ZERO;
            true
        })
    }

    /// Forgets Connections that `exists` does not know any more.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.with(|entries| entries.retain(|uid, _| exists(uid)));
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        // Every change of the map is one assignment, so a poisoned one is whole.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Would a flow do the same on both?
fn same(known: Option<&Standing>, next: &Standing) -> bool {
    match (known, next) {
        (Some(Standing::Usable(known)), Standing::Usable(next)) => known.epoch == next.epoch,
        (Some(Standing::Unusable(known)), Standing::Unusable(next)) => known == next,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
