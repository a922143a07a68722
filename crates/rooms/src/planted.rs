//! Faults that the simulator plants, to show that its checkers find them.
//!
//! Without the feature `planted` none is ever there: [`is`] is a constant, and the compiler takes the places away.

/// Names the faults, and lists them.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A fault that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        #[cfg(feature = "planted")]
        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Fault::$name => stringify!($name),)+
                }
            }

            /// What is wrong.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Fault::$name => concat!($($doc),+),)+
                }
            }
        }
    };
}

faults! {
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

#[cfg(feature = "planted")]
thread_local! {
    static PRESENT: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in all rooms of this thread, or takes it away.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Fault>) {
    PRESENT.set(fault);
}

/// Whether a fault is planted.
#[cfg(feature = "planted")]
pub(crate) fn is(fault: Fault) -> bool {
    PRESENT.get() == Some(fault)
}

/// Whether a fault is planted: without the feature, none is.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_: Fault) -> bool {
    false
}
