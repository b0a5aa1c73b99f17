//! A case that leaves the rules, and comes back.

use serde_json::json;

use super::fields::pair;
use super::{from_cases, until_linked, until_there};
use crate::check::Teller;
use crate::failure::Failure;
use crate::stage::Stage;

/// `onExit: PropagateThenUnlink`: the change that made it leave is still sent; then the two are left alone, until the
/// case comes back.
pub async fn a_case_leaves_and_comes_back(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("A case leaves the rules, and comes back");
    let look = stage.look();
    let one = from_cases(&look).nth(4).ok_or(Failure::Missing("pair"))?.clone();
    let marker = from_cases(&look).nth(5).ok_or(Failure::Missing("pair"))?.clone();
    let linked = look.in_rules();

    teller.say(&format!(
        "{}: Mara hands the case over to Support, and says so in the subject.",
        one.named()
    ));
    let leaving = "Handed over to Support";
    stage.edit_case(
        one.case.id(),
        &json!({"ServiceNow_Assignment_Group__c": "Support", "Subject": leaving}),
    )?;
    let left = until_there(stage, teller, "the change that made it leave is sent", |stage| {
        let now = pair(stage, &one);
        let sent = now.incident.text("short_description") == leaving;
        sent.then_some(now).ok_or_else(|| "it is not".to_owned())
    })
    .await?;
    teller.equal(
        "the incident says",
        &leaving,
        &left.incident.text("short_description"),
    );
    until_linked(stage, teller, linked - 1).await?;
    stage.run(teller, &["get", "syncflows"]).await?;

    teller.say(
        "Mara and Tom go on, each on their own side; an edit of another pair shows when a cycle has looked.",
    );
    stage.edit_case(one.case.id(), &json!({"Subject": "Support's business now"}))?;
    stage.edit_incident(one.incident.id(), &json!({"description": "Closed on our side."}))?;
    stage.edit_case(
        marker.case.id(),
        &json!({"Subject": "Looked at after the others"}),
    )?;
    until_there(stage, teller, "the other pair's edit has arrived", |stage| {
        let now = pair(stage, &marker);
        let arrived = now.incident.text("short_description") == "Looked at after the others";
        arrived.then_some(()).ok_or_else(|| "it has not".to_owned())
    })
    .await?;
    let apart = pair(stage, &one);
    teller.equal(
        "the incident still says",
        &leaving,
        &apart.incident.text("short_description"),
    );
    let described = apart.case.text("Description") == "Closed on our side.";
    teller.check(
        "the case's Description is its own",
        if described { "it was overwritten" } else { "it is" },
        !described,
    );

    teller.say("Mara takes the case back for Product.");
    stage.edit_case(
        one.case.id(),
        &json!({"ServiceNow_Assignment_Group__c": "Product"}),
    )?;
    let back = until_there(stage, teller, "the pair agrees again", |stage| {
        let now = pair(stage, &one);
        let equal = now.case.text("Subject") == now.incident.text("short_description")
            && now.case.text("Description") == now.incident.text("description");
        equal.then_some(now).ok_or_else(|| "it does not".to_owned())
    })
    .await?;
    teller.equal(
        "the same incident now says",
        &"Support's business now",
        &back.incident.text("short_description"),
    );
    teller.equal(
        "and the case's Description",
        &"Closed on our side.",
        &back.case.text("Description"),
    );
    until_linked(stage, teller, linked).await?;
    let after = stage.look();
    let counted = |look: &crate::records::Look| {
        format!("{} cases, {} incidents", look.cases.len(), look.incidents.len())
    };
    teller.equal("nothing was made for it", &counted(&look), &counted(&after));
    Ok(())
}
