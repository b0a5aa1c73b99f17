//! The flow deleted and applied again, at rest, and the totals.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{FLOW, until_all_in_sync, until_said};
use crate::check::Teller;
use crate::failure::Failure;
use crate::quickstart::{INTERVAL, of_kinds};
use crate::stage::Stage;
use crate::wait::until;

/// Deleting a flow stops it and forgets its links, and no more; the stamps find every pair again.
pub async fn deleted_and_applied_again(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("The flow is deleted, and applied again");
    let before = stage.look();
    let (made, writes) = (stage.made_by_clients(), stage.writes());
    stage
        .run(teller, &["delete", "syncflow", FLOW, "--timeout=90s"])
        .await?;
    let link_pages = ["configmaps", "--selector=syncflow.io/flow-uid"];
    until_said(
        stage,
        teller,
        "the link state is collected as garbage",
        &link_pages,
        |left| {
            let left = left["items"].as_array().map_or(0, Vec::len);
            (left == 0)
                .then_some(())
                .ok_or_else(|| format!("{left} ConfigMaps are left"))
        },
    )
    .await?;
    let after = stage.look();
    let same = before.cases == after.cases && before.incidents == after.incidents;
    let seen = format!("{} cases, {} incidents", after.cases.len(), after.incidents.len());
    let expected = format!(
        "every record is still there, unchanged: {} cases, {} incidents",
        before.cases.len(),
        before.incidents.len()
    );
    teller.check(&expected, &seen, same);

    let flow = of_kinds(&stage.manifests, &["SyncFlow"]);
    stage
        .apply(teller, "kubectl apply -f quickstart/sync-flow.yaml", &flow)
        .await?;
    let found = until_all_in_sync(stage, teller).await?;
    stage.run(teller, &["get", "syncflows"]).await?;
    teller.equal("pairs found again", &before.in_rules(), &found.in_rules());
    teller.equal(
        "records made by the operator since",
        &0,
        &(stage.made_by_clients() - made),
    );
    teller.equal("writes of any kind since", &0, &(stage.writes() - writes));
    Ok(())
}

/// Nothing is written anywhere while nothing happens: not to a service, and not to Kubernetes.
pub async fn at_rest(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("At rest");
    teller.say("Two whole cycles are watched, by their polls at the services.");
    cycles(stage, teller, 1).await?;
    let (writes, versions, calls) = (stage.writes(), versions(stage).await?, stage.calls());
    cycles(stage, teller, 2).await?;
    teller.equal("writes to either service", &0, &(stage.writes() - writes));
    let now = self::versions(stage).await?;
    let moved: Vec<String> = now.symmetric_difference(&versions).cloned().collect();
    teller.none(
        "no object in Kubernetes has moved (kind, name, resourceVersion)",
        &moved,
    );
    let since = stage.calls();
    let made = since
        .iter()
        .map(|(kind, count)| (kind, count - calls.get(kind).copied().unwrap_or(0)));
    let made: Vec<String> = made
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    teller.say(&format!("API calls of the two cycles: {}", made.join(", ")));
    Ok(())
}

/// Waits for so many cycles of the flow: each is a burst of queries after a pause. Salesforce is read first, and
/// ServiceNow right after it; proving a Connection asks Salesforce for something else.
async fn cycles(stage: &mut Stage, teller: &Teller, wanted: u32) -> Result<(), Failure> {
    const PAUSE: Duration = Duration::from_secs(3);
    let count = |stage: &Stage| stage.calls().get("salesforce.query").copied().unwrap_or(0);
    let mut last = count(stage);
    let mut moved_at: Option<Instant> = None;
    let mut seen = 0;
    let what = format!("cycles seen: {wanted}, at one every {INTERVAL}");
    until(teller, &what, super::PATIENCE, async || {
        stage.check_operator()?;
        let now = count(stage);
        if now != last {
            last = now;
            moved_at = Some(Instant::now());
        } else if moved_at.is_some_and(|at| at.elapsed() >= PAUSE) {
            moved_at = None;
            seen += 1;
        }
        Ok((seen >= wanted)
            .then_some(())
            .ok_or_else(|| format!("{seen} were seen")))
    })
    .await
}

/// Every object that the operator could have moved, with its version.
async fn versions(stage: &Stage) -> Result<BTreeSet<String>, Failure> {
    let kinds = "connections,fieldmappings,syncflows,configmaps,secrets,events";
    let all = stage.read(&[kinds]).await?;
    let items = all["items"].as_array().into_iter().flatten();
    let named = items.map(|item| {
        let part = |path: &str| {
            item.pointer(path)
                .and_then(|part| part.as_str())
                .unwrap_or_default()
        };
        format!(
            "{} {} {}",
            part("/kind"),
            part("/metadata/name"),
            part("/metadata/resourceVersion")
        )
    });
    Ok(named.collect())
}

/// The final state, and one line of totals.
pub async fn totals(stage: &mut Stage, teller: &mut Teller, began: Instant) -> Result<(), Failure> {
    teller.gap();
    stage.run(teller, &["get", "syncflows", "--output=wide"]).await?;
    let conditions =
        "jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{\"\\n\"}{end}";
    stage
        .run(teller, &["get", "syncflow", FLOW, "--output", conditions])
        .await?;
    stage.run(teller, &["events", "--types=Normal,Warning"]).await?;
    let look = stage.look();
    let calls = stage.calls();
    let by_kind: Vec<String> = calls
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    teller.say(&format!(
        "{} cases and {} incidents, {} pairs in sync; {} edits by people; {} records made by the operator; {} API calls \
         ({}); {} s",
        look.cases.len(),
        look.incidents.len(),
        look.in_rules(),
        stage.edits.load(Ordering::Relaxed),
        stage.made_by_clients(),
        calls.values().sum::<u64>(),
        by_kind.join(", "),
        began.elapsed().as_secs()
    ));
    Ok(())
}
