//! The operator binary: parses the command line, installs the TLS provider, runs, gives the exit code.

use std::process::ExitCode;

use clap::Parser;
use syncflow::cli::{Cli, Command};
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
        Command::Operator(args) => {
            if rustls::crypto::aws_lc_rs::default_provider()
                .install_default()
                .is_err()
            {
                return Err("another TLS provider was installed first".into());
            }
            telemetry::init(args.log_format, &args.log_level)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            Ok(runtime.block_on(app::run(*args))?)
        }
    }
}
