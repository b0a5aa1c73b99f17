//! Both services on loopback, to play with by hand.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use syncflow_simulators::front::{Authority, Door, Front, system_clock};
use syncflow_simulators::quickstart::{self, SERVICE_NOW_PASSWORD, SERVICE_NOW_USER};
use syncflow_simulators::salesforce::{CLIENT_ID, CLIENT_SECRET, INTEGRATION_PASSWORD, INTEGRATION_USER};
use syncflow_simulators::{Admin, Simulator};

/// Serves a simulated Salesforce org and a simulated ServiceNow instance on loopback until interrupted.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Salesforce's port; 0 takes any that is free
    #[arg(long, env = "SYNCFLOW_SIMULATORS_SALESFORCE_PORT", default_value_t = 0)]
    salesforce_port: u16,
    /// ServiceNow's port; 0 takes any that is free
    #[arg(long, env = "SYNCFLOW_SIMULATORS_SERVICENOW_PORT", default_value_t = 0)]
    servicenow_port: u16,
    /// Writes the certificate of an authority made for this run to that file, and serves both services over TLS as well,
    /// with certificates of that authority for localhost and 127.0.0.1
    #[arg(long, env = "SYNCFLOW_SIMULATORS_TLS_CA_OUT")]
    tls_ca_out: Option<PathBuf>,
    /// Salesforce's port for TLS; 0 takes any that is free
    #[arg(
        long,
        env = "SYNCFLOW_SIMULATORS_SALESFORCE_TLS_PORT",
        default_value_t = 0,
        requires = "tls_ca_out"
    )]
    salesforce_tls_port: u16,
    /// ServiceNow's port for TLS; 0 takes any that is free
    #[arg(
        long,
        env = "SYNCFLOW_SIMULATORS_SERVICENOW_TLS_PORT",
        default_value_t = 0,
        requires = "tls_ca_out"
    )]
    servicenow_tls_port: u16,
    /// Which records are there at the start
    #[arg(long, env = "SYNCFLOW_SIMULATORS_SEED", value_enum, default_value_t = Seed::Quickstart)]
    seed: Seed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Seed {
    /// None
    Empty,
    /// A few hundred cases and incidents for examples/quickstart
    Quickstart,
    /// The users, groups, problems and log entries of a developer instance, which suites written for one count on; the
    /// administrator is admin / admin
    OutOfBox,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("syncflow-simulators: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> io::Result<()> {
    let mut salesforce_door = Door::bind(arguments.salesforce_port).await?;
    let mut service_now_door = Door::bind(arguments.servicenow_port).await?;
    if let Some(path) = &arguments.tls_ca_out {
        let authority = Authority::generate()?;
        salesforce_door = salesforce_door
            .with_tls(arguments.salesforce_tls_port, &authority)
            .await?;
        service_now_door = service_now_door
            .with_tls(arguments.servicenow_tls_port, &authority)
            .await?;
        std::fs::write(path, authority.certificate_pem()).map_err(|error| cannot_write(path, &error))?;
    }
    let mut org = quickstart::salesforce().map_err(io::Error::other)?;
    // An instance calls itself by its https address wherever it has one, as those of the vendor do.
    let instance_url = service_now_door
        .tls_url()
        .unwrap_or_else(|| service_now_door.base_url());
    let mut instance = quickstart::service_now(&instance_url);
    if arguments.seed == Seed::Quickstart {
        quickstart::seed_cases(&mut org, 300).map_err(io::Error::other)?;
        quickstart::seed_incidents(&mut instance, 300).map_err(io::Error::other)?;
    }
    if arguments.seed == Seed::OutOfBox {
        instance.load_out_of_box_data("admin", Timestamp::now());
    }
    let salesforce = salesforce_door.serve(Simulator::new(org), system_clock());
    let service_now = service_now_door.serve(Simulator::new(instance), system_clock());
    println!("Salesforce  {}", addresses(&salesforce));
    println!("  client credentials  {CLIENT_ID} / {CLIENT_SECRET}");
    println!("  username, password  {INTEGRATION_USER} / {INTEGRATION_PASSWORD}");
    println!("ServiceNow  {}", addresses(&service_now));
    println!("  basic               {SERVICE_NOW_USER} / {SERVICE_NOW_PASSWORD}");
    println!(
        "Edit as a person:     curl {}/admin/edit -d '{{\"object\": \"Case\", \"id\": \"…\", \"fields\": {{\"Subject\": \"…\"}}}}'",
        salesforce.base_url()
    );
    println!("See what was called:  curl {}/admin/calls", salesforce.base_url());
    tokio::signal::ctrl_c().await
}

fn addresses<M: Admin + 'static>(front: &Front<M>) -> String {
    let urls = [Some(front.base_url()), front.tls_url()];
    urls.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "cannot write the authority's certificate to {}: {error}",
        path.display()
    ))
}
