//! What a person does from a terminal: looks at what a flow overwrote or could not sync, and decides.
//!
//! These commands run with the person's own kubeconfig and rights; the operator knows nothing of them. They read link
//! state and never write it: what a person decides is put on the `SyncFlow` as an annotation, which the flow's worker
//! carries out, so that link state has one writer and the API server's audit says who decided.
//!
//! - [`conflicts`]: the journal of overwritten values, decrypted, and open conflicts
//! - [`quarantine`]: records that cannot be synced now
//! - [`cluster`]: the way to the API server, the flow and what belongs to it
//! - [`ask`]: puts a request on a flow and waits until it was carried out
//! - [`table`]: how rows are shown

pub mod ask;
pub mod cluster;
pub mod conflicts;
pub mod quarantine;
pub mod table;

use clap::{Args, ValueEnum};

/// Which flow, and how to reach it.
#[derive(Clone, Debug, Args)]
pub struct FlowArgs {
    /// The name of the `SyncFlow`.
    pub flow: String,

    /// The namespace of the `SyncFlow`. Without it: that of the kubeconfig's context.
    #[arg(long, short)]
    pub namespace: Option<String>,

    /// The context of the kubeconfig to use. Without it: the current one.
    #[arg(long)]
    pub context: Option<String>,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns; long values are cut.
    #[default]
    Table,
    /// One JSON array; values are whole.
    Json,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no way to an API server.
    #[error("no cluster: {0}")]
    NoCluster(String),
    /// The flow is not there.
    #[error("there is no SyncFlow {name} in namespace {namespace}")]
    NoFlow {
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The API server refuses or fails a call.
    #[error("{what}: {source}")]
    Call {
        /// What was attempted, and on what.
        what: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// Link state cannot be read.
    #[error(transparent)]
    State(#[from] crate::ports::StoreError),
    /// The flow has no key yet, so it has no journal.
    #[error(
        "the flow has no key yet: it has never run, or its Secret {secret} is gone and with it what the journal says"
    )]
    NoKey {
        /// The Secret.
        secret: String,
    },
    /// What was asked was not carried out in time.
    #[error(
        "asked, and not carried out within {seconds} s: is the operator running, and the flow not suspended or Blocked? It is carried out as soon as the flow goes on"
    )]
    NotCarriedOut {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Nothing was named.
    #[error("name the records to release, or give --all")]
    NothingNamed,
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}
