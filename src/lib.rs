//! syncflow keeps Salesforce objects and ServiceNow records in two-way sync, configured by Kubernetes resources.
//!
//! ```text
//!  Kubernetes API ──watch──▶ controllers ──compiled flow──▶ engine ──ports──▶ adapters ──▶ Salesforce / ServiceNow
//!                  ◀─status─ (never sync)  ◀──reports──── (one task a flow)      └──▶ link store (ConfigMaps)
//!                                                 │
//!                                               core  (pure: no I/O, no async, no clock of its own)
//! ```
//!
//! Arrows point inwards: `main → runtime → controllers, engine, adapters → ports → core, api`.
//! `tests/layering.rs` fails when one points outwards.

pub mod adapters;
pub mod api;
pub mod cli;
pub mod commands;
pub mod controllers;
pub mod core;
pub mod engine;
pub mod ports;
pub mod runtime;
