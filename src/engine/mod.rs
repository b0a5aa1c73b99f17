//! Runs one flow: reads changes, plans, persists intents, writes, commits; resumable at every step.
//!
//! Everything it touches comes through [`crate::ports`], and it spawns nothing: a [`worker::Worker`] is one future,
//! and dropping it at any `.await` is the same as a crash there.
//!
//! - [`worker`]: the loop around cycles: back-off, reports, stop, sync-now
//! - [`session`]: what a cycle works with, and how it comes to be: state loaded, org pinned, schemas compiled
//! - [`book`]: every link of the flow in memory, and what the store holds of it
//! - [`cycle`]: one pass: settle, read, process, sweep
//! - [`scanning`]: a side's changes, read to their end before anything follows from them
//! - [`intake`]: a page of rows → links to look at, and records without a link
//! - [`origination`]: a record without a link → its stamp's partner, its match, or a counterpart to make
//! - [`processing`]: links to look at → observe, plan, persist, verify, send, commit
//! - [`verifying`]: the last look at what a call is about to overwrite
//! - [`sending`]: persisted intents → write calls; [`outcomes`]: what became of each item
//! - [`preview`]: what a changed definition would rewrite
//! - [`rights`]: a missing right is said once, for the flow
//! - [`invariants`]: what must hold whatever the rest does
//! - [`regression`]: clocks and records that go back
//! - [`settling`]: intents whose outcome is unknown
//! - [`departures`]: what follows from a proven deletion, and only then; [`deleting`]: how it is sent; [`guard`]: what a person has to approve first
//! - [`access`]: do we still see what we should, before anything is made or deleted
//! - [`requests`]: what a person asks of a running flow
//! - [`report`]: what the worker says about its flow

mod access;
mod book;
mod cycle;
mod deleting;
mod departures;
mod guard;
mod intake;
mod invariants;
mod origination;
mod outcomes;
mod preview;
mod processing;
mod regression;
pub mod report;
pub mod requests;
mod rights;
mod scanning;
mod sending;
mod session;
mod settling;
pub mod tuning;
mod verifying;
pub mod worker;
