//! What every adapter makes of an answer that did not come or cannot be used: the same reasons and remedies for both
//! services.

use std::time::Duration;

use http::StatusCode;

use super::call::{self, BodyFault};
use crate::core::failure::Problem;
use crate::core::side::Side;
use crate::ports::{RemoteError, RemoteErrorKind, TransportError};

/// A transient failure of the whole call.
pub fn transient(reason: &'static str, message: impl Into<String>) -> RemoteError {
    RemoteError {
        problem: Problem::transient(reason, message),
        kind: RemoteErrorKind::Transient,
        retry_after: None,
    }
}

/// The service asks us to slow down.
pub fn throttled(
    reason: &'static str,
    message: impl Into<String>,
    retry_after: Option<Duration>,
) -> RemoteError {
    RemoteError {
        problem: Problem::transient(reason, message),
        kind: RemoteErrorKind::Throttled,
        retry_after,
    }
}

/// A person must change the flow, the connection or a permission.
pub fn misconfigured(reason: &'static str, message: impl Into<String>) -> RemoteError {
    RemoteError {
        problem: Problem::human(reason, message),
        kind: RemoteErrorKind::Misconfigured,
        retry_after: None,
    }
}

/// The credential does not work; only a person can make it work.
pub fn unauthenticated(reason: &'static str, message: impl Into<String>) -> RemoteError {
    RemoteError {
        problem: Problem::human(reason, message),
        kind: RemoteErrorKind::Unauthenticated,
        retry_after: None,
    }
}

/// The credential could not even be read.
pub fn no_credential(problem: Problem) -> RemoteError {
    RemoteError {
        problem,
        kind: RemoteErrorKind::Unauthenticated,
        retry_after: None,
    }
}

/// No answer.
pub fn transport(side: Side, action: &str, error: &TransportError) -> RemoteError {
    match error {
        TransportError::NotSent(why) => transient(
            "Unreachable",
            format!("{side} could not be reached for {action}: {why}"),
        ),
        TransportError::NoAnswer(why) => {
            transient("NoAnswer", format!("{side} gave no answer to {action}: {why}"))
        }
        TransportError::Refused { host, why } => misconfigured(
            "HostRefused",
            format!("the host {host} may not be called for {action}: {why}"),
        ),
        TransportError::TooLarge { limit } => transient(
            "AnswerTooLarge",
            format!("{side} answered {action} with more than {limit} bytes"),
        ),
    }
}

/// An answer whose status alone says what is wrong: from a gateway or the edge rather than from the service.
pub fn status<T>(side: Side, action: &str, response: &http::Response<T>) -> RemoteError {
    let status = response.status();
    let retry_after = call::retry_after(response.headers());
    let what = format!("{side} answered {action} with HTTP {}", status.as_u16());
    if is_throttling(status) {
        throttled("Throttled", format!("{what}: too many requests"), retry_after)
    } else if status.is_redirection() {
        misconfigured(
            "Redirected",
            format!(
                "{what}, a redirect, which is never followed: give the connection the service's own address \
                 (Salesforce: the org's My Domain, not a custom domain)"
            ),
        )
    } else if status.is_server_error() || is_passing_refusal(status) {
        RemoteError {
            retry_after,
            ..transient(
                "ServiceUnavailable",
                format!("{what}: it is tried again by itself"),
            )
        }
    } else {
        transient(
            "UnexpectedStatus",
            format!(
                "{what}, which is none of its API's answers: check that the Connection's address is right"
            ),
        )
    }
}

/// A status by which the service or its edge says that it did not take the request because there are too many
/// (429; Salesforce's edge also uses 420).
pub fn is_throttling(status: StatusCode) -> bool {
    matches!(status.as_u16(), 420 | 429)
}

/// A status by which an edge in front of a service now and then refuses what it lets through a moment later
/// (Salesforce's: 406, 428, 431; Airbyte's and jsforce's clients try the like again).
fn is_passing_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 406 | 421 | 425 | 428 | 431)
}

/// Whoever answers at the connection's address is not the service: only a person can give the right one. `seen` is
/// what was made of the answer as a transient failure; `address` is the field of the Connection that holds it.
pub fn wrong_service(side: Side, host: &str, address: &str, seen: &RemoteError) -> RemoteError {
    misconfigured(
        "WrongService",
        format!(
            "{host} does not answer as {side} does ({}): correct {address} in the Connection. If it is right, open it \
             in a browser: a proxy, a page of maintenance or a hibernating instance answers in its place, and this \
             heals by itself",
            seen.problem.message
        ),
    )
}

/// Whether this is how a host answers that is none of the service's: with a page, with another API's words, with
/// nothing that is there.
pub fn speaks_another_language(error: &RemoteError) -> bool {
    matches!(
        error.problem.reason.as_str(),
        "UnexpectedStatus" | "HtmlAnswer" | "NotJson" | "UnexpectedAnswer" | "EmptyAnswer"
    )
}

/// An answer with a usable status and an unusable body.
pub fn body(side: Side, action: &str, status: StatusCode, fault: BodyFault) -> RemoteError {
    let reason = match fault {
        BodyFault::Empty => "EmptyAnswer",
        BodyFault::Html => "HtmlAnswer",
        BodyFault::Truncated => "TruncatedAnswer",
        BodyFault::NotJson => "NotJson",
        BodyFault::UnexpectedShape => "UnexpectedAnswer",
    };
    let hint = match fault {
        BodyFault::Html => {
            "; it is tried again by itself. If it lasts, open the Connection's address in a browser: the page says \
             more (a hibernating instance, maintenance, a proxy in between)"
        }
        _ => "; it is tried again by itself",
    };
    transient(
        reason,
        format!(
            "{side} answered {action} with HTTP {} and {fault}{hint}",
            status.as_u16()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edge_refuses_for_a_moment_passes_and_what_no_api_says_does_not_pretend_to() {
        let reason = |code: u16| {
            let response = http::Response::builder().status(code).body(()).unwrap();
            let error = status(Side::Salesforce, "a query", &response);
            (error.kind, error.problem.reason.as_str().to_owned())
        };
        for code in [406, 421, 425, 428, 431, 500, 502, 503, 504] {
            assert_eq!(
                reason(code),
                (RemoteErrorKind::Transient, "ServiceUnavailable".to_owned())
            );
        }
        for code in [420, 429] {
            assert_eq!(reason(code), (RemoteErrorKind::Throttled, "Throttled".to_owned()));
        }
        assert_eq!(reason(404).1, "UnexpectedStatus");
        assert_eq!(
            reason(307),
            (RemoteErrorKind::Misconfigured, "Redirected".to_owned())
        );
    }
}
