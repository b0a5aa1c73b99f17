//! The domain, pure: no I/O, no async, no clock of its own. Time and keys are arguments, and the same arguments
//! give the same answer; that is what lets the simulation replay a run from one seed.
//!
//! - [`side`], [`ident`], [`time`]: the words everything else is written in
//! - [`value`], [`schema`], [`record`]: what a field holds, what it may hold, what was read
//! - [`definition`]: a flow as the user wrote it; [`flow`]: the same flow compiled against both schemas
//! - [`fingerprint`]: keyed hashes, so that link state never holds a user's values
//! - [`link`], [`header`], [`journal`]: what is remembered about a pair of records, about a flow, and of what was lost
//! - [`compile`]: definition and schemas → flow, or every problem at once; [`rights`]: what the users lack for it
//! - [`mapping`], [`truncate`], [`rules`], [`merge`]: one value across, cut if need be, one record's conditions, one
//!   field's decision
//! - [`loop_breaker`]: when writes that answer each other are stopped
//! - [`plan`], [`creation`], [`settle`]: one link's next writes, a counterpart's making, an unknown outcome's reading
//! - [`deletion`], [`guard`]: what a proven deletion means for the counterpart, and when a person is asked first
//! - [`scan`], [`quarantine`]: how far reading got, and when a stuck record is tried again
//! - [`retry`]: how long to wait before the next attempt; [`budget`]: whether a metered call may be sent at all
//! - [`planted`]: bugs that only a test build can be told to make
//! - [`failure`]: the classes that every error of this crate falls into

pub mod budget;
pub mod compile;
pub mod creation;
pub mod definition;
pub mod deletion;
pub mod failure;
pub mod fingerprint;
pub mod flow;
pub mod guard;
pub mod header;
pub mod ident;
pub mod journal;
pub mod link;
pub mod loop_breaker;
pub mod mapping;
pub mod merge;
pub mod plan;
pub mod planted;
pub mod quarantine;
pub mod record;
pub mod retry;
pub mod rights;
pub mod rules;
pub mod scan;
pub mod schema;
pub mod settle;
pub mod side;
pub mod time;
pub mod truncate;
pub mod value;
