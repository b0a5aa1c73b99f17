//! What a person asks of a running flow.
//!
//! Each request is the text of an annotation on the `SyncFlow`: whoever may edit the flow may ask, the asking is in the
//! API server's audit, and the one writer of link state stays the worker.

/// What a person asks of a running flow. Compared as text: a request is new when it differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// A token that changes when a cycle is wanted now; it comes back in
    /// [`super::report::FlowReport::handled_sync_now`].
    pub sync_now: Option<String>,
    /// The token of a plan that a guard holds back, and that may go on.
    pub approved_plan: Option<String>,
}
