//! The operator as users run it: the real binary, with the token of its shipped account and Role, against a real API
//! server and both simulated services over HTTP.
//!
//! - [`world`]: one namespace with an org, an instance and an operator of its own; what every test begins with
//! - [`people`]: what people do on both sides; [`process`]: the operator's process
//! - [`flows`]: a flow from apply to delete
//! - [`references`]: what is missing or wrong, and heals
//! - [`credentials`]: Secrets that change, sessions that are shared
//! - [`grants`]: ways to sign in whose tokens rotate, and credentials that are refused
//! - [`commands`]: `syncflow conflicts` and `syncflow quarantine`, run with a person's kubeconfig
//! - [`restarts`]: SIGKILL in mid-work, SIGTERM, and rest
//! - [`lease`]: one writer; [`replicas`]: two of them, killed, frozen and cut off
//! - [`cluster`]: one operator for all namespaces
//! - [`status`]: who writes what, and how often
//! - [`rights`]: what the shipped account may not do

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this binary is a test: what goes wrong fails it"
)]

mod cluster;
mod commands;
mod credentials;
mod flows;
mod grants;
mod lease;
mod people;
mod process;
mod references;
mod replicas;
mod restarts;
mod rights;
mod status;
mod world;
