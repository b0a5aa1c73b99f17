//! The choice lists of a fresh instance, in English.

use super::{Choice, Schema};

/// Table, column, and the values with their labels.
type List = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// Those of `task` serve every table that defines none of its own for the column.
const LISTS: [List; 15] = [
    (
        "task",
        "state",
        &[
            ("-5", "Pending"),
            ("1", "Open"),
            ("2", "Work in Progress"),
            ("3", "Closed Complete"),
            ("4", "Closed Incomplete"),
            ("7", "Closed Skipped"),
        ],
    ),
    (
        "task",
        "impact",
        &[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")],
    ),
    (
        "task",
        "urgency",
        &[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")],
    ),
    (
        "task",
        "priority",
        &[
            ("1", "1 - Critical"),
            ("2", "2 - High"),
            ("3", "3 - Moderate"),
            ("4", "4 - Low"),
            ("5", "5 - Planning"),
        ],
    ),
    (
        "task",
        "contact_type",
        &[
            ("email", "Email"),
            ("phone", "Phone"),
            ("self-service", "Self-service"),
            ("virtual_agent", "Virtual Agent"),
            ("walk-in", "Walk-in"),
            ("chat", "Chat"),
        ],
    ),
    (
        "incident",
        "state",
        &[
            ("1", "New"),
            ("2", "In Progress"),
            ("3", "On Hold"),
            ("6", "Resolved"),
            ("7", "Closed"),
            ("8", "Canceled"),
        ],
    ),
    (
        "incident",
        "category",
        &[
            ("inquiry", "Inquiry / Help"),
            ("software", "Software"),
            ("hardware", "Hardware"),
            ("network", "Network"),
            ("database", "Database"),
        ],
    ),
    (
        "incident",
        "subcategory",
        &[("db2", "DB2"), ("oracle", "Oracle"), ("email", "Email")],
    ),
    (
        "incident",
        "close_code",
        &[
            ("Solution provided", "Solution provided"),
            ("Workaround provided", "Workaround provided"),
            ("Resolved by caller", "Resolved by caller"),
            ("Duplicate", "Duplicate"),
        ],
    ),
    (
        "incident",
        "hold_reason",
        &[
            ("1", "Awaiting Caller"),
            ("3", "Awaiting Problem"),
            ("4", "Awaiting Vendor"),
            ("5", "Awaiting Change"),
        ],
    ),
    (
        "incident",
        "severity",
        &[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")],
    ),
    (
        "problem",
        "category",
        &[
            ("software", "Software"),
            ("hardware", "Hardware"),
            ("database", "Database"),
        ],
    ),
    (
        "change_request",
        "state",
        &[
            ("-5", "New"),
            ("-4", "Assess"),
            ("-3", "Authorize"),
            ("-2", "Scheduled"),
            ("-1", "Implement"),
            ("0", "Review"),
            ("3", "Closed"),
            ("4", "Canceled"),
        ],
    ),
    (
        "change_request",
        "type",
        &[
            ("standard", "Standard"),
            ("normal", "Normal"),
            ("emergency", "Emergency"),
        ],
    ),
    (
        "change_request",
        "risk",
        &[("2", "High"), ("3", "Moderate"), ("4", "Low")],
    ),
];

pub(super) fn define(schema: &mut Schema) {
    for (table, element, values) in LISTS {
        for (position, (value, label)) in (1..).zip(values) {
            schema.define_choice(Choice::new(table, element, value, label, position));
        }
    }
    schema.define_choice(Choice::new("incident", "category", "request", "Request (old)", 9).inactive());
    schema.define_choice(Choice::new("incident", "category", "database", "", 5).language("de", "Datenbank"));
}
