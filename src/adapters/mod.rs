//! The outside, behind the ports: both services over HTTP, and the stores of link state.
//!
//! - [`credential`]: what the services are signed in with, and where it is read from
//! - [`jwt`]: assertions signed with a key of the user's; [`refused`]: how long a refused
//!   credential rests; [`turn`]: one sign-in of a connection at a time
//! - [`http`]: the one stack beneath every call (allow-list, time-outs, read retries, size cap, metrics)
//! - [`salesforce`], [`service_now`]: [`crate::ports::Remote`] for each service
//! - [`shared_reads`]: one poll for all flows that read the same object over one connection
//! - [`link_store`]: [`crate::ports::LinkStore`] in memory and in `ConfigMap` pages

pub mod credential;
pub mod http;
mod jwt;
pub mod link_store;
pub mod refused;
pub mod salesforce;
pub mod service_now;
pub mod shared_reads;
pub mod turn;
