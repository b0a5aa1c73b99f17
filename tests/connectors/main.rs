//! The connectors over real HTTP: the one stack against servers that misbehave on the wire, and each service's adapter
//! against its simulator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod hostile;
mod http;
mod keys;
mod salesforce;
mod servicenow;
mod stack;
