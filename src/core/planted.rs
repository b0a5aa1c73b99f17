//! Bugs that are planted on purpose, one at a time, to prove that the tests would find them.
//!
//! A test that no bug can fail proves nothing. Each [`Bug`] is a mistake that two-way sync tools really make; the
//! mutation check of the simulation plants each and demands that some seed catches it. Only a build with the feature
//! `planted-bugs` can be told to make one: in any other, [`planted`] is a constant `false` and costs nothing. What is
//! shipped is built without it.

/// One mistake. The comment says what goes wrong at the place where it is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    allow(dead_code, reason = "named where a bug can be planted")
)]
pub enum Bug {
    /// The cursor is stored before the page's links are.
    CursorBeforeCommit,
    /// A scan begins where the last one ended, without an overlap for late commits.
    NoOverlap,
    /// A scan goes on at the next second: what shares the last row's second is left out.
    SiblingsSkipped,
    /// Whatever is newer than what was seen counts as changed, our own writes too.
    EchoByTimestamp,
    /// The clock of a record that only we moved decides who is newest.
    NewestByOwnWrite,
    /// A reading older than one that was acted on is taken for news.
    StaleReadingTaken,
    /// A record that carries a stamp originates all the same.
    StampedRecordOriginates,
    /// A creation whose outcome is unknown is sent again before anybody could have found it.
    CreationSentAgainAtOnce,
    /// An update whose outcome is unknown is forgotten at once, and planned again as if it had never been sent.
    UnknownUpdateForgotten,
    /// What stands at the target after an unknown outcome becomes base, whoever wrote it.
    ForeignReadBackAsBase,
    /// What the target made of our value, in the answer to that very write, does not become base.
    NormalisedAnswerNotBase,
    /// Intents are stored only after the write is sent.
    IntentAfterSend,
    /// Targets are not looked at again just before they are written.
    VerifySkipped,
    /// A link page is written whatever version it has by now.
    PageWithoutVersion,
    /// Writes go out although the Lease has expired.
    ExpiredLeaseSends,
    /// HTTP 202 counts as done.
    AcceptedTakenAsDone,
    /// An item that a batch did not get to counts as done.
    UnservicedTakenAsDone,
    /// A refused write counts as done.
    RejectedTakenAsDone,
    /// A field that the answer lacks counts as empty.
    AbsentTakenAsNull,
    /// A record that cannot be read counts as deleted.
    DeletedOnAbsence,
    /// A page that is shorter than asked for counts as the last.
    ShortPageTakenAsLast,
    /// Rows are not held against the filter and the order that were asked for.
    FilterTrusted,
    /// The losing value of a conflict leaves no trace.
    LoserNotJournalled,
    /// A field that waits for a value takes what it cannot carry as agreed.
    HeldFieldMovesBase,
    /// The change that takes a record out of the rules is not sent any more.
    ExitNotPropagated,
    /// What could not be sent is not remembered.
    UnsentForgotten,
    /// The cut copy of a text is taken for an edit of it.
    CutTextFlowsBack,
    /// Rows of one second are asked for in no order.
    OrderWithoutTieBreak,
    /// Values are compared as they are spelled.
    ComparedRaw,
    /// A record's fields are sent one write after the other.
    FieldsSentOneByOne,
    /// Text is taken for the id that a reference needs.
    ReferenceTakenAsText,
    /// A process that starts again reads from now on.
    CursorRestartsAtNow,
    /// The share of the org's calls is not kept to.
    BudgetIgnored,
    /// Lost link state is met with the first side's word, without a trace of the other's.
    FirstMeetingSilent,
}

impl Bug {
    /// Every bug that can be planted.
    pub const ALL: &'static [Self] = &[
        Self::CursorBeforeCommit,
        Self::NoOverlap,
        Self::SiblingsSkipped,
        Self::EchoByTimestamp,
        Self::NewestByOwnWrite,
        Self::StaleReadingTaken,
        Self::StampedRecordOriginates,
        Self::CreationSentAgainAtOnce,
        Self::UnknownUpdateForgotten,
        Self::ForeignReadBackAsBase,
        Self::NormalisedAnswerNotBase,
        Self::IntentAfterSend,
        Self::VerifySkipped,
        Self::PageWithoutVersion,
        Self::ExpiredLeaseSends,
        Self::AcceptedTakenAsDone,
        Self::UnservicedTakenAsDone,
        Self::RejectedTakenAsDone,
        Self::AbsentTakenAsNull,
        Self::DeletedOnAbsence,
        Self::ShortPageTakenAsLast,
        Self::FilterTrusted,
        Self::LoserNotJournalled,
        Self::HeldFieldMovesBase,
        Self::ExitNotPropagated,
        Self::UnsentForgotten,
        Self::CutTextFlowsBack,
        Self::OrderWithoutTieBreak,
        Self::ComparedRaw,
        Self::FieldsSentOneByOne,
        Self::ReferenceTakenAsText,
        Self::CursorRestartsAtNow,
        Self::BudgetIgnored,
        Self::FirstMeetingSilent,
    ];
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
    static REACHED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Plants a bug for this thread, or takes it out.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
    REACHED.set(0);
}

/// How often this thread came by the place of the bug since it was planted. One that is never reached proves nothing.
#[cfg(feature = "planted-bugs")]
pub fn reached() -> u64 {
    REACHED.get()
}

/// Is this bug planted here and now?
#[cfg(feature = "planted-bugs")]
pub fn planted(bug: Bug) -> bool {
    let here = PLANTED.get() == Some(bug);
    if here {
        REACHED.set(REACHED.get() + 1);
    }
    here
}

/// Never, in what is shipped.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn planted(_: Bug) -> bool {
    false
}
