//! Journal fields: `comments` and `work_notes`.
//!
//! Writing one appends an entry to `sys_journal_field`; the row itself keeps nothing, and its stored value reads as
//! empty (ServiceNow docs: retrieving journal entries). Posting counts as an update of the row.

use jiff::Timestamp;

use super::ServiceNow;
use super::clock;
use super::records::Author;
use super::schema::{Column, InternalType};
use super::store::{Reading, Values};
use super::users::Principal;

/// The table of entries.
const ENTRIES: &str = "sys_journal_field";

impl ServiceNow {
    /// Takes the entries to be posted out of the values of a write.
    pub(super) fn take_notes(&self, class: &str, values: &mut Values) -> Values {
        let is_note = |name: &str, text: &str| {
            let column = self.schema.column(class, name);
            !text.is_empty() && column.is_some_and(|column| column.internal_type == InternalType::Journal)
        };
        let notes: Values = values
            .iter()
            .filter(|(name, text)| is_note(name, text))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect();
        let columns = self.schema.columns(class);
        values.retain(|name, _| {
            columns
                .get(name.as_str())
                .is_none_or(|column| column.internal_type != InternalType::Journal)
        });
        notes
    }

    /// Posts entries about a row.
    pub(super) fn post_notes(
        &mut self,
        author: &Author,
        class: &str,
        sys_id: &str,
        notes: &Values,
        now: Timestamp,
    ) {
        for (element, text) in notes {
            let entry_id = self.ids.next();
            let stamp = clock::stamp(now);
            let entry = [
                ("sys_id", entry_id.as_str()),
                ("element_id", sys_id),
                ("element", element),
                ("name", class),
                ("value", text),
                ("sys_created_on", &stamp),
                ("sys_created_by", &author.principal.user_name),
            ];
            let entry = entry
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
            self.put(ENTRIES, &entry_id, Some(entry), now);
        }
    }

    /// What a person sees in a journal field: every entry, newest first, each under a line that says when and by whom.
    pub(super) fn shown_journal(&self, principal: &Principal, sys_id: &str, column: &Column) -> String {
        let of_field = |entry: &&Values| {
            let has = |name: &str, value: &str| entry.get(name).is_some_and(|known| known == value);
            has("element_id", sys_id) && has("element", &column.name)
        };
        let mut entries: Vec<&Values> = self
            .store
            .rows_of_class(ENTRIES, Reading::NEWEST)
            .filter(of_field)
            .collect();
        let text = |entry: &Values, name: &str| entry.get(name).cloned().unwrap_or_default();
        entries.sort_by_key(|entry| (text(entry, "sys_created_on"), text(entry, "sys_id")));
        let shown = entries.iter().rev().map(|entry| {
            let at = clock::shown_in(&principal.zone, &text(entry, "sys_created_on"));
            let (by, value) = (text(entry, "sys_created_by"), text(entry, "value"));
            format!("{at} - {by} ({})\n{value}\n\n", column.label)
        });
        shown.collect::<Vec<_>>().concat()
    }
}
