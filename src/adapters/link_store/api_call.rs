//! One call to the Kubernetes API, bounded in time, with failures that a store can act on.

use std::future::Future;
use std::time::Duration;

use crate::ports::StoreError;

/// How long one call may take. Also bounds how late a write of a process that lost its lease can arrive.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a call does, for the messages of its failures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The RBAC verb.
    pub(super) verb: &'static str,
    /// The RBAC resource, plural.
    pub(super) resource: &'static str,
    /// The object; empty for a list.
    pub(super) name: &'a str,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is an object of that name already.
    Exists,
    /// There is no object of that name.
    Missing,
    /// The object has another resourceVersion by now.
    Outdated,
    /// The object is larger than the API server takes.
    TooLarge,
    /// Anything else.
    Store(StoreError),
}

impl Call<'_> {
    /// Waits for the answer, for a bounded time.
    pub(super) async fn run<T>(
        self,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => Err(self.unavailable(&format!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }

    fn failure(self, error: &kube::Error) -> Failure {
        let kube::Error::Api(status) = error else {
            return self.unavailable(&error.to_string());
        };
        match (status.code, status.reason.as_str()) {
            (409, "AlreadyExists") => Failure::Exists,
            (409, _) => Failure::Outdated,
            (404, _) => Failure::Missing,
            (413, _) => Failure::TooLarge,
            // What is refused by a quota is no missing right.
            (403, _) if status.message.contains("exceeded quota") => {
                Failure::Store(StoreError::Forbidden(format!(
                    "{self}: {}. Raise the ResourceQuota of the namespace",
                    status.message
                )))
            }
            (401 | 403, _) => Failure::Store(StoreError::Forbidden(format!(
                "{self}: {}. Grant the operator's ServiceAccount a Role with apiGroups [\"{}\"], resources [{:?}], \
                 verbs [{:?}] in this namespace",
                status.message,
                if self.resource == "syncflows" {
                    "syncflow.io"
                } else {
                    ""
                },
                self.resource,
                self.verb,
            ))),
            (_, _) if status.message.contains("too large") => Failure::TooLarge,
            _ => self.unavailable(&status.message),
        }
    }

    fn unavailable(self, why: &str) -> Failure {
        Failure::Store(StoreError::Unavailable(format!("{self}: {why}")))
    }
}

impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.name.is_empty() {
            Ok(())
        } else {
            write!(f, " {}", self.name)
        }
    }
}

impl From<Failure> for StoreError {
    /// What a caller that has nothing better to do makes of it.
    fn from(failure: Failure) -> Self {
        match failure {
            // Somebody else was there first, or took away what we knew.
            Failure::Exists | Failure::Missing | Failure::Outdated => Self::Conflict,
            Failure::TooLarge => Self::Unavailable("the API server calls an object too large".to_owned()),
            Failure::Store(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    const CALL: Call<'_> = Call {
        verb: "update",
        resource: "configmaps",
        name: "cases-links-r",
    };

    async fn failed(code: u16, reason: &str, message: &str) -> Failure {
        let status = Status::failure(message, reason).with_code(code);
        let answer = std::future::ready(Err::<(), _>(kube::Error::Api(status.boxed())));
        CALL.run(answer).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_refusal_names_the_verb_and_the_rule_that_grants_it() {
        let Failure::Store(StoreError::Forbidden(why)) = failed(403, "Forbidden", "no").await else {
            panic!("not forbidden");
        };
        for part in [
            "update configmaps cases-links-r",
            r#"verbs ["update"]"#,
            r#"resources ["configmaps"]"#,
        ] {
            assert!(why.contains(part), "{why}");
        }
        let quota = failed(403, "Forbidden", "exceeded quota: small").await;
        assert!(matches!(quota, Failure::Store(StoreError::Forbidden(why)) if why.contains("ResourceQuota")));
    }

    #[tokio::test]
    async fn answers_are_told_apart_by_what_to_do_about_them() {
        for (code, reason, message, expected) in [
            (409, "AlreadyExists", "", Failure::Exists),
            (409, "Conflict", "", Failure::Outdated),
            (404, "NotFound", "", Failure::Missing),
            (413, "RequestEntityTooLarge", "", Failure::TooLarge),
            (500, "", "etcdserver: request is too large", Failure::TooLarge),
        ] {
            assert_eq!(failed(code, reason, message).await, expected);
        }
        let down = failed(503, "ServiceUnavailable", "etcd leader changed").await;
        assert!(matches!(down, Failure::Store(StoreError::Unavailable(why)) if why.contains("leader")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_not_waited_for_forever() {
        let never = CALL.run(std::future::pending::<Result<(), kube::Error>>()).await;
        assert!(matches!(never, Err(Failure::Store(StoreError::Unavailable(_)))));
    }
}
