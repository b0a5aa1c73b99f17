//! Salesforce and ServiceNow as pure models, and an HTTP front on them.
