//! Faults that the simulator plants, to show that its checkers find them.
//!
//! Without the feature `planted` none is ever there: [`is`] is a constant, and the compiler takes the places away.

sensocto_model::faults! {
    /// A delta is applied though something before it is missing.
    GapSkipped,
    /// A delta that is behind the copy is applied again.
    DuplicateApplied,
    /// Removals are forgotten, and replicas before them are not told to take the whole log.
    FloorForgotten,
    /// A removal is not remembered at all.
    TombstoneForgotten,
    /// The last removal of a full delta is cut off.
    RemovalCutOff,
    /// A copy behind its origin's claim is not repaired.
    BehindNotAsked,
    /// A copy in the middle of an answer counts as a state that its origin had.
    UnsettledIsSettled,
    /// Of two changes the older one is kept.
    FirstWriteWins,
    /// A removal is applied only right after the last change of its entry.
    RemovalNeedsNeighbour,
    /// The removal of a moved entry at its old node removes its new registration.
    MovedOldRemovesNew,
    /// What another node helped with is shown as that node's own.
    WrongOwner,
    /// A node that was removed is never believed again.
    RemovedNeverReturns,
    /// Frames of an earlier generation are believed.
    OldGenerationHeard,
    /// A new generation goes on from the copy of the one before.
    GenerationKeepsCopy,
    /// What an earlier generation left behind stays for ever.
    RetiredForever,
    /// What an earlier generation left behind leaves at once.
    RetiredAtOnce,
    /// An unreachable node's entries leave at once.
    GraceForgotten,
    /// An unreachable node's entries never leave.
    NeverRemoved,
    /// A wall clock that jumps ahead ages everything.
    WallClockExpiry,
    /// A node that slept counts the time as silence of the others.
    SelfDoubtForgotten,
    /// Of two registrations the one that was seen last wins.
    LastSeenWins,
    /// A registration's stamp is the wall clock alone.
    StampFromWall,
    /// A node whose entry moved away keeps it.
    LoserNotTold,
    /// An entry that moved stays at its old node for ever.
    LingerForever,
    /// An entry that moved leaves before its new registration is seen.
    DepartAtOnce,
    /// A whole log adds and never removes.
    MissedRemovalsKept,
    /// A part of a whole log is taken for all of it.
    HalfALog,
    /// A whole log that is older than the copy is taken.
    OlderLogTaken,
    /// A copy mended from several looks at its log counts as a state that its origin had.
    MendedIsSettled,
    /// A copy that is as far as its origin and not the same is left as it is.
    DivergenceIgnored,
    /// A removed entry stays in the hash of its set.
    HashKeepsRemoved,
    /// The checksum of frames is not compared.
    ChecksumUnread,
    /// What is held back has no limit.
    HeldBackUnbounded,
    /// Removals that are remembered have no limit.
    TombstonesUnbounded,
    /// A question that is not answered is waited for a thousand times as long.
    AskWaitsForEver,
    /// A change gets no version of its own.
    UpdateKeepsVersion,
    /// The end of an old registration removes the new one.
    UnregisterAnyStamp,
    /// Viewers are not told of a new owner.
    NewOwnerUntold,
    /// A node with entries and nothing to say repeats no digest.
    IdleIsSilent,
    /// Others bring back the entries of a node that was removed.
    RemovedBroughtBack,
    /// Viewers are told twice that an entry is there.
    ToldTwice,
    /// Nodes that go all at once are removed like one.
    MassLossBelieved,
    /// A process whose name is another one's stays.
    LaterStays,
    /// A process that was there first takes no later generation.
    OvertakenForGood,
    /// A process whose generation is refused does not hear of the later one.
    EarlierNotAnswered,
    /// A process that goes on under a later generation does not say that it was there first.
    BirthNotTold,
}
