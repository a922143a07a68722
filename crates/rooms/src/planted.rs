//! Faults that the simulator plants, to show that its checkers find them.
//!
//! Without the feature `planted` none is ever there: [`is`] is a constant, and the compiler takes the places away.

sensocto_model::faults! {
    /// Of two writes the older one is kept.
    OldestWriteWins,
    /// What one copy lacks was never removed: members that were put out come back.
    RemovalForgotten,
    /// An operation is acknowledged before a second node has it.
    AckBeforeCopy,
    /// An operation is acknowledged before it is on the home's own disk.
    AckBeforeDisk,
    /// A take-over keeps the term of the home before.
    TermNotRaised,
    /// A home goes on under its term though it has seen a later one.
    LaterTermIgnored,
    /// Copies that differ are never compared in detail.
    DifferenceNotPulled,
    /// Two rooms keep the same join code.
    SameCodeKept,
    /// A room that was deleted on one side comes back from the other.
    DeletionUndone,
}
