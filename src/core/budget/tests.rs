//! The promises of a budget, against an org that counts for itself.

use proptest::prelude::*;

use super::*;

/// An org that counts what reaches it. Nothing ever leaves its window: the worst case of a day.
struct Org {
    used: u64,
    allowed: u64,
}

impl Org {
    fn usage(&self) -> ApiUsage {
        ApiUsage {
            used: self.used,
            allowed: self.allowed,
        }
    }
}

fn at(seconds: u64) -> Moment {
    Moment {
        monotonic: Duration::from_secs(seconds),
        wall: Instant::from_seconds(1_700_000_000).later(Duration::from_secs(seconds)),
    }
}

fn knowing(share: u8, used: u64, allowed: u64) -> Budget {
    let mut budget = Budget::new(Share::percent(share).unwrap());
    let Admission::Granted(ticket) = budget.admit(Purpose::LookUp, 1, at(0)) else {
        panic!("the first call is not granted");
    };
    budget.answered(ticket, Some(ApiUsage { used, allowed }));
    budget
}

fn is_granted(budget: &mut Budget, purpose: Purpose, now: Moment) -> bool {
    match budget.admit(purpose, 1, now) {
        Admission::Granted(ticket) => {
            budget.not_sent(ticket);
            true
        }
        Admission::AskFirst | Admission::Refused(_) => false,
    }
}

fn refusal(budget: &mut Budget, purpose: Purpose, now: Moment) -> Refusal {
    match budget.admit(purpose, 1, now) {
        Admission::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_share_is_a_part_and_never_nothing_or_more_than_all() {
    assert_eq!(Share::percent(0), None);
    assert_eq!(Share::percent(101), None);
    assert_eq!(Share::DEFAULT.of(15_000), 12_000);
    assert_eq!(Share::percent(100).unwrap().of(u64::MAX), u64::MAX);
}

#[test]
fn polls_end_before_writes_and_writes_before_the_question_how_it_stands() {
    let wishes = |used| {
        let mut budget = knowing(80, used, 15_000);
        [Purpose::Poll, Purpose::LookUp, Purpose::Write, Purpose::Probe]
            .map(|purpose| is_granted(&mut budget, purpose, at(100_000)))
    };
    assert_eq!(wishes(8_000), [true, true, true, true]);
    assert_eq!(wishes(11_400), [false, true, true, true]);
    assert_eq!(wishes(11_950), [false, false, false, true]);
    assert_eq!(
        wishes(15_000),
        [false, false, false, true],
        "others went beyond: only the question is left"
    );
}

#[test]
fn a_poll_is_spread_over_the_day_when_little_is_left() {
    let mut budget = knowing(80, 11_000, 15_000);
    assert!(is_granted(&mut budget, Purpose::Poll, at(1_000)));
    let refusal = refusal(&mut budget, Purpose::Poll, at(1_010));
    assert!(!refusal.exhausted);
    assert!(
        refusal.retry_after > Duration::from_mins(2) && refusal.retry_after < Duration::from_mins(10),
        "{refusal:?}"
    );
    assert!(is_granted(&mut budget, Purpose::Write, at(1_010)));
    let later = 1_010 + refusal.retry_after.as_secs() + 1;
    assert!(is_granted(&mut budget, Purpose::Poll, at(later)));
}

#[test]
fn a_scan_that_began_goes_on_while_polls_are_spread_and_ends_where_polls_end() {
    let mut budget = knowing(80, 11_000, 15_000);
    assert!(is_granted(&mut budget, Purpose::Poll, at(1_000)));
    assert!(!is_granted(&mut budget, Purpose::Poll, at(1_001)));
    assert!(is_granted(&mut budget, Purpose::PollOn, at(1_001)));
    assert!(is_granted(&mut budget, Purpose::PollOn, at(1_002)));
    let mut budget = knowing(80, 11_400, 15_000);
    assert!(!is_granted(&mut budget, Purpose::PollOn, at(1_000)));
}

#[test]
fn an_exhausted_budget_is_asked_about_every_quarter_of_an_hour_and_goes_on_when_it_frees() {
    let mut budget = knowing(80, 11_950, 15_000);
    assert_eq!(budget.admit(Purpose::Write, 1, at(10)), Admission::AskFirst);
    let Admission::Granted(probe) = budget.admit(Purpose::Probe, 1, at(10)) else {
        panic!("no probe");
    };
    let exhausted = ApiUsage {
        used: 11_951,
        allowed: 15_000,
    };
    budget.answered(probe, Some(exhausted));
    let refused = refusal(&mut budget, Purpose::Write, at(20));
    assert!(refused.exhausted);
    assert_eq!(refused.usage, exhausted);
    assert_eq!(refused.ceiling, 12_000);
    assert_eq!(refused.retry_after, Duration::from_secs(15 * 60 - 10));
    assert!(refused.frees_at.unwrap() > at(20).wall);

    assert_eq!(budget.admit(Purpose::Write, 1, at(10 + 900)), Admission::AskFirst);
    let Admission::Granted(probe) = budget.admit(Purpose::Probe, 1, at(910)) else {
        panic!("no probe");
    };
    budget.answered(
        probe,
        Some(ApiUsage {
            used: 5_000,
            allowed: 15_000,
        }),
    );
    assert!(is_granted(&mut budget, Purpose::Write, at(911)));
    assert!(is_granted(&mut budget, Purpose::Poll, at(911)));
}

#[test]
fn answers_that_do_not_say_how_it_stands_make_us_ask() {
    let mut budget = Budget::new(Share::DEFAULT);
    let mut calls = 0;
    while let Admission::Granted(ticket) = budget.admit(Purpose::LookUp, 1, at(1)) {
        budget.answered(ticket, None);
        calls += 1;
        assert!(calls < 1_000, "never asked");
    }
    assert_eq!(budget.admit(Purpose::LookUp, 1, at(1)), Admission::AskFirst);
    let Admission::Granted(probe) = budget.admit(Purpose::Probe, 1, at(1)) else {
        panic!("no probe");
    };
    budget.answered(probe, None);
    assert!(
        is_granted(&mut budget, Purpose::LookUp, at(2)),
        "a service that never says is not asked each time"
    );
}

/// What a connection does next.
#[derive(Clone, Debug)]
enum Step {
    /// Wishes to call; how many of its attempts arrive, and whether the answer tells the count.
    Call(Purpose, u64, u64, bool),
    /// Begins a call that stays on its way.
    Begin(u64),
    /// Such a call arrives.
    End,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let purpose = prop_oneof![
        Just(Purpose::Poll),
        Just(Purpose::PollOn),
        Just(Purpose::LookUp),
        Just(Purpose::Write)
    ];
    prop_oneof![
        6 => (purpose, 1_u64..=4, 0_u64..=4, any::<bool>())
            .prop_map(|(purpose, attempts, arrive, told)| Step::Call(purpose, attempts, arrive.min(attempts), told)),
        1 => (1_u64..=4).prop_map(Step::Begin),
        1 => Just(Step::End),
        2 => (1_u64..200).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn the_share_is_never_exceeded(
        share in 1_u8..=100,
        allowed in 20_u64..2_000,
        used in 0_u64..100,
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let share = Share::percent(share).unwrap();
        let room = limit_of(Purpose::Write, share.of(allowed));
        let mut org = Org { used: used.min(room), allowed };
        let mut budget = knowing(share.get(), org.used, allowed);
        let mut on_their_way: Vec<(Ticket, u64)> = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Pass(seconds) => now += seconds,
                Step::Begin(attempts) => {
                    if let Admission::Granted(ticket) = budget.admit(Purpose::LookUp, attempts, at(now)) {
                        on_their_way.push((ticket, attempts));
                    }
                }
                Step::End => {
                    if let Some((ticket, attempts)) = on_their_way.pop() {
                        org.used += attempts;
                        let usage = org.usage();
                        budget.answered(ticket, Some(usage));
                    }
                }
                Step::Call(purpose, attempts, arrive, told) => {
                    let mut admission = budget.admit(purpose, attempts, at(now));
                    if admission == Admission::AskFirst {
                        if let Admission::Granted(probe) = budget.admit(Purpose::Probe, 1, at(now)) {
                            org.used += 1;
                            budget.answered(probe, Some(org.usage()));
                        }
                        admission = budget.admit(purpose, attempts, at(now));
                    }
                    if let Admission::Granted(ticket) = admission {
                        org.used += arrive;
                        budget.answered(ticket, told.then(|| org.usage()));
                    }
                }
            }
            // A share of nothing still asks once a day.
            prop_assert!(
                org.used <= share.of(allowed).max(1),
                "{} of {}", org.used, share.of(allowed)
            );
        }
    }

    #[test]
    fn a_refusal_always_says_when_to_ask_again(used in 0_u64..30_000, seconds in 0_u64..200_000) {
        let mut budget = knowing(80, used, 15_000);
        for purpose in [Purpose::Poll, Purpose::PollOn, Purpose::LookUp, Purpose::Write, Purpose::Probe] {
            if let Admission::Refused(refusal) = budget.admit(purpose, 4, at(seconds)) {
                prop_assert!(!refusal.retry_after.is_zero());
                prop_assert!(refusal.retry_after <= DAY);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn polling_alone_never_uses_up_what_writes_need(
        allowed in 1_000_u64..20_000,
        interval in 5_u64..120,
    ) {
        let mut org = Org { used: 0, allowed };
        let mut budget = knowing(80, 0, allowed);
        let mut now = 0;
        while now < 86_400 {
            now += interval;
            if let Admission::Granted(ticket) = budget.admit(Purpose::Poll, 1, at(now)) {
                org.used += 1;
                budget.answered(ticket, Some(org.usage()));
            }
        }
        prop_assert!(is_granted(&mut budget, Purpose::Write, at(now)));
    }
}
