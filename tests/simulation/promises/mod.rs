//! The promises to users, one test each: a flow's semantics as `docs/concepts.md` states them, shown on the real engine
//! and the real adapters over calm models of both services. Each test fails when its promise is broken.

mod between_steps;
mod conflicts;
mod creation;
mod cut_texts;
mod deletions;
mod guards;
mod identity;
mod manual_conflicts;
mod records_that_leave;
mod regressions;
mod rights;
mod rules_and_matching;
pub mod scene;
mod shared_trouble;
mod trouble;
mod values;
