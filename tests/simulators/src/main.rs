//! Both services on loopback, to play with by hand.

use std::io;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use syncflow_simulators::Simulator;
use syncflow_simulators::front::{Door, system_clock};
use syncflow_simulators::quickstart::{self, SERVICE_NOW_PASSWORD, SERVICE_NOW_USER};
use syncflow_simulators::salesforce::{CLIENT_ID, CLIENT_SECRET, INTEGRATION_PASSWORD, INTEGRATION_USER};

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
    let salesforce_door = Door::bind(arguments.salesforce_port).await?;
    let service_now_door = Door::bind(arguments.servicenow_port).await?;
    let mut org = quickstart::salesforce().map_err(io::Error::other)?;
    let mut instance = quickstart::service_now(&service_now_door.base_url());
    if arguments.seed == Seed::Quickstart {
        quickstart::seed_cases(&mut org, 300).map_err(io::Error::other)?;
        quickstart::seed_incidents(&mut instance, 300).map_err(io::Error::other)?;
    }
    let salesforce = salesforce_door.serve(Simulator::new(org), system_clock());
    let service_now = service_now_door.serve(Simulator::new(instance), system_clock());
    println!("Salesforce  {}", salesforce.base_url());
    println!("  client credentials  {CLIENT_ID} / {CLIENT_SECRET}");
    println!("  username, password  {INTEGRATION_USER} / {INTEGRATION_PASSWORD}");
    println!("ServiceNow  {}", service_now.base_url());
    println!("  basic               {SERVICE_NOW_USER} / {SERVICE_NOW_PASSWORD}");
    println!(
        "Edit as a person:     curl {}/admin/edit -d '{{\"object\": \"Case\", \"id\": \"…\", \"fields\": {{\"Subject\": \"…\"}}}}'",
        salesforce.base_url()
    );
    println!("See what was called:  curl {}/admin/calls", salesforce.base_url());
    tokio::signal::ctrl_c().await
}
