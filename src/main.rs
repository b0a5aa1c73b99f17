//! The operator binary: parses the command line, installs the TLS provider, runs, gives the exit code.

use std::process::ExitCode;

use clap::Parser;
use syncflow::cli::{Cli, Command};
use syncflow::commands;
use syncflow::runtime::{app, telemetry};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("syncflow: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    match cli.command {
        Command::Crds => {
            print!("{}", syncflow::api::crds_yaml()?);
            Ok(())
        }
        Command::Conflicts(command) => {
            install_tls()?;
            let mut out = std::io::stdout().lock();
            Ok(terminal()?.block_on(commands::conflicts::run(&command, &mut out))?)
        }
        Command::Quarantine(command) => {
            install_tls()?;
            let mut out = std::io::stdout().lock();
            Ok(terminal()?.block_on(commands::quarantine::run(&command, &mut out))?)
        }
        Command::Operator(args) => {
            install_tls()?;
            telemetry::init(args.log_format, &args.log_level)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            Ok(runtime.block_on(app::run(*args))?)
        }
    }
}

fn install_tls() -> Result<(), &'static str> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "another TLS provider was installed first")
}

/// One thread is enough for a command that makes a few calls.
fn terminal() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
