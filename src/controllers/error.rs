//! What goes wrong in a reconcile, and what each class of it leads to: a verdict, an event, the next attempt.
//!
//! A [`Problem`] is a finding about the user's objects: it goes into conditions. A [`ReconcileError`] means that we
//! could not find out or could not say so: nothing was written, and the object is tried again with back-off.
//!
//! | class | conditions | event | next attempt |
//! |---|---|---|---|
//! | `HumanNeeded` | Ready=False, Stalled=True | Warning | on any change, and slowly: the remedy is often outside Kubernetes |
//! | `Waiting` | Ready=False, Reconciling=True | Normal | when what is missing appears, and slowly |
//! | `Transient` | Ready=False, Reconciling=True | Warning | per-object exponential back-off with jitter |

use std::time::Duration;

use crate::api::conditions::{Cause, ConditionStatus, Verdict};
use crate::core::failure::{FailureClass, Problem};

/// How long one call to the API server may take. The client's own retries (15, up to a thousand seconds apart) end
/// with it.
pub const KUBE_CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a reconcile could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server refused a call.
    #[error("the API server refused to {what}: {source}")]
    Kube {
        /// What was wanted.
        what: &'static str,
        /// What it answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("the API server did not {what} within {} s", KUBE_CALL_TIMEOUT.as_secs())]
    TimedOut {
        /// What was wanted.
        what: &'static str,
    },
    /// The finalizer could not be added or removed.
    #[error("the finalizer could not be kept: {0}")]
    Finalizer(#[source] Box<kube::runtime::finalizer::Error<ReconcileError>>),
    /// The worker did not stop in time. It is asked again.
    #[error("the worker is still draining")]
    StillDraining,
    /// The object has no name, namespace or UID: it did not come from an API server.
    #[error("the object lacks metadata.{0}")]
    Incomplete(&'static str),
}

impl ReconcileError {
    /// The value of the outcome label of metrics.
    pub const fn metric_label(&self) -> &'static str {
        match self {
            Self::Kube { .. } => "kube_error",
            Self::TimedOut { .. } => "kube_timeout",
            Self::Finalizer(_) => "finalizer_error",
            Self::StillDraining => "draining",
            Self::Incomplete(_) => "incomplete",
        }
    }

    /// Is this the answer that the object, as we knew it, is gone: deleted, changed, or another one by now?
    pub fn is_gone(&self) -> bool {
        self.status()
            .is_some_and(|status| status.is_not_found() || status.is_conflict())
    }

    /// Is this the answer that the object breaks the rules of its kind?
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_invalid)
    }

    /// Is this the answer that we have no right to do it?
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_forbidden)
    }

    /// What the API server answered, if it did.
    fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Kube { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            Self::TimedOut { .. } | Self::Finalizer(_) | Self::StillDraining | Self::Incomplete(_) => None,
        }
    }
}

/// Waits for a call to the API server, but not for long. `what` completes "the API server refused to …".
pub async fn kube_call<T>(
    what: &'static str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, ReconcileError> {
    match tokio::time::timeout(KUBE_CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(ReconcileError::Kube {
            what,
            source: Box::new(source),
        }),
        Err(_) => Err(ReconcileError::TimedOut { what }),
    }
}

/// The conditions that a problem leads to.
#[must_use]
pub fn verdict_of(problem: &Problem) -> Verdict {
    let cause = Cause::new(problem.reason.as_str(), problem.message.as_str());
    match problem.class {
        FailureClass::HumanNeeded => Verdict::stalled(cause),
        FailureClass::Waiting | FailureClass::Transient => {
            Verdict::reconciling(ConditionStatus::False, cause)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// What makes a [`Problem`](super::Problem) here and in the adapters.
    const MAKERS: [&str; 6] = [
        "human(",
        "waiting(",
        "transient(",
        "misconfigured(",
        "throttled(",
        "unauthenticated(",
    ];

    #[test]
    fn the_page_for_administrators_names_every_reason() {
        let mut reasons = BTreeSet::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut reasons);
        assert!(
            reasons.contains("SecretNotFound") && reasons.len() > 40,
            "{reasons:?}"
        );
        let page = include_str!("../../docs/operations.md");
        let missing: Vec<_> = reasons
            .iter()
            .filter(|reason| !page.contains(&format!("`{reason}`")))
            .collect();
        assert!(missing.is_empty(), "docs/operations.md lacks {missing:?}");
    }

    /// The literals that problems are made with, in all sources but their tests.
    fn collect(folder: &Path, reasons: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, reasons);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            if path.ends_with("tests.rs")
                || path.ends_with("examples.rs")
                || path.iter().any(|part| part == "tests")
            {
                continue;
            }
            for maker in MAKERS {
                for call in code.split(maker).skip(1) {
                    let Some(literal) = call.trim_start().strip_prefix('"') else {
                        continue;
                    };
                    reasons.extend(literal.split('"').next().map(str::to_owned));
                }
            }
        }
    }
}
