//! Faults that simulators plant in the state machines, to show that their checkers find them.

/// Names the faults of a crate, lists them, and says whether one is planted.
///
/// Without the crate's feature `planted` none is ever there: `is` is a constant, and the compiler takes the places away.
#[macro_export]
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

        #[cfg(feature = "planted")]
        thread_local! {
            static PRESENT: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
        }

        /// Plants a fault in everything of this thread, or takes it away.
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
    };
}
