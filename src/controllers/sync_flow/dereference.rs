//! Looks up what a flow refers to, in the caches and the registry. Nothing leaves the flow's namespace.

use std::sync::Arc;

use kube::Resource;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{Connection, SyncFlowSpec};
use crate::controllers::connection::registry::{Lent, Standing};
use crate::controllers::context::{Context, Guarded};
use crate::controllers::field_mapping::validate::{self, ValidMapping};
use crate::core::failure::Problem;
use crate::core::side::{PerSide, Side};

/// What a flow refers to.
pub struct References {
    /// Its mapping, valid by itself.
    pub mapping: ValidMapping,
    /// The ways to both services.
    pub connections: PerSide<Lent>,
}

/// What came of looking it up.
pub enum Dereferenced {
    /// Everything is there.
    Complete(Box<References>),
    /// Something is missing or wrong.
    Held(Problem),
    /// A cache was not filled yet, or a Connection not proven yet, since this process began. Nothing is known to be
    /// wrong.
    NotYet,
}

/// Looks everything up. The mapping first: what the user can fix in a manifest is told before what may pass.
pub fn dereference(namespace: &str, spec: &SyncFlowSpec, context: &Context) -> Dereferenced {
    let mapping = match mapping(namespace, &spec.field_mapping_ref.name, context) {
        Ok(Some(mapping)) => mapping,
        Ok(None) => return Dereferenced::NotYet,
        Err(problem) => return Dereferenced::Held(problem),
    };
    let salesforce = &spec.salesforce.connection_ref.name;
    let service_now = &spec.service_now.connection_ref.name;
    let looked_up = (
        connection(namespace, salesforce, Side::Salesforce, context),
        connection(namespace, service_now, Side::ServiceNow, context),
    );
    match looked_up {
        (Ok(Some(salesforce)), Ok(Some(service_now))) => Dereferenced::Complete(Box::new(References {
            mapping,
            connections: PerSide {
                salesforce,
                service_now,
            },
        })),
        (Err(one), Err(other)) => Dereferenced::Held(both(one, &other)),
        (Err(problem), Ok(_)) | (Ok(_), Err(problem)) => Dereferenced::Held(problem),
        (Ok(_), Ok(_)) => Dereferenced::NotYet,
    }
}

/// `None` while nothing is known of it.
fn mapping(namespace: &str, name: &str, context: &Context) -> Result<Option<ValidMapping>, Problem> {
    // Asked for first: the cache may be filled between two looks, and must not seem to lack what it just got.
    let filled = context.stores.mappings_filled.get();
    let Some(found) = find(&context.stores.mappings, namespace, name) else {
        if !filled {
            return Ok(None);
        }
        return Err(Problem::waiting(
            "FieldMappingNotFound",
            format!(
                "FieldMapping {name} does not exist in this namespace: create it, or correct spec.fieldMappingRef"
            ),
        ));
    };
    let spec = match &found.0 {
        Ok(mapping) => &mapping.spec,
        Err(_) => return Err(not_usable(name, "it cannot be read; see its conditions")),
    };
    let valid = validate::validate(spec).map_err(|invalid| not_usable(name, &invalid.to_string()))?;
    Ok(Some(valid))
}

fn not_usable(name: &str, why: &str) -> Problem {
    Problem::human("InvalidMapping", format!("FieldMapping {name}: {why}"))
}

/// `None` while nothing is known of it.
fn connection(namespace: &str, name: &str, side: Side, context: &Context) -> Result<Option<Lent>, Problem> {
    let filled = context.stores.connections_filled.get();
    let Some(found) = find(&context.stores.connections, namespace, name) else {
        if !filled {
            return Ok(None);
        }
        return Err(Problem::waiting(
            "ConnectionNotFound",
            format!("Connection {name} ({side}) does not exist in this namespace: create it"),
        ));
    };
    let connection: &Connection = match &found.0 {
        Ok(connection) => connection,
        Err(_) => return Err(not_ready(name, "it cannot be read; see its conditions")),
    };
    let leads_there = match side {
        Side::Salesforce => connection.spec.salesforce.is_some(),
        Side::ServiceNow => connection.spec.service_now.is_some(),
    };
    if !leads_there {
        return Err(Problem::human(
            "ConnectionMismatch",
            format!(
                "Connection {name} leads to {}, and stands where one to {side} belongs",
                side.other()
            ),
        ));
    }
    let meta = connection.meta();
    let uid = meta.uid.as_deref().unwrap_or_default();
    match context.registry.standing(uid, meta.generation) {
        Some(Standing::Usable(lent)) => Ok(Some(lent)),
        Some(Standing::Unusable(problem)) => {
            let why = format!("{}: {}", problem.reason, problem.message);
            Err(not_ready(name, &why))
        }
        None => Ok(None),
    }
}

/// Whatever is wrong with a Connection, the flow waits for it: the remedy belongs to the Connection.
fn not_ready(name: &str, why: &str) -> Problem {
    Problem::waiting(
        "ConnectionNotReady",
        format!("Connection {name} is not ready: {why}"),
    )
}

fn both(one: Problem, other: &Problem) -> Problem {
    Problem {
        message: format!("{}; {}", one.message, other.message),
        class: one.class.min(other.class),
        ..one
    }
}

fn find<K>(store: &Store<Guarded<K>>, namespace: &str, name: &str) -> Option<Arc<Guarded<K>>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(name).within(namespace))
}
