//! What the org promises over its API, a promise a test.
