//! A share of a service's metered calls: which call may still be sent, and which must wait.
//!
//! Salesforce meters an org's calls over a rolling day, everybody's together, and says with each answer how many were
//! used. What is over the share belongs to the customer's other integrations. Before it is used up, polls grow rarer:
//! what is left is spread over a day, so that polling at rest never uses it up. Then polls stop, and writes and the
//! look-ups that lead to them go on with the rest. Then nothing is sent but, now and then, the question how it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use super::planted::{Bug, planted};
use super::time::Instant;

/// The window over which calls are metered.
const DAY: Duration = Duration::from_hours(24);

const HOUR: i64 = 3600;

/// The most questions a day how an exhausted budget stands: one every quarter of an hour. They are kept out of the
/// share for everything else, a tenth of it at most.
const PROBES_A_DAY: u64 = 96;

/// Attempts answered without a count after which the service is asked for it.
const UNHEARD: u64 = 400;

/// Per cent of an org's calls: from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u8);

impl Share {
    /// Leaves a fifth to everybody else.
    pub const DEFAULT: Self = Self(80);

    /// `None` outside 1 to 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Option<Self> {
        if 1 <= percent && percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// Per cent.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// This share of `whole`, rounded down.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        u64::try_from(u128::from(whole) * u128::from(self.0) / 100).unwrap_or(u64::MAX)
    }
}

/// The org's calls in the last 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiUsage {
    /// Used by everybody.
    pub used: u64,
    /// Allowed for everybody.
    pub allowed: u64,
}

/// What a call is for: the later in this list, the longer it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Looks for changes: begins a scan.
    Poll,
    /// Goes on with what a poll began: the next page, the deletion log after a scan. Ends where polls end, but is never
    /// paced: a scan that is cut off after its first page would begin with that page the next time too.
    PollOn,
    /// Looks at known records or at the schema: what writes wait for.
    LookUp,
    /// Changes something.
    Write,
    /// Asks how the budget stands.
    Probe,
}

/// When something is asked.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Our monotonic clock.
    pub monotonic: Duration,
    /// Our wall clock, for telling people.
    pub wall: Instant,
}

/// The right to one call. Given back with [`Budget::answered`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket {
    attempts: u64,
}

/// What is said to the wish to call.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go.
    Granted(Ticket),
    /// First ask the service how many calls are used ([`Purpose::Probe`]), then ask again here.
    AskFirst,
    /// Not now.
    Refused(Refusal),
}

/// Why a call must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the service said last.
    pub usage: ApiUsage,
    /// The calls of a day up to which we may go.
    pub ceiling: u64,
    /// Nothing left, or only polls are slowed down?
    pub exhausted: bool,
    /// When to ask again.
    pub retry_after: Duration,
    /// When the first of our own calls leaves the window, where we made any.
    pub frees_at: Option<Instant>,
}

/// The calls of one connection.
#[derive(Clone, Debug)]
pub struct Budget {
    share: Share,
    known: Option<ApiUsage>,
    /// Attempts that were answered without a count since the last count.
    unheard: u64,
    /// Attempts that calls on their way may take.
    in_flight: u64,
    last_poll: Option<Duration>,
    last_probe: Option<Duration>,
    /// Our calls, by the hour of our clock.
    by_hour: BTreeMap<i64, u64>,
}

impl Budget {
    /// Nothing is known yet: the first answer tells.
    #[must_use]
    pub const fn new(share: Share) -> Self {
        Self {
            share,
            known: None,
            unheard: 0,
            in_flight: 0,
            last_poll: None,
            last_probe: None,
            by_hour: BTreeMap::new(),
        }
    }

    /// The share that it keeps to.
    #[must_use]
    pub const fn share(&self) -> Share {
        self.share
    }

    /// The calls of a day up to which we may go, by what the service said last.
    #[must_use]
    pub fn ceiling(&self) -> Option<u64> {
        self.known.map(|usage| self.share.of(usage.allowed))
    }

    /// May a call go that takes at most so many `attempts`?
    pub fn admit(&mut self, purpose: Purpose, attempts: u64, now: Moment) -> Admission {
        if planted(Bug::BudgetIgnored) {
            return self.granted(purpose, attempts, now);
        }
        if purpose == Purpose::Probe {
            // Also beyond the share, where others went: nothing else would ever tell that there is room again.
            let wait = self.until_probe(now);
            return match self.known {
                Some(usage) if !wait.is_zero() => Admission::Refused(self.refusal(usage, true, wait, now)),
                _ => self.granted(purpose, attempts, now),
            };
        }
        let Some(usage) = self.known else {
            return self.admit_blindly(purpose, attempts, now);
        };
        let ceiling = self.share.of(usage.allowed);
        let spent = usage
            .used
            .saturating_add(self.unheard)
            .saturating_add(self.in_flight);
        let limit = limit_of(purpose, ceiling);
        if spent.saturating_add(attempts) > limit {
            if self.until_probe(now).is_zero() {
                return Admission::AskFirst;
            }
            let exhausted = spent.saturating_add(attempts) > limit_of(Purpose::Write, ceiling);
            return Admission::Refused(self.refusal(usage, exhausted, self.until_probe(now), now));
        }
        if self.unheard >= UNHEARD && self.until_probe(now).is_zero() {
            return Admission::AskFirst;
        }
        if purpose == Purpose::Poll
            && let Some(wait) = self.pace(ceiling, spent, now)
        {
            return Admission::Refused(self.refusal(usage, false, wait, now));
        }
        self.granted(purpose, attempts, now)
    }

    /// A call is over; `usage` is what its answer said of the org's calls.
    pub fn answered(&mut self, Ticket { attempts }: Ticket, usage: Option<ApiUsage>) {
        self.in_flight = self.in_flight.saturating_sub(attempts);
        match usage {
            Some(usage) => {
                self.known = Some(usage);
                self.unheard = 0;
            }
            None => self.unheard = self.unheard.saturating_add(attempts),
        }
    }

    /// A call did not leave this process.
    pub fn not_sent(&mut self, Ticket { attempts }: Ticket) {
        self.in_flight = self.in_flight.saturating_sub(attempts);
    }

    fn admit_blindly(&mut self, purpose: Purpose, attempts: u64, now: Moment) -> Admission {
        let asks = self.unheard >= UNHEARD && self.until_probe(now).is_zero();
        if asks {
            Admission::AskFirst
        } else {
            self.granted(purpose, attempts, now)
        }
    }

    fn granted(&mut self, purpose: Purpose, attempts: u64, now: Moment) -> Admission {
        match purpose {
            Purpose::Poll => self.last_poll = Some(now.monotonic),
            Purpose::Probe => self.last_probe = Some(now.monotonic),
            Purpose::PollOn | Purpose::LookUp | Purpose::Write => {}
        }
        self.in_flight = self.in_flight.saturating_add(attempts);
        let hour = now.wall.seconds().div_euclid(HOUR);
        *self.by_hour.entry(hour).or_default() += 1;
        self.by_hour.retain(|counted, _| hour - *counted < 24);
        Admission::Granted(Ticket { attempts })
    }

    /// How long a poll must still wait: beyond three quarters of the share what is left for polls is spread over a
    /// day.
    fn pace(&self, ceiling: u64, spent: u64, now: Moment) -> Option<Duration> {
        let limit = limit_of(Purpose::Poll, ceiling);
        if spent <= limit / 4 * 3 {
            return None;
        }
        let left = u32::try_from(limit.saturating_sub(spent).max(1)).unwrap_or(u32::MAX);
        let since = now.monotonic.saturating_sub(self.last_poll?);
        let wait = (DAY / left).saturating_sub(since);
        (!wait.is_zero()).then_some(wait)
    }

    fn until_probe(&self, now: Moment) -> Duration {
        let every = DAY / u32::try_from(probes_a_day(self.ceiling().unwrap_or(u64::MAX))).unwrap_or(u32::MAX);
        self.last_probe.map_or(Duration::ZERO, |last| {
            every.saturating_sub(now.monotonic.saturating_sub(last))
        })
    }

    fn refusal(&self, usage: ApiUsage, exhausted: bool, wait: Duration, now: Moment) -> Refusal {
        Refusal {
            usage,
            ceiling: self.share.of(usage.allowed),
            exhausted,
            retry_after: wait.max(Duration::from_secs(1)),
            frees_at: self
                .by_hour
                .keys()
                .map(|hour| Instant::from_seconds(hour.saturating_mul(HOUR)).later(DAY))
                .find(|leaves| *leaves > now.wall),
        }
    }
}

/// Up to how many calls of a day a call for this purpose is sent.
fn limit_of(purpose: Purpose, ceiling: u64) -> u64 {
    let all_but_probes = ceiling.saturating_sub(probes_a_day(ceiling));
    match purpose {
        Purpose::Poll | Purpose::PollOn => all_but_probes - all_but_probes / 20,
        Purpose::LookUp | Purpose::Write => all_but_probes,
        Purpose::Probe => ceiling,
    }
}

fn probes_a_day(ceiling: u64) -> u64 {
    PROBES_A_DAY.min(ceiling / 10).max(1)
}

#[cfg(test)]
mod tests;
