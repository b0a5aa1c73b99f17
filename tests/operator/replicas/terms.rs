//! Who led when: a watcher of the Lease that no replica can deceive.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::task::JoinHandle;

use super::replica::{LEASE, Replica};
use crate::world::World;

/// How often the Lease is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A time for which one replica held the Lease. Everything runs on one machine, so that there is one clock.
#[derive(Clone, Debug)]
pub struct Term {
    pub holder: String,
    began: Timestamp,
    renewed: Timestamp,
}

/// Every term.
pub struct Terms {
    all: Arc<Mutex<Vec<Term>>>,
    watcher: JoinHandle<()>,
}

impl Drop for Terms {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Terms {
    /// Begins to watch.
    pub fn watch(world: &World) -> Self {
        let all = Arc::new(Mutex::new(Vec::new()));
        let watcher = tokio::spawn(look(world.api(), Arc::clone(&all)));
        Self { all, watcher }
    }

    /// Who leads now, as far as the Lease says.
    pub fn holder(&self) -> Option<String> {
        self.all.lock().unwrap().last().map(|term| term.holder.clone())
    }

    /// Nobody wrote to a service but in a term of its own, and as long as it could rely on it.
    pub fn cover_every_write_of(&self, replica: &Replica) {
        let all = self.all.lock().unwrap().clone();
        let lasts: SignedDuration = LEASE.parse().unwrap();
        for call in replica.services.calls().iter().filter(|call| call.writes()) {
            let covered = all.iter().enumerate().any(|(number, term)| {
                let next = all.get(number + 1).map_or(Timestamp::MAX, |next| next.began);
                let until = next.min(term.renewed + lasts);
                term.holder == replica.name && term.began <= call.at && call.at < until
            });
            assert!(
                covered,
                "{} wrote without the Lease: {call:?}\n{all:#?}",
                replica.name
            );
        }
    }
}

async fn look(leases: Api<Lease>, all: Arc<Mutex<Vec<Term>>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Ok(Some(Lease { spec: Some(spec), .. })) = leases.get_opt("syncflow").await else {
            continue;
        };
        let (Some(holder), Some(began), Some(renewed)) =
            (spec.holder_identity, spec.acquire_time, spec.renew_time)
        else {
            continue;
        };
        let mut all = all.lock().unwrap();
        match all.last_mut() {
            Some(term) if term.holder == holder && term.began == began.0 => term.renewed = renewed.0,
            _ => all.push(Term {
                holder,
                began: began.0,
                renewed: renewed.0,
            }),
        }
    }
}
