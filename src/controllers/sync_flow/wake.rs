//! Which flows are concerned when something that flows refer to changes (pure but for the cache).

use kube::Resource;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{Connection, FieldMapping, SyncFlow, SyncFlowSpec};
use crate::controllers::context::Guarded;
use crate::controllers::watch::Touched;

/// A kind that flows refer to by name.
pub trait Referred: Resource<DynamicType = ()> + 'static {
    /// Does this flow refer to the object with this name?
    fn is_referred(flow: &SyncFlowSpec, name: &str) -> bool;
}

impl Referred for Connection {
    fn is_referred(flow: &SyncFlowSpec, name: &str) -> bool {
        flow.salesforce.connection_ref.name == name || flow.service_now.connection_ref.name == name
    }
}

impl Referred for FieldMapping {
    fn is_referred(flow: &SyncFlowSpec, name: &str) -> bool {
        flow.field_mapping_ref.name == name
    }
}

/// The flows to look at again.
pub fn users<K: Referred>(
    flows: &Store<Guarded<SyncFlow>>,
    touched: &Touched<K>,
) -> Vec<ObjectRef<Guarded<SyncFlow>>> {
    let concerned = flows.state_filter(|flow| match (touched, &flow.0) {
        (Touched::All, _) => true,
        (Touched::One(object), Ok(flow)) => {
            flow.metadata.namespace == object.namespace && K::is_referred(&flow.spec, &object.name)
        }
        (Touched::One(_), Err(_)) => false,
    });
    concerned
        .iter()
        .map(|flow| ObjectRef::from_obj(flow.as_ref()))
        .collect()
}
