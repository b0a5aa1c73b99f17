//! Makes the supervisor do what the manifests want.

use crate::controllers::connection::registry::Lent;
use crate::controllers::context::{Context, FlowKey, WorkOrder};
use crate::core::definition::FlowDefinition;
use crate::core::failure::Problem;
use crate::core::side::PerSide;
use crate::engine::report::FlowReport;
use crate::engine::requests::Requests;

/// What the manifests want of the flow's worker.
pub enum Wanted {
    /// Run this.
    Run {
        /// The flow.
        definition: Box<FlowDefinition>,
        /// The ways to both services.
        connections: Box<PerSide<Lent>>,
        /// What people ask of the flow.
        requests: Requests,
    },
    /// Nothing until a Connection was proven: a worker that runs goes on.
    NotYet,
    /// Rest, on the user's word.
    Suspended,
    /// Rest: something is missing or wrong.
    Held(Problem),
}

/// Does it, and gives what the worker said last (nothing yet, if it does not run).
pub fn act(flow: &FlowKey, wanted: &Wanted, context: &Context) -> FlowReport {
    match wanted {
        Wanted::Run {
            definition,
            connections,
            requests,
        } => {
            let order = WorkOrder {
                definition: definition.as_ref().clone(),
                connections: connections.as_ref().clone(),
            };
            context.flows.run(flow, order, requests.clone());
        }
        Wanted::NotYet => {}
        Wanted::Suspended | Wanted::Held(_) => context.flows.rest(flow),
    }
    context.flows.report(flow).unwrap_or_default()
}
