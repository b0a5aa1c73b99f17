//! Both services, the clock, chance, and what happens to a call on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::DATE;
use jiff::Timestamp;
use syncflow::adapters::salesforce::BulkRules;
use syncflow::core::ident::RecordId;
use syncflow::core::schema::ObjectSchema;
use syncflow::core::side::{PerSide, Side};
use syncflow::core::time::Instant;
use syncflow::ports::{CallPolicy, Clock, Effect, Entropy, Transport, TransportError};
use syncflow_simulators::service_now::ChosenSysId;
use syncflow_simulators::{Delivered, Fault, Model, Simulator, Write, salesforce, service_now};

use crate::chance::Chance;
use crate::counts::Counts;
use crate::lease::Lease;
use crate::process::Step;
use crate::remote::Squeeze;
use crate::script::{Happening, Kind, Script};
use crate::trouble::{Mishap, Trouble};

/// What happened, in order: the services' own audit, and when something was read.
#[derive(Debug)]
pub enum Event {
    /// A write at a service, by anyone.
    Wrote {
        side: Side,
        write: Write,
        /// The place in this list at which the request was sent: earlier than this one's where the service took its time.
        sent: usize,
    },
    /// An API call that only read was answered by a service, and showed us these records.
    Read {
        side: Side,
        at: Timestamp,
        ids: BTreeSet<String>,
    },
}

pub struct World {
    /// Milliseconds since the epoch.
    pub now: i64,
    pub salesforce: Simulator<salesforce::Salesforce>,
    pub service_now: Simulator<service_now::ServiceNow>,
    pub script: Script,
    /// What happened of what the script draws.
    pub happened: Vec<Happening>,
    /// Do calls go wrong, and do they take time?
    pub troubled: bool,
    pub trouble: Trouble,
    /// Other sizes and times than the product's.
    pub squeeze: Option<Squeeze>,
    pub lease: Lease,
    /// How far each service's clock is ahead of ours, in milliseconds.
    pub skew: PerSide<i64>,
    /// How much faster than ours each service's clock runs, in millionths.
    pub drift: PerSide<i64>,
    began: i64,
    pub counts: Counts,
    /// Do the manifests have long texts cut? Then nobody has to shorten them.
    pub cuts_texts: bool,
    pub events: Vec<Event>,
    /// Tells of every call as it is made.
    pub loud: bool,
    pub lost_answers: u64,
    /// Something in front of Salesforce refuses every write whose body holds this text, and counts.
    pub refuses: Option<String>,
    pub refused_calls: u64,
    /// From which sizes on the flow uses bulk jobs.
    pub bulk: BulkRules,
    /// Calls made so far, by number, and those of each side.
    pub calls: u64,
    pub calls_of: PerSide<u64>,
    /// The answers to these calls are lost on their way back.
    pub loses_answers: std::ops::Range<u64>,
    audited: PerSide<usize>,
    /// Requests that are still underway to a service: until when by its clock, in milliseconds, and where in the list of
    /// events they were sent.
    underway: Vec<(Side, i64, usize)>,
    schemas: PerSide<Option<ObjectSchema>>,
    schemas_asked: u64,
    schema_generation: u64,
    descriptions: BTreeMap<String, http::Response<Bytes>>,
    wake_at: Vec<i64>,
    entropy: Chance,
}

pub type Shared = Arc<Mutex<World>>;

pub fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().expect("the simulation is single-threaded")
}

/// A known schema answers so many descriptions of eight.
const KNOWN_OF_EIGHT: u64 = 7;

impl World {
    pub fn new(
        script: Script,
        salesforce: salesforce::Salesforce,
        service_now: service_now::ServiceNow,
        now: Timestamp,
    ) -> Self {
        let seed = script.seed;
        Self {
            now: now.as_millisecond(),
            salesforce: Simulator::new(salesforce),
            service_now: Simulator::new(service_now),
            script,
            happened: Vec::new(),
            troubled: true,
            trouble: Trouble::default(),
            squeeze: None,
            lease: Lease::lasting(Duration::from_secs(150)),
            skew: PerSide::default(),
            drift: PerSide::default(),
            began: now.as_millisecond(),
            counts: Counts::default(),
            cuts_texts: false,
            events: Vec::new(),
            loud: false,
            lost_answers: 0,
            refuses: None,
            refused_calls: 0,
            bulk: BulkRules::default(),
            calls: 0,
            calls_of: PerSide::default(),
            loses_answers: 0..0,
            audited: PerSide::default(),
            underway: Vec::new(),
            schemas: PerSide::default(),
            schemas_asked: 0,
            schema_generation: 0,
            descriptions: BTreeMap::new(),
            wake_at: Vec::new(),
            entropy: Chance::new(seed ^ 0xE17),
        }
    }

    /// Times and sizes with which a scene is over soon.
    pub fn squeeze_for_scenes(&mut self) {
        let squeeze = Squeeze::SCENES;
        self.squeeze = Some(squeeze);
        self.lease = Lease::lasting(squeeze.write_timeout * 3);
    }

    /// Does an event that was drawn happen in this telling of the story?
    pub fn happens(&mut self, event: Happening) -> bool {
        let happens = self.script.allows(event);
        if happens {
            self.happened.push(event);
        }
        happens
    }

    /// Now, by our clock, which is also the services' unless they are skewed.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).expect("a moment of this century")
    }

    /// Now, by a service's clock.
    pub fn time_of(&self, side: Side) -> Timestamp {
        let gained = (self.now - self.began) * self.drift[side] / 1_000_000;
        Timestamp::from_millisecond(self.now + self.skew[side] + gained).expect("a moment of this century")
    }

    pub fn pass(&mut self, by: Duration) {
        self.now += i64::try_from(by.as_millis()).unwrap();
    }

    /// Does a side show every write as soon as it is made?
    pub fn shows_at_once(&self, side: Side) -> bool {
        match side {
            Side::Salesforce => self.salesforce.model.settings.late_commit_seconds == 0,
            Side::ServiceNow => {
                let switches = &self.service_now.model.switches;
                switches.late_commit_seconds + switches.replica_lag_seconds == 0
            }
        }
    }

    /// How long after a write of a person readers see it.
    pub fn visible_after(&self, side: Side) -> Duration {
        let seconds = match side {
            Side::Salesforce => self.salesforce.model.settings.late_commit_seconds,
            Side::ServiceNow => {
                let switches = &self.service_now.model.switches;
                switches.late_commit_seconds + switches.replica_lag_seconds
            }
        };
        // The audit states whole seconds; the write may have been made at the end of its second.
        Duration::from_secs(seconds.unsigned_abs() + 1)
    }

    /// What the readings of a side since that place in the list of events showed us.
    pub fn note_shown<'a>(&mut self, side: Side, since: usize, shown: impl Iterator<Item = &'a RecordId>) {
        let shown: Vec<String> = shown.map(|id| id.as_str().to_owned()).collect();
        for event in self.events.iter_mut().skip(since) {
            if let Event::Read { side: of, ids, .. } = event
                && *of == side
            {
                ids.extend(shown.iter().cloned());
            }
        }
    }

    /// Is a request still underway to that side?
    pub fn is_underway(&self, side: Side) -> bool {
        self.underway.iter().any(|(of, ..)| *of == side)
    }

    /// Takes over what the services' audits say since the last time.
    pub fn audit(&mut self) {
        let times = PerSide::from_fn(|side| self.time_of(side));
        self.salesforce.settle(times.salesforce);
        self.service_now.settle(times.service_now);
        for side in Side::BOTH {
            let here = self.events.len();
            let (now, underway) = (times[side].as_millisecond(), &self.underway);
            let arrived = underway.iter().filter(|(of, due, _)| *of == side && *due <= now);
            let sent = arrived.map(|(_, _, sent)| *sent).min().unwrap_or(here);
            let writes = match side {
                Side::Salesforce => self.salesforce.model.writes(),
                Side::ServiceNow => self.service_now.model.writes(),
            };
            // A service that was restored from a backup has forgotten some.
            let new = writes[self.audited[side].min(writes.len())..].iter();
            self.events.extend(new.map(|write| Event::Wrote {
                side,
                write: write.clone(),
                sent,
            }));
            self.audited[side] = writes.len();
            self.underway.retain(|(of, due, _)| *of != side || *due > now);
        }
    }

    /// The moment at which the first sleeper wakes, among those seen since the last call.
    pub fn next_wake(&mut self) -> Option<i64> {
        self.wake_at.drain(..).min()
    }

    /// What a process may take for the schema without asking, and of which generation.
    pub fn known_schema(&mut self, side: Side) -> (Option<ObjectSchema>, u64) {
        self.schemas_asked += 1;
        let usable = self.squeeze.is_some() && self.schemas_asked % 8 < KNOWN_OF_EIGHT;
        let known = self.schemas[side].clone().filter(|_| usable);
        (known, self.schema_generation)
    }

    /// What was asked in an earlier generation may be about to change.
    pub fn note_schema(&mut self, side: Side, generation: u64, schema: &ObjectSchema) {
        if generation == self.schema_generation {
            self.schemas[side] = Some(schema.clone());
        }
    }

    /// An administrator changed what objects look like.
    pub fn schemas_changed(&mut self) {
        self.schemas = PerSide::default();
        self.schema_generation += 1;
        self.descriptions.clear();
    }

    fn deliver(
        &mut self,
        side: Side,
        request: &http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let policy = request.extensions().get::<CallPolicy>().copied();
        let writes = policy.is_some_and(|policy| policy.effect == Effect::Write);
        let action = policy.map_or("", |policy| policy.action);
        let number = self.calls;
        self.calls += 1;
        self.calls_of[side] += 1;
        let mut mishap = None;
        let mut chance = Chance::of(self.script.seed, "call", number);
        if self.troubled {
            let pause = chance.below(1_500);
            self.pass(Duration::from_millis(pause));
            mishap = self.trouble.draw(&mut chance, side, writes);
            // Where the service makes its own ids, nothing keeps a creation that comes twice from making two records.
            let not_twice = side == Side::ServiceNow
                && self.service_now.model.switches.chosen_sys_id != ChosenSysId::Honoured;
            mishap = mishap.filter(|mishap| *mishap != Mishap::DeliveredTwice || !not_twice);
            mishap = mishap.filter(|_| self.happens((Kind::Fault, number)));
            if let Some(mishap) = mishap {
                self.counts.note_mishap(mishap);
            }
        }
        if self.loud {
            let (at, here) = (self.time_of(side), self.events.len());
            let body = if writes {
                String::from_utf8_lossy(request.body()).into_owned()
            } else {
                String::new()
            };
            println!("{here:>5} {at} {side} call {number}: {action} {mishap:?} {body}");
        }
        if mishap.is_none() && action == "describe" && side == Side::Salesforce {
            return self.described(request);
        }
        if mishap == Some(Mishap::Refused) {
            return Err(TransportError::NotSent("connection refused".into()));
        }
        if let Some(refusal) = self.refuse(side, request, writes) {
            return Ok(refusal);
        }
        let sent = self.events.len();
        if let Some(mishap) = mishap {
            self.befall(side, mishap, &mut chance, sent);
        }
        let at = self.time_of(side);
        let mut delivered = self.hand_over(side, request);
        if mishap == Some(Mishap::DeliveredTwice) {
            delivered = self.hand_over(side, request);
        }
        self.audit();
        // Signing in shows no record.
        if matches!(action, "read_ids" | "read_changes" | "find") && mishap != Some(Mishap::RequestLost) {
            let ids = BTreeSet::new();
            self.events.push(Event::Read { side, at, ids });
        }
        self.lost_answers += u64::from(writes && mishap == Some(Mishap::AnswerLost));
        match delivered {
            Delivered::Answer(answer) => Ok(answer),
            Delivered::NoAnswer => Err(TransportError::NoAnswer("connection closed".into())),
        }
    }

    fn refuse(
        &mut self,
        side: Side,
        request: &http::Request<Bytes>,
        writes: bool,
    ) -> Option<http::Response<Bytes>> {
        let poison = self
            .refuses
            .as_deref()
            .filter(|_| writes && side == Side::Salesforce)?;
        if !String::from_utf8_lossy(request.body()).contains(poison) {
            return None;
        }
        self.refused_calls += 1;
        let body = r#"[{"errorCode":"JSON_PARSER_ERROR","message":"The HTTP entity body cannot be read"}]"#;
        let mut answer = http::Response::new(Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = http::StatusCode::BAD_REQUEST;
        let json = http::HeaderValue::from_static("application/json");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Some(answer)
    }

    fn befall(&mut self, side: Side, mishap: Mishap, chance: &mut Chance, sent: usize) {
        mishap.befall(&mut self.salesforce.model, &mut self.service_now.model);
        // Never later than the service's own limit, which the engine counts from before it sent.
        let longest = self
            .squeeze
            .map_or(60_000, |squeeze| squeeze.longest_transaction.as_millis());
        // A clock that runs slower is late by a fiftieth at most.
        let latest = u64::try_from(longest).unwrap() * 97 / 100;
        let Some(effect) = mishap.effect(side, chance, latest) else {
            return;
        };
        if let syncflow_simulators::Effect::ActLater { millis } = effect {
            let due = self.time_of(side).as_millisecond() + i64::try_from(millis).unwrap();
            self.underway.push((side, due, sent));
        }
        let fault = Fault::once("", effect);
        match side {
            Side::Salesforce => self.salesforce.faults.add(fault),
            Side::ServiceNow => self.service_now.faults.add(fault),
        }
    }

    fn hand_over(&mut self, side: Side, request: &http::Request<Bytes>) -> Delivered {
        let at = self.time_of(side);
        match side {
            Side::Salesforce => self.salesforce.deliver(request, at),
            Side::ServiceNow => self.service_now.deliver(request, at),
        }
    }

    /// A description is the longest answer there is, and the same until somebody changes the object.
    fn described(&mut self, request: &http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let address = request.uri().to_string();
        let known = self.descriptions.get(&address).filter(|_| self.squeeze.is_some());
        if let Some(known) = known {
            let mut answer = known.clone();
            let date = self
                .time_of(Side::Salesforce)
                .strftime("%a, %d %b %Y %H:%M:%S GMT");
            answer
                .headers_mut()
                .insert(DATE, date.to_string().parse().unwrap());
            return Ok(answer);
        }
        match self.hand_over(Side::Salesforce, request) {
            Delivered::Answer(answer) => {
                if answer.status().is_success() {
                    self.descriptions.insert(address, answer.clone());
                }
                Ok(answer)
            }
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
        let begun = lock(&self.world).now;
        // Killed before the effect, or after it and before the answer: both are places where a process may die.
        Step::default().await;
        {
            let world = lock(&self.world);
            let patience = match (world.squeeze, request.extensions().get::<CallPolicy>()) {
                (Some(squeeze), _) => squeeze.write_timeout,
                (None, Some(policy)) => policy.timeout,
                (None, None) => Duration::MAX,
            };
            // A process that was stopped before it sent gives up when it wakes: the time-out of the call is over.
            if i128::from(world.now - begun) > i128::try_from(patience.as_millis()).unwrap_or(i128::MAX) {
                return Err(TransportError::NoAnswer("timed out".into()));
            }
        }
        let (number, answer) = {
            let mut world = lock(&self.world);
            (world.calls, world.deliver(self.side, &request))
        };
        Step::default().await;
        if lock(&self.world).loses_answers.contains(&number) {
            return Err(TransportError::NoAnswer("connection closed".into()));
        }
        answer
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
