//! What goes wrong with calls: between the operator and a service, at the vendor's edge, and in the service itself.

use syncflow::core::side::Side;
use syncflow_simulators::salesforce::{RowLock, Salesforce};
use syncflow_simulators::service_now::{Habit, ServiceNow};
use syncflow_simulators::{CannedAnswer, Effect};

use crate::chance::Chance;

/// One thing that goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// The connection is refused.
    Refused,
    /// The request is lost on its way.
    RequestLost,
    /// The service acts; its answer is lost.
    AnswerLost,
    /// No answer, and the service acts many seconds later.
    ActsLater,
    /// The vendor's edge answers for the service, which does not act.
    ErrorBefore,
    /// The vendor's edge answers for the service, which acts.
    ErrorAfter,
    /// An HTML page with status 200.
    HtmlPage,
    /// ServiceNow's 202: dropped, and it sounds like done.
    Accepted,
    /// Too many requests.
    Throttled,
    /// The answer breaks off.
    Truncated,
    /// The Salesforce session ends before its time.
    SessionEnds,
    /// Another transaction holds the Salesforce row.
    RowLocked,
    /// The batch's 30 seconds are over before all its items were served.
    BatchCut,
    /// A proxy that heard no answer sends the request again; the client gets the answer to the second.
    DeliveredTwice,
}

/// How often each goes wrong, in so many of a thousand reads and of a thousand writes.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Vec<(Mishap, u64, u64)>);

impl Trouble {
    pub fn add(&mut self, mishap: Mishap, reads: u64, writes: u64) {
        self.0.push((mishap, reads, writes));
    }

    /// What goes wrong with a call to a side, if anything.
    pub fn draw(&self, chance: &mut Chance, side: Side, writes: bool) -> Option<Mishap> {
        // Every line draws, so that one kind of trouble more or less leaves the others as they are.
        let mut drawn = None;
        for (mishap, of_reads, of_writes) in &self.0 {
            if chance.permille(if writes { *of_writes } else { *of_reads }) {
                drawn = drawn.or_else(|| Some(*mishap).filter(|mishap| mishap.meets(side)));
            }
        }
        drawn
    }
}

impl Mishap {
    pub const ALL: [Self; 14] = [
        Self::Refused,
        Self::RequestLost,
        Self::AnswerLost,
        Self::ActsLater,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::HtmlPage,
        Self::Accepted,
        Self::Throttled,
        Self::Truncated,
        Self::SessionEnds,
        Self::RowLocked,
        Self::BatchCut,
        Self::DeliveredTwice,
    ];

    fn meets(self, side: Side) -> bool {
        match self {
            Self::Accepted | Self::BatchCut => side == Side::ServiceNow,
            Self::SessionEnds | Self::RowLocked => side == Side::Salesforce,
            _ => true,
        }
    }

    /// What the simulated network and edge do.
    pub fn effect(self, side: Side, chance: &mut Chance, latest_millis: u64) -> Option<Effect> {
        Some(match self {
            Self::RequestLost => Effect::LoseRequest,
            Self::AnswerLost => Effect::LoseAnswer,
            Self::ActsLater => Effect::ActLater {
                millis: 1 + chance.below(latest_millis),
            },
            Self::ErrorBefore => Effect::StatusBefore(unavailable(chance)),
            Self::ErrorAfter => Effect::StatusAfter(unavailable(chance)),
            Self::HtmlPage => Effect::HtmlPage,
            Self::Accepted => Effect::Accepted202,
            Self::Throttled => Effect::StatusBefore(too_many(side)),
            Self::Truncated => Effect::TruncateBody {
                bytes: usize::try_from(chance.below(300)).unwrap(),
            },
            Self::Refused | Self::SessionEnds | Self::RowLocked | Self::BatchCut | Self::DeliveredTwice => {
                return None;
            }
        })
    }

    /// What the services themselves do.
    pub fn befall(self, salesforce: &mut Salesforce, service_now: &mut ServiceNow) {
        match self {
            Self::SessionEnds => salesforce.revoke_sessions(),
            Self::RowLocked => salesforce.lock_row(RowLock {
                times: 1,
                ..RowLock::default()
            }),
            Self::BatchCut => {
                let slow = Habit::new("servicenow.batch", |switches| {
                    switches.batch_inner_millis = 12_000;
                });
                service_now.add_habit(slow.times(1));
            }
            _ => {}
        }
    }
}

fn unavailable(chance: &mut Chance) -> CannedAnswer {
    CannedAnswer {
        status: *chance.pick(&[500, 502, 503, 504]),
        body: "<html><body>Service Unavailable</body></html>".to_owned(),
        headers: Vec::new(),
    }
}

fn too_many(side: Side) -> CannedAnswer {
    match side {
        Side::Salesforce => CannedAnswer {
            status: 503,
            body: r#"[{"message":"Server is busy","errorCode":"SERVER_UNAVAILABLE"}]"#.to_owned(),
            headers: Vec::new(),
        },
        Side::ServiceNow => CannedAnswer {
            status: 429,
            body: r#"{"error":{"message":"Rate limit exceeded","detail":""},"status":"failure"}"#.to_owned(),
            headers: vec![("Retry-After".to_owned(), "7".to_owned())],
        },
    }
}
