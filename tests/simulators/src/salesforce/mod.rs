//! Salesforce's REST API as a pure model.
