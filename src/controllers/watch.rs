//! The watches, and who is woken by whom.
//!
//! One watch a kind feeds that kind's controller and its cache; what it touches is also sent to those who depend on
//! it, *after* the cache has it, so that nobody who is woken reads the past. Deletions are sent too, and a watch that
//! had to begin again sends everything (a deletion in the gap has no event).
//!
//! kube's shared streams would do part of this, but they tell no deletion, and a subscriber that meets an object
//! which has just gone returns `Pending` without asking to be woken again.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{Stream, StreamExt};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Config as ControllerConfig, WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::context::Guarded;

/// The watch of one kind.
pub struct Watched<K>
where
    K: Resource<DynamicType = ()> + 'static,
{
    /// The cache.
    pub store: Store<Guarded<K>>,
    /// Drives the watch and fills the cache; yields what was applied.
    pub stream: AppliedStream<K>,
    /// What was touched, for those who depend on this kind.
    pub touched: UnboundedReceiver<Touched<K>>,
    /// Whether the cache was ever filled.
    pub filled: Filled,
}

/// Whether a cache was filled since this process began. Until then, what is not in it is not missing.
///
/// kube's own `wait_until_ready` keeps one waker only, so asking it in passing could leave its real waiter asleep.
#[derive(Clone, Debug, Default)]
pub struct Filled(Arc<AtomicBool>);

impl Filled {
    /// The cache holds everything there was.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it does.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The objects of a kind, as they are applied.
pub type AppliedStream<K> = Pin<Box<dyn Stream<Item = Result<Guarded<K>, watcher::Error>> + Send>>;

/// What a watch saw.
pub enum Touched<K: Resource<DynamicType = ()> + 'static> {
    /// This object was made, changed or deleted.
    One(ObjectRef<Guarded<K>>),
    /// Any object may have changed or gone: the watch began again.
    All,
}

/// The API of a kind in one namespace, or in all.
pub fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Prepares the watch of a kind; nothing happens until its stream is polled.
pub fn watched<K>(api: Api<Guarded<K>>) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let (tell, touched) = unbounded();
    let filled = Filled::default();
    let fills = filled.clone();
    let stream = watch(api, watcher::Config::default())
        .default_backoff()
        // Nobody reads managedFields, and they are most of an object's size.
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| {
            if let Ok(event) = event {
                if matches!(event, Event::InitDone) {
                    fills.set();
                }
                announce(&tell, event);
            }
        })
        .applied_objects()
        .boxed();
    Watched {
        store,
        stream,
        touched,
        filled,
    }
}

fn announce<K>(tell: &UnboundedSender<Touched<K>>, event: &Event<Guarded<K>>)
where
    K: Resource<DynamicType = ()> + 'static,
{
    let touched = match event {
        Event::Apply(object) | Event::Delete(object) => Touched::One(ObjectRef::from_obj(object)),
        Event::InitDone => Touched::All,
        Event::Init | Event::InitApply(_) => return,
    };
    // Nobody listens any more only while everything shuts down.
    let _ = tell.unbounded_send(touched);
}

/// How a controller runs: so many reconciles at a time, no debounce (a flow that reports all the time would never be
/// looked at).
pub fn controller_config(concurrency: u16) -> ControllerConfig {
    ControllerConfig::default().concurrency(concurrency)
}
