use std::io;
use std::path::PathBuf;

/// Why a control plane could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `install.sh` found no way to get the programs; what to install stands in its own message on stderr.
    #[error("the control plane's programs could not be installed ({0}); see the message above")]
    Install(String),

    /// A folder was named that does not hold all four programs.
    #[error(
        "{program} is not in {folder}: it must hold etcd, kube-apiserver, kube-controller-manager and kubectl"
    )]
    MissingProgram {
        /// The first program that is missing.
        program: &'static str,
        /// The folder that was looked in.
        folder: PathBuf,
    },

    /// The file system or the operating system refused something.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, as an infinitive: "write /tmp/…/ca.crt".
        action: String,
        /// The system's own reason.
        source: io::Error,
    },

    /// Certificates or keys could not be made.
    #[error("cannot make the test certificates: {0}")]
    Credentials(#[from] rcgen::Error),

    /// A program ended early, or was not ready in time.
    #[error("{program} {problem}; the end of its log:\n{log}")]
    Process {
        /// `etcd`, `kube-apiserver` or `kube-controller-manager`.
        program: &'static str,
        /// "exited with status 1", "was not ready within 120 s: …".
        problem: String,
        /// The last lines the program wrote.
        log: String,
    },

    /// kubectl ran and reported failure.
    #[error("kubectl {arguments}: {message}")]
    Kubectl {
        /// The arguments, as they were given.
        arguments: String,
        /// What kubectl wrote to stderr.
        message: String,
    },
}

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
