//! Step 4 of the guide: fields, each with its own direction, and what happens when two edits meet.

use serde_json::{Value, json};
use syncflow_simulators::Admin as _;

use super::{FLOW, condition, from_cases, from_incidents, until_said, until_there};
use crate::check::Teller;
use crate::failure::Failure;
use crate::records::Pair;
use crate::stage::Stage;

/// Seconds between two edits that are to be told apart: services stamp whole seconds, and a tie is within two.
const APART_SECONDS: i64 = 4;

/// Edits travel from either side, also when both sides of one pair are edited at once.
pub async fn updates_both_ways(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("Field updates, both ways");
    let look = stage.look();
    let one = from_cases(&look).next().ok_or(Failure::Missing("pair"))?.clone();
    let other = from_incidents(&look)
        .find(|pair| pair.case.text("Origin") == "Email")
        .ok_or(Failure::Missing("pair of an email incident"))?
        .clone();
    let conflicts = conflicts_so_far(stage).await?;
    teller.say(&format!(
        "{}: Mara changes the case's Subject; Tom changes the incident's description, at the same time.\n\
         {}: Tom changes short_description; Mara changes the case's Origin from Email to Phone.",
        one.named(),
        other.named()
    ));
    stage.edit_case(
        one.case.id(),
        &json!({"Subject": "Cannot sign in: blocks the whole team"}),
    )?;
    stage.edit_incident(
        one.incident.id(),
        &json!({"description": "Seen in the directory's log.\nTicket with the vendor."}),
    )?;
    stage.edit_incident(
        other.incident.id(),
        &json!({"short_description": "Replication lag, now 40 minutes"}),
    )?;
    stage.edit_case(other.case.id(), &json!({"Origin": "Phone"}))?;
    let arrived = until_there(stage, teller, "the edits are on the other sides", |stage| {
        let [first, second] = [pair(stage, &one), pair(stage, &other)];
        let travelled = first
            .incident
            .text("short_description")
            .starts_with("Cannot sign in: blocks")
            && first
                .case
                .text("Description")
                .starts_with("Seen in the directory")
            && second.case.text("Subject").starts_with("Replication lag, now")
            && second.incident.text("contact_type") == "phone";
        travelled
            .then_some((first, second))
            .ok_or_else(|| "not all of them are".to_owned())
    })
    .await?;
    let (first, second) = arrived;
    let shown = |pair: &Pair| {
        format!(
            "{:?} | {:?}",
            pair.case.text("Subject"),
            pair.incident.text("short_description")
        )
    };
    teller.check(
        "Subject and short_description are equal",
        &shown(&first),
        first.case.text("Subject") == first.incident.text("short_description"),
    );
    teller.check(
        "and in the other pair",
        &shown(&second),
        second.case.text("Subject") == second.incident.text("short_description"),
    );
    let channel = second.incident.text("contact_type").to_owned();
    teller.equal("contact_type for Origin Phone", &"phone".to_owned(), &channel);
    let now = conflicts_so_far(stage).await?;
    teller.equal(
        "different fields of one pair are no conflict; CONFLICTS",
        &conflicts,
        &now,
    );
    Ok(())
}

/// ServiceNow makes the number, and Salesforce only shows it.
pub async fn a_one_way_field(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("A one-way field: ServiceNow's number");
    let look = stage.look();
    let one = from_cases(&look).nth(1).ok_or(Failure::Missing("pair"))?.clone();
    let number = one.incident.text("number").to_owned();
    teller.say(&format!(
        "{}: Mara overwrites ServiceNow_Number__c, which is mapped ToSalesforce only.",
        one.named()
    ));
    let journalled = entries(&stage.read(&JOURNAL).await?, "drift").len();
    stage.edit_case(one.case.id(), &json!({"ServiceNow_Number__c": "INC-TYPO"}))?;
    let right = until_there(stage, teller, "the number is put right", |stage| {
        let now = pair(stage, &one);
        let number = now.case.text("ServiceNow_Number__c").to_owned();
        if number == "INC-TYPO" {
            Err("it is still wrong".to_owned())
        } else {
            Ok(now)
        }
    })
    .await?;
    teller.equal(
        "the case shows",
        &number,
        &right.case.text("ServiceNow_Number__c").to_owned(),
    );
    teller.equal(
        "the incident keeps",
        &number,
        &right.incident.text("number").to_owned(),
    );
    let new = until_said(
        stage,
        teller,
        "what Mara wrote is in the journal",
        &JOURNAL,
        |parts| {
            let new = entries(parts, "drift").len() - journalled;
            if new > 0 {
                Ok(new)
            } else {
                Err("it is not".to_owned())
            }
        },
    )
    .await?;
    teller.equal("new entries in the journal, encrypted", &1, &new);
    Ok(())
}

/// The most recent of two edits of one field wins, whichever side it is on; the other is journalled.
pub async fn conflicts(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("Conflicts: the most recent change wins, and the other is kept in the journal");
    let look = stage.look();
    let pairs: Vec<Pair> = from_cases(&look).skip(2).take(2).cloned().collect();
    let [toms, maras] = pairs.as_slice() else {
        return Err(Failure::Missing("two pairs"));
    };
    let before = conflicts_so_far(stage).await?;
    let journalled = entries(&stage.read(&JOURNAL).await?, "conflict").len();
    teller.say("The flow is suspended, so that both sides are surely edited between two cycles.");
    suspend(stage, teller, true).await?;
    teller.say(&format!(
        "{}: Mara edits the subject first, Tom {APART_SECONDS} s later.  {}: Tom first, Mara later.",
        toms.named(),
        maras.named()
    ));
    stage.edit_case(toms.case.id(), &json!({"Subject": "Mara's words, overtaken"}))?;
    stage.edit_incident(
        maras.incident.id(),
        &json!({"short_description": "Tom's words, overtaken"}),
    )?;
    let first = stage.service_now.now();
    until_there(stage, teller, "the services' clocks have moved on", |stage| {
        let seconds = stage.service_now.now().duration_since(first).as_secs();
        (seconds >= APART_SECONDS)
            .then_some(())
            .ok_or_else(|| format!("by {seconds} s"))
    })
    .await?;
    stage.edit_incident(
        toms.incident.id(),
        &json!({"short_description": "Tom's words, the most recent"}),
    )?;
    stage.edit_case(
        maras.case.id(),
        &json!({"Subject": "Mara's words, the most recent"}),
    )?;
    suspend(stage, teller, false).await?;
    let (tom, mara) = until_there(stage, teller, "both pairs agree", |stage| {
        let [tom, mara] = [pair(stage, toms), pair(stage, maras)];
        let agree = |pair: &Pair| pair.case.text("Subject") == pair.incident.text("short_description");
        (agree(&tom) && agree(&mara))
            .then_some((tom, mara))
            .ok_or_else(|| "they differ".to_owned())
    })
    .await?;
    teller.equal(
        "on both sides",
        &"Tom's words, the most recent",
        &tom.case.text("Subject"),
    );
    teller.equal(
        "on both sides",
        &"Mara's words, the most recent",
        &mara.incident.text("short_description"),
    );
    let what = format!("CONFLICTS is {}", before + 2);
    let after = until_said(stage, teller, &what, &["syncflow", FLOW], |flow| {
        let now = flow["status"]["conflicts"].as_u64().unwrap_or_default();
        (now >= before + 2)
            .then_some(now)
            .ok_or_else(|| format!("it is {now}"))
    })
    .await?;
    stage.run(teller, &["get", "syncflows"]).await?;
    teller.equal("CONFLICTS", &(before + 2), &after);

    let entries = entries(&stage.read(&JOURNAL).await?, "conflict");
    let new = entries.get(journalled..).unwrap_or_default();
    let shown = new
        .iter()
        .map(|entry| format!("{entry:#}"))
        .next()
        .unwrap_or_default();
    teller.command(
        "kubectl get configmaps -l syncflow.io/state=journal -o json   # the last entry but one",
        &shown,
    );
    teller.equal("new entries in the journal", &2, &new.len());
    let clear = new.iter().any(|entry| entry.to_string().contains("overtaken"));
    teller.check(
        "the lost values are in them, encrypted",
        if clear {
            "in clear text"
        } else {
            "no word of them can be read"
        },
        !clear,
    );
    Ok(())
}

/// Sets `spec.suspend`, and waits until the flow says so or works again.
pub async fn suspend(stage: &mut Stage, teller: &Teller, suspended: bool) -> Result<(), Failure> {
    let patch = format!(r#"{{"spec":{{"suspend":{suspended}}}}}"#);
    stage
        .run(teller, &["patch", "syncflow", FLOW, "--type=merge", "-p", &patch])
        .await?;
    let what = if suspended {
        "the flow says Suspended"
    } else {
        "the flow works again"
    };
    until_said(stage, teller, what, &["syncflow", FLOW], |flow| {
        let (status, reason, _) = condition(flow, "Ready");
        let right = if suspended {
            reason == "Suspended"
        } else {
            status == "True"
        };
        right
            .then_some(())
            .ok_or_else(|| format!("Ready is {status} ({reason})"))
    })
    .await
}

/// A pair as it is now.
pub fn pair(stage: &Stage, pair: &Pair) -> Pair {
    let record = |fields: Option<_>, old| fields.map_or(old, crate::records::Record);
    let case = stage.salesforce.simulator().model.record("Case", pair.case.id());
    let incident = stage
        .service_now
        .simulator()
        .model
        .record("incident", pair.incident.id());
    Pair {
        case: record(case, pair.case.clone()),
        incident: record(incident, pair.incident.clone()),
        from_case: pair.from_case,
    }
}

/// The CONFLICTS column.
async fn conflicts_so_far(stage: &Stage) -> Result<u64, Failure> {
    let flow = stage.read(&["syncflow", FLOW]).await?;
    Ok(flow["status"]["conflicts"].as_u64().unwrap_or_default())
}

/// What `kubectl get` is asked for, for the journal.
const JOURNAL: [&str; 2] = ["configmaps", "--selector=syncflow.io/state=journal"];

/// The entries for this cause in the journal's ConfigMaps, oldest first.
fn entries(parts: &Value, cause: &str) -> Vec<Value> {
    let bodies = parts["items"].as_array().into_iter().flatten();
    let documents = bodies
        .filter_map(|part| part["data"].as_object())
        .flat_map(|data| data.values())
        .filter_map(|body| serde_json::from_str::<Value>(body.as_str()?).ok());
    let mut entries: Vec<Value> = documents
        .filter_map(|document| document["entries"].as_array().cloned())
        .flatten()
        .filter(|entry| entry["cause"] == cause)
        .collect();
    entries.sort_by_key(|entry| entry["sequence"].as_u64());
    entries
}
