//! The command line. Every flag of `operator` is also an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::adapters::http::allow_list::HostPattern;
use crate::commands::conflicts::ConflictsCommand;
use crate::commands::quarantine::QuarantineCommand;
use crate::runtime::telemetry::LogFormat;

/// Keeps Salesforce objects and ServiceNow records in two-way sync, configured by Kubernetes resources.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator until SIGTERM or SIGINT.
    Operator(Box<OperatorArgs>),
    /// Print the custom resource definitions as YAML.
    Crds,
    /// Overwritten values, and conflicts that wait for a person.
    #[command(subcommand)]
    Conflicts(ConflictsCommand),
    /// Records that cannot be synced now.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
}

/// How the operator runs. Times are a number and a unit: `30s`, `5m`, `1h`.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    /// Watch this namespace only; a Role there is all the rights it needs. Without it, or empty: the whole cluster.
    #[arg(long, env = "SYNCFLOW_WATCH_NAMESPACE")]
    pub namespace: Option<String>,

    /// How log lines look, on stderr.
    #[arg(long, env = "SYNCFLOW_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// How much is logged: `error`, `warn`, `info`, `debug`, `trace`, or per target: `info,syncflow=debug`.
    #[arg(long, env = "SYNCFLOW_LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// Where `/healthz`, `/readyz` and `/metrics` are served. Port 0 takes a free port and logs it.
    #[arg(long, env = "SYNCFLOW_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// A host that may be called besides `*.my.salesforce.com`, `*.salesforce.com` and `*.service-now.com`: `host`,
    /// `*.domain` or an address, with an optional `:port`. May be repeated; in the environment, separated by commas.
    #[arg(long = "allow-host", env = "SYNCFLOW_ALLOW_HOSTS", value_delimiter = ',')]
    pub allow_hosts: Vec<HostPattern>,

    /// Allow services on loopback addresses, and plain http there: for tests and the demo only.
    #[arg(long, env = "SYNCFLOW_ALLOW_LOOPBACK_HTTP")]
    pub allow_loopback_http: bool,

    /// An http(s) proxy for every call to the services. The usual proxy variables are not looked at.
    #[arg(long, env = "SYNCFLOW_PROXY")]
    pub proxy: Option<url::Url>,

    /// A PEM file of certificates to trust for the services, besides the system's.
    #[arg(long, env = "SYNCFLOW_EXTRA_CA")]
    pub extra_ca: Option<PathBuf>,

    /// The name of the leader Lease: operators that share it take turns.
    #[arg(long, env = "SYNCFLOW_LEASE_NAME", default_value = "syncflow")]
    pub lease_name: String,

    /// The namespace of the Lease. Without it: that of the service account.
    #[arg(long, env = "SYNCFLOW_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// How long one write call may take. What takes longer is of unknown outcome: it is looked for, and sent again only
    /// once it can no longer be at work. Shorter allows a shorter Lease, and so a sooner successor after a crash.
    #[arg(long, env = "SYNCFLOW_WRITE_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub write_timeout: Duration,

    /// How long the Lease lasts after a renewal, and so how long another replica waits after a crash. A write call must
    /// fit into it, with its margins: not less than 15 elevenths of the write timeout.
    #[arg(long, env = "SYNCFLOW_LEASE_DURATION", default_value = "3m", value_parser = duration)]
    pub lease_duration: Duration,

    /// Who holds the Lease: unique among running processes. With the Pod's name, a restarted container of the same Pod
    /// goes on at once. Without it: the host's name and a random number.
    #[arg(long, env = "SYNCFLOW_IDENTITY")]
    pub identity: Option<String>,

    /// How long a worker may take to finish and commit what it sent, at shutdown (less than the Pod's grace period) and
    /// before another one starts. One that takes longer is dropped; the next start settles what it sent.
    #[arg(long, env = "SYNCFLOW_DRAIN_TIMEOUT", default_value = "45s", value_parser = duration)]
    pub drain_timeout: Duration,

    /// How often the version of each Connection's Secret is looked at. Secrets are never listed or watched.
    #[arg(long, env = "SYNCFLOW_SECRET_INTERVAL", default_value = "20s", value_parser = duration)]
    pub secret_interval: Duration,

    /// How often each Connection is proven with a call, and the longest wait before one that fails is tried again.
    #[arg(long, env = "SYNCFLOW_PROBE_INTERVAL", default_value = "5m", value_parser = duration)]
    pub probe_interval: Duration,

    /// How long a refused credential rests after the second refusal in a row, unless it is changed: a sixtieth of it
    /// after the first, and, where failed attempts can lock an account, doubled with each further one up to 24 times it.
    #[arg(long, env = "SYNCFLOW_REFUSAL_INTERVAL", default_value = "1h", value_parser = duration)]
    pub refusal_interval: Duration,

    /// How often everything is looked at again though nothing seems to have changed.
    #[arg(long, env = "SYNCFLOW_RESYNC_INTERVAL", default_value = "10m", value_parser = duration)]
    pub resync_interval: Duration,

    /// How many objects of one kind are reconciled at the same time.
    #[arg(long, env = "SYNCFLOW_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
}

/// Numbers with a unit, one or more: `90s`, `2m30s`, `500ms`; not zero.
fn duration(text: &str) -> Result<Duration, String> {
    let signed: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match Duration::try_from(signed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be longer than nothing, such as 30s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_operator_has_an_environment_variable_and_an_explanation() {
        let command = Cli::command();
        let operator = command.find_subcommand("operator").unwrap();
        for flag in operator.get_arguments().filter(|flag| flag.get_id() != "help") {
            let name = flag.get_id();
            let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert!(
                variable.starts_with("SYNCFLOW_"),
                "{name} has no environment variable"
            );
            assert!(flag.get_help().is_some(), "{name} has no explanation");
        }
    }

    #[test]
    fn the_page_for_administrators_shows_every_flag_with_its_variable_and_default() {
        let page = include_str!("../docs/operations.md");
        let command = Cli::command();
        let operator = command.find_subcommand("operator").unwrap();
        for flag in operator.get_arguments().filter(|flag| flag.get_id() != "help") {
            let name = flag.get_long().unwrap();
            let variable = flag.get_env().and_then(|name| name.to_str()).unwrap();
            let start = format!("| `--{name}` | `{variable}` | ");
            let row = page.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("docs/operations.md lacks {start}"));
            for default in flag
                .get_default_values()
                .iter()
                .filter(|default| *default != "false")
            {
                let default = default.to_str().unwrap();
                assert!(
                    row.contains(&format!("`{default}`")),
                    "{name}: the default is {default}, not as in {row}"
                );
            }
        }
    }

    #[test]
    fn times_are_numbers_with_units() {
        assert_eq!(duration("2m30s"), Ok(Duration::from_secs(150)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "30", "0s", "-5s", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
