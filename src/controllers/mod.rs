//! From manifests to running flows, and back to `status`.
//!
//! ```text
//!   watch ──▶ dereference (IO) ──▶ validate (pure) ──▶ act ──▶ status (IO)
//! ```
//!
//! - [`connection`]: is the service reachable with this credential? Lends the way to it to flows
//! - [`field_mapping`]: can this mapping be used at all?
//! - [`sync_flow`]: resolves what a flow refers to, and has a worker run it
//! - [`watch`]: the watches, and who is woken by whom
//! - [`context`]: what every reconcile is given; the two doors to the runtime are traits there
//! - [`error`]: what each class of failure leads to
//! - [`status`]: the only place that writes `status`, and [`events`] on transitions
//! - [`names`]: names in manifests
//! - [`forget`]: what belongs to objects that are gone
//! - [`run`]: starts it all
//!
//! No reconcile asks *why* it runs, and none writes what stands there already; so no predicate filters the watches,
//! and none can swallow the update that a finalizer needs.

pub mod connection;
pub mod context;
pub mod error;
pub mod events;
pub mod field_mapping;
pub mod forget;
pub mod names;
pub mod run;
pub mod status;
pub mod sync_flow;
pub mod watch;
