//! `syncflow conflicts`: what was overwritten, by whose rule; what waits for a person, and the person's word.

use std::collections::BTreeMap;
use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::ask::Request;
use super::cluster::Cluster;
use super::{CommandError, FlowArgs, Output, table};
use crate::adapters::link_store::journal::{Cipher, SealedEntry};
use crate::api::RESOLVE_CONFLICTS_ANNOTATION;
use crate::core::ident::{FieldKey, RecordId};
use crate::core::link::{JournalCause, JournalEntry, Phase};
use crate::core::side::{PerSide, Side};

/// What to do with conflicts.
#[derive(Debug, Subcommand)]
pub enum ConflictsCommand {
    /// List overwritten values, oldest first: when, which record and field, who won and why, both values. Needs the
    /// right to read the flow's ConfigMaps and the Secret with its key: the values are decrypted here.
    List(ListArgs),
    /// List conflicts that wait for a person (`conflict: {policy: Manual}`).
    Open(ListArgs),
    /// Say which side wins the open conflicts of a record. Needs the right to patch the `SyncFlow`.
    Resolve(ResolveArgs),
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

/// A person's word.
#[derive(Debug, Args)]
pub struct ResolveArgs {
    #[command(flatten)]
    flow: FlowArgs,

    /// The id of either record of the pair.
    record: String,

    /// The side whose value stands.
    #[arg(long, value_enum)]
    pick: Pick,

    /// The field, by its name on either side. Without it: every open conflict of the record.
    #[arg(long)]
    field: Option<String>,
}

/// A side, as a person names it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Pick {
    /// Salesforce's value stands.
    Salesforce,
    /// ServiceNow's value stands.
    #[value(name = "servicenow")]
    ServiceNow,
}

/// Runs it.
pub async fn run(command: &ConflictsCommand, out: &mut impl Write) -> Result<(), CommandError> {
    match command {
        ConflictsCommand::List(args) => list(args, out).await,
        ConflictsCommand::Open(args) => open(args, out).await,
        ConflictsCommand::Resolve(args) => resolve(args, out).await,
    }
}

/// One overwritten value, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    sequence: u64,
    at: String,
    salesforce_id: Option<RecordId>,
    service_now_id: Option<RecordId>,
    /// `None` for a whole record, or a field that the mapping does not have any more.
    salesforce_field: Option<String>,
    service_now_field: Option<String>,
    /// The side whose value was overwritten, or whose record was deleted or marked.
    overwritten: &'static str,
    winner: &'static str,
    cause: JournalCause,
    /// The value that was overwritten. Of a deletion: a JSON object of what the record held.
    lost: String,
    kept: String,
    /// Only the beginnings of the values were kept.
    cut: bool,
}

async fn list(args: &ListArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let cluster = Cluster::connect(&args.flow).await?;
    let entries = cluster.state().journal().await?;
    if entries.is_empty() {
        return show(args.output, &[], out);
    }
    let cipher = Cipher::new(&cluster.key().await?, &cluster.uid());
    let fields = cluster.fields().await?;
    let mut rows = Vec::new();
    for sealed in &entries {
        match cipher.open(sealed) {
            Ok(entry) => rows.push(row(sealed, entry, &fields)),
            // Nothing of it is shown; the others are.
            Err(error) => eprintln!("syncflow: {error}"),
        }
    }
    show(args.output, &rows, out)
}

fn row(sealed: &SealedEntry, entry: JournalEntry, fields: &BTreeMap<FieldKey, PerSide<String>>) -> Row {
    let names = fields.get(&entry.field);
    Row {
        sequence: sealed.clear.sequence,
        at: entry.at.to_string(),
        salesforce_id: entry.ids.salesforce,
        service_now_id: entry.ids.service_now,
        salesforce_field: names.map(|names| names.salesforce.clone()),
        service_now_field: names.map(|names| names.service_now.clone()),
        overwritten: entry.overwritten.label(),
        winner: entry.overwritten.other().label(),
        cause: entry.cause,
        lost: entry.lost,
        kept: entry.kept,
        cut: sealed.clear.cut,
    }
}

fn show(output: Output, rows: &[Row], out: &mut impl Write) -> Result<(), CommandError> {
    match output {
        Output::Json => json(rows, out),
        Output::Table => {
            let header = [
                "WHEN",
                "SALESFORCE",
                "SERVICENOW",
                "FIELD",
                "WON",
                "WHY",
                "LOST",
                "KEPT",
            ];
            let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
            Ok(table::write(out, &header, &rows)?)
        }
    }
}

fn cells(row: &Row) -> Vec<String> {
    let id = |id: &Option<RecordId>| id.as_ref().map_or_else(String::new, ToString::to_string);
    let field = match (&row.salesforce_field, &row.service_now_field) {
        (Some(salesforce), Some(service_now)) => format!("{salesforce}/{service_now}"),
        _ if row.cause == JournalCause::Deletion => "(record)".to_owned(),
        _ => "(not mapped any more)".to_owned(),
    };
    vec![
        row.at.clone(),
        id(&row.salesforce_id),
        id(&row.service_now_id),
        field,
        row.winner.to_owned(),
        why(row.cause).to_owned(),
        row.lost.clone(),
        row.kept.clone(),
    ]
}

const fn why(cause: JournalCause) -> &'static str {
    match cause {
        JournalCause::Conflict => "both sides changed",
        JournalCause::FirstMeeting => "first meeting",
        JournalCause::Drift => "one-way field, target edited",
        JournalCause::NotKept => "target holds another value",
        JournalCause::Deletion => "counterpart deleted",
    }
}

/// One open conflict. Ids and names only: the values stand in the records.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenRow {
    since: String,
    salesforce_id: RecordId,
    service_now_id: RecordId,
    salesforce_field: Option<String>,
    service_now_field: Option<String>,
}

async fn open(args: &ListArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let cluster = Cluster::connect(&args.flow).await?;
    let fields = cluster.fields().await?;
    let mut rows = Vec::new();
    for link in cluster.state().links().await? {
        let Some(pair) = link.pair().filter(|_| link.phase == Phase::Active) else {
            continue;
        };
        for (key, dispute) in &link.disputes {
            let names = fields.get(key);
            rows.push(OpenRow {
                since: dispute.since.to_string(),
                salesforce_id: pair.salesforce.clone(),
                service_now_id: pair.service_now.clone(),
                salesforce_field: names.map(|names| names.salesforce.clone()),
                service_now_field: names.map(|names| names.service_now.clone()),
            });
        }
    }
    rows.sort_by(|a, b| (&a.since, &a.salesforce_id).cmp(&(&b.since, &b.salesforce_id)));
    match args.output {
        Output::Json => json(&rows, out),
        Output::Table => {
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            let cells: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    vec![
                        row.since.clone(),
                        row.salesforce_id.to_string(),
                        row.service_now_id.to_string(),
                        name(&row.salesforce_field),
                        name(&row.service_now_field),
                    ]
                })
                .collect();
            let header = [
                "SINCE",
                "SALESFORCE",
                "SERVICENOW",
                "SALESFORCE FIELD",
                "SERVICENOW FIELD",
            ];
            Ok(table::write(out, &header, &cells)?)
        }
    }
}

async fn resolve(args: &ResolveArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let cluster = Cluster::connect(&args.flow).await?;
    let side = match args.pick {
        Pick::Salesforce => Side::Salesforce,
        Pick::ServiceNow => Side::ServiceNow,
    };
    let field = args
        .field
        .as_ref()
        .map_or_else(String::new, |field| format!("/{field}"));
    let asked = format!("{}{field}={}", args.record, side.label());
    Request {
        annotation: RESOLVE_CONFLICTS_ANNOTATION,
        asked: &asked,
        handled: |handled| handled.resolve_conflicts.as_ref(),
    }
    .put(&cluster)
    .await?;
    writeln!(out, "{side}'s value stands on {}", args.record)?;
    Ok(())
}

pub(super) fn json(rows: &(impl Serialize + ?Sized), out: &mut impl Write) -> Result<(), CommandError> {
    serde_json::to_writer_pretty(&mut *out, rows).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
