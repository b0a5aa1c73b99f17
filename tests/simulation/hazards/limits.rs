//! The hazard of limits: H16.

use serde_json::json;
use syncflow::core::side::Side;

use crate::promises::scene::Scene;

const SF: Side = Side::Salesforce;

/// H16: an org's calls are counted over a day for everybody together; ours stop at our share, and that is said.
#[test]
pub fn h16_the_share_of_the_orgs_calls_is_never_exceeded() {
    let mut scene = Scene::new();
    let case = scene.case("dear");
    scene.set_up(|world| world.salesforce.model.settings.daily_requests = 400);
    let mut told = false;
    for round in 0..24 * 3 {
        scene.edit(SF, &case, json!({"Subject": format!("edit {round}")}));
        scene.run_minutes(20);
        let used = scene.calls_of_the_last_day();
        assert!(used <= 320, "{used} calls in a day; the share is 80 % of 400");
        told |= scene
            .report()
            .warnings
            .iter()
            .any(|warning| warning.reason.as_str().starts_with("ApiBudget"))
            || format!("{:?}", scene.report().state).contains("ApiBudget");
    }
    assert!(told, "{:?}", scene.report());
    // The window moves on, and so does the flow.
    scene.edit(SF, &case, json!({"Subject": "the next day"}));
    scene.run_minutes(24 * 60);
    let incident = scene.counterpart(SF, &case).unwrap();
    assert_eq!(
        scene.field(Side::ServiceNow, &incident, "short_description"),
        "the next day"
    );
}
