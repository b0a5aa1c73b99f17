//! The custom resources that a user writes: one file a kind, and the rules of their conditions.
//!
//! - [`connection`]: how to reach one Salesforce org or one ServiceNow instance.
//! - [`field_mapping`]: which field is kept equal to which, and how values translate.
//! - [`sync_flow`]: which records are kept in sync, between which Connections, by which `FieldMapping`.
//! - [`policy`], [`rule`], [`interval`], [`reference`], [`sign_in`]: the parts that the kinds are made of.
//! - [`conditions`]: how `status.conditions` changes.
//! - [`schema`]: the `CustomResourceDefinition`s, as they are committed under `crds/`.
//!
//! The descriptions on the fields become the `kubectl explain` text and the reference page. Nothing here imports a
//! client, a runtime, or the core: these types are what stands in a manifest, before anything is looked up.

pub mod conditions;
pub mod connection;
pub mod field_mapping;
pub mod interval;
pub mod policy;
pub mod reference;
pub mod rule;
pub mod schema;
pub mod sign_in;
pub mod sync_flow;

pub use connection::{Connection, ConnectionSpec, ConnectionStatus};
pub use field_mapping::{FieldMapping, FieldMappingSpec, FieldMappingStatus};
pub use interval::Interval;
pub use schema::{crds, crds_yaml};
pub use sync_flow::{SyncFlow, SyncFlowSpec, SyncFlowStatus};

/// The API group of every kind here.
pub const GROUP: &str = "syncflow.io";

/// The API version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// A `SyncFlow` with this annotation runs a cycle as soon as its value changes; the value that a whole cycle has
/// answered comes back in `status.lastHandledSyncNow`.
pub const SYNC_NOW_ANNOTATION: &str = "syncflow.io/sync-now";

/// The token of the plan that a guard holds back (`status.heldPlan.token`), as the value of this annotation, lets the
/// `SyncFlow` go on with that plan and no other.
pub const APPROVE_PLAN_ANNOTATION: &str = "syncflow.io/approve-plan";

/// `RECORD=SIDE` or `RECORD/FIELD=SIDE`, separated by commas, as the value of this annotation, lets that side win the
/// conflicts of a record that wait for a person. Whatever follows a `#` only tells one request from another.
pub const RESOLVE_CONFLICTS_ANNOTATION: &str = "syncflow.io/resolve-conflicts";

/// Ids of quarantined records, separated by commas, or `*`, as the value of this annotation, has them tried again at
/// once. Whatever follows a `#` only tells one request from another.
pub const RELEASE_QUARANTINE_ANNOTATION: &str = "syncflow.io/release-quarantine";

/// A `Connection` signs in again as soon as the value of this annotation changes, whatever was refused before.
pub const SIGN_IN_NOW_ANNOTATION: &str = "syncflow.io/sign-in-now";

/// On every object that the operator makes for a `Connection`: that `Connection`'s UID.
pub const CONNECTION_UID_LABEL: &str = "syncflow.io/connection-uid";

/// On every object that the operator makes for a `SyncFlow`: that `SyncFlow`'s UID.
pub const FLOW_UID_LABEL: &str = "syncflow.io/flow-uid";

/// The finalizer that lets a worker stop before its `SyncFlow` goes.
pub const FINALIZER: &str = "syncflow.io/worker";
