//! Why the instance refused to create or change one record.

use http::StatusCode;

use super::errors::{self, VendorError};
use crate::core::failure::Problem;
use crate::ports::Rejection;

/// What a write does, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Insert.
    Create,
    /// Update.
    Update,
    /// Delete.
    Delete,
}

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
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
            Verb::Update | Verb::Delete => database_refused(verb, table),
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
        errors::unknown_table(table).problem
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
            "a data policy of {table} requires a value in: {}. Map these fields (they are sent in the same write), or give \
             them a value in onCreate.",
            label_list(labels)
        )
    } else if let Some(label) = words
        .strip_suffix("is read only")
        .or_else(|| Some(words.split_once("fields are read only:")?.1))
    {
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
}
