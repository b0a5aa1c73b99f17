//! Link state behind [`crate::ports::LinkStore`].
//!
//! - [`memory`]: for the simulation and for tests: the same promises, no I/O, faults on demand
//! - [`limits`]: how much a flow may remember, and when to say that it gets close

pub mod limits;
pub mod memory;
