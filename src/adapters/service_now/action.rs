//! What each call is called: a stable name for metrics, and words for messages.

/// The words of an action, to stand behind "ServiceNow answered" or "could not be reached for".
pub(super) fn in_words(action: &str) -> &str {
    match action {
        "identity" => "the check of the connection",
        "describe" => "a question about its tables and columns",
        "probe" => "a check of whether filters and times are understood",
        "read_changes" => "a list of changes",
        "read_ids" => "a list of linked records",
        "find" => "a look-up of records",
        "read_deletions" | "prove_deletions" => "a list of deleted records",
        "create" | "batch_create" => "the creation of records",
        "update" | "batch_update" => "the change of records",
        "delete" | "batch_delete" => "the deletion of records",
        other => other,
    }
}

/// The same with the table.
pub(super) fn of_table(action: &str, table: &str) -> String {
    format!("{} in {table}", in_words(action))
}
