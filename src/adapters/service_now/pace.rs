//! How much is sent at once: items of a batch by measured time, calls at a time by what the instance refuses.
//!
//! The Batch API has 30 s for all its items, and what it does not reach is unknown to us until it is looked for
//! (ServiceNow docs: Batch API). How long an item takes is decided by the rules of the table, so it is measured. And the
//! calls of every integration of an instance share a few slots (the semaphore set `API_INT`, four on each node:
//! ServiceNow KB0635398); one that finds them taken is answered 429 without the headers of a rate-limit rule.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::locked;

/// A batch should be through in this time: half of what the Batch API allows.
const AIM: Duration = Duration::from_secs(15);

/// Items of the first batch.
pub(super) const FIRST: usize = 5;

/// Items of the largest batch, however quick they are.
const LARGEST: usize = 50;

/// The most calls at a time: half of the slots of one node. The rest is for the customer's other integrations.
pub(super) const MOST_CALLS: usize = 2;

/// After a refusal, one more call at a time is tried after so many that went well.
const PROVEN_AFTER: u32 = 10;

/// A call that takes longer than this says that the instance is busy.
const SLOW: Duration = Duration::from_secs(20);

/// How many items are sent in one go.
#[derive(Debug)]
pub(super) struct Pace {
    size: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { size: FIRST }
    }
}

/// How one batch went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lap {
    /// Items sent.
    pub(super) items: usize,
    /// From sending to the whole answer.
    pub(super) took: Duration,
    /// The item that took longest.
    pub(super) slowest: Duration,
    /// Items that were not answered.
    pub(super) left: usize,
}

impl Pace {
    /// Items to send now.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Learns from a batch: at most twice as large after a full one, at once smaller after a slow one.
    pub(super) fn learn(&mut self, lap: Lap) {
        if lap.items == 0 {
            return;
        }
        if lap.left > 0 {
            let answered = lap.items.saturating_sub(lap.left);
            self.size = self.size.min(answered / 2).max(1);
            return;
        }
        let average = lap.took.as_millis() / lap.items as u128;
        // One slow item announces others: half of its time counts as if all took so long.
        let each = average.max(lap.slowest.as_millis() / 2).max(1);
        let fits = usize::try_from(AIM.as_millis() / each)
            .unwrap_or(LARGEST)
            .clamp(1, LARGEST);
        if fits < self.size {
            self.size = fits;
        } else if lap.items >= self.size {
            self.size = self.size.saturating_mul(2).min(fits);
        }
    }

    /// The instance refused a batch because it is busy.
    pub(super) fn slow_down(&mut self) {
        self.size = (self.size / 2).max(1);
    }
}

/// The right to make calls: at most so many at a time, fewer after each refusal, more again after many that went well.
pub(super) struct Slots {
    free: Semaphore,
    state: Mutex<State>,
}

struct State {
    limit: usize,
    /// Slots that are in use and go when they are given back.
    owed: usize,
    good: u32,
}

/// One call's slot; given back when dropped.
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
}

/// How a call went, as far as it says something of how busy the instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Refused because too many calls are at work, not because a rule's count for the hour is used up.
    Busy,
    /// Answered, or not: after this time.
    Took(Duration),
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            free: Semaphore::new(MOST_CALLS),
            state: Mutex::new(State {
                limit: MOST_CALLS,
                owed: 0,
                good: 0,
            }),
        }
    }
}

impl Slots {
    /// Waits for a slot; who comes first is served first. `None` never comes while the instance is spoken to.
    pub(super) async fn take(&self) -> Option<Slot<'_>> {
        let permit = self.free.acquire().await.ok()?;
        Some(Slot {
            slots: self,
            permit: Some(permit),
        })
    }

    /// How many calls may be made at a time now.
    pub(super) fn limit(&self) -> usize {
        locked(&self.state).limit
    }

    /// Learns from a call.
    pub(super) fn learn(&self, load: Load) {
        let mut state = locked(&self.state);
        match load {
            Load::Took(time) if time <= SLOW => {
                state.good = state.good.saturating_add(1);
                if state.good >= PROVEN_AFTER && state.limit < MOST_CALLS {
                    state.good = 0;
                    state.limit += 1;
                    match state.owed.checked_sub(1) {
                        Some(owed) => state.owed = owed,
                        None => self.free.add_permits(1),
                    }
                }
            }
            Load::Took(_) | Load::Busy => {
                state.good = 0;
                let fewer = state.limit - (state.limit / 2).max(1);
                state.limit -= fewer;
                state.owed += fewer - self.free.forget_permits(fewer);
            }
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.slots.state);
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lap(items: usize, seconds: u64) -> Lap {
        Lap {
            items,
            took: Duration::from_secs(seconds),
            slowest: Duration::ZERO,
            left: 0,
        }
    }

    #[test]
    fn a_batch_begins_small_and_doubles_while_it_is_quick() {
        let mut pace = Pace::default();
        let mut sizes = vec![pace.size()];
        for _ in 0..5 {
            pace.learn(lap(pace.size(), 1));
            sizes.push(pace.size());
        }
        assert_eq!(sizes, [5, 10, 20, 40, 50, 50]);
    }

    #[test]
    fn a_batch_that_was_not_full_proves_nothing_about_larger_ones() {
        let mut pace = Pace::default();
        pace.learn(lap(2, 0));
        assert_eq!(pace.size(), 5);
    }

    #[test]
    fn a_batch_fits_into_half_of_the_quota_by_the_time_its_items_take() {
        let mut pace = Pace { size: 40 };
        pace.learn(lap(40, 40));
        assert_eq!(pace.size(), 15, "one second each");
        pace.learn(Lap {
            slowest: Duration::from_secs(10),
            ..lap(15, 12)
        });
        assert_eq!(pace.size(), 3, "one took ten seconds");
        pace.learn(lap(3, 60));
        assert_eq!(pace.size(), 1, "never none");
    }

    #[test]
    fn what_the_quota_left_over_makes_the_next_batch_half_of_what_went_through() {
        let mut pace = Pace { size: 20 };
        pace.learn(Lap {
            left: 12,
            ..lap(20, 30)
        });
        assert_eq!(pace.size(), 4);
        pace.learn(Lap {
            left: 1,
            ..lap(1, 30)
        });
        assert_eq!(pace.size(), 1);
    }

    fn free(slots: &Slots) -> usize {
        slots.free.available_permits()
    }

    #[tokio::test]
    async fn a_call_less_is_made_after_a_refusal_and_one_more_after_ten_that_went_well() {
        let slots = Slots::default();
        slots.learn(Load::Busy);
        assert_eq!((slots.limit(), free(&slots)), (1, 1));
        for _ in 0..9 {
            slots.learn(Load::Took(Duration::from_secs(1)));
        }
        assert_eq!(slots.limit(), 1);
        for _ in 0..100 {
            let slot = slots.take().await;
            slots.learn(Load::Took(Duration::from_secs(1)));
            drop(slot);
        }
        assert_eq!((slots.limit(), free(&slots)), (MOST_CALLS, MOST_CALLS));
    }

    #[tokio::test]
    async fn a_refusal_takes_a_slot_away_though_it_is_in_use() {
        let slots = Slots::default();
        let both = (slots.take().await, slots.take().await);
        slots.learn(Load::Busy);
        assert_eq!(slots.limit(), 1);
        drop(both);
        assert_eq!(free(&slots), 1, "one of the two is gone");
        slots.learn(Load::Busy);
        assert_eq!((slots.limit(), free(&slots)), (1, 1), "never none");
    }

    #[tokio::test]
    async fn a_slot_that_was_owed_is_forgiven_when_things_go_well_again() {
        let slots = Slots::default();
        let both = (slots.take().await, slots.take().await);
        slots.learn(Load::Took(Duration::from_secs(30)));
        for _ in 0..10 {
            slots.learn(Load::Took(Duration::ZERO));
        }
        drop(both);
        assert_eq!((slots.limit(), free(&slots)), (2, 2));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_no_slot_taken() {
        let slots = Slots::default();
        let held = (slots.take().await, slots.take().await);
        let mut waiting = Box::pin(slots.take());
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
        drop(held);
        assert_eq!(free(&slots), 2);
    }
}
