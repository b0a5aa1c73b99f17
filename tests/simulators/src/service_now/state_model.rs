//! What the platform's applications demand of a task's state: reasons for a hold, the order of a change's states,
//! closed records that stay as they are, incidents that close by themselves.
//!
//! Source: ServiceNow docs, "Incident management state model", "State model and transitions" (change), "Configure
//! automatic closure of incidents". Each is a switch, because each can be, and often is, configured away.

use jiff::Timestamp;
use std::collections::BTreeMap;

use super::ServiceNow;
use super::clock;
use super::errors::ApiError;
use super::records::Author;
use super::store::{Reading, Values};

/// `On Hold`, and the reason `Awaiting Caller`.
const ON_HOLD: &str = "3";
const AWAITING_CALLER: &str = "1";

/// The states of a change in their order, from `New` to `Closed`.
const CHANGE_STATES: [&str; 7] = ["-5", "-4", "-3", "-2", "-1", "0", "3"];
const CHANGE_CANCELED: &str = "4";

fn get<'a>(row: &'a Values, column: &str) -> &'a str {
    row.get(column).map_or("", String::as_str)
}

impl ServiceNow {
    /// Refuses a write that a state model forbids. `notes` are the journal entries that come with it.
    pub(super) fn check_state_model(
        &self,
        author: &Author,
        class: &str,
        before: Option<&Values>,
        row: &Values,
        notes: &Values,
    ) -> Result<(), ApiError> {
        let switches = &self.switches;
        let was = before.map_or("", |before| get(before, "state"));
        let is = get(row, "state");
        if class == "incident" {
            if switches.closed_is_read_only && matches!(was, "7" | "8") && !author.principal.is_admin() {
                return Err(ApiError::acl("Update"));
            }
            if switches.hold_policy && is == ON_HOLD {
                let reason = get(row, "hold_reason");
                let label = |column: &str| {
                    let column = self.schema.column(class, column);
                    column.map_or_else(String::new, |column| column.label.clone())
                };
                if reason.is_empty() {
                    return Err(ApiError::mandatory(&[label("hold_reason")]));
                }
                let begins =
                    was != ON_HOLD || before.is_some_and(|before| get(before, "hold_reason") != reason);
                if begins && reason == AWAITING_CALLER && !notes.contains_key("comments") {
                    return Err(ApiError::mandatory(&[label("comments")]));
                }
            }
        }
        if switches.change_model && class == "change_request" && before.is_some() && was != is {
            let place = |state: &str| CHANGE_STATES.iter().position(|one| *one == state);
            let next = match (place(was), place(is)) {
                (Some(was), Some(is)) => is == was + 1,
                (_, None) => is == CHANGE_CANCELED,
                (None, _) => false,
            };
            if !next {
                // The rule is the platform's own, with a `sys_id` that differs between releases.
                let name = "Change Model: Check State Transition";
                return Err(ApiError::business_rule(
                    class,
                    name,
                    "c6e5ab4a53a33010f0a1ddeeff7b12a4",
                ));
            }
        }
        Ok(())
    }

    /// A comment by the caller takes an incident off hold.
    pub(super) fn resume_for_caller(
        &self,
        author: &Author,
        class: &str,
        before: Option<&Values>,
        row: &mut Values,
        notes: &Values,
    ) {
        let by_caller =
            !author.principal.sys_id.is_empty() && get(row, "caller_id") == author.principal.sys_id;
        let held =
            before.is_some_and(|before| get(before, "state") == ON_HOLD) && get(row, "state") == ON_HOLD;
        if self.switches.caller_reply_resumes
            && class == "incident"
            && by_caller
            && held
            && notes.contains_key("comments")
        {
            row.insert("state".to_owned(), "2".to_owned());
        }
    }

    /// Closes the incidents that have been resolved, and left alone, for as many days as the instance waits.
    pub(super) fn close_resolved(&mut self, now: Timestamp) {
        let Some(days) = self.switches.auto_close_days else {
            return;
        };
        let latest = clock::stamp(clock::later(now, -86_400 * days));
        let rows = self.store.rows_of_class("incident", Reading::NEWEST);
        let due: Vec<String> = rows
            .filter(|row| get(row, "state") == "6" && get(row, "sys_updated_on") <= latest.as_str())
            .filter_map(|row| row.get("sys_id").cloned())
            .collect();
        for sys_id in due {
            let closed = BTreeMap::from([("state".to_owned(), "7".to_owned())]);
            // A rule or policy that refuses leaves the incident resolved; the job does not ask again at once.
            let _ = self.update(
                &Author::rule("Autoclose Incidents"),
                "incident",
                &sys_id,
                closed,
                now,
            );
        }
    }
}
