//! Salesforce behind [`crate::ports::Remote`].
