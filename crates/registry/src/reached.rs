//! Places in the core that the runs of a test have to reach: a place that none reaches is one that is not tried.
//!
//! Without the feature `points` nothing is counted: [`at`] is empty, and the compiler takes the calls away.

/// Names the places, and lists them.
macro_rules! points {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[doc = $doc])+ $name,)+
        }

        #[cfg(feature = "points")]
        impl Point {
            /// Every place.
            pub const ALL: &'static [Point] = &[$(Point::$name,)+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Point::$name => stringify!($name),)+
                }
            }
        }
    };
}

points! {
    /// An entry that had been removed is registered again.
    TombstoneGaveWay,
    /// A removal is forgotten before all have heard of it.
    TombstoneOverLimit,
    /// A removal is forgotten because all have heard of it.
    TombstoneAcknowledged,
    /// A delta ends before the log does.
    DeltaFull,
    /// A question is answered by deltas.
    AnsweredByDeltas,
    /// A question from before a forgotten removal is answered by the sums of the log.
    AnsweredBySums,
    /// A question is answered by the whole log.
    AnsweredByWholeLog,
    /// A question about ranges is answered.
    AnsweredByRanges,
    /// Another node answers with its whole copy.
    HelpedByWholeCopy,
    /// Another node answers about ranges of its copy.
    HelpedByRanges,
    /// A whole log tells where an entry has gone.
    WholeLogToldOfMove,
    /// A range is sent as it is.
    RangeSent,
    /// A range of few entries is split because they are long.
    RangeFewButLong,
    /// A piece adds up to the same on both sides.
    PieceTheSame,
    /// A piece differs.
    PieceDiffers,
    /// A log goes on while a copy is compared with it.
    LogWentOnMeanwhile,
    /// A copy has too little of a log to be compared with it.
    CopyTooSmall,
    /// A delta is older than what a forgotten copy held.
    DeltaBeforeForgotten,
    /// A delta begins before where the copy stands.
    DeltaOverlaps,
    /// A removal finds nothing.
    RemovalOfNothing,
    /// A line is older than what the copy has.
    LineOlderThanCopy,
    /// A copy is between two states of its log.
    CopyUnsettled,
    /// What is held back does not fit yet.
    HeldBackWaits,
    /// What was held back is applied.
    HeldBackApplied,
    /// What was held back is dropped.
    HeldBackDropped,
    /// A further chunk of a whole log comes.
    ChunkContinues,
    /// A comparison finds nothing that differs.
    MendedNothing,
    /// A comparison finds entries that differ.
    MendedEntries,
    /// A digest proves a copy.
    Proved,
    /// A digest proves a copy that missed something.
    ProvedInAGap,
    /// A digest proves a copy that seemed wrong.
    ProvedAfterDoubt,
    /// A copy stands where its origin does, and differs.
    CopyDiffers,
    /// A node is heard that was started anew.
    GenerationStarted,
    /// A start before the last one leaves entries behind.
    EntriesRetired,
    /// Entries of too many starts of one node are kept.
    RetiredOverLimit,
    /// A delta comes before what it builds on.
    DeltaInAGap,
    /// A delta comes while a whole log is on its way.
    DeltaWhileLogComes,
    /// A copy is ahead of two digests in a row.
    AheadOfTwoDigests,
    /// An entry is registered again after a restart.
    RetiredCameBack,
    /// A stamp is too far ahead to be followed.
    ClockTooFarAhead,
    /// A stamp is ahead, and followed.
    ClockFollowed,
    /// An entry moves on before it is seen where it went.
    MovedOnBeforeSeen,
    /// An entry leaves for a node where it was not seen yet.
    DepartureBegan,
    /// It is seen there.
    DepartureSucceeded,
    /// It is registered again where it left.
    DepartureRevoked,
    /// It is not seen there in time.
    DepartureOverdue,
    /// A copy has passed the version of a move and does not hold the entry.
    MovePassedUnsettled,
    /// Nobody has what is missing.
    NobodyToAsk,
    /// Another node than the origin is asked.
    AskedAnotherNode,
    /// Changes after a version are asked for.
    AskedForChanges,
    /// A whole log is asked for.
    AskedForWholeLog,
    /// The sums of a log are asked for.
    AskedForSums,
    /// Ranges that differ are asked about.
    LookedCloser,
    /// An answer does not come to its end.
    QuestionFailed,
    /// A complete answer leaves a copy wrong.
    AnswerDidNotHelp,
    /// Another node knows more of a node that is gone.
    VectorToldOfMore,
    /// A frame comes right after the loss of its node.
    HeardInAfterglow,
    /// A node comes back after it was removed.
    BackAfterRemoval,
    /// A node comes back after it was unreachable.
    BackAfterLoss,
    /// A node that was suspect is heard.
    BackAfterSilence,
    /// The engine loses a node.
    LinkLost,
    /// A node finds out that it slept.
    Slept,
    /// A node is suspect.
    FellSilent,
    /// A node is unreachable because it is silent.
    SilentForLong,
    /// Entries that were held wait for their grace, because others came back.
    HoldEnded,
    /// Entries that were held leave.
    LongGraceOver,
    /// The entries of an unreachable node leave.
    GraceOver,
    /// Nodes that went together are held.
    LossHeld,
    /// An operator confirms a loss.
    LossConfirmed,
    /// All entries of an earlier start are back.
    RetiredAllBack,
    /// The rest of an earlier start leaves.
    RetiredOver,
    /// A question is not answered in time.
    QuestionOverdue,
    /// A change says what is there already.
    UpdateSaidNothing,
    /// A change comes after another registration.
    UpdateSuperseded,
    /// The end of a registration comes after another one.
    UnregisterSuperseded,
    /// A node gives an entry up to another one.
    Yielded,
    /// A change is sent at once.
    SentAtOnce,
    /// Changes are sent that were gathered.
    SentGathered,
    /// A key is held by a stamp that is ahead of the clock.
    StampAheadOfClock,
    /// A process hears another one of its name that was started before.
    NameWasTaken,
    /// A process hears of another one of its name that was started later.
    Overtaken,
    /// A process goes on under a later generation.
    Renewed,
    /// An earlier generation is told which one is known.
    EarlierAnswered,
}

#[cfg(feature = "points")]
thread_local! {
    static COUNTS: std::cell::RefCell<[u64; Point::ALL.len()]> = const { std::cell::RefCell::new([0; Point::ALL.len()]) };
}

/// Notes that a place is reached.
#[cfg(feature = "points")]
pub(crate) fn at(point: Point) {
    COUNTS.with_borrow_mut(|counts| counts[point as usize] += 1);
}

/// Notes that a place is reached: without the feature, nothing is noted.
#[cfg(not(feature = "points"))]
pub(crate) const fn at(_: Point) {}

/// How often each place was reached by the registries of this thread since this was last asked.
#[cfg(feature = "points")]
pub fn take() -> impl Iterator<Item = (&'static str, u64)> {
    let counts = COUNTS.replace([0; Point::ALL.len()]);
    Point::ALL.iter().map(|point| point.name()).zip(counts)
}
