//! syncflow keeps Salesforce objects and ServiceNow records in two-way sync.
