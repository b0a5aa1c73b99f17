//! The controllers: dereference (IO) → validate (pure) → act → status (IO). They never sync records.
