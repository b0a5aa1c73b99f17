//! Workers here are written by hand, and time is tokio's paused clock: nothing waits for real.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::*;
use crate::controllers::connection::registry::{Epoch, Lent};
use crate::controllers::connection::watchful::tests::Refusing;
use crate::core::definition::{
    ConflictPolicy, DeletePolicy, Direction, DriftPolicy, ExitPolicy, FlowDefinition, Guards, History,
    Matching, SideDefinition,
};
use crate::core::failure::FailureClass;
use crate::core::side::{PerSide, Side};
use crate::core::time::Instant;
use crate::engine::report::FlowState;
use crate::engine::requests::Requests;
use crate::runtime::clock::SystemClock;

/// Opens an in-memory store; refuses as often as told.
struct Memory {
    refusals: AtomicUsize,
}

#[async_trait]
impl StateOpener for Memory {
    async fn open(&self, _: &FlowKey) -> Result<OpenState, Problem> {
        let refuse = self
            .refusals
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if refuse.is_ok() {
            return Err(Problem::transient("StoreUnavailable", "not now"));
        }
        Ok(OpenState {
            store: Arc::new(crate::adapters::link_store::memory::MemoryStore::new()),
            key: [0; 32],
        })
    }
}

struct NoChance;

impl Entropy for NoChance {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

struct Always;

impl Fence for Always {
    fn permits(&self, _: Duration) -> bool {
        true
    }
}

/// What a hand-made worker says about itself, with the interval of its definition as its name.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Began(u64),
    SyncNow(String),
    Drained(u64),
}

/// A supervisor, what its workers say, and what wakes the controllers.
struct Bench {
    supervisor: Supervisor,
    said: mpsc::UnboundedReceiver<Said>,
    woken: mpsc::UnboundedReceiver<String>,
}

fn bench(refusals: usize, work: impl Fn(mpsc::UnboundedSender<Said>) -> Arc<Work>) -> Bench {
    let (say, said) = mpsc::unbounded_channel();
    let (wake, woken) = mpsc::unbounded_channel();
    let shared = Shared {
        state: Arc::new(Memory {
            refusals: AtomicUsize::new(refusals),
        }),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(NoChance),
        fence: Arc::new(Always),
        metrics: Arc::new(Metrics::new()),
        wake: Box::new(move |flow| {
            let _ = wake.send(flow.name.clone());
        }),
        drain_timeout: Duration::from_secs(30),
    };
    Bench {
        supervisor: Supervisor::with_work(shared, work(say)),
        said,
        woken,
    }
}

/// Reports `Synced`, tells what it is told, and drains when asked to.
fn obedient(say: mpsc::UnboundedSender<Said>) -> Arc<Work> {
    Arc::new(move |parts, mut control, reports| {
        let say = say.clone();
        Box::pin(async move {
            let name = parts.definition.interval.as_secs();
            let _ = say.send(Said::Began(name));
            reports.send_modify(|report| report.state = FlowState::Synced);
            let mut asked = control.borrow().requests.sync_now.clone();
            while control.changed().await.is_ok() {
                let told = control.borrow_and_update().clone();
                if told.stop {
                    let _ = say.send(Said::Drained(name));
                    return;
                }
                if told.requests.sync_now != asked {
                    asked = told.requests.sync_now;
                    let _ = say.send(Said::SyncNow(asked.clone().unwrap_or_default()));
                }
            }
        })
    })
}

fn flow(name: &str) -> FlowKey {
    FlowKey {
        uid: format!("uid-{name}"),
        namespace: "test".to_owned(),
        name: name.to_owned(),
    }
}

/// An order whose definition is told apart by its interval.
fn order(seconds: u64) -> WorkOrder {
    let side = |object: &str| SideDefinition {
        object: object.parse().unwrap(),
        stamp_field: None,
        rules: vec![],
        on_create: vec![],
    };
    WorkOrder {
        definition: FlowDefinition {
            direction: Direction::TwoWay,
            sides: PerSide {
                salesforce: side("Case"),
                service_now: side("incident"),
            },
            fields: vec![],
            history: History::All,
            conflict: ConflictPolicy::MostRecent,
            drift: DriftPolicy::Revert,
            on_exit: ExitPolicy::KeepSyncing,
            on_delete: DeletePolicy::Unlink,
            guards: Guards::default(),
            guarded_writes: false,
            matching: Matching::CreateOnly,
            interval: Duration::from_secs(seconds),
        },
        connections: PerSide::from_fn(|side| lent(side, 1)),
    }
}

fn lent(side: Side, generation: i64) -> Lent {
    Lent {
        epoch: Epoch {
            uid: side.label().to_owned(),
            generation: Some(generation),
            secret: String::new(),
            sign_in_now: None,
        },
        side,
        // The workers here never call their services.
        remote: Arc::new(Refusing),
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_order_leaves_its_worker_alone_and_passes_the_request_for_a_cycle_now() {
    let mut bench = bench(0, obedient);
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    bench.supervisor.run(&cases, order(1), Requests::default());
    bench.supervisor.run(
        &cases,
        order(1),
        Requests {
            sync_now: Some("now".to_owned()),
            ..Requests::default()
        },
    );
    assert_eq!(bench.said.recv().await, Some(Said::SyncNow("now".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn another_order_starts_only_after_the_first_worker_has_drained() {
    let mut bench = bench(0, obedient);
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    assert_eq!(bench.woken.recv().await.as_deref(), Some("cases"));
    bench.supervisor.run(&cases, order(2), Requests::default());
    let report = bench.supervisor.report(&cases).unwrap();
    assert_eq!(
        report.state,
        FlowState::Starting,
        "what the first worker said is not about the second order"
    );
    assert_eq!(bench.said.recv().await, Some(Said::Drained(1)));
    assert_eq!(bench.said.recv().await, Some(Said::Began(2)));
}

#[tokio::test(start_paused = true)]
async fn another_epoch_of_a_connection_is_another_order() {
    let mut bench = bench(0, obedient);
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    let mut rotated = order(1);
    rotated.connections.salesforce = lent(Side::Salesforce, 2);
    bench.supervisor.run(&cases, rotated, Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Drained(1)));
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
}

#[tokio::test(start_paused = true)]
async fn a_flow_at_rest_has_no_worker_and_no_report_and_starts_again() {
    let mut bench = bench(0, obedient);
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    bench.supervisor.rest(&cases);
    assert_eq!(bench.said.recv().await, Some(Said::Drained(1)));
    assert_eq!(bench.supervisor.report(&cases), None);
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_flow_is_acknowledged_only_after_its_worker_has_drained() {
    let mut bench = bench(0, obedient);
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    assert!(bench.supervisor.end(&cases).await);
    assert_eq!(
        bench.said.try_recv(),
        Ok(Said::Drained(1)),
        "drained before the end was acknowledged"
    );
    assert!(
        bench.supervisor.end(&cases).await,
        "a flow that is gone has ended"
    );
}

/// A worker with a bug.
async fn crash() {
    std::future::ready(()).await;
    panic!("a bug")
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_is_reported_and_started_again_while_others_go_on() {
    let mut bench = bench(0, |say| {
        let calm = obedient(say.clone());
        let first = AtomicUsize::new(0);
        Arc::new(move |parts, control, reports| {
            if parts.definition.interval.as_secs() == 13 && first.fetch_add(1, Ordering::SeqCst) == 0 {
                return Box::pin(crash());
            }
            calm(parts, control, reports)
        })
    });
    let (bad, good) = (flow("bad"), flow("good"));
    bench.supervisor.run(&bad, order(13), Requests::default());
    assert_eq!(bench.woken.recv().await.as_deref(), Some("bad"));
    let FlowState::Failing(problem) = bench.supervisor.report(&bad).unwrap().state else {
        panic!("the failure is not reported");
    };
    assert_eq!(
        (problem.reason.as_str(), problem.class),
        ("WorkerFailed", FailureClass::Transient)
    );
    bench.supervisor.run(&good, order(1), Requests::default());
    assert_eq!(
        bench.said.recv().await,
        Some(Said::Began(1)),
        "the other flow does not wait for the back-off"
    );
    assert_eq!(
        bench.said.recv().await,
        Some(Said::Began(13)),
        "and the bad one is started again"
    );
}

#[tokio::test(start_paused = true)]
async fn link_state_that_cannot_be_opened_is_reported_and_tried_again() {
    let mut bench = bench(2, obedient);
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    bench.woken.recv().await.unwrap();
    let report = bench.supervisor.report(&cases).unwrap();
    assert_eq!(
        report.state,
        FlowState::Failing(Problem::transient("StoreUnavailable", "not now"))
    );
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_drain_in_time_is_dropped_and_never_runs_beside_its_successor() {
    let mut bench = bench(0, |say| {
        Arc::new(move |parts: WorkerParts, _, _| {
            let say = say.clone();
            Box::pin(async move {
                let _ = say.send(Said::Began(parts.definition.interval.as_secs()));
                std::future::pending::<()>().await;
            })
        })
    });
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    bench.supervisor.run(&cases, order(2), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(2)));
    let text = bench.supervisor.shared.metrics.text().unwrap();
    assert!(text.contains("syncflow_worker_drains_aborted_total 1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn draining_all_ends_every_worker() {
    let mut bench = bench(0, obedient);
    for (name, seconds) in [("a", 1), ("b", 2)] {
        bench
            .supervisor
            .run(&flow(name), order(seconds), Requests::default());
        assert_eq!(bench.said.recv().await, Some(Said::Began(seconds)));
    }
    bench.supervisor.drain().await;
    let mut drained = [bench.said.recv().await, bench.said.recv().await];
    drained.sort_by_key(|said| format!("{said:?}"));
    assert_eq!(drained, [Some(Said::Drained(1)), Some(Said::Drained(2))]);
}

#[tokio::test(start_paused = true)]
async fn a_flow_whose_finalizer_was_taken_away_by_hand_loses_its_worker() {
    let mut bench = bench(0, obedient);
    bench
        .supervisor
        .run(&flow("orphan"), order(1), Requests::default());
    assert_eq!(bench.said.recv().await, Some(Said::Began(1)));
    bench.supervisor.retain(&|_| false);
    assert_eq!(bench.said.recv().await, Some(Said::Drained(1)));
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_after_the_drain_began() {
    let mut bench = bench(0, obedient);
    bench.supervisor.drain().await;
    bench.supervisor.run(&flow("late"), order(1), Requests::default());
    assert_eq!(bench.supervisor.report(&flow("late")), None);
    assert!(bench.said.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_pulse_of_a_flow_is_counted_and_wakes_nobody() {
    let mut bench = bench(0, |say| {
        Arc::new(move |_: WorkerParts, _, reports: watch::Sender<FlowReport>| {
            let say = say.clone();
            Box::pin(async move {
                reports.send_modify(|report| report.state = FlowState::Synced);
                tokio::time::sleep(Duration::from_mins(1)).await;
                reports.send_modify(|report| report.last_good_cycle = Some(Instant::from_seconds(1234)));
                tokio::time::sleep(Duration::from_mins(1)).await;
                let _ = say.send(Said::Began(0));
                std::future::pending::<()>().await;
            })
        })
    });
    let cases = flow("cases");
    bench.supervisor.run(&cases, order(1), Requests::default());
    assert_eq!(
        bench.woken.recv().await.as_deref(),
        Some("cases"),
        "the state is news"
    );
    assert_eq!(bench.said.recv().await, Some(Said::Began(0)));
    assert!(bench.woken.try_recv().is_err(), "the pulse is not");
    let text = bench.supervisor.shared.metrics.text().unwrap();
    let pulse = "syncflow_flow_last_good_cycle_timestamp_seconds{namespace=\"test\",name=\"cases\"} 1234";
    assert!(text.contains(pulse), "{text}");
}
