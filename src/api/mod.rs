//! The custom resources: `Connection`, `FieldMapping`, `SyncFlow`.
