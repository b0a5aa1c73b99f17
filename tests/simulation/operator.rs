//! The operator over a whole run: processes that die and start again, that are stopped and wake when another has taken
//! over, link state that is lost, manifests that are edited.

use syncflow::adapters::link_store::memory::{MemoryState, MemoryStore};
use syncflow::core::definition::FlowDefinition;
use syncflow::core::link::JournalEntry;
use syncflow::engine::report::FlowReport;
use syncflow::engine::requests::Requests;
use syncflow::engine::tuning::Tuning;

use crate::chance::Chance;
use crate::counts::Deed;
use crate::oracle::telling;
use crate::process::{Process, Stepped};
use crate::swarm::{Swarm, Trait};
use crate::world::{Shared, lock};

const KEY: [u8; 32] = [7; 32];

pub struct Operator {
    world: Shared,
    pub store: MemoryStore,
    pub definition: FlowDefinition,
    tuning: Tuning,
    process: Process,
    stopped: Option<Zombie>,
    started: u64,
    /// What the journal held before link state was lost.
    remembered: Vec<JournalEntry>,
    copies: Vec<MemoryState>,
    /// Was link state ever lost or rolled back?
    pub lost_state: bool,
    /// In so many steps link state falls back to the last copy.
    falls_back_in: Option<u64>,
    /// Manifests that somebody will apply, each in so many steps.
    to_apply: Vec<(u64, FlowDefinition)>,
    /// What people ask of the flow: annotations, which outlive processes.
    requests: Requests,
    asked: u64,
    /// For so many more steps the flow is suspended.
    suspended_for: u64,
}

/// A process that was stopped (SIGSTOP), and will go on without knowing what happened meanwhile.
struct Zombie {
    process: Process,
    wakes_in: u64,
    steps: u64,
}

impl Operator {
    pub fn start(world: &Shared, definition: FlowDefinition, tuning: Tuning) -> Self {
        let store = MemoryStore::new();
        let process = Process::start(world, &store, &definition, tuning, KEY, 1);
        Self {
            world: world.clone(),
            store,
            definition,
            tuning,
            process,
            stopped: None,
            started: 1,
            remembered: Vec::new(),
            copies: Vec::new(),
            lost_state: false,
            falls_back_in: None,
            to_apply: Vec::new(),
            requests: Requests::default(),
            asked: 0,
            suspended_for: 0,
        }
    }

    /// One step of whoever runs. Loud, it tells what the step changed in the store.
    pub fn step(&mut self) -> Stepped {
        if !lock(&self.world).loud {
            return self.step_quietly();
        }
        let before = self.store.state();
        let stepped = self.step_quietly();
        telling::tell_changes(&before, &self.store.state());
        stepped
    }

    fn step_quietly(&mut self) -> Stepped {
        if let Some(steps) = self.falls_back_in {
            self.falls_back_in = steps.checked_sub(1);
            if steps == 0 {
                let copy = self.copies.last().cloned().unwrap_or_default();
                self.fall_back(copy);
            }
        }
        let mut due = None;
        self.to_apply.retain_mut(|(steps, definition)| {
            let now = *steps == 0;
            *steps = steps.saturating_sub(1);
            if now {
                due = Some(definition.clone());
            }
            !now
        });
        if let Some(definition) = due {
            self.apply(definition);
        }
        self.suspended_for = self.suspended_for.saturating_sub(1);
        let stepped = self.work();
        let awake = self.step_zombie();
        if awake { Stepped::Busy } else { stepped }
    }

    /// A step of the worker; where it has stopped as it was told to, another one starts unless the flow is suspended.
    fn work(&mut self) -> Stepped {
        let stepped = self.process.step();
        if self.process.is_done() && self.suspended_for == 0 {
            self.kill();
            return Stepped::Busy;
        }
        stepped
    }

    fn step_zombie(&mut self) -> bool {
        let Some(zombie) = &mut self.stopped else {
            return false;
        };
        if zombie.wakes_in > 0 {
            zombie.wakes_in -= 1;
            return false;
        }
        if zombie.steps == 0 {
            self.stopped = None;
            return false;
        }
        zombie.steps -= 1;
        zombie.process.step_unknowing() == Stepped::Busy
    }

    /// The process dies, or is stopped for longer than its Lease lasts.
    pub fn crash(&mut self, swarm: &Swarm, chance: &mut Chance) {
        let stops = swarm.has(Trait::Zombies) && (!swarm.has(Trait::Crashes) || chance.permille(500));
        if stops && self.stopped.is_none() {
            lock(&self.world).counts.note(Deed::Stopped);
            self.stop(chance.below(60), 5 + chance.below(60));
        } else if swarm.has(Trait::Crashes) {
            lock(&self.world).counts.note(Deed::Killed);
            self.kill();
        }
    }

    /// SIGKILL, and another start.
    pub fn kill(&mut self) {
        lock(&self.world).lease.release();
        self.process = self.another();
    }

    /// SIGSTOP. Another process takes over when the Lease has run out; some steps later the stopped one goes on, for so
    /// many steps until it hears that it is no longer the leader.
    pub fn stop(&mut self, wakes_in: u64, steps: u64) {
        let mut world = lock(&self.world);
        world.now = world.now.max(world.lease.free_at());
        drop(world);
        let next = self.another();
        let process = std::mem::replace(&mut self.process, next);
        self.stopped = Some(Zombie {
            process,
            wakes_in,
            steps,
        });
    }

    fn another(&mut self) -> Process {
        self.started += 1;
        let process = Process::start(
            &self.world,
            &self.store,
            &self.definition,
            self.tuning,
            KEY,
            self.started,
        );
        process.control.send_modify(|control| {
            control.requests = self.requests.clone();
            control.stop = self.suspended_for > 0;
        });
        process
    }

    /// Somebody sets an annotation. The number tells one request from another of the same words.
    pub fn ask(&mut self, change: impl FnOnce(&mut Requests, u64)) {
        self.asked += 1;
        change(&mut self.requests, self.asked);
        let requests = self.requests.clone();
        self.process
            .control
            .send_modify(|control| control.requests = requests);
    }

    /// `suspend: true`: the worker finishes what it has sent and stops; so many steps later somebody takes it back.
    pub fn suspend(&mut self, steps: u64) {
        self.suspended_for = steps;
        self.drain();
    }

    pub fn resume(&mut self) {
        self.suspended_for = 0;
    }

    /// The manifests are edited, as the operator goes about it: the worker finishes what it has sent, and the next one
    /// has the new manifests.
    pub fn apply_when_drained(&mut self, definition: FlowDefinition) {
        self.definition = definition;
        self.drain();
    }

    fn drain(&mut self) {
        lock(&self.world).counts.note(Deed::Drained);
        self.process.control.send_modify(|control| control.stop = true);
    }

    /// The manifests are edited: the worker is replaced.
    pub fn apply(&mut self, definition: FlowDefinition) {
        self.definition = definition;
        self.kill();
    }

    /// In so many steps the manifests are edited.
    pub fn apply_in(&mut self, steps: u64, definition: FlowDefinition) {
        self.to_apply.push((steps, definition));
    }

    /// Somebody takes a backup.
    pub fn copy_state(&mut self) {
        self.copies.push(self.store.state());
    }

    /// Link state is gone, or what it was some time ago.
    pub fn lose_state(&mut self, chance: &mut Chance) {
        let copy = if self.copies.is_empty() || chance.permille(400) {
            MemoryState::default()
        } else {
            chance.pick(&self.copies).clone()
        };
        self.fall_back(copy);
        // Who had it in memory may go on with it.
        if chance.permille(700) {
            self.kill();
        }
    }

    /// Every page is deleted.
    pub fn forget_everything(&mut self) {
        self.fall_back(MemoryState::default());
    }

    /// In so many steps link state is what it was when it was copied last.
    pub fn fall_back_in(&mut self, steps: u64) {
        self.falls_back_in = Some(steps);
    }

    fn fall_back(&mut self, copy: MemoryState) {
        self.lost_state = true;
        self.remembered = self.journal();
        self.store.restore(copy);
    }

    /// Everything that was ever in the journal.
    pub fn journal(&self) -> Vec<JournalEntry> {
        let mut journal = self.remembered.clone();
        for entry in self.store.state().journal() {
            if !journal.contains(entry) {
                journal.push(entry.clone());
            }
        }
        journal
    }

    pub fn report(&self) -> FlowReport {
        self.process.reports.borrow().clone()
    }

    /// Lets time pass without trouble.
    pub fn run_minutes(&mut self, minutes: i64) {
        self.stopped = None;
        let end = lock(&self.world).now + minutes * 60_000;
        loop {
            let stepped = self.work();
            let mut world = lock(&self.world);
            let wake = world.next_wake();
            if stepped == Stepped::Asleep {
                world.now = wake.unwrap_or(end).min(end).max(world.now);
            }
            if world.now >= end {
                return;
            }
        }
    }
}
