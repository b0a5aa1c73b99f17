//! `syncflow quarantine`: which records of a flow cannot be synced now, and trying them again.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::ask::Request;
use super::cluster::Cluster;
use super::conflicts::json;
use super::{CommandError, FlowArgs, Output, table};
use crate::api::RELEASE_QUARANTINE_ANNOTATION;
use crate::core::ident::RecordId;
use crate::core::link::Phase;

/// What to do with quarantined records.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List every quarantined record, the longest-standing first; `status.quarantine` shows ten. Needs the right to
    /// read the flow's ConfigMaps.
    List(ListArgs),
    /// Try records again at once. A record that is kept because it holds edits although its counterpart was deleted
    /// (`CounterpartEdited`) is let go: its pair ends. Needs the right to patch the `SyncFlow`.
    Release(ReleaseArgs),
}

/// Which flow, and how its rows are shown.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    flow: FlowArgs,

    /// How rows are shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Which records.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    flow: FlowArgs,

    /// The id of either record of each pair.
    records: Vec<String>,

    /// Every quarantined record of the flow.
    #[arg(long, conflicts_with = "records")]
    all: bool,
}

/// Runs it.
pub async fn run(command: &QuarantineCommand, out: &mut impl Write) -> Result<(), CommandError> {
    match command {
        QuarantineCommand::List(args) => list(args, out).await,
        QuarantineCommand::Release(args) => release(args, out).await,
    }
}

/// One quarantined record. No values, ever.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    since: String,
    salesforce_id: Option<RecordId>,
    service_now_id: Option<RecordId>,
    reason: String,
    attempts: u32,
    next_attempt: String,
    message: String,
}

async fn list(args: &ListArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let cluster = Cluster::connect(&args.flow).await?;
    let mut rows: Vec<Row> = cluster
        .state()
        .links()
        .await?
        .into_iter()
        .filter(|link| link.phase != Phase::Tombstone)
        .filter_map(|link| {
            let row = link.quarantine?;
            Some(Row {
                since: row.since.to_string(),
                salesforce_id: link.ids.salesforce,
                service_now_id: link.ids.service_now,
                reason: row.problem.reason.to_string(),
                attempts: row.attempts,
                next_attempt: row.retry_at.to_string(),
                message: row.problem.message,
            })
        })
        .collect();
    rows.sort_by(|a, b| (&a.since, &a.salesforce_id).cmp(&(&b.since, &b.salesforce_id)));
    match args.output {
        Output::Json => json(&rows, out),
        Output::Table => {
            let id = |id: &Option<RecordId>| id.as_ref().map_or_else(String::new, ToString::to_string);
            let cells: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    vec![
                        row.since.clone(),
                        id(&row.salesforce_id),
                        id(&row.service_now_id),
                        row.reason.clone(),
                        row.attempts.to_string(),
                        row.next_attempt.clone(),
                        row.message.clone(),
                    ]
                })
                .collect();
            let header = [
                "SINCE",
                "SALESFORCE",
                "SERVICENOW",
                "REASON",
                "ATTEMPTS",
                "NEXT ATTEMPT",
                "MESSAGE",
            ];
            Ok(table::write(out, &header, &cells)?)
        }
    }
}

async fn release(args: &ReleaseArgs, out: &mut impl Write) -> Result<(), CommandError> {
    if args.records.is_empty() && !args.all {
        return Err(CommandError::NothingNamed);
    }
    let cluster = Cluster::connect(&args.flow).await?;
    let asked = if args.all {
        "*".to_owned()
    } else {
        args.records.join(",")
    };
    Request {
        annotation: RELEASE_QUARANTINE_ANNOTATION,
        asked: &asked,
        handled: |handled| handled.release_quarantine.as_ref(),
    }
    .put(&cluster)
    .await?;
    writeln!(
        out,
        "released; syncflow quarantine list shows what is refused again"
    )?;
    Ok(())
}
