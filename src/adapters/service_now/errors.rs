//! The instance's errors, told as something a person can act on.
//!
//! An error is `{"error":{"message":…,"detail":…},"status":"failure"}` (ServiceNow docs: REST API), where `detail` may be
//! null. Its free text can hold what somebody wrote into a record, so only what has a known structure is repeated:
//! labels of fields, names of business rules.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::row::MissingSystemField;
use crate::adapters::http::call::{self, BodyFault};
use crate::adapters::http::failure::{self, misconfigured};
use crate::core::failure::Problem;
use crate::core::side::Side;
use crate::ports::{Rejection, RemoteError};

/// The words of an error.
#[derive(Clone, Default, Deserialize)]
pub(super) struct VendorError {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

impl VendorError {
    fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or_default()
    }

    fn says(&self, words: &str) -> bool {
        self.message().contains(words) || self.detail().contains(words)
    }
}

/// An answer that is an error.
#[derive(Deserialize)]
struct ErrorBody {
    error: VendorError,
}

/// The error in a body, `None` where the body is none of ServiceNow's.
pub(super) fn vendor_error(body: &[u8]) -> Option<VendorError> {
    call::json::<ErrorBody>(body).ok().map(|body| body.error)
}

/// What a refused read of a table means; `secret` names our account.
pub(super) fn refused_read(
    action: &str,
    table: &str,
    secret: &str,
    response: &http::Response<Bytes>,
) -> RemoteError {
    let status = response.status();
    let Some(error) = vendor_error(response.body()) else {
        return foreign_page(action, response);
    };
    match status {
        StatusCode::BAD_REQUEST if error.says("Invalid table") => unknown_table(table),
        StatusCode::FORBIDDEN if error.says("Insufficient rights to query") => misconfigured(
            "MissingRight",
            format!(
                "the account in {secret} may not filter {table} by a field that this flow filters by. In ServiceNow, \
                 give it read and query_range access to sys_id, sys_updated_on, sys_created_on, the stamp field and \
                 the match fields of {table} (System Security > Access Control)."
            ),
        ),
        StatusCode::FORBIDDEN => missing_read(table, secret),
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_ACCEPTABLE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => misconfigured(
            "RequestRefused",
            format!(
                "ServiceNow refuses to read {table} (HTTP {}). Check that the Table API is active for this account \
                 (System Web Services > REST API Access Policies).",
                status.as_u16()
            ),
        ),
        _ => failure::status(Side::ServiceNow, action, response),
    }
}

/// A refusal that does not come from ServiceNow's API.
pub(super) fn foreign_page(action: &str, response: &http::Response<Bytes>) -> RemoteError {
    let status = response.status();
    match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => misconfigured(
            "UnexpectedPage",
            format!(
                "the instance answered {action} with HTTP {} and no error of its API. Check instanceUrl, a proxy in \
                 between, and IP Address Access Control in ServiceNow.",
                status.as_u16()
            ),
        ),
        _ => failure::status(Side::ServiceNow, action, response),
    }
}

/// There is no such table.
pub(super) fn unknown_table(table: &str) -> RemoteError {
    misconfigured(
        "UnknownObject",
        format!(
            "ServiceNow has no table {table}. Use the table's name, not its label, as shown in System Definition > \
             Tables."
        ),
    )
}

/// Our user may not read a table, or sees none of its rows.
pub(super) fn missing_read(table: &str, secret: &str) -> RemoteError {
    let remedy = match table {
        "sys_db_object" | "sys_dictionary" | "sys_choice" => {
            "Give it a role that may read the data dictionary (such as personalize_dictionary), or a read access \
             control on sys_db_object, sys_dictionary and sys_choice."
        }
        _ => {
            "Give it a role that may read the table (such as itil for incidents), or a read access control (System \
             Security > Access Control)."
        }
    };
    misconfigured(
        "MissingRight",
        format!("the account in {secret} may not read {table}. {remedy}"),
    )
}

/// Rows that were counted and not shown, where all of them are needed.
pub(super) fn hidden_rows(table: &str, secret: &str, why: &str, hidden: u64) -> RemoteError {
    misconfigured(
        "RowsHidden",
        format!(
            "{hidden} rows of {table} that {why} are hidden from the account in {secret} by access controls. Give it \
             read access to all rows of {table} that the flow may concern."
        ),
    )
}

/// A system column that our user may not read.
pub(super) fn missing_system_field(table: &str, secret: &str, missing: MissingSystemField) -> RemoteError {
    let MissingSystemField(field) = missing;
    misconfigured(
        "MissingRight",
        format!(
            "the account in {secret} cannot read {field} of {table}, without which changes cannot be followed. Give \
             it read access to that field."
        ),
    )
}

/// The instance answered with rows that the query excludes, or in another order.
pub(super) fn filter_ignored(table: &str, what: &str) -> RemoteError {
    misconfigured(
        "FilterIgnored",
        format!(
            "ServiceNow ignored part of a query on {table} ({what}), so that what it answers cannot be trusted. In \
             ServiceNow, give the account query_match and query_range access to sys_id, sys_updated_on and \
             sys_created_on of {table} (System Security > Access Control), and to the fields of the flow's stamp and \
             matching keys."
        ),
    )
}

/// The answer lacks a header that we rely on.
pub(super) fn missing_header(header: &str) -> RemoteError {
    misconfigured(
        "HeaderMissing",
        format!(
            "the instance's answers lack the header {header}. Something between the operator and ServiceNow removes \
             it: check the proxy."
        ),
    )
}

/// HTTP 202: queued behind other requests of a session, and never carried out (ServiceNow KB3047080).
pub(super) fn not_executed(action: &str) -> RemoteError {
    failure::transient(
        "NotExecuted",
        format!("ServiceNow answered {action} with HTTP 202: it did not carry the request out"),
    )
}

/// A list that the platform broke off, even at its smallest size.
pub(super) fn broken_list(action: &str, table: &str, fault: Option<BodyFault>) -> RemoteError {
    match fault {
        Some(fault) => failure::body(Side::ServiceNow, action, StatusCode::OK, fault),
        None => failure::transient(
            "ExecutionTimeExceeded",
            format!("ServiceNow broke off a list of {table}: its maximum execution time was exceeded"),
        ),
    }
}

/// What a write does, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Insert.
    Create,
    /// Update.
    Update,
}

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
        }
    }
}

/// Why the instance refused one write.
pub(super) enum Refusal {
    /// As the rejection says.
    Rejected(Rejection),
    /// The database refused it: most likely the `sys_id` or the value of a unique column exists already, but no source
    /// tells the words of that error for sure. Who has the record must be looked up.
    PerhapsExists,
}

/// Reads the refusal of one write.
pub(super) fn refusal(
    verb: Verb,
    table: &str,
    secret: &str,
    status: StatusCode,
    error: &VendorError,
) -> Refusal {
    let word = verb.word();
    let detail = error.detail();
    let problem = if status == StatusCode::NOT_FOUND {
        Problem::human(
            "NotVisible",
            format!(
                "ServiceNow did not find the record in {table}: it was deleted, or the account in {secret} may no \
                 longer see it (ServiceNow does not tell which)"
            ),
        )
    } else if let Some(policy) = detail.split_once("Data Policy Exception:") {
        data_policy(table, policy.1)
    } else if detail.contains("aborted by Business Rule") {
        let rule = quoted(detail, "Business Rule '")
            .map(|rule| rule.split('^').next().unwrap_or(rule))
            .map_or_else(String::new, |rule| format!(" {rule}"));
        Problem::human(
            "BusinessRule",
            format!(
                "the business rule{rule} of {table} forbids this {word}. Change the record so that the rule lets it \
                 pass, or exempt the account in {secret} from the rule (System Definition > Business Rules)."
            ),
        )
    } else if error.says("Error during insert")
        || error.says("Error during update")
        || error.says("Unique Key violation")
        || error.message().to_ascii_lowercase().contains("duplicate")
    {
        match verb {
            Verb::Create => return Refusal::PerhapsExists,
            Verb::Update => database_refused(verb, table),
        }
    } else if detail.contains("ACL") || error.says("User Not Authorized") {
        Problem::human(
            "MissingRight",
            format!(
                "the account in {secret} may not {word} records of {table}. Give it a role that may (such as itil for \
                 incidents), or an access control for {word} (System Security > Access Control)."
            ),
        )
    } else if status == StatusCode::BAD_REQUEST && error.says("Invalid table") {
        unknown_table(table).problem
    } else {
        Problem::human(
            "WriteRefused",
            format!(
                "ServiceNow refused to {word} a record of {table} (HTTP {}). Its own words may hold contents of the \
                 record and are not repeated here: find them in System Logs > REST API.",
                status.as_u16()
            ),
        )
    };
    Refusal::Rejected(Rejection { problem, gone: false })
}

/// The database refused a write for a reason that it does not give.
pub(super) fn database_refused(verb: Verb, table: &str) -> Problem {
    Problem::human(
        "DatabaseRefused",
        format!(
            "ServiceNow's database refused to {} a record of {table}, most likely because a column that must be unique \
             already has the value in another record",
            verb.word()
        ),
    )
}

/// `The following fields are mandatory: Resolution code, Resolution notes`, or `State is read only`.
fn data_policy(table: &str, words: &str) -> Problem {
    let words = words.trim();
    let message = if let Some((_, labels)) = words.split_once("fields are mandatory:") {
        format!(
            "a data policy of {table} requires a value in: {}. Map these fields, or give them a value in onCreate.",
            label_list(labels)
        )
    } else if let Some(label) = words.strip_suffix("is read only") {
        format!(
            "a data policy of {table} makes {} read-only for this record. Map it towards Salesforce only, or change \
             the policy (System Policy > Rules > Data Policies).",
            label_list(label)
        )
    } else {
        format!("a data policy of {table} forbids this write (System Policy > Rules > Data Policies)")
    };
    Problem::human("DataPolicy", message)
}

/// Labels of fields, cut to what a message has room for.
fn label_list(labels: &str) -> String {
    const ROOM: usize = 200;
    let one_line = labels.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= ROOM {
        one_line
    } else {
        let cut: String = one_line.chars().take(ROOM).collect();
        format!("{cut}…")
    }
}

/// The text between `before` (which ends with a quotation mark) and the next quotation mark.
fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split('\'').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(verb: Verb, status: u16, message: &str, detail: Option<&str>) -> Refusal {
        let error = VendorError {
            message: Some(message.to_owned()),
            detail: detail.map(str::to_owned),
        };
        refusal(
            verb,
            "incident",
            "Secret sn",
            StatusCode::from_u16(status).unwrap(),
            &error,
        )
    }

    fn problem(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Rejected(rejection) => {
                assert!(!rejection.gone, "a 404 proves no deletion");
                rejection.problem
            }
            Refusal::PerhapsExists => panic!("taken for a duplicate"),
        }
    }

    #[test]
    fn a_data_policy_names_the_labels_of_its_fields() {
        let detail =
            "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes";
        let problem = problem(refused(Verb::Update, 403, "Operation Failed", Some(detail)));
        assert_eq!(problem.reason.as_str(), "DataPolicy");
        assert!(
            problem.message.contains("Resolution code, Resolution notes"),
            "{}",
            problem.message
        );
        let read_only = "Data Policy Exception: State is read only";
        let problem = self::problem(refused(Verb::Update, 403, "Operation Failed", Some(read_only)));
        assert!(
            problem.message.contains("makes State read-only"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn a_business_rule_is_named_and_its_free_text_is_not_repeated() {
        let detail = "Operation against file 'incident' was aborted by Business Rule \
                      'Abort secrets^0a1b2c'. Business Rule Stack:Abort secrets";
        let problem = problem(refused(Verb::Create, 403, "Operation Failed", Some(detail)));
        assert_eq!(problem.reason.as_str(), "BusinessRule");
        assert!(
            problem
                .message
                .contains("the business rule Abort secrets of incident")
        );
        assert!(!problem.message.contains("0a1b2c"));
    }

    #[test]
    fn an_unknown_refusal_keeps_the_services_words_to_itself() {
        let problem = problem(refused(
            Verb::Create,
            403,
            "Patient Jane Doe",
            Some("has a fever"),
        ));
        assert_eq!(problem.reason.as_str(), "WriteRefused");
        assert!(!problem.message.contains("Jane") && !problem.message.contains("fever"));
    }

    #[test]
    fn a_missing_right_says_which() {
        let detail = "ACL Exception Insert Failed due to security constraints";
        let problem = problem(refused(Verb::Create, 403, "Operation Failed", Some(detail)));
        assert_eq!(problem.reason.as_str(), "MissingRight");
        assert!(
            problem
                .message
                .contains("Secret sn may not create records of incident")
        );
    }

    #[test]
    fn a_database_error_may_mean_a_duplicate_on_create_only() {
        let detail = "Error during insert of incident (INC0010001)";
        assert!(matches!(
            refused(Verb::Create, 403, "Operation Failed", Some(detail)),
            Refusal::PerhapsExists
        ));
        let detail = "Error during update of incident (INC0010001)";
        let problem = problem(refused(Verb::Update, 403, "Operation Failed", Some(detail)));
        assert_eq!(problem.reason.as_str(), "DatabaseRefused");
    }

    #[test]
    fn an_error_without_detail_is_understood() {
        let error =
            vendor_error(br#"{"error":{"message":"Invalid table foo","detail":null},"status":"failure"}"#);
        assert!(error.unwrap().says("Invalid table"));
        assert!(vendor_error(b"<html>").is_none());
        assert!(vendor_error(br#"{"result":{}}"#).is_none());
    }
}
