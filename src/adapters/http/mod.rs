//! The one HTTP stack beneath every call to a service.
//!
//! ```text
//!   adapter ─▶ Retrying ─▶ Metered ─▶ ReqwestTransport ─▶ the service
//!              reads only   each        allow-list, TLS, time-outs, size cap;
//!              back-off     attempt     no cookies, no redirects, one attempt
//! ```
//!
//! - [`allow_list`]: which hosts may be called at all (pure); asked for every request, so that no `instance_url`,
//!   `nextRecordsUrl` or `Link` of a server can send a credential elsewhere
//! - [`reqwest_transport`]: the transport of production
//! - [`retry`], [`metered`]: decorators; neither knows what is beneath it
//! - [`call`]: building requests and reading answers
//! - [`failure`]: what every adapter makes of a missing or unusable answer

pub mod allow_list;
pub mod call;
pub mod failure;
pub mod metered;
pub mod reqwest_transport;
pub mod retry;
#[cfg(test)]
pub(crate) mod scripted;
