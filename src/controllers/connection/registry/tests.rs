use super::*;
use crate::controllers::connection::watchful::tests::Refusing;

const INTERVAL: Duration = Duration::from_mins(5);

fn epoch(generation: i64, secret: &str) -> Epoch {
    Epoch {
        uid: "uid".to_owned(),
        generation: Some(generation),
        secret: secret.to_owned(),
        sign_in_now: None,
    }
}

fn opened(registry: &ConnectionRegistry, epoch: &Epoch) -> Lent {
    let lent = Lent {
        epoch: epoch.clone(),
        side: Side::Salesforce,
        remote: Arc::new(Refusing),
    };
    registry.open(&lent);
    lent
}

fn works() -> Finding {
    Finding {
        problem: None,
        identity: Some("00D".to_owned()),
    }
}

fn fails(problem: Problem) -> Finding {
    Finding {
        problem: Some(problem),
        identity: None,
    }
}

fn is_usable(registry: &ConnectionRegistry, generation: i64) -> Option<bool> {
    let standing = registry.standing("uid", Some(generation))?;
    Some(matches!(standing, Standing::Usable(_)))
}

#[test]
fn a_session_is_lent_only_after_it_was_proven_and_each_change_is_news_once() {
    let registry = ConnectionRegistry::default();
    let first = epoch(1, "a");
    opened(&registry, &first);
    assert_eq!(is_usable(&registry, 1), None);
    let schedule = ProbeSchedule::default();
    assert!(registry.probed(&first, &works(), schedule));
    assert!(
        !registry.probed(&first, &works(), schedule),
        "the same again wakes nobody"
    );
    assert_eq!(is_usable(&registry, 1), Some(true));
    assert_eq!(
        is_usable(&registry, 2),
        None,
        "another manifest has not been proven"
    );
}

#[test]
fn passing_trouble_leaves_a_session_that_worked_to_its_flows_and_a_persons_does_not() {
    let registry = ConnectionRegistry::default();
    let first = epoch(1, "a");
    opened(&registry, &first);
    let schedule = ProbeSchedule::default();
    let passing = fails(Problem::transient("ServiceUnavailable", "…"));
    registry.probed(&first, &passing, schedule);
    assert_eq!(is_usable(&registry, 1), Some(false), "it never worked");
    registry.probed(&first, &works(), schedule);
    assert!(
        !registry.probed(&first, &passing, schedule),
        "flows are not woken"
    );
    assert_eq!(is_usable(&registry, 1), Some(true));
    assert!(registry.probed(
        &first,
        &fails(Problem::human("CredentialRejected", "…")),
        schedule
    ));
    assert_eq!(is_usable(&registry, 1), Some(false));
}

#[test]
fn another_secret_is_another_session_and_a_late_answer_about_the_old_one_changes_nothing() {
    let registry = ConnectionRegistry::default();
    let (old, new) = (epoch(1, "a"), epoch(1, "b"));
    opened(&registry, &old);
    registry.probed(&old, &works(), ProbeSchedule::default());
    assert!(registry.session(&new).is_none());
    opened(&registry, &new);
    assert!(registry.session(&old).is_none());
    assert!(!registry.probed(&old, &fails(Problem::human("X", "…")), ProbeSchedule::default()));
    assert_eq!(is_usable(&registry, 1), None, "the new session is not proven yet");
    assert!(!registry.suspect(&old));
}

#[test]
fn a_refusal_in_use_makes_the_proof_due_at_once_unless_it_failed_already() {
    let registry = ConnectionRegistry::default();
    let first = epoch(1, "a");
    opened(&registry, &first);
    let now = Duration::from_secs(1000);
    let proven = ProbeSchedule::default().after(None, now, INTERVAL, 0);
    registry.probed(&first, &works(), proven);
    let schedule = |registry: &ConnectionRegistry| registry.session(&first).unwrap().1;
    assert!(!schedule(&registry).is_due(now));
    assert!(registry.suspect(&first));
    assert!(schedule(&registry).is_due(now));

    let refused = proven.after(Some(FailureClass::HumanNeeded), now, INTERVAL, 0);
    registry.probed(&first, &fails(Problem::human("CredentialRejected", "…")), refused);
    assert!(
        !registry.suspect(&first),
        "repeated wrong passwords lock accounts"
    );
    assert!(!schedule(&registry).is_due(now));
}

#[test]
fn proofs_that_fail_come_slower_and_slowest_where_a_person_must_act() {
    let waits = |class| {
        let (mut schedule, now) = (ProbeSchedule::default(), Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..6 {
            schedule = schedule.after(Some(class), now, INTERVAL, u64::MAX);
            waits.push(schedule.due_in(now).as_millis().div_ceil(1000));
        }
        waits
    };
    assert_eq!(waits(FailureClass::Transient), [2, 4, 8, 16, 32, 64]);
    assert_eq!(waits(FailureClass::HumanNeeded), [30, 60, 120, 240, 300, 300]);
}

#[test]
fn a_connection_that_cannot_be_opened_lends_nothing() {
    let registry = ConnectionRegistry::default();
    let first = epoch(1, "a");
    opened(&registry, &first);
    registry.probed(&first, &works(), ProbeSchedule::default());
    let missing = Problem::waiting("SecretNotFound", "…");
    assert!(registry.refuse(epoch(1, ""), &missing));
    assert!(!registry.refuse(epoch(1, ""), &missing), "told once");
    assert_eq!(is_usable(&registry, 1), Some(false));
    assert!(
        registry.session(&first).is_none(),
        "the old session is not used again"
    );
}
