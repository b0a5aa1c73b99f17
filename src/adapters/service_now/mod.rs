//! ServiceNow behind [`crate::ports::Remote`].
