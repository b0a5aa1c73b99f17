//! Forgets what belongs to objects that are gone: looked for only when a watch saw one go, or had to begin again.

use kube::Resource;
use kube::runtime::reflector::Store;

use super::context::{Context, Guarded};
use super::status::names_of;
use super::watch::Touched;

/// Has the touched object gone (or another one taken its name), or may any object have?
pub fn may_be_gone<K>(store: &Store<Guarded<K>>, touched: &Touched<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    match touched {
        Touched::All => true,
        Touched::One(object) => {
            let now = store.get(object).and_then(|now| now.meta().uid.clone());
            now.is_none() || now != object.extra.uid
        }
    }
}

/// Sessions and statuses of Connections that are gone.
pub fn connections(context: &Context) {
    let store = &context.stores.connections;
    context.registry.retain(|uid| has_uid(store, uid));
    context
        .connection_status
        .retain(|namespace, name| has_name(store, namespace, name));
}

/// Statuses of mappings that are gone.
pub fn mappings(context: &Context) {
    let store = &context.stores.mappings;
    context
        .mapping_status
        .retain(|namespace, name| has_name(store, namespace, name));
}

/// Statuses of flows that are gone, and their workers, where the finalizer was taken away by hand.
pub fn flows(context: &Context) {
    let store = &context.stores.flows;
    context.flows.retain(&|uid| has_uid(store, uid));
    context
        .flow_status
        .retain(|namespace, name| has_name(store, namespace, name));
}

fn has_uid<K>(store: &Store<Guarded<K>>, uid: &str) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .find(|object| object.meta().uid.as_deref() == Some(uid))
        .is_some()
}

fn has_name<K>(store: &Store<Guarded<K>>, namespace: &str, name: &str) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .find(|object| {
            let (its_namespace, its_name) = names_of(object);
            its_namespace == namespace && its_name == name
        })
        .is_some()
}
