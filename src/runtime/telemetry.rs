//! Logs, to stderr.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    #[default]
    Json,
    /// For people.
    Human,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("--log-level: {0}")]
    Level(#[from] ParseError),
    /// Somebody set one up already.
    #[error("logging is set up already: {0}")]
    AlreadySet(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Begins logging. `level` is a level (`info`) or a list of targets with levels (`info,syncflow=debug`).
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(level)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        // A file has no colours.
        LogFormat::Human => subscriber
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
    }
    .map_err(TelemetryError::AlreadySet)
}
