//! Runs one flow: reads changes, plans, persists intents, writes, commits; resumable at every step.
//!
//! Everything it touches comes through [`crate::ports`], and it spawns nothing: a [`worker::Worker`] is one future,
//! and dropping it at any `.await` is the same as a crash there.

pub mod report;
pub mod worker;
