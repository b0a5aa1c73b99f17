//! The guide's two cases of a value table.

use serde_json::json;
use syncflow_simulators::Model as _;

use super::fields::pair;
use super::{from_cases, from_incidents, until_there};
use crate::check::Teller;
use crate::failure::Failure;
use crate::stage::Stage;

/// "If the ServiceNow channel changes from self-service to virtual agent, it will remain *web* in Salesforce. But if
/// *email* in Salesforce changes to *web* it will always become *virtual agent*."
pub async fn the_two_cases_of_the_guide(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    teller.step("The value table: Email ⇄ email, Web ⇄ virtual_agent, Web ⇄ self-service");
    let look = stage.look();
    let self_service = from_incidents(&look)
        .find(|pair| pair.incident.text("contact_type") == "self-service")
        .ok_or(Failure::Missing("pair of a self-service incident"))?
        .clone();
    let email = from_cases(&look)
        .filter(|pair| pair.case.text("Origin") == "Email")
        .last()
        .ok_or(Failure::Missing("pair of an Email case"))?
        .clone();
    teller.say(&format!(
        "{}: Tom changes self-service to virtual_agent, and the description, which shows when the edit was looked at.",
        self_service.named()
    ));
    teller.equal(
        "before, its case's Origin",
        &"Web",
        &self_service.case.text("Origin"),
    );
    let seen = stage.salesforce.simulator().model.writes().len();
    stage.edit_incident(
        self_service.incident.id(),
        &json!({"contact_type": "virtual_agent", "description": "Asked the virtual agent instead."}),
    )?;
    teller.say(&format!("{}: Mara changes Email to Web.", email.named()));
    stage.edit_case(email.case.id(), &json!({"Origin": "Web"}))?;
    let (first, second) = until_there(stage, teller, "both edits were taken up", |stage| {
        let [first, second] = [pair(stage, &self_service), pair(stage, &email)];
        let taken = first.case.text("Description") == "Asked the virtual agent instead."
            && second.incident.text("contact_type") != "email";
        taken
            .then_some((first, second))
            .ok_or_else(|| "they are not there".to_owned())
    })
    .await?;
    teller.equal(
        "self-service → virtual_agent leaves Origin at",
        &"Web",
        &first.case.text("Origin"),
    );
    teller.equal(
        "and the incident at",
        &"virtual_agent",
        &first.incident.text("contact_type"),
    );
    let written = {
        let simulator = stage.salesforce.simulator();
        let new = simulator.model.writes().get(seen..).unwrap_or_default();
        let of_case = new.iter().filter(|write| write.id == first.case.id());
        of_case
            .filter(|write| write.changed.contains_key("Origin"))
            .count()
    };
    teller.equal("writes to that case's Origin", &0, &written);
    teller.equal(
        "Email → Web becomes",
        &"virtual_agent",
        &second.incident.text("contact_type"),
    );
    teller.equal("and the case stays at", &"Web", &second.case.text("Origin"));
    Ok(())
}
