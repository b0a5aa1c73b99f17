//! The process: start, leader lease, worker supervisor, readiness, metrics, telemetry, shutdown.
