//! The operator over a whole run: processes that die and start again, that are stopped and wake when another has taken
//! over, link state that is lost, manifests that are edited.

use syncflow::adapters::link_store::memory::{MemoryState, MemoryStore};
use syncflow::core::definition::FlowDefinition;
use syncflow::core::link::JournalEntry;
use syncflow::engine::report::FlowReport;
use syncflow::engine::tuning::Tuning;

use crate::chance::Chance;
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
        let stepped = self.process.step();
        let awake = self.step_zombie();
        if awake { Stepped::Busy } else { stepped }
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
            self.stop(chance.below(60), 5 + chance.below(60));
        } else if swarm.has(Trait::Crashes) {
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
        Process::start(
            &self.world,
            &self.store,
            &self.definition,
            self.tuning,
            KEY,
            self.started,
        )
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
        let world = self.world.clone();
        self.process.run_for(&world, minutes * 60_000);
    }
}
