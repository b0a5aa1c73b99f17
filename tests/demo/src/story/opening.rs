//! Steps 1 and 2 of the guide: both accounts, and the flow with its rules.

use super::{condition, from_cases, from_incidents, until_all_in_sync, until_said};
use crate::check::Teller;
use crate::failure::Failure;
use crate::quickstart::{INTERVAL, of_kinds, overlay, secrets};
use crate::records::{Look, Pair, Record};
use crate::stage::Stage;

/// The two services accept the credentials.
pub async fn connections_are_authorised(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("Connect both accounts");
    teller.say(&format!(
        "examples/quickstart as it is, but for the two addresses and an interval of {INTERVAL} instead of 60s.\n\
         The overlay that does this, quickstart/kustomization.yaml:"
    ));
    let overlay = overlay(stage.salesforce.base_url(), stage.service_now.base_url());
    teller.command("cat quickstart/kustomization.yaml", &overlay);
    stage
        .apply(teller, "kubectl apply -f my-secrets.yaml", &secrets()?)
        .await?;
    let connections = of_kinds(&stage.manifests, &["Connection"]);
    stage
        .apply(
            teller,
            "kubectl apply -f quickstart/connections.yaml",
            &connections,
        )
        .await?;
    for name in ["salesforce", "servicenow"] {
        let what = format!("Connection {name} is Ready");
        let ready = until_said(
            stage,
            teller,
            &what,
            &["connection", name],
            |connection| match condition(connection, "Ready") {
                ("True", reason, _) => Ok(reason.to_owned()),
                (status, reason, message) => Err(format!("Ready is {status} ({reason}): {message}")),
            },
        )
        .await?;
        teller.equal(
            &format!("{name} is Ready because"),
            &"Authorized".to_owned(),
            &ready,
        );
    }
    stage.run(teller, &["get", "connections"]).await?;
    Ok(())
}

/// What the rules let in gets a counterpart, and everything else stays alone.
pub async fn first_sync(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("Apply the flow: two-way creation under two pairs of rules");
    let before = stage.look();
    let cases = before.cases.values().filter(|case| case.is_products()).count();
    let incidents = before.incidents.values().filter(|it| it.is_databases()).count();
    teller.say(&format!(
        "{} cases, of which {cases} are Product's and made since 2024-07-22: each is to get an incident.\n\
         {} incidents, of which {incidents} are about a database and made since then: each is to get a case.",
        before.cases.len(),
        before.incidents.len()
    ));
    let flow = of_kinds(&stage.manifests, &["FieldMapping", "SyncFlow"]);
    stage
        .apply(
            teller,
            "kubectl apply -f quickstart/field-mapping.yaml -f quickstart/sync-flow.yaml",
            &flow,
        )
        .await?;
    let after = until_all_in_sync(stage, teller).await?;
    stage.run(teller, &["get", "syncflows"]).await?;

    teller.say("Two of the pairs:");
    for pair in from_cases(&after).take(1).chain(from_incidents(&after).take(1)) {
        teller.pair(pair);
    }
    let from_case = after.pairs.iter().filter(|pair| pair.from_case).count();
    teller.equal("incidents made for cases", &cases, &from_case);
    teller.equal(
        "cases made for incidents",
        &incidents,
        &(after.pairs.len() - from_case),
    );
    let expected = format!(
        "{} cases, {} incidents",
        before.cases.len() + incidents,
        before.incidents.len() + cases
    );
    let seen = format!("{} cases, {} incidents", after.cases.len(), after.incidents.len());
    teller.equal("in all", &expected, &seen);
    teller.none("no record has two counterparts", &after.oddities);
    untouched(teller, &before, &after);
    teller.none(
        "all mapped fields are equal, channels by the value table",
        &after.differences(),
    );
    teller.none(
        "what the flow made has its onCreate values: impact 2 on incidents, Priority Medium on cases",
        &without_creation_values(&after),
    );
    Ok(())
}

/// Records that the rules keep out are as they were, to the last field.
fn untouched(teller: &mut Teller, before: &Look, after: &Look) {
    let out = |record: &&Record| !record.is_products() && !record.is_databases();
    let all = || before.cases.values().chain(before.incidents.values()).filter(out);
    let of_age = |old: bool| all().filter(move |record| record.is_older_than_the_rules() == old);
    let changed = |records: &mut dyn Iterator<Item = &Record>| -> Vec<String> {
        let same = |record: &&Record| {
            let now = after.cases.get(record.id()).or(after.incidents.get(record.id()));
            now != Some(*record)
        };
        records
            .filter(same)
            .map(|record| format!("{} was changed", record.id()))
            .collect()
    };
    teller.none(
        &format!(
            "{} records of other groups and categories are untouched to the last field",
            of_age(false).count()
        ),
        &changed(&mut of_age(false)),
    );
    teller.none(
        &format!("and so are {} made before the rules' date", of_age(true).count()),
        &changed(&mut of_age(true)),
    );
}

fn without_creation_values(look: &Look) -> Vec<String> {
    let wrong = look.pairs.iter().filter(|pair| {
        if pair.from_case {
            pair.incident.text("impact") != "2"
        } else {
            pair.case.text("Priority") != "Medium"
        }
    });
    wrong.map(Pair::named).collect()
}
