//! What goes wrong in real life: an account that must reset its password, and an operator that is killed.

use serde_json::json;
use syncflow_simulators::faults::{Effect, Fault};

use super::fields::pair;
use super::{condition, from_cases, until_all_in_sync, until_said, until_there};
use crate::check::Teller;
use crate::failure::Failure;
use crate::records::Look;
use crate::stage::Stage;

/// The guide's warning: an account that must change its password cannot be used. It is reported with its remedy, and
/// the flow goes on by itself when it is cured.
pub async fn password_needs_reset(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("\"Password needs reset\" on the ServiceNow account");
    let look = stage.look();
    let one = from_cases(&look).nth(6).ok_or(Failure::Missing("pair"))?.clone();
    teller.say("An administrator sets the flag on the integration user. Then Mara edits a case.");
    stage.set_password_needs_reset(true)?;
    stage.edit_case(
        one.case.id(),
        &json!({"Subject": "Edited while ServiceNow was closed to us"}),
    )?;
    let connection = ["connection", "servicenow"];
    let message = until_said(
        stage,
        teller,
        "the Connection is not Ready",
        &connection,
        |connection| match condition(connection, "Ready") {
            ("False", _, message) => Ok(message.to_owned()),
            (status, ..) => Err(format!("Ready is {status}")),
        },
    )
    .await?;
    until_said(
        stage,
        teller,
        "the flow is not Ready",
        &["syncflow", super::FLOW],
        |flow| {
            let (status, reason, _) = condition(flow, "Ready");
            (status == "False")
                .then_some(())
                .ok_or_else(|| format!("Ready is {status} ({reason})"))
        },
    )
    .await?;
    stage.run(teller, &["get", "connections"]).await?;
    stage.run(teller, &["get", "syncflows"]).await?;
    let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";
    stage
        .run(teller, &["get", "connection", "servicenow", "--output", path])
        .await?;
    stage
        .run(teller, &["get", "syncflow", super::FLOW, "--output", path])
        .await?;
    stage
        .run(teller, &["events", "--for=connection/servicenow"])
        .await?;
    let remedy = message.contains("Password needs reset");
    teller.check(
        "the message names the flag \"Password needs reset\"",
        if remedy { "it does" } else { &message },
        remedy,
    );

    teller.say("The administrator clears the flag. Nobody touches anything in Kubernetes.");
    stage.set_password_needs_reset(false)?;
    let arrived = until_there(stage, teller, "Mara's edit has arrived", |stage| {
        let now = pair(stage, &one);
        let equal = now.case.text("Subject") == now.incident.text("short_description");
        equal.then_some(now).ok_or_else(|| "it has not".to_owned())
    })
    .await?;
    teller.equal(
        "the incident says",
        &"Edited while ServiceNow was closed to us",
        &arrived.incident.text("short_description"),
    );
    until_all_in_sync(stage, teller).await?;
    stage.run(teller, &["get", "connections,syncflows"]).await?;
    Ok(())
}

/// How many cases, and incidents, are made at once before the operator is killed.
const CASES: usize = 50;
const INCIDENTS: usize = 30;

/// Killed after a service has acted and before its answer has arrived, on each side: nothing is made twice, and
/// nothing is left out.
pub async fn killed_in_mid_creation(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("The operator is killed with SIGKILL in mid-creation, twice");
    let before = stage.look();
    teller.say(&format!(
        "Mara makes {CASES} cases for Product, and Tom {INCIDENTS} incidents about databases. Both services act at once\n\
         but answer creations 3 s late, so that the kill falls between the two: what was sent, and whether it was\n\
         done, is then known to nobody."
    ));
    let slow = |calls: &str| Fault::always(calls, Effect::Delay { millis: 3000 });
    stage.service_now.simulator().faults.add(slow("servicenow.batch"));
    stage
        .salesforce
        .simulator()
        .faults
        .add(slow("salesforce.collections.create"));
    let told = killed_twice(stage, teller, &before).await;
    stage.service_now.simulator().faults.clear();
    stage.salesforce.simulator().faults.clear();
    told?;

    let after = until_all_in_sync(stage, teller).await?;
    stage.run(teller, &["get", "syncflows"]).await?;
    teller.equal(
        "new pairs",
        &(CASES + INCIDENTS),
        &(after.pairs.len() - before.pairs.len()),
    );
    let expected = format!("{CASES} + {INCIDENTS} cases, {INCIDENTS} + {CASES} incidents");
    let seen = format!(
        "{CASES} + {} cases, {INCIDENTS} + {} incidents",
        after.cases.len().saturating_sub(before.cases.len() + CASES),
        after
            .incidents
            .len()
            .saturating_sub(before.incidents.len() + INCIDENTS)
    );
    teller.equal("new records", &expected, &seen);
    teller.none("no record has two counterparts", &after.oddities);
    teller.none(
        "a restart looks like no outage: no event says that something is missing",
        &said_to_be_missing(stage).await?,
    );
    teller.equal(
        "records made by the operator, ever, and pairs",
        &after.pairs.len(),
        &stage.made_by_clients(),
    );
    Ok(())
}

async fn killed_twice(stage: &mut Stage, teller: &mut Teller, before: &Look) -> Result<(), Failure> {
    for number in 1..=CASES {
        stage.make_case(&json!({
            "Subject": format!("Wave of cases after the release, {number} of {CASES}"),
            "Origin": "Phone",
            "ServiceNow_Assignment_Group__c": "Product",
        }))?;
    }
    for number in 1..=INCIDENTS {
        stage.make_incident(&json!({
            "short_description": format!("Database alarm {number} of {INCIDENTS}"),
            "category": "database",
            "contact_type": "email",
        }))?;
    }
    let incidents = before.incidents.len() + INCIDENTS;
    let made = until_there(
        stage,
        teller,
        "ServiceNow has made some of the incidents",
        |stage| {
            let made = stage.look().incidents.len() - incidents;
            (made > 1).then_some(made).ok_or_else(|| "none".to_owned())
        },
    )
    .await?;
    stage.kill_operator()?;
    teller.command("kill -KILL $(pidof syncflow)", "");
    teller.check(
        &format!("some of the {CASES} incidents are made, and the answer is on its way to nobody"),
        &format!("{made} of them"),
        made > 0 && made < CASES,
    );
    stage.start_operator()?;
    teller.say("It is started again, as the kubelet would do it.");
    let cases = before.cases.len() + CASES;
    let made = until_there(stage, teller, "Salesforce has made some of the cases", |stage| {
        let made = stage.look().cases.len() - cases;
        (made > 0).then_some(made).ok_or_else(|| "none".to_owned())
    })
    .await?;
    stage.kill_operator()?;
    teller.command("kill -KILL $(pidof syncflow)", "");
    teller.say(&format!(
        "{made} cases are made, and the answer is lost. Started once more."
    ));
    stage.start_operator()
}

/// Events that say that something does not exist, which all of it does.
async fn said_to_be_missing(stage: &Stage) -> Result<Vec<String>, Failure> {
    let events = stage.read(&["events"]).await?;
    let reasons = events["items"].as_array().into_iter().flatten();
    let reasons = reasons.filter_map(|event| event["reason"].as_str());
    let missing = reasons.filter(|reason| reason.ends_with("NotFound"));
    Ok(missing.map(str::to_owned).collect())
}
