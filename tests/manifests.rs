//! What is shipped as YAML and as pages is what the types say, and the API server's rules hold what they promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this binary is a test: what cannot be read fails it"
)]

#[path = "manifests/cases.rs"]
mod cases;
#[path = "manifests/cel.rs"]
mod cel;
#[path = "manifests/drift.rs"]
mod drift;
#[path = "manifests/examples.rs"]
mod examples;
#[path = "manifests/install.rs"]
mod install;
#[path = "manifests/reference.rs"]
mod reference;
#[path = "manifests/server.rs"]
mod server;
#[path = "manifests/signing_in.rs"]
mod signing_in;
#[path = "manifests/status.rs"]
mod status;
