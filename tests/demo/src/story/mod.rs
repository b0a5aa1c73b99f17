//! The steps of the story, in the guide's order.
//!
//! | module | its steps |
//! |---|---|
//! | `opening` | connections authorised; the flow applied and the first sync |
//! | `fields` | updates both ways; a one-way field; conflicts |
//! | `values` | the two cases of the value table |
//! | `rules` | a case leaves the rules and comes back |
//! | `trouble` | an account that must reset its password; the operator killed in mid-creation |
//! | `ending` | the flow deleted and applied again; at rest; the totals |

mod ending;
mod fields;
mod opening;
mod rules;
mod trouble;
mod values;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::check::Teller;
use crate::failure::Failure;
use crate::records::{Look, Pair};
use crate::stage::Stage;
use crate::wait::until;

/// The flow's name in the quickstart.
const FLOW: &str = "cases-incidents";

/// How long something may take that the next cycle or two should bring. Only a wait in vain is that long.
const PATIENCE: Duration = Duration::from_mins(2);

/// Lines of the operator's log shown when a step failed.
const LOG_LINES: usize = 15;

/// Tells the whole story. Steps that fail are remembered by the teller, and the story goes on where it can.
pub async fn tell(stage: &mut Stage, teller: &mut Teller, began: Instant) -> Result<(), Failure> {
    let authorised = opening::connections_are_authorised(stage, teller).await;
    if !went_on(stage, teller, authorised) {
        teller.say("Everything else builds on this step, so the story ends here.");
        return Ok(());
    }
    let synced = opening::first_sync(stage, teller).await;
    if !went_on(stage, teller, synced) {
        teller.say("Everything else builds on this step, so the story ends here.");
        return Ok(());
    }
    let told = fields::updates_both_ways(stage, teller).await;
    went_on(stage, teller, told);
    let told = fields::a_one_way_field(stage, teller).await;
    went_on(stage, teller, told);
    let told = fields::conflicts(stage, teller).await;
    went_on(stage, teller, told);
    let told = values::the_two_cases_of_the_guide(stage, teller).await;
    went_on(stage, teller, told);
    let told = rules::a_case_leaves_and_comes_back(stage, teller).await;
    went_on(stage, teller, told);
    let told = trouble::password_needs_reset(stage, teller).await;
    went_on(stage, teller, told);
    let told = trouble::killed_in_mid_creation(stage, teller).await;
    went_on(stage, teller, told);
    let told = ending::deleted_and_applied_again(stage, teller).await;
    went_on(stage, teller, told);
    let told = ending::at_rest(stage, teller).await;
    went_on(stage, teller, told);
    ending::totals(stage, teller, began).await
}

/// Remembers a step that could not go on, with the end of the operator's log.
fn went_on(stage: &Stage, teller: &mut Teller, told: Result<(), Failure>) -> bool {
    let Err(failure) = told else { return true };
    teller.failed_in_step(&failure);
    teller.command("tail operator.log", &stage.log_tail(LOG_LINES));
    false
}

/// Waits for what stands in the services.
async fn until_there<T>(
    stage: &mut Stage,
    teller: &Teller,
    what: &str,
    look: impl Fn(&Stage) -> Result<T, String>,
) -> Result<T, Failure> {
    until(teller, what, PATIENCE, async || {
        stage.check_operator()?;
        Ok(look(stage))
    })
    .await
}

/// Waits for what an object says of itself.
async fn until_said<T>(
    stage: &mut Stage,
    teller: &Teller,
    what: &str,
    object: &[&str],
    judge: impl Fn(&Value) -> Result<T, String>,
) -> Result<T, Failure> {
    until(teller, what, PATIENCE, async || {
        stage.check_operator()?;
        Ok(judge(&stage.read(object).await?))
    })
    .await
}

/// Waits until every record that the rules let in has its counterpart, all mapped fields are equal, and the flow says
/// that it is synced and how many pairs it keeps.
async fn until_all_in_sync(stage: &mut Stage, teller: &Teller) -> Result<Look, Failure> {
    let look = until_there(
        stage,
        teller,
        "everything in the rules is on both sides, and equal",
        |stage| {
            let look = stage.look();
            let mut complaints = look.missing();
            complaints.extend(look.differences());
            match complaints.first() {
                None => Ok(look),
                Some(first) => Err(format!("{} records are not, such as: {first}", complaints.len())),
            }
        },
    )
    .await?;
    until_linked(stage, teller, look.in_rules()).await?;
    Ok(look)
}

/// Waits until the flow is Ready with that many pairs.
async fn until_linked(stage: &mut Stage, teller: &Teller, pairs: usize) -> Result<(), Failure> {
    let what = format!("the flow says Ready, and LINKED {pairs}");
    until_said(stage, teller, &what, &["syncflow", FLOW], |flow| {
        let linked = &flow["status"]["linked"];
        let ready = condition(flow, "Ready");
        if ready.0 == "True" && linked == pairs {
            Ok(())
        } else {
            Err(format!(
                "LINKED is {linked}, Ready is {} ({}): {}",
                ready.0, ready.1, ready.2
            ))
        }
    })
    .await
}

/// Status, reason and message of a condition; empty where there is none, or where it is about an older generation.
fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str, &'a str) {
    let generation = &object["metadata"]["generation"];
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind && condition["observedGeneration"] == *generation);
    let part = |name: &str| {
        found
            .and_then(|condition| condition[name].as_str())
            .unwrap_or_default()
    };
    (part("status"), part("reason"), part("message"))
}

/// The pairs that the rules let in and that a case began, in a fixed order.
fn from_cases(look: &Look) -> impl Iterator<Item = &Pair> {
    look.pairs
        .iter()
        .filter(|pair| pair.from_case && pair.is_in_rules())
}

/// The pairs that the rules let in and that an incident began, in a fixed order.
fn from_incidents(look: &Look) -> impl Iterator<Item = &Pair> {
    look.pairs
        .iter()
        .filter(|pair| !pair.from_case && pair.is_in_rules())
}
