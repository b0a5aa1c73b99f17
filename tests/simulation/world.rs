//! Both services, the clock, chance, and what happens to a call on its way.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use syncflow::adapters::salesforce::BulkRules;
use syncflow::core::side::Side;
use syncflow::core::time::Instant;
use syncflow::ports::{CallPolicy, Clock, Effect, Entropy, Fence, Transport, TransportError};
use syncflow_simulators::{Delivered, Model, Simulator, Write, salesforce, service_now};

/// A small generator with a seed (SplitMix64): the same seed, the same run.
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True in so many of a thousand cases.
    pub fn permille(&mut self, cases: u64) -> bool {
        self.below(1000) < cases
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap();
        &items[index]
    }
}

/// What happened, in order: the services' own audit, and when something was read.
#[derive(Debug)]
pub enum Event {
    /// A write at a service, by anyone.
    Wrote { side: Side, write: Write },
    /// An API call that only read was answered by a service.
    Read { side: Side, at: Timestamp },
}

pub struct World {
    /// Milliseconds since the epoch.
    pub now: i64,
    pub salesforce: Simulator<salesforce::Salesforce>,
    pub service_now: Simulator<service_now::ServiceNow>,
    pub chance: Chance,
    /// Are calls lost, and do they take time?
    pub troubled: bool,
    pub events: Vec<Event>,
    pub lost_answers: u64,
    pub lost_requests: u64,
    /// Something in front of Salesforce refuses every write whose body holds this text, and counts.
    pub refuses: Option<String>,
    pub refused_calls: u64,
    /// From which sizes on the flow uses bulk jobs.
    pub bulk: BulkRules,
    audited: [usize; 2],
    wake_at: Vec<i64>,
    entropy: Chance,
}

pub type Shared = Arc<Mutex<World>>;

pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().expect("the simulation is single-threaded")
}

impl World {
    pub fn new(
        seed: u64,
        salesforce: salesforce::Salesforce,
        service_now: service_now::ServiceNow,
        now: Timestamp,
    ) -> Self {
        Self {
            now: now.as_millisecond(),
            salesforce: Simulator::new(salesforce),
            service_now: Simulator::new(service_now),
            chance: Chance::new(seed),
            troubled: true,
            events: Vec::new(),
            lost_answers: 0,
            lost_requests: 0,
            refuses: None,
            refused_calls: 0,
            bulk: BulkRules::default(),
            audited: [0, 0],
            wake_at: Vec::new(),
            entropy: Chance::new(seed ^ 0xE17),
        }
    }

    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).expect("a moment of this century")
    }

    pub fn pass(&mut self, by: Duration) {
        self.now += i64::try_from(by.as_millis()).unwrap();
    }

    /// How long after a write of a person readers see it.
    pub fn visible_after(&self, side: Side) -> Duration {
        let seconds = match side {
            Side::Salesforce => self.salesforce.model.settings.late_commit_seconds,
            Side::ServiceNow => self.service_now.model.switches.late_commit_seconds,
        };
        // The audit states whole seconds; the write may have been made at the end of its second.
        Duration::from_secs(seconds.unsigned_abs() + 1)
    }

    /// Takes over what the services' audits say since the last time.
    pub fn audit(&mut self) {
        let salesforce = self.salesforce.model.writes();
        let service_now = self.service_now.model.writes();
        for (index, (side, writes)) in [(Side::Salesforce, salesforce), (Side::ServiceNow, service_now)]
            .into_iter()
            .enumerate()
        {
            // A service that was restored from a backup has forgotten some.
            let new = writes[self.audited[index].min(writes.len())..].iter();
            self.events.extend(new.map(|write| Event::Wrote {
                side,
                write: write.clone(),
            }));
            self.audited[index] = writes.len();
        }
    }

    /// The moment at which the first sleeper wakes, among those seen since the last call.
    pub fn next_wake(&mut self) -> Option<i64> {
        self.wake_at.drain(..).min()
    }

    fn deliver(
        &mut self,
        side: Side,
        request: &http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let writes = request
            .extensions()
            .get::<CallPolicy>()
            .is_some_and(|policy| policy.effect == Effect::Write);
        if self.troubled {
            let pause = self.chance.below(1_500);
            self.pass(Duration::from_millis(pause));
            if self.chance.permille(15) {
                self.lost_requests += 1;
                let lost = self.chance.permille(500);
                return Err(if lost {
                    TransportError::NoAnswer("the request was lost".into())
                } else {
                    TransportError::NotSent("connection refused".into())
                });
            }
        }
        let poison = self
            .refuses
            .as_deref()
            .filter(|_| writes && side == Side::Salesforce);
        if poison.is_some_and(|text| String::from_utf8_lossy(request.body()).contains(text)) {
            self.refused_calls += 1;
            let body =
                r#"[{"errorCode":"JSON_PARSER_ERROR","message":"The HTTP entity body cannot be read"}]"#;
            let answer = http::Response::builder()
                .status(400)
                .header("Content-Type", "application/json")
                .body(Bytes::from_static(body.as_bytes()));
            return answer.map_err(|error| TransportError::NotSent(error.to_string()));
        }
        let now = self.timestamp();
        let delivered = match side {
            Side::Salesforce => self.salesforce.deliver(request, now),
            Side::ServiceNow => self.service_now.deliver(request, now),
        };
        self.audit();
        // Signing in shows no record.
        let shows_records = request
            .extensions()
            .get::<CallPolicy>()
            .is_some_and(|policy| matches!(policy.action, "read_ids" | "read_changes" | "find"));
        if shows_records {
            self.events.push(Event::Read { side, at: now });
        }
        let lose = self.troubled && self.chance.permille(if writes { 60 } else { 10 });
        match delivered {
            Delivered::Answer(_) if lose => {
                self.lost_answers += u64::from(writes);
                Err(TransportError::NoAnswer("the answer was lost".into()))
            }
            Delivered::Answer(answer) => Ok(answer),
            Delivered::NoAnswer => Err(TransportError::NoAnswer("connection closed".into())),
        }
    }
}

/// One side's way through the world.
pub struct SimTransport {
    pub side: Side,
    pub world: Shared,
}

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        // Killed before the effect, or after it and before the answer: both are places where a process may die.
        Step::default().await;
        let answer = lock(&self.world).deliver(self.side, &request);
        Step::default().await;
        answer
    }
}

/// Gives way once.
#[derive(Default)]
pub struct Step(bool);

impl Future for Step {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The virtual clock.
pub struct SimClock(pub Shared);

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Instant {
        Instant::from_seconds(lock(&self.0).now.div_euclid(1000))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(lock(&self.0).now.unsigned_abs())
    }

    async fn sleep(&self, duration: Duration) {
        let until = lock(&self.0).now + i64::try_from(duration.as_millis()).unwrap();
        std::future::poll_fn(|_| {
            let mut world = lock(&self.0);
            if world.now >= until {
                return Poll::Ready(());
            }
            world.wake_at.push(until);
            Poll::Pending
        })
        .await;
    }
}

/// Seeded chance for jitter.
pub struct SimEntropy(pub Shared);

impl Entropy for SimEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut world = lock(&self.0);
        for byte in buffer {
            *byte = world.entropy.next().to_le_bytes()[0];
        }
    }
}

/// One process, always the leader.
pub struct AlwaysLeader;

impl Fence for AlwaysLeader {
    fn permits(&self, _duration: Duration) -> bool {
        true
    }
}
