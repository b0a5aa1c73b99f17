//! ServiceNow behind [`crate::ports::Remote`]: the Table API for reading, the Batch API for writing, the platform's own
//! tables for what a table is made of.
//!
//! ```text
//!   remote ─┬▶ read ──────┬▶ table ─▶ client ─▶ sign_in ─▶ token ─▶ Transport
//!           ├▶ dictionary ┤   (lists, scans)      (401)
//!           ├▶ probe ─────┤
//!           ├▶ identity ──┘
//!           ├▶ deletion_log ┘
//!           └▶ write ─▶ send ───────▶ client
//!   pure: query (filters), convert (values), column (kinds), row (records), batch (wire form),
//!         errors and refusal (remedies)
//! ```
//!
//! What can be silently wrong in this API is looked for here, so that the engine never sees it: rows that access controls
//! take out of a page, conditions and orders that are dropped, times read in another zone, HTTP 202 for *not done*,
//! lists that break off behind HTTP 200.

mod action;
mod batch;
mod client;
mod column;
mod convert;
mod deletion_log;
mod dictionary;
mod errors;
mod hidden;
mod identity;
mod judge;
mod limits;
mod pace;
mod page_size;
mod probe;
mod query;
mod read;
mod refusal;
mod remote;
mod row;
mod scan;
mod send;
mod sign_in;
mod table;
#[cfg(test)]
mod tests;
mod token;
mod web_page;
mod write;

pub use remote::{LIMITS, ServiceNow, ServiceNowConfig};
