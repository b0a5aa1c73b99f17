//! Link state behind [`crate::ports::LinkStore`].
