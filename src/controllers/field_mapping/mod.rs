//! Field mappings: can this mapping be used at all? Nothing outside the manifest is asked.

pub mod status;
pub mod validate;

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::context::{Context, Guarded};
use super::error::ReconcileError;
use super::sync_flow::unreadable;
use crate::api::{FieldMapping, FieldMappingStatus};
use crate::core::failure::Problem;

/// One look at a `FieldMapping`.
///
/// 1. (pure) parse the names and check the pairs against each other
/// 2. (IO) write the status when it differs; the flows that use it are woken by the watch
pub async fn reconcile(
    object: Arc<Guarded<FieldMapping>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let (meta, cached, problem) = match &object.0 {
        Ok(mapping) => {
            let problem = validate::validate(&mapping.spec).err(); // (pure)
            let problem = problem.map(|invalid| Problem::human("InvalidMapping", invalid.to_string()));
            (&mapping.metadata, mapping.status.as_ref(), problem)
        }
        Err(invalid) => (&invalid.metadata, None, Some(unreadable(&invalid.error))),
    };
    let judge =
        |was: &FieldMappingStatus| status::status(was, problem.as_ref(), meta.generation, Timestamp::now()); // (pure)
    context.mapping_status.publish(meta, cached, judge).await?; // (IO)
    Ok(Action::await_change())
}
