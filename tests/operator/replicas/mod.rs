//! Two replicas of the operator, killed, frozen and cut off in turn while people go on working.
//!
//! Each replica reaches the API server and the services only through [`gate`]s of its own, which write down what it does and
//! can be cut. Trouble begins at moments that are caught, not hit by chance: while a write is at work whose answer the
//! replica never hears, or between the moment when an intent is durable and its write.
//!
//! - [`gate`]: the way of one replica to a server
//! - [`replica`]: the process
//! - [`terms`]: who led when
//! - [`crowd`]: people; [`judge`]: what must be so in the end

mod crowd;
mod gate;
mod judge;
mod replica;
mod terms;

use std::sync::Arc;

use serde_json::Value;
use syncflow::adapters::link_store::flow_object::FlowObject;
use syncflow::adapters::link_store::reader::StateReader;
use syncflow::api::SyncFlow;
use syncflow::core::side::Side;
use tokio::process::Command;
use tokio::sync::oneshot;

use self::crowd::{Crowd, hurry};
use self::gate::{Call, Caught, Cut};
use self::judge::judge;
use self::replica::Replica;
use self::terms::Terms;
use crate::world::{FLOW, PATIENCE, World, get};

/// Two replicas and who watches them.
struct Pair {
    world: Arc<World>,
    replicas: [Replica; 2],
    terms: Terms,
    crowd: Crowd,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_replicas_killed_frozen_and_cut_off_in_turn_make_nothing_twice_and_lose_no_edit() {
    let world = Arc::new(World::alone("replicas").await);
    let replicas = [
        Replica::start(&world, "a").await,
        Replica::start(&world, "b").await,
    ];
    world.apply_quickstart().await;
    let hurrying = tokio::spawn(hurry(Arc::clone(&world)));
    let pair = Pair {
        terms: Terms::watch(&world),
        crowd: Crowd::gather(&world),
        world,
        replicas,
    };
    pair.somebody_leads_and_syncs().await;
    pair.frozen_between_an_intent_and_its_write().await;
    pair.killed_while_a_write_is_at_work().await;
    pair.frozen_while_a_write_is_at_work().await;
    pair.cut_off_from_the_api_server(Cut::Refused).await;
    pair.cut_off_from_the_api_server(Cut::BlackHole).await;
    pair.cut_off_from_the_services().await;

    pair.crowd.pause();
    pair.quiet().await;
    pair.at_rest_nothing_is_written_and_one_leads().await;
    hurrying.abort();
    for replica in &pair.replicas {
        pair.terms.cover_every_write_of(replica);
    }
    let journal = pair.journal().await;
    judge(&pair.world, &pair.crowd.stories(), &journal);
}

impl Pair {
    /// The replica that leads, and the other.
    fn leader_and_other(&self) -> (&Replica, &Replica) {
        let holder = self.terms.holder().expect("somebody leads");
        let [a, b] = &self.replicas;
        if holder == a.name { (a, b) } else { (b, a) }
    }

    async fn somebody_leads_and_syncs(&self) {
        let crowd = &self.crowd;
        self.until("somebody leads", || self.terms.holder().is_some())
            .await;
        self.until("ten records have counterparts", || {
            let stories = crowd.stories();
            stories.len() >= 10
                && stories
                    .iter()
                    .take(8)
                    .all(|story| crowd::pair(&self.world, story).is_some())
        })
        .await;
    }

    /// Its intents are durable, and the last look before the write is on its way: then it stands still. When it goes on, that
    /// look is answered, and another leads.
    async fn frozen_between_an_intent_and_its_write(&self) {
        self.crowd.pause();
        self.quiet().await;
        let (leader, other) = self.leader_and_other();
        let (api, stored) = (Arc::clone(&leader.api), leader.api.count(Call::writes_state));
        let looks = move |call: &Call| call.reads_incidents() && api.count(Call::writes_state) > stored;
        let caught = leader.services.catch(looks);
        let ids = self.crowd.edit_one(&[Side::Salesforce]);
        let look = self.caught("a look before a write", caught).await;
        leader.freeze().await;
        let links = self.links().await;
        let link = links.iter().find(|link| {
            link.ids[Side::Salesforce]
                .as_ref()
                .is_some_and(|id| id.as_str() == ids[&Side::Salesforce])
        });
        assert!(
            link.unwrap().intents[Side::ServiceNow].is_some(),
            "its intent is durable"
        );
        self.thawed_when_another_leads(leader, other, look).await;
    }

    async fn frozen_while_a_write_is_at_work(&self) {
        let (leader, other) = self.leader_and_other();
        let write = self.a_write_at_work(leader).await;
        leader.freeze().await;
        self.thawed_when_another_leads(leader, other, write).await;
    }

    /// While it stands still the other takes over, and people go on. Then it wakes, hears the answer that it waited for, and
    /// writes nothing: no record, no link state, nothing at all.
    async fn thawed_when_another_leads(&self, leader: &Replica, other: &Replica, answer: Caught) {
        self.crowd.edit_one(&[Side::Salesforce, Side::ServiceNow]);
        self.crowd.go_on();
        self.leads_and_writes(other).await;
        let (records, objects) = (
            leader.services.count(Call::writes),
            leader.api.count(Call::writes),
        );
        let ends = leader.ends();
        drop(answer);
        leader.thaw().await;
        leader.ended_since(ends).await;
        let after = leader.api.calls();
        let written: Vec<&Call> = after.iter().filter(|call| call.writes()).skip(objects).collect();
        assert_eq!(
            leader.services.count(Call::writes),
            records,
            "it wrote a record after it woke"
        );
        assert!(
            written.is_empty(),
            "it wrote to the cluster after it woke: {written:?}"
        );
    }

    async fn killed_while_a_write_is_at_work(&self) {
        let (leader, other) = self.leader_and_other();
        let _write = self.a_write_at_work(leader).await;
        leader.kill().await;
        self.leads_and_writes(other).await;
        leader.restart();
    }

    /// It may go on for as long as its Lease lasts, and then ends; the other takes over.
    async fn cut_off_from_the_api_server(&self, how: Cut) {
        let (leader, other) = self.leader_and_other();
        let ends = leader.ends();
        let write = self.a_write_at_work(leader).await;
        leader.api.cut(how);
        drop(write);
        self.leads_and_writes(other).await;
        leader.ended_since(ends).await;
        leader.api.cut(Cut::Open);
    }

    /// It goes on leading: nobody else would reach the services any better, for all it knows. When they are back, so is it.
    async fn cut_off_from_the_services(&self) {
        let (leader, _) = self.leader_and_other();
        leader.services.cut(Cut::Refused);
        self.world
            .until(FLOW, "says that it does not go on", |flow: &SyncFlow| {
                let conditions = flow.status.iter().flat_map(|status| &status.conditions);
                conditions
                    .into_iter()
                    .any(|ready| ready.type_ == "Ready" && ready.status == "False")
            })
            .await;
        leader.services.cut(Cut::Open);
        let before = leader.services.count(Call::writes);
        self.until("it writes again", || leader.services.count(Call::writes) > before)
            .await;
    }

    /// The next write to the instance, carried out and not yet answered. Of a round, updates of
    /// Salesforce are done by then, so that none has to wait for as long as Salesforce may work at a call.
    async fn a_write_at_work(&self, leader: &Replica) -> Caught {
        self.caught("a write", leader.services.catch(Call::writes_to_service_now))
            .await
    }

    async fn caught(&self, what: &str, receiver: oneshot::Receiver<Caught>) -> Caught {
        let caught = tokio::time::timeout(PATIENCE, receiver).await;
        caught
            .unwrap_or_else(|_| panic!("not caught in time: {what}\n{}", self.logs()))
            .unwrap()
    }

    async fn leads_and_writes(&self, replica: &Replica) {
        let before = replica.services.count(Call::writes);
        self.until(&format!("{} takes over", replica.name), || {
            self.terms.holder().as_deref() == Some(replica.name)
        })
        .await;
        self.until(&format!("{} writes", replica.name), || {
            replica.services.count(Call::writes) > before
        })
        .await;
    }

    /// Waits until everything is on both sides and a few cycles have found nothing to do.
    async fn quiet(&self) {
        let quiet = async {
            loop {
                self.until("both sides agree", || self.crowd.all_agreed()).await;
                let before = self.written();
                self.some_cycles().await;
                if self.written() == before && self.crowd.all_agreed() {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, quiet)
            .await
            .unwrap_or_else(|_| panic!("it is never quiet\n{}", self.logs()));
    }

    async fn some_cycles(&self) {
        let looks = || {
            self.replicas
                .iter()
                .map(|one| one.services.count(Call::reads_incidents))
                .sum::<usize>()
        };
        let before = looks();
        self.until("a few cycles have passed", || looks() >= before + 4)
            .await;
    }

    /// Writes of records and of link state so far, of both.
    fn written(&self) -> [usize; 4] {
        let [a, b] = &self.replicas;
        [
            a.services.count(Call::writes),
            b.services.count(Call::writes),
            a.api.count(Call::writes_state),
            b.api.count(Call::writes_state),
        ]
    }

    async fn at_rest_nothing_is_written_and_one_leads(&self) {
        let before = self.written();
        self.some_cycles().await;
        assert_eq!(self.written(), before, "at rest something was written");
        let mut held = 0;
        for replica in &self.replicas {
            let (_, metrics) = get(&replica.admin_address().expect("it listens"), "/metrics").await;
            held += metrics
                .lines()
                .filter(|line| *line == "syncflow_lease_held 1")
                .count();
        }
        assert_eq!(held, 1, "one leads");
    }

    async fn links(&self) -> Vec<syncflow::core::link::Link> {
        let flow: SyncFlow = self.world.api().get(FLOW).await.unwrap();
        let object = FlowObject::new(&self.world.namespace, FLOW, flow.metadata.uid.unwrap());
        StateReader::new(self.world.client.clone(), object)
            .links()
            .await
            .unwrap()
    }

    async fn journal(&self) -> Value {
        let listed = Command::new(env!("CARGO_BIN_EXE_syncflow"))
            .args([
                "conflicts",
                "list",
                FLOW,
                "--output",
                "json",
                "--namespace",
                &self.world.namespace,
            ])
            .env_clear()
            .env("KUBECONFIG", self.world.plane.kubeconfig_path())
            .output()
            .await
            .unwrap();
        assert!(listed.status.success());
        serde_json::from_slice(&listed.stdout).unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        self.world
            .eventually_or(what, || holds().then_some(()), || self.logs())
            .await;
    }

    fn logs(&self) -> String {
        let tail = |replica: &Replica| {
            let log = replica.log();
            let lines: Vec<&str> = log.lines().collect();
            format!(
                "--- {}\n{}\n",
                replica.name,
                lines[lines.len().saturating_sub(40)..].join("\n")
            )
        };
        self.replicas.iter().map(tail).collect()
    }
}
