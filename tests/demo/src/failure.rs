//! Why a step could not go on.

use std::fmt::Display;
use std::io;

use syncflow_simulators::AdminError;

/// Why a step could not go on. What was merely not as expected is no failure: it is shown, and the step goes on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The control plane, or a kubectl command.
    #[error(transparent)]
    ControlPlane(#[from] syncflow_control_plane::Error),
    /// A simulator's back door refused what a person was to do.
    #[error("a person could not do their part: {0}")]
    Person(#[from] AdminError),
    /// A file or a process.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was attempted.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Something did not come to be in time.
    #[error("{what} did not happen within {seconds} s; {seen}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was there instead.
        seen: String,
    },
    /// The operator ended though nobody ended it.
    #[error("the operator ended by itself ({0}); its log says why")]
    OperatorEnded(String),
    /// What the story needs is not there, because an earlier step did not bring it about.
    #[error("there is no {0} to tell this step with")]
    Missing(&'static str),
}

impl Failure {
    /// For `map_err`: names what was attempted.
    pub fn io(action: impl Display) -> impl FnOnce(io::Error) -> Self {
        let action = action.to_string();
        move |source| Self::Io { action, source }
    }
}
