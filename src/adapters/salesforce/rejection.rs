//! Why one record was not written: the codes of a collection's items, with the remedy of each.

use super::errors::ApiError;
use crate::core::failure::Problem;
use crate::core::ident::{FieldName, RecordId};
use crate::core::side::Side;
use crate::ports::{Rejection, WriteOutcome};

/// What was done to a record, for messages.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Create,
    Update,
    Delete,
}

/// The id that a refused creation names: a record that has the same value in a unique field already
/// (`duplicate value found: Ext__c duplicates value on record with id: 001…`).
pub(super) struct Duplicate {
    /// The field, where Salesforce names it (`<unknown>` where it does not).
    pub(super) field: Option<FieldName>,
    /// The record, where Salesforce names it.
    pub(super) id: Option<RecordId>,
}

/// The duplicate that one of the errors states.
pub(super) fn duplicates(errors: &[ApiError]) -> impl Iterator<Item = Duplicate> + '_ {
    errors
        .iter()
        .filter(|error| error.code() == "DUPLICATE_VALUE")
        .map(|error| {
            let named = error
                .message()
                .split_once("duplicate value found: ")
                .and_then(|(_, rest)| rest.split_once(" duplicates value on record with id: "));
            let field = named
                .and_then(|(field, _)| field.trim().parse().ok())
                .or_else(|| error.fields().next());
            let id = named.and_then(|(_, rest)| {
                let id: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                RecordId::parse(Side::Salesforce, &id).ok()
            });
            Duplicate { field, id }
        })
}

/// The outcome of a refused creation whose stamp stands in another record already: it had happened before.
pub(super) fn twin(errors: &[ApiError], stamp: &FieldName) -> Option<WriteOutcome> {
    duplicates(errors)
        .find(|duplicate| {
            duplicate
                .field
                .as_ref()
                .is_some_and(|field| field.as_str().eq_ignore_ascii_case(stamp.as_str()))
        })
        .map(|twin| WriteOutcome::Exists { id: twin.id })
}

/// Why one record was not written, with the remedy. `about` names the object and, where there is one, the record.
pub(super) fn rejection(deed: Deed, about: &str, errors: &[ApiError]) -> Rejection {
    let (verdict, code) = errors
        .iter()
        .map(|error| (verdict(deed, error.code()), error.code()))
        .max_by_key(|(verdict, _)| verdict.kind)
        .unwrap_or((Verdict::OTHER, "no code"));
    let mut fields: Vec<String> = errors
        .iter()
        .flat_map(ApiError::fields)
        .map(|field| field.to_string())
        .chain(
            duplicates(errors)
                .filter_map(|duplicate| duplicate.field)
                .map(|field| field.to_string()),
        )
        .collect();
    fields.sort_unstable();
    fields.dedup();
    let deed = match deed {
        Deed::Create => "create",
        Deed::Update => "update",
        Deed::Delete => "delete",
    };
    let fields = if fields.is_empty() {
        String::new()
    } else {
        format!(", fields: {}", fields.join(", "))
    };
    let message = format!(
        "Salesforce refused to {deed} {about} ({code}{fields}): {}",
        verdict.remedy
    );
    let problem = match verdict.kind {
        Kind::Passing => Problem::transient(verdict.reason, message),
        Kind::Human | Kind::Gone => Problem::human(verdict.reason, message),
    };
    Rejection {
        problem,
        gone: verdict.kind == Kind::Gone,
    }
}

/// In the order in which one of several errors speaks for the record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Passing,
    Human,
    Gone,
}

#[derive(Clone, Copy)]
struct Verdict {
    kind: Kind,
    reason: &'static str,
    remedy: &'static str,
}

impl Verdict {
    const OTHER: Self = human("RecordRefused", "see the code in Salesforce's documentation");
}

const fn human(reason: &'static str, remedy: &'static str) -> Verdict {
    Verdict {
        kind: Kind::Human,
        reason,
        remedy,
    }
}

const fn passing(reason: &'static str) -> Verdict {
    Verdict {
        kind: Kind::Passing,
        reason,
        remedy: "it is tried again",
    }
}

/// What a code means for one record.
fn verdict(deed: Deed, code: &str) -> Verdict {
    match code {
        "DELETE_FAILED"
        | "DELETE_REQUIRED_ON_CASCADE"
        | "DELETE_OPERATION_TOO_LARGE"
        | "DEPENDENCY_EXISTS" => human(
            "DeleteRefused",
            "other records depend on it: delete or detach those first, or use onDelete Unlink or Mark",
        ),
        "INSUFFICIENT_ACCESS_OR_READONLY" | "INSUFFICIENT_ACCESS" if matches!(deed, Deed::Delete) => human(
            "InsufficientAccess",
            "give the user's profile or a permission set Delete on the object, and sharing on the record",
        ),
        "ENTITY_IS_DELETED" | "NOT_FOUND" => Verdict {
            kind: Kind::Gone,
            reason: "RecordGone",
            remedy: "the record is deleted, or no longer visible to the user",
        },
        "UNABLE_TO_LOCK_ROW" => passing("RowLocked"),
        "SERVER_UNAVAILABLE"
        | "UNKNOWN_EXCEPTION"
        | "APEX_ERROR"
        | "QUERY_TIMEOUT"
        | "REQUEST_RUNNING_TOO_LONG"
        | "REQUEST_LIMIT_EXCEEDED"
        | "PROCESSING_HALTED"
        | "ALL_OR_NONE_OPERATION_ROLLED_BACK" => passing("ServiceUnavailable"),
        "REQUIRED_FIELD_MISSING" => human(
            "RequiredFieldMissing",
            "map a field to it, or give it a value in onCreate",
        ),
        "STRING_TOO_LONG" => human(
            "TextTooLong",
            "shorten the text in ServiceNow, or lengthen the field in Setup > Object Manager",
        ),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => human(
            "ValidationRule",
            "a validation rule of the org refuses it: see Setup > Object Manager > (the object) > Validation Rules",
        ),
        "INVALID_FIELD_FOR_INSERT_UPDATE" => human(
            "FieldNotWritable",
            "give the user's profile or a permission set Edit Access to the field, or map it the other way only",
        ),
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" | "INVALID_STATUS" => human(
            "ChoiceNotOffered",
            "add the value to the picklist (and to the record type), or map it in the field's values",
        ),
        "DUPLICATES_DETECTED" => human(
            "DuplicateRule",
            "a duplicate rule of the org takes it for a duplicate: see Setup > Duplicate Rules, or match the records \
             by a key",
        ),
        "DUPLICATE_VALUE" => human(
            "DuplicateValue",
            "another record has the same value in a unique field",
        ),
        "INVALID_CROSS_REFERENCE_KEY" | "MALFORMED_ID" => human(
            "ReferenceNotFound",
            "the record, or one that it refers to, does not exist for the user",
        ),
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => human(
            "InsufficientAccess",
            "give the user access to the record that this one refers to",
        ),
        "INSUFFICIENT_ACCESS_OR_READONLY" | "INSUFFICIENT_ACCESS" | "TRANSFER_REQUIRES_READ" => human(
            "InsufficientAccess",
            "give the user's profile or a permission set Create and Edit on the object, and sharing on the record",
        ),
        "ENTITY_IS_LOCKED" => human(
            "RecordLocked",
            "an approval process locks the record: unlock it, or let the user edit locked records",
        ),
        "INVALID_FIELD" => human(
            "UnknownField",
            "the field is not there for the user any more: check the mapping and the field-level security",
        ),
        "FIELD_INTEGRITY_EXCEPTION"
        | "NUMBER_OUTSIDE_VALID_RANGE"
        | "INVALID_EMAIL_ADDRESS"
        | "JSON_PARSER_ERROR"
        | "INVALID_TYPE_ON_FIELD_IN_RECORD" => human(
            "ValueRefused",
            "the value does not suit the field: correct it in ServiceNow, or map another field",
        ),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" | "CANNOT_EXECUTE_FLOW_TRIGGER" => human(
            "AutomationFailed",
            "an Apex trigger or a flow of the org fails on it (see the org's debug logs and flow error mails), or the user \
             may not create and edit such records",
        ),
        "STORAGE_LIMIT_EXCEEDED" => human(
            "StorageFull",
            "the org's data storage is used up: see Setup > Storage Usage",
        ),
        _ => Verdict::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::FailureClass;

    fn errors(json: &str) -> Vec<ApiError> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_row_lock_passes_and_a_missing_field_needs_a_person_and_several_errors_need_a_person() {
        let lock = rejection(
            Deed::Update,
            "Case 500",
            &errors(r#"[{"statusCode":"UNABLE_TO_LOCK_ROW"}]"#),
        );
        assert_eq!(lock.problem.class, FailureClass::Transient);
        let both = rejection(
            Deed::Update,
            "Case 500",
            &errors(
                r#"[{"statusCode":"UNABLE_TO_LOCK_ROW"},
                    {"statusCode":"REQUIRED_FIELD_MISSING","message":"x","fields":["Subject","Origin"]}]"#,
            ),
        );
        assert_eq!(both.problem.class, FailureClass::HumanNeeded);
        assert_eq!(both.problem.reason.as_str(), "RequiredFieldMissing");
        assert!(
            both.problem.message.contains("Origin, Subject"),
            "{}",
            both.problem.message
        );
        assert!(!both.gone);
    }

    #[test]
    fn a_duplicate_names_its_field_and_record_where_salesforce_does() {
        let named = errors(
            r#"[{"statusCode":"DUPLICATE_VALUE",
                "message":"duplicate value found: Ext__c duplicates value on record with id: 001D000000IqhSL"}]"#,
        );
        let duplicate = duplicates(&named).next().unwrap();
        assert_eq!(duplicate.field.unwrap().as_str(), "Ext__c");
        assert_eq!(duplicate.id.unwrap().as_str(), "001D000000IqhSLIAZ");
        let unnamed = errors(
            r#"[{"statusCode":"DUPLICATE_VALUE",
                "message":"duplicate value found: <unknown> duplicates value on record with id: <unknown>"}]"#,
        );
        let duplicate = duplicates(&unnamed).next().unwrap();
        assert!(duplicate.field.is_none() && duplicate.id.is_none());
    }

    #[test]
    fn what_salesforce_writes_about_values_is_not_repeated() {
        let secret = "Jane Roe, 12 Elm St";
        let text = format!(
            r#"[{{"statusCode":"STRING_TOO_LONG","message":"Subject: data value too large: {secret} (max length=20)",
                "fields":["Subject","{secret}"]}},
               {{"statusCode":"{secret}","message":"{secret}"}}]"#
        );
        let problem = rejection(Deed::Create, "Case", &errors(&text)).problem;
        assert!(!problem.message.contains("Jane"), "{}", problem.message);
    }
}
