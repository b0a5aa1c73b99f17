//! Link state behind [`crate::ports::LinkStore`].
//!
//! - [`config_map`]: what the operator uses: `ConfigMaps` beside the `SyncFlow`
//! - [`paged_store`]: what is written in which order and on which condition, wherever documents are kept
//! - [`pages`]: how links are spread over pages; `encoding`: how a link is written down; [`limits`]: how many there may
//!   be
//! - [`journal`]: overwritten values, encrypted
//! - [`flow_key`]: the key that fingerprints and the journal are made under
//! - [`flow_object`]: the names, labels and owner of all of these; `api_call`: one bounded call to the API server
//! - [`reader`]: the same state read by a person's command, which never writes it
//! - [`memory`]: for the simulation and for tests: the same promises, no I/O, faults on demand

mod api_call;
pub mod config_map;
mod encoding;
#[cfg(test)]
pub(crate) mod examples;
pub mod flow_key;
pub mod flow_object;
pub mod journal;
pub mod limits;
pub mod memory;
pub mod paged_store;
pub mod pages;
pub mod reader;
