//! What makes a process of it: start, the leader Lease, workers, probes, metrics, logs, shutdown.
//!
//! - [`app`]: the order in which things begin and end
//! - [`supervisor`]: runs the workers
//! - [`lease`]: one writer
//! - [`connections`], [`secrets`], [`link_state`]: what the engine's ports are in a cluster
//! - [`clock`], [`entropy`]: time and chance of this machine
//! - [`admin`], [`metrics`], [`readiness`], [`telemetry`]: what an administrator sees
//! - [`shutdown`]: when to stop

pub mod admin;
pub mod app;
pub mod clock;
pub mod connections;
pub mod entropy;
pub mod lease;
pub mod link_state;
pub mod metrics;
pub mod readiness;
pub mod rotated_token;
pub mod secrets;
pub mod shutdown;
pub mod supervisor;
pub mod telemetry;
