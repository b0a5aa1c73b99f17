//! One writer: the Lease on a real API server, with clocks that the test moves by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use syncflow::core::time::Instant;
use syncflow::ports::{Clock, Fence};
use syncflow::runtime::lease::{Lease, LeaseLost, LeaseSettings};
use tokio_util::sync::CancellationToken;

use super::world::World;

/// A clock that stands still, except that sleeping moves it. A sleep of a whole call's time-out never ends: a call that
/// hangs is not what is tested here.
struct HandClock {
    now: Mutex<Duration>,
    hold: Duration,
}

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new(Duration::from_secs(1000)),
            hold: Duration::from_secs(5),
        })
    }

    fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Instant {
        Instant::EPOCH
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        if duration == self.hold {
            // Long enough, in real time, for any answer of the API server.
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        self.advance(duration);
    }
}

/// A Lease of two minutes: renewed every ten seconds.
fn lease(world: &World, identity: &str, clock: &Arc<HandClock>) -> Lease {
    let settings = LeaseSettings {
        name: "syncflow".to_owned(),
        identity: identity.to_owned(),
        duration: Duration::from_mins(2),
    };
    Lease::new(
        world.api::<LeaseObject>(),
        settings,
        Arc::clone(clock) as Arc<dyn Clock>,
    )
}

async fn holder(world: &World) -> String {
    let lease: LeaseObject = world.api().get("syncflow").await.unwrap();
    lease.spec.unwrap().holder_identity.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_takes_it_and_may_write_until_shortly_before_it_runs_out() {
    let world = World::new("lease").await;
    let clock = HandClock::new();
    let mut first = lease(&world, "first", &clock);
    let fence = first.validity();
    assert!(!fence.permits(Duration::ZERO));
    assert!(first.acquire(&CancellationToken::new()).await);
    assert_eq!(holder(&world).await, "first");
    assert!(fence.permits(Duration::from_secs(100)));
    assert!(!fence.permits(Duration::from_secs(110)), "a margin is kept");
    clock.advance(Duration::from_secs(109));
    assert!(
        !fence.permits(Duration::ZERO),
        "it ends by itself, with nobody noticing anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rival_takes_over_only_after_it_has_seen_the_lease_idle_for_its_whole_duration() {
    let world = World::new("lease").await;
    let (its_clock, our_clock) = (HandClock::new(), HandClock::new());
    let mut dead = lease(&world, "dead", &its_clock);
    let fence = dead.validity();
    assert!(dead.acquire(&CancellationToken::new()).await);

    let mut rival = lease(&world, "rival", &our_clock);
    let began = our_clock.monotonic();
    assert!(rival.acquire(&CancellationToken::new()).await);
    let waited = our_clock.monotonic().saturating_sub(began);
    assert!(waited >= Duration::from_mins(2));
    assert_eq!(holder(&world).await, "rival");

    // The first was only paused. Its own clock has moved too, so it may not write, and then it learns why.
    its_clock.advance(waited);
    assert!(!fence.permits(Duration::ZERO));
    let lost = dead.keep(&CancellationToken::new()).await;
    assert_eq!(lost, Err(LeaseLost::Taken("rival".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_given_back_is_taken_at_once() {
    let world = World::new("lease").await;
    let clock = HandClock::new();
    let mut first = lease(&world, "first", &clock);
    assert!(first.acquire(&CancellationToken::new()).await);
    let fence = first.validity();
    first.vacate().await;
    assert!(!fence.permits(Duration::ZERO));
    assert_eq!(holder(&world).await, "");
    let mut second = lease(&world, "second", &clock);
    let began = clock.monotonic();
    assert!(second.acquire(&CancellationToken::new()).await);
    assert_eq!(clock.monotonic(), began, "nobody waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_process_of_the_same_identity_goes_on_at_once_and_the_old_one_learns_of_it() {
    let world = World::new("lease").await;
    let clock = HandClock::new();
    let mut first = lease(&world, "pod", &clock);
    assert!(first.acquire(&CancellationToken::new()).await);
    let mut restarted = lease(&world, "pod", &clock);
    let began = clock.monotonic();
    assert!(restarted.acquire(&CancellationToken::new()).await);
    assert_eq!(clock.monotonic(), began);
    let lost = first.keep(&CancellationToken::new()).await;
    assert_eq!(lost, Err(LeaseLost::SharedIdentity("pod".to_owned())));
    assert!(!first.validity().permits(Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_no_write_fits_into_is_refused_at_the_start() {
    let world = World::new("short").await;
    let operator = world.operator_with(&["--write-timeout", "20s", "--lease-duration", "27s"]);
    assert!(!operator.ended().await.success());
    assert!(world.log().contains("use 28 s or more"), "{}", world.log());
}
