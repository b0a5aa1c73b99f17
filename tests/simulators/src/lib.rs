//! Salesforce and ServiceNow as pure models, and an HTTP front on them.
//!
//! Each service is a [`Model`]: a state machine that turns a request and a moment into a response, with no clock,
//! randomness or I/O of its own. A [`Simulator`] adds what surrounds a service in the real world (lost requests, lost
//! answers, gateways that answer in HTML) and counts the calls. The same simulator serves three masters: a
//! deterministic simulation calls [`Simulator::deliver`] with a virtual clock; connector and operator tests talk to it
//! over real HTTP through [`front::Front`]; the demo runs it as a process of its own.

pub mod calls;

pub mod faults;
pub mod front;
mod jwt;
pub mod model;
pub mod quickstart;
pub mod salesforce;
pub mod service_now;
mod simulator;

pub use calls::{CallCounts, CallKind};

pub use faults::{CannedAnswer, Chance, Delivered, Effect, Fault, Faults};
pub use model::{Actor, Admin, AdminError, Change, Fields, Model, Request, Response, Write, WriteKind};
pub use simulator::Simulator;
